"""A chain of plugins, native ones and stemkit's own in any order."""

from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from pathlib import Path
from typing import cast, overload

import numpy as np
from pydantic import ValidationError

from stemkit.effects.calls import Form
from stemkit.effects.catalogue import EffectSettings, describe_plugin
from stemkit.effects.catalogue.base import Surroundings
from stemkit.effects.contents import (
    Plugin,
    Stage,
    check_contents,
    check_distinct,
    split_stages,
    walk,
)
from stemkit.effects.faults import explain_faults
from stemkit.effects.latency import UNBOUNDED, measure_latency
from stemkit.effects.native import open_native
from stemkit.effects.schema import MixSettings, Preset
from stemkit.errors import ArgumentTypeError, BoardError, NotAnEffectError, PresetError
from stemkit.samples import Samples
from stemkit.separation.processor import (
    DEFAULT_BUFFER_SIZE,
    Processor,
    SampleStream,
    check_rate,
)


class Board(Processor, MutableSequence[Plugin]):
    """A list of plugins that a signal goes through, one after the other.

    It holds Pedalboard's effects, its Pedalboard, Mix and Chain, VST3 and Audio Unit plugins from
    `pedalboard.load_plugin`, stemkit's processors, and other boards. Neighbouring native plugins
    run in one `pedalboard.Pedalboard`; without any other the result is Pedalboard's, bit by bit.
    Nothing comes out late, whatever the latency of the plugins.

    A native plugin's state is its own: it can be in one place of a board only, and serve one
    stream at a time, whichever boards it is in. It is reset where a stream begins and ends.
    Pedalboard can't stream PitchShift and GSMFullRateCompressor, so they hold a whole stream, up
    to 1 GiB of it, until `flush`. Where it loses samples itself, the board doesn't: MP3Compressor
    is called with a `buffer_size` of at most 576, and what is in a Mix with latency on its own.

    What would be bypassed or break the result in silence is refused, when it is put in and when
    a stream is opened. Raises NotAnEffectError, a TypeError, for what isn't an effect: None, a
    class, an instrument, a Python subclass of a native plugin; and BoardError for a native plugin
    that is there twice, for a board inside itself, and for a change while a stream runs.
    """

    def __init__(self, plugins: Iterable[Plugin] = ()) -> None:
        super().__init__()
        self._plugins: list[Plugin] = []
        self[:] = plugins

    @overload
    def __getitem__(self, index: int) -> Plugin: ...
    @overload
    def __getitem__(self, index: slice) -> "Board": ...
    def __getitem__(self, index: int | slice) -> "Plugin | Board":
        """Return a plugin, or a board of the plugins of a slice."""
        if isinstance(index, slice):
            return Board(self._plugins[index])
        return self._plugins[index]

    @overload
    def __setitem__(self, index: int, value: Plugin) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Plugin]) -> None: ...
    def __setitem__(self, index: int | slice, value: Plugin | Iterable[Plugin]) -> None:
        """Replace plugins.

        A single one may be in the board twice until a stream is opened, so that two of them can
        be swapped.
        """
        changed = self._plugins.copy()
        if isinstance(index, slice):
            changed[index] = _check_iterable(value)
            check_contents(changed, [self])
            check_distinct(changed)
        else:
            changed[index] = cast(Plugin, value)
            check_contents(changed, [self])
        self._replace(changed)

    def __delitem__(self, index: int | slice) -> None:
        """Take plugins out."""
        changed = self._plugins.copy()
        del changed[index]
        self._replace(changed)

    def __len__(self) -> int:
        """Return the number of plugins, a nested board being one."""
        return len(self._plugins)

    def insert(self, index: int, value: Plugin) -> None:
        """Put a plugin in before `index`."""
        self[index:index] = [value]

    def extend(self, values: Iterable[Plugin]) -> None:
        """Put plugins in at the end: all, or none if one of them is refused."""
        self[len(self) :] = values

    def reverse(self) -> None:
        """Reverse the order of the plugins."""
        self[:] = self._plugins[::-1]

    def __eq__(self, other: object) -> bool:
        """Tell whether both are boards of equal plugins; native ones equal only themselves."""
        return self._plugins == other._plugins if isinstance(other, Board) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        """Return the plugins in Pedalboard's manner."""
        count = f"{len(self)} plugin{'' if len(self) == 1 else 's'}"
        return f"<stemkit.Board with {count}: {self._plugins!r}>"

    def open_stream(
        self, sample_rate: int, channels: int, buffer_size: int = DEFAULT_BUFFER_SIZE
    ) -> SampleStream:
        """Return a new stream through the plugins that are there now.

        It ends whatever stream is running through the native ones among them. Raises
        NotAnEffectError and BoardError as the constructor does, for a Mix that was changed since.
        """
        check_contents(self._plugins, [self])
        check_distinct(self._plugins)
        streams = [
            stage.open_stream(sample_rate, channels, buffer_size)
            if isinstance(stage, Processor)
            else open_native(stage, Form(sample_rate, channels, buffer_size))
            for stage in self._split_stages()
        ]
        return _BoardStream(self, streams, channels)

    def latency_at(self, sample_rate: int) -> int:
        """Return the most samples that a stream of this rate holds back: its stages' together.

        Of a run of native plugins it is measured with silence. It includes the few frames that a
        run of more than one channel needs at once, for the channels of the last call, else two.
        """
        sample_rate = check_rate(sample_rate)
        channels = self._layout.channels if self._layout else 2
        latencies = (
            stage.latency_at(sample_rate)
            if isinstance(stage, Processor)
            else measure_latency(stage, Form(sample_rate, channels, DEFAULT_BUFFER_SIZE))
            for stage in self._split_stages()
        )
        return min(sum(latencies), UNBOUNDED)

    def to_preset(self, summary: str = "A chain of effects", folder: Path | None = None) -> Preset:
        """Return a preset whose mix goes through this chain, without stems.

        A Separator keeps its stem, model and segments; its device, precision and batch size, and
        whether it is compiled, are the machine's. A Convolution's impulse response must be a file
        in `folder`, where the preset will be. Raises PresetError for what isn't data: an impulse
        response elsewhere or from an array, a VST3 or Audio Unit plugin, a separator with a network
        of the caller's.
        """
        try:
            mix = MixSettings(chain=tuple(describe_plugin(plugin, folder) for plugin in self))
            return Preset(version=1, summary=summary, mix=mix).with_folder(folder)
        except ValidationError as error:
            raise PresetError(*explain_faults(error)) from error

    @classmethod
    def from_preset(cls, preset: Preset, *, allow_plugins: bool = False) -> "Board":
        """Return a board of the chain of a preset's mix.

        Raises PresetError for a preset that does more, and for what can't be built: a VST3 or
        Audio Unit plugin without `allow_plugins` among it.
        """
        if not isinstance(preset, Preset):
            raise ArgumentTypeError(f"give a Preset, such as load_preset(...), not {preset!r}")
        if preset.stems or preset.mix is None:
            raise PresetError(
                f"this preset separates {', '.join(preset.stems)}, which a board can't; "
                f"use it with: stemkit separate --preset"
            )
        mix = preset.mix
        if mix.gain_db or (mix.loudness_lufs, mix.true_peak_db) != (None, None):
            raise PresetError(
                "this preset sets the gain, the loudness or the true peak of its mix, which a "
                "board can't; use it with: stemkit apply, or take them out"
            )
        return cls(preset.build_board(mix.chain, allow_plugins=allow_plugins))

    def __reduce__(self) -> tuple[Callable[..., "Board"], tuple[object, ...]]:
        """Pickle and copy native plugins as a preset has them; raises PresetError likewise."""
        parts = [
            plugin if isinstance(plugin, Processor) else describe_plugin(plugin, _root())
            for plugin in self
        ]
        return _rebuild, (type(self), parts)

    def _replace(self, plugins: list[Plugin]) -> None:
        with self._lock:
            if self._running is not None:
                raise BoardError(
                    "a board can't change while a stream runs; call flush() or reset() first"
                )
            self._plugins = plugins

    def _split_stages(self) -> list[Stage]:
        return split_stages(_dissolve(self._plugins))


