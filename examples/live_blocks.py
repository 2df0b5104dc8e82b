"""Separate as a sound card would ask for it: each block in gives a block out, at once.

python examples/live_blocks.py song.wav live.wav --segment-seconds 1.5
"""

import argparse

import numpy as np
from pedalboard.io import AudioFile

from stemkit import Separator


def main() -> None:
    """Write the stem as it is heard: late by what is known before, and what computing takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--segment-seconds", type=float, default=1.5)
    arguments = parser.parse_args()
    separator = Separator(segment_seconds=arguments.segment_seconds, overlap_seconds=0.2)
    with (
        AudioFile(arguments.source) as f,
        AudioFile(arguments.target, "w", f.samplerate, f.num_channels, bit_depth=24) as o,
    ):
        latency = separator.latency_at(int(f.samplerate))
        print(f"latency: {1000 * latency / f.samplerate:.0f} ms")
        ready = np.zeros((f.num_channels, latency), np.float32)  # so that it never runs dry
        while f.tell() < f.frames:
            block = f.read(512)
            done = separator(block, f.samplerate, reset=False)
            ready = np.concatenate((ready, done), axis=1)
            o.write(ready[:, : block.shape[1]])
            ready = ready[:, block.shape[1] :]
        o.write(np.concatenate((ready, separator.flush()), axis=1))


if __name__ == "__main__":
    main()
