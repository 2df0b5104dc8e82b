"""One pass over an audio file that gathers what its pictures and findings need."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from stemkit.audio.decode import AudioReader
from stemkit.errors import NonFiniteError
from stemkit.review.frames import FeatureMeter, Features, Floats, Frames
from stemkit.samples import Samples

MOST_COLUMNS = 2048
"""How many columns a picture has at most; files longer than a minute have more than half that."""

FULL_SCALE = 0.9999
"""From here on a sample counts as clipped: 16-bit samples reach 0.99997 at most."""

CLIPPED_FRAMES = 3
"""So many samples on end have to be at full scale."""

MOST_CLIPPED = 1000
"""How many clipped runs are told apart; what is beyond them joins the last."""

FLOOR_DB, TOP_DB = -100.0, 0.0
ROWS = 192
ROW_CORNER_HZ = 300.0  # rows are linear below, logarithmic above
HIGHEST_HZ = 20000.0

_BLOCK_FRAMES = 65536
_HOP_COLUMNS = 16  # of the envelope


@dataclass(frozen=True)
class Envelope:
    """The outline of a waveform, of all channels together, (columns,) each, full scale at 1.

    Column i is of samples i * `column_frames` and after; the last column may be of fewer.
    """

    column_frames: int
    low: Floats
    high: Floats
    rms: Floats


@dataclass(frozen=True)
class Spectrogram:
    """Levels in dB, (rows, columns) uint8: 0 is `floor_db` or less, 255 is `top_db`, linearly.

    Row i is of `row_hz[i]`, from low to high; column i is of samples i * `column_frames` and after.
    A full-scale sine reads 0 dB, or down to -3 where it falls between rows.
    """

    column_frames: int
    row_hz: Floats
    floor_db: float
    top_db: float
    levels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scan:
    """What is known of an audio file after one pass: some 400 kB, and 1.4 kB for each second.

    `peak` is the highest absolute sample. `clipped` are runs of full-scale samples as (start, end)
    in frames.
    """

    sample_rate: int
    channels: int
    frames: int
    peak: float
    clipped: tuple[tuple[int, int], ...]
    envelope: Envelope
    spectrogram: Spectrogram
    features: Features

    @property
    def seconds(self) -> float:
        """How long the audio lasts."""
        return self.frames / self.sample_rate


def scan_audio(path: Path) -> Scan:
    """Return what pictures and findings need of an audio file, in one pass and bounded memory.

    Raises NotAudioError and DecodeError as `AudioReader` does, and NonFiniteError for NaN or
    infinity among the samples.
    """
    with AudioReader(path) as reader:
        scanner = Scanner(reader.info.sample_rate, reader.info.channels)
        for block in reader.blocks(_BLOCK_FRAMES):
            if not np.isfinite(block).all():
                raise NonFiniteError(f"{path.name!r} has NaN or infinity among its samples")
            scanner.push(block)
    return scanner.finish()


class Scanner:
    """A scan in the making."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._sample_rate, self._channels, self._frames = sample_rate, channels, 0
        self._spectra = Frames(sample_rate, channels)
        self._meter = FeatureMeter(self._spectra)
        bins = len(self._spectra.window) // 2 + 1
        self._row_hz, self._weights = _plan_rows(bins, self._spectra.bin_hz)
        self._column_frames = self._spectra.hop // _HOP_COLUMNS
        self._low = _Columns(np.minimum, 1)
        self._high = _Columns(np.maximum, 1)
        self._squares = _Columns(np.add, 1)
        self._levels = _Columns(np.add, ROWS)
        self._clipping = _ClippingMeter(channels)

    def push(self, block: Samples) -> None:
        """Measure `block`, (channels, frames); all but the last have `_BLOCK_FRAMES`."""
        self._frames += block.shape[1]
        self._clipping.push(block)
        starts = np.arange(0, block.shape[1], self._column_frames)
        self._low.push(np.minimum.reduceat(block.min(axis=0), starts)[:, None])
        self._high.push(np.maximum.reduceat(block.max(axis=0), starts)[:, None])
        self._squares.push(np.add.reduceat(np.square(block).mean(axis=0), starts)[:, None])
        self._push_spectra(self._spectra.push(block))

    def _push_spectra(self, power: Floats) -> None:
        self._meter.push(power)
        self._levels.push((self._weights @ power.T).T)

    def finish(self) -> Scan:
        """Return the scan of all that was pushed."""
        self._push_spectra(self._spectra.flush(self._frames))
        envelope = self._outline()
        return Scan(
            self._sample_rate,
            self._channels,
            self._frames,
            float(np.abs([envelope.low, envelope.high]).max(initial=0)),
            self._clipping.finish(),
            envelope,
            self._picture(),
            self._meter.finish(),
        )

    def _outline(self) -> Envelope:
        step = self._column_frames * self._squares.step
        squares = self._squares.finish()[:, 0]
        counts = np.minimum(self._frames - step * np.arange(len(squares)), step)
        rms = np.sqrt(squares / counts)
        return Envelope(step, self._low.finish()[:, 0], self._high.finish()[:, 0], rms)

    def _picture(self) -> Spectrogram:
        power = self._levels.finish() / self._levels.counts()[:, None]
        levels = 10 * np.log10(np.maximum(power.T, 1e-20))
        scaled = np.clip((levels - FLOOR_DB) / (TOP_DB - FLOOR_DB), 0, 1) * 255
        step = self._spectra.hop * self._levels.step
        return Spectrogram(step, self._row_hz, FLOOR_DB, TOP_DB, np.rint(scaled).astype(np.uint8))


