"""`stemkit train` as its user sees it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.cli.main import run
from stemkit.cli.train import _stop_on_signals
from tests.training.making import write_material, write_toml


def test_reports_are_printed_and_notes_are_not_among_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_material(tmp_path)
    (tmp_path / "voice" / "bad.wav").write_bytes(b"RIFF")
    path = write_toml(tmp_path, max_steps=1, validation="'songs'")
    assert run(["train", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("0.00 h, step 1, loss ")
    assert ", vocals " in out
    note, line = err.splitlines()
    assert note.startswith("decoding all audio into ")
    assert line.startswith(f"left out {tmp_path / 'voice' / 'bad.wav'}: ")
    made = {path.name for path in (tmp_path / "out").iterdir()}
    made.remove(".train.lock")
    assert made == {"average.safetensors", "cache", "log.csv", "log.png", "state.pt"}


@pytest.mark.parametrize(
    ("keys", "options", "code", "message"),
    [
        ({"hours": "never"}, [], 2, "can't read the training config"),
        ({"batch": 4}, [], 2, "batch: Extra inputs are not permitted"),
        ({"max_steps": 1}, [], 1, "no folder"),
        ({"max_steps": 1}, ["--init", "no-such"], 1, "no model 'no-such'"),
        (
            {"max_steps": 1, "validation": "'nowhere'"},
            ["--init", "stemkit-small"],
            1,
            "nowhere; co",
        ),
        ({"precision": "'float16'", "device": "'cpu'"}, [], 1, "float16 gains nothing"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    keys: dict[str, object],
    options: list[str],
    code: int,
    message: str,
) -> None:
    if options:
        write_material(tmp_path)
    assert run(["train", str(write_toml(tmp_path, **keys)), *options]) == code
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert out == ""


def test_a_start_from_elsewhere_comes_too_late_for_what_has_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_material(tmp_path)
    path = str(write_toml(tmp_path, max_steps=1))
    assert run(["train", path]) == 0
    capsys.readouterr()
    assert run(["train", path, "--init", "stemkit-small"]) == 2
    assert "has a training that goes on; leave out --init, or choose" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["MixDataset", "_Examples"])
def test_what_fails_in_a_worker_ends_it_though_workers_heed_no_signal(
    tmp_path: Path, kind: str
) -> None:
    """Python waits at its end for workers that it asked to end."""
    write_material(tmp_path)
    path = write_toml(tmp_path, max_steps=3, workers=1)
    program = f"""
import sys
from stemkit.cli.main import main
from stemkit.training import batches

def fail(*_):
    raise ValueError("no such thing")

batches.{kind}.__getitem__ = fail
sys.argv = ["stemkit", "train", {str(path)!r}]
main()
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "no such thing" in done.stderr


def test_the_first_signal_asks_it_to_stop_and_the_second_ends_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with _stop_on_signals() as is_stopped:
        assert not is_stopped()
        os.kill(os.getpid(), signal.SIGTERM)
        assert is_stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


def test_before_it_is_asked_the_first_signal_ends_it() -> None:
    with _stop_on_signals(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_decoding_is_interrupted_at_once_and_leaves_nothing_that_was_begun(tmp_path: Path) -> None:
    write_material(tmp_path)
    long = np.random.default_rng(0).normal(size=(44100 * 40, 2)) / 8
    for number in range(30):
        soundfile.write(tmp_path / "voice" / f"{number}.flac", long, 44100)
    path = write_toml(tmp_path, max_steps=1)
    command = [sys.executable, "-m", "stemkit", "train", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("decoding all audio into ")
        process.terminate()
        assert process.stderr.read().split("\n")[1:] == [
            "interrupted: nothing that was begun is left half-written",
            "",
        ]
    assert process.returncode == 130
    cache = [path.suffix for path in (tmp_path / "out" / "cache").rglob("*")]
    assert set(cache) <= {".npy", ".json"}
    assert cache.count(".json") < 30
    assert not (tmp_path / "out" / "state.pt").exists()
