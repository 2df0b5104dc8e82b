"""Sounds that findings are about: a singer, and what is taken for one."""

import functools

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from stemkit.review.scan import Scan, Scanner

RATE = 44100

Sound = npt.NDArray[np.float64]


@functools.cache
def sing(seconds: float, seed: int = 0) -> Sound:
    """Return syllables of a voice with vibrato, vowels, and a consonant before each.

    It takes a fifth of the time that it lasts, so that it is sung once; it can't be changed.
    """
    random = np.random.default_rng(seed)
    syllables = []
    length = 0
    while length < seconds * RATE:
        vowel = _sing_vowel(random, random.uniform(0.3, 0.9), random.uniform(180, 420))
        consonant = 0.1 * filter_noise(random.uniform(0.06, 0.16), 5000, 10000, seed + length)
        breath = np.zeros(round(random.uniform(0.0, 0.15) * RATE))
        syllables += [breath, consonant, vowel]
        length += len(breath) + len(consonant) + len(vowel)
    song = np.concatenate(syllables)[: round(seconds * RATE)]
    song.flags.writeable = False
    return song


def _sing_vowel(random: np.random.Generator, seconds: float, pitch_hz: float) -> Sound:
    time = _time(seconds)
    cents = 40 * np.sin(2 * np.pi * 5.5 * time) + 30 * np.exp(-time * 8) * random.normal()
    phase = 2 * np.pi * np.cumsum(pitch_hz * 2 ** (cents / 1200)) / RATE
    formants_hz = random.uniform((300, 900, 2400), (800, 2000, 3200))
    sound = np.zeros(len(time))
    for number in range(1, int(8000 / pitch_hz)):
        apart = (number * pitch_hz - formants_hz) / (90, 150, 250)
        sound += (np.sum([1, 0.5, 0.2] / (1 + apart**2)) + 0.01) * np.sin(number * phase)
    return _fade(sound)


def play_chord(seconds: float, tones_hz: tuple[float, ...]) -> Sound:
    """Return bright tones that stand still, like a brass section."""
    time = _time(seconds)
    sound = np.zeros(len(time))
    for tone_hz in tones_hz:
        for number in range(1, int(5000 / tone_hz)):
            sound += np.sin(2 * np.pi * number * tone_hz * time + number) / number
    return _fade(sound)


def play_chords(seconds: float, *chords_hz: tuple[float, ...]) -> Sound:
    """Return chords, or notes, of 0.8 s each, one after the other."""
    chords = [play_chord(0.8, chord_hz) for chord_hz in chords_hz]
    return np.concatenate([chords[n % len(chords)] for n in range(round(seconds / 0.8))])


def hum(seconds: float) -> Sound:
    """Return a tone that glides up and down, of two partials."""
    phase = 2 * np.pi * (300 * _time(seconds) + 10 * np.sin(2 * np.pi * 0.7 * _time(seconds)))
    return _fade(np.sin(phase) + 0.3 * np.sin(2 * phase))


def play_hi_hat(seconds: float) -> Sound:
    """Return short hisses at eight notes of 120 beats a minute."""
    hit = filter_noise(0.25, 6000, 15000, 1) * np.exp(-_time(0.25) * 18)
    return np.tile(0.3 * hit, round(seconds / 0.25))


def play_snare(seconds: float) -> Sound:
    """Return a hit each second."""
    hit = filter_noise(1, 200, 5000, 2) * np.exp(-_time(1) * 25)
    return np.tile(hit, round(seconds))


def applaud(seconds: float) -> Sound:
    """Return noise of all tones up to 6 kHz that goes on."""
    return 0.2 * filter_noise(seconds, 200, 6000, 3)


def filter_noise(seconds: float, low_hz: float, high_hz: float, seed: int) -> Sound:
    """Return noise between two frequencies, with a peak of 1."""
    noise = np.random.default_rng(seed).normal(0, 1, len(_time(seconds)))
    sections = butter(4, (low_hz, high_hz), "bandpass", fs=RATE, output="sos")
    filtered: Sound = sosfilt(sections, noise)
    filtered /= np.abs(filtered).max(initial=1e-9)
    return filtered


def scan_sound(*sounds: Sound) -> Scan:
    """Return the scan of sounds one after the other."""
    samples = np.concatenate(sounds)[None].astype(np.float32)
    scanner = Scanner(RATE, 1)
    for start in range(0, samples.shape[1], 65536):
        scanner.push(samples[:, start : start + 65536])
    return scanner.finish()


def _time(seconds: float) -> Sound:
    return np.arange(round(seconds * RATE)) / RATE


def _fade(sound: Sound) -> Sound:
    """Return a sound at a peak of 0.3 that starts and ends softly."""
    edge = np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / (0.02 * RATE)
    softened: Sound = 0.3 * sound / np.abs(sound).max() * np.minimum(1, edge)
    return softened
