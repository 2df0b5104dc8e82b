"""A model as an effect: Pedalboard's call, one stem of the audio back."""

import copyreg
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt
from torch import nn

from stemkit.errors import ArgumentTypeError, OptionError
from stemkit.samples import Samples
from stemkit.separation.arrays import check_array, find_layout, read_samples
from stemkit.separation.engine import Engine, StemStream
from stemkit.separation.guard import check_guard
from stemkit.separation.options import DeviceName, EngineOptions, Precision
from stemkit.separation.predictor import read_config
from stemkit.separation.processor import DEFAULT_BUFFER_SIZE, Processor, SampleStream, check_rate
from stemkit.separation.stems import RESIDUAL, StemRecipe, Stems, choose_recipes
from stemkit.weights.models import load_network
from stemkit.weights.registry import list_model_names

Model = str | Path | nn.Module
T = TypeVar("T")


@dataclass(frozen=True)
class _Settings:
    stem: str
    model: Model
    device: DeviceName
    precision: Precision
    batch_size: int
    segment_seconds: float
    overlap_seconds: float
    guard: bool
    compiled: bool

    def to_options(self, sources: tuple[str, ...]) -> EngineOptions:
        """Return the options of an engine that gives a model's stems, and the chosen one."""
        if not isinstance(self.stem, str):
            raise ArgumentTypeError(f"stem must be a name, not {self.stem!r}")
        chosen = _choose_stem(self.stem, sources)
        # With a complement beside it, the residual would be that again.
        own = sources if self.stem == RESIDUAL else (r.name for r in choose_recipes(sources, None))
        if self.guard is True:
            check_guard(chosen)
        return EngineOptions(
            tuple(dict.fromkeys((*own, self.stem))),
            self.device,
            self.precision,
            self.batch_size,
            self.segment_seconds,
            self.overlap_seconds,
            self.guard,
            self.compiled,
        )


