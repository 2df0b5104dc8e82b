"""Make singers of speakers: stretch their vowels and set their pitch to melodies.

    python sing_speech.py OUTPUT_FOLDER

Needs the voices that `gather_audio` gathers, in `OUTPUT_FOLDER/voice`, and PyPI's pyworld.
Makes `OUTPUT_FOLDER/voice/sung-<source>`: lines of about 10 to 30 s, 44.1 kHz mono FLAC, full
band. A line depends on its source and number alone; those already there are skipped.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from compose_parts import Note, compose_melody
from render_bands import POP, spell_chords
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from sounds import SAMPLE_RATE, write_flac
from voice_frames import (
    FRAME_SECONDS,
    SILENCE,
    Floats,
    Frames,
    add_top,
    analyze,
    join,
    learn_top,
    prepare,
    shift_formants,
    synthesize,
)


@dataclass(frozen=True)
class Source:
    """Recordings of one speaker or more, and how many lines to make of them."""

    name: str
    speakers: tuple[str, ...]  # glob patterns below `voice`, one speaker each
    lines: int
    raised: tuple[int, int]  # semitones from the middle of the speech to that of the melody
    has_top: bool = True
    formants: tuple[float, float] = (0.85, 1.18)  # above one for a shorter vocal tract


FILLETS = tuple(
    f"fillets-{language}/**/{pattern}.ogg"
    for language in ("cs", "nl")
    for pattern in ("*-m-*", "m-*", "*-v-*", "v-*", "*-m", "*-v", "*")
)
LANGUAGES = (  # of gcompris, those with most words
    "af", "ar", "ast", "bg", "br", "ca", "cs", "de", "el", "en", "eo", "es", "eu", "fi", "fr",
    "gd", "he", "hi", "hu", "kn", "lt", "mr", "nb", "nl", "pa", "pt", "pt_BR", "ro", "ru", "sk",
    "sl", "so", "sr", "th", "tr", "ur", "zh_TW",
)  # fmt: skip
SOURCES = (
    Source("alys", ("alys/*",), 130, (-4, 6)),
    Source("kathleen", ("kathleen/*.wav",), 180, (2, 10)),
    Source("fillets", FILLETS, 270, (3, 11), has_top=False),
    Source("alys-high", ("alys/*",), 60, (0, 10), formants=(0.95, 1.15)),
    Source("kathleen-high", ("kathleen/*.wav",), 120, (9, 19), formants=(0.95, 1.2)),
    Source("fillets-high", FILLETS, 120, (10, 19), has_top=False, formants=(1.0, 1.25)),
    Source("gcompris", tuple(f"strung-gcompris/{name}-*.flac" for name in LANGUAGES), 300, (2, 15)),
)
LINES_AN_EXCERPT = 3  # taking a voice apart costs more than putting it together
FULL_VOICES = ("kathleen/*.wav", "alys/*")  # what `add_top` learns from


@dataclass(frozen=True)
class Syllable:
    """Frames of one syllable: where it starts, is loudest and ends."""

    start: int
    peak: int
    end: int


def main() -> None:
    """Sing every line that isn't there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    sing_speech(parser.parse_args().output_folder)


def sing_speech(output_folder: Path) -> None:
    """Make the lines of every source into `voice/sung-<name>`."""
    voices = output_folder / "voice"
    patterns = [*FULL_VOICES, *(source.speakers[0] for source in SOURCES)]
    if absent := [pattern for pattern in patterns if not any(voices.glob(pattern))]:
        sys.exit(f"no {absent[0]} in {voices}; run gather_audio.py first")
    top_map = learn_top(
        [frames for pattern in FULL_VOICES for frames in read_some(voices, pattern)]
    )
    for number in range(max(source.lines for source in SOURCES)):
        for source in SOURCES:
            if number < source.lines:
                sing_line(source, voices, number, top_map)


