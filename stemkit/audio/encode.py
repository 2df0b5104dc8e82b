"""Write audio files: which formats there are, what each can hold, and one way to write them all.

- wav, flac and aiff hold 16 bits (dithered) or 24, wav also 32-bit float, at the input's own rate.
- mp3 is 320 kbit/s, ogg (Vorbis) quality 8, opus and m4a (AAC) 128 kbit/s a channel: high, because
  stems are processed further, where what a codec hides comes out. Decoded, they may pass full scale
  where the encoder overshoots; no headroom is kept for that.
- mp3, opus and m4a exist at some rates only; audio at another rate is resampled, see
  `OutputFormat.encoded_rate`.
- All start at the first sample and end at the last: what a codec adds before and after is told in
  the file (LAME's header, Ogg's granule positions, the MP4 edit list).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import av
import numpy as np
from mutagen import MutagenError

from stemkit.audio.encode_av import write_m4a, write_opus
from stemkit.audio.encode_sndfile import (
    AIFF_16,
    AIFF_24,
    FLAC_16,
    FLAC_24,
    MP3,
    VORBIS,
    Interleaved,
    SndfileCodec,
    SndfileError,
    write_sndfile,
)
from stemkit.audio.quantize import to_int16, to_int24
from stemkit.audio.resample import Resampler
from stemkit.audio.tags.metadata import NOTHING, Metadata
from stemkit.audio.tags.riff import make_chunks
from stemkit.audio.tags.write import write_metadata
from stemkit.audio.wav import BitDepth, WavLayout, WavWriter
from stemkit.errors import EncodeError, OptionError
from stemkit.files import writing
from stemkit.samples import Samples

Container = Literal["wav", "flac", "aiff", "mp3", "ogg", "opus", "m4a"]

BLOCK_FRAMES = 16384

BIT_DEPTHS: dict[str, tuple[str, ...]] = {
    "wav": ("16", "24", "32f"),
    "flac": ("16", "24"),
    "aiff": ("16", "24"),
}
# Beyond stereo the lossy codecs take channels for loudspeakers, in orders of their own, and cut the
# one they take for the subwoofer at some hundred Hz.
_MOST_CHANNELS = {"wav": 1024, "flac": 8, "aiff": 1024, "mp3": 2, "ogg": 2, "opus": 2, "m4a": 2}
_OWN_RATES = {
    "wav": (range(1, 2**20),),
    "flac": (range(1, 65536), range(65540, 655351, 10)),
    "ogg": (range(1000, 200001),),
}
_CODEC_RATES = {
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "opus": (48000,),
    "m4a": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
}


@dataclass(frozen=True)
class OutputFormat:
    """What kind of file to write.

    `bit_depth` None means 24 in wav, flac and aiff; the lossy containers have none. Raises
    OptionError for a container that doesn't exist or a bit depth that it doesn't have.
    """

    container: Container = "wav"
    bit_depth: BitDepth | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be written."""
        if self.container not in get_args(Container):
            choices = ", ".join(get_args(Container))
            raise OptionError(f"no format '{self.container}'; choose one of: {choices}")
        depths = BIT_DEPTHS.get(self.container, ())
        if self.bit_depth is not None and self.bit_depth not in depths:
            choices = f"choose one of: {', '.join(depths)}" if depths else "leave it out"
            raise OptionError(f"{self.container} has no bit depth '{self.bit_depth}'; {choices}")

    @property
    def extension(self) -> str:
        """The end of a file name, with its dot."""
        return f".{self.container}"

    @property
    def holds_floats(self) -> bool:
        """Whether samples are kept as they are, beyond full scale too."""
        return self.bit_depth == "32f"

    def check(self, channels: int, sample_rate: int) -> None:
        """Raise OptionError where the format can't hold so many channels or this rate."""
        most = _MOST_CHANNELS[self.container]
        if not 1 <= channels <= most:
            raise OptionError(
                f"{self.container} holds 1 to {most} channels, not {channels}; "
                f"choose {'flac or wav' if channels <= _MOST_CHANNELS['flac'] else 'wav'}"
            )
        rates = _OWN_RATES.get(self.container, (range(1, 2**20),))
        if not any(sample_rate in some for some in rates):
            raise OptionError(f"{self.container} can't hold {sample_rate} Hz; choose wav")

    def encoded_rate(self, sample_rate: int) -> int:
        """Return the rate that a file of audio at `sample_rate` is written at.

        It is `sample_rate` where the codec has it, else the next higher one that the codec has.
        Above all of them it is the highest that divides `sample_rate` and is 44100 at least (88200
        becomes 44100 in mp3), else the highest. Opus is always at 48000.
        """
        rates = _CODEC_RATES.get(self.container, (sample_rate,))
        if higher := [rate for rate in rates if rate >= sample_rate]:
            return min(higher)
        divisors = [rate for rate in rates if rate >= 44100 and sample_rate % rate == 0]
        return max(divisors, default=max(rates))


