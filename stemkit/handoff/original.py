"""The song itself beside its stems: what projects play for comparison, and NI Stems as master."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat, encode_file
from stemkit.audio.probe import probe_audio
from stemkit.errors import AudioError, HandoffError
from stemkit.files import hash_content, replace_file
from stemkit.handoff.notes import Notes
from stemkit.samples import Samples
from stemkit.tracks.names import name_original
from stemkit.tracks.record import TrackRecord
from stemkit.tracks.track import Track

_FORMAT = OutputFormat("wav", "32f")  # holds what is beyond full scale, as the decoded song may be


def add_original(track: Track, notes: Notes, made_of: str, source: Path | None = None) -> Track:
    """Return `track` with the song itself as a file beside its stems.

    Without `source` a file that is there already and is as long as the song stays; else it is made
    anew, of `source`, which is the song, or of the file that the record names. It has the channels
    of the stems and, if they were all turned down by one gain so as not to clip, that gain. Raises
    HandoffError where the song isn't there any more or is another, or a file of that name that no
    hand-off wrote; and AudioError.
    """
    record = track.record
    if record is None or (source is None and track.original and _fits(track.original, record)):
        return track
    song = source or Path(record.source.path)
    if source is None:
        _require_same(song, record)
    target = name_original(track.stems[0].path, track.stems[0].name)
    notes.begin([target])
    with AudioReader(song) as reader:
        blocks = _adapt(reader.blocks(), track.channels, _shared_gain(record))
        rate = reader.info.sample_rate
        replace_file(target, lambda path: encode_file(path, blocks, rate, track.channels, _FORMAT))
    notes.add(target, made_of)
    return replace(track, original=target)


def _fits(original: Path, record: TrackRecord) -> bool:
    try:
        info = probe_audio(original)
    except AudioError:
        return False
    song = record.source
    return (info.sample_rate, info.frames) == (song.sample_rate, song.frames)


def _require_same(song: Path, record: TrackRecord) -> None:
    try:
        is_same = hash_content(song) == record.source.sha256
    except OSError as error:
        raise HandoffError(
            f"the song {song} can't be read ({error.strerror}), so it isn't in the project"
        ) from error
    if not is_same:
        raise HandoffError(
            f"{song} isn't the song that was separated any more, so it isn't in the project"
        )


def _shared_gain(record: TrackRecord) -> float:
    gains = {0.0 if stem.is_levelled else stem.gain_db for stem in record.stems}
    return 10 ** (gains.pop() / 20) if len(gains) == 1 else 1.0


def _adapt(blocks: Iterator[Samples], channels: int, gain: float) -> Iterator[Samples]:
    """Yield blocks with the gain, a mono song on as many channels as its stems have."""
    for block in blocks:
        wide = np.broadcast_to(block, (channels, block.shape[1])) if len(block) == 1 else block
        yield wide * np.float32(gain)
