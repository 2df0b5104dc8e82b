"""Make what goes on behind a voice and isn't music: crowds, hiss, rain, engines, risers.

    python make_noise.py OUTPUT_FOLDER

Crowds are twelve or more of the speakers of `OUTPUT_FOLDER/voice/fillets-*` at a time,
with applause: nobody's words are to be kept. Noise is of many kinds, some shaped like the
consonants of a singer. The files, 44.1 kHz stereo FLAC of 40 s, go into
`OUTPUT_FOLDER/accompaniment/crowds` and `/noise-<kind>`; each depends on its name alone.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from pedalboard import HighpassFilter, LowpassFilter, Pedalboard, Reverb
from scipy.signal import fftconvolve, istft, stft
from sounds import SAMPLE_RATE, write_flac

SPEECH_RATE = 22050
FRAMES = 40 * SAMPLE_RATE
HOP, WINDOW = 256, 1024
HZ = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)[:, None]

Audio = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Generator = np.random.Generator


def main() -> None:
    """Make every file that isn't there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    make_noise(parser.parse_args().output_folder)


def make_noise(output_folder: Path) -> None:
    """Make the noise, then the crowds."""
    folder = output_folder / "accompaniment"
    for kind, (make, count) in KINDS.items():
        for number in range(count):
            write_once(folder / f"noise-{kind}" / f"{kind}-{number:02}.flac", make)
    speakers = sorted((output_folder / "voice").glob("fillets-*/**/*.ogg"))
    if not speakers:
        sys.exit(f"no fillets-* in {output_folder / 'voice'}; run gather_audio.py first")
    for number in range(30):
        target = folder / "crowds" / f"crowds-{number:02}.flac"
        write_once(target, lambda rng: make_crowd(speakers, rng))


def write_once(target: Path, make: Callable[[Generator], Floats]) -> None:
    """Write what `make` returns in a room, at a peak of 0.7, unless the file is there."""
    if target.exists():
        return
    rng = np.random.default_rng(list(target.stem.encode()))
    audio = make(rng).astype(np.float32)
    if rng.random() < 0.4:
        wet = rng.uniform(0.05, 0.4)
        room = Reverb(rng.uniform(0.1, 0.9), wet_level=wet, dry_level=1 - wet)
        audio = room(audio, SAMPLE_RATE)
    write_flac(target, (audio * 0.7 / np.abs(audio).max()).T)


def make_crowd(speakers: list[Path], rng: Generator) -> Floats:
    """Return 12 to 32 people who talk at once, and applause in two crowds of three."""
    frames = FRAMES * SPEECH_RATE // SAMPLE_RATE
    talk = np.zeros((2, frames))
    for _ in range(rng.integers(12, 33)):
        pan, gain = rng.random(), 10 ** (rng.uniform(-9, 0) / 20)
        place = -int(rng.integers(0, 40000))
        while place < frames:
            clip = read_clip(speakers[rng.integers(len(speakers))], rng) * gain
            first, last = max(0, place), max(0, min(frames, place + len(clip)))
            heard = clip[first - place : last - place]
            talk[:, first:last] += np.array([[1 - pan], [pan]]) * heard
            place += len(clip) + int(rng.exponential(6000))
    audio = np.stack([soxr.resample(side, SPEECH_RATE, SAMPLE_RATE) for side in talk])[:, :FRAMES]
    far = Pedalboard([LowpassFilter(rng.uniform(3000, 9000)), Reverb(0.7, wet_level=0.3)])
    audio = far(np.ascontiguousarray(audio, dtype=np.float32), SAMPLE_RATE)
    level = float(audio.std())
    audio = audio + make_hiss(rng) * level * rng.uniform(0.05, 0.4)
    if rng.random() < 0.67:
        audio = audio + normalize(make_applause(rng)) * level * rng.uniform(0.2, 2)
    return np.asarray(audio)


