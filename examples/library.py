"""Separate a library from Python, and go on where it stopped.

python examples/library.py SONGS STEMS --model stemkit-small

Ctrl-C stops it in good order; the next run does what is left.
"""

import argparse
import signal
import sys
from pathlib import Path

from stemkit import CancelToken, Done, Failed, StemkitError, separate_files


def main() -> int:
    """Return 0 where no song failed, and there are some."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs")
    parser.add_argument("stems")
    parser.add_argument("--model", default="stemkit-small")
    options = parser.parse_args()
    cancel, failed = CancelToken(), 0
    signal.signal(signal.SIGINT, lambda number, frame: cancel.cancel())
    for outcome in separate_files(options.songs, options.stems, model=options.model, cancel=cancel):
        match outcome:
            case Done(job=job, audio_seconds=audio_seconds, seconds=seconds):
                print(f"{job.source}: {audio_seconds:.1f} s in {seconds:.1f} s", flush=True)
            case Failed(job=job, error=error):
                print(f"{job.source}: {error}", file=sys.stderr)
                failed += 1
    return 1 if failed or not Path(options.stems).exists() else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StemkitError as error:
        sys.exit(f"error: {error}")
