"""Whole files: every frame in its place, whatever the format, the block size and the name."""

import os
import shutil
import subprocess
import sys
import tracemalloc
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from mutagen.mp4 import MP4, MP4FreeForm

from stemkit.audio.decode import AudioReader
from stemkit.errors import DecodeError, OptionError
from tests.audio.audiofiles import FORMATS, lag, noise, read, write, write_film, write_with_ffmpeg

BLOCK = 1000
EDGES = [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17]
LOSSY = ["ogg", "opus", "mp3", "lavf.mp3", "m4a", "clocked.m4a", "mp4"]
LOSSY_WITHOUT_LENGTH = ["mka", "webm", "wma", "aac", "bare.mp3", "fragmented.m4a"]
LOSSLESS = [kind for kind in FORMATS if kind not in LOSSY + LOSSY_WITHOUT_LENGTH]


def rate_of(kind: str) -> int:
    return 48000 if kind in ("opus", "webm") else 44100


@pytest.mark.parametrize("frames", EDGES)
@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_files_give_every_sample_back(tmp_path: Path, kind: str, frames: int) -> None:
    samples = noise(frames)
    path = write(tmp_path / f"song.{kind}", samples)

    decoded = read(path, BLOCK)

    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, samples)


@pytest.mark.parametrize("frames", [1152, 30011, 44100])
@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_files_have_no_delay_and_no_padding(tmp_path: Path, kind: str, frames: int) -> None:
    samples = noise(frames)
    path = write(tmp_path / f"song.{kind}", samples, rate_of(kind))

    decoded = read(path)

    assert decoded.shape == samples.shape
    assert lag(decoded, samples) == 0
    assert np.std(decoded - samples) < 0.5 * np.std(samples)


@pytest.mark.parametrize("frames", [1, 3, 31, 100])
@pytest.mark.parametrize("sample_rate", [22050, 44100, 48000])
def test_an_mp3_shorter_than_its_delay_is_trimmed(
    tmp_path: Path, sample_rate: int, frames: int
) -> None:
    path = write(tmp_path / "song.mp3", np.full((2, frames), 0.5, np.float32), sample_rate)

    decoded = read(path)

    assert decoded.shape == (2, frames)
    np.testing.assert_allclose(decoded, 0.5, atol=0.2)


@pytest.mark.parametrize("kind", ["mka", "webm"])
def test_matroska_has_no_delay_and_little_padding(tmp_path: Path, kind: str) -> None:
    samples = noise(30011)

    decoded = read(write(tmp_path / f"song.{kind}", samples, rate_of(kind)))

    assert lag(decoded, samples) == 0
    assert 0 <= decoded.shape[1] - samples.shape[1] < 1024


@pytest.mark.parametrize(("kind", "delay", "tail"), [("aac", 1024, 2048), ("bare.mp3", 1105, 2304)])
def test_streams_that_state_no_delay_keep_it(
    tmp_path: Path, kind: str, delay: int, tail: int
) -> None:
    samples = noise(30011)

    decoded = read(write(tmp_path / f"song.{kind}", samples))

    assert lag(decoded, samples) == delay
    assert 0 <= decoded.shape[1] - samples.shape[1] - delay < tail


def test_wma_is_read_to_within_a_few_frames(tmp_path: Path) -> None:
    samples = noise(44100)

    decoded = read(write(tmp_path / "song.wma", samples))

    assert abs(lag(decoded, samples)) in (0, 2048)
    assert abs(decoded.shape[1] - samples.shape[1]) < 2 * 2048


@pytest.mark.parametrize("kind", FORMATS)
def test_block_size_never_changes_the_audio(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"song.{kind}", noise(5000), rate_of(kind))
    whole = read(path)

    with AudioReader(path) as reader:
        for block_frames in (777, BLOCK, whole.shape[1] - 1, whole.shape[1], whole.shape[1] + 1):
            blocks = list(reader.blocks(block_frames))
            sizes = [block.shape[1] for block in blocks]

            np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)
            assert all(size == block_frames for size in sizes[:-1])
            assert 1 <= sizes[-1] <= block_frames


def test_single_frames_can_be_read(tmp_path: Path) -> None:
    samples = noise(50)
    path = write(tmp_path / "song.flac", samples)

    np.testing.assert_array_equal(read(path, block_frames=1), samples)


