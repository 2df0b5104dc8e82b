"""A treatment made ready in this process, for all its threads."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stemkit.batch.settings import Settings, describe_treatment, name_differences
from stemkit.batch.treatment import Treatment
from stemkit.errors import ClusterError
from stemkit.samples import Samples, check_finite
from stemkit.separation.stems import SONG, Stems

if TYPE_CHECKING:
    from stemkit.effects.render import Renderer
    from stemkit.separation.engine import Engine


class Studio:
    """A treatment made ready: its model loaded once, its boards built for each thread."""

    def __init__(self, treatment: Treatment, workers: int, *, shares_memory: bool) -> None:
        self._treatment = treatment
        # Native plugins hold state: one song at a time each.
        self._idle = [_make_renderer(treatment)]
        self._engine = _load_engine(treatment, workers, shares_memory=shares_memory)

    def separate(
        self, blocks: Iterable[Samples], sample_rate: int, check: Callable[[], None]
    ) -> Iterator[Stems]:
        """Yield blocks of the stems, or of the song itself as the only one; `check` may end it."""
        if self._engine is None:
            return ({SONG: block} for block in _check_blocks(blocks, sample_rate))
        return self._engine.separate_blocks(blocks, sample_rate, check)

    @contextmanager
    def borrow_renderer(self) -> "Iterator[Renderer | None]":
        """Give a renderer that no other thread has until it is given back; None without preset."""
        try:
            renderer = self._idle.pop()
        except IndexError:
            renderer = _make_renderer(self._treatment)
        yield renderer
        self._idle.append(renderer)  # not after an error, which may have left sound in it


def _check_blocks(blocks: Iterable[Samples], sample_rate: int) -> Iterator[Samples]:
    """Yield the blocks of a song as long as all is a number."""
    frames = 0
    for block in blocks:
        check_finite(block, frames, sample_rate)
        frames += block.shape[1]
        yield block


def _make_renderer(treatment: Treatment) -> "Renderer | None":
    """Return a renderer of the preset, if there is one; only then are effects imported."""
    if treatment.preset is None:
        return None
    from stemkit.effects.render import Renderer

    return Renderer(
        treatment.preset,
        allow_plugins=treatment.allow_plugins,
        engine_options=treatment.engine_options,
    )


def _load_engine(treatment: Treatment, workers: int, *, shares_memory: bool) -> "Engine | None":
    """Return the engine, if there is anything to separate; only then is torch imported."""
    if treatment.model is None:
        return None
    from stemkit.separation.engine import Engine
    from stemkit.weights.models import load_network

    network = load_network(treatment.model)
    return Engine(network, treatment.engine_options, workers, shares_memory=shares_memory)


_studios: dict[str, Studio] = {}
_opening = threading.Lock()


def open_studio(
    treatment: Treatment, workers: int, settings: Settings | None, *, shares_memory: bool
) -> Studio:
    """Return this process's studio for a treatment, made if it's the first time.

    One is kept; that of another treatment is let go. `settings` are the run's, which know the
    content of files. Raises ModelError, DeviceError and PresetError, and ClusterError where this
    machine has others.
    """
    folder = treatment.preset and treatment.preset.folder
    key = repr((treatment, folder, workers, settings, shares_memory))
    with _opening:
        if key not in _studios:
            _studios.clear()
            if settings is not None and shares_memory:
                _require_same(settings, describe_treatment(treatment))
            _studios[key] = Studio(treatment, workers, shares_memory=shares_memory)
        return _studios[key]


def _require_same(theirs: Settings, ours: Settings) -> None:
    if different := name_differences(theirs, ours):
        raise ClusterError(
            f"{socket.gethostname()} has another {' and '.join(different)} than this run; "
            "give all machines the same files"
        )
