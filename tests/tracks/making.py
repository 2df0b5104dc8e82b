"""Stems on the disk with a record beside them, as stemkit leaves them."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from stemkit.samples import Samples
from stemkit.tracks.find import find_tracks
from stemkit.tracks.record import (
    MarkerRecord,
    ModelRecord,
    SourceRecord,
    StemRecord,
    TagsRecord,
    TrackRecord,
)
from stemkit.tracks.track import Track

STEMS = ("vocals", "accompaniment")


def make_track(
    folder: Path,
    stems: Sequence[str] = STEMS,
    *,
    sample_rate: int = 44100,
    channels: int = 2,
    frames: int = 44100,
    original: bool = True,
    tags: TagsRecord | None = None,
    markers: Sequence[MarkerRecord] = (),
    time_reference: int = 0,
    seed: int = 0,
) -> Track:
    """Write noise as the stems of a track into `folder`, whose name is the track's."""
    random = np.random.default_rng(seed)
    shape = (channels, frames)
    sounds = {stem: random.normal(0, 0.1, shape).astype(np.float32) for stem in stems}
    return write_track(
        folder, sounds, sample_rate, original=original, tags=tags, markers=markers,
        time_reference=time_reference,
    )  # fmt: skip


def write_track(
    folder: Path,
    sounds: dict[str, Samples],
    sample_rate: int = 44100,
    *,
    original: bool = True,
    tags: TagsRecord | None = None,
    markers: Sequence[MarkerRecord] = (),
    time_reference: int = 0,
) -> Track:
    """Write stems as 24-bit wav files, their sum as the original, and the record of it all."""
    folder.mkdir(parents=True, exist_ok=True)
    mix = np.sum(list(sounds.values()), axis=0, dtype=np.float32)
    channels, frames = mix.shape
    records = []
    for stem, sound in sounds.items():
        path = folder / f"{stem}.wav"
        soundfile.write(path, sound.T, sample_rate, "PCM_24")
        records.append(
            StemRecord(
                stem=stem, file=path.name, size_bytes=path.stat().st_size,
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(), sample_rate=sample_rate,
                file_sample_rate=sample_rate, channels=channels, frames=frames, gain_db=0.0,
                peak_db=_decibels(float(np.abs(sound).max(initial=0))),
                true_peak_db=_decibels(float(np.abs(sound).max(initial=0))),
                loudness_lufs=-20.0,
                energy_db=_decibels(float(np.sqrt(np.mean(np.square(sound))))),
            )
        )  # fmt: skip
    if original:
        soundfile.write(folder / "original.wav", mix.T, sample_rate, "FLOAT")
    record = TrackRecord(
        name=folder.name,
        source=SourceRecord(
            path=f"/music/{folder.name}.flac", size_bytes=1000, sha256="0" * 64, container="flac",
            codec="flac", sample_rate=sample_rate, channels=channels, frames=frames,
            peak_db=_decibels(float(np.abs(mix).max(initial=0))), true_peak_db=0.0,
            loudness_lufs=-18.0, energy_db=_decibels(float(np.sqrt(np.mean(np.square(mix))))),
        ),
        stems=records,
        model=ModelRecord(name="stemkit-small", sha256="1" * 64),
        versions={"stemkit": "0.1.0"},
        tags=tags or TagsRecord(),
        markers=list(markers),
        time_reference=time_reference,
    )  # fmt: skip
    (folder / "provenance.json").write_text(record.model_dump_json(indent=1), encoding="utf-8")
    (track,) = find_tracks(folder)
    if not isinstance(track, Track):
        raise RuntimeError(track[1])
    return track


def _decibels(factor: float) -> float | None:
    return 20 * math.log10(factor) if factor > 0 else None
