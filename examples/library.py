"""Separate a library from Python, and go on where it stopped.

python examples/library.py SONGS STEMS

Ctrl-C stops it in good order; the next run does what is left.
"""

import signal
import sys

from stemkit import CancelToken, Done, Failed, separate_files


def main(songs: str, stems: str) -> int:
    """Return 0 where no song failed."""
    cancel, failed = CancelToken(), 0
    signal.signal(signal.SIGINT, lambda number, frame: cancel.cancel())
    for outcome in separate_files(songs, stems, cancel=cancel):
        match outcome:
            case Done(job=job, audio_seconds=audio_seconds, seconds=seconds):
                print(f"{job.source}: {audio_seconds:.1f} s in {seconds:.1f} s", flush=True)
            case Failed(job=job, error=error):
                print(f"{job.source}: {error}", file=sys.stderr)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
