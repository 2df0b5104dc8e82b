"""Demucs 4.1.0: an HTDemucs of the published htdemucs's size, with random weights.

It goes through `apply_model` at the defaults of its command line, as `demucs.api.Separator` does.
Files are read and written by soundfile, which spares it two more packages.
"""

import importlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import nn

from stemkit.samples import Samples
from tests.benchmarks.contenders.field import DEVICE
from tests.benchmarks.contenders.runner import RATE, Runner

SOURCES = ["drums", "bass", "other", "vocals"]
SEGMENT_SECONDS = Fraction(39, 5)
SEGMENT_FRAMES = int(SEGMENT_SECONDS * RATE)


def open_demucs() -> Runner:
    """Return an HTDemucs; `apply_model` is at its command line's defaults."""
    network = build_htdemucs().to(DEVICE)
    apply_model = importlib.import_module("demucs.apply").apply_model

    def separate(song: Path, out: Path) -> None:
        samples, rate = soundfile.read(song, dtype="float32")
        mix = torch.from_numpy(samples.T)  # (2, frames)
        mean, std = mix.mean(0).mean(), mix.mean(0).std() + 1e-8
        batch = ((mix - mean) / std)[None]
        found = apply_model(network, batch, shifts=1, split=True, overlap=0.25, device=DEVICE)
        stems = found[0] * std + mean
        for name, stem in zip(SOURCES, stems, strict=True):
            soundfile.write(out / f"{name}.wav", stem.numpy().T, rate)

    def predict(segment: Samples) -> Samples:
        with torch.no_grad():
            stems = network(torch.from_numpy(segment)[None].to(DEVICE))
        return np.asarray(stems[0, SOURCES.index("vocals")].cpu().numpy())

    return Runner(separate, predict, SEGMENT_FRAMES)


def build_htdemucs() -> nn.Module:
    """Return the network of 955717e8-8726e21a.th, which has 42 M weights, in evaluation mode.

    The arguments are those of its package that aren't HTDemucs's defaults.
    """
    torch.manual_seed(0)
    network = importlib.import_module("demucs.htdemucs").HTDemucs(
        SOURCES,
        dconv_mode=3,
        bottom_channels=512,
        t_layers=5,
        t_dropout=0.02,
        segment=SEGMENT_SECONDS,
    )
    assert isinstance(network, nn.Module)
    return network.eval()