@pytest.mark.parametrize("block_frames", [0, -1])
def test_a_block_has_at_least_one_frame(tmp_path: Path, block_frames: int) -> None:
    path = write(tmp_path / "song.wav", noise(10))

    with AudioReader(path) as reader, pytest.raises(OptionError, match=str(block_frames)):
        reader.blocks(block_frames)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("kind", ["6.wav", "aiff", "flac"])
def test_channels_keep_their_order(tmp_path: Path, kind: str, channels: int) -> None:
    levels = np.linspace(0.1, 0.6, channels, dtype=np.float32)[:, np.newaxis]
    samples = levels * np.sin(np.arange(9000) / 20, dtype=np.float32)

    decoded = read(write(tmp_path / f"song.{kind}", samples))

    assert decoded.shape == samples.shape
    np.testing.assert_allclose(np.abs(decoded).max(axis=1), levels[:, 0], atol=0.06)


@pytest.mark.parametrize("channels", range(1, 9))
def test_the_channels_of_vorbis_are_in_the_order_of_all_others(
    tmp_path: Path, channels: int
) -> None:
    """FFmpeg's is that of wav; libsndfile writes and reads them as they come."""
    levels = np.linspace(0.1, 0.8, channels, dtype=np.float32)[:, np.newaxis]
    path = write(tmp_path / "song.ogg", levels * np.sin(np.arange(9000) / 20, dtype=np.float32))
    packer = av.AudioResampler("flt")  # PyAV 18 can't read eight planes
    with av.open(path) as file:
        frames = [part for frame in file.decode(audio=0) for part in packer.resample(frame)]
    found = np.concatenate([part.to_ndarray().reshape(-1, channels) for part in frames])

    np.testing.assert_allclose(np.abs(read(path)).max(1), np.abs(found).max(0), atol=0.01)


def test_a_codec_that_libsndfile_does_not_know_is_read(tmp_path: Path) -> None:
    samples = noise(9000)
    path = tmp_path / "song.caf"
    write_with_ffmpeg(path, [samples], 44100, "alac", "caf", {})
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.info(path)

    np.testing.assert_array_equal(read(path)[:, :9000], samples)


def test_eight_planes_are_read(tmp_path: Path) -> None:
    """Of 7.1 channels, which Opus and MP4 store in another order than FFmpeg gives them."""
    levels = np.linspace(0.1, 0.5, 8, dtype=np.float32)[:, np.newaxis]
    samples = levels * np.sin(np.arange(9600) / 20, dtype=np.float32)

    decoded = read(write(tmp_path / "song.opus", samples, 48000))

    assert decoded.shape == samples.shape
    np.testing.assert_allclose(np.sort(np.abs(decoded).max(axis=1)), levels[:, 0], atol=0.1)


@pytest.mark.parametrize("kind", ["32f.wav", "64f.wav", "32f.aiff"])
def test_floats_are_neither_clipped_nor_checked(tmp_path: Path, kind: str) -> None:
    samples = np.array([[2.5, -3.0, np.inf, np.nan, 1e-30]], np.float32)

    np.testing.assert_array_equal(read(write(tmp_path / f"song.{kind}", samples)), samples)


def test_wav_means_what_the_standard_library_says(tmp_path: Path) -> None:
    path = write(tmp_path / "song.wav", noise(500))
    with wave.open(str(path)) as file:
        steps = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T

    np.testing.assert_array_equal(read(path), steps.astype(np.float32) / 32768)


@pytest.mark.parametrize("sample_format", ["u8", "s16", "s32", "s32p", "flt", "dblp"])
def test_each_sample_format_of_ffmpeg_becomes_float32(tmp_path: Path, sample_format: str) -> None:
    codecs = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s32le", "flt": "pcm_f32le"}
    codec = {**codecs, "s32p": "alac", "dblp": "pcm_f64le"}[sample_format]
    container = "ipod" if codec == "alac" else "matroska"
    path = tmp_path / "song.mka"
    samples = noise(3000)

    write_with_ffmpeg(path, [samples], 44100, codec, container, {})

    np.testing.assert_allclose(read(path), samples, atol=2**-7 if sample_format == "u8" else 0)


def test_the_default_stream_is_read_and_else_the_first(tmp_path: Path) -> None:
    first, second = noise(9000, seed=1), noise(9000, seed=2)
    path = tmp_path / "song.mka"
    write_with_ffmpeg(path, [first, second], 44100, "pcm_s16le", "matroska", {})
    marked = tmp_path / "marked.mka"
    with av.open(path) as source, av.open(marked, "w", format="matroska") as output:
        copies = [output.add_stream_from_template(stream) for stream in source.streams.audio]
        copies[0].disposition = av.stream.Disposition(0)
        copies[1].disposition = av.stream.Disposition.default
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)

    np.testing.assert_array_equal(read(path), first)
    np.testing.assert_array_equal(read(marked), second)


