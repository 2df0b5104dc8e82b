"""One step of a run, in a process of its own; prints what it found as a line of JSON.

python -m tests.benchmarks.contenders.run describe
python -m tests.benchmarks.contenders.run gemm PRECISION
python -m tests.benchmarks.contenders.run seed ARCHITECTURE CHECKPOINT
python -m tests.benchmarks.contenders.run (prepare | count | measure) MODEL WAY FOLDER
"""

import dataclasses
import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
import torch

from stemkit.nn.bytesep import name_in_bytesep
from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.resunet import ResUNet
from stemkit.samples import Samples
from stemkit.separation.device import choose_placement
from stemkit.separation.options import Precision
from tests.benchmarks.contenders.field import DEVICE, Contender, Files, Way
from tests.benchmarks.contenders.figures import Figures, Machine
from tests.benchmarks.contenders.runner import RATE, Runner
from tests.benchmarks.contenders.work import count_gflop, measure_gemm
from tests.nn.seeded import fill


def main() -> None:
    """Do what is asked for."""
    match sys.argv[1:]:
        case ["describe"]:
            found: object = dataclasses.asdict(describe_machine())
        case ["gemm", precision]:
            found = measure_gemm(cast(Precision, precision))
        case ["seed", architecture, checkpoint]:
            found = time_call(lambda: seed_weights(architecture, Path(checkpoint)))
        case ["prepare" | "count" | "measure" as task, model, way, folder]:
            contender, files = Contender(model, cast(Way, way)), Files(Path(folder))
            found = run_contender(task, contender, files)
        case _:
            sys.exit(__doc__)
    print(json.dumps(found))


def run_contender(task: str, contender: Contender, files: Files) -> object:
    """Return the seconds to open it, its GFLOP for each second of audio, or all its figures."""
    if task == "prepare":
        return time_call(lambda: open_contender(contender, files))
    runner = open_contender(contender, files)
    if task == "measure":
        return dataclasses.asdict(measure(runner, contender, files))
    segment = read_segment(files.song, runner.segment_frames)
    return count_gflop(lambda: runner.predict(segment)) / (runner.segment_frames / RATE)


def describe_machine() -> Machine:
    """Return what only a process with torch can tell."""
    auto = str(choose_placement(DEVICE, "auto").dtype).removeprefix("torch.")
    on_gpu = DEVICE == "cuda"
    capability = torch.cuda.get_device_name() if on_gpu else torch.backends.cpu.get_cpu_capability()
    return Machine(torch.get_num_threads(), capability, cast(Precision, auto))


def seed_weights(architecture: str, checkpoint: Path) -> None:
    """Write a checkpoint of random weights, as bytesep names them and without its STFT's."""
    config = ARCHITECTURES[architecture]
    network = ResUNet(config)
    fill(network, seed=0)
    weights = network.state_dict().items()
    torch.save({"model": {name_in_bytesep(name, config): w for name, w in weights}}, checkpoint)


def open_contender(contender: Contender, files: Files) -> Runner:
    """Return a loaded model; nothing of the other contenders is imported."""
    match contender.way:
        case "bytesep":
            from tests.benchmarks.contenders.bytesep import open_bytesep

            return open_bytesep(contender.model, files)
        case "demucs":
            from tests.benchmarks.contenders.demucs import open_demucs

            return open_demucs()
        case "openunmix":
            from tests.benchmarks.contenders.openunmix import open_openunmix

            return open_openunmix(files)
        case _:
            from tests.benchmarks.contenders.engine import open_engine

            return open_engine(contender, files)


def measure(runner: Runner, contender: Contender, files: Files) -> Figures:
    """Separate a clip to warm up and the song for the clock, then a segment by the network.

    A GPU is warm once it has seen the shapes of all batches, so that it gets the song twice.
    """
    stems = files.stems(contender)
    stems.mkdir(exist_ok=True)
    runner.separate(files.song if DEVICE == "cuda" else files.clip, stems)
    end_to_end = time_call(lambda: runner.separate(files.song, stems))
    peak_mb = measure_peak_mb()
    segment = read_segment(files.song, runner.segment_frames)
    began = time.perf_counter()
    with ThreadPoolExecutor(runner.segments_at_once) as pool:
        vocals = list(pool.map(runner.predict, [segment] * runner.segments_at_once))
    network = (time.perf_counter() - began) / runner.segments_at_once
    np.save(files.vocals(contender), vocals[0])
    song_minutes = soundfile.info(files.song).duration / 60
    segment_minutes = runner.segment_frames / RATE / 60
    return Figures(end_to_end / song_minutes, network / segment_minutes, peak_mb)


def measure_peak_mb() -> float:
    """Return the most memory that the process had until now; on a GPU, of that one's."""
    if DEVICE == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def read_segment(song: Path, frames: int) -> Samples:
    """Return the song's first frames, (2, frames), and silence after its end."""
    samples, _ = soundfile.read(song, frames, dtype="float32", fill_value=0)
    return np.ascontiguousarray(samples.T, dtype=np.float32)


def time_call(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
