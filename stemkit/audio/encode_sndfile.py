"""Encode with libsndfile: FLAC, AIFF, Ogg Vorbis and MP3."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from stemkit.audio.ogg import set_serial

Interleaved: TypeAlias = npt.NDArray[np.int16] | npt.NDArray[np.int32] | npt.NDArray[np.float32]
"""Frames by channels; the integers span their whole type."""


@dataclass(frozen=True)
class SndfileCodec:
    """libsndfile's names for a codec, and how hard it compresses: 0 least, 1 most."""

    format: str
    subtype: str
    compression_level: float | None = None
    bitrate_mode: str | None = None


FLAC_16 = SndfileCodec("FLAC", "PCM_16")
FLAC_24 = SndfileCodec("FLAC", "PCM_24")
AIFF_16 = SndfileCodec("AIFF", "PCM_16")
AIFF_24 = SndfileCodec("AIFF", "PCM_24")
VORBIS = SndfileCodec("OGG", "VORBIS", compression_level=0.2)  # quality 8 of 10
MP3 = SndfileCodec("MP3", "MPEG_LAYER_III", compression_level=0.0, bitrate_mode="CONSTANT")


_AIFF_BYTES = {AIFF_16: 2, AIFF_24: 3}  # a sample
_AIFF_LIMIT = 2**32 - 2**20  # what its sizes can tell, with room for the other chunks


class SndfileError(Exception):
    """libsndfile refused, or left out part of the audio."""


def write_sndfile(
    path: Path, blocks: Iterable[Interleaved], sample_rate: int, channels: int, codec: SndfileCodec
) -> None:
    """Write `blocks` to `path`, then read them back to be sure.

    libsndfile loses without a word what it can't write while it closes a file, for instance on a
    full disk, so only the number of frames that can be read tells. Blocks must be short: libvorbis
    keeps each on the stack. Raises OSError or SndfileError.
    """
    try:
        frames = _write(path, blocks, sample_rate, channels, codec)
        readable = _count_frames(path)
    # soundfile asserts that a write was complete.
    except (soundfile.LibsndfileError, AssertionError) as error:
        _provoke_os_error(path)
        raise SndfileError(str(error)) from error
    if readable != frames:
        _provoke_os_error(path)
        raise SndfileError(f"only {readable} of {frames} frames can be read back")
    if codec.format == "OGG":
        set_serial(path)


def _write(
    path: Path, blocks: Iterable[Interleaved], sample_rate: int, channels: int, codec: SndfileCodec
) -> int:
    frames = 0
    with soundfile.SoundFile(
        _native_name(path),
        "w",
        sample_rate,
        channels,
        codec.subtype,
        format=codec.format,
        compression_level=codec.compression_level,
        bitrate_mode=codec.bitrate_mode,
    ) as file:
        for block in blocks:
            frames += len(block)
            if codec in _AIFF_BYTES and frames * channels * _AIFF_BYTES[codec] > _AIFF_LIMIT:
                raise SndfileError("an aiff file can't pass 4 GiB")
            file.write(block)
    return frames


def _count_frames(path: Path) -> int:
    frames = 0
    with soundfile.SoundFile(_native_name(path)) as file:
        while block := len(file.read(16384, dtype="float32")):
            frames += block
    return frames


def _provoke_os_error(path: Path) -> None:
    """Write on until the system says why it can't, which libsndfile doesn't hand on."""
    with path.open("ab", buffering=0) as file:
        for _ in range(16):
            file.write(bytes(65536))


def _native_name(path: Path) -> Any:
    """Return `path` for soundfile, which can't encode names that aren't Unicode outside Windows."""
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)
