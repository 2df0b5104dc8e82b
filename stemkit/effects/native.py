"""A run of native plugins as a stream: any blocks in, the samples of one call out."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import pedalboard

from stemkit.effects.calls import (
    LOSE_SAMPLES,
    Form,
    make_parts,
    push_through,
    run_whole,
    split_groups,
    walk_native,
)
from stemkit.errors import BoardError, PluginError
from stemkit.samples import Samples
from stemkit.separation.processor import SampleStream
from stemkit.separation.queue import SampleQueue

WHOLE_SAMPLES_MAX = 2**28
"""How many samples, of all channels, are held for plugins that need all at once: 1 GiB."""

_FLUSH_FRAMES = 1024
_PATIENCE_SECONDS = 10  # of silence, for a plugin to give what it holds back

_served: WeakKeyDictionary[pedalboard.Plugin, object] = WeakKeyDictionary()  # by which run


def open_native(plugins: Sequence[pedalboard.Plugin], form: Form) -> SampleStream:
    """Return a stream of these plugins, one after the other, which are reset.

    They serve one stream at a time: pushing to an earlier one raises BoardError, and so does a
    Reverb or a Convolution for more than two channels, which Pedalboard would pass by.
    """
    if form.channels > 2:
        _check_surround(plugins, form.channels)
    return _WholeStream(plugins, form) if needs_whole(plugins) else _BlockStream(plugins, form)


def _check_surround(plugins: Sequence[pedalboard.Plugin], channels: int) -> None:
    """Raise BoardError for what Pedalboard does to two channels alone."""
    for plugin in walk_native(plugins):
        if isinstance(plugin, pedalboard.Reverb):
            fate = f"leave {channels} channels as they are"
        elif isinstance(plugin, pedalboard.Convolution):
            fate = f"put the first of {channels} channels in the place of others"
        else:
            continue
        name = type(plugin).__name__
        raise BoardError(f"{name} takes mono or stereo, and would {fate}; take it out")


def needs_whole(plugins: Sequence[pedalboard.Plugin]) -> bool:
    """Tell whether these must be given a whole signal at once.

    PitchShift and GSMFullRateCompressor lose samples between calls (spotify/pedalboard#415).
    """
    return any(isinstance(plugin, LOSE_SAMPLES) for plugin in walk_native(plugins))


class _Claim:
    """That some plugins, each of which has one state, serve one stream and no other."""

    def __init__(self, plugins: Sequence[pedalboard.Plugin]) -> None:
        self._plugins = walk_native(plugins)
        self._reset()
        for plugin in self._plugins:
            _served[plugin] = self

    def check(self) -> None:
        """Raise BoardError unless the plugins still serve this stream."""
        if any(_served.get(plugin) is not self for plugin in self._plugins):
            raise BoardError(
                "the plugins of this stream now serve another one, or it is over; run one stream "
                "at a time through a plugin, or make a second plugin"
            )

    def end(self) -> None:
        """Let go of the plugins, and let them forget the signal."""
        self._reset()
        for plugin in self._plugins:
            _served.pop(plugin, None)

    def _reset(self) -> None:
        for plugin in self._plugins:
            plugin.reset()


class _BlockStream:
    """A run that can be given blocks."""

    def __init__(self, plugins: Sequence[pedalboard.Plugin], form: Form) -> None:
        self._claim = _Claim(plugins)
        self._parts = make_parts(plugins, form)
        self._form = form
        self._due = 0  # how many frames went in and haven't come out

    def push(self, block: Samples) -> Samples:
        self._claim.check()
        self._due += block.shape[1]
        return self._advance(block)

    def flush(self, tail_frames: int = 0) -> Samples:
        self._claim.check()
        self._due += tail_frames
        due, patience = self._due, _PATIENCE_SECONDS * self._form.sample_rate
        rest = [self._form.empty()]
        while self._due > 0 and patience > 0:
            silence = max(self._due, _FLUSH_FRAMES)
            rest.append(self._advance(self._form.silence(silence)))
            patience -= silence
        self._claim.end()
        return _fit(np.concatenate(rest, axis=1), due)

    def _advance(self, block: Samples) -> Samples:
        try:
            done = push_through(self._parts, block)
        except PluginError:
            self._claim.end()
            raise
        self._due -= done.shape[1]
        return done


class _WholeStream:
    """A run that must be given everything at once."""

    def __init__(self, plugins: Sequence[pedalboard.Plugin], form: Form) -> None:
        self._claim = _Claim(plugins)
        self._plugins = plugins
        self._form = form
        self._held = SampleQueue()
        self._held.push(form.empty())

    def push(self, block: Samples) -> Samples:
        self._claim.check()
        samples = self._form.channels * (self._held.frames + block.shape[1])
        if self._held.frames and samples > WHOLE_SAMPLES_MAX:
            seconds = WHOLE_SAMPLES_MAX / self._form.channels / self._form.sample_rate
            raise BoardError(
                f"PitchShift and GSMFullRateCompressor need the whole signal at once, and this "
                f"one is longer than {seconds / 60:.0f} minutes; cut it"
            )
        self._held.push(block)
        return self._held.take(0)

    def flush(self, tail_frames: int = 0) -> Samples:
        self._claim.check()
        frames = self._held.frames + tail_frames
        self._held.push(self._form.silence(tail_frames + self._margin(frames)))
        try:
            done = run_whole(self._plugins, self._held.take(self._held.frames), self._form)
        finally:
            self._claim.end()
        return _fit(done, frames)

    def _margin(self, frames: int) -> int:
        """Return how much silence to add: with several calls, each cuts off its tail."""
        if any(isinstance(group, pedalboard.Mix) for group in split_groups(self._plugins)):
            return self._form.sample_rate
        return max(0, self._form.shortest_block - frames)


def _fit(audio: Samples, frames: int) -> Samples:
    """Return the first `frames`, with silence where there are fewer."""
    missing = max(0, frames - audio.shape[1])
    return np.pad(audio, ((0, 0), (0, missing)))[:, :frames]
