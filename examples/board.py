"""Treat the vocals of a song with effects, and hear them alone: native plugins and a separator.

python examples/board.py song.wav vocals.wav --room 0.6
"""

import argparse

import numpy as np
from pedalboard import BrickwallLimiter, Compressor, Gain, HighpassFilter, Mix, Reverb
from pedalboard.io import AudioFile

from stemkit import Board, Separator, StemkitError


def main() -> None:
    """Send a file through a board, a second at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--stem", default="vocals")
    parser.add_argument("--room", type=float, default=0.4)
    options = parser.parse_args()
    board = Board([HighpassFilter(60), Separator(options.stem), Compressor(-24, ratio=3)])
    board += [Mix([Gain(0), Reverb(options.room)]), BrickwallLimiter(ceiling_db=-1)]
    with (
        AudioFile(options.source) as f,
        AudioFile(options.target, "w", f.samplerate, f.num_channels, bit_depth=24) as o,
    ):
        o.write(board(np.zeros((f.num_channels, 0), np.float32), f.samplerate, reset=False))
        while f.tell() < f.frames:
            o.write(board(f.read(f.samplerate), f.samplerate, reset=False))
        o.write(board.flush())


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, ValueError, StemkitError) as error:
        raise SystemExit(f"error: {error}") from None
