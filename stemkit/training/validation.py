"""How far a network has come: SDR over songs whose stems are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from stemkit.errors import TrainingError
from stemkit.evaluation.metrics import measure_sdr
from stemkit.nn.resunet import ResUNet
from stemkit.samples import Samples


@dataclass(frozen=True)
class SongScore:
    """SDR of one song's stems, and of the mix itself taken as its vocals, in dB."""

    song: str
    vocals_db: float
    accompaniment_db: float
    mix_db: float


def score_songs(network: ResUNet, folder: Path) -> list[SongScore]:
    """Separate each song of `folder` in one pass and score it against its stems."""
    songs = sorted(path for path in folder.iterdir() if path.is_dir())
    if not songs:
        raise TrainingError(f"no songs in {folder}; each is a folder with vocals and accompaniment")
    return [_score_song(network, song) for song in songs]


def _score_song(network: ResUNet, song: Path) -> SongScore:
    vocals, accompaniment = _read_stem(song, "vocals"), _read_stem(song, "accompaniment")
    mix = vocals + accompaniment
    with torch.inference_mode():
        estimate = network(torch.from_numpy(mix)[None])[0, 0].numpy()
    return SongScore(
        song.name,
        measure_sdr(vocals, estimate),
        measure_sdr(accompaniment, mix - estimate),
        measure_sdr(vocals, mix),
    )


def _read_stem(song: Path, stem: str) -> Samples:
    found = sorted(song.glob(f"{stem}.*"))
    if not found:
        raise TrainingError(f"no {stem} in {song}")
    audio, _ = soundfile.read(found[0], dtype="float32", always_2d=True)
    return np.ascontiguousarray(audio.T)