class _BoardStream:
    """One signal on its way through the stages of a board."""

    def __init__(self, board: Board, streams: Sequence[SampleStream], channels: int) -> None:
        self._board = board
        self._contents = _list_contents(board)
        self._streams = streams
        self._channels = channels

    def push(self, block: Samples) -> Samples:
        if len(block) != self._channels:
            raise BoardError(
                f"a stream of {self._channels} channels can't go on with {len(block)}; begin anew"
            )
        if _list_contents(self._board) != self._contents:
            raise BoardError(
                "something in this board was changed while a stream ran through it, which would "
                "bypass the change; begin a new stream"
            )
        for stream in self._streams:
            block = stream.push(block)
        return block

    def flush(self, tail_frames: int = 0) -> Samples:
        if not self._streams:
            return np.zeros((self._channels, tail_frames), np.float32)
        first, *others = self._streams
        rest = first.flush(tail_frames)
        for stream in others:
            rest = np.concatenate((stream.push(rest), stream.flush()), axis=1)
        return rest


def _list_contents(board: Board) -> list[tuple[int, object]]:
    """Return what tells whether a board is as it was: each plugin, and a processor's settings."""
    return [(id(one), one.settings if isinstance(one, Processor) else None) for one in walk(board)]


def _rebuild(kind: type[Board], parts: Iterable[Processor | EffectSettings]) -> Board:
    """Return the board that was pickled."""
    return kind(
        part
        if isinstance(part, Processor)
        else part.build(Surroundings(_root(), allow_plugins=True))
        for part in parts
    )


def _root() -> Path:
    """Return the folder that every impulse response is in."""
    return Path(Path.cwd().anchor)


def _check_iterable(plugins: object) -> Iterable[Plugin]:
    if not isinstance(plugins, Iterable):
        raise NotAnEffectError(f"a board takes a list of plugins, not {plugins!r}; put it in [ ]")
    return plugins


def _dissolve(plugins: Iterable[Plugin]) -> Iterator[Plugin]:
    """Yield the plugins, those of boards instead of the boards."""
    for plugin in plugins:
        if type(plugin) is Board:  # a subclass may do something else with what it holds
            yield from _dissolve(plugin)
        else:
            yield plugin
