"""The ledger: what is written is there, one process writes, and what isn't a ledger is refused."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from stemkit.batch.driving import drive, is_driven, open_known, read
from stemkit.batch.entries import Entry
from stemkit.batch.jobs import Job
from stemkit.batch.ledger import Ledger
from stemkit.batch.outcomes import Done, Dropped, Failed, SourceState, Written
from stemkit.batch.settings import Settings
from stemkit.errors import LedgerError

SETTINGS = Settings('{"options": {}}', "{}")
STATE = SourceState(123, 456, "ab" * 32)


def make_job(out: Path, name: str = "song") -> Job:
    return Job(out.parent / f"{name}.wav", out, {"vocals": f"{name}/vocals.wav"})


def make_done(job: Job) -> Done:
    written = Written("vocals", job.targets["vocals"], 9, "cd" * 32, 1, 0.5, 0.0)
    return Done(job, STATE, (written,), 60.0, 2.0)


def find(ledger: Ledger, job: Job) -> Entry:
    entry = ledger.find(job.name)
    assert entry is not None
    return entry


def test_a_job_goes_from_pending_to_done(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = make_job(out)
    with drive(out) as ledger:
        ledger.expect([job], "f")
        assert find(ledger, job).status == "pending"
        ledger.begin(job, "f")
        assert find(ledger, job).status == "running"
        ledger.finish(make_done(job))
        entry = find(ledger, job)
    assert (entry.status, entry.state, entry.attempts) == ("done", STATE, 1)
    assert (entry.audio_seconds, entry.seconds, entry.error) == (60.0, 2.0, "")
    assert entry.source == str(job.source)
    assert [(o.path, o.size_bytes, o.sha256) for o in entry.outputs] == [
        ("song/vocals.wav", 9, "cd" * 32)
    ]
    with read(out) as ledger_again:
        assert ledger_again is not None
        assert find(ledger_again, job) == entry


def test_attempts_are_counted_until_the_settings_change(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = make_job(out)
    with drive(out) as ledger:
        for fingerprint, attempts in (("f", 1), ("f", 2), ("f", 3), ("g", 1), ("g", 2)):
            ledger.begin(job, fingerprint)
            ledger.finish(Failed(job, "no good", seconds=0.5))
            entry = find(ledger, job)
            assert (entry.status, entry.error, entry.attempts) == ("failed", "no good", attempts)


def test_what_was_known_stays_until_the_job_begins(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job, other = make_job(out), make_job(out, "other")
    with drive(out) as ledger:
        ledger.begin(job, "f")
        ledger.finish(make_done(job))
        ledger.expect([job, other], "g")
        assert find(ledger, job).status == "done"
        assert find(ledger, job).fingerprint == "f"
        ledger.expect([], "h")
        assert find(ledger, other).status == "pending"  # `retry` does it, whatever else is run
        ledger.begin(job, "g")
        assert find(ledger, job).state is None


def test_what_was_running_is_interrupted_by_the_next_driver(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with drive(out) as ledger:
        ledger.begin(make_job(out), "f")
        ledger.begin(make_job(out, "dropped"), "f")
        ledger.finish(Dropped(make_job(out, "dropped")))
    with drive(out) as ledger:
        assert [entry.name for entry in ledger.interrupt_running()] == ["song/vocals.wav"]
        assert ledger.count() == {"interrupted": 2}


def test_a_number_that_is_too_great_is_a_line(tmp_path: Path) -> None:
    with drive(tmp_path) as ledger, pytest.raises(LedgerError, match="too large"):
        ledger.refresh("song/vocals.wav", tmp_path, 2**63)


def test_settings_are_found_by_their_fingerprint(tmp_path: Path) -> None:
    moved = Settings(SETTINGS.effective, '{"model": "elsewhere"}')
    other = Settings('{"options": {"stems": null}}', "{}")
    assert SETTINGS.fingerprint == moved.fingerprint != other.fingerprint
    with drive(tmp_path) as ledger:
        ledger.note_settings(SETTINGS)
        ledger.note_settings(moved)
        assert ledger.find_settings(SETTINGS.fingerprint) == moved
        assert ledger.find_settings(other.fingerprint) is None


def test_names_that_are_not_unicode_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x8e\xb5")
    job = Job(tmp_path / f"{name}.wav", out, {"vocals": f"{name}/vocals.wav"})
    with drive(out) as ledger:
        ledger.expect([job], "f")
        ledger.begin(job, "f")
        ledger.finish(make_done(job))
    with open_known(out) as known:
        (entry,) = known.entries()
    assert entry == Entry(
        job.name, str(job.source), job.target_names, "done", "f", 1, STATE, entry.outputs,
        60.0, 2.0, "", entry.changed,
    )  # fmt: skip


def test_a_second_driver_is_refused_with_the_first_ones_pid_and_host(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from stemkit.batch.driving import drive\n"
        "with drive(Path(sys.argv[1])):\n    print('driving', flush=True)\n    time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "driving\n"
        assert is_driven(tmp_path / "out")
        with pytest.raises(LedgerError, match=f"pid {process.pid} on {os.uname().nodename}"):
            drive(tmp_path / "out").__enter__()
        with read(tmp_path / "out") as ledger:  # reading goes on
            assert ledger is not None
            assert ledger.count() == {}
        process.kill()
    assert not is_driven(tmp_path / "out")
    with drive(tmp_path / "out"):  # a killed one holds nothing
        pass


def write_ledger(out: Path) -> Path:
    with drive(out) as ledger:
        for number in range(300):
            ledger.begin(make_job(out, f"song {number}"), "f")
    return out / ".stemkit" / "ledger.sqlite"


@pytest.mark.parametrize("damage", ["text", "head", "middle", "other", "newer"])
def test_what_is_no_ledger_is_refused_and_left_alone(damage: str, tmp_path: Path) -> None:
    path = write_ledger(tmp_path)
    match damage:
        case "text":
            path.write_text("this is no database, and was never one" * 100)
        case "head":
            path.write_bytes(bytes(200) + path.read_bytes()[200:])
        case "middle":
            data = bytearray(path.read_bytes())
            data[4096:] = os.urandom(len(data) - 4096)
            path.write_bytes(bytes(data))
        case "other" | "newer":
            database = sqlite3.connect(path)
            database.execute(
                f"PRAGMA {'application_id' if damage == 'other' else 'user_version'} = 7"
            )
            database.close()
    before = path.read_bytes()
    expected = {"newer": "newer stemkit", "other": "no ledger"}.get(damage, "damaged")
    with pytest.raises(LedgerError, match=expected) as caught, drive(tmp_path):
        pass
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    with pytest.raises(LedgerError), open_known(tmp_path):
        pass


def test_an_output_that_can_not_be_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="can't write"), drive(tmp_path / "file"):
        pass


def test_a_folder_without_a_ledger_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger"), open_known(tmp_path):
        pass
