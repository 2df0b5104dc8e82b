"""Run models over the conditions of a study, and score what they give."""

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from stemkit.audio.wav import WavLayout, WavWriter
from stemkit.errors import OptionError
from stemkit.evaluation.metrics import measure_sdr, measure_si_sdr
from stemkit.files import replace_file, shorten_name, writing
from stemkit.samples import Samples
from stemkit.separation.options import SHORTEST_GUARDED_SECONDS
from stemkit.separation.separator import Separator
from stemkit.study.conditions import Example, StudyOptions, build_examples, list_conditions
from stemkit.study.leakage import measure_leakage
from stemkit.study.material import MIX, SAMPLE_RATE, Excerpts, Material
from stemkit.study.names import escape_name

HIGHEST_DB = 100.0
"""What is told of an estimate without any error."""


@dataclass(frozen=True)
class Contender:
    """A model by its name or path, with or without the guard of its vocals."""

    model: str
    guard: bool = False

    def __str__(self) -> str:
        name = escape_name(self.model)
        return f"{name}, guarded" if self.guard else name


@dataclass(frozen=True)
class StemScore:
    """Scores of one stem in dB, and of the mix taken for it; None where there is none.

    Of a stem that should be silent nothing is told, and of the mix where it is the stem.
    """

    sdr_db: float | None
    si_sdr_db: float | None
    mix_sdr_db: float | None


@dataclass(frozen=True)
class Score:
    """What one model made of one example; `leakage_db` is what of each part is in "vocals"."""

    model: str
    condition: str
    number: int
    vocals: StemScore
    accompaniment: StemScore
    leakage_db: Mapping[str, float]


@dataclass(frozen=True)
class Study:
    """All scores, and what couldn't be used or made, with the reason."""

    options: StudyOptions
    files: Mapping[str, int]  # of each kind
    scores: Sequence[Score]
    left_out: Mapping[str, str]  # by condition
    faults: Mapping[Path, str]


def run_study(
    material: Material,
    contenders: Sequence[Contender],
    options: StudyOptions,
    *,
    jobs: int = 1,
    audio_folder: Path | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Study:
    """Separate all examples with all contenders and score them.

    `jobs` processes do an example's number each, with models of their own. With `audio_folder`,
    mixes and estimates are kept there as wav. `progress` is told how many numbers of how many are
    done. Raises ModelError for a model that isn't there, and OptionError for one that gives no
    vocals, for examples that are too short to be guarded, and for audio that can't be written.
    """
    guarded = any(contender.guard for contender in contenders)
    if guarded and options.seconds < SHORTEST_GUARDED_SECONDS:
        raise OptionError(
            f"examples of {options.seconds:g} s are too short to be guarded; take "
            f"{SHORTEST_GUARDED_SECONDS:g} s or more"
        )
    for contender in contenders:
        _load(contender)
    run = delayed(_run_number)
    tasks = (
        run(material, contenders, options, number, audio_folder) for number in range(options.songs)
    )
    scores: list[Score] = []
    faults: dict[Path, str] = {}
    results = Parallel(n_jobs=jobs, return_as="generator")(tasks)
    for done, (found, bad) in enumerate(results, 1):
        scores += found
        faults |= bad
        progress(done, options.songs)
    counts = {kind: len(files) for kind, files in material.files.items()}
    return Study(options, counts, scores, _explain_gaps(material, scores), faults)


def _run_number(
    material: Material,
    contenders: Sequence[Contender],
    options: StudyOptions,
    number: int,
    audio_folder: Path | None,
) -> tuple[list[Score], dict[Path, str]]:
    excerpts = Excerpts(material, options.seconds, options.seed)
    conditions, _ = list_conditions(material)
    scores = []
    for example in build_examples(conditions, excerpts, number):
        sounds = [(MIX, example.mix)]
        sounds += [(shorten_name(kind), part) for kind, part in example.parts.items()]
        for contender in contenders:
            name, stems = str(contender), _load(contender).separate(example.mix, SAMPLE_RATE)
            vocals = stems["vocals"]
            accompaniment = stems.get("accompaniment", example.mix - vocals)
            scores.append(score_example(name, example, vocals, accompaniment))
            file = shorten_name(Path(name).name)
            sounds += [(f"{file} vocals", vocals), (f"{file} accompaniment", accompaniment)]
        if audio_folder:
            folder = audio_folder / shorten_name(example.condition.name) / f"{number + 1:02}"
            _write_sounds(folder, sounds)
    return scores, excerpts.faults


@functools.cache
def _load(contender: Contender) -> Separator:
    """Return a model that gives vocals, in the precision that is the same on all machines."""
    return Separator("vocals", contender.model, precision="float32", guard=contender.guard)


def _explain_gaps(material: Material, scores: Sequence[Score]) -> dict[str, str]:
    """Return why there is no example of some conditions."""
    conditions, left_out = list_conditions(material)
    gaps = {name: f"no {kinds} in the material" for name, kinds in left_out.items()}
    heard = {part for score in scores for part in score.leakage_db}
    for one in conditions:
        kinds = one.kinds - heard
        if kinds:
            gaps[one.name] = f"no file of {', '.join(sorted(kinds))} could be used"
        elif one.parts.keys() - heard:
            gaps[one.name] = "only one file of speech could be used"
    return gaps


def score_example(model: str, example: Example, vocals: Samples, accompaniment: Samples) -> Score:
    """Return the scores of both stems of an example, (2, frames) each, and what leaked."""
    return Score(
        model,
        example.condition.name,
        example.number,
        _score_stem(example.voice, vocals, example.mix if example.background else None),
        _score_stem(example.accompaniment, accompaniment, example.mix if example.voices else None),
        measure_leakage(vocals, example.parts),
    )


def _score_stem(reference: Samples, estimate: Samples, mix: Samples | None) -> StemScore:
    if not reference.any():
        return StemScore(None, None, None)
    return StemScore(
        _limit(measure_sdr(reference, estimate)),
        _limit(measure_si_sdr(reference, estimate)),
        None if mix is None else _limit(measure_sdr(reference, mix)),
    )


def _limit(score_db: float) -> float | None:
    return None if math.isnan(score_db) else float(np.clip(score_db, -HIGHEST_DB, HIGHEST_DB))


_ESTIMATES = ("* vocals*.wav", "* accompaniment*.wav")


def _write_sounds(folder: Path, sounds: Sequence[tuple[str, Samples]]) -> None:
    taken: set[str] = set()
    for name, audio in sounds:
        path = folder / f"{_choose_name(name, taken)}.wav"
        with writing(path):
            replace_file(path, functools.partial(_write_wav, audio))
    for pattern in _ESTIMATES:  # of an earlier study with other models, whose mix is gone
        for path in folder.glob(pattern):
            if path.stem.casefold() not in taken:
                with writing(path):
                    path.unlink()


def _choose_name(wanted: str, taken: set[str]) -> str:
    """Return a name, numbered where models of two folders have the same, and take it."""
    names = (wanted if number == 1 else f"{wanted} {number}" for number in itertools.count(1))
    name = next(name for name in names if name.casefold() not in taken)
    taken.add(name.casefold())
    return name


def _write_wav(audio: Samples, path: Path) -> None:
    with WavWriter(path, WavLayout(SAMPLE_RATE, audio.shape[0], "32f")) as wav:
        wav.write(audio)
        wav.finish()
