"""The commands around a library: events, lists, pipes, signals, status, retry and clean."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import mutagen
import numpy as np
import pytest
import soundfile

from stemkit.batch.cancel import CancelToken
from stemkit.batch.driving import open_known
from stemkit.cli.main import run
from stemkit.cli.signals import cancel_on_signals
from tests.audio.audiofiles import write_with_ffmpeg
from tests.batch.libraries import read_tree, save_tiny, write_song

STEMKIT = [sys.executable, "-m", "stemkit"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    for number in range(3):
        write_song(folder / f"{number}.wav", seed=number)
    (folder / "bad.wav").write_bytes(b"RIFF no good")
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return folder


@pytest.fixture
def command(songs: Path, model: Path, tmp_path: Path) -> list[str]:
    return ["separate", str(songs), "-o", str(tmp_path / "out"), "-m", str(model)]


def read_events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_event_is_as_the_schema_says(
    command: list[str], songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["events"]) == 0
    schema = json.loads(capsys.readouterr().out)
    check = jsonschema.Draft202012Validator(schema)
    shutil.copy(songs / "1.wav", songs / "twin.wav")
    assert run([*command, "--json", "--dedupe"]) == 1
    events = read_events(capsys)
    assert run([*command, "--json"]) == 1
    events += read_events(capsys)
    for event in events:
        check.validate(event)
        with pytest.raises(jsonschema.ValidationError):
            check.validate({**event, "event": "else"})
    kinds = {event["event"] for event in events}
    assert kinds == {"plan", "skipped", "started", "done", "failed", "summary"}
    assert [event["reason"] for event in events if event["event"] == "skipped"].count("done") == 4
    first = next(event for event in events if event["event"] == "plan")
    assert first["version"] == 2
    assert {job["reason"] for job in first["jobs"]} == {"missing"}  # type: ignore[attr-defined]


@pytest.mark.slow
def test_progress_is_told_about_once_a_second(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_song(tmp_path / "long.wav", 100)
    assert run(["separate", str(song), "-o", str(tmp_path / "out"), "--json"]) == 0
    progress = [event for event in read_events(capsys) if event["event"] == "progress"]
    seconds = [event["audio_seconds"] for event in progress]
    assert seconds
    assert seconds == sorted(seconds)  # type: ignore[type-var]
    assert all(event["total_seconds"] == 100 for event in progress)


@pytest.mark.parametrize("separator", ["\n", "\0", "\r\n"], ids=["lines", "nul", "windows"])
def test_a_list_of_files_keeps_their_folders(
    separator: str, songs: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_song(songs / "a" / "same.wav", seed=5)
    write_song(songs / "b" / "same.wav", seed=6)
    names = ["songs/a/same.wav", "songs/b/same.wav", str(songs / "1.wav"), "songs/gone.wav"]
    (tmp_path / "list").write_bytes(separator.join(names).encode())
    assert run(["separate", "--files-from", "list", "-o", "out", "-m", str(model), "-q"]) == 1
    absolute = (songs / "1").relative_to("/").as_posix()
    assert {Path(name).parent.as_posix() for name in read_tree(tmp_path / "out")} == {
        "songs/a/same", "songs/b/same", absolute,
    }  # fmt: skip


def test_a_list_comes_from_stdin_too(
    songs: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stdin = io.TextIOWrapper(io.BytesIO(b"songs/1.wav\n\nsongs/2.wav"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run(["separate", "--files-from", "-", "-o", "out", "-m", str(model), "-q"]) == 0
    assert len(read_tree(tmp_path / "out")) == 2 * 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_may_begin_with_a_byte_order_mark(
    encoding: str, songs: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(songs / "1.wav", songs / "Größe.wav")
    (tmp_path / "list").write_text("songs/Größe.wav\r\nsongs/2.wav\r\n", encoding, newline="")
    assert run(["separate", "--files-from", "list", "-o", "out", "-m", str(model), "-q"]) == 0
    folders = {Path(name).parent.as_posix() for name in read_tree(tmp_path / "out")}
    assert folders == {"songs/Größe", "songs/2"}


@pytest.mark.parametrize("quiet", [False, True])
def test_a_pipe_tells_what_a_file_would(
    quiet: bool,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    samples = [*np.random.default_rng(0).uniform(-3, 3, (2, 2, 22050)).astype(np.float32)]
    write_with_ffmpeg(tmp_path / "two.mka", samples, 44100, "pcm_f32le", "matroska", {})
    options = ["-m", str(model), "--stems", "accompaniment", "--format", "flac"]
    assert run(["separate", str(tmp_path / "two.mka"), "-o", str(tmp_path / "out"), *options]) == 0
    said = capsys.readouterr()
    (turned_down,) = (line.strip() for line in said.out.splitlines() if "turned down" in line)
    warning = said.err.strip().removeprefix(f"warning: {tmp_path / 'two.mka'}: ")
    assert "audio tracks" in warning
    stdin = io.TextIOWrapper(io.BytesIO((tmp_path / "two.mka").read_bytes()))
    stdout = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert run(["separate", "-", "-o", "-", *options, *(["-q"] if quiet else [])]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told == [f"warning: stdin: {warning}", *([] if quiet else [turned_down])]


def test_a_pipe_makes_no_title_of_a_temporary_name(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title in (None, "Waltz"):
        song = tmp_path / "song.flac"
        soundfile.write(song, np.zeros((4410, 2)), 44100)
        if title:
            tagged = mutagen.File(song)
            tagged["title"] = title
            tagged.save()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(song.read_bytes())))
        out = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out))
        options = ["-m", str(model), "--stems", "vocals", "--format", "flac"]
        assert run(["separate", "-", "-o", "-", *options]) == 0
        tags = mutagen.File(io.BytesIO(out.getvalue())).tags
        assert tags.get("title") == ([f"{title} (vocals)"] if title else None)
        assert "stemkit" in tags["encodedby"][0]


@pytest.mark.slow
@pytest.mark.parametrize("container", ["wav", "flac"])
def test_a_pipe_gives_the_bytes_of_the_file(
    container: str, songs: Path, model: Path, tmp_path: Path
) -> None:
    options = ["-m", str(model), "--stems", "vocals", "--format", container, "--no-tags"]
    assert run(["separate", str(songs / "1.wav"), "-o", str(tmp_path / "out"), *options]) == 0
    with (songs / "1.wav").open("rb") as song:
        result = subprocess.run(
            [*STEMKIT, "separate", "-", "-o", "-", *options], stdin=song, capture_output=True,
            check=True,
        )  # fmt: skip
    assert result.stdout == (tmp_path / "out" / "1" / f"vocals.{container}").read_bytes()
    assert soundfile.info(io.BytesIO(result.stdout)).frames == 22050


@pytest.mark.slow
def test_what_is_no_song_leaves_a_pipe_empty(model: Path) -> None:
    command = [*STEMKIT, "separate", "-", "-o", "-", "-m", str(model), "--stems", "vocals"]
    result = subprocess.run(command, input=b"RIFF no good", capture_output=True)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_a_song_that_fails_in_the_network_is_one_line(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal((48000, 2)) * 1e37
    soundfile.write(tmp_path / "loud.wav", noise, 48000, "FLOAT")
    command = [*STEMKIT, "separate", str(tmp_path / "loud.wav"), "-o", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert [line.startswith("error: ") for line in result.stderr.splitlines()] == [True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-o", "{out}"], "stdin and stdout"),
        (["{song}", "-o", "-"], "stdin and stdout"),
        (["-", "{song}", "-o", "-"], "stdin and stdout"),
        (["-", "-o", "-", "--stems", "vocals", "--json"], "a pipe takes no"),
        (["-", "-o", "-"], "one stem goes to stdout"),
        (["-", "-o", "-", "--stems", "vocals", "--format", "mp3"], "wav or flac"),
        (["-o", "{out}"], "name an INPUT"),
        (["--files-from", "{out}/gone", "-o", "{out}"], "can't read the list"),
        (["{song}", "-o", "{out}", "--workers", "0"], "--workers"),
        (["{song}", "-o", "{out}", "--workers", "two"], "--workers"),
        (["{song}", "-o", "{out}", "--backend", "dask"], "scheduler"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str],
    message: str,
    songs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"song": songs / "1.wav", "out": tmp_path / "out"}
    assert run(["separate", *(argument.format(**places) for argument in arguments)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_status_tells_what_became_of_each_song(
    command: list[str], songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert run([*command, "-q"]) == 1
    capsys.readouterr()
    assert run(["status", out]) == 1
    said = capsys.readouterr().out
    assert "3 done, 1 failed" in said
    assert f"failed {songs / 'bad.wav'}: " in said
    assert run(["status", out, "--failed"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run(["status", out, "--json"]) == 1
    status = json.loads(capsys.readouterr().out)
    assert status["counts"] == {"done": 3, "failed": 1}
    assert status["run"] is None
    by_source = {Path(job["source"]).name: job for job in status["jobs"]}
    assert by_source.keys() == {"0.wav", "1.wav", "2.wav", "bad.wav"}
    for job in status["jobs"]:
        for output in job["outputs"]:
            assert read_tree(tmp_path / "out")[output["path"]] == output["sha256"]


def test_status_tells_what_was_refused_until_it_is_done_or_gone(
    command: list[str],
    songs: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Names that can't be made, links, stems that were edited, a song in another's place."""
    out = tmp_path / "out"
    (songs / "bad.wav").unlink()
    assert run([*command, "-q"]) == 0
    edited = out / "1" / "vocals.wav"
    kept = edited.read_bytes()
    edited.write_text("edited")
    write_song(songs / "Loud.wav", seed=20)
    write_song(songs / "loud.wav", seed=21)
    write_song(songs / "far.wav", seed=22)
    (tmp_path / "far").mkdir()
    (out / "far").symlink_to(tmp_path / "far")
    (songs / "gone.wav").symlink_to("nowhere.wav")
    other = write_song(tmp_path / "other" / "0.wav", seed=23)
    assert run([*command, "-q", "--bit-depth", "16"]) == 1
    assert run(["separate", str(other), "-o", str(out), "-m", str(model), "-q"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 6
    assert run(["status", str(out)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "3 done, 6 failed"
    assert {line.removeprefix("failed ") for line in told[2:]} == {
        line.removeprefix("error: ") for line in errors
    }
    assert run(["status", str(out), "--json", "--failed"]) == 1
    status = json.loads(capsys.readouterr().out)
    assert status["counts"] == {"done": 3, "failed": 6}
    assert {job["status"] for job in status["jobs"]} == {"failed"}
    assert run(["retry", str(out), "-q"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 6
    edited.write_bytes(kept)
    (songs / "Loud.wav").rename(songs / "renamed.wav")
    (out / "far").unlink()
    for gone in (songs / "gone.wav", other):
        gone.unlink()
    assert run([*command, "-q", "--bit-depth", "16"]) == 0
    assert run(["status", str(out)]) == 0
    assert capsys.readouterr().out.startswith("6 done\n")


def test_status_tells_of_a_run_that_found_nothing_it_could_read(
    songs: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (tmp_path / "list").write_text(f"{songs}\n")  # a folder, which a list may not name
    listed = ["separate", "--files-from", str(tmp_path / "list"), "-o", str(out), "-m", str(model)]
    assert run([*listed, "-q"]) == 1
    capsys.readouterr()
    assert run(["status", str(out)]) == 1
    assert "1 failed" in capsys.readouterr().out
    (tmp_path / "list").write_text(f"{songs / '1.wav'}\n")
    assert run([*listed, "-q"]) == 0
    assert run(["status", str(out)]) == 0


def test_clean_forgets_what_was_refused_and_is_gone(
    command: list[str], songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (songs / "bad.wav").unlink()
    for name in ("Loud.wav", "loud.wav"):
        write_song(songs / name)
    assert run([*command, "-q"]) == 1
    (songs / "loud.wav").unlink()
    capsys.readouterr()
    assert run(["clean", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("weren't done: 1")
    assert run(["status", str(tmp_path / "out"), "--failed"]) == 1
    (told,) = capsys.readouterr().out.splitlines()
    assert told.startswith(f"failed {songs / 'Loud.wav'}: ")


def test_retry_does_what_failed_with_the_settings_that_it_had(
    command: list[str], songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run([*command, "-q", "--format", "flac", "--stems", "accompaniment"]) == 1
    assert run(["retry", str(out)]) == 1
    write_song(songs / "bad.wav", seed=9)
    assert run(["retry", str(out)]) == 0
    assert soundfile.info(out / "bad" / "accompaniment.flac").frames == 22050
    assert run(["retry", str(out)]) == 3
    assert run([*command, "--format", "flac", "--stems", "accompaniment"]) == 3
    with open_known(out) as ledger:
        entry = ledger.find("bad/accompaniment.flac")
    assert entry is not None
    assert entry.attempts == 3


def test_an_output_that_was_cut_is_told_and_stays(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song, out = write_song(tmp_path / "song.wav"), tmp_path / "out"
    arguments = ["separate", str(song), "-o", str(out), "-m", str(model), "-q"]
    assert run(arguments) == 0
    capsys.readouterr()
    assert run(arguments) == 3
    assert capsys.readouterr().err == ""
    vocals = out / "song" / "vocals.wav"
    vocals.write_bytes(vocals.read_bytes()[:1000])
    assert run(arguments) == 3
    told = capsys.readouterr().err
    assert told.startswith(f"warning: {vocals}: not as long as written; left as is")
    assert vocals.stat().st_size == 1000
    assert run([*arguments, "--json"]) == 3
    assert [event for event in read_events(capsys) if event["event"] == "warning"] == [
        {
            "event": "warning",
            "path": str(vocals),
            "warning": "not as long as written; left as is, --overwrite makes all anew",
        }
    ]


def test_retry_leaves_alone_what_a_link_leads_outside(
    command: list[str], songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {name: (songs / name).read_bytes() for name in ("1.wav", "2.wav")}
    for name in whole:
        (songs / name).write_bytes(b"RIFF no good")
    (songs / "bad.wav").unlink()
    assert run([*command, "-q"]) == 1
    for name, data in whole.items():
        (songs / name).write_bytes(data)
    (tmp_path / "far").mkdir()
    (tmp_path / "out" / "1").symlink_to(tmp_path / "far")
    capsys.readouterr()
    assert run(["retry", str(tmp_path / "out"), "-q"]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert f"a link leads the output {tmp_path / 'out' / '1' / 'vocals.wav'} outside" in error
    assert not list((tmp_path / "far").iterdir())
    assert (tmp_path / "out" / "2" / "vocals.wav").exists()


def test_the_output_folder_of_another_run_is_left_out_with_a_line(
    command: list[str], songs: Path, model: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (songs / "bad.wav").unlink()
    nested = songs / "stems"
    assert run(["separate", str(songs), "-o", str(nested), "-m", str(model), "-q"]) == 0
    assert run(command) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if str(nested) in line] == [
        f"left out the stems in {nested}: stemkit wrote them; "
        "give the folder as an input to have them separated"
    ]
    assert told[-1] == "3 done, 1 not audio"
    assert run([*command, "--json"]) == 3
    (event,) = (one for one in read_events(capsys) if one["event"] == "warning")
    assert event["path"] == str(nested)


def test_clean_removes_temporary_files_and_nothing_else(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run([*command, "-q"]) == 1
    before = read_tree(out)
    for name in ("1/.stemkit-99-abc.partial", "new/.stemkit-1-x.partial"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(bytes(100))
    project = out / "1" / ".stemkit-99-def.partial"  # of one that is a folder
    (project / "interchange").mkdir(parents=True)
    (project / "interchange" / "a.wav").write_bytes(bytes(50))
    capsys.readouterr()
    assert run(["clean", str(out)]) == 0
    assert "3 temporary files removed" in capsys.readouterr().out
    assert read_tree(out) == before


def test_clean_leaves_a_review_alone(command: list[str], tmp_path: Path) -> None:
    """One may be being made: its own lock keeps other reviews out, and it cleans up itself."""
    out = tmp_path / "out"
    assert run([*command, "-q"]) == 1
    assert run(["review", str(out), "--no-audio", "--workers", "1", "-q"]) == 0
    partials = [out / "review" / place / ".stemkit-9-a.partial" for place in (".", "tracks")]
    for partial in partials:
        partial.touch()
    assert run(["clean", str(out)]) == 0
    assert all(partial.exists() for partial in partials)
    assert run(["review", str(out), "--no-audio", "-q"]) == 0
    assert not any(partial.exists() for partial in partials)


def test_clean_forgets_songs_that_are_gone_and_were_not_done(
    command: list[str], songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (songs / "cut.wav").write_bytes(b"RIFF no good")
    assert run([*command, "-q"]) == 1
    song = (songs / "1.wav").read_bytes()
    (songs / "1.wav").write_bytes(song[:20])
    assert run([*command, "-q", "--bit-depth", "16"]) == 1
    for gone in ("bad.wav", "1.wav", "2.wav"):
        (songs / gone).unlink()
    capsys.readouterr()
    assert run(["clean", str(out)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "songs forgotten that are gone and weren't done: 2"
    with open_known(out) as ledger:
        assert ledger.count() == {"done": 2, "failed": 1}
    assert run(["clean", str(out)]) == 0
    assert "forgotten" not in capsys.readouterr().out
    (songs / "1.wav").write_bytes(song)  # its outputs are those of other settings
    assert run([*command, "--bit-depth", "16", "--dry-run"]) == 0
    assert "1 made with other settings" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["status", "retry", "clean"])
def test_a_folder_that_stemkit_never_wrote_to_is_told_so(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, str(tmp_path)]) == 1
    assert "no ledger in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def start(command: list[str], **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*STEMKIT, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(process: subprocess.Popen[str], event: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return
    raise AssertionError(f"no {event}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_run_in_good_order(number: signal.Signals, tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "long.wav", 300)
    command = ["separate", str(tmp_path / "songs"), "-o", str(tmp_path / "out"), "--json"]
    with start(command) as process:
        wait_for(process, "progress")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out.splitlines()[-1])["interrupted"] == 1
    assert "Traceback" not in err
    assert read_tree(tmp_path / "out") == {}
    with open_known(tmp_path / "out") as ledger:
        assert ledger.count() == {"interrupted": 1}


@pytest.mark.slow
def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "long.wav", 300)
    command = ["separate", str(tmp_path / "songs"), "-o", str(tmp_path / "out"), "--json"]
    with start([*command, "--segment-seconds", "120"]) as process:
        wait_for(process, "started")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_what_is_dropped_into_a_watched_folder_is_separated(
    command: list[str], songs: Path, tmp_path: Path
) -> None:
    (songs / "bad.wav").unlink()
    with start([*command, "--json", "--watch", "--settle-seconds", "0.3"]) as process:
        for _ in range(3):
            wait_for(process, "done")
        write_song(songs / "new" / "dropped.wav", seed=20)
        with (songs / "slow.wav").open("wb") as slow:
            whole = write_song(tmp_path / "whole.wav", seed=21).read_bytes()
            for at in range(0, len(whole), 10_000):
                slow.write(whole[at : at + 10_000])
                slow.flush()
                time.sleep(0.05)
        for _ in range(2):
            wait_for(process, "done")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "error" not in err
    tree = read_tree(tmp_path / "out")
    assert {"new/dropped/vocals.wav", "slow/vocals.wav"} < tree.keys()


@pytest.mark.slow
def test_a_watched_file_that_goes_leaves_the_others_watched(
    command: list[str], songs: Path, tmp_path: Path
) -> None:
    (songs / "bad.wav").unlink()
    alone = write_song(tmp_path / "alone.wav", seed=19)
    options = ["--json", "--watch", "--settle-seconds", "0.3"]
    with start([*command, str(alone), *options]) as process:
        for _ in range(4):
            wait_for(process, "done")
        alone.unlink()
        write_song(songs / "dropped.wav", seed=20)
        wait_for(process, "done")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "error" not in err


def test_a_run_goes_on_in_another_thread(command: list[str]) -> None:
    """Signals can be handled in the main thread only; elsewhere they are left alone."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run([*command, "-q"])))
    thread.start()
    thread.join()
    assert codes == [1]


@pytest.mark.slow
def test_a_disk_that_is_full_is_told_and_the_rest_goes_on(
    songs: Path, model: Path, tmp_path: Path
) -> None:
    """No file may grow beyond 1 MB, which stands in for a disk with so much room."""
    (songs / "bad.wav").unlink()
    write_song(songs / "big.wav", 20)
    out = tmp_path / "out"
    line = " ".join([*STEMKIT, "separate", str(songs), "-o", str(out), "-m", str(model)])
    result = subprocess.run(
        ["bash", "-c", f"ulimit -f 1024; {line}"], capture_output=True, text=True
    )
    assert result.returncode == 1
    (error,) = result.stderr.splitlines()
    assert "big.wav" in error
    assert {Path(name).parts[0] for name in read_tree(out)} == {"0", "1", "2"}
    assert run(["retry", str(out), "-q"]) == 0
    assert "big/vocals.wav" in read_tree(out)


def test_a_signal_cancels_where_nobody_can_be_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    kept, cancel = os.dup(2), CancelToken()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    os.dup2(writing, 2)
    try:
        with cancel_on_signals(cancel):
            signal.raise_signal(signal.SIGTERM)
            assert cancel.is_set()
    finally:
        os.dup2(kept, 2)
        for number, handler in before.items():  # they are ignored once one has arrived
            signal.signal(number, handler)
        for file in (kept, writing):
            os.close(file)


@pytest.mark.slow
def test_an_interrupt_ends_a_run_in_good_order_without_stderr(tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "long.wav", 300)
    command = ["separate", str(tmp_path / "songs"), "-o", str(tmp_path / "out"), "--json"]
    line = [*STEMKIT, *command, "--stems", "vocals"]
    with subprocess.Popen(
        ["bash", "-c", 'exec "$@" 2>&-', "bash", *line], stdout=subprocess.PIPE, text=True
    ) as process:
        wait_for(process, "progress")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    with open_known(tmp_path / "out") as ledger:
        assert ledger.count() == {"interrupted": 1}


def test_signals_are_as_before_after_a_run_that_failed(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stemkit.separation.predictor import Predictor

    def fail(self: Predictor, segments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "predict", fail)
    before = signal.getsignal(signal.SIGINT)
    assert run([*command, "-q"]) == 130
    assert signal.getsignal(signal.SIGINT) is before
