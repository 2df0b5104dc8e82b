"""Write the stems of one song: all of them or none, and never clipped."""

import errno
import os
import secrets
import zlib
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from stemkit.audio.encode import (
    BLOCK_FRAMES,
    OutputFormat,
    explain_write_errors,
    write_encoded,
)
from stemkit.audio.wav import WavLayout, WavWriter, read_float_blocks
from stemkit.errors import EncodeError
from stemkit.samples import Samples

PARTIAL_PATTERN = ".stemkit-*.partial"
"""The names of files that were being written when a run was killed; safe to remove afterwards."""


@dataclass(frozen=True)
class StemOutput:
    """One stem as it was written.

    `frames` and `peak` (1 is full scale) are of the samples as they came, before the gain and at
    the input's rate. All stems of a song have the same `gain_db`, 0 unless they were turned down.
    """

    stem: str
    path: Path
    frames: int
    peak: float
    gain_db: float


class StemsWriter:
    """Context manager that writes stems to `targets` (stem to file), in bounded memory.

    Stems are kept as 32-bit float WAV files beside their targets until the last sample is there. If
    the format doesn't hold floats and the highest peak of any stem is beyond full scale, all stems
    are turned down by one gain, which takes that peak to full scale: so they still sum to the mix,
    turned down. Then all are encoded, and only then do they take their final names. Without
    `finish`, nothing of them stays; folders made on the way do.

    Raises OptionError for a format that can't hold the audio, and EncodeError for what can't be
    written or has NaN or infinity in it.
    """

    def __init__(
        self,
        targets: dict[str, Path],
        sample_rate: int,
        channels: int,
        output_format: OutputFormat,
    ) -> None:
        output_format.check(channels, sample_rate)
        self._targets = targets
        self._sample_rate = sample_rate
        self._channels = channels
        self._format = output_format
        self._spools: dict[str, WavWriter] = {}
        self._peaks = dict.fromkeys(targets, 0.0)
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        """Make the folders and open a temporary file for each stem."""
        with self._cleanup:
            for stem, target in self._targets.items():
                with explain_write_errors(target):
                    self._spools[stem] = self._open_spool(target)
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove whatever has not taken its final name."""
        self._cleanup.close()

    def write(self, stems: dict[str, Samples]) -> None:
        """Append one block of each stem, all of shape (channels, frames)."""
        for stem, target in self._targets.items():
            block = stems[stem]
            self._peaks[stem] = max(self._peaks[stem], _finite_peak(stem, block))
            with explain_write_errors(target):
                self._spools[stem].write(block)

    def finish(self) -> dict[str, StemOutput]:
        """Encode all stems, give them their final names and say what was written."""
        gain = self._shared_gain()
        whole = {stem: self._encode(stem, gain) for stem in self._targets}
        for stem, target in self._targets.items():
            with explain_write_errors(target):
                whole[stem].replace(target)
                _sync_folder(target.parent)
        gain_db = 20 * float(np.log10(gain))
        return {
            stem: StemOutput(stem, target, self._spools[stem].frames, self._peaks[stem], gain_db)
            for stem, target in self._targets.items()
        }

    def _open_spool(self, target: Path) -> WavWriter:
        _make_folder(target.parent)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        layout = WavLayout(self._sample_rate, self._channels, "32f")
        return self._cleanup.enter_context(WavWriter(self._partial_beside(target), layout))

    def _partial_beside(self, target: Path) -> Path:
        """Return a new name in the target's folder, removed in the end if it's still there."""
        path = target.with_name(
            PARTIAL_PATTERN.replace("*", f"{os.getpid()}-{secrets.token_hex(4)}")
        )
        self._cleanup.callback(path.unlink, missing_ok=True)
        return path

    def _shared_gain(self) -> float:
        peak = max(self._peaks.values(), default=0.0)
        return 1.0 if self._format.holds_floats or peak <= 1.0 else 1.0 / peak

    def _encode(self, stem: str, gain: float) -> Path:
        """Return the temporary file that holds all of `stem`, in the format and on the disk."""
        spool = self._spools[stem]
        with explain_write_errors(self._targets[stem]):
            spool.finish()
            whole = spool.path
            if not self._format.holds_floats:
                whole = self._partial_beside(self._targets[stem])
                blocks = (b * np.float32(gain) for b in read_float_blocks(spool, BLOCK_FRAMES))
                seed = zlib.crc32(stem.encode())
                write_encoded(whole, blocks, self._sample_rate, self._channels, self._format, seed)
                spool.path.unlink()
            _sync_file(whole)
        return whole


def _finite_peak(stem: str, block: Samples) -> float:
    peak = float(np.max(np.abs(block), initial=0.0))
    if not np.isfinite(peak):
        raise EncodeError(
            f"stem '{stem}' came out with NaN or infinity; try again with precision float32"
        )
    return peak


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _sync_file(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Windows and some network folders can't; there the rename is as safe as it gets.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