def read_some(voices: Path, pattern: str) -> Iterator[Frames]:
    """Yield the frames of eight files of a pattern."""
    paths = sorted(voices.glob(pattern))
    for path in paths[:: max(1, len(paths) // 8)]:
        yield analyze(read_voice(path))


def read_voice(path: Path) -> Floats:
    """Return a file as mono at 44.1 kHz, its loudest sample 0.5."""
    audio, rate = soundfile.read(path, always_2d=True)
    return prepare(audio, rate)


def sing_line(source: Source, voices: Path, number: int, top_map: Floats) -> None:
    """Compose one line, let a speaker of the source sing it, and write it."""
    target = voices / f"sung-{source.name}" / f"{source.name}-{number:03}.flac"
    if target.exists():
        return
    random = Random(target.stem)
    melody, seconds_a_beat = compose_line(random)
    speech = read_speech(source, voices, number // LINES_AN_EXCERPT)
    if not source.has_top:
        speech = add_top(speech, top_map)
    syllables = find_syllables(speech)
    middle = 12 * np.log2(np.median(speech.pitch_hz[speech.pitch_hz > 0]) / 440) + 69
    shift = round(middle + random.uniform(*source.raised)) - 66
    sung = set_to_melody(speech, syllables, melody, seconds_a_beat, shift, random)
    audio = synthesize(shift_formants(sung, random.uniform(*source.formants)))
    audio *= 0.7 / np.abs(audio).max()
    write_flac(target, audio)


def compose_line(random: Random) -> tuple[list[list[Note]], float]:
    """Return a melody around pitch 66, the notes of each syllable together, and its beat."""
    tempo = random.randint(66, 132)
    bars = max(4, round(random.uniform(12, 28) * tempo / 60 / 4))
    chords = spell_chords(random.choice(POP), random.randrange(12), 4, bars)
    reach = random.choice((5, 7, 7, 9))
    melody: list[list[Note]] = []
    for note in compose_melody(chords, 4, 66 - reach, 66 + reach, random):
        follows = melody and note.start == melody[-1][-1].start + melody[-1][-1].length
        if follows and random.random() < 0.15:
            melody[-1].append(note)
        else:
            melody.append([note])
    return melody, 60 / tempo


@lru_cache(maxsize=len(SOURCES))
def read_speech(source: Source, voices: Path, excerpt: int) -> Frames:
    """Return successive clips of one speaker, 10 s or a little more."""
    random = Random(f"{source.name} {excerpt}")
    paths = sorted(voices.glob(random.choice(source.speakers)))
    place, parts, seconds = random.randrange(len(paths)), [], 0.0
    while seconds < 10:
        audio = read_voice(paths[place % len(paths)])
        if len(audio) > SAMPLE_RATE / 2:
            parts.append(analyze(audio))
            seconds += len(audio) / SAMPLE_RATE
        place += 1
    return join(parts)


def find_syllables(speech: Frames) -> list[Syllable]:
    """Return the syllables: the voiced peaks of loudness, with what is between them shared."""
    power = speech.envelope[:, 10:200].mean(axis=1)  # 0.2 to 4.3 kHz
    loudness_db = gaussian_filter1d(10 * np.log10(power), 4)
    floor_db = np.percentile(loudness_db, 90) - 20
    peaks = find_peaks(loudness_db, height=floor_db, distance=22, prominence=2)[0]
    peaks = [peak for peak in peaks if speech.pitch_hz[max(0, peak - 4) : peak + 5].all()]
    valleys = [first + int(loudness_db[first:second].argmin()) for first, second in pairwise(peaks)]
    starts = [max(0, peaks[0] - 40), *valleys]
    ends = [*valleys, min(len(loudness_db), peaks[-1] + 60)]
    return [
        Syllable(max(start, peak - 50), peak, min(end, peak + 70))
        for start, peak, end in zip(starts, peaks, ends, strict=True)
    ]


def set_to_melody(
    speech: Frames,
    syllables: Sequence[Syllable],
    melody: Sequence[Sequence[Note]],
    seconds_a_beat: float,
    shift: int,
    random: Random,
) -> Frames:
    """Return the syllables, one after the other, each as long and as high as its notes."""
    rng = np.random.default_rng(random.randrange(2**32))
    frames_a_beat = seconds_a_beat / FRAME_SECONDS
    size = round((melody[-1][-1].start + melody[-1][-1].length) * frames_a_beat) + 40
    places, gains, pitches = np.zeros(size), np.full(size, SILENCE), np.full(size, np.nan)
    first = random.randrange(len(syllables))
    for number, notes in enumerate(melody):
        syllable = syllables[(first + number) % len(syllables)]
        start = round(notes[0].start * frames_a_beat)
        end = round((notes[-1].start + notes[-1].length) * frames_a_beat)
        places[start:end] = stretch_syllable(speech, syllable, end - start, rng)
        gains[start:end] = draw_gain(speech, syllable, end - start, rng)
        for note in notes:
            begin, stop = (round(b * frames_a_beat) for b in (note.start, note.start + note.length))
            pitches[begin:stop] = note.pitch + shift + draw_vibrato(stop - begin, rng)
    sung = speech.take(places)
    pitch_hz = 440 * 2 ** ((glide(pitches, rng) - 69) / 12)
    power = sung.envelope * gaussian_filter1d(np.sqrt(gains), 2)[:, None] ** 2
    voiced = (sung.pitch_hz > 0) & (gains > SILENCE)
    return Frames(np.where(voiced, pitch_hz, 0), np.maximum(power, SILENCE), sung.noise)


def stretch_syllable(
    speech: Frames, syllable: Syllable, size: int, rng: np.random.Generator
) -> Floats:
    """Return the places in `speech` of `size` frames: its vowel gives way, consonants hardly."""
    natural = np.arange(syllable.start, syllable.end)
    if size <= len(natural):
        return np.linspace(syllable.start, syllable.end - 1, size)
    elastic = np.exp(-0.5 * ((natural - syllable.peak) / 9) ** 2)
    elastic *= speech.pitch_hz[natural] > 0
    lengths = 1 + elastic * (size - len(natural)) / elastic.sum()
    places = np.interp(np.arange(size) + 0.5, np.cumsum(lengths) - lengths / 2, natural)
    # A held vowel is never quite the same: its spectrum wanders.
    wander = gaussian_filter1d(rng.normal(0, 1, size), 8) * 8
    held = np.interp(places, natural, elastic)
    return np.asarray(places + wander * held)


def draw_gain(speech: Frames, syllable: Syllable, size: int, rng: np.random.Generator) -> Floats:
    """Return the power gain of a syllable: about as loud as the others, swelling, fading out."""
    loudness = speech.envelope[syllable.peak - 2 : syllable.peak + 3, 10:200].mean()
    swell_db = np.linspace(rng.uniform(-3, 1), rng.uniform(-4, 2), size) + rng.uniform(-2, 2)
    fade = np.minimum(1, np.arange(size, 0, -1) / 16)
    return np.asarray(1e-6 * loudness**-0.7 * 10 ** (swell_db / 10) * fade**2)


def draw_vibrato(size: int, rng: np.random.Generator) -> Floats:
    """Return the semitones that one note of `size` frames sways by, if it is long."""
    seconds = np.arange(size) * FRAME_SECONDS
    depth = rng.uniform(0.1, 0.8) if rng.random() < 0.7 else 0.0
    grown = np.clip((seconds - rng.uniform(0.15, 0.4)) / 0.3, 0, 1)
    rate_hz = rng.uniform(4.6, 6.6)
    return np.asarray(depth * grown * np.sin(2 * np.pi * rate_hz * seconds + rng.uniform(0, 6)))


def glide(pitches: Floats, rng: np.random.Generator) -> Floats:
    """Return the pitch of every frame: steps made slides, a scoop after a rest, a slow drift."""
    known = np.flatnonzero(~np.isnan(pitches))
    starts = known[np.flatnonzero(np.diff(known, prepend=-100) > 20)]
    filled = np.interp(np.arange(len(pitches)), known, pitches[known])
    for start in starts:
        after = np.arange(len(filled) - start)
        filled[start:] -= rng.uniform(0, 2.5) * np.exp(-after / rng.uniform(8, 20))
    drift = gaussian_filter1d(rng.normal(0, 1, len(filled)), 40) * 1.2
    return np.asarray(gaussian_filter1d(filled, rng.uniform(4, 11)) + drift)


if __name__ == "__main__":
    main()
