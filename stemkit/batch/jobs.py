"""What will be read and written: all names are decided, and collisions refused, before any work."""

import string
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from stemkit.batch.find import FoundFile, find_files, split_audio
from stemkit.errors import OptionError, PlanError

DEFAULT_TEMPLATE = "{folder}/{track}/{stem}"
FIELDS = ("folder", "track", "stem", "model", "type")


@dataclass(frozen=True)
class Naming:
    """How outputs are named. The extension is added to what the template gives.

    Fields of the template: {folder}, the input's folder below the one that was given; {track}, its
    file name without extension; {stem}; {model}; {type}, the input's extension without its dot.
    """

    output: Path
    stems: tuple[str, ...]
    extension: str
    model: str
    template: str = DEFAULT_TEMPLATE

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


@dataclass(frozen=True)
class Job:
    """One song: the file to read, and the file to write for each stem."""

    source: Path
    targets: dict[str, Path]

    def is_done(self) -> bool:
        """Whether every output is there; each is whole, since only whole ones get their name."""
        return all(target.is_file() for target in self.targets.values())


@dataclass(frozen=True)
class Plan:
    """Every song to separate, and what was found that is no audio or needs no work."""

    jobs: tuple[Job, ...]
    not_audio: tuple[Path, ...]
    done: tuple[Path, ...]


def plan_jobs(inputs: list[Path], naming: Naming, *, overwrite: bool) -> Plan:
    """Return what to do about the inputs.

    Tracks that would share an output are told apart, by their extension ("song.mp3" and
    "song.wav" for two files called song) and then by the folder they were given in. Raises
    PlanError where that isn't enough, where a name would lead outside the output folder, and where
    an output would replace an input.
    """
    audio, other = split_audio(find_files(inputs, naming.output))
    jobs = [_make_job(file, naming) for file in _tell_apart(audio, naming)]
    _refuse_overwriting_inputs(jobs)
    done = () if overwrite else tuple(job.source for job in jobs if job.is_done())
    left = tuple(job for job in jobs if job.source not in set(done))
    return Plan(left, tuple(file.path for file in other), done)


@dataclass(frozen=True)
class _Named:
    file: FoundFile
    folder: Path
    track: str


def _tell_apart(files: list[FoundFile], naming: Naming) -> Iterable[_Named]:
    named = [_Named(file, file.folder, _track_of(file.path)) for file in files]
    named = _rename_collisions(named, naming, lambda n: replace(n, track=n.file.path.name))
    named = _rename_collisions(
        named, naming, lambda n: replace(n, folder=Path(n.file.root_name) / n.file.folder)
    )
    for group in _group_collisions(named, naming):
        first, second = (str(one.file.path) for one in group[:2])
        raise PlanError(
            f"{first} and {second} would share an output; change --name-template or rename one"
        )
    return named


def _rename_collisions(
    named: list[_Named], naming: Naming, rename: Callable[[_Named], _Named]
) -> list[_Named]:
    colliding = {id(one) for group in _group_collisions(named, naming) for one in group}
    return [rename(one) if id(one) in colliding else one for one in named]


def _group_collisions(named: list[_Named], naming: Naming) -> list[list[_Named]]:
    """Return the tracks that share an output where case and the form of accents don't count."""
    by_target: dict[str, dict[int, _Named]] = defaultdict(dict)
    for one in named:
        for stem in naming.stems:
            target = unicodedata.normalize("NFC", str(_render(one, stem, naming))).casefold()
            by_target[target][id(one)] = one
    return [list(group.values()) for group in by_target.values() if len(group) > 1]


def _track_of(path: Path) -> str:
    return path.stem if path.stem.strip(". ") else path.name


def _render(named: _Named, stem: str, naming: Naming) -> Path:
    name = naming.template.format(
        folder=named.folder.as_posix(),
        track=named.track,
        stem=stem,
        model=naming.model,
        type=named.file.path.suffix.removeprefix("."),
    )
    return Path(name + naming.extension)


def _make_job(named: _Named, naming: Naming) -> Job:
    targets = {stem: _place(named, stem, naming) for stem in naming.stems}
    if len(set(targets.values())) < len(targets):
        raise PlanError(f"the stems of {named.file.path} would share an output; use {{stem}}")
    return Job(named.file.path, targets)


def _place(named: _Named, stem: str, naming: Naming) -> Path:
    relative = _render(named, stem, naming)
    target = naming.output / relative
    inside = target.resolve().is_relative_to(naming.output.resolve())
    if relative.is_absolute() or ".." in relative.parts or not inside:
        raise PlanError(f"the output {target} would be outside {naming.output}")
    return target


def _refuse_overwriting_inputs(jobs: list[Job]) -> None:
    sources = {job.source.resolve(): job.source for job in jobs}
    for job in jobs:
        for target in job.targets.values():
            if target.resolve() in sources:
                raise PlanError(
                    f"the output {target} would replace the input {sources[target.resolve()]}; "
                    "choose another --output or --name-template"
                )
