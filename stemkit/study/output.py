"""The folder that a study is written to, and whether it can be."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from stemkit.errors import OptionError
from stemkit.files import writing
from stemkit.study.material import Material

PAGE, TABLE, EVERYTHING = "results.md", "results.csv", "results.json"
SDR, LEAKAGE = "sdr.png", "leakage.png"
AUDIO = "audio"
"""What is in the folder: files, and a folder of sounds."""


def check_output(folder: Path, material: Material, *, with_audio: bool) -> None:
    """Raise OptionError where a study of `material` can't go into `folder`; leave nothing there."""
    sources = material.find_places()
    for place in (folder, folder / AUDIO) if with_audio else (folder,):
        if not sources.isdisjoint((place.resolve(), *place.resolve().parents)):
            raise OptionError(
                f"{place} is in the material, {material.folder}, and would be taken for a part "
                "of it; choose another folder"
            )
        with writing(place):
            _try_folder(place)
    for name in (PAGE, TABLE, EVERYTHING, SDR, LEAKAGE):
        with writing(folder / name):
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def _try_folder(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    TemporaryFile(dir=folder).close()
    with suppress(OSError):  # another study may have begun to write there
        for path in missing:
            path.rmdir()