def read_clip(path: Path, rng: Generator) -> Floats:
    """Return a clip as mono at 22.05 kHz, a little faster or slower, at a common level."""
    audio, rate = soundfile.read(path, always_2d=True)
    clip = soxr.resample(audio.mean(axis=1), rate * rng.uniform(0.88, 1.14), SPEECH_RATE, "MQ")
    return np.asarray(clip / max(float(clip.std()), 1e-3))


def make_applause(rng: Generator) -> Floats:
    """Return many hands that clap, more and fewer as time goes."""
    crowd = np.interp(np.arange(FRAMES), np.linspace(0, FRAMES, 6), rng.uniform(0, 1, 6) ** 2)
    claps = (rng.random((2, FRAMES)) < crowd * rng.uniform(40, 900) / SAMPLE_RATE) * 1.0
    audio = np.zeros((2, FRAMES))
    for tone_hz in rng.uniform(700, 2800, 8):  # eight pairs of hands stand for all
        time = np.arange(900) / SAMPLE_RATE
        clap = rng.normal(0, 1, 900) * np.exp(-time * rng.uniform(200, 700))
        clap += 2 * np.sin(2 * np.pi * tone_hz * time) * np.exp(-time * 500)
        mine = claps * (rng.random((2, FRAMES)) < 1 / 8) * rng.uniform(0.2, 1, (2, FRAMES))
        audio += fftconvolve(mine, clap[None], axes=1)[:, :FRAMES]
    return audio


