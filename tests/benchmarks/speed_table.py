"""The table of `tests.benchmarks.speed`, in GitHub's Markdown."""

from dataclasses import dataclass

import numpy as np

from stemkit.separation.options import Precision
from tests.benchmarks.contenders.field import Contender, Files
from tests.benchmarks.contenders.figures import Figures

COLUMNS = (
    "model",
    "run by",
    "end to end, s per min",
    "network alone, s per min",
    "GFLOP per s of audio",
    "GFLOP/s",
    "of GEMM rate",
    "peak memory, MB",
    "SNR to stemkit float32, dB",
    "times bytesep",
    "times real time",
)
NOTHING = "-"


@dataclass(frozen=True)
class Results:
    """What a run found: medians, and what was counted once."""

    figures: dict[Contender, Figures]
    gflop: dict[Contender, float]  # for each second of audio, by a contender's reference
    gemm: dict[Precision, float]  # GFLOP/s
    auto_precision: Precision

    def precision(self, contender: Contender) -> Precision:
        """Return the precision of a contender's convolutions."""
        return self.auto_precision if contender.way in ("auto", "compiled") else "float32"


def print_table(results: Results, files: Files) -> None:
    """Print a line for each contender that came through, and what the columns are shares of."""
    print_cells(COLUMNS)
    print_cells(("---", "---", *("---:" for _ in COLUMNS[2:])))
    for contender in results.figures:
        print_cells(list_cells(contender, results, files))
    rates = (f"{rate:.0f} GFLOP/s at {precision}" for precision, rate in results.gemm.items())
    print(f"\nGEMM rate: {', '.join(rates)}. `auto` is {results.auto_precision} here.")


def print_cells(cells: tuple[str, ...]) -> None:
    """Print one line of the table."""
    print(f"| {' | '.join(cells)} |")


def list_cells(contender: Contender, results: Results, files: Files) -> tuple[str, ...]:
    """Return a contender's cells, in the order of `COLUMNS`."""
    figures = results.figures[contender]
    theirs = results.figures.get(Contender(contender.model, "bytesep"))
    return (
        contender.model,
        contender.label,
        f"{figures.end_to_end_seconds:.2f}",
        f"{figures.network_seconds:.2f}",
        *list_work(contender, results),
        f"{figures.peak_mb:.0f}",
        compare_vocals(contender, results, files),
        f"{theirs.end_to_end_seconds / figures.end_to_end_seconds:.2f}" if theirs else NOTHING,
        f"{60 / figures.end_to_end_seconds:.2f}",
    )


def list_work(contender: Contender, results: Results) -> tuple[str, str, str]:
    """Return the work of a second of audio, and how fast it was done, also as a share."""
    gflop = results.gflop.get(contender.reference)
    if gflop is None:
        return NOTHING, NOTHING, NOTHING
    rate = gflop * 60 / results.figures[contender].network_seconds
    share = rate / results.gemm[results.precision(contender)]
    return f"{gflop:.2f}", f"{rate:.0f}", f"{share:.0%}"


def compare_vocals(contender: Contender, results: Results, files: Files) -> str:
    """Return the SNR in dB of the first segment's vocals against stemkit's at float32.

    Nothing where bytesep's segment, always 30 s, is longer than the song.
    """
    reference = Contender(contender.model, "float32")
    if contender == reference or reference not in results.figures:
        return NOTHING
    expected = np.load(files.vocals(reference)).astype(np.float64)
    found = np.load(files.vocals(contender))
    if found.shape != expected.shape:
        return NOTHING
    error = np.square(expected - found).sum()
    return f"{10 * np.log10(np.square(expected).sum() / error):.0f}" if error else "equal"
