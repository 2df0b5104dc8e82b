"""What in a voice stem doesn't look like a voice.

The thresholds were chosen to leave singing alone: on hours of it, alone and separated, next to
nothing is found. They see what sounds instead of the voice; what leaks in beneath it stays unseen.
"""

import re
from itertools import pairwise

import numpy as np
from scipy.ndimage import minimum_filter1d

from stemkit.review.frames import STEADY_HOPS, Features
from stemkit.review.masks import (
    Mask,
    close_gaps,
    keep_runs,
    measure_density,
    measure_deviation,
    reach_back,
    widen,
)

AUDIBLE_DB = 35.0
"""What is this much below the loud parts of a stem isn't looked at."""

_VOICES = {"vocals", "vocal", "voice", "voices", "vox", "singing", "acapella"}
_WITHOUT = {"no", "non", "minus", "without"}

_VOICED = 0.7
_AWAY_SECONDS = 1.0  # breaths and consonants are closer than this to a voiced sound

_HISS_SECONDS = 0.5  # longer than an s
_BEAT_SECONDS = 3.0
_BEAT_DENSITY = 0.38  # of an s in fast singing 0.32 at most, of a ride cymbal 0.40
_LONE_BEAT_DENSITY = 0.15  # where nobody sings

_CHORD_SHARE = 0.2
_NOTE_SECONDS = 0.5
_NOTE_CENTS = 2.2  # of singers' straightest half seconds, 19 of 20 have 2.4 and more
_NOTES_SECONDS = 8.0
_NOTES_DENSITY = 0.15  # one straight note doesn't make a horn

_CROWD_SECONDS = 2.0
_CROWD_DENSITY = 0.85
_CROWD_DB = 4.0  # a shout or a growl rises and falls by more

_BURST_SECONDS = 0.35

_HOLLOW_DB = 40.0  # singing has never been seen without overtones for half a second
_HOLLOW_SECONDS = 0.5


def is_voice(stem: str) -> bool:
    """Whether a stem of this name should hold nothing but voices."""
    words = ["", *re.findall(r"[^\W\d_]+", stem.lower())]
    voices = [before not in _WITHOUT for before, word in pairwise(words) if word in _VOICES]
    return bool(voices) and voices[-1]


def find_cymbals(features: Features) -> Mask:
    """Return where hiss lasts longer than a consonant, or comes back like a beat."""
    hiss = _find_hiss(features)
    lasting = keep_runs(close_gaps(hiss, 2), _hops(features, _HISS_SECONDS))
    window = _hops(features, _BEAT_SECONDS)
    enough = np.where(_find_away(features), _LONE_BEAT_DENSITY, _BEAT_DENSITY)
    beating = widen(measure_density(hiss, window) > enough, window)
    crowd = widen(find_crowd(features), _hops(features, _CROWD_SECONDS))
    return (lasting | (hiss & beating)) & ~crowd


def find_horns(features: Features) -> Mask:
    """Return where tones stand still as no voice does: chords, or notes one after the other."""
    steady = _find_chords(features) | _find_notes(features)
    window = _hops(features, _NOTES_SECONDS)
    return steady & widen(measure_density(steady, window) > _NOTES_DENSITY, window)


def find_crowd(features: Features) -> Mask:
    """Return where there is noise without a tone for seconds, about as loud all the time."""
    noise = (
        _find_audible(features)
        & (features.noise_db > -10)
        & (features.voicing < 0.5)
        & (features.hiss_db < features.middle_db)
    )
    window = _hops(features, _CROWD_SECONDS)
    levels = np.maximum(features.level_db, -100)
    even = measure_deviation(levels, window) < _CROWD_DB
    return widen((measure_density(noise, window) > _CROWD_DENSITY) & even, window)


def find_bursts(features: Features) -> Mask:
    """Return short noises far from anything sung: drum hits that were taken for consonants."""
    noise = _find_audible(features) & (features.noise_db > -8) & (features.voicing < 0.75)
    bursts = keep_runs(_find_hiss(features) | noise, 2, _hops(features, _BURST_SECONDS))
    others = find_cymbals(features) | find_horns(features) | find_crowd(features)
    return bursts & _find_away(features) & ~widen(others, _hops(features, _AWAY_SECONDS))


def find_hollow(features: Features) -> Mask:
    """Return where tones have no overtones: what is left of an instrument, or of a voice."""
    bare = features.overtones_db < features.level_db - _HOLLOW_DB
    hollow = _find_audible(features) & bare & (features.voicing > _VOICED)
    return keep_runs(close_gaps(hollow, 2), _hops(features, _HOLLOW_SECONDS))


def _find_audible(features: Features) -> Mask:
    loud_db = float(np.percentile(features.level_db, 95))
    return features.level_db > max(loud_db - AUDIBLE_DB, -60)


def _find_away(features: Features) -> Mask:
    voiced = _find_audible(features) & (features.voicing > _VOICED) & (features.noise_db < -8)
    return ~widen(voiced, _hops(features, 2 * _AWAY_SECONDS))


def _find_hiss(features: Features) -> Mask:
    bright = features.hiss_db > features.middle_db - 6
    return _find_audible(features) & bright & (features.voicing < 0.6)


def _find_chords(features: Features) -> Mask:
    """Return where several tones stand still: they have no common period that a voice has."""
    chords = (
        _find_audible(features)
        & (features.steady > _CHORD_SHARE)
        & (features.noise_db < -9)
        & (features.voicing < 0.85)
        & (features.hiss_db < features.middle_db - 12)  # cymbals ring too
    )
    lasting = keep_runs(close_gaps(chords, 2), _hops(features, 0.2))
    return reach_back(lasting, STEADY_HOPS)  # so long it has stood still


def _find_notes(features: Features) -> Mask:
    """Return where one tone keeps its pitch to a few cents."""
    window = _hops(features, _NOTE_SECONDS)
    voiced = _find_audible(features) & (features.voicing > 0.85)
    still = measure_deviation(features.pitch_cents, window) < _NOTE_CENTS
    whole: Mask = minimum_filter1d(voiced, window)
    return widen(whole & still, window)


def _hops(features: Features, seconds: float) -> int:
    return max(1, round(seconds / features.hop_seconds))
