"""Time stemkit against bytesep, Demucs and Open-Unmix: same audio, in turns, in one run.

    python -m tests.benchmarks.speed [--seconds 30] [--turns 3] [--only PATTERN] [--device cuda]

Prints a Markdown table of medians. `--only` chooses contenders, such as "mobilenet*" or "*auto",
and may be given several times.

- bytesep and stemkit have the same seeded weights; `stemkit-small` has its own, the others random
  ones. bytesep, Demucs and Open-Unmix run at the defaults of their own commands. All use the CPU,
  or one GPU.
- End to end is from a 16-bit wav file to the closed 16-bit wav files of all stems, by a process
  that has loaded the model and separated a clip of 3 s: that start isn't counted, nor is compiling,
  which is done once for a machine and told below the table. bytesep and stemkit write the vocals of
  an architecture; `stemkit-small` writes two stems, and the others four.
- bytesep's segments are 30 s, and overlap by half where there are several: a song of 30 s is what
  it does best. A shorter one costs it as much, and a longer one up to twice as much a minute.
- The network alone is one forward pass over the segment length that each uses, or as many as it
  runs at once, divided by the audio that this covers. What is counted as work is that of one pass,
  without what overlaps compute again; see `contenders.work`. Work divided by time is the GFLOP/s.
- The GEMM rate is that of a product of two 2048 x 2048 matrices, at the same precision.
- The peak memory is a process's, or its GPU's, until it has separated the song.
- The SNR is that of the vocals that the network alone gives. bytesep's is there for songs of 30 s
  only, where its segment is stemkit's.

Each contender is a process of its own, for an engine changes how malloc works for all of a process,
and a peak is a process's. They take turns, and who fails is left out.

Needs what the tests need, and `pip install --no-deps demucs==4.1.0 julius einops openunmix==1.3.0`.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from contextlib import suppress
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from stemkit.samples import Samples
from stemkit.separation.options import Precision
from tests.benchmarks.contenders.field import (
    ARCHITECTURES,
    Contender,
    Files,
    list_contenders,
    list_missing,
)
from tests.benchmarks.contenders.figures import Figures, Machine
from tests.benchmarks.contenders.runner import RATE
from tests.benchmarks.processor import name_processor
from tests.benchmarks.speed_table import Results, print_table

CLIP_SECONDS = 3


def main() -> None:
    """Run each contender in turn, each time in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", action="append", metavar="PATTERN", default=[])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    os.environ["BENCHMARK_DEVICE"] = options.device
    contenders = choose_contenders(options.only)
    if not contenders:
        names = "\n".join(contender.name for contender in list_contenders())
        parser.error(f"nobody takes part; choose among:\n{names}")
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        write_audio(files, options.seconds)
        run(contenders, files, options)


def run(contenders: list[Contender], files: Files, options: argparse.Namespace) -> None:
    """Prepare what needs it, let all take their turns, and print what came of it."""
    for architecture in {one.model for one in contenders}.intersection(ARCHITECTURES):
        start(files, "seed", architecture, str(files.weights(architecture)))
    compiling = prepare(contenders, files)
    contenders = [one for one in contenders if one.way != "compiled" or one in compiling]
    machine = Machine(**start(files, "describe"))
    results = take_turns(contenders, machine, files, options.turns)
    print(f"\n{describe(machine)}")
    print(f"{options.seconds:g} s of audio, {options.turns} turns, medians\n")
    print_table(results, files)
    for contender, seconds in compiling.items():
        print(f"Compiling {contender.model} took {seconds:.0f} s, which isn't counted.")


def choose_contenders(patterns: list[str]) -> list[Contender]:
    """Return who takes part; print what to install for those who can't."""
    chosen = [
        contender
        for contender in list_contenders()
        if not patterns or any(fnmatch(contender.name, pattern) for pattern in patterns)
    ]
    for way in dict.fromkeys(contender.way for contender in chosen):
        if missing := list_missing(way):
            print(f"{way} is left out; pip install --no-deps {' '.join(missing)}")
            chosen = [contender for contender in chosen if contender.way != way]
    return chosen


