import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import stft

from stemkit.errors import NonFiniteError, NotAudioError
from stemkit.review.frames import FeatureMeter, Features, Frames
from stemkit.review.scan import MOST_CLIPPED, MOST_COLUMNS, Scan, Scanner, scan_audio
from stemkit.samples import Samples

BLOCK = 65536


def make_noise(frames: int, channels: int = 2) -> Samples:
    return np.random.default_rng(frames).normal(0, 0.1, (channels, frames)).astype(np.float32)


def make_tone(frequency_hz: float, seconds: float, sample_rate: int = 44100) -> Samples:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return np.sin(2 * np.pi * frequency_hz * time, dtype=np.float64)[None].astype(np.float32)


def scan(samples: Samples, sample_rate: int = 44100) -> Scan:
    scanner = Scanner(sample_rate, len(samples))
    for start in range(0, samples.shape[1], BLOCK):
        scanner.push(samples[:, start : start + BLOCK])
    return scanner.finish()


def measure(samples: Samples, sample_rate: int = 44100) -> Features:
    return scan(samples, sample_rate).features


@pytest.mark.parametrize(
    "frames",
    [1, 63, 64, 65, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 5 * BLOCK + 777],
)
def test_each_column_outlines_its_samples(frames: int, tmp_path: Path) -> None:
    samples = make_noise(frames)
    soundfile.write(tmp_path / "a.wav", samples.T, 44100, "FLOAT")
    outline = scan_audio(tmp_path / "a.wav").envelope
    step = outline.column_frames
    parts = [samples[:, start : start + step] for start in range(0, frames, step)]
    np.testing.assert_array_equal(outline.low, [part.min() for part in parts])
    np.testing.assert_array_equal(outline.high, [part.max() for part in parts])
    rms = [np.sqrt(np.square(part, dtype=np.float64).mean()) for part in parts]
    np.testing.assert_allclose(outline.rms, rms, rtol=1e-4)
    assert len(parts) <= MOST_COLUMNS


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [70, 600, 2500])
def test_a_long_file_has_as_many_columns_as_fit(seconds: int) -> None:
    scanner = Scanner(8000, 1)
    block = make_noise(BLOCK, 1)
    for _ in range(seconds * 8000 // BLOCK):
        scanner.push(block)
    made = scanner.finish()
    for columns, step in (
        (len(made.envelope.rms), made.envelope.column_frames),
        (made.spectrogram.levels.shape[1], made.spectrogram.column_frames),
    ):
        assert MOST_COLUMNS / 2 <= columns <= MOST_COLUMNS
        assert (columns - 1) * step < made.frames <= columns * step
    assert len(pickle.dumps(made)) < 500_000 + 1500 * seconds


@pytest.mark.parametrize("sample_rate", [8000, 44100, 96000])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.2, 0.4])
def test_a_sine_has_its_level_in_its_row_alone(sample_rate: int, share: float) -> None:
    frequency_hz = min(share * sample_rate, 18000)
    picture = scan(0.1 * make_tone(frequency_hz, 1, sample_rate), sample_rate).spectrogram
    levels = picture.levels * (picture.top_db - picture.floor_db) / 255 + picture.floor_db
    middle = levels[:, levels.shape[1] // 2]
    row = int(np.abs(picture.row_hz - frequency_hz).argmin())
    assert abs(int(middle.argmax()) - row) <= 1
    assert -23 < middle.max() < -19.5
    away = (picture.row_hz < frequency_hz / 2) | (picture.row_hz > frequency_hz * 2)
    assert away.any()
    assert middle[away].max() < -80


@pytest.mark.parametrize("seconds", [10, 100, 301.3])
def test_each_column_has_the_mean_power_of_its_hops(seconds: float) -> None:
    tone = 0.5 * make_tone(1000, seconds, 8000)
    steps = np.random.default_rng(0).uniform(-20, 0, -(-tone.shape[1] // 700))
    tone *= 10 ** (np.repeat(steps, 700)[: tone.shape[1]] / 20)
    made = scan(tone.astype(np.float32), 8000)
    powers = 10 ** (made.features.level_db.astype(np.float64) / 10)
    hops = round(made.spectrogram.column_frames / (8000 * made.features.hop_seconds))
    starts = np.arange(0, len(powers), hops)
    means = np.add.reduceat(powers, starts) / np.diff(starts, append=len(powers))
    row = int(np.abs(made.spectrogram.row_hz - 1000).argmin())
    levels = made.spectrogram.levels[row].astype(float) * 100 / 255 - 100
    differences = levels - 10 * np.log10(means)
    assert len(levels) == len(means)
    assert np.ptp(differences[2:-2]) < 2.5


def test_the_spectra_are_those_of_scipy() -> None:
    samples = make_noise(30000)
    frames = Frames(44100, 2)
    made = np.concatenate([frames.push(samples), frames.flush(samples.shape[1])])
    lead = (len(frames.window) - frames.hop) // 2
    padded = np.pad(samples, ((0, 0), (lead, 2 * lead)))
    _, _, spectra = stft(
        padded, nperseg=len(frames.window), noverlap=len(frames.window) - frames.hop,
        boundary=None, padded=False,
    )  # fmt: skip
    expected = np.square(2 * np.abs(spectra)).mean(axis=0).T
    assert len(made) == -(-30000 // frames.hop)
    np.testing.assert_allclose(made, expected[: len(made)], rtol=1e-3, atol=1e-9)


def test_spectra_do_not_depend_on_the_blocks() -> None:
    samples = make_noise(20000)
    whole, split = Frames(44100, 2), Frames(44100, 2)
    edges = [0, 1, 2, 1023, 1024, 9000, 9001, 20000]
    parts = [split.push(samples[:, a:b]) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts), whole.push(samples))
    np.testing.assert_array_equal(split.flush(20000), whole.flush(20000))


def test_features_do_not_depend_on_the_blocks() -> None:
    frames = Frames(44100, 2)
    power = frames.push(make_noise(60000))
    whole, split = FeatureMeter(frames), FeatureMeter(frames)
    whole.push(power)
    for start, end in ((0, 1), (1, 1), (1, 20), (20, len(power))):
        split.push(power[start:end])
    for name in ("level_db", "noise_db", "voicing", "pitch_cents", "steady"):
        np.testing.assert_allclose(
            getattr(split.finish(), name), getattr(whole.finish(), name), rtol=1e-4, atol=1e-3
        )


@pytest.mark.parametrize("sample_rate", [16000, 44100, 48000])
@pytest.mark.parametrize("pitch_hz", [90, 220.5, 441.3, 880])
def test_a_tone_is_voiced_at_its_pitch_and_steady(sample_rate: int, pitch_hz: float) -> None:
    heights = (0.5, 1, 0.3, 0.2)  # an octave above, it is nearly as periodic
    partials = [
        height * make_tone(pitch_hz * number, 2, sample_rate)
        for number, height in enumerate(heights, 1)
    ]
    made = measure(0.2 * np.sum(partials, axis=0), sample_rate)
    middle = slice(len(made.voicing) // 2, -4)
    assert made.voicing[middle].min() > 0.95
    np.testing.assert_allclose(made.pitch_cents[middle], 1200 * np.log2(pitch_hz), atol=5)
    assert np.ptp(made.pitch_cents[middle]) < 2
    assert made.steady[middle].min() > 0.9
    assert made.noise_db[middle].max() < -15


def test_noise_has_neither_tone_nor_pitch_and_its_level_is_its_power() -> None:
    samples = make_noise(88200, 1)
    made = measure(samples)
    middle = slice(20, -4)
    assert made.voicing[middle].max() < 0.5
    # Power of noise is distributed exponentially, the mean of whose logarithm is Euler's constant.
    expected_db = -10 * np.euler_gamma / np.log(10)
    assert made.noise_db[middle].mean() == pytest.approx(expected_db, abs=0.1)
    assert made.steady[middle].max() < 0.2
    # A sine of amplitude a has 20 log a dB; Hann's window spreads a line's power over 1.5 bins.
    power_db = 10 * np.log10(2 * 1.5 * np.square(samples).mean())
    assert np.median(made.level_db[middle]) == pytest.approx(power_db, abs=0.3)
    share_db = 10 * np.log10((16000 - 6000) / 22050)
    assert np.median(made.hiss_db[middle]) == pytest.approx(power_db + share_db, abs=0.3)


def test_a_vibrato_is_not_steady() -> None:
    time = np.arange(88200) / 44100
    phase = 2 * np.pi * 300 * time + 6 * np.sin(2 * np.pi * 5.5 * time)
    tone = np.sum([np.sin(k * phase) / k for k in range(1, 9)], axis=0)
    made = measure(0.2 * tone[None].astype(np.float32))
    assert made.steady[20:-4].max() < 0.2


@pytest.mark.parametrize("start", [0, 5, BLOCK - 3, BLOCK - 2, BLOCK - 1, BLOCK, 2 * BLOCK - 5])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_three_full_samples_on_end_are_clipped(start: int, length: int, tmp_path: Path) -> None:
    samples = np.zeros((2 * BLOCK, 2), np.int16)
    samples[start : start + length, 1] = [32767, -32768, 32767, 32767, -32768][:length]
    soundfile.write(tmp_path / "a.wav", samples, 44100, "PCM_16")
    expected = ((start, start + length),) if length >= 3 else ()
    assert scan_audio(tmp_path / "a.wav").clipped == expected


def test_full_samples_of_two_channels_are_no_run() -> None:
    samples = np.zeros((2, 100), np.float32)
    samples[0, 10:12] = samples[1, 12:14] = 1.0
    assert scan(samples).clipped == ()
    samples[0, 50:53] = samples[1, 52:56] = -1.5
    made = scan(samples)
    assert made.clipped == ((50, 56),)
    assert made.peak == 1.5


def test_clipped_runs_are_limited_and_none_is_lost() -> None:
    samples = np.zeros((1, 8 * MOST_CLIPPED), np.float32)
    for shift in range(3):
        samples[0, shift : 7 * MOST_CLIPPED : 6] = 1.0
    runs = scan(samples).clipped
    assert len(runs) == MOST_CLIPPED
    assert runs[0] == (0, 3)
    assert runs[-1][1] == np.flatnonzero(samples[0])[-1] + 1


def test_a_file_is_refused_that_is_no_audio_or_not_finite(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(NotAudioError):
        scan_audio(tmp_path / "a.txt")
    soundfile.write(tmp_path / "a.wav", np.array([0.0, np.nan]), 44100, "FLOAT")
    with pytest.raises(NonFiniteError, match=r"'a\.wav' has NaN"):
        scan_audio(tmp_path / "a.wav")