def shape_noise(gain_db: Floats, rng: Generator) -> Floats:
    """Return stereo noise of the spectrogram `gain_db`, (bins, any number of columns)."""
    columns = FRAMES // HOP + 1
    places = np.linspace(0, gain_db.shape[1] - 1, columns).round().astype(int)
    width, mono = rng.uniform(0, 1), rng.normal(0, 1, FRAMES)
    noise = mono * (1 - width) + rng.normal(0, 1, (2, FRAMES)) * width
    spectrum = stft(noise, SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[2]
    shaped = spectrum[..., :columns] * 10 ** (gain_db[:, places] / 20)
    audio = istft(shaped, SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[1]
    return np.pad(audio, ((0, 0), (0, max(0, FRAMES - audio.shape[1]))))[:, :FRAMES]


def make_hiss(rng: Generator) -> Floats:
    """Return steady noise between white and red, its treble cut off somewhere."""
    octaves = np.log2(np.maximum(HZ, 30) / 1000)
    top_hz = rng.uniform(4000, 22000)
    return normalize(shape_noise(-rng.uniform(0, 6) * octaves - 60 * (top_hz < HZ), rng))


def make_consonants(rng: Generator) -> Floats:
    """Return bursts of noise in the bands of s, sh and f, at the pace of speech."""
    gain_db = np.full((len(HZ), FRAMES // HOP), -90.0)
    column = 0
    while column < gain_db.shape[1] - 60:
        length, centre_hz = (
            int(rng.integers(5, 45)),
            np.exp(rng.uniform(np.log(2500), np.log(13000))),
        )
        band = -0.5 * (np.log2(np.maximum(HZ, 30) / centre_hz) / rng.uniform(0.2, 0.9)) ** 2 * 8.7
        rise = 20 * np.log10(np.hanning(length + 2)[1:-1] + 1e-3)
        gain_db[:, column : column + length] = np.maximum(band, -90) + rise + rng.uniform(-12, 0)
        column += length + int(rng.exponential(rng.choice((10, 40))))
    return shape_noise(gain_db, rng)


def make_shaker(rng: Generator) -> Floats:
    """Return a shaker or brushes: short noise on every semiquaver, some louder."""
    step = SAMPLE_RATE * 60 / rng.uniform(80, 170) / rng.choice((2, 3, 4))
    accents, decay = rng.uniform(0.2, 1, rng.choice((3, 4, 6, 8))), rng.uniform(300, 3500)
    place = np.arange(FRAMES) + rng.normal(0, 1, FRAMES).cumsum() * 0.2
    number = (place / step).astype(int)
    envelope = accents[number % len(accents)] * np.exp(-(place % step) / decay)
    slope_db = rng.uniform(6, 24) * np.log2(np.maximum(HZ, 30) / rng.uniform(1500, 9000))
    noise = shape_noise(np.minimum(slope_db, 0), rng)
    return np.asarray(noise * envelope)


def make_sweeps(rng: Generator) -> Floats:
    """Return risers and falls: a band of noise that climbs or sinks through the spectrum."""
    bars = rng.integers(3, 12)
    ends_hz = np.exp(rng.uniform(np.log(150), np.log(15000), bars + 1))
    columns = FRAMES // HOP
    place = np.linspace(0, bars, columns)
    centre_hz = np.exp(np.interp(place, np.arange(bars + 1), np.log(ends_hz)))
    width = rng.uniform(0.15, 1.2)
    band = -0.5 * (np.log2(np.maximum(HZ, 30) / centre_hz) / width) ** 2 * 8.7
    swell = rng.choice((0.0, 24.0)) * (place % 1 - 1)
    return shape_noise(np.maximum(band, -80) + swell, rng)


def make_rain(rng: Generator) -> Floats:
    """Return drops on a surface over the hiss of all the others, or a crackling record."""
    drops = (rng.random((2, FRAMES)) < rng.uniform(5, 600) / SAMPLE_RATE) * 1.0
    drops *= rng.exponential(1, (2, FRAMES))
    time = np.arange(600) / SAMPLE_RATE
    ring = np.exp(-time * rng.uniform(400, 6000)) * np.sin(2e4 * rng.uniform(0.3, 2) * time)
    heard = fftconvolve(drops, ring[None], axes=1)[:, :FRAMES]
    return normalize(heard) + make_hiss(rng) * rng.uniform(0.1, 2)


def make_engine(rng: Generator) -> Floats:
    """Return an engine or a hum: harmonics of a slowly drifting pitch, and its rumble."""
    knots = rng.uniform(0.7, 1.4, 8) if rng.random() < 0.6 else np.ones(8)
    speed = np.interp(np.arange(FRAMES), np.linspace(0, FRAMES, 8), knots)
    phase = 2 * np.pi * np.cumsum(speed * rng.choice((50, 60, rng.uniform(20, 140)))) / SAMPLE_RATE
    tone = np.zeros(FRAMES)
    for harmonic in range(1, 25):
        tone += rng.exponential(1) / harmonic * np.sin(harmonic * phase + rng.uniform(0, 6))
    rumble = shape_noise(-rng.uniform(4, 9) * np.log2(np.maximum(HZ, 40) / 100), rng)
    pulsing = 1 + rng.uniform(0, 1) * np.sin(phase / 2)
    return normalize(np.stack([tone, tone])) + normalize(rumble) * pulsing * rng.uniform(0.2, 2)


def make_wind(rng: Generator) -> Floats:
    """Return wind or surf: a wide band of noise that wanders and swells."""
    count = rng.integers(8, 30)
    columns = FRAMES // HOP
    wander = np.interp(
        np.linspace(0, 1, columns), np.linspace(0, 1, count), rng.normal(0, 1, count)
    )
    centre = np.log2(rng.uniform(200, 2500)) + wander * rng.uniform(0.1, 0.8)
    band = -0.5 * ((np.log2(np.maximum(HZ, 30)) - centre) / rng.uniform(0.7, 2)) ** 2 * 8.7
    audio = shape_noise(np.maximum(band, -70) + 8 * wander, rng)
    return HighpassFilter(60)(audio.astype(np.float32), SAMPLE_RATE).astype(np.float64)


def normalize(audio: Floats) -> Floats:
    """Return the audio at an RMS of one."""
    return audio / max(float(audio.std()), 1e-6)


KINDS: dict[str, tuple[Callable[[Generator], Floats], int]] = {
    "consonants": (make_consonants, 8),
    "shaker": (make_shaker, 8),
    "sweeps": (make_sweeps, 7),
    "hiss": (make_hiss, 5),
    "rain": (make_rain, 5),
    "engine": (make_engine, 5),
    "wind": (make_wind, 4),
}


if __name__ == "__main__":
    main()
