"""Write one stem of a file, block by block, in the loop of Pedalboard's README.

python examples/pedalboard_loop.py song.wav backing.wav --stem accompaniment
"""

import argparse

import numpy as np
from pedalboard.io import AudioFile

from stemkit import Separator, StemkitError


def main() -> None:
    """Read, separate and write a second at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--stem", default="vocals")
    parser.add_argument("--model", default="stemkit-small")
    arguments = parser.parse_args()
    separator = Separator(arguments.stem, arguments.model)
    with (
        AudioFile(arguments.source) as f,
        AudioFile(arguments.target, "w", f.samplerate, f.num_channels, bit_depth=24) as o,
    ):
        # What has no frames tells which axis they are: two of stereo wouldn't.
        o.write(separator(np.zeros((f.num_channels, 0), np.float32), f.samplerate, reset=False))
        while f.tell() < f.frames:
            o.write(separator(f.read(f.samplerate), f.samplerate, reset=False))
        o.write(separator.flush())  # what the separator still holds


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, ValueError, StemkitError) as error:
        raise SystemExit(f"error: {error}") from None
