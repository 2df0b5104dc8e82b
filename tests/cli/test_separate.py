"""The command, as its user runs it: a folder with everything in it, and what comes of it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat, encode_file
from stemkit.cli.main import run
from stemkit.cli.run import FORMATS
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.samples import Samples
from tests.separation.networks import make_least

SECONDS = 1.5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(make_least(), path)
    return path


def make_song(rate: int, channels: int) -> Samples:
    time_axis = np.arange(int(rate * SECONDS)) / rate
    tones = [0.3 * np.sin(2 * np.pi * (220 + 110 * c) * time_axis) for c in range(channels)]
    return np.stack(tones).astype(np.float32)


def read(path: Path) -> tuple[Samples, int]:
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.blocks()), axis=1), reader.info.sample_rate


def list_outputs(out: Path) -> list[Path]:
    """Return every file but the ledger's and the records."""
    files = (path for path in out.rglob("*") if path.is_file() and path.suffix != ".json")
    return sorted(path for path in files if ".stemkit" not in path.relative_to(out).parts)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    encode_file(path, [make_song(44100, 2)], 44100, 2, OutputFormat("wav"))
    return path


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    (folder / "album").mkdir(parents=True)
    for container in ("wav", "flac", "mp3", "ogg", "opus", "m4a"):
        encode_file(
            folder / f"{container}-song.{container}",
            [make_song(44100, 2)],
            44100,
            2,
            OutputFormat(container),
        )
    soundfile.write(folder / "album" / "mono.wav", make_song(44100, 1).T, 44100)
    soundfile.write(folder / "album" / "48k.wav", make_song(48000, 2).T, 48000)
    soundfile.write(folder / "three.wav", np.full((3, 2), 0.1), 44100)
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("not audio at all")
    broken = (folder / "wav-song.wav").read_bytes()
    (folder / "cut.wav").write_bytes(broken[: len(broken) // 2])
    (folder / "._song.m4a").write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    nan = make_song(44100, 2)
    nan[0, 4410] = np.nan
    soundfile.write(folder / "nan.wav", nan.T, 44100, subtype="FLOAT")
    return folder


def test_a_folder_with_everything_in_it(
    library: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["separate", str(library), "-o", str(out), "--model", str(model), "--json"]
    assert run([*command, "--bit-depth", "32f", "--precision", "float32"]) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events][:: len(events) - 1] == ["plan", "summary"]
    summary = events[-1]
    assert (summary["done"], summary["failed"], summary["skipped_not_audio"]) == (9, 4, 2)
    failed = {Path(e["source"]).name: e for e in events if e["event"] == "failed"}
    assert failed.keys() == {"empty.wav", "text.mp3", "cut.wav", "nan.wav"}
    assert all("\n" not in e["error"] and not e["details"] for e in failed.values())
    assert "0.100 s" in failed["nan.wav"]["error"]
    done = [event for event in events if event["event"] == "done"]
    for event in done:
        mix, rate = read(Path(event["source"]))
        stems = [read(Path(output["path"])) for output in event["outputs"]]
        assert all(stem.shape == mix.shape and r == rate for stem, r in stems)
        np.testing.assert_allclose(sum(stem for stem, _ in stems), mix, atol=1e-6)
    written = set(list_outputs(out))
    assert written == {Path(o["path"]) for event in done for o in event["outputs"]}
    assert out / "album" / "mono" / "vocals.wav" in written


def test_a_second_run_has_only_the_failures_left(
    library: Path, model: Path, tmp_path: Path
) -> None:
    (library / "ok.wav").write_bytes((library / "wav-song.wav").read_bytes())
    for bad in ("empty.wav", "text.mp3", "cut.wav", "nan.wav"):
        (library / bad).unlink()
    command = ["separate", str(library), "-o", str(tmp_path / "out"), "--model", str(model)]
    assert run(command) == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.wav")}
    assert run(command) == 3
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.wav")}


def test_the_same_run_twice_writes_the_same_bytes(model: Path, tmp_path: Path) -> None:
    song = tmp_path / "48k.wav"
    soundfile.write(song, make_song(48000, 2).T, 48000)
    for out in ("one", "two"):
        options = ["--precision", "float32", "--device", "cpu", "--bit-depth", "16", "-q"]
        assert (
            run(["separate", str(song), "-o", str(tmp_path / out), "-m", str(model), *options]) == 0
        )
    for stem in ("vocals", "accompaniment"):
        one, two = (tmp_path / out / "48k" / f"{stem}.wav" for out in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("container", FORMATS)
def test_every_format_is_written(container: str, song: Path, model: Path, tmp_path: Path) -> None:
    command = ["separate", str(song), "-o", str(tmp_path / "out"), "-m", str(model), "-q"]
    assert run([*command, "--format", container, "--stems", "vocals"]) == 0
    (written,) = list_outputs(tmp_path / "out")
    audio, rate = read(written)
    assert written.suffix == f".{container}"
    assert audio.shape == (2, round(SECONDS * rate))


def test_a_dry_run_writes_nothing(
    library: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["separate", str(library), "-o", str(out), "-m", str(model), "--dry-run", "-v"]) == 0
    assert not out.exists()
    assert str(out / "album" / "mono" / "vocals.wav") in capsys.readouterr().out


def test_a_dry_run_tells_what_will_fail(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for song in ("song.wav", "Song.wav", "z.wav"):
        (tmp_path / "in").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "in" / song, np.zeros((4410, 2)), 44100)
    options = [str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-m", str(model), "--dry-run"]
    assert run(["separate", *options]) == 1
    said = capsys.readouterr()
    assert said.err.count("differs from it in case or accents alone") == 2
    assert said.out.splitlines()[-1] == "1 to do, 2 failed"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["separate", "{song}"], 2, "--output"),
        (["separate", "", "-o", "{out}"], 2, "an empty path names nothing"),
        (["separate", "{song}", "-o", ""], 2, "an empty path names nothing"),
        (["separate", "gone.wav", "-o", "{out}"], 2, "no file or folder gone.wav"),
        (["separate", "{song}", "-o", "{out}", "--stems", "drums"], 2, "no stem 'drums'"),
        (["separate", "{song}", "-o", "{out}", "--format", "mp3", "--bit-depth", "16"], 2, "mp3"),
        (["separate", "{song}", "-o", "{out}", "--name-template", "../{{stem}}"], 2, "outside"),
        (["separate", "{song}", "-o", "{out}", "--model", "stemkit-smal"], 1, "stemkit-small"),
        (["separate", "{song}", "-o", "{out}", "--model", "gone.safetensors"], 1, "gone"),
        (["separate", "{song}", "-o", "{out}", "--segment-seconds", "1"], 2, "overlap"),
        (["separate", "{out}", "-o", "{out}/x"], 3, ""),
    ],
)
def test_what_can_not_be_done_is_one_line_and_a_code(
    arguments: list[str],
    code: int,
    message: str,
    song: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert run([argument.format(song=song, out=out) for argument in arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(out.rglob("*.*"))


def test_an_interrupted_run_leaves_nothing_half_written(
    song: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stemkit.separation.predictor import Predictor

    def interrupt(self: Predictor, segments: list[Samples]) -> list[Samples]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "predict", interrupt)
    out = tmp_path / "out"
    assert run(["separate", str(song), "-o", str(out), "-m", str(model)]) == 130
    assert not list_outputs(out)


def test_a_plain_run_imports_only_what_it_needs(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", make_song(44100, 2)[:, :9000].T, 44100)
    code = (
        "import sys; from stemkit.cli.main import run;"
        f"assert run(['separate', {str(tmp_path / 'song.wav')!r}, '-q', "
        f"'-o', {str(tmp_path / 'out')!r}]) == 0;"
        "print({'scipy.signal', 'scipy.ndimage', 'scipy.fft', 'pooch', 'stemkit.effects.schema',"
        "'pedalboard', 'matplotlib', 'rich'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_the_exit_calls_its_handlers_and_collects_nothing() -> None:
    code = (
        "import atexit, gc, sys; from stemkit.cli.main import main;"
        "atexit.register(lambda: print('frozen', gc.get_freeze_count() > 0));"
        "sys.argv[1:] = ['--version']; main()"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "frozen True"


def test_help_is_quick_and_imports_no_torch() -> None:
    code = (
        "import sys; from stemkit.cli.main import run; assert run(['--help']) == 0;"
        "assert run(['separate', '--help']) == 0;"
        "assert not {'torch', 'numpy', 'av', 'soundfile', 'pydantic'} & set(sys.modules)"
    )
    began = time.perf_counter()
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "separate" in found.stdout
    assert time.perf_counter() - began < 5  # it is 0.1 s where nothing else runs
