"""A song's references and estimates as arrays of one shape and rate."""

from dataclasses import dataclass, field

import numpy as np

from stemkit.audio.decode import AudioReader
from stemkit.audio.resample import resample
from stemkit.errors import AudioError
from stemkit.evaluation.musdb import read_stream
from stemkit.evaluation.songs import MIX, Song, Sound
from stemkit.samples import Samples
from stemkit.separation.stems import Stems

MOST_APART_SECONDS = 0.5
"""How much longer or shorter than its reference an estimate may be."""

ACCOMPANIMENT = "accompaniment"
_BAND = frozenset({"drums", "bass", "other"})


@dataclass(frozen=True)
class Audio:
    """Sounds by name, all of one shape (channels, frames) and of one rate in Hz.

    `notes` say in a line each what had to be done to them.
    """

    stems: Stems
    sample_rate: int
    notes: list[str] = field(default_factory=list)


def read_references(song: Song) -> Audio:
    """Return a song's stems, `accompaniment` made of others if it is missing, and its mix.

    The mix is called `mixture`; where there is no file of it, it is the sum of the stems. Raises
    AudioError for sounds that can't be read or don't belong together.
    """
    sounds = song.stems | ({MIX: song.mix} if song.mix else {})
    audio = {name: read_sound(sound) for name, sound in sounds.items()}
    rates = {rate for _, rate in audio.values()}
    if len(rates) > 1:
        raise AudioError(f"the references have several rates: {_list(rates)} Hz; give them one")
    (rate,) = rates
    channels = max(len(samples) for samples, _ in audio.values())
    first, _ = next(iter(audio.values()))
    shape = channels, first.shape[1]
    notes: list[str] = []
    stems = {
        name: fit(samples, shape, rate, f"the reference of {name}", notes)
        for name, (samples, _) in audio.items()
    }
    return Audio(complete(stems), rate, notes)


def read_estimates(song: Song, references: Audio) -> Audio:
    """Return those estimates that have a reference, at its rate and of its shape.

    Raises AudioError for what can't be read or compared.
    """
    notes: list[str] = []
    stems = {}
    shape = next(iter(references.stems.values())).shape
    for name, sound in song.stems.items():
        if name not in references.stems:
            notes.append(f"{name} has no reference; left out")
            continue
        samples, rate = read_sound(sound)
        if rate != references.sample_rate:
            notes.append(f"{name} was resampled from {rate} Hz to {references.sample_rate} Hz")
            samples = resample(samples, rate, references.sample_rate)
        stems[name] = fit(samples, shape, references.sample_rate, name, notes)
    if not stems:
        raise AudioError("no stem of its estimate has a reference")
    return Audio(stems, references.sample_rate, notes)


def complete(stems: Stems) -> Stems:
    """Return stems with the accompaniment and the mix, where these can be made of them."""
    stems = dict(stems)
    if MIX not in stems:
        parts = _list_parts(set(stems))
        if len(parts) > 1:
            stems[MIX] = _add(stems, parts)
    for name, other in (("vocals", ACCOMPANIMENT), (ACCOMPANIMENT, "vocals")):
        if name in stems and other not in stems:
            rest = make_rest(stems, name)
            stems |= {} if rest is None else {other: rest}
    return stems


def _list_parts(names: set[str]) -> set[str]:
    """Return those stems that are all of a song, and no part of another: their sum is the mix."""
    if names >= {"vocals", ACCOMPANIMENT}:
        return {"vocals", ACCOMPANIMENT}
    others = names - {ACCOMPANIMENT}
    return others if ACCOMPANIMENT not in names or others >= _BAND else names - _BAND


def make_rest(stems: Stems, name: str) -> Samples | None:
    """Return all of a song but one stem: the sum of the others, or else the mix without it.

    The others are added where they are drums, bass and other, as MUSDB18's tools do: the mix of a
    `.stem.mp4` isn't their exact sum. None where the song has neither others nor a mix.
    """
    others = set(stems) - {name, MIX, ACCOMPANIMENT}
    if others | {name} >= _BAND and name != ACCOMPANIMENT:
        return _add(stems, others)
    return stems[MIX] - stems[name] if MIX in stems else None


def read_sound(sound: Sound) -> tuple[Samples, int]:
    """Return a whole file or stream, its recorded gain undone, and its rate in Hz.

    Raises AudioError for what can't be read, and for NaN or infinity.
    """
    if sound.stream is not None:
        samples, rate = read_stream(sound.path, sound.stream)
    else:
        with AudioReader(sound.path) as reader:
            samples = np.concatenate(list(reader.blocks()), axis=1)
            rate = reader.info.sample_rate
    finite = np.isfinite(samples).all(axis=0)
    if not finite.all():
        raise AudioError(f"{sound.path.name!r} has NaN or infinity at frame {np.argmin(finite)}")
    return samples * np.float32(10 ** (-sound.gain_db / 20)), rate


def fit(
    samples: Samples, shape: tuple[int, ...], sample_rate: int, name: str, notes: list[str]
) -> Samples:
    """Return samples of `shape`, and add to `notes` what was done.

    As museval does it, ends are cut off, or silence is added. Mono is heard on all channels. Raises
    AudioError for other numbers of channels, and for lengths too far apart.
    """
    channels, frames = shape
    if len(samples) == 1 < channels:
        notes.append(f"{name} is mono; taken for all {channels} channels")
        samples = np.repeat(samples, channels, axis=0)
    if len(samples) != channels:
        raise AudioError(f"{name} has {len(samples)} channels, not {channels} as its reference")
    missing = frames - samples.shape[1]
    if abs(missing) > MOST_APART_SECONDS * sample_rate:
        raise AudioError(
            f"{name} lasts {samples.shape[1] / sample_rate:.2f} s, and its reference "
            f"{frames / sample_rate:.2f} s; they can't be of one song"
        )
    if missing:
        how = "silence added" if missing > 0 else "cut off"
        notes.append(f"{name}: {abs(missing)} samples of {how} at its end")
    return np.pad(samples[:, :frames], ((0, 0), (0, max(missing, 0))))


def _add(stems: Stems, names: set[str]) -> Samples:
    total = np.zeros_like(next(iter(stems.values())))
    for name in sorted(names):
        total += stems[name]
    return total


def _list(values: set[int]) -> str:
    return ", ".join(str(value) for value in sorted(values))
