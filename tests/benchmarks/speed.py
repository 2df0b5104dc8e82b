"""Time the engine against bytesep's own separator: same weights, same audio, in turns.

    python -m tests.benchmarks.speed [--seconds 60] [--turns 3]

Prints a Markdown table of medians. Needs what the tests need.
"""

import argparse
import importlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

import stemkit
from stemkit.nn.checkpoints import load_checkpoint
from stemkit.samples import Samples
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions, Precision
from tests.nn.oracle import build_bytesep
from tests.nn.seeded import fill

RATE = 44100


CONTENDERS = ("bytesep", "float32", "auto", "small float32", "small auto")


def main() -> None:
    """Run each contender in turn, each time in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--architecture", default="resunet143-subband")
    parser.add_argument("--contender", choices=CONTENDERS, help="Run this one, here, once.")
    parser.add_argument("--output", type=Path, help="Where its output goes.")
    options = parser.parse_args()
    if options.contender:
        run_contender(options.contender, options.architecture, options.seconds, options.output)
        return
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        outputs = {name: Path(folder) / f"{name}.npy" for name in CONTENDERS}
        for _ in range(options.turns):
            for name in CONTENDERS:
                command = [sys.executable, "-m", "tests.benchmarks.speed", "--contender", name]
                command += ["--architecture", options.architecture]
                command += ["--seconds", str(options.seconds), "--output", str(outputs[name])]
                found = subprocess.run(command, check=True, capture_output=True, text=True)
                seconds[name].append(float(found.stdout.split()[-1]))
        print(f"{options.architecture}, {options.seconds:g} s of audio, {options.turns} turns")
        print_table(options.seconds, seconds, {n: np.load(path) for n, path in outputs.items()})


def run_contender(name: str, architecture: str, seconds: float, output: Path) -> None:
    """Separate once to warm up and once for the clock; print how many seconds that took.

    A process of its own, since an engine changes how malloc works for all of a process.
    """
    mix = make_mix(seconds)
    with tempfile.TemporaryDirectory() as home:
        separate = make_contender(name, architecture, Path(home))
        separate(mix[:, : 3 * RATE])
        took, stem = measure(separate, mix)
    np.save(output, stem)
    print(took)


def make_mix(seconds: float) -> Samples:
    """Return pink-like noise, (2, frames)."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal((2, int(seconds * RATE))))
    spectrum /= np.sqrt(np.arange(spectrum.shape[1]) + 100)
    signal = np.fft.irfft(spectrum)
    return np.asarray(0.1 * signal / signal.std(), dtype=np.float32)


def make_contender(name: str, architecture: str, home: Path) -> Callable[[Samples], Samples]:
    """Return what to time; bytesep's separator is at its defaults."""
    precision: Precision = "float32" if name.endswith("float32") else "auto"
    if name.startswith("small"):
        return make_engine(stemkit.load_network("stemkit-small"), precision)
    network = build_bytesep(architecture, 1, home)
    fill(network, seed=0)
    if name != "bytesep":
        path = home / "seeded.pth"
        torch.save({"model": network.state_dict()}, path)
        return make_engine(load_checkpoint(path, architecture, ("vocals",)), precision)
    separator = importlib.import_module("bytesep.separator").Separator(
        network, segment_samples=30 * RATE, batch_size=1, device="cpu"
    )
    return lambda mix: np.asarray(separator.separate({"waveform": mix}), dtype=np.float32)


def make_engine(network: nn.Module, precision: Precision) -> Callable[[Samples], Samples]:
    """Return a function that gives the vocals of a mix."""
    engine = Engine(network, EngineOptions(("vocals",), "cpu", precision))
    return lambda mix: engine.separate(mix, RATE)["vocals"]


def measure(separate: Callable[[Samples], Samples], mix: Samples) -> tuple[float, Samples]:
    """Return how many seconds one call takes, and what it gives."""
    began = time.perf_counter()
    output = separate(mix)
    return time.perf_counter() - began, output


def print_table(
    audio_seconds: float, seconds: dict[str, list[float]], outputs: dict[str, Samples]
) -> None:
    """Print medians, ratios to bytesep, and each precision's SNR against float32."""
    first = statistics.median(seconds["bytesep"])
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    )
    print("| | s per minute of audio | times bytesep | times real time | SNR to float32 |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        snr = snr_db(outputs.get(name.replace("auto", "float32")), outputs[name])
        print(
            f"| {name} | {median / audio_seconds * 60:.2f} | {first / median:.2f} "
            f"| {audio_seconds / median:.1f} | {snr} |"
        )


def snr_db(reference: Samples | None, output: Samples) -> str:
    """Return the SNR in dB as text, or nothing where the output is its own reference."""
    if reference is None or reference is output:
        return ""
    error = np.square(reference.astype(np.float64) - output).sum()
    return f"{10 * np.log10(np.square(reference.astype(np.float64)).sum() / error):.0f} dB"


if __name__ == "__main__":
    main()
