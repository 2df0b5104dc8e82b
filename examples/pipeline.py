"""Separate a folder from a script: read what stemkit says, act on its exit code.

python examples/pipeline.py SONGS STEMS [--preset karaoke ...]

Prints the path of each file that was made, then each song that failed on stderr.
"""

import argparse
import json
import subprocess
import sys

ALL_DONE, SOME_FAILED, NOTHING_TO_DO = 0, 1, 3


def main() -> int:
    """Return 0 where every song has its stems, whether made now or before."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs")
    parser.add_argument("stems")
    given, options = parser.parse_known_args()
    command = [sys.executable, "-m", "stemkit", "separate", given.songs, "-o", given.stems]
    command += ["--json", *options]
    failed, done_before = [], 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            event = json.loads(line)
            if event["event"] == "done":
                for output in event["outputs"]:
                    print(output["path"], flush=True)
            elif event["event"] == "failed":
                failed.append(f"{event['source']}: {event['error']}")
            elif event["event"] == "summary":
                done_before = event["skipped_done"]
    if process.returncode == NOTHING_TO_DO and not done_before:
        failed.append(f"no audio in {given.songs}")
    for failure in failed:
        print(failure, file=sys.stderr)
    done = process.returncode in (ALL_DONE, NOTHING_TO_DO) and not failed
    return ALL_DONE if done else process.returncode


if __name__ == "__main__":
    sys.exit(main())
