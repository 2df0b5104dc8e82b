"""What will be read and written: all names are decided, and collisions refused, before any work."""

import os
import re
import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal

from stemkit.batch.find import Fault, FoundFile, identify_inode
from stemkit.errors import OptionError, PlanError
from stemkit.files import readable_name, shorten_name
from stemkit.tracks.names import RECORD_NAME, name_original

if TYPE_CHECKING:
    from stemkit.storage.places import Place

DEFAULT_TEMPLATE = "{folder}/{track}/{stem}"
FIELDS = ("folder", "track", "stem", "model", "type", "number")

_MARKS = r"[\s\-\u2013_.,()\[\]]*"
_FOLDER = re.compile(
    rf"(?<![^/]){_MARKS}(?<!\{{)\{{folder\}}{_MARKS}/?|{_MARKS}(?<!\{{)\{{folder\}}[)\]]?"
)
"""The folder in a template, first in its part of the path or not, and what sets it off there."""

_LONGEST_NAME = 255  # bytes, on most file systems


@dataclass(frozen=True)
class Naming:
    """How outputs are named. The extension is added to what the template gives.

    Fields of the template: {folder}, the input's folder below the one that was given, which is left
    out with what sets it off where there is none; {track}, its file name without extension; {stem};
    {number}, the stem's place among the stems; {model}; {type}, the input's extension without its
    dot. `with_original` tells that the song itself gets a file beside its stems.
    """

    output: "Place"
    stems: tuple[str, ...]
    extension: str
    model: str
    template: str = DEFAULT_TEMPLATE
    with_original: bool = False

    def __post_init__(self) -> None:
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise OptionError(f"the name template {self.template!r} is broken: {error}") from error
        fields = {field for _, field, _, _ in parts if field is not None}
        plain = all(not spec and not conversion for _, _, spec, conversion in parts)
        if fields - set(FIELDS) or not plain:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise OptionError(f"the name template {self.template!r} may hold only {known}")
        if len(self.stems) > 1 and "stem" not in fields:
            raise OptionError(f"the name template {self.template!r} needs {{stem}}")
        if self.template.endswith("/"):
            raise OptionError(f"the name template {self.template!r} ends before the file's name")

    @property
    def tells_tracks_apart(self) -> bool:
        """Whether songs share a name only if those of their folders and files are alike."""
        return "{folder}" in self.template and "{track}" in self.template


Reason = Literal["missing", "changed", "failed", "interrupted", "settings", "overwrite"]
"""Why a job is done: its outputs aren't there or were never made, its input is another than it was,
it failed or was interrupted before, its outputs were made with other settings, or the user asks."""


@dataclass(frozen=True, slots=True)
class Job:
    """One song: the file to read, and the file to write for each stem.

    `target_names` are those files by stem, and `record_name` the file of the track's record, all
    relative to `output`, in POSIX form.
    """

    source: "Place"
    output: "Place"
    target_names: dict[str, str]
    reason: Reason = "missing"
    record_name: str = ""

    @property
    def name(self) -> str:
        """What tells it apart from other jobs of this output folder: its first target."""
        return next(iter(self.target_names.values()), "")

    @property
    def targets(self) -> "dict[str, Place]":
        """The file to write for each stem."""
        return {stem: self.output / name for stem, name in self.target_names.items()}

    @property
    def record(self) -> "Place":
        """The file of the track's record."""
        return self.output / self.record_name

    def absolute(self) -> "Job":
        """Return the same job for a process with another working folder."""
        return replace(self, source=_absolute(self.source), output=_absolute(self.output))


def _absolute(place: "Place") -> "Place":
    return place.absolute() if isinstance(place, Path) else place


def name_jobs(audio: list[FoundFile], naming: Naming) -> list[Job | Fault]:
    """Return a job for each file, in order, every name decided.

    Tracks that would share an output are told apart, by their extension ("song.mp3" and
    "song.wav" for two files called song) and then by the folder they were given in. Those whose
    paths differ in nothing but case or the form of accents are faults, for they would be one file
    on many file systems, and so are others that share an output by chance, and those with an output
    that a link leads outside the output folder. Raises PlanError where the template lets songs
    share one or leads outside itself, and where an output would replace an input.
    """
    named = [
        one if isinstance(one, Fault) else _make_job(one, naming)
        for one in _tell_apart(audio, naming)
    ]
    check_targets([job for job in named if isinstance(job, Job)], naming.output)
    kept = keep_inside(named, naming.output)
    _refuse_overwriting_inputs([job for job in kept if isinstance(job, Job)], audio, naming)
    return kept


@dataclass(frozen=True, slots=True)
class _Named:
    file: FoundFile
    folder: Path
    track: str


def _tell_apart(files: list[FoundFile], naming: Naming) -> list[_Named | Fault]:
    named = [_Named(file, file.folder, _track_of(file.path)) for file in files]
    for rename in (_name_extension, _name_root):
        groups = _group_collisions(named, naming)
        if not groups:
            return [*named]
        colliding = {id(one) for group in groups for one in group}
        named = [rename(one) if id(one) in colliding else one for one in named]
    faults: dict[int, Fault] = {}
    for group in _group_collisions(named, naming):
        faults |= _find_faults(group, naming)
    return [faults.get(id(one), one) for one in named]


