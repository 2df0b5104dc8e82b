"""Separate a folder from a script: read what stemkit says, act on its exit code.

python examples/pipeline.py SONGS STEMS [--preset karaoke ...]

Prints the path of each file that was made, then each song that failed on stderr.
"""

import json
import subprocess
import sys

ALL_DONE, SOME_FAILED, NOTHING_TO_DO = 0, 1, 3


def main(songs: str, stems: str, *options: str) -> int:
    """Return 0 where every song has its stems, whether made now or before."""
    command = [sys.executable, "-m", "stemkit", "separate", songs, "-o", stems, "--json", *options]
    failed = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            event = json.loads(line)
            if event["event"] == "done":
                for output in event["outputs"]:
                    print(output["path"], flush=True)
            elif event["event"] == "failed":
                failed.append(f"{event['source']}: {event['error']}")
    for failure in failed:
        print(failure, file=sys.stderr)
    done = process.returncode in (ALL_DONE, NOTHING_TO_DO) and not failed
    return ALL_DONE if done else process.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
