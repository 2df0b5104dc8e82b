"""Native Instruments' Stems, which Traktor and Mixxx play: a song and four stems in one MP4 file.

Five stereo tracks, of which only the first, the song, is enabled, so that other players play that;
and in the user data an atom `stem`: JSON with the stems' names and colours, and the settings of a
compressor and a limiter for the sum of the stems.
"""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import explain_write_errors
from stemkit.audio.quantize import to_int24
from stemkit.audio.resample import Resampler, resampled_frames
from stemkit.audio.tags.metadata import Metadata, Tags, clean
from stemkit.audio.tags.write import write_metadata
from stemkit.errors import HandoffError
from stemkit.files import replace_file
from stemkit.handoff.mp4_atoms import append_user_data
from stemkit.handoff.ni_slots import Slot, fill_slots, whole_song
from stemkit.handoff.text import flatten
from stemkit.samples import Samples
from stemkit.tracks.track import Track

Codec = Literal["aac", "alac"]

_BLOCK_FRAMES = 16384
_BIT_RATE = 256_000  # bit/s of a track, as Native Instruments' Stem Creator writes

# Off, since the stems sum to the song as it is. The values are the Stem Creator's own.
_MASTERING = {
    "compressor": {
        "enabled": False,
        "input_gain": 0.5,
        "output_gain": 0.5,
        "threshold": 0,
        "dry_wet": 50,
        "attack": 0.003,
        "release": 0.3,
        "ratio": 3,
        "hp_cutoff": 300,
    },
    "limiter": {"enabled": False, "threshold": 0, "ceiling": -0.35, "release": 0.05},
}


def write_ni_stems(track: Track, *, codec: Codec = "aac") -> Path:
    """Write the stems of `track` as one .stem.mp4 and return it; `fill_slots` says what is where.

    All tracks start at the same sample and have the song's length. They are at 44100 or 48000 Hz,
    the rates that players take; others are resampled to the one that they divide or double, else
    to 48000. Mono is written on both sides. `aac` has 256 kbit/s a track; `alac` has 24 bits, which
    keep stems of 24 and 16 exactly, but Traktor on Windows doesn't play it
    (https://github.com/NativeInstruments/ni-media/issues/67). Beyond full scale samples saturate.

    Raises HandoffError for more than two channels, AudioError for a stem that can't be read and
    EncodeError where the file can't be written.
    """
    path = track.folder / f"{track.project}.stem.mp4"
    with explain_write_errors(path):
        replace_file(path, lambda part: _write(part, track, codec))
    return path


def _write(path: Path, track: Track, codec: Codec) -> None:
    slots = fill_slots(track)
    rate = 44100 if track.sample_rate % 11025 == 0 else 48000
    frames = resampled_frames(track.frames, track.sample_rate, rate)
    _encode(path, (whole_song(track), *slots), rate, frames, codec)
    write_metadata(path, "m4a", Metadata(_list_tags(track)), rate, frames)
    append_user_data(path, b"stem", _describe_slots(slots))


def _encode(path: Path, slots: tuple[Slot, ...], rate: int, frames: int, codec: Codec) -> None:
    # The edit list's clock ticks with the samples: milliseconds would round the length.
    options = {"movie_timescale": str(rate), "fflags": "+bitexact"}
    with av.open(f"file:{path}", "w", format="ipod", options=options) as container:
        streams = [_add_stream(container, slot.name, rate, codec) for slot in slots]
        streams[0].disposition = Disposition.default  # and so the others come out disabled
        position = 0
        for sounds in _read_together(slots, rate, frames):
            for slot, stream in zip(slots, streams, strict=True):
                mix = _mix(slot, sounds)
                container.mux(stream.encode(_to_frame(mix, position, rate, codec)))
            position += mix.shape[1]
        for stream in streams:
            container.mux(stream.encode(None))


def _add_stream(container: OutputContainer, name: str, rate: int, codec: Codec) -> AudioStream:
    stream = container.add_stream(codec, rate=rate, layout="stereo")
    stream.metadata["handler_name"] = name
    if codec == "aac":
        stream.bit_rate = _BIT_RATE
    return stream


def _to_frame(mix: Samples, position: int, rate: int, codec: Codec) -> av.AudioFrame:
    if codec == "aac":
        frame = av.AudioFrame.from_ndarray(mix, format="fltp", layout="stereo")
    else:
        upper = np.ascontiguousarray(to_int24(mix).T) << 8  # of 32 bits
        frame = av.AudioFrame.from_ndarray(upper, format="s32p", layout="stereo")
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = position
    return frame


def _read_together(
    slots: tuple[Slot, ...], rate: int, frames: int
) -> Iterator[dict[Path, Samples]]:
    """Yield blocks of all files of `slots`, each file decoded once."""
    paths = list(dict.fromkeys(path for slot in slots for path in slot.gains))
    with ExitStack() as open_files:
        readers = [open_files.enter_context(AudioReader(path)) for path in paths]
        sounds = [_fit(_to_stereo(reader, rate), frames) for reader in readers]
        for blocks in zip(*sounds, strict=True):
            yield dict(zip(paths, blocks, strict=True))


def _to_stereo(reader: AudioReader, rate: int) -> Iterator[Samples]:
    """Yield a file's audio on two channels at `rate`."""
    info = reader.info
    if info.channels > 2:
        raise HandoffError(
            f"{info.path.name!r} has {info.channels} channels, and NI Stems are stereo; "
            "choose another hand-off"
        )
    resampler = Resampler(info.sample_rate, rate, info.channels)
    for block in reader.blocks(_BLOCK_FRAMES):
        yield _double(resampler.process(block))
    yield _double(resampler.flush())


def _double(block: Samples) -> Samples:
    return np.repeat(block, 2, axis=0) if len(block) == 1 else block


def _fit(blocks: Iterator[Samples], frames: int) -> Iterator[Samples]:
    """Yield `frames` in blocks of `_BLOCK_FRAMES`, the last shorter; after the end it's silent."""
    held = np.zeros((2, 0), np.float32)
    for start in range(0, frames, _BLOCK_FRAMES):
        wanted = min(_BLOCK_FRAMES, frames - start)
        while held.shape[1] < wanted:
            more = next(blocks, np.zeros((2, wanted), np.float32))
            held = np.concatenate([held, more], axis=1)
        yield held[:, :wanted]
        held = held[:, wanted:]
    deque(blocks, maxlen=0)  # damage at a file's end is only found there


def _mix(slot: Slot, sounds: dict[Path, Samples]) -> Samples:
    mix = np.zeros_like(next(iter(sounds.values())))
    for path, gain in slot.gains.items():
        mix += np.float32(gain) * sounds[path]
    if not np.isfinite(mix).all():
        raise HandoffError(f"{slot.name!r} has NaN or infinity in it; separate the song anew")
    return mix


def _list_tags(track: Track) -> Tags:
    texts = track.tags.model_dump() | {"title": track.title}
    return Tags(**{name: clean(flatten(text)) for name, text in texts.items()}, pictures=())


def _describe_slots(slots: tuple[Slot, ...]) -> bytes:
    stems = [{"name": slot.name, "color": slot.colour.hex.upper()} for slot in slots]
    return json.dumps({"version": 1, "mastering_dsp": _MASTERING, "stems": stems}).encode()
