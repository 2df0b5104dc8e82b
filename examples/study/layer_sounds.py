"""Make the sounds that no package has: choirs and crowds from voices, noise, strings of words."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from pedalboard import PitchShift
from scipy.signal import butter, sosfilt

SAMPLE_RATE = 44100
LEVEL = 0.1  # root mean square
CHOIR_SEMITONES = (-12, -5, -5, 0, 0, 0, 4, 7)

Audio = npt.NDArray[np.float32]


def read_stereo(path: Path) -> Audio:
    """Return a file as (2, frames) at 44.1 kHz, by soxr."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    audio = soxr.resample(audio, rate, SAMPLE_RATE)
    return np.ascontiguousarray(np.broadcast_to(audio.T[:2], (2, len(audio))))


def write_sound(path: Path, audio: Audio) -> None:
    """Write (2, frames) at the common level, lower where it would clip."""
    level = float(np.sqrt(np.square(audio).mean()))
    gain = min(LEVEL / level, 0.95 / float(np.abs(audio).max()))
    soundfile.write(path, audio.T * np.float32(gain), SAMPLE_RATE)


def string_clips(paths: Sequence[Path], seconds: float, random: np.random.Generator) -> Audio:
    """Return words in random order at one level with short pauses, for `seconds`."""
    pieces: list[Audio] = []
    frames = round(seconds * SAMPLE_RATE)
    while sum(piece.shape[1] for piece in pieces) < frames:
        word = trim_silence(read_stereo(paths[int(random.integers(len(paths)))]))
        pause = np.zeros((2, int(random.uniform(0.05, 0.35) * SAMPLE_RATE)), np.float32)
        pieces += [word * (LEVEL / np.sqrt(np.square(word).mean() + 1e-12)), pause]
    return np.concatenate(pieces, axis=1)[:, :frames].astype(np.float32)


def trim_silence(audio: Audio) -> Audio:
    """Return the audio from where it first to where it last is above -34 dB of its peak."""
    loud = np.abs(audio).max(axis=0)
    heard = np.flatnonzero(loud > 0.02 * loud.max(initial=0))
    return audio[:, heard[0] : heard[-1] + 1] if len(heard) else audio


def layer_choir(voice: Audio, random: np.random.Generator) -> Audio:
    """Return the voice in parallel parts, each a little late, out of tune and to one side."""
    mono, choir = voice.mean(axis=0, keepdims=True), np.zeros_like(voice)
    for semitones in CHOIR_SEMITONES:
        shift = PitchShift(semitones + float(random.normal(0, 0.12)))
        part = shift(mono, SAMPLE_RATE)
        late = int(random.uniform(0, 0.05) * SAMPLE_RATE)
        angle = random.uniform(0.2, 0.8) * np.pi / 2
        gains = np.array([[np.cos(angle)], [np.sin(angle)]], np.float32)
        choir[:, late:] += gains * part[:, : choir.shape[1] - late]
    return choir


def layer_crowd(
    people: Sequence[Audio], cheers: Sequence[Audio], random: np.random.Generator
) -> Audio:
    """Return all people at once, and cheers over each other at random places."""
    crowd = np.zeros_like(people[0])
    for person in people:
        crowd += np.roll(person, int(random.integers(person.shape[1])), axis=1)
    noise = np.zeros_like(crowd)
    while not noise.any(axis=0).all():
        cheer = cheers[int(random.integers(len(cheers)))]
        fade = np.sin(np.linspace(0, np.pi, cheer.shape[1], dtype=np.float32))
        start = int(random.integers(-cheer.shape[1], crowd.shape[1]))
        end = min(start + cheer.shape[1], crowd.shape[1])
        begin = max(start, 0)
        noise[:, begin:end] += (cheer * fade)[:, begin - start : end - start]
    ratio = np.sqrt(np.square(crowd).mean() / np.square(noise).mean())
    return np.asarray(crowd + ratio * noise, np.float32)


def make_noise(seconds: float, slope: float, random: np.random.Generator) -> Audio:
    """Return noise whose amplitude falls with frequency to the power `slope`, above 20 Hz."""
    frames = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(random.normal(size=(2, frames)))
    frequencies_hz = np.fft.rfftfreq(frames, 1 / SAMPLE_RATE)
    spectrum[:, frequencies_hz < 20] = 0
    spectrum[:, 1:] /= frequencies_hz[1:] ** slope
    return np.asarray(np.fft.irfft(spectrum, frames), np.float32)


def make_fricatives(seconds: float, random: np.random.Generator) -> Audio:
    """Return bursts of noise in the bands of f, s and sh, as often as speech has them."""
    sound = np.zeros((2, round(seconds * SAMPLE_RATE)), np.float32)
    start = 0
    while start < sound.shape[1]:
        low_hz, high_hz = ((1500, 9000), (4500, 12000), (2200, 7000))[int(random.integers(3))]
        frames = min(int(random.uniform(0.06, 0.2) * SAMPLE_RATE), sound.shape[1] - start)
        band = butter(4, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE, output="sos")
        burst = sosfilt(band, random.normal(size=frames)) * np.sin(np.linspace(0, np.pi, frames))
        sound[:, start : start + frames] = burst / np.sqrt(np.square(burst).mean() + 1e-9)
        start += frames + int(random.uniform(0.08, 0.3) * SAMPLE_RATE)
    return sound
