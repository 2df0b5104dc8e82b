"""What a board may hold: everything else would be bypassed, or break the song, in silence."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias, cast
from weakref import WeakSet

import pedalboard

from stemkit.effects.catalogue.impulses import passes_through
from stemkit.effects.names import shorten
from stemkit.errors import BoardError, NotAnEffectError
from stemkit.separation.processor import Processor

Plugin: TypeAlias = pedalboard.Plugin | Processor
"""What a board holds."""

Stage: TypeAlias = Processor | list[pedalboard.Plugin]
"""One processor, or a run of native plugins."""


_readable: WeakSet[pedalboard.Convolution] = WeakSet()


def read_contents(plugin: Plugin) -> Sequence[Plugin]:
    """Return what `plugin` holds, which is nothing unless it is a board, a Mix or a Chain."""
    if isinstance(plugin, Sequence):
        return plugin
    if isinstance(plugin, pedalboard.Mix | pedalboard.Chain):  # a pedalboard.Pedalboard is a Chain
        return list(plugin)
    return []


def walk(plugins: Iterable[Plugin]) -> Iterator[Plugin]:
    """Yield each plugin, followed by what it holds, at any depth."""
    for plugin in plugins:
        yield plugin
        yield from walk(read_contents(plugin))


def check_contents(
    plugins: Iterable[object], within: Sequence[Plugin], place: str = "board"
) -> None:
    """Raise NotAnEffectError or BoardError for what a board can't hold, at any depth.

    `within` is what `plugins` are in, from the outermost board inwards.
    """
    for index, plugin in enumerate(plugins):
        here = f"{place}[{index}]"
        checked = _check_plugin(plugin, here)
        if any(checked is outer for outer in within):
            raise BoardError(f"{here} holds itself; put in a copy, or list(...) of it")
        check_contents(read_contents(checked), [*within, checked], here)


def check_distinct(plugins: Iterable[Plugin]) -> None:
    """Raise BoardError for a native plugin that is there twice, at any depth."""
    seen: list[Plugin] = []  # alive, so that no two have one id
    for plugin in walk(plugins):
        if not isinstance(plugin, pedalboard.Plugin):
            continue
        if any(plugin is other for other in seen):
            raise BoardError(
                f"{shorten(plugin)} is in this board twice, and a native plugin has the state of "
                f"one place only; make a second one"
            )
        seen.append(plugin)


def split_stages(plugins: Iterable[Plugin]) -> list[Stage]:
    """Return the plugins in order, neighbouring native ones in one list."""
    stages: list[Stage] = []
    for native, group in groupby(plugins, lambda plugin: isinstance(plugin, pedalboard.Plugin)):
        if native:
            stages.append(cast(list[pedalboard.Plugin], list(group)))
        else:
            stages.extend(cast(Iterable[Processor], group))
    return stages


def _check_plugin(plugin: object, here: str) -> Plugin:
    if isinstance(plugin, type):
        raise NotAnEffectError(f"{here} is the class {plugin.__name__}; make an instance of it")
    if not isinstance(plugin, pedalboard.Plugin | Processor):
        raise NotAnEffectError(
            f"{here} is {shorten(plugin)}, which is neither a Pedalboard plugin nor a stemkit "
            f"processor; leave it out"
        )
    if isinstance(plugin, pedalboard.Plugin) and not _is_native(type(plugin)):
        raise NotAnEffectError(
            f"{here} is a {type(plugin).__name__}, a Python subclass, whose own methods Pedalboard "
            f"would bypass; use {_native_base(type(plugin)).__name__}, or subclass "
            f"stemkit's Processor"
        )
    if isinstance(plugin, pedalboard.Convolution):
        _check_convolution(plugin, here)
    if plugin.is_instrument:
        raise NotAnEffectError(
            f"{here} is {shorten(plugin)}, an instrument, which makes its sound from MIDI; "
            f"a board takes effects"
        )
    return plugin


def _check_convolution(plugin: pedalboard.Convolution, here: str) -> None:
    """Try, once, whether Pedalboard could read the impulse response; only if it is to be heard."""
    if plugin in _readable or plugin.impulse_response_filename is None or plugin.mix == 0:
        return
    if passes_through(plugin):
        raise BoardError(
            f"{here} has an impulse response that Pedalboard can't read, "
            f"{plugin.impulse_response_filename!r}, and would be bypassed; save it as 24-bit WAV"
        )
    _readable.add(plugin)


def _is_native(kind: type) -> bool:
    """Tell whether this is a class of Pedalboard's own."""
    return kind is pedalboard.Pedalboard or kind.__module__.split(".")[0] == "pedalboard_native"


def _native_base(kind: type) -> type:
    return next(base for base in kind.__mro__ if _is_native(base))
