"""Time how long stemkit takes to start, beside Python and torch, and where the time goes.

    python -m tests.benchmarks.startup [--seconds 5] [--turns 5]

Each contender is a process of its own, from its start to its end, and they take turns. So does one
more run of `stemkit separate`, which reads the clock on the way: it imports torch and then all that
the command needs before it begins, and times the steps of the command itself. Each line of either
table is a median of its own, so the stages needn't add up to the whole.
"""

import argparse
import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from tests.benchmarks.scaling import SONG, describe_machine, read_song, write_song

# The clock is one for all processes of the machine, so the first and last stage are known too.
STAGES = """
import sys
from time import perf_counter
times = {"Python's start": perf_counter() - float(sys.argv[1])}

def timed(stage, function):
    def call(*arguments, **named):
        began = perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            times[stage] = times.get(stage, 0) + perf_counter() - began
    return call

def import_torch():
    import torch

def import_the_rest():
    import stemkit.batch.request, stemkit.batch.run, stemkit.cli.main, stemkit.handoff.kinds
    import stemkit.separation.engine, stemkit.weights.models

timed("import of torch", import_torch)()
timed("imports of stemkit and of the other packages", import_the_rest)()

import json
from stemkit.audio.stems import StemsWriter
from stemkit.batch import studio
from stemkit.cli.main import run
from stemkit.separation.engine import Engine

separate_blocks = Engine.separate_blocks

def time_blocks(*arguments):
    step = timed("reading and separating the song", separate_blocks(*arguments).__next__)
    try:
        while True:
            yield step()
    except StopIteration:
        pass

studio._load_engine = timed("loading the model", studio._load_engine)
Engine.separate_blocks = time_blocks
StemsWriter.write = timed("measuring and writing the stems", StemsWriter.write)
StemsWriter.finish = timed("measuring and writing the stems", StemsWriter.finish)
before = sum(times.values())
began = perf_counter()
code = run(sys.argv[2:])
ended = perf_counter()
rest = "planning, hashing, records and what else the command does"
times[rest] = ended - began - (sum(times.values()) - before)
print(json.dumps({"times": times, "ended": ended}), file=sys.stderr)
sys.exit(code)
"""


def main() -> None:
    """Print the tables, with the machine and the versions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5, help="How long the clip is.")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    wholes: dict[str, list[float]] = {}
    stages: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "clip.wav"
        write_song(clip, read_song(SONG), options.seconds)
        for turn in range(options.turns):
            for contender, command in list_contenders(clip, Path(name) / f"out {turn}").items():
                wholes.setdefault(contender, []).append(time_command(command))
            arguments = list_arguments(clip, Path(name) / f"stages {turn}")
            for stage, seconds in time_stages(arguments).items():
                stages.setdefault(stage, []).append(seconds)
    print(f"{describe_machine()}\n\na clip of {options.seconds:g} s, "
          f"{options.turns} turns, medians\n")  # fmt: skip
    print_medians("a process, from start to end", wholes)
    print()
    print_medians("a stage of `stemkit separate`", stages)


def list_contenders(clip: Path, out: Path) -> dict[str, list[str]]:
    """Return the commands to time, by what they are called in the table."""
    stemkit = str(Path(sysconfig.get_path("scripts")) / "stemkit")
    return {
        "`python -c pass`": [sys.executable, "-c", "pass"],
        "`python -c 'import torch'`": [sys.executable, "-c", "import torch"],
        "`python -c 'import stemkit'`": [sys.executable, "-c", "import stemkit"],
        "`stemkit --help`": [stemkit, "--help"],
        "`stemkit separate`": [stemkit, *list_arguments(clip, out)],
    }


def list_arguments(clip: Path, out: Path) -> list[str]:
    return ["separate", str(clip), "-o", str(out), "-m", "stemkit-small"]


def time_command(command: list[str]) -> float:
    """Return the seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def time_stages(arguments: list[str]) -> dict[str, float]:
    """Return the seconds of each stage of a command of stemkit."""
    began = time.perf_counter()
    command = [sys.executable, "-c", STAGES, str(began), *arguments]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    ended = time.perf_counter()
    told = json.loads(found.stderr.splitlines()[-1])
    times: dict[str, float] = told["times"]
    return times | {"Python's end": ended - told["ended"]}


def print_medians(title: str, taken: dict[str, list[float]]) -> None:
    """Print a table of medians and of the shortest and longest."""
    print(f"| {title} | seconds | least | most |")
    print("| --- | ---: | ---: | ---: |")
    for name, seconds in taken.items():
        print(f"| {name} | {statistics.median(seconds):.2f} "
              f"| {min(seconds):.2f} | {max(seconds):.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
