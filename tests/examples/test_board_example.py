"""The example of the board does what it says."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pedalboard as pb
import pytest
import soundfile

from stemkit.separation.separator import Separator

SCRIPT = Path(__file__).parents[2] / "examples" / "board.py"
CLIP = SCRIPT.parent / "audio" / "word-war-vi.ogg"


def test_it_is_short_and_says_how_to_run_it() -> None:
    text = SCRIPT.read_text()
    assert len(text.splitlines()) < 40
    assert "python examples/board.py song.wav vocals.wav" in text


def test_its_file_is_what_the_plugins_give_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audio, rate = soundfile.read(CLIP, start=3 * 44100, frames=70_001, dtype="float32")
    song, target = tmp_path / "song.wav", tmp_path / "vocals.wav"
    soundfile.write(song, audio, rate, subtype="FLOAT")
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(song), str(target), "--room", "0.7"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert capsys.readouterr() == ("", "")
    found, found_rate = soundfile.read(target, dtype="float32")
    vocals = Separator("vocals")(pb.HighpassFilter(60)(audio, rate), rate)
    after = [pb.Compressor(-24, 3), pb.Mix([pb.Gain(0), pb.Reverb(0.7)]), pb.BrickwallLimiter(-1)]
    expected = pb.Pedalboard(after)(vocals, rate)
    assert found_rate == rate
    assert found.shape == audio.shape
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(found, expected, rtol=0, atol=2.0**-23 + 1e-6)