class _Setting(Generic[T]):
    """An attribute of a Separator that is checked when it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, separator: None, owner: type) -> "_Setting[T]": ...
    @overload
    def __get__(self, separator: "Separator", owner: type) -> T: ...
    def __get__(self, separator: "Separator | None", owner: type) -> "_Setting[T] | T":
        if separator is None:
            return self
        value: T = getattr(separator._settings, self._name)
        return value

    def __set__(self, separator: "Separator", value: T) -> None:
        separator._change(self._name, value)


class Separator(Processor):
    """A model that takes one stem out of the audio, used like a plugin of Pedalboard.

    `model` is a model's name, a weights file or a network that has a `config`. Each parameter is
    an attribute that can be set between calls. A call with `reset=True` is one pass over the
    whole array; a stream gives the same samples, held back by up to `latency_samples`. A bag is
    loaded whole, for `separate`; `process` runs only the networks that the stem needs.

    Raises ModelError for a model that isn't there or doesn't say what it is, DeviceError for what
    this machine lacks, and OptionError for a stem that the model can't give, a value that makes
    no sense, and an attribute that is set while a stream runs. What raises changes nothing.
    """

    stem = _Setting[str]()
    """The stem that a call returns: the model's own, their complement, or "residual"."""

    model = _Setting[Model]()
    """The name of a model, a weights file, or a network."""

    device = _Setting[DeviceName]()
    """Where the network runs."""

    precision = _Setting[Precision]()
    """What the network computes in."""

    batch_size = _Setting[int]()
    """Segments that go through the network at once; each more delays a stream by a segment."""

    segment_seconds = _Setting[float]()
    """How much the network hears at once; most of a stream's delay."""

    overlap_seconds = _Setting[float]()
    """How much of a segment the one before it has heard too."""

    guard = _Setting[bool]()
    """Whether the vocals are lowered where they are probably leakage."""

    compiled = _Setting[bool]()
    """Whether the network is compiled for this machine's CPU, which takes minutes, once."""

    def __init__(
        self,
        stem: str = "vocals",
        model: Model = "stemkit-small",
        device: DeviceName = "auto",
        precision: Precision = "auto",
        batch_size: int = 1,
        segment_seconds: float = 30.0,
        overlap_seconds: float = 4.0,
        guard: bool = False,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self._settings = _Settings(
            stem,
            model,
            device,
            precision,
            batch_size,
            segment_seconds,
            overlap_seconds,
            guard,
            compiled,
        )
        self._engine = _load_engine(self._settings)

    def __repr__(self) -> str:
        name = self.model
        shown = f"<{type(name).__name__}>" if isinstance(name, nn.Module) else repr(str(name))
        return f"<stemkit.Separator stem={self.stem!r} model={shown} at {id(self):#x}>"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the settings, without a stream; the copy loads its model anew."""
        return copyreg.__newobj__, (type(self),), vars(self._settings)  # type: ignore[attr-defined]

    def __setstate__(self, settings: dict[str, Any]) -> None:
        Separator.__init__(self, **settings)

    @property
    def settings(self) -> object:
        """What a stream depends on."""
        return self._settings

    @property
    def stems(self) -> tuple[str, ...]:
        """The names of the stems that `separate` returns, in order."""
        return self._engine.stems

    @property
    def own_sample_rate(self) -> int:
        """The rate of the network, in Hz."""
        return self._engine.sample_rate

    def latency_at(self, sample_rate: int) -> int:
        """Return the most samples that a stream of this rate holds back after any `push`."""
        return self._engine.latency_at(check_rate(sample_rate))

    def open_stream(
        self, sample_rate: int, channels: int, buffer_size: int = DEFAULT_BUFFER_SIZE
    ) -> SampleStream:
        """Return a new stream of the stem. It keeps the settings of now."""
        engine = self._engine.with_stems((self.stem,)).live()
        return _OneStemStream(StemStream(engine, sample_rate, channels), self.stem, channels)

    def _process_whole(self, audio: Samples, rate: int, buffer_size: int) -> Samples:
        stem, found = self.stem, audio
        if audio.size:
            found = self._engine.with_stems((stem,)).separate(audio, rate)[stem]
        self._running = None
        return found

    def separate(
        self, input_array: npt.NDArray[np.floating], sample_rate: float
    ) -> dict[str, Samples]:
        """Return every stem of a whole signal, in one pass, as fresh arrays of its layout.

        They are the model's own and the chosen one. Beside only vocals or only accompaniment there
        is the other too, unless "residual" is, which is the same. With "residual" they sum to the
        mix. Arrays are taken as `process` takes them. A stream that runs isn't touched.
        """
        rate, array = check_rate(sample_rate), check_array(input_array)
        with self._lock:
            layout = find_layout(array.shape, self._layout, streaming=False)
            audio = read_samples(array, layout, copy=False)
            self._layout, self._sample_rate = layout, rate
            engine = self._engine
        stems = engine.separate(audio, rate) if audio.size else dict.fromkeys(engine.stems, audio)
        return {name: layout.restore(stem) for name, stem in stems.items()}

    def __setattr__(self, name: str, value: object) -> None:
        """Set a parameter; raises AttributeError for a name that isn't one, as plugins do."""
        if not name.startswith("_") and not isinstance(getattr(type(self), name, None), _Setting):
            raise AttributeError(f"a {type(self).__name__} has no parameter {name!r} to set")
        super().__setattr__(name, value)

    def _change(self, name: str, value: object) -> None:
        with self._lock:
            if self._running is not None:
                raise OptionError(
                    f"{name} can't change while a stream runs; call flush() or reset() first"
                )
            settings = dataclasses.replace(self._settings, **{name: value})  # type: ignore[arg-type]
            if name in ("model", "device", "precision", "compiled"):
                engine = _load_engine(settings)
            else:
                sources = self._engine.model_sources
                engine = self._engine.with_options(settings.to_options(sources))
            self._settings, self._engine = settings, engine


class _OneStemStream:
    """One stem of the stems of a stream."""

    def __init__(self, stream: StemStream, stem: str, channels: int) -> None:
        self._stream = stream
        self._stem = stem
        self._channels = channels
        self._is_over = False

    def push(self, block: Samples) -> Samples:
        self._check(len(block))
        return self._join(list(self._stream.push(block)))

    def flush(self, tail_frames: int = 0) -> Samples:
        self._check(self._channels)
        self._is_over = True
        tail = np.zeros((self._channels, tail_frames), np.float32)
        return self._join([*self._stream.push(tail), *self._stream.flush()])

    def _check(self, channels: int) -> None:
        if self._is_over:
            raise OptionError("this stream is over; open a new one")
        if channels != self._channels:
            raise OptionError(
                f"a stream of {self._channels} channels can't go on with {channels}; open a new one"
            )

    def _join(self, parts: list[Stems]) -> Samples:
        if not parts:
            return np.zeros((self._channels, 0), np.float32)
        return np.concatenate([part[self._stem] for part in parts], axis=1)


def _choose_stem(stem: str, sources: tuple[str, ...]) -> tuple[StemRecipe, ...]:
    try:
        return choose_recipes(sources, (stem,))
    except OptionError as error:
        if stem in list_model_names():
            raise OptionError(
                f"{error}; {stem!r} is a model, which goes into Separator(model={stem!r})"
            ) from None
        raise


def _load_engine(settings: _Settings) -> Engine:
    model = settings.model
    if not isinstance(model, str | Path | nn.Module):
        raise ArgumentTypeError(f"model must be a name, a Path or a network, not {model!r}")
    network = model if isinstance(model, nn.Module) else load_network(model)
    return Engine(network, settings.to_options(read_config(network).sources))
