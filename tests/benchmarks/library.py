"""Time `stemkit separate` on a library, each figure as a ratio in one run.

    python -m tests.benchmarks.library clips --audio DIR [--clips 200] [--seconds 20] [--turns 3]
    python -m tests.benchmarks.library backends --audio DIR [--model M] [--clips 24] [--turns 3]
    python -m tests.benchmarks.library skipping [--files 20000]
    python -m tests.benchmarks.library queue [--jobs 100000]

`clips` compares the command at its defaults with a plain loop over the engine, `backends` the ways
in which work can be spread. Every contender is a process of its own, from its start to its end, and
they take turns. The clips are cut from the songs in DIR, in order.
"""

import argparse
import contextlib
import itertools
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import soundfile
import torch

from stemkit.audio.decode import AudioReader
from stemkit.samples import Samples

PLAIN_LOOP = """
import sys
from pathlib import Path
from stemkit import load_network
from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat
from stemkit.audio.stems import StemsWriter
from stemkit.separation.engine import Engine
songs, out, model = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
engine = Engine(load_network(model))
for song in sorted(songs.iterdir()):
    targets = {stem: out / song.stem / f"{stem}.wav" for stem in engine.stems}
    with AudioReader(song) as reader:
        rate = reader.info.sample_rate
        with StemsWriter(targets, rate, reader.info.channels, OutputFormat("wav")) as writer:
            for stems in engine.separate_blocks(reader.blocks(), rate):
                writer.write(stems)
            writer.finish()
"""


def main() -> None:
    """Print what is asked for, with the machine and the versions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["clips", "backends", "skipping", "queue"])
    parser.add_argument("--audio", type=Path, default=Path("examples/audio"))
    parser.add_argument("--model", default="stemkit-small")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=100_000)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, "
          f"torch {torch.__version__}, joblib {joblib.__version__}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        match options.what:
            case "skipping":
                measure_skipping(folder, options.files)
            case "queue":
                measure_queue(folder, options.jobs)
            case what:
                songs = cut_clips(options.audio, folder / "songs", options.clips, options.seconds)
                contenders = list_contenders(what, songs, folder / "out", options.model)
                compare(contenders, options, folder / "out")


def list_contenders(what: str, songs: Path, out: Path, model: str) -> dict[str, list[str]]:
    """Return the commands to compare, the first being what the others are compared with."""
    separate = [sys.executable, "-m", "stemkit", "separate", str(songs), "-o", str(out), "-q",
                "-m", model]  # fmt: skip
    plain = [sys.executable, "-c", PLAIN_LOOP, str(songs), str(out), model]
    if what == "clips":
        return {"plain loop over the engine": plain, "stemkit separate": separate}
    counts = (1, 2, 3, 4)
    return {"plain loop over the engine": plain} | {
        f"{backend}, {count} workers": [*separate, "--backend", backend, "--workers", str(count)]
        for backend in ("threading", "loky")
        for count in counts
    }


def compare(contenders: dict[str, list[str]], options: argparse.Namespace, out: Path) -> None:
    """Run the contenders in turns and print a table of medians."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    peaks: dict[str, float] = {}
    for _ in range(options.turns):
        for name, command in contenders.items():
            seconds, peaks[name] = time_process(command)
            taken[name].append(seconds)
            shutil.rmtree(out)
    first = statistics.median(next(iter(taken.values())))
    print(f"{options.model}, {options.clips} clips of {options.seconds:g} s, "
          f"{options.turns} turns, medians\n")  # fmt: skip
    print("|  | songs a minute | times the plain loop | peak memory, MB |")
    print("| --- | ---: | ---: | ---: |")
    for name, all_seconds in taken.items():
        seconds = statistics.median(all_seconds)
        print(f"| {name} | {60 * options.clips / seconds:.1f} | {first / seconds:.2f} "
              f"| {peaks[name]:.0f} |")  # fmt: skip


def time_process(command: list[str]) -> tuple[float, float]:
    """Return the seconds that a command takes, and the peak memory of all its processes in MB."""
    began = time.perf_counter()
    peaks: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for pid in list_tree(process.pid):
                peaks[pid] = max(peaks.get(pid, 0), read_peak(pid))
            time.sleep(0.05)
    if process.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command)} failed")
    return time.perf_counter() - began, sum(peaks.values())


