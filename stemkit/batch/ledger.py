"""What became of each job, in a database beside the outputs, so that nothing is done twice.

One row a job, its key the job's name. The process that drives a run is the only one that writes,
and each change is on the disk before the next step: a run may be killed at any moment.
"""

import json
import os
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stemkit.batch.entries import (
    COLUMNS,
    RECORD_KEY,
    UNCERTAIN,
    Driver,
    Entry,
    OutputFile,
    Status,
    bind,
    to_entry,
)
from stemkit.batch.find import Fault, identify_inode
from stemkit.batch.jobs import Job
from stemkit.batch.outcomes import Done, Dropped, Failed, Outcome
from stemkit.batch.settings import Settings
from stemkit.errors import LedgerError
from stemkit.storage.names import name_place

if TYPE_CHECKING:
    from stemkit.storage.places import Place

_APPLICATION_ID = 0x53544D4B  # "STMK"
_VERSION = 1
_LEAST_ROOM_BYTES = 2**20
_TABLES = """
CREATE TABLE settings (
    fingerprint TEXT PRIMARY KEY, effective TEXT NOT NULL, places TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE driver (pid INTEGER NOT NULL, host TEXT NOT NULL, since TEXT NOT NULL);
CREATE TABLE jobs (
    name TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    targets TEXT NOT NULL,
    status TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER,
    mtime_ns INTEGER,
    sha256 TEXT,
    outputs TEXT NOT NULL DEFAULT '[]',
    audio_seconds REAL NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    changed TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_size ON jobs (size_bytes, fingerprint) WHERE status = 'done';
CREATE INDEX by_status ON jobs (status);
CREATE TABLE files (
    path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
"""
_RECORDS = """
CREATE TABLE IF NOT EXISTS records (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID
"""
_REFUSED = """
CREATE TABLE IF NOT EXISTS refused (
    source TEXT PRIMARY KEY, error TEXT NOT NULL, changed TEXT NOT NULL
) WITHOUT ROWID
"""
_PLACES = "ALTER TABLE jobs ADD COLUMN places TEXT NOT NULL DEFAULT ''"


