"""The examples of the processor do what they say."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.samples import Samples
from stemkit.separation.separator import Separator

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = [EXAMPLES / "pedalboard_loop.py", EXAMPLES / "live_blocks.py"]
STEP_24_BIT = 2.0**-23
Run = Callable[..., str]


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 3 s of the example clip, as a wav."""
    path = tmp_path_factory.mktemp("song") / "song.wav"
    clip = EXAMPLES / "audio" / "word-war-vi.ogg"
    audio, rate = soundfile.read(clip, start=3 * 44100, frames=3 * 44100 + 5, dtype="float32")
    soundfile.write(path, audio, rate, subtype="FLOAT")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs an example as a script, and gives what it printed."""

    def run_script(script: str, *arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    return run_script


def read(path: Path) -> Samples:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 44100
    return np.ascontiguousarray(audio.T)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_an_example_is_short_and_says_how_to_run_it(script: Path) -> None:
    text = script.read_text()
    assert len(text.splitlines()) < 40
    assert f"python examples/{script.name} song.wav" in text


def test_the_loop_writes_what_one_call_gives(run: Run, song: Path, tmp_path: Path) -> None:
    target = tmp_path / "backing.wav"
    assert run("pedalboard_loop.py", song, target, "--stem", "accompaniment") == ""
    expected = Separator("accompaniment")(read(song), 44100)
    np.testing.assert_allclose(read(target), expected, atol=STEP_24_BIT)
    assert np.abs(expected).max() > 0.05


def test_live_blocks_are_late_by_what_is_said(run: Run, song: Path, tmp_path: Path) -> None:
    target = tmp_path / "live.wav"
    said = run("live_blocks.py", song, target, "--segment-seconds", "0.7")
    separator = Separator(segment_seconds=0.7, overlap_seconds=0.2)
    latency = separator.latency_at(44100)
    assert said == f"latency: {1000 * latency / 44100:.0f} ms\n"
    live, audio = read(target), read(song)
    assert live.shape[1] == audio.shape[1] + latency
    assert not live[:, :latency].any()
    np.testing.assert_allclose(live[:, latency:], separator(audio, 44100), atol=STEP_24_BIT)
