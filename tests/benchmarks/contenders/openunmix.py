"""Open-Unmix 1.3.0: umxhq of random weights, through its own Separator at its defaults.

It has no segments: its network sees a song as a whole. The network alone is the Separator, STFT and
Wiener filter included. The package imports torchaudio, which it needs for songs of other rates
only; where that isn't installed or can't be imported, an empty module stands in for it.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile
import torch

from stemkit.samples import Samples
from tests.benchmarks.contenders.field import DEVICE, Files
from tests.benchmarks.contenders.runner import Runner


def open_openunmix(files: Files) -> Runner:
    """Return umxhq's Separator, made ready as its own command does it."""
    _import_torchaudio()
    torch.manual_seed(0)
    separator = importlib.import_module("openunmix").umxhq(pretrained=False)
    separator.freeze()
    separator.to(DEVICE)
    apply = importlib.import_module("openunmix.predict").separate

    def separate(song: Path, out: Path) -> None:
        samples, rate = soundfile.read(song, dtype="float32")
        stems = apply(torch.from_numpy(samples.T), rate, separator=separator, device=DEVICE)
        for name, stem in stems.items():
            soundfile.write(out / f"{name}.wav", stem[0].cpu().numpy().T, rate)

    def predict(segment: Samples) -> Samples:
        estimates = separator(torch.from_numpy(segment)[None].to(DEVICE))
        return np.asarray(separator.to_dict(estimates)["vocals"][0].cpu().numpy())

    return Runner(separate, predict, soundfile.info(files.song).frames)


def _import_torchaudio() -> None:
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError):  # OSError: a library of another torch
        sys.modules["torchaudio"] = ModuleType("torchaudio")