def test_a_video_gives_its_sound(tmp_path: Path) -> None:
    samples = noise(30000)
    path = tmp_path / "film.mkv"
    write_film(path, samples)

    np.testing.assert_array_equal(read(path), samples)


def test_padding_as_itunes_writes_it_is_cut(tmp_path: Path) -> None:
    """Its last packet claims to be full; the edit list, or else the iTunSMPB tag, tells the end."""
    samples = noise(30011)
    path = write(tmp_path / "song.clocked.m4a", samples, kind="clocked.m4a")
    box = bytearray(path.read_bytes())
    entries = box.index(b"stts") + 12
    assert int.from_bytes(box[entries + 12 : entries + 16], "big") < 1024
    box[entries + 12 : entries + 16] = (1024).to_bytes(4, "big")
    path.write_bytes(box)
    tagged = write(tmp_path / "tagged.m4a", samples)
    tags = MP4(tagged)
    gapless = f" 00000000 00000400 00000000 {30011 - 7:016X} 00000000"
    tags["----:com.apple.iTunes:iTunSMPB"] = MP4FreeForm(gapless.encode())
    tags.save()

    assert read(path).shape == samples.shape
    assert lag(read(path), samples) == 0
    assert read(tagged).shape == (2, 30011 - 7)
    assert lag(read(tagged), samples[:, :-7]) == 0


def test_a_fragmented_mp4_has_no_delay_and_no_padding(tmp_path: Path) -> None:
    samples = noise(30011)
    path = write(tmp_path / "song.fragmented.m4a", samples)

    with AudioReader(path) as reader:
        decoded = np.concatenate(list(reader.blocks()), axis=1)

    assert not reader.info.frames_are_exact
    assert decoded.shape == samples.shape
    assert lag(decoded, samples) == 0


def test_tags_in_an_old_encoding_do_no_harm(tmp_path: Path) -> None:
    samples = noise(9000)
    path = write(tmp_path / "song.alac.m4a", samples)
    tags = MP4(path)
    tags["\xa9nam"] = "Xxxxx"
    tags.save()
    path.write_bytes(path.read_bytes().replace(b"Xxxxx", "Motör".encode("latin-1")))

    np.testing.assert_array_equal(read(path), samples)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "m4a"])
@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe.bin", b"http:x|y\n.mp3", "Ænima ♪.flac".encode(), b"song.raw", b"-", b"%d.ogg"],
)
def test_any_name_will_do(tmp_path: Path, kind: str, name: bytes) -> None:
    source = write(tmp_path / f"song.{kind}", noise(9000))
    path = tmp_path / os.fsdecode(name)
    shutil.copy(source, path)

    np.testing.assert_array_equal(read(path), read(source))


def test_a_relative_name_is_never_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("concat:a|b.mp3"), noise(3000), kind="mp3")

    assert read(Path("concat:a|b.mp3")).shape == (2, 3000)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "m4a"])
def test_files_are_closed(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"song.{kind}", noise(30000))
    open_before = len(list(Path("/proc/self/fd").iterdir()))

    with AudioReader(path) as reader:
        blocks = reader.blocks(BLOCK)
        next(blocks)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before

    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DecodeError):
        read(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_memory_is_bounded(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"song.{kind}"
    second = noise(44100).T
    with soundfile.SoundFile(path, "w", 44100, 2) as file:
        for _ in range(12):
            file.write(second)

    tracemalloc.start()
    with AudioReader(path) as reader:
        frames = sum(block.shape[1] for block in reader.blocks(8192))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert frames == 12 * 44100
    assert peak < 2_000_000  # the whole is 4.2 MB


def test_nothing_is_printed_even_for_damaged_files(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"song.{kind}", noise(20000)) for kind in ("mp3", "m4a", "flac")]
    for path in paths:
        half = path.stat().st_size // 2
        path.write_bytes(path.read_bytes()[:half] + np.random.default_rng(0).bytes(half))
    program = """
import sys
from pathlib import Path
from stemkit.audio.decode import AudioReader
from stemkit.errors import DecodeError
for name in sys.argv[1:]:
    try:
        list(AudioReader(Path(name)).blocks())
    except DecodeError:
        continue
    sys.exit(f"{name} was read")
"""

    run = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, timeout=60)

    assert (run.returncode, run.stdout + run.stderr) == (0, b"")
