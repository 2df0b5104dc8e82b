"""How far a network has come: SDR over songs whose stems are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from stemkit.errors import TrainingError
from stemkit.evaluation.metrics import measure_sdr
from stemkit.nn.resunet import ResUNet
from stemkit.separation.engine import Engine
from stemkit.separation.options import DeviceName, EngineOptions
from stemkit.separation.stems import choose_recipes
from stemkit.training.clips import ClipCache
from stemkit.training.config import Songs, TrainingConfig
from stemkit.training.pools import Opened, StemSong, choose_parts, open_songs

MIX = "mix"
"""The score of the mix itself, taken as the first stem."""


@dataclass(frozen=True)
class SongScore:
    """SDR of those stems that a song has, in dB, and of the mix itself; a silent one has none."""

    song: str
    stems_db: dict[str, float]


def name_scores(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is scored: the sources, the complement of one alone, and the mix."""
    return (*(recipe.name for recipe in choose_recipes(sources, None)), MIX)


def open_validation(config: TrainingConfig, cache: ClipCache) -> Opened:
    """Decode the songs to validate with; raises TrainingError where none has all sources."""
    if config.validation is None:
        return Opened()
    parts = choose_parts(config.sources, with_songs=True)
    opened = open_songs(Songs(folders=[config.validation]), parts, config.sources, cache)
    wanted = set(config.sources)

    def is_alone(song: StemSong) -> bool:
        return len(wanted) == 1 and set(song.parts) == wanted

    songs = [song for song in opened.songs if not is_alone(song)]
    alone = filter(is_alone, opened.songs)
    whole = tuple(song for song in songs if wanted <= set(song.parts))
    if not whole:
        raise TrainingError(
            f"no song in {config.validation} has {' and '.join(config.sources)}; each is a folder "
            f"with a file for each stem"
        )
    lacking = (
        f"left out the song {song.name}: it has no {' and '.join(missing)}"
        for song in songs
        if (missing := [one for one in config.sources if one not in song.parts])
    )
    name = config.sources[0]
    single = (f"left out the song {song.name}: it has {name} and nothing besides" for song in alone)
    return Opened(songs=whole, left_out=(*opened.left_out, *lacking, *single))


class StoppedError(Exception):
    """Raised in the middle of a validation once the training is to stop."""


def score_songs(
    network: ResUNet,
    songs: Sequence[StemSong],
    device: torch.device,
    is_stopped: Callable[[], bool] = lambda: False,
) -> list[SongScore]:
    """Separate each song in segments, as `stemkit separate` does, and score it.

    Raises StoppedError, between two segments, once `is_stopped` returns true.
    """
    if not songs:
        return []

    def check() -> None:
        if is_stopped():
            raise StoppedError

    name: DeviceName = "cuda" if device.type == "cuda" else "cpu"
    engine = Engine(network, EngineOptions(device=name, precision="float32"))
    return [_score_song(engine, song, check) for song in songs]


def take_medians(scores: Sequence[SongScore]) -> dict[str, float]:
    """Return the median of each stem over the songs that have it."""
    stems = dict.fromkeys(stem for score in scores for stem in score.stems_db)
    return {
        stem: median(score.stems_db[stem] for score in scores if stem in score.stems_db)
        for stem in stems
    }


def _score_song(engine: Engine, song: StemSong, check: Callable[[], None]) -> SongScore:
    sounds = song.read(song.parts, 0, song.frames)
    references, mix = dict(zip(song.parts, sounds, strict=True)), sounds.sum(axis=0)
    check()
    estimates = engine.separate(mix, engine.sample_rate, check)
    compared = [(stem, stem, estimate) for stem, estimate in estimates.items()]
    compared.append((MIX, engine.stems[0], mix))
    scores = {
        name: measure_sdr(references[stem], estimate)
        for name, stem, estimate in compared
        if stem in references and references[stem].any()
    }
    return SongScore(song.name, scores)
