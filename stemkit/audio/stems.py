"""Write the stems of one song: all of them or none, and never clipped."""

import errno
import math
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from stemkit.audio.encode import (
    BLOCK_FRAMES,
    OutputFormat,
    explain_write_errors,
    lay_out_wav,
    write_encoded,
)
from stemkit.audio.levels import TRACE_LAYOUT, Level, LevelledSpool, Levelling
from stemkit.audio.meter import Measured, Meter
from stemkit.audio.steps import check_rate
from stemkit.audio.tags.metadata import NOTHING, Metadata
from stemkit.audio.wav import WavLayout, WavWriter, read_float_blocks
from stemkit.errors import EncodeError, OptionError
from stemkit.files import partial_path
from stemkit.samples import Samples


@dataclass(frozen=True)
class StemOutput:
    """One stem as it was written.

    `frames` and `peak` (1 is full scale) are of the samples as they came, before the gain and at
    the input's rate. `gain_db` is what was added to them, before any limiting. All stems of a song
    without a Level have the same, 0 unless they were turned down. `levels` are those of what was
    written, before it was rounded or encoded.
    """

    stem: str
    path: Path
    frames: int
    peak: float
    gain_db: float
    levels: Measured


class StemsWriter:
    """Context manager that writes stems to `targets` (stem to file), in bounded memory.

    Stems are kept as 32-bit float WAV files beside their targets until the last sample is there.
    A stem in `levels` is brought to its Level. If the format doesn't hold floats and the highest
    peak of any other stem is beyond full scale, all those others are turned down by one gain, which
    takes that peak to full scale: so they still sum to the mix, turned down. Then all are encoded,
    and only then do they take their final names. Without `finish`, nothing of them stays; folders
    made on the way do. The files say what `metadata` does for their stem.

    Raises OptionError for a format that can't hold the audio, a level of what is not in `targets`
    or at a rate below 4000 Hz, and EncodeError for what can't be written or has NaN or infinity in
    it.
    """

    def __init__(
        self,
        targets: dict[str, Path],
        sample_rate: int,
        channels: int,
        output_format: OutputFormat,
        levels: Mapping[str, Level] | None = None,
        metadata: Mapping[str, Metadata] | None = None,
    ) -> None:
        output_format.check(channels, sample_rate)
        self._targets = targets
        self._sample_rate = sample_rate
        self._channels = channels
        self._format = output_format
        self._levels = levels or {}
        self._metadata = metadata or {}
        self._meters = {stem: Meter(sample_rate, channels) for stem in targets}
        _check_levels(self._levels, targets, sample_rate)
        self._spools: dict[str, WavWriter] = {}
        self._levelled: dict[str, LevelledSpool] = {}
        self._peaks = dict.fromkeys(targets, 0.0)
        self._cleanup = ExitStack()
        self._check: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        """Make the folders and open the temporary files of each stem."""
        with self._cleanup:
            for stem, target in self._targets.items():
                with explain_write_errors(target):
                    self._open(stem, target)
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove whatever has not taken its final name."""
        self._cleanup.close()

    def write(self, stems: Mapping[str, Samples]) -> None:
        """Append a block, (channels, frames) of any length, to each stem that has one."""
        for stem, target in self._targets.items():
            if stem not in stems:
                continue
            self._peaks[stem] = max(self._peaks[stem], _finite_peak(stem, stems[stem]))
            if stem not in self._levels:
                self._meters[stem].push(stems[stem])
            with explain_write_errors(target):
                (self._levelled.get(stem) or self._spools[stem]).write(stems[stem])

    def finish(self, check: Callable[[], None] = lambda: None) -> dict[str, StemOutput]:
        """Encode all stems, give them their final names and say what was written.

        Each is encoded in a thread of its own, for a song alone would wait for one after another.
        `check` is called again and again, and what it raises ends them.
        """
        self._check = check
        with ThreadPoolExecutor(max(1, len(self._targets))) as pool:
            finished = dict(
                zip(self._targets, pool.map(self._finish_stem, self._targets), strict=True)
            )
        for stem, target in self._targets.items():
            with explain_write_errors(target):
                finished[stem][0].replace(target)
                self._spools[stem].path.unlink(missing_ok=True)
                _sync_folder(target.parent)
        return {stem: output for stem, (_, output) in finished.items()}

    def _finish_stem(self, stem: str) -> tuple[Path, StemOutput]:
        """Return the temporary file that holds all of `stem`, and what is to be said of it."""
        with explain_write_errors(self._targets[stem]):
            levelling = self._finish_spool(stem)
            whole = self._encode(stem, levelling)
        return whole, self._describe(stem, levelling)

    def _open(self, stem: str, target: Path) -> None:
        _make_folder(target.parent)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        metadata = self._metadata.get(stem, NOTHING) if self._format.holds_floats else NOTHING
        spool_layout = lay_out_wav(self._sample_rate, self._channels, "32f", metadata)
        self._spools[stem] = self._open_partial(target, spool_layout)
        if stem in self._levels:
            traces = (
                self._open_partial(target, TRACE_LAYOUT),
                self._open_partial(target, TRACE_LAYOUT),
            )
            self._levelled[stem] = LevelledSpool(self._spools[stem], *traces)

    def _open_partial(self, target: Path, layout: WavLayout) -> WavWriter:
        return self._cleanup.enter_context(WavWriter(self._partial_beside(target), layout))

    def _partial_beside(self, target: Path) -> Path:
        """Return a new name in the target's folder, removed in the end if it's still there."""
        path = partial_path(target)
        self._cleanup.callback(path.unlink, missing_ok=True)
        return path

    def _finish_spool(self, stem: str) -> Levelling | None:
        """Return what brings the stem to its Level, or None where none was asked for."""
        if stem not in self._levelled:
            self._spools[stem].finish()
            return None
        self._levelled[stem].finish()
        return self._levelled[stem].level(
            self._levels[stem], holds_floats=self._format.holds_floats
        )

    def _encode(self, stem: str, levelling: Levelling | None) -> Path:
        """Return the temporary file that holds all of `stem`, in the format and on the disk."""
        spool = self._spools[stem]
        whole = spool.path
        if not self._format.holds_floats or (levelling and not levelling.is_neutral):
            whole = self._partial_beside(self._targets[stem])
            blocks = self._blocks(stem, levelling)
            seed = zlib.crc32(stem.encode())
            metadata = self._metadata.get(stem, NOTHING)
            write_encoded(
                whole, blocks, self._sample_rate, self._channels, self._format, seed, metadata,
                spool.frames,
            )  # fmt: skip
        elif levelling:
            deque(self._blocks(stem, levelling), maxlen=0)  # only to measure them
        _sync_file(whole)
        return whole

    def _blocks(self, stem: str, levelling: Levelling | None) -> Iterator[Samples]:
        """Yield what is to be written; what was levelled is measured on the way."""
        if levelling is None:
            gain = np.float32(self._shared_gain())
            for block in read_float_blocks(self._spools[stem], BLOCK_FRAMES):
                self._check()
                yield block * gain
            return
        for block in self._levelled[stem].blocks(levelling, BLOCK_FRAMES):
            self._check()
            self._meters[stem].push(block)
            yield block

    def _shared_gain(self) -> float:
        peaks = (peak for stem, peak in self._peaks.items() if stem not in self._levels)
        peak = max(peaks, default=0.0)
        return 1.0 if self._format.holds_floats or peak <= 1.0 else 1.0 / peak

    def _describe(self, stem: str, levelling: Levelling | None) -> StemOutput:
        gain_db = levelling.gain_db if levelling else 20 * math.log10(self._shared_gain())
        levels = self._meters[stem].finish()
        return StemOutput(
            stem,
            self._targets[stem],
            self._spools[stem].frames,
            self._peaks[stem],
            gain_db,
            levels if levelling else levels.amplified(gain_db),
        )


def _check_levels(
    levels: Mapping[str, Level], targets: Mapping[str, Path], sample_rate: int
) -> None:
    if unknown := next((stem for stem in levels if stem not in targets), None):
        raise OptionError(f"no stem '{unknown}' to level; choose among: {', '.join(targets)}")
    if levels:
        check_rate(sample_rate)


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
