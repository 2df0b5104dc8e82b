"""All scores of a song's stems."""

from dataclasses import dataclass, field

import numpy as np

from stemkit.evaluation.metrics import measure_sdr, measure_si_sdr
from stemkit.evaluation.options import Frames, FrameScores, ScoreOptions
from stemkit.separation.stems import Stems

NAN = float("nan")


@dataclass(frozen=True)
class StemScores:
    """Scores in dB by metric, NaN for what has none, and BSS Eval's of each frame."""

    scores: dict[str, float]
    framed: FrameScores = field(default_factory=FrameScores)

    @property
    def frames(self) -> Frames:
        """A score of BSS Eval for each frame, by metric."""
        return self.framed.frames

    @property
    def frame_count(self) -> int:
        """How many frames BSS Eval has."""
        return len(self.frames.get("SDR", ()))

    @property
    def silent_frames(self) -> int:
        """In how many of them the reference or the estimate is silent."""
        return self.framed.silent


def score_stems(
    references: Stems, estimates: Stems, sample_rate: int, options: ScoreOptions | None = None
) -> dict[str, StemScores]:
    """Return the scores of each estimate; all sounds are (channels, frames) and of one shape.

    `references` may have more stems than `estimates`, and the song itself as "mixture": what an
    estimate holds of them is interference. A silent reference has no scores; see `measure_frames`
    for silence elsewhere. Raises OptionError where BSS Eval needs ffmpeg, and AudioError.
    """
    options = options or ScoreOptions()
    framed: dict[str, FrameScores] = {}
    if "bsseval" in options.methods:
        from stemkit.evaluation.bsseval import measure_frames  # its import takes seconds

        framed = measure_frames(references, estimates, sample_rate, options)
    found = {}
    for name, estimate in estimates.items():
        reference, own = references[name], framed.get(name, FrameScores())
        scores = {metric: take_median(values) for metric, values in own.frames.items()}
        if "sdr" in options.methods:
            scores["uSDR"] = measure_sdr(reference, estimate) if reference.any() else NAN
        if "si-sdr" in options.methods:
            scores["SI-SDR"] = measure_si_sdr(reference, estimate)
        found[name] = StemScores(scores, own)
    return found


def take_median(values: list[float]) -> float:
    """Return the median of those that are finite, NaN where none is."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else NAN
