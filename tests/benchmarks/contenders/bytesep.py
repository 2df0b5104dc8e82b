"""bytesep 0.1.1: its own network and separator, read and written as its own command does it.

Its command goes on to an mp3, by ffmpeg, which is left out. It pads each song to whole segments of
30 s, half of which overlap from the second on.
"""

import importlib
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
from torch import nn

from stemkit.samples import Samples
from tests.benchmarks.contenders.field import DEVICE, Files
from tests.benchmarks.contenders.runner import RATE, Runner
from tests.nn.oracle import build_bytesep

SEGMENT_FRAMES = 30 * RATE  # the default of its command


def open_bytesep(architecture: str, files: Files) -> Runner:
    """Return bytesep's separator at its defaults, with the weights of `files`."""
    network = build_bytesep(architecture, 1, files.folder)
    _fill(network, files.weights(architecture))
    network.to(DEVICE)
    separator = importlib.import_module("bytesep.separator").Separator(
        network, segment_samples=SEGMENT_FRAMES, batch_size=1, device=DEVICE
    )

    def separate(song: Path, out: Path) -> None:
        mix, _ = librosa.load(song, sr=RATE, mono=False)
        vocals = separator.separate({"waveform": mix})
        soundfile.write(out / "vocals.wav", vocals.T, RATE)

    def predict(segment: Samples) -> Samples:
        with torch.no_grad():
            batch = torch.from_numpy(segment)[None].to(DEVICE)
            found = network({"waveform": batch})["waveform"]
        return np.asarray(found[0].cpu().numpy())

    return Runner(separate, predict, SEGMENT_FRAMES)


def _fill(network: nn.Module, checkpoint: Path) -> None:
    """Load all but the Fourier matrices, which a network comes with, and counters."""
    found = network.load_state_dict(torch.load(checkpoint)["model"], strict=False)
    for key in (*found.unexpected_keys, *found.missing_keys):
        assert key.startswith(("stft.", "istft.")) or key.endswith("num_batches_tracked"), key
