"""The Python of the README does what it says, as it is written."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.separation.separator import Separator
from tests.batch.libraries import write_song

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def snippets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the section's indented blocks, the working folder being empty."""
    monkeypatch.chdir(tmp_path)
    section = README.read_text(encoding="utf-8").split("## From Python\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n|^\n)+", section, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks if block.strip()]


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("frames", [0, 1, 2, 6, 100_000])
def test_the_loop_writes_what_one_call_gives(
    snippets: list[str], channels: int, frames: int
) -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)
    soundfile.write("song.wav", audio, 44100, "FLOAT")
    exec(snippets[0].replace("song.mp3", "song.wav"), {})
    found, rate = soundfile.read("out.wav", always_2d=True)
    assert (rate, found.shape) == (44100, audio.shape)
    if frames > channels:
        expected = Separator("accompaniment")(audio, 44100)
        np.testing.assert_allclose(found, np.clip(expected, -1, 1), atol=2.0**-14)


def test_the_library_yields_each_song(
    snippets: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_song(Path("Music", "song.wav"))
    Path("Music", "bad.wav").touch()
    exec(snippets[1], {})
    said = sorted(line.split("(")[0] for line in capsys.readouterr().out.splitlines())
    assert said == ["Done", "Failed"]
    assert Path("Stems", "song", "karaoke.wav").is_file()