class _Columns:
    """A stream of rows of numbers in at most `MOST_COLUMNS` columns, as many as fit.

    Each column joins `step` of what was pushed by `join`. When there is no room for more, two
    columns each become one.
    """

    def __init__(self, join: np.ufunc, rows: int) -> None:
        self._join = join
        self._columns: Floats = np.zeros((MOST_COLUMNS, rows), np.float32)
        self.step, self._pushed = 1, 0

    def push(self, values: Floats) -> None:
        """Add `values`, (count, rows)."""
        if not len(values):
            return
        while self._pushed + len(values) > MOST_COLUMNS * self.step:
            self._halve()
        place = (self._pushed + np.arange(len(values))) // self.step
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        joined = self._join.reduceat(values, starts, axis=0)
        if self._pushed % self.step:
            joined[0] = self._join(joined[0], self._columns[place[0]])
        self._columns[place[starts]] = joined
        self._pushed += len(values)

    def _halve(self) -> None:
        used = -(-self._pushed // self.step)
        starts = np.arange(0, used, 2)
        if used:
            self._columns[: len(starts)] = self._join.reduceat(self._columns[:used], starts, axis=0)
        self.step *= 2

    def counts(self) -> npt.NDArray[np.int64]:
        """Return how many values each column is of."""
        used = -(-self._pushed // self.step)
        return np.minimum(self._pushed - self.step * np.arange(used), self.step)

    def finish(self) -> Floats:
        """Return the columns, (columns, rows)."""
        return self._columns[: -(-self._pushed // self.step)]


class _ClippingMeter:
    """Runs of at least `CLIPPED_FRAMES` full-scale samples in some channel."""

    def __init__(self, channels: int) -> None:
        self._held = np.zeros((channels, 0), bool)
        self._position = 0
        self._runs: list[tuple[int, int]] = []

    def push(self, block: Samples) -> None:
        """Look at `block`; a run that reaches over its edge is found too."""
        full = np.concatenate([self._held, np.abs(block) >= FULL_SCALE], axis=1)
        start = self._position - self._held.shape[1]
        self._position += block.shape[1]
        self._held = full[:, -(CLIPPED_FRAMES - 1) :]
        if not full.any():
            return
        count = full.shape[1] - CLIPPED_FRAMES + 1
        begun = np.logical_and.reduce([full[:, s : s + count] for s in range(CLIPPED_FRAMES)])
        for frame in np.flatnonzero(begun.any(axis=0)).tolist():
            self._add(start + frame, start + frame + CLIPPED_FRAMES)

    def _add(self, start: int, end: int) -> None:
        if self._runs and (start <= self._runs[-1][1] or len(self._runs) == MOST_CLIPPED):
            self._runs[-1] = (self._runs[-1][0], end)
        else:
            self._runs.append((start, end))

    def finish(self) -> tuple[tuple[int, int], ...]:
        """Return the runs, in order."""
        return tuple(self._runs)


def _plan_rows(bins: int, bin_hz: float) -> tuple[Floats, csr_array]:
    """Return the frequency of each row, and what it takes of each bin, (rows, bins).

    A row gathers the power between its neighbours, so that a sine has its level in each, and pink
    noise one colour.
    """
    highest = min(HIGHEST_HZ, (bins - 1) * bin_hz)
    top = np.log1p(highest / ROW_CORNER_HZ)
    row_hz = ROW_CORNER_HZ * np.expm1(np.arange(1, ROWS + 1) / ROWS * top)
    width_hz = np.maximum(np.gradient(row_hz), bin_hz)[:, None]
    apart = np.abs(np.arange(bins) * bin_hz - row_hz[:, None]) / width_hz
    lobe = 1 + 0.5 * (1 - bin_hz / width_hz)  # of a Hann window: the bins beside have a quarter
    weights = np.maximum(0, 1 - apart) / lobe
    return row_hz.astype(np.float32), csr_array(weights.astype(np.float32))
