"""Impulse responses: files beside a preset, that may not lead out of its folder."""

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from stemkit.errors import PresetError

if TYPE_CHECKING:
    import pedalboard

LONGEST_IMPULSE_SECONDS = 60.0


def check_relative(name: str) -> str:
    """Return `name`; raises ValueError unless it is a path that goes down from where it starts."""
    parts = PurePosixPath(name).parts
    if not parts or not name.isprintable():
        raise ValueError(f"{name!r} names no file")
    if "\\" in name or ":" in name or parts[0] == "/":
        raise ValueError(f"{name!r} must be relative to the preset's folder, with '/'")
    if ".." in parts:
        raise ValueError(f"{name!r} leads out of the preset's folder; put the file inside")
    return name


def find_impulse(name: str, folder: Path | None) -> Path:
    """Return the impulse response `name` of a preset in `folder`.

    Raises PresetError where it isn't there, lies outside (through a symbolic link), can't be read,
    or is empty, too long or not finite.
    """
    if folder is None:
        raise PresetError(
            f"the impulse response {name!r} is found from the preset's folder, and this preset "
            f"has none; load it from a file"
        )
    try:
        path = (folder / name).resolve()
        is_file = path.is_file()
    except (OSError, RuntimeError) as error:  # a name too long; links that go in a circle
        raise PresetError(f"the impulse response {name!r} can't be read: {error}") from error
    if not path.is_relative_to(folder.resolve()):
        raise PresetError(f"the impulse response {name!r} leads out of the preset's folder")
    if not is_file:
        raise PresetError(f"no impulse response {name!r} in {folder}; put it there")
    _check_audio(path, name)
    return path


def require_loaded(convolution: "pedalboard.Convolution", name: str) -> None:
    """Raise PresetError where Pedalboard took a file that it can't read."""
    if passes_through(convolution):
        raise PresetError(
            f"Pedalboard can't read the impulse response {name!r}; save it as 24-bit WAV"
        )


def passes_through(convolution: "pedalboard.Convolution") -> bool:
    """Tell whether Pedalboard took a file that it can't read, and leaves audio as it is.

    It does so without a word for FLAC and MP3; a unit impulse that was convolved with anything
    comes out scaled.
    """
    click = np.zeros(64, np.float32)
    click[0] = 1
    passed = np.array_equal(convolution(click, 44100), click)
    convolution.reset()
    return passed


def _check_audio(path: Path, name: str) -> None:
    from pedalboard.io import AudioFile

    try:
        with AudioFile(str(path)) as file:
            seconds = file.frames / file.samplerate
            if not 0 < seconds <= LONGEST_IMPULSE_SECONDS:
                raise PresetError(
                    f"the impulse response {name!r} has {seconds:g} s; it must have some, "
                    f"and at most {LONGEST_IMPULSE_SECONDS:g}"
                )
            finite = bool(np.isfinite(file.read(file.frames)).all())
    except (ValueError, RuntimeError, OSError) as error:
        raise PresetError(f"the impulse response {name!r} isn't audio: {error}") from error
    if not finite:
        raise PresetError(f"the impulse response {name!r} holds NaN or infinity; remake it")