def encode_file(
    path: Path,
    blocks: Iterable[Samples],
    sample_rate: int,
    channels: int,
    output_format: OutputFormat,
    dither_seed: int = 0,
    metadata: Metadata = NOTHING,
) -> None:
    """Write `blocks`, each of shape (channels, frames), to `path`, over what is there.

    Samples beyond full scale saturate unless the format holds floats, so scale them before. The
    same samples and the same `dither_seed` give the same bytes. Only wav can hold no samples. The
    file says what `metadata` does, whose markers are in samples of `sample_rate`.

    Raises OptionError as `OutputFormat.check` does, and EncodeError when `path` can't be written,
    which may leave part of a file behind.
    """
    output_format.check(channels, sample_rate)
    with explain_write_errors(path):
        write_encoded(path, blocks, sample_rate, channels, output_format, dither_seed, metadata)


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn what the system and the codecs raise inside into an EncodeError that names `path`."""
    try:
        with writing(path, EncodeError):  # what FFmpeg raises for the system is an OSError too
            yield
    except (SndfileError, av.FFmpegError, MutagenError) as error:
        raise EncodeError(f"can't encode {path}: {error}; choose another format") from error


def write_encoded(
    path: Path,
    blocks: Iterable[Samples],
    sample_rate: int,
    channels: int,
    output_format: OutputFormat,
    dither_seed: int,
    metadata: Metadata = NOTHING,
    frames: int | None = None,
) -> None:
    """Do what `encode_file` does, unchecked and with the errors of whatever writes.

    `frames` is how many there are, where that is known: of m4a the last chapter ends there.
    """
    rate, container = output_format.encoded_rate(sample_rate), output_format.container
    counted = _FrameCounter(blocks)
    cut = _recut(_resample(counted, Resampler(sample_rate, rate, channels)), channels)
    if container == "wav":
        layout = lay_out_wav(rate, channels, output_format.bit_depth or "24", metadata)
        _write_wav(WavWriter(path, layout, dither_seed), cut)
        return
    some = _require_samples(cut, output_format)
    if container == "m4a":
        write_m4a(path, some, rate, channels, _list_chapters(metadata, sample_rate, frames))
    elif container == "opus":
        write_opus(path, some, channels)
    else:
        codec = _sndfile_codec(output_format)
        write_sndfile(path, _convert(some, codec, dither_seed), rate, channels, codec)
    if metadata != NOTHING:
        write_metadata(path, container, metadata, sample_rate, counted.frames)


def lay_out_wav(
    sample_rate: int, channels: int, bit_depth: BitDepth, metadata: Metadata = NOTHING
) -> WavLayout:
    """Return the layout of a WAV file that says what `metadata` does."""
    bits = bit_depth.removesuffix("f")
    chunks = make_chunks(metadata, sample_rate, channels, bits) if metadata != NOTHING else b""
    return WavLayout(sample_rate, channels, bit_depth, chunks)


class _FrameCounter:
    """Passes blocks on and counts their frames."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks = blocks
        self.frames = 0

    def __iter__(self) -> Iterator[Samples]:
        for block in self._blocks:
            self.frames += block.shape[1]
            yield block


def _list_chapters(
    metadata: Metadata, sample_rate: int, frames: int | None
) -> list[tuple[float, float, str]]:
    """Return each marker as a chapter up to the next one.

    One without a name is before the first, or FFmpeg would let that begin at 0.
    """
    points = [(marker.frame, marker.label) for marker in metadata.markers]
    if not points:
        return []
    if points[0][0] > 0:
        points.insert(0, (0, ""))
    last = points[-1][0]
    ends = [frame for frame, _ in points[1:]] + [max(frames or last + sample_rate, last)]
    return [
        (frame / sample_rate, end / sample_rate, label)
        for (frame, label), end in zip(points, ends, strict=True)
    ]


def _write_wav(wav: WavWriter, blocks: Iterable[Samples]) -> None:
    with wav:
        for block in blocks:
            wav.write(block)
        wav.finish()


def _sndfile_codec(output_format: OutputFormat) -> SndfileCodec:
    match output_format.container, output_format.bit_depth:
        case "flac", "16":
            return FLAC_16
        case "flac", _:
            return FLAC_24
        case "aiff", "16":
            return AIFF_16
        case "aiff", _:
            return AIFF_24
        case "ogg", _:
            return VORBIS
        case _:
            return MP3


def _convert(
    blocks: Iterable[Samples], codec: SndfileCodec, dither_seed: int
) -> Iterator[Interleaved]:
    random = np.random.default_rng(dither_seed)
    for block in blocks:
        if codec in (FLAC_16, AIFF_16):
            yield to_int16(block, random)
        elif codec in (FLAC_24, AIFF_24):
            yield to_int24(block) << 8  # the upper 24 bits of 32
        else:
            yield block.T


def _resample(blocks: Iterable[Samples], resampler: Resampler) -> Iterator[Samples]:
    for block in blocks:
        yield resampler.process(block)
    yield resampler.flush()


def _recut(blocks: Iterable[Samples], channels: int) -> Iterator[Samples]:
    """Yield `blocks` in lengths of `BLOCK_FRAMES`, on which the bytes of Vorbis depend."""
    rest = np.zeros((channels, 0), np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block], axis=1)
        while rest.shape[1] >= BLOCK_FRAMES:
            yield rest[:, :BLOCK_FRAMES]
            rest = rest[:, BLOCK_FRAMES:]
    if rest.shape[1]:
        yield rest


def _require_samples(blocks: Iterator[Samples], output_format: OutputFormat) -> Iterator[Samples]:
    first = next(blocks, None)
    if first is None:
        raise EncodeError(
            f"no samples to write, and {output_format.container} needs one; choose wav"
        )
    return chain([first], blocks)
