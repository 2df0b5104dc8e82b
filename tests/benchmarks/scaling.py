"""Measure and plot how time and memory of `stemkit separate` grow with what it is given.

    python -m tests.benchmarks.scaling minutes [--minutes 1 10 60 180] [--preset karaoke]
    python -m tests.benchmarks.scaling files [--files 10 100 1000] [--seconds 3]

`minutes` separates one file of each length, `files` a folder of each number of short clips. Both
are cut from one song, again from its start where it's too short; no two clips are the same. Each
run is a process of its own, from its start to its end, with 16-bit stems. Its memory is the sum of
the peaks of all its processes. 180 minutes need 12 GB where temporary files go (TMPDIR).
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stemkit.samples import Samples
from tests.benchmarks.library import time_process
from tests.benchmarks.processor import name_processor

SONG = Path("examples/audio/word-war-vi.ogg")

_COLOUR = "#2e86ab"
_GRID = "#e4e7eb"
_DPI = 100
_PANEL_INCHES = (4.0, 3.0)


@dataclass(frozen=True)
class Song:
    """What inputs are cut from; its samples are (channels, frames)."""

    samples: Samples
    sample_rate: int

    def take(self, first: int, frames: int) -> Samples:
        """Return so many frames from `first` on, again from the start after the end."""
        length = self.samples.shape[1]
        return self.samples[:, np.arange(first, first + frames) % length]


@dataclass(frozen=True)
class Run:
    """What it took to separate so many minutes or files."""

    amount: float
    seconds: float
    peak_mb: float


def main() -> None:
    """Print what is asked for, with the machine and the versions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["minutes", "files"])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60, 180])
    parser.add_argument("--files", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--seconds", type=float, default=3, help="How long each clip is.")
    parser.add_argument("--song", type=Path, default=SONG)
    parser.add_argument("--preset", help="Send the stems through this preset.")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    options = parser.parse_args()
    song = read_song(options.song)
    extra = ["--preset", options.preset] if options.preset else []
    print(describe_machine() + "\n")
    if options.what == "minutes":
        runs = tell_runs("minute", measure_minutes(song, options.minutes, extra))
        print("\n" + describe_line(runs))
        figure = draw_minutes(runs)
    else:
        runs = tell_runs("file", measure_files(song, options.files, options.seconds, extra))
        figure = draw_files(runs, options.seconds)
    if options.plot:
        save_figure(figure, options.plot)


def describe_machine() -> str:
    """Return the processor, its cores and the versions, as one line."""
    return (
        f"{name_processor()}, {len(os.sched_getaffinity(0))} cores, "
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def read_song(path: Path) -> Song:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return Song(samples.T, rate)


def measure_minutes(song: Song, lengths: Sequence[float], extra: Sequence[str]) -> Iterator[Run]:
    """Yield what a file of each length takes."""
    for minutes in lengths:
        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / "song.wav"
            write_song(source, song, 60 * minutes)
            yield Run(minutes, *separate(source, Path(name) / "out", extra))


def measure_files(
    song: Song, counts: Sequence[int], seconds: float, extra: Sequence[str]
) -> Iterator[Run]:
    """Yield what a folder of each number of clips takes."""
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / "songs"
            write_clips(source, song, count, seconds)
            yield Run(count, *separate(source, Path(name) / "out", extra))


def separate(source: Path, out: Path, extra: Sequence[str]) -> tuple[float, float]:
    """Return the seconds that `stemkit separate` takes, and its peak memory in MB."""
    command = [sys.executable, "-m", "stemkit", "separate", str(source), "-o", str(out)]
    return time_process([*command, "-q", "--format", "wav", "--bit-depth", "16", *extra])


def write_song(path: Path, song: Song, seconds: float) -> None:
    """Write a file of this length, up to a minute at a time."""
    total, step = round(seconds * song.sample_rate), 60 * song.sample_rate
    with soundfile.SoundFile(path, "w", song.sample_rate, len(song.samples), "PCM_16") as file:
        for first in range(0, total, step):
            file.write(song.take(first, min(step, total - first)).T)


def write_clips(folder: Path, song: Song, count: int, seconds: float) -> None:
    """Write clips that begin at places spread evenly over the song."""
    folder.mkdir()
    frames = round(seconds * song.sample_rate)
    for number in range(count):
        clip = song.take(number * song.samples.shape[1] // count, frames)
        soundfile.write(folder / f"{number:05}.wav", clip.T, song.sample_rate, "PCM_16")


def tell_runs(unit: str, runs: Iterator[Run]) -> list[Run]:
    """Print a table, a row as soon as its run ends, and return the runs."""
    print(f"| {unit}s | seconds | seconds per {unit} | peak memory, MB |")
    print("| ---: | ---: | ---: | ---: |", flush=True)
    done = []
    for run in runs:
        print(f"| {run.amount:g} | {run.seconds:.1f} | {run.seconds / run.amount:.3f} "
              f"| {run.peak_mb:.0f} |", flush=True)  # fmt: skip
        done.append(run)
    return done


def fit_slope(runs: Sequence[Run]) -> float:
    """Return the slope of the line through the origin with the least squared error."""
    return sum(run.amount * run.seconds for run in runs) / sum(run.amount**2 for run in runs)


def describe_line(runs: Sequence[Run]) -> str:
    """Return the slope of the line, and where runs are farthest from it."""
    slope = fit_slope(runs)
    farthest = max(runs, key=lambda run: abs(run.seconds - slope * run.amount))
    relative = max(runs, key=lambda run: abs(run.seconds / run.amount - slope))
    return (
        f"Slope of the line through the origin: {slope:.3f} s per minute of audio; largest "
        f"deviations: {farthest.seconds - slope * farthest.amount:+.1f} s at {farthest.amount:g} "
        f"minutes, {relative.seconds / relative.amount / slope - 1:+.1%} at {relative.amount:g}"
    )


def draw_minutes(runs: Sequence[Run]) -> Figure:
    """Draw time and memory against minutes of audio."""
    slope, longest = fit_slope(runs), max(run.amount for run in runs)
    figure, (left, right) = open_figure(2)
    left.plot([0, longest], [0, slope * longest], color=_COLOUR, lw=1,
              label=f"{slope:.2f} s per minute")  # fmt: skip
    add_dots(left, runs, [run.seconds for run in runs], "time, s")
    add_dots(right, runs, [run.peak_mb for run in runs], "peak memory, MB")
    left.legend(frameon=False, loc="upper left")
    for axes in (left, right):
        axes.set_xlabel("minutes of audio")
        axes.set_xlim(left=0)
    return figure


def draw_files(runs: Sequence[Run], seconds: float) -> Figure:
    """Draw time per file against the number of files."""
    figure, (axes,) = open_figure(1)
    axes.set_xscale("log")
    add_dots(axes, runs, [run.seconds / run.amount for run in runs], "time per file, s")
    axes.set_xlabel(f"files of {seconds:g} s")
    axes.set_xticks([run.amount for run in runs], [f"{run.amount:g}" for run in runs])
    return figure


def open_figure(panels: int) -> tuple[Figure, list[Axes]]:
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(panels * width, height), dpi=_DPI, layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0].tolist()


def add_dots(axes: Axes, runs: Sequence[Run], values: Sequence[float], title: str) -> None:
    axes.plot([run.amount for run in runs], values, "o", color=_COLOUR)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylim(0, 1.15 * max(values))
    axes.grid(color=_GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    main()
