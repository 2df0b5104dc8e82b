"""Train several designs of a small network for the same time, from nothing, and compare them.

    python -m tests.benchmarks.designs CONFIG.toml RESULTS [--minutes 10] [--only NAME] [--at-once]

CONFIG.toml is a config of `stemkit train` whose material, mixing and batches all designs share; its
network, output, hours, schedule and init don't count. The rate stays constant, and each design is
judged by the average of its weights. `--at-once` trains all of them side by side, each with its
share of the machine, instead of in turn. Prints a Markdown table; RESULTS gets a folder for each.
"""

import argparse
import platform
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tomli_w
import torch

from stemkit.nn.config import NetworkConfig
from stemkit.nn.resunet import ResUNet
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from stemkit.training.config import load_config
from stemkit.training.log import Line, read_log
from tests.benchmarks.contenders.work import count_gflop
from tests.benchmarks.processor import name_processor
from tests.benchmarks.speed_table import print_cells

DESIGNS: dict[str, dict[str, object]] = {
    "4 bands, 2048/512": {"n_fft": 2048, "hop": 512, "band_count": 4},
    "8 bands, 4096/1024, wider": {
        "n_fft": 4096,
        "hop": 1024,
        "band_count": 8,
        "stage_channels": (24, 48, 96, 144, 192, 192),
    },
    "two blocks a stage, narrower": {
        "n_fft": 2048,
        "hop": 512,
        "band_count": 4,
        "stage_channels": (16, 24, 48, 96, 160, 160),
        "stage_blocks": 2,
    },
    "full band, 2048/512, narrower": {
        "n_fft": 2048,
        "hop": 512,
        "bands": "none",
        "band_count": 1,
        "stage_channels": (8, 16, 32, 64, 128, 160, 160),
    },
}
"""What differs from `SHARED`."""

SHARED: dict[str, object] = {
    "bands": "fold",
    "stage_channels": (16, 32, 64, 128, 192, 192),
    "frequency_bottleneck": 8,
}


@dataclass(frozen=True)
class Trial:
    """A design in training, and the folder that it is trained in."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]


def main() -> None:
    """Train those that are asked for, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", action="append", choices=list(DESIGNS))
    parser.add_argument("--at-once", action="store_true")
    options = parser.parse_args()
    trials = []
    for name in options.only or DESIGNS:
        trials.append(start(name, options.config, options.results, options.minutes))
        if not options.at_once:
            trials[-1].process.wait()
    print(f"\n{name_processor()}, Python {platform.python_version()}, torch {torch.__version__}")
    side = ", side by side" if options.at_once else ""
    print(f"{options.minutes:g} minutes each{side}\n")
    print_cells(("design", "M weights", "GFLOP per s", "steps", "h of mixes", "vocals", "rest"))
    print_cells(("---", *("---:" for _ in range(6))))
    for trial in trials:
        print_cells(describe(trial))


def start(name: str, config: Path, results: Path, minutes: float) -> Trial:
    """Let `stemkit train` train a design."""
    folder = results.resolve() / name.replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    run = load_config(config).model_dump(mode="json", exclude_none=True)
    for key in ("init", "max_steps"):
        run.pop(key, None)
    run |= {"output": str(folder), "hours": minutes / 60, "schedule": "constant"}
    run["network"] = tomllib.loads(tomli_w.dumps(SHARED | DESIGNS[name]))
    path = folder / "config.toml"
    path.write_text(tomli_w.dumps(run))
    return Trial(
        name, folder, subprocess.Popen([sys.executable, "-m", "stemkit", "train", str(path)])
    )


def describe(trial: Trial) -> tuple[str, ...]:
    """Return the cells of a trial; dashes where it failed."""
    if trial.process.wait():
        return (trial.name, *("-" for _ in range(6)))
    config = load_config(trial.folder / "config.toml")
    network = config.network_config()
    last = [line for line in read_log(trial.folder / "log.csv") if line.scores][-1]
    heard = last.step * config.batch_size * config.remix * config.segment_seconds
    weights = sum(part.numel() for part in ResUNet(network).parameters())
    return (
        trial.name,
        f"{weights / 1e6:.2f}",
        f"{count_work(network):.2f}",
        str(last.step),
        f"{heard / 3600:.1f}",
        *(read_score(last, stem) for stem in ("vocals", "accompaniment")),
    )


def count_work(network: NetworkConfig, seconds: int = 20) -> float:
    """Return the GFLOP for a second of audio."""
    engine = Engine(ResUNet(network), EngineOptions(device="cpu", precision="float32"))
    mix = np.zeros((2, seconds * network.sample_rate), np.float32)
    return count_gflop(lambda: engine.predict([mix])) / seconds


def read_score(line: Line, stem: str) -> str:
    """Return a median SDR in dB."""
    score = line.scores.get(stem)
    return "-" if score is None else f"{score:.2f} dB"


if __name__ == "__main__":
    main()
