"""What hand-offs wrote beside a track's stems, so that nothing else is ever replaced."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stemkit.errors import HandoffError
from stemkit.files import hash_content, replace_content
from stemkit.tracks.track import Track

_UNKNOWN = "being written"


@dataclass
class Notes:
    """The files that were made of a track, with the hash of each and of what it was made of.

    They are kept in a hidden file in the track's folder.
    """

    path: Path
    files: dict[str, dict[str, str]]

    @classmethod
    def read(cls, track: Track) -> Self:
        """Return the notes on a track; none where there are none, or no notes of stemkit's."""
        return cls.read_named(track.folder, track.project)

    @classmethod
    def read_named(cls, folder: Path, project: str) -> Self:
        """Return the notes on the project of this name in a folder."""
        mark = project if len(os.fsencode(project)) < 200 else hash_text(project)
        path = folder / f".{mark}.stemkit-handoff.json"
        try:
            files = json.loads(path.read_bytes())
        except (OSError, ValueError):
            files = {}
        return cls(path, files if _are_notes(files) else {})

    def is_current(self, path: Path, made_of: str) -> bool:
        """Return whether a file is there and was made of just this, edited since or not."""
        note = self.files.get(path.name)
        return note is not None and note["made_of"] == made_of and path.exists()

    def begin(self, paths: Sequence[Path]) -> None:
        """Note that files are being written, so that a kill leaves none that isn't known.

        Raises HandoffError for one that is there and isn't what a hand-off wrote.
        """
        for path in paths:
            self._require_own(path)
        self.files |= {path.name: {"sha256": _UNKNOWN, "made_of": ""} for path in paths}
        self._write()

    def _require_own(self, path: Path) -> None:
        if not path.exists() and not path.is_symlink():
            return
        note = self.files.get(path.name, {"sha256": ""})
        if path.is_dir() or note["sha256"] not in (_UNKNOWN, hash_content(path)):
            raise HandoffError(
                f"{path} isn't what stemkit wrote, or was edited since; move it away"
            )

    def add(self, path: Path, made_of: str) -> None:
        """Note what was just written."""
        self.files[path.name] = {"sha256": hash_content(path), "made_of": made_of}
        self._write()

    def _write(self) -> None:
        text = json.dumps(self.files, indent=1, sort_keys=True)
        replace_content(self.path, (text + "\n").encode())


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text, which may be a file's name in no encoding."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def hash_track(track: Track) -> str:
    """Return what changes with all that the projects of a track are made of."""
    if track.record is not None:
        record = track.record.model_dump_json(exclude={"versions", "settings", "warnings"})
        lacking = len(track.record.stems) - len(track.stems)
        names = [stem.name for stem in track.stems]
        return hash_text(record + ascii(names) if lacking else record)
    states = [(stem.name, stem.path.name, _state_of(stem.path)) for stem in track.stems]
    return hash_text(ascii(states))


def _state_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _are_notes(files: object) -> bool:
    return isinstance(files, dict) and all(
        isinstance(note, dict) and {"sha256", "made_of"} <= note.keys() for note in files.values()
    )
