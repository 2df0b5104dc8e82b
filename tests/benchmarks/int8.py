"""What int8 would cost and gain on a CPU: SDR of songs, and time of the network, in turns.

    python -m tests.benchmarks.int8 SONGS [--model stemkit-small] [--turns 5]

The 3 x 3 convolutions of residual blocks run by oneDNN's int8 kernels. Weights have a scale for
each output channel, the input of each convolution one, between the least and the greatest of its
values, found each time: no range is stored, so that any checkpoint can be run so, and quiet songs
lose no more than loud ones. All else is float32.

The songs are those with vocals below SONGS, as `stemkit evaluate` finds them. Without any, the
model is the name of an architecture, which gets seeded weights, and only times are measured.
"""

import argparse
import copy
import math
import platform
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import truediv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stemkit.evaluation.metrics import measure_sdr
from stemkit.evaluation.reading import read_references
from stemkit.evaluation.songs import MIX, Song, find_songs
from stemkit.nn.blocks import SLOPE, ResidualBlock
from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.fold import Scale, fold_batch_norm
from stemkit.nn.resunet import ResUNet
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from stemkit.weights.models import load_network
from tests.benchmarks.processor import name_processor
from tests.benchmarks.speed_table import print_cells
from tests.nn.seeded import fill

_SAME = [1, 1], [1, 1], [1, 1], 1  # stride, padding, dilation and groups
STEPS = 254  # from the least to the greatest; with one more, rounding zero could pass 255
CACHED_VALUES = 2**17  # a thread, with all that is made of them


def convert(network: ResUNet) -> ResUNet:
    """Return a copy for inference that computes in int8 what can be."""
    network = copy.deepcopy(network).eval()
    fold_batch_norm(network)
    for parent in list(network.modules()):
        for name, block in parent.named_children():
            if isinstance(block, ResidualBlock):
                parent.add_module(name, Int8Block(block))
    return network