class Ledger:
    """An open ledger. Threads may share it.

    Raises LedgerError where it is damaged, of a newer stemkit, or can't be read or written.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.path = folder / "ledger.sqlite"
        self.is_writable = writable
        self._lock = threading.RLock()
        with self._explain():
            self._database = _connect(self.path, writable=writable)
            try:
                self._check(writable=writable)
            except BaseException:
                self._database.close()
                raise
            self._identity = identify_inode(self.path)

    def close(self) -> None:
        """Close the database; its journal is folded into it."""
        self._database.close()

    def find(self, name: str) -> Entry | None:
        """Return the row of a job, or None where it isn't known."""
        return next(self._select("WHERE name = ?", name), None)

    def find_finished(self, size_bytes: int, fingerprint: str) -> list[Entry]:
        """Return what was done with these settings to inputs of this size."""
        where = "WHERE size_bytes = ? AND fingerprint = ? AND status = 'done'"
        return list(self._select(where, size_bytes, fingerprint))

    def find_file(self, path: str) -> tuple[int, str] | None:
        """Return the size and the SHA-256 of the output that stemkit once wrote there, if any."""
        rows = self._ask("SELECT size_bytes, sha256 FROM files WHERE path = ?", path)
        return next(((size, sha256) for size, sha256 in rows), None)

    def list_writers(self) -> dict[str, str]:
        """Return the name of the last job that has each file among its targets."""
        rows = self._select("ORDER BY changed")
        return {path: entry.name for entry in rows for path in entry.targets.values()}

    def entries(self, *statuses: Status) -> Iterator[Entry]:
        """Yield the rows of these statuses, or all, in the order of their names."""
        marks = ", ".join("?" * len(statuses))
        where = f"WHERE status IN ({marks})" if statuses else ""
        return self._select(f"{where} ORDER BY name", *statuses)

    def count(self) -> dict[Status, int]:
        """Return how many jobs have each status."""
        return dict(self._ask("SELECT status, count(*) FROM jobs GROUP BY status"))

    def total_seconds(self) -> tuple[float, float]:
        """Return the seconds of audio that were done, and the seconds that took."""
        ((audio, took),) = self._ask(
            "SELECT total(audio_seconds), total(seconds) FROM jobs WHERE status = 'done'"
        )
        return audio, took

    def find_settings(self, fingerprint: str, places: str = "") -> Settings | None:
        """Return the settings that have this fingerprint, if they were noted.

        Their `places` are those of the last run with them, if none are given.
        """
        rows = self._ask(
            "SELECT effective, places FROM settings WHERE fingerprint = ?", fingerprint
        )
        return next((Settings(effective, places or last) for effective, last in rows), None)

    def find_places(self, name: str) -> str:
        """Return the `places` of the settings of a job; empty if an earlier stemkit noted it."""
        rows = self._ask("SELECT places FROM jobs WHERE name = ?", name)
        return next((places for (places,) in rows), "")

    def driver(self) -> Driver | None:
        """Return the process that opened the ledger last to write to it."""
        return next((Driver(*row) for row in self._ask("SELECT * FROM driver")), None)

    def note_driver(self) -> None:
        """Note that it is this process that writes."""
        with self._change():
            self._ask("DELETE FROM driver")
            self._ask(
                "INSERT INTO driver VALUES (?, ?, ?)", os.getpid(), socket.gethostname(), _now()
            )

    def note_settings(self, settings: Settings) -> None:
        """Note what a fingerprint stands for."""
        self._ask(
            "INSERT OR REPLACE INTO settings VALUES (?, ?, ?)",
            settings.fingerprint, settings.effective, settings.places,
        )  # fmt: skip

    def expect(self, jobs: Iterable[Job], fingerprint: str, places: str = "") -> None:
        """Note jobs that are to be done. What is known of them stays until they begin."""
        now = _now()
        with self._change():
            self._database.executemany(
                "INSERT OR IGNORE INTO jobs "
                "(name, source, targets, status, fingerprint, changed, places) "
                "VALUES (?, ?, ?, 'pending', ?, ?, ?)",
                (
                    (
                        bind(j.name),
                        bind(name_place(j.source)),
                        _targets_of(j),
                        fingerprint,
                        now,
                        places,
                    )
                    for j in jobs
                ),
            )

    def begin(self, job: Job, fingerprint: str, places: str = "") -> None:
        """Note that a job is being done from now on, and that its outputs may change.

        Raises LedgerError where the ledger's file was removed or replaced meanwhile.
        """
        if identify_inode(self.path) != self._identity:
            raise LedgerError(f"{self.path} was removed while the run went on; run again")
        self._ask(
            "INSERT INTO jobs "
            "(name, source, targets, status, fingerprint, attempts, changed, places) "
            "VALUES (?1, ?2, ?3, 'running', ?4, 1, ?5, ?6) "
            "ON CONFLICT (name) DO UPDATE SET source = ?2, targets = ?3, status = 'running', "
            "attempts = 1 + iif(fingerprint = ?4, attempts, 0), fingerprint = ?4, "
            "size_bytes = NULL, mtime_ns = NULL, sha256 = NULL, outputs = '[]', error = '', "
            "audio_seconds = 0, seconds = 0, changed = ?5, places = ?6",
            job.name, name_place(job.source), _targets_of(job), fingerprint, _now(), places,
        )  # fmt: skip
        self.accept([job.source])

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Note what has no job, and why, until a job of it begins."""
        with self._change():
            for fault in faults:
                values = name_place(fault.path), fault.error, _now()
                self._ask("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", *values)

    def accept(self, sources: "Iterable[Place]") -> None:
        """Note that nothing is wrong with these any more."""
        if not self._ask("SELECT 1 FROM refused LIMIT 1"):
            return
        with self._change():
            for source in sources:
                self._ask("DELETE FROM refused WHERE source = ?", name_place(source))

    def refused(self) -> Iterator[Entry]:
        """Yield what was refused, as jobs without a name that failed, but what failed as a job."""
        if self._ask("SELECT 1 FROM sqlite_master WHERE name = 'refused'"):
            yield from map(to_entry, self._ask(
                "SELECT '', source, '{}', 'failed', '', 0, NULL, NULL, NULL, '[]', 0, 0, error, "
                "changed FROM refused "
                "WHERE source NOT IN (SELECT source FROM jobs WHERE status = 'failed')"
            ))  # fmt: skip

    def finish(self, outcome: Outcome) -> None:
        """Note what became of a job that was begun."""
        match outcome:
            case Done():
                self._finish_done(outcome)
            case Failed():
                names = outcome.job.target_names
                with self._change():
                    for one in outcome.written:
                        self._note_file(names[one.stem], one.size_bytes, one.sha256)
                    self._update(outcome.job, "failed", outcome.error, outcome.seconds)
            case Dropped():
                self._update(outcome.job, "interrupted")

    def records(self) -> Iterator[str]:
        """Yield the records that are kept here of jobs that are done, in the order of their names.

        One at a time: a library's don't fit in memory.
        """
        names = [name for (name,) in self._ask(
            "SELECT name FROM records JOIN jobs USING (name) WHERE status = 'done' ORDER BY name"
        )]  # fmt: skip
        yield from filter(None, map(self.find_record, names))

    @property
    def has_kept_records(self) -> bool:
        """Whether a record was ever kept here."""
        return bool(self._ask("SELECT 1 FROM records LIMIT 1"))

    def find_record(self, name: str) -> str:
        """Return the record of a job, empty where none is kept here."""
        found = self._ask("SELECT record FROM records WHERE name = ?", name)
        return next((record for (record,) in found), "")

    def refresh(self, name: str, source: "Place", mtime_ns: int) -> None:
        """Note that an input which is elsewhere or of another time now has the same content."""
        self._ask(
            "UPDATE jobs SET source = ?, mtime_ns = ? WHERE name = ?",
            name_place(source), mtime_ns, name,
        )  # fmt: skip

    def interrupt_running(self) -> list[Entry]:
        """Note that what a killed run was doing isn't done any more; return those jobs."""
        left = list(self.entries("running"))
        with self._change():
            self._ask("UPDATE jobs SET status = 'interrupted' WHERE status = 'running'")
            for path in (path for entry in left for path in entry.targets.values()):
                self._note_file(path, *UNCERTAIN)  # it may have been replaced
        return left

    def forget(self, names: Iterable[str]) -> None:
        """Know nothing of these jobs any more; what is known of their outputs stays."""
        with self._change():
            for name in names:
                self._ask("DELETE FROM jobs WHERE name = ?", name)

    def _finish_done(self, done: Done) -> None:
        names = done.job.target_names
        outputs = [
            OutputFile(one.stem, names[one.stem], one.size_bytes, one.sha256)
            for one in done.outputs
        ]
        with self._change():
            for output in outputs:
                self._note_file(output.path, output.size_bytes, output.sha256)
            self._ask(
                "UPDATE jobs SET status = 'done', size_bytes = ?, mtime_ns = ?, sha256 = ?, "
                "outputs = ?, audio_seconds = ?, seconds = ?, error = '', changed = ? "
                "WHERE name = ?",
                done.source.size_bytes, done.source.mtime_ns, done.source.sha256,
                json.dumps([asdict(output) for output in outputs]),
                done.audio_seconds, done.seconds, _now(), done.job.name,
            )  # fmt: skip
            if done.record:
                self._ask(
                    "INSERT OR REPLACE INTO records VALUES (?, ?)", done.job.name, done.record
                )
            else:  # the one that was kept is of other outputs
                self._ask("UPDATE records SET record = '' WHERE name = ?", done.job.name)

    def _note_file(self, path: str, size_bytes: int, sha256: str) -> None:
        self._ask("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", path, size_bytes, sha256)

    def _update(self, job: Job, status: Status, error: str = "", seconds: float = 0) -> None:
        self._ask(
            "UPDATE jobs SET status = ?, error = ?, seconds = ?, changed = ? WHERE name = ?",
            status, error, seconds, _now(), job.name,
        )  # fmt: skip

    def _check(self, *, writable: bool) -> None:
        ((application,),) = self._ask("PRAGMA application_id")
        ((version,),) = self._ask("PRAGMA user_version")
        is_new = not self._ask("SELECT 1 FROM sqlite_master")
        if is_new and writable:
            self._create()
        elif application != _APPLICATION_ID:
            raise LedgerError(f"{self.path} is no ledger of stemkit; move it away, or choose "
                              f"another output folder")  # fmt: skip
        elif version > _VERSION:
            raise LedgerError(f"the ledger {self.path} is of a newer stemkit (version {version}, "
                              f"this one reads {_VERSION}); update stemkit")  # fmt: skip
        faults = self._ask("PRAGMA quick_check(1)")
        if faults != [("ok",)]:
            raise sqlite3.DatabaseError(faults[0][0])
        if writable:
            self._update_tables()

    def _create(self) -> None:
        self._ask("PRAGMA journal_mode = WAL")
        with self._change():
            for statement in _TABLES.split(";"):
                self._ask(statement)
            self._ask(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._ask(f"PRAGMA user_version = {_VERSION}")

    def _update_tables(self) -> None:
        """Add what earlier versions of stemkit, which go on with it, don't know."""
        self._ask(_RECORDS)
        self._ask(_REFUSED)
        if not self._ask("SELECT 1 FROM pragma_table_info('jobs') WHERE name = 'places'"):
            self._ask(_PLACES)

    def _select(self, where: str, *values: object) -> Iterator[Entry]:
        query = f"SELECT {', '.join(COLUMNS)} FROM jobs {where}"
        for row in self._ask(query, *values):
            with self._explain():
                yield to_entry(row)

    def _ask(self, statement: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock, self._explain():
            return self._database.execute(statement, tuple(map(bind, values))).fetchall()

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Make several changes one."""
        with self._lock, self._explain(), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def _explain(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:  # no room, no permission
            room = "" if _has_room(self.path.parent) else "; the disk is full"
            raise LedgerError(f"the ledger {self.path} can't be used: {error}{room}") from error
        except (sqlite3.DatabaseError, ValueError, TypeError, OverflowError) as error:
            fault = " ".join(str(error).split())
            raise LedgerError(
                f"the ledger {self.path} is damaged ({fault}); move it away to begin a new one, "
                f"the outputs stay as they are"
            ) from error


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    if not writable:
        return _connect_to_read(path)
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rwc", uri=True, isolation_level=None,
        check_same_thread=False, timeout=30,
    )  # fmt: skip
    database.execute("PRAGMA synchronous = FULL")
    return database


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """Connect without a trace: no file is made beside the ledger."""
    journal = path.with_name(f"{path.name}-wal")
    if not journal.exists():  # nobody writes
        mode = "ro&immutable=1"
    elif os.access(path.parent, os.W_OK):
        mode = "ro"
    else:  # SQLite can't read a journal where it can't write
        return _read_copy(path, journal)
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    database = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        database.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError:
        database.close()
        if mode != "ro":
            raise
        return _read_copy(path, journal)  # SQLite wants room to read a journal
    return database


def _has_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free >= _LEAST_ROOM_BYTES
    except OSError:
        return True


def _read_copy(path: Path, journal: Path) -> sqlite3.Connection:
    """Return a copy in memory."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with TemporaryDirectory(prefix="stemkit-") as folder:
        for file in (path, journal):
            shutil.copyfile(file, Path(folder, file.name))
        with closing(sqlite3.connect(Path(folder, path.name))) as database:
            database.backup(copy)
    return copy


def _targets_of(job: Job) -> str:
    record = {RECORD_KEY: job.record_name} if job.record_name else {}
    return json.dumps(job.target_names | record)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
