"""Graded conditions under which separators fail: voices and backgrounds, mixed from a material.

Of every condition there are as many examples as of any other, and example number 3 of all of them
has the same singer, the same band and so on: what differs between conditions is the condition.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stemkit.errors import OptionError
from stemkit.samples import Samples
from stemkit.study.material import SECOND_SPEAKER, Excerpts, Material, measure_active_power

VOICES = ("singing", "choir", "speech")
"""The kinds that belong into "vocals"; every other kind is background, crowds too."""

BAND_DB = 3.0
"""How much louder than the voice the band is."""

_VOICE_DB = -23.0  # of full scale, the active level of what is at 0 dB
_HIGHEST_PEAK = 0.9


@dataclass(frozen=True)
class Condition:
    """A recipe of mixes: each part with its level in dB, 0 being that of the voice.

    A part is named by its kind; `speech-2` is `speech` of another file. `target` says what "vocals"
    should hold.
    """

    name: str
    title: str
    parts: Mapping[str, float]
    target: str = "the voice"

    @property
    def kinds(self) -> set[str]:
        """The folders that the condition needs."""
        return {_kind_of(part) for part in self.parts}


@dataclass(frozen=True)
class Example:
    """One mix of a condition. All audio is (2, frames) at 44.1 kHz, and `mix` is the sum of parts.

    `voices` are what "vocals" should hold, `background` the rest, each part by its name.
    """

    condition: Condition
    number: int
    voices: Mapping[str, Samples]
    background: Mapping[str, Samples]
    mix: Samples

    @property
    def parts(self) -> dict[str, Samples]:
        """All parts, voices first."""
        return {**self.voices, **self.background}

    @property
    def voice(self) -> Samples:
        """The sum of the voices; silence where there are none."""
        return _add(self.voices) if self.voices else np.zeros_like(self.mix)

    @property
    def accompaniment(self) -> Samples:
        """The sum of the background; silence where there is none."""
        return _add(self.background) if self.background else np.zeros_like(self.mix)


@dataclass(frozen=True)
class StudyOptions:
    """How many examples there are of each condition, how long, and which."""

    songs: int = 12
    seconds: float = 8.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.songs < 1 or not 1 <= self.seconds <= 60:
            raise OptionError(
                f"can't study {self.songs} songs of {self.seconds:g} s; "
                "give 1 song or more, of 1 to 60 s"
            )


GRADED = (
    Condition("band", "voice + band", {"singing": 0, "band": BAND_DB}),
    *(
        Condition(
            f"horn{level:+d}db",
            f"voice + band + horn at {level} dB",
            {"singing": 0, "band": BAND_DB, "horn": level},
        )
        for level in (0, -6, -12)
    ),
    *(
        Condition(
            f"cymbals{level:+d}db",
            f"voice + band + cymbals at {level} dB",
            {"singing": 0, "band": BAND_DB, "cymbals": level},
        )
        for level in (0, -6)
    ),
    Condition(
        "no-voice",
        "band + horn, no voice",
        {"band": BAND_DB, "horn": 0},
        "nothing",
    ),
    Condition("a-cappella", "a cappella", {"singing": 0}, "the whole mix"),
    Condition("choir", "choir alone", {"choir": 0}, "the whole mix"),
    Condition("choir-band", "choir + band", {"choir": 0, "band": BAND_DB}, "all voices"),
    *(
        Condition(
            f"speech-noise{level:+d}db",
            f"speech in noise, SNR {level} dB",
            {"speech": 0, "noise": -level},
        )
        for level in (20, 10, 5, 0, -5)
    ),
    Condition(
        "two-speakers",
        "two speakers",
        {"speech": 0, SECOND_SPEAKER: 0},
        "both: no model here tells one from the other",
    ),
    Condition(
        "crowd",
        "speech + crowd at 0 dB",
        {"speech": 0, "crowd": 0},
        "the speaker; the crowd is background",
    ),
    Condition(
        "live",
        "voice + band + crowd at 0 dB",
        {"singing": 0, "band": BAND_DB, "crowd": 0},
        "the voice; the crowd is background",
    ),
)
"""The conditions that are scored, mildest first within each group."""


def list_conditions(material: Material) -> tuple[list[Condition], dict[str, str]]:
    """Return the conditions that the material allows, and the missing kinds of the others.

    After `GRADED` there are two for each kind, for the leakage matrix: `alone-<kind>`, and
    `with-<kind>`, where it plays at the voice's level in a mix with a voice and a band.
    """
    wanted = [*GRADED, *_list_leakage_conditions(material)]
    missing = {one.name: one.kinds - set(material.kinds) for one in wanted}
    left_out = {name: ", ".join(sorted(kinds)) for name, kinds in missing.items() if kinds}
    return [one for one in wanted if one.name not in left_out], left_out


def _list_leakage_conditions(material: Material) -> Iterator[Condition]:
    for kind in material.kinds:
        yield Condition(f"alone-{kind}", f"{kind} alone", {kind: 0})
        if kind not in ("singing", "band"):
            parts = {"singing": 0.0, "band": BAND_DB, kind: 0.0}
            yield Condition(f"with-{kind}", f"voice + band + {kind}", parts)


def build_examples(
    conditions: Collection[Condition], excerpts: Excerpts, number: int
) -> Iterator[Example]:
    """Yield example `number` of each condition whose parts could all be read."""
    sounds = {}
    parts = sorted({part for condition in conditions for part in condition.parts})
    for kind in dict.fromkeys(map(_kind_of, parts)):
        own = [part for part in parts if _kind_of(part) == kind]
        for part, drawn in zip(own, excerpts.draw(kind, number), strict=False):
            sounds[part] = drawn / np.float32(np.sqrt(measure_active_power(drawn)))
    for condition in conditions:
        if condition.parts.keys() <= sounds.keys():
            yield _mix(condition, number, sounds)


def _mix(condition: Condition, number: int, sounds: Mapping[str, Samples]) -> Example:
    parts = {
        part: sounds[part] * np.float32(10 ** ((_VOICE_DB + level_db) / 20))
        for part, level_db in condition.parts.items()
    }
    mix = _add(parts)
    gain = np.float32(min(1.0, _HIGHEST_PEAK / float(np.abs(mix).max())))
    parts = {part: audio * gain for part, audio in parts.items()}
    return Example(
        condition,
        number,
        {part: audio for part, audio in parts.items() if _kind_of(part) in VOICES},
        {part: audio for part, audio in parts.items() if _kind_of(part) not in VOICES},
        _add(parts),
    )


def _add(parts: Mapping[str, Samples]) -> Samples:
    total: Samples = np.sum(list(parts.values()), axis=0, dtype=np.float32)
    return total


def _kind_of(part: str) -> str:
    return "speech" if part == SECOND_SPEAKER else part
