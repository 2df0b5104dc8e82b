"""Calls of native plugins, block after block, that give the samples of one call.

Pedalboard has traps for this, each of which is avoided here:

- a plugin is prepared anew, and forgets everything, when a block is longer than the first one;
  so each call's `buffer_size` is kept to the first block's length;
- arrays with no more frames than channels are read sideways; so they wait for more frames;
- MP3Compressor may lose samples, in one call too, where it is given more than an MP3 frame; so
  what is called with it is cut smaller;
- a Mix with a plugin that has latency inside mixes in what was in memory before; so its branches
  are called one by one, and summed here;
- a Mix that was appended to crashes; so containers are built anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import pedalboard

from stemkit.effects.contents import walk
from stemkit.errors import PluginError
from stemkit.samples import Samples
from stemkit.separation.queue import SampleQueue

Group: TypeAlias = pedalboard.Mix | list[pedalboard.Plugin]
"""A Mix whose branches run one by one, or plugins that run in one call."""

LOSE_SAMPLES = (pedalboard.PitchShift, pedalboard.GSMFullRateCompressor)
_HAVE_LATENCY = (
    pedalboard.BrickwallLimiter,
    pedalboard.MP3Compressor,
    pedalboard.Resample,
    pedalboard.ExternalPlugin,
    *LOSE_SAMPLES,
)
_SLOW_IN_SMALL_BLOCKS = (pedalboard.Convolution, pedalboard.Resample, pedalboard.ExternalPlugin)
_SLOW_START_FRAMES = 1024
_MP3_FRAMES = 576  # in a frame of MPEG-2, the smaller one


@dataclass(frozen=True)
class Form:
    """What the blocks of a signal have in common, and at how many frames calls are cut."""

    sample_rate: int
    channels: int
    buffer_size: int

    @property
    def shortest_block(self) -> int:
        """How many frames an array needs for Pedalboard to see which axis is which."""
        return 1 if self.channels == 1 else self.channels + 1

    def empty(self) -> Samples:
        """Return (channels, 0)."""
        return np.zeros((self.channels, 0), np.float32)

    def silence(self, frames: int) -> Samples:
        """Return (channels, frames) of it."""
        return np.zeros((self.channels, frames), np.float32)


class Part(Protocol):
    """Something that blocks go through; it never gives more than it was given."""

    def push(self, block: Samples) -> Samples:
        """Return what is ready, (channels, frames)."""


class Call:
    """Native plugins that are called together."""

    def __init__(self, plugins: Sequence[pedalboard.Plugin], form: Form) -> None:
        self._native = build_native(plugins)
        self._form = form
        self._buffer_size = cut_size(plugins, form.buffer_size)
        self._awaited = min(start_frames(plugins, form), max(form.buffer_size, form.shortest_block))
        self._held = SampleQueue()
        self._held.push(form.empty())
        self._started = False

    def push(self, block: Samples) -> Samples:
        """Return what the plugins give, once there are as many frames as they need."""
        self._held.push(block)
        if self._held.frames < self._awaited:
            return self._held.take(0)
        block = self._held.take(self._held.frames)
        if not self._started:
            self._buffer_size = min(self._buffer_size, block.shape[1])
            self._awaited, self._started = self._form.shortest_block, True
        rate = self._form.sample_rate
        return call_native(self._native, block, rate, self._buffer_size, reset=False)


class BranchSum:
    """The branches of a Mix, each given every block, and waiting for the slowest of them."""

    def __init__(self, mix: pedalboard.Mix, form: Form) -> None:
        self._branches = [make_parts([plugin], form) for plugin in mix]
        self._waiting = [SampleQueue() for _ in self._branches]

    def push(self, block: Samples) -> Samples:
        """Return the sum of what all branches have given."""
        for branch, queue in zip(self._branches, self._waiting, strict=True):
            queue.push(push_through(branch, block))
        frames = min(queue.frames for queue in self._waiting)
        return add_up([queue.take(frames) for queue in self._waiting])


def make_parts(plugins: Iterable[pedalboard.Plugin], form: Form) -> list[Part]:
    """Return what blocks go through, one part after the other."""
    return [
        BranchSum(group, form) if isinstance(group, pedalboard.Mix) else Call(group, form)
        for group in split_groups(plugins)
    ]


def push_through(parts: Iterable[Part], block: Samples) -> Samples:
    """Return what comes out of the last part."""
    for part in parts:
        block = part.push(block)
    return block


def run_whole(plugins: Iterable[pedalboard.Plugin], audio: Samples, form: Form) -> Samples:
    """Return what the plugins make of a whole signal, without lag.

    Where Pedalboard can't run them in one call, each call's tail is cut off at the end.
    """
    for group in split_groups(plugins):
        if isinstance(group, pedalboard.Mix):
            audio = add_up([run_whole([plugin], audio, form) for plugin in group])
        else:
            size = cut_size(group, form.buffer_size)
            audio = call_native(build_native(group), audio, form.sample_rate, size, reset=True)
    return audio


def split_groups(plugins: Iterable[pedalboard.Plugin]) -> list[Group]:
    """Return what runs in one call each, in order; chains are dissolved."""
    groups: list[Group] = []
    for plugin in _dissolve_chains(plugins):
        last = groups[-1] if groups else None
        if isinstance(plugin, pedalboard.Mix) and _holds(list(plugin), _HAVE_LATENCY):
            groups.append(plugin)
        elif isinstance(last, list):
            last.append(plugin)
        else:
            groups.append([plugin])
    return groups


def add_up(branches: Sequence[Samples]) -> Samples:
    """Return the sum of the branches of a Mix, in Pedalboard's order."""
    total = np.zeros_like(branches[0])
    for branch in branches:
        total += branch
    return total


