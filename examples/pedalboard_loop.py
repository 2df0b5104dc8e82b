"""Write one stem of a file, block by block, in the loop of Pedalboard's README.

python examples/pedalboard_loop.py song.wav backing.wav --stem accompaniment
"""

import argparse

from pedalboard.io import AudioFile

from stemkit import Separator


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
        while f.tell() < f.frames:
            block = f.read(f.samplerate)
            o.write(separator(block, f.samplerate, reset=False))
        o.write(separator.flush())  # what the separator still holds


if __name__ == "__main__":
    main()
