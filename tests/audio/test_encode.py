"""Every format: what is written is what is read; libsndfile and FFmpeg read it."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import BLOCK_FRAMES, Container, OutputFormat, encode_file
from stemkit.audio.ogg import checksum
from stemkit.audio.wav import BitDepth
from stemkit.errors import EncodeError, OptionError
from stemkit.samples import Samples

LOSSLESS = [
    OutputFormat("wav", "16"),
    OutputFormat("wav", "24"),
    OutputFormat("wav", "32f"),
    OutputFormat("flac", "16"),
    OutputFormat("flac", "24"),
]
LENGTHS = (1, 2, 959, 1023, 1024, 1025, 1151, 1152, 1153, BLOCK_FRAMES, BLOCK_FRAMES + 1)
LOSSY = [OutputFormat("ogg"), OutputFormat("opus"), OutputFormat("mp3"), OutputFormat("m4a")]
ALL = LOSSLESS + LOSSY
each_format = pytest.mark.parametrize(
    "output_format", ALL, ids=lambda f: f"{f.container}{f.bit_depth or ''}"
)
each_lossy_format = pytest.mark.parametrize("output_format", LOSSY, ids=lambda f: f.container)


def noise(frames: int, channels: int = 2, band: float = 0.18, seed: int = 0) -> Samples:
    """Return noise up to `band` times the sample rate, at 0.1 RMS."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((channels, frames)))
    spectrum[:, int(band * frames) + 1 :] = 0
    rms = np.sqrt(2 * band)
    return np.asarray(0.1 / rms * np.fft.irfft(spectrum, frames), np.float32)


def read(path: Path) -> tuple[Samples, int]:
    """Read `path` as a player would that trims what the container says."""
    if path.suffix == ".m4a":
        return read_with_ffmpeg(path)
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples.T, rate


def read_with_ffmpeg(path: Path) -> tuple[Samples, int]:
    with av.open(path) as container:
        stream = container.streams.audio[0]
        arrays = [frame.to_ndarray() for frame in container.decode(stream)]
        assert stream.duration is not None
        samples = np.concatenate(arrays, axis=1)[:, : stream.duration]
        return samples.astype(np.float32), stream.rate


def snr_db(reference: Samples, estimate: Samples) -> float:
    error = estimate.astype(np.float64) - reference
    power = np.sum(np.square(reference, dtype=np.float64))
    return float(10 * np.log10(power / max(np.sum(error**2), 1e-30)))


@contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """Let no file grow past `limit` bytes, which fails a write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def encode(path: Path, samples: Samples, output_format: OutputFormat, rate: int = 48000) -> Path:
    encode_file(path, [samples], rate, len(samples), output_format)
    return path


@each_format
@pytest.mark.parametrize(
    ("channels", "frames"),
    [
        *((2, frames) for frames in LENGTHS),
        *((1, frames) for frames in (1, 1152, BLOCK_FRAMES + 1)),
        *(
            pytest.param(1, frames, marks=pytest.mark.slow)
            for frames in LENGTHS
            if frames not in (1, 1152, BLOCK_FRAMES + 1)
        ),
    ],
)
def test_length_and_channels_are_exact(
    tmp_path: Path, output_format: OutputFormat, channels: int, frames: int
) -> None:
    path = encode(
        tmp_path / f"a{output_format.extension}", noise(frames, channels, band=0.5), output_format
    )
    samples, rate = read(path)
    assert samples.shape == (channels, frames)
    assert rate == 48000


@each_format
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_comes_back_in_place(
    tmp_path: Path, output_format: OutputFormat, channels: int
) -> None:
    """One sample of lag leaves an SNR below 4 dB; swapped channels or polarity less than that."""
    samples = noise(50_000, channels)
    path = encode(tmp_path / f"a{output_format.extension}", samples, output_format)
    assert snr_db(samples, read(path)[0]) > 12


@pytest.mark.parametrize(
    ("container", "kilobits"), [("mp3", 320), ("opus", 256), ("m4a", 256), ("ogg", 256)]
)
def test_stereo_bit_rates(tmp_path: Path, container: Container, kilobits: int) -> None:
    path = encode(tmp_path / "a", noise(3 * 48000, band=0.5), OutputFormat(container))
    assert path.stat().st_size * 8 / 3000 == pytest.approx(kilobits, rel=0.15)


@pytest.mark.parametrize("container", ["mp3", "opus", "flac", "wav"])
def test_ffmpeg_reads_the_same_length_and_sound(tmp_path: Path, container: Container) -> None:
    samples = noise(30_001)
    path = encode(tmp_path / f"a.{container}", samples, OutputFormat(container))
    with av.open(path) as opened:
        frames = [frame.to_ndarray() for frame in opened.decode(audio=0)]
    planar = [f if len(f) == 2 else f.reshape(-1, 2).T for f in frames]
    decoded = np.concatenate(planar, axis=1)
    full_scale = 2.0**31 if decoded.dtype == np.int32 else 1
    assert decoded.shape == samples.shape
    assert snr_db(samples, decoded.astype(np.float32) / np.float32(full_scale)) > 12


@each_format
@pytest.mark.parametrize("frames", [1, 30_001])
def test_our_own_reader_finds_nothing_wrong(
    tmp_path: Path, output_format: OutputFormat, frames: int
) -> None:
    samples = noise(frames, band=0.5 if frames == 1 else 0.18)
    path = encode(tmp_path / f"a{output_format.extension}", samples, output_format)
    with AudioReader(path) as reader:
        decoded = np.concatenate(list(reader.blocks()), axis=1)
    assert decoded.shape == samples.shape
    assert frames == 1 or snr_db(samples, decoded) > 12


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_24_bits_are_24_bits(tmp_path: Path, container: Container) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (2, 20_000)).astype(np.float32)
    path = encode(tmp_path / "a", samples, OutputFormat(container, "24"))
    read_back, _ = soundfile.read(path, dtype="int32")
    steps = read_back >> 8
    assert not np.any(read_back & 0xFF)
    # Float32 has few bits more than 24 here: ties are frequent, and rounded to even.
    assert all(0.3 < np.mean(steps >> bit & 1) < 0.55 for bit in range(23))
    assert np.abs(steps.T / 2.0**23 - samples).max() < 2**-23


def test_wav_and_flac_hold_the_same_16_bits(tmp_path: Path) -> None:
    samples = noise(40_000)
    wav = encode(tmp_path / "a.wav", samples, OutputFormat("wav", "16"))
    flac = encode(tmp_path / "a.flac", samples, OutputFormat("flac", "16"))
    assert soundfile.info(flac).subtype == soundfile.info(wav).subtype == "PCM_16"
    assert np.array_equal(read(wav)[0], read(flac)[0])
    assert np.var((read(wav)[0] - samples) * 2**15) == pytest.approx(0.25, rel=0.05)


def test_floats_are_kept_to_the_bit(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 2, (3, 20_000)).astype(np.float32)
    samples[0, :3] = np.array([3.4e38, 1e-40, -0.0], np.float32)
    path = encode(tmp_path / "a.wav", samples, OutputFormat("wav", "32f"))
    assert read(path)[0].tobytes() == samples.tobytes()


@pytest.mark.parametrize("container", ["wav", "flac"])
@pytest.mark.parametrize("bit_depth", ["16", "24"])
def test_whole_numbers_saturate_and_never_wrap(
    tmp_path: Path, container: Container, bit_depth: BitDepth
) -> None:
    samples = np.array([[-3.0, -1.0, 1.0, 3.0]], np.float32).repeat(100, axis=1)
    path = encode(tmp_path / "a", samples, OutputFormat(container, bit_depth))
    assert np.abs(read(path)[0] - np.clip(samples, -1, 1)).max() <= 2.0**-15


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    """Neither the time of day, nor chance, nor where the blocks are cut, nor the name shows."""
    samples = noise(40_000)
    cuts = [0, 1, 1, 5000, BLOCK_FRAMES, BLOCK_FRAMES + 1, 40_000]
    blocks = [samples[:, start:end] for start, end in pairwise(cuts)]
    first = [encode(tmp_path / "first", samples, each, 44100).read_bytes() for each in ALL]
    time.sleep(1 - time.time() % 1)  # until another second, which some formats would write down
    for output_format, written in zip(ALL, first, strict=True):
        encode_file(tmp_path / "second", blocks, 44100, 2, output_format)
        assert (tmp_path / "second").read_bytes() == written, output_format


@each_lossy_format
@pytest.mark.parametrize(
    "rate", [4000, 8000, 11025, 22050, 32000, 37001, 44100, 88200, 96000, 176400, 192000]
)
def test_every_rate_is_written_in_place(
    tmp_path: Path, output_format: OutputFormat, rate: int
) -> None:
    frames = 8191
    samples = noise(frames, band=0.02 if rate > 48000 else 0.1)
    path = encode(tmp_path / f"a{output_format.extension}", samples, output_format, rate)
    decoded, encoded_rate = read(path)
    assert encoded_rate == output_format.encoded_rate(rate)
    assert decoded.shape == (2, int(frames * encoded_rate / rate + 0.5))
    back = np.interp(
        np.arange(100, frames - 100) / rate, np.arange(decoded.shape[1]) / encoded_rate, decoded[0]
    )
    assert snr_db(samples[0, 100:-100], back.astype(np.float32)) > 6


@pytest.mark.parametrize(
    ("container", "rate", "encoded_rate"),
    [
        ("wav", 37001, 37001),
        ("flac", 192000, 192000),
        ("ogg", 192000, 192000),
        ("opus", 8000, 48000),
        ("opus", 44100, 48000),
        ("mp3", 44100, 44100),
        ("mp3", 37001, 44100),
        ("mp3", 64000, 48000),
        ("mp3", 88200, 44100),
        ("mp3", 96000, 48000),
        ("mp3", 176400, 44100),
        ("m4a", 96000, 96000),
        ("m4a", 176400, 88200),
        ("m4a", 192000, 96000),
    ],
)
def test_encoded_rate(container: Container, rate: int, encoded_rate: int) -> None:
    assert OutputFormat(container).encoded_rate(rate) == encoded_rate


@pytest.mark.parametrize("rate", [8000, 11025, 65535, 88200, 96000, 176400, 192000, 384000])
@pytest.mark.parametrize("container", ["wav", "flac"])
def test_lossless_keeps_the_rate(tmp_path: Path, container: Container, rate: int) -> None:
    samples = noise(1000)
    decoded, read_rate = read(encode(tmp_path / "a", samples, OutputFormat(container), rate))
    assert read_rate == rate
    assert np.abs(decoded - samples).max() <= 2**-24


@pytest.mark.parametrize(("container", "channels"), [("wav", 3), ("wav", 31), ("flac", 8)])
def test_many_channels_keep_their_order(
    tmp_path: Path, container: Container, channels: int
) -> None:
    samples = np.tile(np.arange(channels)[:, None] / 64, 100).astype(np.float32)
    decoded, _ = read(encode(tmp_path / "a", samples, OutputFormat(container, "24")))
    assert np.array_equal(decoded, samples)


@pytest.mark.parametrize(
    ("container", "channels", "rate", "said"),
    [
        ("mp3", 3, 44100, "mp3 holds 1 to 2 channels, not 3; choose flac or wav"),
        ("opus", 9, 48000, "opus holds 1 to 2 channels, not 9; choose wav"),
        ("flac", 9, 48000, "flac holds 1 to 8 channels, not 9; choose wav"),
        ("flac", 2, 88201, "flac can't hold 88201 Hz; choose wav"),
        ("ogg", 2, 384000, "ogg can't hold 384000 Hz; choose wav"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_before_any_work(
    tmp_path: Path, container: Container, channels: int, rate: int, said: str
) -> None:
    with pytest.raises(OptionError) as refused:
        OutputFormat(container).check(channels, rate)
    assert str(refused.value) == said
    with pytest.raises(OptionError):
        encode_file(tmp_path / "a", [], rate, channels, OutputFormat(container))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("container", "bit_depth", "said"),
    [
        ("mp3", "24", "mp3 has no bit depth '24'; leave it out"),
        ("flac", "32f", "flac has no bit depth '32f'; choose one of: 16, 24"),
        ("wav", "8", "wav has no bit depth '8'; choose one of: 16, 24, 32f"),
        ("wma", None, "no format 'wma'; choose one of: wav, flac, aiff, mp3, ogg, opus, m4a"),
    ],
)
def test_formats_that_do_not_exist(container: Any, bit_depth: Any, said: str) -> None:
    with pytest.raises(OptionError) as refused:
        OutputFormat(container, bit_depth)
    assert str(refused.value) == said


@each_format
def test_no_samples_at_all(tmp_path: Path, output_format: OutputFormat) -> None:
    path = tmp_path / "a"
    nothing = np.zeros((2, 0), np.float32)
    if output_format.container == "wav":
        assert read(encode(path, nothing, output_format))[0].shape == (2, 0)
    else:
        with pytest.raises(EncodeError, match="no samples to write"):
            encode(path, nothing, output_format)


@each_format
def test_no_cut_goes_unnoticed(tmp_path: Path, output_format: OutputFormat) -> None:
    """What libsndfile can't write on closing it drops without a word; we don't."""
    samples = noise(20_000)
    path = encode(tmp_path / "a", samples, output_format)
    size = path.stat().st_size
    for limit in {0, 1, 27, 500, size // 2, *range(size - 6000, size, 397), size - 1}:
        with (
            largest_file(limit),
            pytest.raises(EncodeError, match=r"^can't write .*/a: File too large; make room"),
        ):
            encode(path, samples, output_format)


@each_format
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/dev/full", "No space left on device; make room there"),
        ("a-file/below", "Not a directory; choose another place"),
        ("a-folder", "Is a directory; choose another place"),
        ("missing/a", "No such file or directory; choose another place"),
        ("n" * 300, "File name too long; choose another place"),
    ],
)
def test_what_the_system_refuses_is_said(
    tmp_path: Path, output_format: OutputFormat, name: str, reason: str
) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "a-folder").mkdir()
    path = tmp_path / name
    with pytest.raises(EncodeError) as refused:
        encode(path, noise(1000), output_format)
    assert str(refused.value) == f"can't write {path}: {reason}"


@each_format
@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_that_are_not_unicode(tmp_path: Path, output_format: OutputFormat) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9 \xff")
    assert encode(path, noise(1000), output_format).stat().st_size > 0


def test_a_long_block_is_cut_for_libvorbis(tmp_path: Path) -> None:
    """Its stack overflows where it gets a minute at once."""
    samples = np.zeros((2, 3_000_000), np.float32)
    path = encode(tmp_path / "a.ogg", samples, OutputFormat("ogg"))
    assert soundfile.info(path).frames == 3_000_000


@pytest.mark.parametrize("container", ["ogg", "opus"])
def test_ogg_serial_is_the_same_on_each_page_and_differs_between_streams(
    tmp_path: Path, container: Container
) -> None:
    serials = []
    for seed in (0, 1):
        path = encode(tmp_path / str(seed), noise(100_000, seed=seed), OutputFormat(container))
        pages = path.read_bytes().split(b"OggS\0")[1:]
        assert len(pages) > 3
        serials.append({page[9:13] for page in pages})
    assert [len(found) for found in serials] == [1, 1]
    assert serials[0] != serials[1]


def test_ogg_checksum_is_that_of_libogg(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise(30_000).T, 48000, "VORBIS", format="OGG")
    pages = [b"OggS\0" + page for page in path.read_bytes().split(b"OggS\0")[1:]]
    for page in pages:
        written = int.from_bytes(page[22:26], "little")
        assert checksum(page[:22] + bytes(4) + page[26:]) == written
