"""A preset at work: blocks of a song's stems in, blocks of the preset's files out."""

import functools
from collections.abc import Iterable, Iterator

import numpy as np

from stemkit.audio.levels import Level
from stemkit.effects.preset import check_rate
from stemkit.effects.schema import MixSettings, Preset, StemSettings
from stemkit.errors import OptionError
from stemkit.samples import Samples
from stemkit.separation.options import EngineOptions
from stemkit.separation.processor import SampleStream
from stemkit.separation.queue import SampleQueue
from stemkit.separation.stems import SONG, Stems


class Renderer:
    """A preset's boards, ready for one song after another.

    They hold native plugins, whose state is in them: a renderer renders one song at a time, and
    each thread needs its own. Raises PresetError for what can't be built, a VST3 or Audio Unit
    plugin without `allow_plugins` among it. `engine_options` say how a Separator in a chain is run.
    """

    def __init__(
        self,
        preset: Preset,
        *,
        allow_plugins: bool = False,
        engine_options: EngineOptions | None = None,
    ) -> None:
        self._preset = preset
        self._tracks = preset.stems or {SONG: StemSettings()}
        self._master = preset.mix or MixSettings()
        build = functools.partial(
            preset.build_board, allow_plugins=allow_plugins, engine_options=engine_options
        )
        self._track_boards = {name: build(track.chain) for name, track in self._tracks.items()}
        self._master_board = build(self._master.chain)

    @property
    def levels(self) -> dict[str, Level]:
        """The loudness and the ceiling of each output that has one or both."""
        settings = {self._master.name: self._master} | self._tracks
        levels = {
            name: Level(settings[name].loudness_lufs, settings[name].true_peak_db)
            for name in self._preset.outputs
        }
        return {name: level for name, level in levels.items() if level != Level(None, None)}

    def channels_out(self, channels: int) -> int:
        """Return the channels that a song of `channels` comes out with: 2 for mono that is panned.

        Raises OptionError where a song of more than two would be panned.
        """
        if not any(track.pan for track in self._tracks.values()):
            return channels
        if channels > 2:
            raise OptionError(
                f"this song has {channels} channels and the preset pans, which takes 1 or 2"
            )
        return 2

    def render(self, blocks: Iterable[Stems], sample_rate: int, channels: int) -> Iterator[Stems]:
        """Yield blocks of each output, (channels_out, frames); their frames may differ.

        `blocks` hold the preset's stems, or `SONG` if it has none, of shape (channels, frames).
        In all, each output is the preset's `tail_seconds` longer than the input. Raises PresetError
        for an effect that can't work at `sample_rate`, and OptionError as `channels_out` does.
        """
        check_rate(self._preset, sample_rate)
        channels_out = self.channels_out(channels)
        console = self._open_console(sample_rate, channels_out)
        for stems in blocks:
            widened = {
                name: np.broadcast_to(stems[name], (channels_out, stems[name].shape[1]))
                for name in self._tracks
            }
            yield self._choose(*console.push(widened))
        tail_frames = round(self._preset.output.tail_seconds * sample_rate)
        yield self._choose(*console.flush(tail_frames))

    def _open_console(self, sample_rate: int, channels: int) -> "_Console":
        strips = {
            name: _Strip(
                self._track_boards[name].open_stream(sample_rate, channels),
                _track_gains(track, channels),
            )
            for name, track in self._tracks.items()
        }
        master_stream = self._master_board.open_stream(sample_rate, channels)
        return _Console(strips, _Strip(master_stream, _to_gains(self._master.gain_db, channels)))

    def _choose(self, tracks: Stems, mix: Samples) -> Stems:
        everything = {self._master.name: mix} | tracks
        return {name: everything[name] for name in self._preset.outputs}


class _Strip:
    """A chain, and the gain of each channel after it, (channels, 1)."""

    def __init__(self, stream: SampleStream, gains: Samples) -> None:
        self._stream = stream
        self._gains = gains

    def push(self, block: Samples) -> Samples:
        return self._stream.push(block) * self._gains

    def flush(self, tail_frames: int) -> Samples:
        return self._stream.flush(tail_frames) * self._gains


class _Console:
    """One song on its way: each stem through its strip, and their sum through the master's."""

    def __init__(self, strips: dict[str, _Strip], master: _Strip) -> None:
        self._strips = strips
        self._master = master
        self._waiting = {name: SampleQueue() for name in strips}  # for the slowest of them

    def push(self, stems: Stems) -> tuple[Stems, Samples]:
        """Return what is ready of each track, and of the mix."""
        tracks = {name: strip.push(stems[name]) for name, strip in self._strips.items()}
        return tracks, self._master.push(self._sum(tracks))

    def flush(self, tail_frames: int) -> tuple[Stems, Samples]:
        """Return the rest of each track and of the mix, `tail_frames` longer than the song."""
        tracks = {name: strip.flush(tail_frames) for name, strip in self._strips.items()}
        rest = self._master.push(self._sum(tracks))
        return tracks, np.concatenate([rest, self._master.flush(0)], axis=1)

    def _sum(self, tracks: Stems) -> Samples:
        for name, block in tracks.items():
            self._waiting[name].push(block)
        frames = min(queue.frames for queue in self._waiting.values())
        total: Samples = np.sum([queue.take(frames) for queue in self._waiting.values()], axis=0)
        return total


def _track_gains(track: StemSettings, channels: int) -> Samples:
    """Return each channel's gain, (channels, 1); pan is a balance, and no change at 0."""
    if track.mute:
        return np.zeros((channels, 1), np.float32)
    gains = _to_gains(track.gain_db, channels)
    if channels == 2:
        gains *= np.array([[min(1, 1 - track.pan)], [min(1, 1 + track.pan)]], np.float32)
    return gains


def _to_gains(gain_db: float, channels: int) -> Samples:
    return np.full((channels, 1), 10 ** (gain_db / 20), np.float32)
