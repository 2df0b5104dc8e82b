"""Separate as a sound card asks for it: a block in, a block out at once, late by what is printed.

python examples/live_blocks.py song.wav live.wav --segment-seconds 1.5
"""

import argparse

import numpy as np
from pedalboard.io import AudioFile

from stemkit import Separator, StemkitError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--segment-seconds", type=float, default=1.5)
    arguments = parser.parse_args()
    separator = Separator(segment_seconds=arguments.segment_seconds, overlap_seconds=0.2)
    with AudioFile(arguments.source) as f:
        rate, channels = int(f.samplerate), f.num_channels
        stream, latency = separator.open_stream(rate, channels), separator.latency_at(rate)
        print(f"latency: {1000 * latency / rate:.0f} ms")
        ready = np.zeros((channels, latency), np.float32)  # so that it never runs dry
        with AudioFile(arguments.target, "w", rate, channels, bit_depth=24) as o:
            o.write(ready[:, :0])  # which axis is the channels: two frames wouldn't say it
            while (block := f.read(512)).size:
                ready = np.append(ready, stream.push(block), axis=1)
                out, ready = np.split(ready, [block.shape[1]], axis=1)
                o.write(out)
            o.write(np.append(ready, stream.flush(), axis=1))


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, ValueError, StemkitError) as error:
        raise SystemExit(f"error: {error}") from None
