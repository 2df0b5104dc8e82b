"""Who can take part, what each needs, and the files that all of one run share.

Doesn't import torch, so that the process that starts the contenders stays small.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

DEVICE: Literal["cpu", "cuda"] = "cuda" if os.environ.get("BENCHMARK_DEVICE") == "cuda" else "cpu"
"""Where all of a run compute; the processes that it starts inherit it."""

Way = Literal["bytesep", "float32", "auto", "compiled", "demucs", "openunmix"]

ARCHITECTURES = ("resunet143-subband", "resunet143-ismir2021", "mobilenet-subband")
OURS: tuple[Way, ...] = ("float32", "auto", "compiled")

_LABELS: dict[Way, str] = {
    "float32": "stemkit float32",
    "auto": "stemkit auto",
    "compiled": "stemkit auto compiled",
}
# The rest of what they import comes with stemkit's own tests.
_PACKAGES: dict[Way, tuple[str, ...]] = {
    "bytesep": ("bytesep==0.1.1", "torchlibrosa==0.1.0"),
    "demucs": ("demucs==4.1.0", "julius", "einops"),
    "openunmix": ("openunmix==1.3.0",),
}


@dataclass(frozen=True)
class Contender:
    """A model, and who runs it in which way."""

    model: str
    way: Way

    @property
    def label(self) -> str:
        """Who runs the model, and how."""
        return _LABELS.get(self.way, self.way)

    @property
    def name(self) -> str:
        """What `--only` is compared with."""
        return f"{self.model}, {self.label}"

    @property
    def reference(self) -> "Contender":
        """The contender that does the same work at float32 and isn't compiled."""
        return Contender(self.model, "float32") if self.way in OURS else self


def list_contenders() -> list[Contender]:
    """Return all contenders, in the order of the table."""
    return [
        *(Contender(model, way) for model in ARCHITECTURES for way in ("bytesep", *OURS)),
        *(Contender(model, way) for model in ("stemkit-small", "stemkit-duo") for way in OURS),
        Contender("htdemucs", "demucs"),
        Contender("umxhq", "openunmix"),
    ]


def list_missing(way: Way) -> list[str]:
    """Return what pip would have to install for a way."""
    packages = _PACKAGES.get(way, ())
    return [package for package in packages if find_spec(package.partition("==")[0]) is None]


@dataclass(frozen=True)
class Files:
    """The song, the seeded weights, and what the contenders gave."""

    folder: Path

    @property
    def song(self) -> Path:
        """What all separate."""
        return self.folder / "song.wav"

    @property
    def clip(self) -> Path:
        """The song's beginning, to warm up."""
        return self.folder / "clip.wav"

    def weights(self, model: str) -> Path:
        """Return the checkpoint of an architecture."""
        return self.folder / f"{model}.pth"

    def stems(self, contender: Contender) -> Path:
        """Return the folder of a contender's stems."""
        return self.folder / contender.name

    def vocals(self, contender: Contender) -> Path:
        """Return the file of what a contender's network alone gave for the first segment."""
        return self.folder / f"{contender.name}.npy"
