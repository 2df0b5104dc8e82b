"""The scores of an evaluation that isn't finished, so that one which was stopped goes on."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter

from stemkit import __version__
from stemkit.evaluation.models import ModelOptions
from stemkit.evaluation.songs import Song
from stemkit.evaluation.tasks import Scored, Task
from stemkit.files import replace_content
from stemkit.weights.sources import hash_weights

VERSIONS = {"stemkit": __version__} | {name: version(name) for name in ("museval", "numpy")}
"""What scores are made with."""


class Journal:
    """A file with a line for each song that is scored, and a fingerprint of all it depends on.

    `kept` is what the file holds of the tracks that are to be scored, where they would be scored
    the same: of the same files, with the same options and versions. Raises ModelError for a model
    that isn't here, and OSError.
    """

    def __init__(self, path: Path, tasks: Sequence[Task]) -> None:
        self.path = path
        self._fingerprints = _take_fingerprints(tasks)
        self.kept = {one.track: one for one in self._read()}

    def _read(self) -> list[Scored]:
        lines = self.path.read_bytes().splitlines() if self.path.is_file() else []
        kind, found = TypeAdapter(Scored), []
        for line in lines:
            try:
                fingerprint, fields = json.loads(line)
                scored = kind.validate_python(fields)
            except (ValueError, TypeError):  # as where it was cut off
                continue
            if self._fingerprints.get(scored.track) == fingerprint:
                found.append(scored)
        return found

    def begin(self) -> None:
        """Write what is kept, and nothing else."""
        lines = "".join(map(self._describe, self.kept.values()))
        replace_content(self.path, lines.encode())

    def add(self, scored: Scored) -> None:
        """Keep a track that is scored."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(self._describe(scored))

    def end(self) -> None:
        """Forget all: what is finished is measured anew when it is asked for again."""
        self.path.unlink(missing_ok=True)

    def _describe(self, scored: Scored) -> str:
        return json.dumps([self._fingerprints[scored.track], asdict(scored)]) + "\n"


def _take_fingerprints(tasks: Sequence[Task]) -> dict[str, str]:
    """Return a short text for each track that differs where its scores would."""
    models = {task.estimate.model for task in tasks if isinstance(task.estimate, ModelOptions)}
    weights = {model: hash_weights(model) for model in models}
    found = {}
    for task in tasks:
        estimate: object
        if isinstance(task.estimate, Song):
            estimate = _describe_song(task.estimate)
        else:
            estimate = [weights[task.estimate.model], asdict(task.estimate.engine)]
        parts = [VERSIONS, asdict(task.options), _describe_song(task.reference), estimate]
        text = json.dumps(parts, sort_keys=True)
        found[task.track] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def _describe_song(song: Song) -> list[object]:
    """Return where the song's sounds are, how large, and when they were written."""
    sounds = {**song.stems} | ({} if song.mix is None else {"": song.mix})
    described: list[object] = []
    for name, sound in sorted(sounds.items()):
        try:
            facts = sound.path.stat()
            stamp: object = (facts.st_size, facts.st_mtime_ns)
        except OSError:
            stamp = None
        described.append((name, str(sound.path.absolute()), sound.stream, sound.gain_db, stamp))
    return described
