"""What int8 would cost and gain on a CPU: SDR of songs, and time of the network, in turns.

    python -m tests.benchmarks.int8 SONGS [--model stemkit-small] [--turns 5]

Every convolution of the U-Net that oneDNN has an int8 kernel for runs there: weights of 8 bits with
a scale for each output channel, input of 8 bits between the least and the greatest of its values,
output in float32. No range is stored, so that any checkpoint can be run so; a fixed one could only
cost more. The songs are those with vocals below SONGS, as `stemkit evaluate` finds them.

The ranges hold for a batch of one segment, which is what a CPU runs.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stemkit.evaluation.metrics import measure_sdr
from stemkit.evaluation.reading import read_references
from stemkit.evaluation.songs import MIX, Song, find_songs
from stemkit.nn.blocks import PlanarConv
from stemkit.nn.fold import fold_batch_norm
from stemkit.nn.resunet import ResUNet
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from stemkit.weights.models import load_network
from tests.benchmarks.processor import name_processor
from tests.benchmarks.speed_table import print_cells

STEPS = 255
CHUNK = 2**17  # values that a core's cache holds


class Int8Conv(nn.Module):
    """A convolution of stride 1 by oneDNN's int8 kernel."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach()
        self.scales = (weight.abs().amax((1, 2, 3)) / 127).clamp(min=1e-12)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)
        self.bias = conv.bias
        self.layout = [1, 1], list(map(int, conv.padding)), [1, 1], 1
        rounded = (weight / self.scales[:, None, None, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qconv_prepack(
            rounded.contiguous(), self.scales, 1.0, 1, *self.layout, None
        )

    def __deepcopy__(self, memo: object) -> "Int8Conv":
        """Share what can't be copied and is never changed."""
        return self

    def forward(self, x: Tensor) -> Tensor:
        rounded, scale, zero = round_to_int8(x)
        y: Tensor = torch.ops.onednn.qconv2d_pointwise(
            rounded, scale, zero, self.packed, self.scales, self.zeros, self.bias, *self.layout,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return y


def round_to_int8(x: Tensor) -> tuple[Tensor, float, int]:
    """Return (batch, channels, height, width) as uint8, its step, and which number zero is.

    Zero is never number 0: oneDNN packs weights otherwise for that.
    """
    rows = x.contiguous(memory_format=torch.channels_last).movedim(1, -1)
    low, high = (bound.item() for bound in torch.aminmax(rows))
    high = max(high, 1e-12)
    low = min(low, -high / STEPS)
    scale = (high - low) / STEPS
    zero = round(-low / scale)
    rounded = torch.empty(rows.shape, dtype=torch.uint8)
    half_up, room = torch.tensor(zero + 0.5), torch.empty(CHUNK)
    for begin in range(0, x.numel(), CHUNK):
        part = rows.view(-1)[begin : begin + CHUNK]
        shifted = torch.add(half_up, part, alpha=1 / scale, out=room[: len(part)])
        rounded.view(-1)[begin : begin + CHUNK] = shifted.clamp_(0, STEPS)
    return rounded.movedim(-1, 1), scale, zero


def convert(module: nn.Module) -> None:
    """Put `Int8Conv` in the place of the convolutions in `module`, those inside others too."""
    for name, part in module.named_children():
        if isinstance(part, nn.Conv2d) and not isinstance(part, PlanarConv) and part.groups == 1:
            module.add_module(name, Int8Conv(part))
        else:
            convert(part)


def main() -> None:
    """Print a line for each song, and what the network takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", type=Path)
    parser.add_argument("--model", default="stemkit-small")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    songs = [song for song in find_songs(options.songs)[0] if "vocals" in song.stems]
    if not songs:
        parser.error(f"no song with vocals below {options.songs}")
    print(f"{name_processor()}, {torch.get_num_threads()} threads")
    print(f"Python {platform.python_version()}, torch {torch.__version__}\n")
    network = load_network(options.model)
    if not isinstance(network, ResUNet):
        parser.error(f"{options.model} is several networks; give one of them")
    exact = Engine(network, EngineOptions(device="cpu", precision="float32"))
    auto = Engine(network, EngineOptions(device="cpu"))
    fold_batch_norm(network.eval())
    with torch.inference_mode():
        convert(network)
    rounded = Engine(network, EngineOptions(device="cpu", precision="float32"))
    compare_songs(songs, exact, rounded)
    engines = {"float32": exact, "int8": rounded}
    if not auto.placement.is_float32:
        engines["auto"] = auto
    print()
    compare_times(engines, options.turns)


def compare_songs(songs: list[Song], exact: Engine, rounded: Engine) -> None:
    """Print the SDR of each song's vocals, and how far int8's are from those of float32."""
    print_cells(("song", "float32, dB", "int8, dB", "difference, dB", "SNR of int8, dB"))
    print_cells(("---", *["---:"] * 4))
    differences = []
    for song in songs:
        audio = read_references(song)
        mix, reference = audio.stems[MIX], audio.stems["vocals"]
        ours, theirs = (
            engine.separate(mix, audio.sample_rate)["vocals"] for engine in (exact, rounded)
        )
        before, after = measure_sdr(reference, ours), measure_sdr(reference, theirs)
        differences.append(after - before)
        snr = f"{measure_sdr(ours, theirs):.1f}"
        print_cells((song.title, f"{before:.2f}", f"{after:.2f}", f"{differences[-1]:+.3f}", snr))
    print(f"\nMedian {statistics.median(differences):+.3f}, worst {min(differences):+.3f} dB")


def compare_times(engines: dict[str, Engine], turns: int) -> None:
    """Print the median seconds that the network takes for a minute of audio."""
    taken: dict[str, list[float]] = {name: [] for name in engines}
    frames = engines["float32"].plan.segment_frames
    segment = np.random.default_rng(0).normal(0, 0.1, (2, frames)).astype(np.float32)
    for turn in range(turns + 1):
        for name, engine in engines.items():
            began = time.perf_counter()
            engine.predict([segment])
            if turn:  # the first warms up
                taken[name].append(time.perf_counter() - began)
    minute = 60 * engines["float32"].sample_rate / frames
    for name, seconds in taken.items():
        print(f"{name}: {statistics.median(seconds) * minute:.2f} s a minute, network alone")


if __name__ == "__main__":
    main()