class Int8Block(nn.Module):
    """A residual block whose 3 x 3 convolutions compute in int8."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.conv1 = Int8Conv(block.conv1, block.bn1)
        self.conv2 = Int8Conv(block.conv2, block.bn2)
        self.shortcut = block.shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2.add_to(self.shortcut(x), self.conv1(x))


class Line(NamedTuple):
    """What a batch norm in evaluation mode does: x * gain + shift, each (channels,)."""

    gain: Tensor
    shift: Tensor


def find_line(norm: nn.BatchNorm2d) -> Line:
    """Return what a trained batch norm does."""
    scale = Scale(norm)
    return Line(scale.gain.flatten(), scale.shift.flatten())


class Int8Conv(nn.Module):
    """A 3 x 3 convolution and what comes before it: an activation, and a batch norm if it's one.

    Input and output are float32.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.Module) -> None:
        super().__init__()
        weight = conv.weight.detach().float()
        self.line = find_line(norm) if isinstance(norm, nn.BatchNorm2d) else None
        self.scales = (weight.abs().amax((1, 2, 3)) / 127).clamp(min=1e-12)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)
        self.bias = conv.bias
        rounded = (weight / self.scales[:, None, None, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qconv_prepack(
            rounded.contiguous(), self.scales, 1.0, 1, *_SAME, None
        )

    def __deepcopy__(self, memo: object) -> "Int8Conv":
        """Share what can't be copied and is never changed."""
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of what comes of `x`, (batch, channels, height, width)."""
        found = [
            torch.ops.onednn.qconv2d_pointwise(
                *activate(one, self.line), self.packed, self.scales, self.zeros, self.bias, *_SAME,
                1.0, 0, torch.float32, "none", [], "",
            )
            for one in torch.split(x, 1)
        ]  # fmt: skip
        return torch.cat(found) if len(found) > 1 else found[0]

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Add the convolution of what comes of `x` to `total`, and return that."""
        for one, sums in zip(torch.split(x, 1), torch.split(total, 1), strict=True):
            torch.ops.onednn.qconv2d_pointwise.binary(
                *activate(one, self.line), self.packed, self.scales, self.zeros, sums, self.bias,
                *_SAME, 1.0, 0, torch.float32, 1.0, 0, "sum", 1.0, "none", [], None,
            )  # fmt: skip
        return total


def activate(x: Tensor, line: Line | None) -> tuple[Tensor, float, int]:
    """Return leaky ReLU of `x`, or of what a line makes of it, as uint8, a step, and what zero is.

    `x` has shape (1, channels, height, width). Where it isn't finite, the step isn't either.
    """
    rows = x[0].permute(1, 2, 0).flatten(1)  # (height, width * channels)
    if line is not None:
        line = Line(line.gain.repeat(x.shape[-1]), line.shift.repeat(x.shape[-1]))
    parts = torch.split(rows, max(1, CACHED_VALUES * torch.get_num_threads() // rows.shape[1]))
    low, high = _find_range(parts, line)
    step = (high - low) / STEPS
    zero = round(-low / step) if math.isfinite(step) else 1
    rounded = torch.empty(rows.shape, dtype=torch.uint8)
    room = torch.empty_like(parts[0])
    whole = torch.empty(room.shape, dtype=torch.int16)  # torch gets to uint8 faster this way
    for part, place in zip(parts, torch.split(rounded, len(room)), strict=True):
        values, numbers = room[: len(part)], whole[: len(part)]
        if line is None:
            torch.mul(part, 1 / step, out=values)
        else:
            torch.addcmul(line.shift / step, part, line.gain / step, out=values)
        F.leaky_relu_(values, SLOPE).add_(zero + 0.5)
        place.copy_(numbers.copy_(values))
    return rounded.view(*x.shape[2:], -1).permute(2, 0, 1)[None], step, zero


def _find_range(parts: Sequence[Tensor], line: Line | None) -> tuple[float, float]:
    """Return the least and the greatest that rows are activated to, on both sides of zero."""
    lows, highs = (
        torch.stack([getattr(part, which)(0) for part in parts]) for which in ("amin", "amax")
    )
    ends = torch.stack((lows.amin(0), highs.amax(0)))
    if line is not None:
        ends = torch.addcmul(line.shift, ends, line.gain)
    low, high = (end.item() for end in F.leaky_relu(ends, SLOPE).aminmax())
    high = max(high, 1e-12)
    return min(low, -high / STEPS), high  # zero is never number 0, as the weights are packed for


def main() -> None:
    """Print a line for each song, and what the network takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", type=Path, nargs="?")
    parser.add_argument("--model", default="stemkit-small")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    network = seed_network(options.model) if options.songs is None else open_network(options.model)
    print(f"{name_processor()}, {torch.get_num_threads()} threads")
    print(f"Python {platform.python_version()}, torch {torch.__version__}\n")
    exact = Engine(network, EngineOptions(device="cpu", precision="float32"))
    auto = Engine(network, EngineOptions(device="cpu"))
    with torch.inference_mode():
        converted = convert(network)
    rounded = Engine(converted, EngineOptions(device="cpu", precision="float32"))
    if options.songs is not None:
        songs = [song for song in find_songs(options.songs)[0] if "vocals" in song.stems]
        compare_songs(songs, exact, rounded)
    engines = {"float32": exact, "int8": rounded}
    if not auto.placement.is_float32:
        engines["auto"] = auto
    print()
    compare_times(engines, options.turns)


def seed_network(architecture: str) -> ResUNet:
    """Return a network of an architecture."""
    network = ResUNet(ARCHITECTURES[architecture])
    fill(network, seed=0)
    return network


def open_network(model: str) -> ResUNet:
    """Return a model that is one network."""
    network = load_network(model)
    if not isinstance(network, ResUNet):
        raise SystemExit(f"{model} is several networks; give one of them")
    return network


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
    """Print the median seconds that the network takes for a minute of audio, and their ratio."""
    taken: dict[str, list[float]] = {name: [] for name in engines}
    plan = engines["float32"].plan
    segment = np.random.default_rng(0).normal(0, 0.1, (2, plan.segment_frames)).astype(np.float32)
    at_once = engines["float32"].steps_of_a_song
    with ThreadPoolExecutor(at_once) as pool:
        for turn in range(turns + 1):
            for name, engine in engines.items():
                began = time.perf_counter()
                list(pool.map(engine.predict, [[segment]] * at_once))
                if turn:  # the first warms up
                    taken[name].append((time.perf_counter() - began) / at_once)
    minute = 60 * engines["float32"].sample_rate / plan.segment_frames
    for name, seconds in taken.items():
        ratio = statistics.median(map(truediv, seconds, taken["float32"]))
        print(
            f"{name}: {statistics.median(seconds) * minute:.2f} s a minute, network alone, "
            f"{ratio:.2f} of float32's in the median of pairs"
        )


if __name__ == "__main__":
    main()