def list_tree(pid: int) -> Iterator[int]:
    """Yield a process and those that it started."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from list_tree(int(child))


def read_peak(pid: int) -> float:
    """Return the highest resident memory of a process so far, in MB; 0 once it is gone."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 / 1e6 if found else 0
    return 0


def cut_clips(audio: Path, folder: Path, count: int, seconds: float) -> Path:
    """Cut the songs below `audio` into FLAC clips, again from the first where they are too few."""
    folder.mkdir()
    clips = itertools.islice(itertools.cycle(read_clips(audio, seconds)), count)
    for number, (clip, rate) in enumerate(clips):
        soundfile.write(folder / f"{number:04}.flac", clip.T, rate)
    return folder


def read_clips(audio: Path, seconds: float) -> Iterator[tuple[Samples, int]]:
    songs = sorted(path for path in audio.rglob("*") if path.suffix in (".ogg", ".flac", ".mp3"))
    for song in songs:
        with AudioReader(song) as reader:
            rate = reader.info.sample_rate
            for block in reader.blocks(round(seconds * rate)):
                if block.shape[1] == round(seconds * rate):
                    yield np.clip(np.repeat(block, 2, axis=0)[:2], -1, 1), rate


def measure_skipping(folder: Path, files: int) -> None:
    """Print what a run costs in which every file is done already."""
    from stemkit.batch.driving import drive
    from stemkit.batch.find import find_audio
    from stemkit.batch.outcomes import Done, SourceState, Written
    from stemkit.batch.request import OutputOptions, request_separation
    from stemkit.batch.run import Batch

    songs, out = folder / "songs", folder / "out"
    for number in range(files):
        song = songs / f"album {number // 12}" / f"{number % 12} song.flac"
        song.parent.mkdir(parents=True, exist_ok=True)
        song.write_bytes(b"fLaC" + number.to_bytes(4, "big"))
    batch = Batch(*request_separation(out, OutputOptions()))
    with drive(out) as ledger:
        settings = batch.settings
        ledger.note_settings(settings)
        for job in batch.plan(find_audio([songs], out), settings, ledger).jobs:
            status = job.source.stat()
            state = SourceState(status.st_size, status.st_mtime_ns, "0" * 64)
            outputs = []
            for stem, target in job.targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(b"done")
                outputs.append(Written(stem, target, 4, "0" * 64))
            ledger.begin(job, settings.fingerprint)
            ledger.finish(Done(job, state, tuple(outputs), 200.0, 10.0))
    command = [sys.executable, "-m", "stemkit", "separate", str(songs), "-o", str(out)]
    seconds, peak = time_process(command)
    start_up, _ = time_process([sys.executable, "-m", "stemkit", "events"])
    print(f"{files} finished files: {seconds:.1f} s, {peak:.0f} MB at most; "
          f"{seconds / start_up:.1f} times a start of stemkit, {start_up:.2f} s")  # fmt: skip


def measure_queue(folder: Path, jobs: int) -> None:
    """Print what so many planned jobs cost while they wait."""
    from stemkit.batch.driving import drive
    from stemkit.batch.find import Findings, FoundFile
    from stemkit.batch.request import OutputOptions, request_separation
    from stemkit.batch.run import Batch

    batch = Batch(*request_separation(folder / "out", OutputOptions()))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    songs = Path("/music/an artist of some name")
    audio = [
        FoundFile(songs / f"album {n // 12}" / f"{n % 12} a song of some length.flac",
                  Path(f"album {n // 12}"), "music", 10_000_000 + n, n, (1, n))
        for n in range(jobs)
    ]  # fmt: skip
    with drive(folder / "out") as ledger:
        plan = batch.plan(Findings(audio, [], []), batch.settings, ledger)
        ledger.expect(plan.all_jobs(), "f")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{len(plan.jobs)} jobs planned and queued: {(peak - before) / 1000:.0f} MB")


if __name__ == "__main__":
    main()
