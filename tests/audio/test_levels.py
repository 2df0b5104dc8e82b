"""Stems at a loudness and under a ceiling, measured by other meters than our own."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from stemkit.audio.encode import OutputFormat
from stemkit.audio.levels import MOST_GAIN_DB, MOST_LOST_LU, Level
from stemkit.audio.loudness import LoudnessMeter
from stemkit.audio.stems import StemOutput, StemsWriter
from stemkit.errors import EncodeError, OptionError
from stemkit.files import PARTIAL_PATTERN
from stemkit.samples import Samples
from tests.audio.audiofiles import lag, noise
from tests.audio.meters import ffmpeg_measures, read_clip, sine, speech_like, upsampled_peak_db
from tests.audio.test_encode import largest_file, read

WAV_16, WAV_24, FLOAT_WAV = (OutputFormat("wav", depth) for depth in ("16", "24", "32f"))
FLAC = OutputFormat("flac", "24")
BROADCAST = Level(loudness_lufs=-23, true_peak_db=-1)


def write_level(
    folder: Path,
    samples: Samples,
    sample_rate: int,
    level: Level,
    output_format: OutputFormat = WAV_24,
    block_frames: int = 65536,
) -> tuple[StemOutput, Samples]:
    target = folder / f"stem{output_format.extension}"
    levels = {"stem": level}
    with StemsWriter({"stem": target}, sample_rate, len(samples), output_format, levels) as writer:
        for start in range(0, samples.shape[1], block_frames):
            writer.write({"stem": samples[:, start : start + block_frames]})
        output = writer.finish()["stem"]
    assert {path.name for path in folder.iterdir()} == {target.name}
    return output, read(target)[0]


def check_measures(output: StemOutput, written: Samples, sample_rate: int) -> float:
    """Hold what the output says of itself against FFmpeg, and return its true peak in dBTP."""
    loudness_lufs, true_peak_db = ffmpeg_measures(written, sample_rate)
    assert output.levels.loudness_lufs == pytest.approx(loudness_lufs, abs=0.05)
    assert output.levels.true_peak_db == pytest.approx(true_peak_db, abs=0.1)
    return true_peak_db


@pytest.mark.parametrize(
    ("loudness_lufs", "output_format"),
    [
        *((loudness_lufs, WAV_24) for loudness_lufs in (-23, -16, -14, -9)),
        *((-9, output_format) for output_format in (WAV_16, FLOAT_WAV, FLAC)),
        *(
            pytest.param(loudness_lufs, output_format, marks=pytest.mark.slow)
            for loudness_lufs in (-23, -16, -14)
            for output_format in (WAV_16, FLOAT_WAV, FLAC)
        ),
    ],
    ids=str,
)
def test_a_real_clip_at_the_usual_levels(
    tmp_path: Path, loudness_lufs: float, output_format: OutputFormat
) -> None:
    clip, rate = read_clip()
    level = Level(loudness_lufs, true_peak_db=-1)
    output, written = write_level(tmp_path, clip, rate, level, output_format)
    assert check_measures(output, written, rate) <= -1
    assert output.levels.loudness_lufs == pytest.approx(loudness_lufs, abs=0.1)
    assert upsampled_peak_db(written) <= -1
    assert written.shape == clip.shape
    assert lag(written, clip) == 0


@pytest.mark.parametrize(
    ("sample_rate", "loudness_lufs", "true_peak_db"),
    [
        *((rate, -14, -1) for rate in (8000, 22050, 48000, 96000)),
        *((22050, *level) for level in ((-23, -6), (-16, -1))),
        *(
            pytest.param(rate, *level, marks=pytest.mark.slow)
            for rate in (8000, 48000, 96000)
            for level in ((-23, -6), (-16, -1))
        ),
    ],
)
def test_speech_whose_peaks_must_be_limited(
    tmp_path: Path, sample_rate: int, loudness_lufs: float, true_peak_db: float
) -> None:
    speech = speech_like(4, sample_rate)
    level = Level(loudness_lufs, true_peak_db)
    output, written = write_level(tmp_path, speech, sample_rate, level)
    check_measures(output, written, sample_rate)
    assert output.levels.loudness_lufs == pytest.approx(loudness_lufs, abs=0.1)
    assert upsampled_peak_db(written) <= true_peak_db
    assert upsampled_peak_db(speech) + output.gain_db > true_peak_db


def test_hi_hats_up_to_the_limit_of_hearing_stay_under_the_ceiling(tmp_path: Path) -> None:
    frames = 3 * 44100
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal((1, frames)))
    frequency_hz = np.fft.rfftfreq(frames, 1 / 44100)
    spectrum[:, (frequency_hz < 9000) | (frequency_hz > 20_000)] = 0
    hits = np.exp(-(np.arange(frames) % 11025) / 1500)
    hats = (0.1 * np.fft.irfft(spectrum, frames) * hits).astype(np.float32)
    output, written = write_level(tmp_path, hats, 44100, Level(-10, -1))
    assert check_measures(output, written, 44100) <= -1
    assert upsampled_peak_db(written) <= -1


@pytest.mark.parametrize("sample_rate", [11025, 22050])
def test_bass_drums_take_a_second_pass(tmp_path: Path, sample_rate: int) -> None:
    """Here the loudness that is computed from the steps alone is off by more than 0.05 LU."""
    time = np.arange(3 * sample_rate) / sample_rate
    drums = np.sin(100 * np.pi * time) * np.exp(-8 * (time % 0.5))
    samples = np.asarray(0.2 * drums, np.float32)[np.newaxis]
    output, written = write_level(tmp_path, samples, sample_rate, Level(-14.5, -1.3))
    assert output.levels.loudness_lufs == pytest.approx(-14.5, abs=0.05)
    assert upsampled_peak_db(written) <= -1.3


def test_where_nothing_is_too_high_there_is_only_gain(tmp_path: Path) -> None:
    clip, rate = read_clip()
    output, written = write_level(tmp_path, clip, rate, BROADCAST, FLOAT_WAV)
    expected = clip * 10 ** (output.gain_db / 20)
    np.testing.assert_allclose(written, expected, rtol=1e-6, atol=1e-9)
    meter = LoudnessMeter(rate, 2)
    meter.push(written)
    assert output.levels.loudness_lufs == pytest.approx(meter.integrated_lufs, abs=1e-5)
    assert output.peak == np.abs(clip).max()
    assert output.frames == clip.shape[1]


def test_the_ceiling_comes_before_the_loudness(tmp_path: Path) -> None:
    clip, rate = read_clip()
    output, written = write_level(tmp_path, clip, rate, Level(0, -1))
    check_measures(output, written, rate)
    assert upsampled_peak_db(written) <= -1
    assert output.levels.loudness_lufs is not None
    assert -9 < output.levels.loudness_lufs < -5
    lost = ffmpeg_measures(clip, rate)[0] + output.gain_db - output.levels.loudness_lufs
    assert lost == pytest.approx(MOST_LOST_LU, abs=0.1)


def test_clicks_over_something_quiet_do_not_drive_the_limiter_beyond_reason(tmp_path: Path) -> None:
    clicks = noise(3 * 22050, 1) * np.float32(0.003)
    clicks[0, ::2205] = 0.9
    output, written = write_level(tmp_path, clicks, 22050, Level(-9, -1))
    assert output.levels.loudness_lufs is not None
    lost = ffmpeg_measures(clicks, 22050)[0] + output.gain_db - output.levels.loudness_lufs
    assert lost < MOST_LOST_LU + 0.5
    assert upsampled_peak_db(written) <= -0.3  # clicks go up to Nyquist


def test_one_click_does_not_keep_a_quiet_stem_quiet(tmp_path: Path) -> None:
    speech = speech_like(4, 22050) * np.float32(0.1)
    speech[0, 40_000] = 0.9
    output, written = write_level(tmp_path, speech, 22050, Level(-20, -1))
    check_measures(output, written, 22050)
    assert output.gain_db > 15
    assert output.levels.loudness_lufs == pytest.approx(-20, abs=0.1)
    assert upsampled_peak_db(written) <= -1


@pytest.mark.parametrize("quiet_db", [-46, -50, -66])
def test_gain_that_lifts_what_was_below_the_absolute_gate(tmp_path: Path, quiet_db: float) -> None:
    parts = [sine(500, quiet_db + at, 2, 8000) for at in (0, -8, -16, -8, -3)]
    samples = np.concatenate(parts, axis=1)
    level = Level(quiet_db + 20)
    output, written = write_level(tmp_path, samples, 8000, level, FLOAT_WAV)
    check_measures(output, written, 8000)
    assert output.levels.loudness_lufs == pytest.approx(quiet_db + 20, abs=0.1)


def test_what_is_nearly_silent_is_not_made_a_programme(tmp_path: Path) -> None:
    """Such as the vocals of a song that has none."""
    residue = speech_like(2, 22050) * np.float32(1e-2)
    output, written = write_level(tmp_path, residue, 22050, Level(-16, -1))
    assert output.gain_db == MOST_GAIN_DB
    assert output.levels.loudness_lufs is not None
    assert output.levels.loudness_lufs < -20
    np.testing.assert_allclose(written, residue * 10 ** (MOST_GAIN_DB / 20), atol=2**-22)


def test_a_ceiling_alone_only_turns_down(tmp_path: Path) -> None:
    clip, rate = read_clip()
    true_peak_db = upsampled_peak_db(clip)
    down = Level(true_peak_db=-6)
    output, written = write_level(tmp_path, clip, rate, down, FLOAT_WAV)
    check_measures(output, written, rate)
    assert -6.3 < upsampled_peak_db(written) <= -6
    assert output.gain_db == pytest.approx(-6 - true_peak_db, abs=0.25)
    gain = np.float32(10 ** (output.gain_db / 20))
    np.testing.assert_allclose(written, clip * gain, rtol=1e-6, atol=1e-9)
    enough = Level(true_peak_db=-1)
    output, written = write_level(tmp_path, clip, rate, enough, FLOAT_WAV)
    check_measures(output, written, rate)
    assert output.gain_db == 0
    assert written.tobytes() == clip.tobytes()


@pytest.mark.parametrize(("output_format", "clips"), [(WAV_24, True), (FLOAT_WAV, False)], ids=str)
def test_a_loudness_alone_is_limited_only_where_it_would_clip(
    tmp_path: Path, output_format: OutputFormat, clips: bool
) -> None:
    speech = speech_like(4, 22050)
    output, written = write_level(tmp_path, speech, 22050, Level(-12), output_format)
    check_measures(output, written, 22050)
    assert output.levels.loudness_lufs == pytest.approx(-12, abs=0.1)
    assert (upsampled_peak_db(written) <= 0) == clips
    assert clips or np.abs(written).max() > 1.2


@pytest.mark.parametrize("level", [BROADCAST, Level(-10), Level(true_peak_db=-3), Level()], ids=str)
@pytest.mark.parametrize("output_format", [WAV_16, FLAC, FLOAT_WAV], ids=str)
def test_silence_stays_silent(tmp_path: Path, level: Level, output_format: OutputFormat) -> None:
    silence = np.zeros((2, 30_000), np.float32)
    output, written = write_level(tmp_path, silence, 44100, level, output_format)
    assert (output.gain_db, output.levels.loudness_lufs, output.levels.true_peak_db) == (
        0,
        None,
        None,
    )
    assert not written.any()


@pytest.mark.parametrize("frames", [1, 28, 29, 30, 4095, 4096, 4097, 17_639])
@pytest.mark.parametrize("peak", [0.5, 2.5])
def test_under_400_ms_only_the_ceiling_is_held(tmp_path: Path, frames: int, peak: float) -> None:
    samples = noise(17_639)[:, :frames]
    samples = samples / np.abs(samples).max() * np.float32(peak)
    output, written = write_level(tmp_path, samples, 44100, Level(-9, -3))
    assert written.shape == samples.shape
    assert output.levels.loudness_lufs is None
    assert output.levels.true_peak_db is not None
    assert output.levels.true_peak_db <= -3
    assert (output.gain_db < 0) == (peak > 1 or upsampled_peak_db(samples) > -3)
    assert upsampled_peak_db(written) <= -2.9
    np.testing.assert_allclose(
        written, samples * np.float32(10 ** (output.gain_db / 20)), atol=2**-23
    )


def test_no_frames_at_all(tmp_path: Path) -> None:
    output, written = write_level(tmp_path, np.zeros((2, 0), np.float32), 44100, BROADCAST)
    assert written.shape == (2, 0)
    assert (output.gain_db, output.levels.loudness_lufs, output.levels.true_peak_db) == (
        0,
        None,
        None,
    )


def test_a_level_of_neither_only_measures(tmp_path: Path) -> None:
    clip, rate = read_clip()
    output, written = write_level(tmp_path, clip, rate, Level(), FLOAT_WAV)
    check_measures(output, written, rate)
    assert written.tobytes() == clip.tobytes()
    output, written = write_level(tmp_path, 4 * clip, rate, Level(), WAV_24)
    check_measures(output, written, rate)
    assert upsampled_peak_db(written) <= 0


@pytest.mark.parametrize("output_format", [WAV_16, FLAC, FLOAT_WAV], ids=str)
def test_where_blocks_are_cut_does_not_show(tmp_path: Path, output_format: OutputFormat) -> None:
    speech, level = speech_like(2, 22050), Level(-12, -3)
    files = []
    for number, block_frames in enumerate((65536, 777, 4096)):
        folder = tmp_path / str(number)
        output, _ = write_level(folder, speech, 22050, level, output_format, block_frames)
        files.append(output.path.read_bytes())
    assert files[0] == files[1] == files[2]


def test_stems_of_different_lengths_and_levels(tmp_path: Path) -> None:
    """Two without a level share one gain; the levelled ones have their own."""
    speech = speech_like(3, 22050)
    stems: dict[str, Samples] = {
        "a": speech * 5,
        "b": speech[:, :30_000] * 2,
        "c": speech * 8,
        "d": speech[:, :0],
        "e": speech[:, 5000:] * np.float32(0.1),
    }
    targets = {stem: tmp_path / f"{stem}.wav" for stem in stems}
    levels = {"c": BROADCAST, "d": BROADCAST, "e": Level(-16)}
    with StemsWriter(targets, 22050, 1, WAV_24, levels) as writer:
        for start in range(0, 70_000, 9999):
            blocks = {stem: x[:, start : start + 9999] for stem, x in stems.items()}
            writer.write({stem: x for stem, x in blocks.items() if x.size or stem == "b"})
        writer.write({})
        outputs = writer.finish()
    assert [output.frames for output in outputs.values()] == [x.shape[1] for x in stems.values()]
    for stem in ("a", "b"):
        assert outputs[stem].gain_db == pytest.approx(-20 * np.log10(np.abs(stems["a"]).max()))
        check_measures(outputs[stem], read(targets[stem])[0], 22050)
        expected = stems[stem] / np.abs(stems["a"]).max()
        np.testing.assert_allclose(read(targets[stem])[0], expected, atol=2**-22)
    for stem, loudness_lufs in (("c", -23), ("e", -16)):
        check_measures(outputs[stem], read(targets[stem])[0], 22050)
        assert outputs[stem].levels.loudness_lufs == pytest.approx(loudness_lufs, abs=0.1)
    assert outputs["d"].levels.loudness_lufs is None


@pytest.mark.parametrize("container", ["mp3", "ogg", "opus", "m4a"])
def test_lossy_files_come_close(tmp_path: Path, container: str) -> None:
    clip, rate = read_clip()
    level = Level(-20, -3)
    lossy = OutputFormat(container)  # type: ignore[arg-type]
    output, written = write_level(tmp_path, clip, rate, level, lossy)
    assert output.levels.loudness_lufs == pytest.approx(-20, abs=0.1)
    encoded_rate = lossy.encoded_rate(rate)
    assert ffmpeg_measures(written, encoded_rate)[0] == pytest.approx(-20, abs=0.3)


@pytest.mark.parametrize(
    ("loudness_lufs", "true_peak_db", "name"),
    [
        (0.1, -1, "loudness_lufs is 0.1"),
        (-70, -1, "loudness_lufs is -70"),
        (np.nan, None, "loudness_lufs is nan"),
        (-23, 0.5, "true_peak_db is 0.5"),
        (-23, -np.inf, "true_peak_db is -inf"),
    ],
)
def test_levels_that_cannot_be(loudness_lufs: float, true_peak_db: float, name: str) -> None:
    with pytest.raises(OptionError, match=f"^{name}; give more than -70 and at most 0$"):
        Level(loudness_lufs, true_peak_db)


def test_levels_of_unknown_stems_and_at_low_rates_are_refused_first(tmp_path: Path) -> None:
    targets = {"vocals": tmp_path / "new" / "vocals.wav"}
    with pytest.raises(OptionError, match="no stem 'drums' to level; choose among: vocals"):
        StemsWriter(targets, 44100, 2, WAV_24, {"drums": BROADCAST})
    with pytest.raises(OptionError, match="can't be measured at 3999 Hz"):
        StemsWriter(targets, 3999, 2, WAV_24, {"vocals": BROADCAST})
    StemsWriter(targets, 3999, 2, WAV_24)
    assert not list(tmp_path.iterdir())


def test_without_finish_nothing_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_text("old")
    with StemsWriter({"a": target}, 44100, 2, WAV_24, {"a": BROADCAST}) as writer:
        writer.write({"a": noise(30_000)})
        partial = set(tmp_path.iterdir()) - {target}
        assert partial == set(tmp_path.glob(PARTIAL_PATTERN))
        assert len(partial) == 3
    assert set(tmp_path.iterdir()) == {target}
    assert target.read_text() == "old"


@pytest.mark.parametrize("limit", [1000, 100_000])
def test_a_disk_that_fills(tmp_path: Path, limit: int) -> None:
    """The traces fail to grow, or the encoded file does."""
    target = tmp_path / "a.wav"
    target.write_text("old")
    with StemsWriter({"a": target}, 44100, 2, WAV_24, {"a": BROADCAST}) as writer:
        writer.write({"a": noise(30_000)})
        with largest_file(limit), pytest.raises(EncodeError, match=r"a\.wav: File too large"):
            writer.finish()
    assert set(tmp_path.iterdir()) == {target}
    assert target.read_text() == "old"


@pytest.mark.parametrize("output_format", [WAV_24, FLOAT_WAV], ids=str)
def test_memory_does_not_grow_with_the_length(tmp_path: Path, output_format: OutputFormat) -> None:
    block = np.tile(speech_like(3, 22050), (2, 1))
    targets, levels = {"a": tmp_path / "a.wav"}, {"a": Level(-12, -1)}
    highest = []
    for blocks in (3, 6):
        tracemalloc.start()
        with StemsWriter(targets, 22050, 2, output_format, levels) as writer:
            for _ in range(blocks):
                writer.write({"a": block})
            assert writer.finish()["a"].levels.loudness_lufs == pytest.approx(-12, abs=0.1)
        highest.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert highest[1] < highest[0] + 100_000