def start_frames(plugins: Iterable[pedalboard.Plugin], form: Form) -> int:
    """Return how many frames a call waits for at first: all later ones are cut to so many."""
    return max(
        form.shortest_block, _SLOW_START_FRAMES if _holds(plugins, _SLOW_IN_SMALL_BLOCKS) else 1
    )


def cut_size(plugins: Iterable[pedalboard.Plugin], buffer_size: int) -> int:
    """Return how many frames Pedalboard may give these plugins at once."""
    return (
        min(buffer_size, _MP3_FRAMES) if _holds(plugins, pedalboard.MP3Compressor) else buffer_size
    )


def call_native(
    plugin: pedalboard.Plugin, audio: Samples, sample_rate: int, buffer_size: int, *, reset: bool
) -> Samples:
    """Return what `plugin` makes of (channels, frames), which has more frames than channels.

    Raises PluginError for what Pedalboard raises, and for NaN and infinity.
    """
    array = audio[0] if len(audio) == 1 else audio
    try:
        done = plugin(array, sample_rate, buffer_size, reset)
    except (RuntimeError, ValueError) as error:
        raise PluginError(f"a native plugin refused {sample_rate} Hz audio: {error}") from error
    if not np.isfinite(done).all():
        raise PluginError(
            f"{_name(plugin)} gave NaN or infinity at {sample_rate} Hz; change the parameters, and "
            f"keep every cutoff below half of the rate"
        )
    return done.reshape(len(audio), -1)


def build_native(plugins: Iterable[pedalboard.Plugin]) -> pedalboard.Pedalboard:
    """Return the plugins as one, in containers of their own."""
    return pedalboard.Pedalboard([_rebuild(plugin) for plugin in plugins])


def walk_native(plugins: Iterable[pedalboard.Plugin]) -> list[pedalboard.Plugin]:
    """Return the plugins and what they hold."""
    return [plugin for plugin in walk(plugins) if isinstance(plugin, pedalboard.Plugin)]


def _holds(plugins: Iterable[pedalboard.Plugin], kinds: type | tuple[type, ...]) -> bool:
    return any(isinstance(plugin, kinds) for plugin in walk_native(plugins))


def _dissolve_chains(plugins: Iterable[pedalboard.Plugin]) -> Iterator[pedalboard.Plugin]:
    """Yield the plugins, those of chains instead of the chains."""
    for plugin in plugins:
        if isinstance(plugin, pedalboard.Chain):
            yield from _dissolve_chains(plugin)
        else:
            yield plugin


def _rebuild(plugin: pedalboard.Plugin) -> pedalboard.Plugin:
    """Return the same plugins in new containers."""
    if isinstance(plugin, pedalboard.Mix):
        return pedalboard.Mix([_rebuild(part) for part in plugin])
    if isinstance(plugin, pedalboard.Chain):
        return pedalboard.Chain([_rebuild(part) for part in plugin])
    return plugin


def _name(plugin: pedalboard.Plugin) -> str:
    names = (type(part).__name__ for part in walk_native([plugin]))
    return ", ".join(name for name in names if name != "Pedalboard")
