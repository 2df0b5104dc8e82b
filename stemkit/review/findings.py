"""What in a track's stems deserves a second ear: rules of thumb over scans, never proofs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import uniform_filter1d

from stemkit.review.frames import Features, Floats
from stemkit.review.masks import Mask, Range, join_ranges, keep_runs, to_ranges
from stemkit.review.scan import CLIPPED_FRAMES, Scan
from stemkit.review.voices import (
    find_bursts,
    find_crowd,
    find_cymbals,
    find_hollow,
    find_horns,
    is_voice,
)
from stemkit.tracks.names import ORIGINAL

Kind = Literal[
    "clipping", "silence", "loud", "cymbals", "horns", "crowd", "fricatives", "hollow"
]  # fmt: skip
"""Levels first; the last five are of voice stems, and what in them doesn't look like a voice."""

SILENT_DB = -70.0
FAINT_DB = -55.0
FAINT_BELOW_MIX_DB = 30.0
"""What is never louder than this is there by mistake, if at all."""

PLAYING_DB = -40.0
LOUD_DB = 3.0
"""So much louder than the mix is a stem only where another one takes it back."""

_LEVEL_SECONDS = 1.0

_STRANGERS: tuple[tuple[Kind, Callable[[Features], Mask], str], ...] = (
    ("cymbals", find_cymbals,
     "This looks like cymbals: hiss that lasts, or comes back with the beat, without a voice."),
    ("horns", find_horns,
     "This looks like horns or other instruments: notes that are held without a voice's drift."),
    ("crowd", find_crowd,
     "This looks like a crowd or applause: noise without a tone that goes on for seconds."),
    ("fricatives", find_bursts,
     "This looks like drum hits taken for consonants: short noises where nobody sings."),
    ("hollow", find_hollow,
     "This looks like what a leak leaves, or a voice without its top: tones without overtones."),
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Something to listen to in a stem.

    `text` is a sentence for a person, without the stem's name or the times. `ranges` are in order,
    apart from one another, each at least half a second unless the stem is shorter, and within the
    stem; 50 at most. They are empty where the finding is of the whole stem.
    """

    kind: Kind
    stem: str
    text: str
    ranges: tuple[Range, ...] = ()

    @property
    def seconds(self) -> float:
        """How long its ranges are together."""
        return sum(end - start for start, end in self.ranges)


def find_findings(stems: Mapping[str, Scan], mix: Scan | None) -> list[Finding]:
    """Return what deserves a second ear: in the order of the stems, each with a kind once.

    `mix` is the song at the stems' gain; without it, nothing is said of what only it can tell. What
    no stem has is a finding of the stem "original".
    """
    found = [finding for stem, scan in stems.items() for finding in _find_in(stem, scan, mix)]
    return found + list(_find_lost(stems, mix))


def _find_in(stem: str, scan: Scan, mix: Scan | None) -> Iterator[Finding]:
    yield from _find_clipping(stem, scan)
    faint = _describe_faintness(scan, mix)
    if faint:
        yield Finding("silence", stem, faint)
        return
    if mix is not None:
        yield from _find_loud(stem, scan, mix)
    if is_voice(stem):
        for kind, find, text in _STRANGERS:
            ranges = to_ranges(find(scan.features), scan.features.hop_seconds, scan.seconds)
            if ranges:
                yield Finding(kind, stem, text, ranges)


def _find_clipping(stem: str, scan: Scan) -> Iterator[Finding]:
    if scan.clipped:
        rate = scan.sample_rate
        runs = ((start / rate, end / rate) for start, end in scan.clipped)
        text = f"It is clipped: {CLIPPED_FRAMES} or more samples on end are at full scale."
        yield Finding("clipping", stem, text, join_ranges(runs, scan.seconds))


def _describe_faintness(scan: Scan, mix: Scan | None) -> str:
    """Return what there is to say of a stem that has next to nothing, else nothing."""
    loudest_db = _find_loudest(scan)
    if loudest_db < SILENT_DB:
        return "It is silent from start to end."
    below_db = _find_loudest(mix) - loudest_db if mix else 0.0
    if below_db > FAINT_BELOW_MIX_DB:
        return (
            f"It is nearly silent, {below_db:.0f} dB below the song: is there such a part at all?"
        )
    if loudest_db < FAINT_DB:
        return f"It is nearly silent, at {loudest_db:.0f} dB: is there such a part at all?"
    return ""


def _find_loudest(scan: Scan) -> float:
    return float(np.percentile(scan.features.level_db, 99))


def _find_loud(stem: str, scan: Scan, mix: Scan) -> Iterator[Finding]:
    level_db = _smooth_levels(scan)
    above_db = level_db - _align(_smooth_levels(mix), mix, scan)
    loud = (above_db > LOUD_DB) & (level_db > PLAYING_DB)
    lasting = keep_runs(loud, _LEVEL_SECONDS / scan.features.hop_seconds)
    if lasting.any():
        text = (
            f"It is up to {above_db[lasting].max():.0f} dB louder than the song itself: "
            "another stem takes that back."
        )
        ranges = to_ranges(lasting, scan.features.hop_seconds, scan.seconds)
        yield Finding("loud", stem, text, ranges)


def _find_lost(stems: Mapping[str, Scan], mix: Scan | None) -> Iterator[Finding]:
    if mix is None or len(stems) < 2:
        return
    lost = _smooth_levels(mix) > PLAYING_DB
    for scan in stems.values():
        lost &= _align(scan.features.level_db, scan, mix) < SILENT_DB
    hop_seconds = mix.features.hop_seconds
    ranges = to_ranges(keep_runs(lost, _LEVEL_SECONDS / hop_seconds), hop_seconds, mix.seconds)
    if ranges:
        yield Finding("silence", ORIGINAL, "It plays while all stems are silent.", ranges)


def _smooth_levels(scan: Scan) -> Floats:
    """Return the level of the second around each hop, in dB."""
    power = 10 ** (scan.features.level_db.astype(np.float64) / 10)
    hops = max(1, round(_LEVEL_SECONDS / scan.features.hop_seconds))
    levels: Floats = 10 * np.log10(np.maximum(uniform_filter1d(power, hops), 1e-12))
    return levels


def _align(levels: Floats, scan: Scan, to: Scan) -> Floats:
    """Return levels of a scan at the hops of another, whose rate may differ."""
    hops = np.arange(len(to.features.level_db)) * to.features.hop_seconds
    aligned: Floats = np.interp(hops / scan.features.hop_seconds, np.arange(len(levels)), levels)
    return aligned
