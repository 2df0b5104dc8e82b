"""BSS Eval v4 by `museval`, whose import needs the program ffmpeg, and the files that it writes."""

from collections.abc import Mapping
from pathlib import Path

import museval
import numpy as np
from museval.metrics import Framing

from stemkit.errors import AudioError
from stemkit.evaluation.conditioning import DOUBTFUL_DB, measure_floor_db, round_samples
from stemkit.evaluation.options import BSS_METRICS, Frames, FrameScores, ScoreOptions
from stemkit.evaluation.reading import ACCOMPANIMENT, make_rest
from stemkit.files import replace_content
from stemkit.samples import Samples
from stemkit.separation.stems import Stems

_REST = "rest"
_ORDER = ("vocals", "drums", "bass", "other", ACCOMPANIMENT)


def measure_frames(
    references: Stems, estimates: Stems, sample_rate: int, options: ScoreOptions
) -> dict[str, FrameScores]:
    """Return the frames of each estimate, all of (channels, frames) and one shape.

    Sources are put together as in `museval.eval_mus_track`: accompaniment and vocals are a pair,
    and the other stems, vocals too, are scored among themselves. A stem alone is scored against all
    else in the song, and has no SIR where that isn't known. A source whose reference or estimate is
    silent throughout, where museval would give up, has NaN in all frames, and the others are scored
    without it. Infinity is NaN, as in museval's files.

    Raises AudioError for sources that no filters can be found for.
    """
    parts = set(estimates) - {ACCOMPANIMENT}
    if len(parts) == 1 and parts != {"vocals"}:
        rest = make_rest(references, *parts)
        references = references | ({} if rest is None else {_REST: rest})
    if options.round_references:
        references = {name: round_samples(samples) for name, samples in references.items()}
    found: dict[str, FrameScores] = {}
    for sources, scored in _list_scenes(set(estimates), set(references)):
        pairs = {
            name: (references[name], estimates.get(name, references[name])) for name in sources
        }
        scores = _score(pairs, sample_rate, options)
        found |= {name: scores[name] for name in scored}
    return {name: found[name] for name in estimates}


def is_silent(samples: Samples) -> bool:
    """Return whether museval takes samples for silent: their channels sum to nothing."""
    return not samples.sum(axis=0, dtype=np.float64).any()


def write_frames(
    path: Path, track: str, frames: Mapping[str, Frames], options: ScoreOptions
) -> None:
    """Write a track's frames as museval does, checked against its schema; raises OSError."""
    store = museval.TrackStore(track, options.window_seconds, options.hop_seconds)
    for stem, values in frames.items():
        store.add_target(stem, values)
    store.validate()
    replace_content(path, store.json.encode())


def _list_scenes(wanted: set[str], known: set[str]) -> list[tuple[list[str], set[str]]]:
    """Return sources to score against one another, in museval's order, and which are kept."""
    pair, parts = {"vocals", ACCOMPANIMENT}, wanted - {ACCOMPANIMENT}
    scenes = []
    if ACCOMPANIMENT in wanted or parts == {"vocals"}:
        scenes.append((pair & known, pair & wanted))
    kept = parts - {name for _, scored in scenes for name in scored}
    if kept:
        scenes.append((parts if len(parts) > 1 else parts | {_REST} & known, kept))
    return [(sorted(sources, key=_rank), scored) for sources, scored in scenes]


def _rank(name: str) -> tuple[int, str]:
    """Return what sorts sources as museval does: it decides how its filters round."""
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER)), name


def _score(
    pairs: Mapping[str, tuple[Samples, Samples]], sample_rate: int, options: ScoreOptions
) -> dict[str, FrameScores]:
    heard = {name: pair for name, pair in pairs.items() if not any(map(is_silent, pair))}
    frames = next(iter(pairs.values()))[0].shape[1]
    window, hop = (int(s * sample_rate) for s in (options.window_seconds, options.hop_seconds))
    scores = np.full((len(BSS_METRICS), len(pairs), Framing(window, hop, frames).nwin), np.nan)
    doubtful = False
    if heard:
        rows = [name in heard for name in pairs]
        both = (np.stack([pair[i].T for pair in heard.values()], dtype=np.float64) for i in (0, 1))
        try:
            scores[:, rows] = museval.evaluate(*both, win=window, hop=hop)
        except (np.linalg.LinAlgError, AttributeError) as error:  # museval names the first wrongly
            raise AudioError("BSS Eval finds no filters for these stems; are two alike?") from error
        doubtful = measure_floor_db([reference for reference, _ in heard.values()]) < DOUBTFUL_DB
    if len(heard) == 1:
        scores[BSS_METRICS.index("SIR")] = np.nan
    silent = np.isnan(scores[BSS_METRICS.index("SDR")]).sum(axis=1).tolist()
    scores[~np.isfinite(scores)] = np.nan
    return {
        name: FrameScores(
            dict(zip(BSS_METRICS, scores[:, at].tolist(), strict=True)), doubtful, silent[at]
        )
        for at, name in enumerate(pairs)
    }
