"""Treat the vocals of a song with effects, and hear them alone: native plugins and a separator.

python examples/board.py song.wav vocals.wav --room 0.6
"""

import argparse

import pedalboard
from pedalboard.io import AudioFile

from stemkit import Board, Separator


def main() -> None:
    """Send a file through a board, a second at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--stem", default="vocals")
    parser.add_argument("--room", type=float, default=0.4)
    arguments = parser.parse_args()
    board = Board([pedalboard.HighpassFilter(60), Separator(arguments.stem)])
    board.append(pedalboard.Compressor(threshold_db=-24, ratio=3))
    board.append(pedalboard.Mix([pedalboard.Gain(0), pedalboard.Reverb(arguments.room)]))
    board.append(pedalboard.BrickwallLimiter(ceiling_db=-1))
    with (
        AudioFile(arguments.source) as f,
        AudioFile(arguments.target, "w", f.samplerate, f.num_channels, bit_depth=24) as o,
    ):
        while f.tell() < f.frames:
            o.write(board(f.read(f.samplerate), f.samplerate, reset=False))
        o.write(board.flush())


if __name__ == "__main__":
    main()
