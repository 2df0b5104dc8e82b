"""Decode with libsndfile: WAV, AIFF, CAF and Ogg Vorbis."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from stemkit.audio.complaints import check_layout, damaged, reading
from stemkit.audio.info import AudioInfo
from stemkit.audio.ogg import VORBIS_ORDER
from stemkit.audio.sniff import Content
from stemkit.samples import Samples


def describe_sndfile(path: Path, content: Content) -> AudioInfo:
    """Return what the header says; raises DecodeError if libsndfile can't open the file."""
    with _open_file(path) as file:
        check_layout(path, file.samplerate, file.channels)
        return AudioInfo(
            path=path,
            sample_rate=file.samplerate,
            channels=file.channels,
            frames=file.frames,
            container=content.container,
            codec=file.subtype.lower(),
            decoder="soundfile",
        )


def read_sndfile(info: AudioInfo, block_frames: int) -> Iterator[Samples]:
    """Yield the audio in blocks of at most `block_frames` frames; raises DecodeError."""
    order = VORBIS_ORDER.get(info.channels) if info.container == "ogg" else None
    with _open_file(info.path) as file:
        while len(block := file.read(block_frames, dtype="float32", always_2d=True)):
            yield np.ascontiguousarray(block.T if order is None else block.T[list(order)])


@contextmanager
def _open_file(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open by descriptor, as soundfile guesses from names and can't encode them all."""
    try:
        with (
            reading(path),
            path.open("rb") as file,
            soundfile.SoundFile(file.fileno(), closefd=False) as sound_file,
        ):
            yield sound_file
    except soundfile.LibsndfileError as error:
        raise damaged(path, error.error_string) from error
