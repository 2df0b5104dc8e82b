"""WAV headers up to and beyond 4 GiB; libsndfile and FFmpeg are the oracles."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from stemkit.audio.wav import BitDepth, WavLayout, WavWriter, read_float_blocks, wav_header


def sparse_wav(path: Path, layout: WavLayout, frames: int) -> None:
    """Make a WAV file of silence that takes no room on the disk."""
    header = wav_header(layout, frames)
    path.write_bytes(header)
    os.truncate(path, len(header) + frames * layout.frame_bytes)


@pytest.mark.parametrize("bit_depth", ["16", "24", "32f"])
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_header_is_read_the_same_by_others(
    tmp_path: Path, bit_depth: BitDepth, channels: int
) -> None:
    path = tmp_path / "a.wav"
    for frames in (0, 1, 4242):
        sparse_wav(path, WavLayout(44100, channels, bit_depth), frames)
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (44100, channels, frames)
        assert info.format == ("WAVEX" if channels > 2 else "WAV")
        with av.open(path) as container:
            stream = container.streams.audio[0]
            assert (stream.rate, stream.channels) == (44100, channels)
            assert stream.duration == frames or frames == 0


@pytest.mark.parametrize("bit_depth", ["16", "24", "32f"])
@pytest.mark.parametrize("more_frames", [-1, 0, 1, 2**20])
def test_past_4_gib_is_rf64(tmp_path: Path, bit_depth: BitDepth, more_frames: int) -> None:
    layout = WavLayout(192000, 2, bit_depth)
    overhead = len(wav_header(layout, 0)) - 8
    most_frames = (2**32 - 1 - overhead) // layout.frame_bytes
    frames = most_frames + more_frames
    path = tmp_path / "long.wav"
    sparse_wav(path, layout, frames)
    with path.open("rb") as file:
        assert file.read(4) == (b"RIFF" if more_frames <= 0 else b"RF64")
    with soundfile.SoundFile(path) as long:
        assert long.frames == frames
        long.seek(frames - 10)
        assert len(long.read()) == 10
    with av.open(path) as container:
        assert container.streams.audio[0].duration == frames


@pytest.mark.parametrize("bit_depth", ["16", "24", "32f"])
def test_odd_sizes_are_padded(tmp_path: Path, bit_depth: BitDepth) -> None:
    path = tmp_path / "odd.wav"
    with WavWriter(path, WavLayout(8000, 1, bit_depth)) as wav:
        wav.write(np.full((1, 3), 0.5, np.float32))
        wav.finish()
    size = path.stat().st_size
    assert size % 2 == 0
    assert int.from_bytes(path.read_bytes()[4:8], "little") == size - 8
    assert soundfile.info(path).frames == 3


@pytest.mark.parametrize("frames", [0, 1, 99, 100, 101, 250])
def test_read_float_blocks_gives_back_what_was_written(tmp_path: Path, frames: int) -> None:
    block = np.random.default_rng(0).normal(0, 3, (3, frames)).astype(np.float32)
    with WavWriter(tmp_path / "a.wav", WavLayout(44100, 3, "32f")) as wav:
        wav.write(block)
        wav.finish()
        blocks = list(read_float_blocks(wav, 100))
    assert all(0 < part.shape[1] <= 100 for part in blocks)
    together = np.concatenate([np.zeros((3, 0), np.float32), *blocks], axis=1)
    assert together.tobytes() == block.tobytes()


def test_a_block_with_other_channels_is_refused(tmp_path: Path) -> None:
    with (
        WavWriter(tmp_path / "a.wav", WavLayout(44100, 2, "32f")) as wav,
        pytest.raises(ValueError, match="3 channels"),
    ):
        wav.write(np.zeros((3, 5), np.float32))
