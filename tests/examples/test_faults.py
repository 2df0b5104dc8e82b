"""What an example can't do it says in one line, with a code that isn't 0."""

import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.separation.separator import Separator
from tests.batch.libraries import save_tiny, write_song

EXAMPLES = Path(__file__).parents[2] / "examples"
STREAMING = ("board.py", "live_blocks.py", "pedalboard_loop.py")
HERE = ("library.py", "make_preset.py", *STREAMING)
PROGRAMS = ("pipeline.py", "study/gather_material.py")  # are run as such
Run = Callable[..., tuple[object, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder: a song, and what is none."""
    monkeypatch.chdir(tmp_path)
    write_song(tmp_path / "song.wav")
    write_song(tmp_path / "songs" / "song.wav")
    save_tiny(tmp_path / "tiny.safetensors")
    (tmp_path / "junk.wav").write_bytes(b"junk" * 999)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    return tmp_path


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Run:
    """Return what runs an example as a script: its code, and all that it says of errors."""

    def run_script(script: str, *arguments: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        code: object = 0
        handler = signal.getsignal(signal.SIGINT)
        try:
            runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        except SystemExit as ended:
            code = ended.code
        finally:
            signal.signal(signal.SIGINT, handler)  # which one of them sets
        said = [capsys.readouterr().err, *caplog.messages]
        if isinstance(code, str):  # is printed by Python
            return 1, "".join([*said, code])
        return code, "".join(said)

    return run_script


@pytest.mark.parametrize(
    ("script", "arguments", "fault"),
    [
        *((one, "missing.wav out.wav", "does not exist: missing.wav") for one in STREAMING),
        *((one, "junk.wav out.wav", 'file "junk.wav" does not seem') for one in STREAMING),
        *((one, "song.wav missing/out.wav", "missing/out.wav") for one in STREAMING),
        *((one, "song.wav out.xyz", "extension: .xyz") for one in STREAMING),
        ("board.py", "song.wav out.wav --stem drums", "no stem 'drums'"),
        ("pedalboard_loop.py", "song.wav out.wav --model none", "no model 'none'"),
        ("live_blocks.py", "song.wav out.wav --segment-seconds 0", "0 s"),
        ("library.py", "missing out", "no file or folder missing"),
        ("library.py", "texts out", "no audio in texts"),
        ("library.py", "junk.wav out", "junk.wav: 'junk.wav' has the name of an audio file"),
        ("library.py", "songs song.wav", "can't write song.wav"),
        ("library.py", "songs out --model none", "no model 'none'"),
        ("make_preset.py", "missing/hall.toml", "can't write missing/hall.toml"),
        ("make_preset.py", "texts", "can't write texts"),
    ],
)
def test_a_fault_is_one_line(run: Run, script: str, arguments: str, fault: str) -> None:
    code, said = run(script, *arguments.split())
    assert code == 1
    assert fault in said
    assert len(said.splitlines()) == 1
    assert not Path("out.wav").exists()


@pytest.mark.parametrize("script", HERE)
def test_it_helps_and_tells_what_it_lacks(run: Run, script: str) -> None:
    assert run(script, "--help") == (0, "")
    code, said = run(script)
    assert code == 2
    assert "the following arguments are required" in said.splitlines()[-1]


def test_a_library_without_faults_is_done(run: Run) -> None:
    for _ in range(2):
        assert run("library.py", "songs", "out", "--model", "tiny.safetensors") == (0, "")
    assert len([*Path("out").rglob("*.wav")]) == 2


@pytest.mark.parametrize("frames", [0, 1, pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("script", STREAMING)
def test_a_song_of_hardly_any_frames_is_one(run: Run, script: str, frames: int) -> None:
    soundfile.write("short.wav", np.full((frames, 2), 0.1), 44100)
    assert run(script, "short.wav", "out.wav") == (0, "")
    late = 0
    if script == "live_blocks.py":
        late = Separator(segment_seconds=1.5, overlap_seconds=0.2).latency_at(44100)
    assert soundfile.read("out.wav")[0].shape == (late + frames, 2)


@pytest.mark.parametrize(
    ("script", "arguments", "fault"),
    [
        *((one, "", "the following arguments are required") for one in PROGRAMS),
        ("pipeline.py", "missing out", "no file or folder missing"),
        ("pipeline.py", "texts out", "no audio in texts"),
        ("pipeline.py", "songs song.wav", "can't write song.wav"),
        ("pipeline.py", "songs out --model none", "no model 'none'"),
        ("study/gather_material.py", "out --pockettorah missing", ""),  # or Debian is
        ("study/gather_material.py", "song.wav --pockettorah torah", ""),
    ],
)
def test_a_fault_of_a_program_is_one_line(
    folder: Path, script: str, arguments: str, fault: str
) -> None:
    song = write_song(folder / "torah/data/audio/song.wav")
    song.rename(song.with_name("Bereshit-1.mp3"))
    command = [sys.executable, str(EXAMPLES / script), *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2, 3)
    assert fault in done.stderr
    assert len(done.stderr.splitlines()) == (1 if arguments else 2)
    if not arguments:
        helped = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
        assert (helped.returncode, helped.stderr) == (0, "")