def write_audio(files: Files, seconds: float) -> None:
    """Write the song, pink-like noise, and the clip, its beginning."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal((2, round(seconds * RATE))))
    spectrum /= np.sqrt(np.arange(spectrum.shape[1]) + 100)
    signal = np.fft.irfft(spectrum)
    mix: Samples = np.asarray(0.1 * signal / signal.std(), dtype=np.float32)
    soundfile.write(files.song, mix.T, RATE, "PCM_16")
    soundfile.write(files.clip, mix[:, : CLIP_SECONDS * RATE].T, RATE, "PCM_16")


def prepare(contenders: list[Contender], files: Files) -> dict[Contender, float]:
    """Let those compile that do, into a folder of this run; return the seconds that it took."""
    found = {one: ask("prepare", one, files) for one in contenders if one.way == "compiled"}
    return {contender: seconds for contender, seconds in found.items() if seconds is not None}


def take_turns(contenders: list[Contender], machine: Machine, files: Files, turns: int) -> Results:
    """Measure everyone and the GEMM rate once a turn, and then count the work of who is left."""
    taken: dict[Contender, list[Figures]] = {contender: [] for contender in contenders}
    precisions: tuple[Precision, ...] = ("float32", machine.auto_precision)
    rates: dict[Precision, list[float]] = {precision: [] for precision in precisions}
    for _ in range(turns):
        for precision, found in rates.items():
            found.append(start(files, "gemm", precision))
        for contender in list(taken):
            figures = ask("measure", contender, files)
            if figures is None:
                del taken[contender]
            else:
                taken[contender].append(Figures(**figures))
    return Results(
        {contender: find_medians(figures) for contender, figures in taken.items()},
        count_work(list(taken), files),
        {precision: statistics.median(found) for precision, found in rates.items()},
        machine.auto_precision,
    )


def count_work(contenders: list[Contender], files: Files) -> dict[Contender, float]:
    """Return the GFLOP for each second of audio of those to whom the contenders are compared."""
    references = dict.fromkeys(contender.reference for contender in contenders)
    found = {reference: ask("count", reference, files) for reference in references}
    return {reference: gflop for reference, gflop in found.items() if gflop is not None}


def find_medians(figures: list[Figures]) -> Figures:
    """Return the median of each figure."""
    return Figures(
        statistics.median(one.end_to_end_seconds for one in figures),
        statistics.median(one.network_seconds for one in figures),
        statistics.median(one.peak_mb for one in figures),
    )


def ask(task: str, contender: Contender, files: Files) -> Any:
    """Return what a contender finds, or None where it fails, and say so."""
    print(f"{task}: {contender.name}", file=sys.stderr)
    try:
        return start(files, task, contender.model, contender.way, str(files.folder))
    except RuntimeError as error:
        print(f"{contender.name} failed to {task} and is left out: {error}")
        return None


def start(files: Files, *arguments: str) -> Any:
    """Return what a new process finds; raises RuntimeError with its last words where it fails.

    A child's peak memory is never below what this process had when it started it.
    """
    found = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.contenders.run", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"STEMKIT_HOME": str(files.folder)},
    )
    if found.returncode:
        last_words = found.stderr.strip().splitlines()[-1:]
        raise RuntimeError(*last_words or [f"it ended with code {found.returncode}"])
    return json.loads(found.stdout.splitlines()[-1])


def describe(machine: Machine) -> str:
    """Return the processor, the threads, the versions and the date."""
    return ", ".join(
        (
            name_processor(),
            f"{len(os.sched_getaffinity(0))} cores",
            f"{machine.threads} threads",
            machine.capability,
            f"Python {platform.python_version()}",
            *list_versions("torch", "stemkit", "bytesep", "demucs", "openunmix"),
            str(datetime.date.today()),
        )
    )


def list_versions(*packages: str) -> list[str]:
    """Return the versions of those packages that are installed."""
    found = []
    for package in packages:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return found


if __name__ == "__main__":
    main()
