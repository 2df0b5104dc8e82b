"""Time the engine against bytesep's own separator: same weights, same audio, in turns.

    python -m tests.benchmarks.speed [--seconds 60] [--turns 3]

Prints a Markdown table of medians. Needs what the tests need.
"""

import argparse
import importlib
import platform
import statistics
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

RATE = 44100


def main() -> None:
    """Run each contender in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--architecture", default="resunet143-subband")
    options = parser.parse_args()
    mix = make_mix(options.seconds)
    with tempfile.TemporaryDirectory() as home:
        contenders = make_contenders(options.architecture, Path(home))
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        outputs: dict[str, Samples] = {}
        for turn in range(options.turns + 1):  # the first turn warms up and isn't counted
            for name, separate in contenders.items():
                took, outputs[name] = measure(separate, mix)
                if turn:
                    seconds[name].append(took)
    print_table(options.seconds, seconds, outputs)


def make_mix(seconds: float) -> Samples:
    """Return pink-like noise, (2, frames)."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal((2, int(seconds * RATE))))
    spectrum /= np.sqrt(np.arange(spectrum.shape[1]) + 100)
    signal = np.fft.irfft(spectrum)
    return np.asarray(0.1 * signal / signal.std(), dtype=np.float32)


def make_contenders(architecture: str, home: Path) -> dict[str, Callable[[Samples], Samples]]:
    """Return what to time, by name; the first is bytesep at its defaults."""
    torch.manual_seed(0)
    network = build_bytesep(architecture, 1, home)
    path = home / "seeded.pth"
    torch.save({"model": network.state_dict()}, path)
    separator = importlib.import_module("bytesep.separator").Separator(
        network, segment_samples=30 * RATE, batch_size=1, device="cpu"
    )
    ours = load_checkpoint(path, architecture, ("vocals",))

    def run_bytesep(mix: Samples) -> Samples:
        return np.asarray(separator.separate({"waveform": mix}), dtype=np.float32)

    small = stemkit.load_network("stemkit-small")
    return {
        f"bytesep, {architecture}": run_bytesep,
        f"stemkit, {architecture}, float32": make_engine(ours, "float32"),
        f"stemkit, {architecture}, auto": make_engine(ours, "auto"),
        "stemkit, stemkit-small, float32": make_engine(small, "float32"),
        "stemkit, stemkit-small, auto": make_engine(small, "auto"),
    }


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
    first = statistics.median(next(iter(seconds.values())))
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
