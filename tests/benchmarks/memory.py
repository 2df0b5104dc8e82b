"""Measure the peak memory of `stemkit separate` on a short and a long file.

python -m tests.benchmarks.memory [--minutes 5 60] [--preset karaoke]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100

RUN = """
import resource, sys, time
from stemkit.cli.main import run
began = time.perf_counter()
code = run(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(code, peak, time.perf_counter() - began)
"""


def main() -> None:
    """Print one line a length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5, 60])
    parser.add_argument("--preset", help="Send the stems through this preset.")
    options = parser.parse_args()
    extra = ["--preset", options.preset] if options.preset else []
    print("| minutes | peak memory, MB | seconds |")
    print("| ---: | ---: | ---: |")
    for minutes in options.minutes:
        peak_mb, seconds = measure_peak(minutes, extra)
        print(f"| {minutes:g} | {peak_mb:.0f} | {seconds:.1f} |", flush=True)


def measure_peak(minutes: float, extra: list[str]) -> tuple[float, float]:
    """Return the peak resident memory in MB and the seconds that a new process takes."""
    with tempfile.TemporaryDirectory() as name:
        song = Path(name) / "song.wav"
        write_song(song, minutes)
        command = ["separate", str(song), "-o", f"{name}/out", "-q", *extra]
        found = subprocess.run(
            [sys.executable, "-c", RUN, *command], capture_output=True, text=True, check=True
        )
    code, peak, seconds = found.stdout.split()
    if code != "0":
        raise RuntimeError(found.stderr)
    return int(peak) / 1000, float(seconds)


def write_song(path: Path, minutes: float) -> None:
    """Write noise, a minute at a time."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        left = int(minutes * 60 * RATE)
        while left:
            frames = min(left, 60 * RATE)
            file.write(rng.normal(0, 0.1, (frames, 2)).astype(np.float32))
            left -= frames


if __name__ == "__main__":
    main()
