"""A small material: a band of noise for each kind, at levels that differ."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import butter, sosfilt

from stemkit.study.conditions import Example, StudyOptions, build_examples, list_conditions
from stemkit.study.material import Excerpts, Material

RATE = 44100
BANDS_HZ = {
    "singing": (300, 3000),
    "band": (60, 6000),
    "horn": (400, 2500),
    "cymbals": (4000, 15000),
    "choir": (200, 3000),
    "speech": (200, 4000),
    "noise": (50, 15000),
    "crowd": (200, 5000),
    "drums": (50, 8000),
}


def make_sound(kind: str, seconds: float, seed: int) -> npt.NDArray[np.float64]:
    """Return (frames, 2), noise in the kind's band, at a level that the seed decides."""
    random = np.random.default_rng(seed)
    band = butter(2, BANDS_HZ[kind], "bandpass", fs=RATE, output="sos")
    sound = sosfilt(band, random.normal(size=(round(seconds * RATE), 2)), axis=0)
    return np.asarray(sound / np.sqrt(np.square(sound).mean()) * random.uniform(0.01, 0.1))


def make_material(
    folder: Path, kinds: tuple[str, ...] = tuple(BANDS_HZ), seconds: float = 4
) -> Path:
    """Write two files of each kind below `folder`, and return it."""
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for number in range(2):
            sound = make_sound(kind, seconds, list(BANDS_HZ).index(kind) * 10 + number)
            soundfile.write(folder / kind / f"{number}.wav", sound, RATE, "PCM_24")
    return folder


def build_conditions(material: Material, options: StudyOptions) -> Iterator[Example]:
    """Yield every example of every condition: number 0 of all of them, then number 1, ...

    The same material, by the names and contents of its files, and the same options give the same
    samples. A file that can't be used gives way to another one of its kind.
    """
    conditions, _ = list_conditions(material)
    excerpts = Excerpts(material, options.seconds, options.seed)
    for number in range(options.songs):
        yield from build_examples(conditions, excerpts, number)
