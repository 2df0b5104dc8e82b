"""Which stem goes into which of the four slots that NI Stems have."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stemkit.handoff.text import flatten
from stemkit.tracks.colours import Colour, colour_of
from stemkit.tracks.names import ORIGINAL
from stemkit.tracks.track import Track

_PLACES = {"drums": 0, "bass": 1, "other": 2, "accompaniment": 2, "rest": 2, "vocals": 3}
_SHARED = 2
_SILENT = Colour(0x40, 0x40, 0x40)


@dataclass(frozen=True)
class Slot:
    """A name, a colour, and what is heard: the sum of files, each with the gain it's added at."""

    name: str
    colour: Colour
    gains: Mapping[Path, float]


def whole_song(track: Track) -> Slot:
    """Return the original, or the sum of the stems where there is none."""
    paths = [track.original] if track.original else [stem.path for stem in track.heard]
    return Slot(ORIGINAL, colour_of(ORIGINAL), dict.fromkeys(paths, 1.0))


def fill_slots(track: Track) -> tuple[Slot, ...]:
    """Return the four slots, which together hold each stem once, but not the mix of a preset.

    - drums, bass, other and vocals have the first to the fourth, whatever else there is, so that
      vocals are always at the same place; accompaniment has the third.
    - Stems of other names take the free ones from the first on. Those that find none are added to
      the third.
    - A lone stem gets company: the rest of the song, which is the original without it, if there is
      the original.
    - A slot that nothing is left for is silent.
    """
    slots: list[list[Slot]] = [[], [], [], []]
    homeless = []
    for sound in _list_sounds(track):
        place = _PLACES.get(sound.name.lower())
        if place is None or slots[place]:
            homeless.append(sound)
        else:
            slots[place].append(sound)
    for sound in homeless:
        next((slot for slot in slots if not slot), slots[_SHARED]).append(sound)
    return tuple(map(_join, slots))


def _list_sounds(track: Track) -> list[Slot]:
    names = [flatten(stem.name) for stem in track.heard]
    sounds = [
        Slot(name, colour_of(name), {stem.path: 1.0})
        for name, stem in zip(names, track.heard, strict=True)
    ]
    if len(sounds) == 1 and track.original:
        without = {track.original: 1.0, track.heard[0].path: -1.0}
        sounds.append(Slot("rest", colour_of("rest"), without))
    return sounds


def _join(sounds: list[Slot]) -> Slot:
    if not sounds:
        return Slot("silence", _SILENT, {})
    gains = {path: gain for sound in sounds for path, gain in sound.gains.items()}
    return Slot(" + ".join(sound.name for sound in sounds), sounds[0].colour, gains)