def _find_faults(group: list[_Named], naming: Naming) -> dict[int, Fault]:
    """Return what is wrong with each of the tracks that can't be told apart, by its id."""
    places = [one.file.path for one in group]
    are_alike = len({_fold(str(place)) for place in places}) == 1
    if not are_alike and not naming.tells_tracks_apart:
        raise PlanError(
            f"{places[0]} and {places[1]} would share an output; "
            "change --name-template or rename one"
        )
    reason = "differs from it in case or accents alone" if are_alike else "would share an output"
    others = [places[1], *[places[0]] * (len(places) - 1)]
    return {
        id(one): Fault(place, f"{other} {reason}; rename one")
        for one, place, other in zip(group, places, others, strict=True)
    }


def _name_extension(named: _Named) -> _Named:
    return replace(named, track=named.file.path.name)


def _name_root(named: _Named) -> _Named:
    return replace(named, folder=Path(named.file.root_name) / named.file.folder)


def _group_collisions(named: list[_Named], naming: Naming) -> list[list[_Named]]:
    """Return the tracks that share an output where case and the form of accents don't count."""
    by_target: dict[str, dict[int, _Named]] = {}
    for one in named:
        for name in _render_all(one, naming):
            by_target.setdefault(_fold(name), {})[id(one)] = one
    return [list(group.values()) for group in by_target.values() if len(group) > 1]


def _fold(name: str) -> str:
    """Return what is the same for all names that one file may have somewhere."""
    return unicodedata.normalize("NFC", name).casefold()


def _track_of(path: "Place") -> str:
    return path.stem if path.stem.strip(". ") else path.name


def _render(named: _Named, stem: str, naming: Naming) -> str:
    return PurePath(_fill_template(named, stem, naming) + naming.extension).as_posix()


def _render_all(named: _Named, naming: Naming) -> list[str]:
    """Return the names of all files of a track: its stems', maybe the original's, its record's."""
    names = [_render(named, stem, naming) for stem in naming.stems]
    if naming.with_original:
        names.append(name_original(Path(names[0]), naming.stems[0]).as_posix())
    return [*names, _render_record(named, naming)]


def _render_record(named: _Named, naming: Naming) -> str:
    name = _fill_template(named, RECORD_NAME, naming)
    mark = "" if "{stem}" in naming.template else f".{RECORD_NAME}"
    path = PurePath(f"{name}{mark}.json")
    if len(os.fsencode(path.name)) > _LONGEST_NAME:  # which the names of stems needn't be
        path = path.with_name(f"{shorten_name(readable_name(path.stem))}.json")
    return path.as_posix()


def _fill_template(named: _Named, stem: str, naming: Naming) -> str:
    folder = "" if named.folder == Path() else named.folder.as_posix()
    template = naming.template if folder else _FOLDER.sub("", naming.template)
    return template.format(
        folder=folder,
        track=named.track,
        stem=stem,
        number=naming.stems.index(stem) + 1 if stem in naming.stems else 0,
        model=naming.model,
        type=named.file.path.suffix.removeprefix("."),
    )


def _make_job(named: _Named, naming: Naming) -> Job:
    every = _render_all(named, naming)
    names = dict(zip(naming.stems, every, strict=False))  # then come the others
    if len(set(every)) < len(every):
        if len(set(names.values())) < len(names):
            raise PlanError(f"the stems of {named.file.path} would share an output; use {{stem}}")
        raise PlanError(
            f"a stem of {named.file.path} would share an output with the record or the original "
            "that is kept beside it; give it another name"
        )
    return Job(named.file.path, naming.output, names, record_name=every[-1])


def check_targets(jobs: list[Job], output: "Place") -> None:
    """Raise PlanError for an output whose name isn't one below `output`."""
    for job in jobs:
        for name in (*job.target_names.values(), job.record_name):
            if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
                raise PlanError(f"the output {output}/{name} would be outside {output}")


def keep_inside(jobs: Iterable[Job | Fault], output: "Place") -> list[Job | Fault]:
    """Return the jobs, faults instead of those with an output that links lead outside `output`."""
    if not isinstance(output, Path):
        return [*jobs]
    root = output.resolve()
    inside: set[Path] = set()
    return [
        job if isinstance(job, Fault) else _find_link_outside(job, output, root, inside) or job
        for job in jobs
    ]


def _find_link_outside(job: Job, output: Path, root: Path, inside: set[Path]) -> Fault | None:
    """Return what is wrong where an output is outside; `inside` gets the folders that aren't."""
    for target in (output / name for name in job.target_names.values()):
        try:
            if target.parent in inside and not target.is_symlink():
                continue
            is_inside = target.resolve().is_relative_to(root)
        except OSError:  # a name that is too long: its own job will tell
            continue
        if not is_inside:
            return Fault(
                job.source,
                f"a link leads the output {target} outside {output}; "
                "put a folder in its place, or choose another --output",
            )
        inside.add(target.parent)
    return None


def _list_originals(job: Job, naming: Naming) -> list[Path]:
    """Return the file that a song itself gets beside its stems, if it gets one."""
    if not naming.with_original or not isinstance(job.output, Path):
        return []
    stem, name = next(iter(job.target_names.items()))
    return [name_original(job.output / name, stem)]


def _refuse_overwriting_inputs(jobs: list[Job], audio: list[FoundFile], naming: Naming) -> None:
    inputs = {file.identity: file.path for file in audio}
    for job in jobs:
        for target in (*job.targets.values(), *_list_originals(job, naming)):
            identity = identify_inode(target) if isinstance(target, Path) else str(target)
            if identity in inputs:
                raise PlanError(
                    f"the output {target} would replace the input {inputs[identity]}; "
                    "choose another --output or --name-template"
                )
