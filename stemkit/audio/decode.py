"""Read any audio file as float32 blocks, in bounded memory."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from stemkit.audio.complaints import contradiction, cut_off, reading
from stemkit.audio.container_ends import check_ogg
from stemkit.audio.decode_av import read_av
from stemkit.audio.decode_sndfile import read_sndfile
from stemkit.audio.info import ROUNDED_FRAMES, AudioInfo
from stemkit.audio.probe import describe
from stemkit.audio.sniff import identify
from stemkit.errors import DecodeError, OptionError
from stemkit.samples import Samples


class AudioReader:
    """One audio file, opened for reading at its own rate and channel count.

    Samples aren't clipped, and may be NaN or infinite where the file stores floats. The delay and
    padding that an encoder added are left out where the file states them: in mp3 with a LAME tag,
    Opus, and AAC in MP4. An aac stream, MP4 without an edit list and WMA don't.

    Raises what `probe_audio` does, and DecodeError for any damage to an Ogg file, which is read
    once to find it.
    """

    def __init__(self, path: Path) -> None:
        self._content = identify(path)
        if self._content.container in ("ogg", "ogg-flac", "ogg-opus"):
            with reading(path):
                check_ogg(path, self._content.offset)
        self.info: AudioInfo = describe(path, self._content)
        self._open_blocks = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open_blocks.close()

    def blocks(self, block_frames: int = 65536) -> Iterator[Samples]:
        """Yield the whole file from its start, as fresh arrays of `block_frames`, the last shorter.

        Each call starts anew. Raises DecodeError where the file is damaged or changes its rate or
        channel count, and after the last block if the file holds more or less than it says: a file
        is only known to be whole when this iterator has ended. An Ogg file, whose pages were
        checked, may hold what its clock doesn't say. An mp3 may lack its last two frames and may
        have tags or junk after them. What can't be noticed is a cut in an mp3 without Xing tag or
        an aac stream.

        Raises OptionError for `block_frames` below 1.
        """
        if block_frames < 1:
            raise OptionError(f"block_frames is {block_frames}; give at least 1")
        blocks = self._read_blocks(block_frames)
        self._open_blocks.callback(blocks.close)
        return blocks

    def _read_blocks(self, block_frames: int) -> Generator[Samples, None, None]:
        position = 0
        for block in _regroup(self._read(block_frames), block_frames):
            position += block.shape[1]
            yield block
        self._check_length(position)

    def _read(self, block_frames: int) -> Iterator[Samples]:
        path = self.info.path
        if self.info.decoder == "soundfile":
            return read_sndfile(self.info, block_frames)
        return read_av(path, self._content, self.info)

    def _check_length(self, position: int) -> None:
        path, frames = self.info.path, self.info.frames
        tolerance = ROUNDED_FRAMES if self.info.container in ("mp3", "mp4") else 0
        if position == 0:
            raise DecodeError(f"{path.name!r} holds no audio; remove it")
        if frames is None or self.info.container in ("ogg", "ogg-opus"):
            return  # each page of an Ogg file was checked; its clock may start before or after 0
        if position < frames - tolerance:
            raise cut_off(path, position, frames, "frames")
        if position > frames + tolerance:
            raise contradiction(path, f"{frames} frames, where {position} are there")


def _regroup(pieces: Iterable[Samples], block_frames: int) -> Iterator[Samples]:
    """Yield the same audio in arrays of `block_frames`, and what is left at the end."""
    held: list[Samples] = []
    held_frames = 0
    for piece in pieces:
        held.append(piece)
        held_frames += piece.shape[1]
        if held_frames < block_frames:
            continue
        joined = np.concatenate(held, axis=1)
        whole_frames = held_frames - held_frames % block_frames
        for start in range(0, whole_frames, block_frames):
            yield joined[:, start : start + block_frames].copy()
        held, held_frames = [joined[:, whole_frames:]], held_frames - whole_frames
    if held_frames:
        yield np.concatenate(held, axis=1)
