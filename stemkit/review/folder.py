"""The folder of a review: made by stemkit alone, written by one process at a time."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stemkit.errors import OptionError
from stemkit.files import keep_others_out, remove_partials_in, remove_path, writing
from stemkit.tracks.names import REVIEW_MARK
from stemkit.tracks.track import Track

INDEX = "index.html"
TRACKS = "tracks"
_OURS = re.compile(r"[a-z0-9-]+-[0-9a-f]{10}(?:\.html|\.[0-9a-f]{8})")
_ASSETS = re.compile(r"assets-[0-9a-f]{8}")


@contextmanager
def own_folder(output: Path) -> Iterator[None]:
    """Make `output` the folder of a review, if it isn't yet, and keep other processes out.

    What a killed process left is removed. Raises OptionError for a folder of other files, or one
    that another process writes to.
    """
    if output.is_dir() and not (output / REVIEW_MARK).exists() and any(output.iterdir()):
        raise OptionError(f"{output} holds files of others; choose an empty folder with -o")
    with writing(output):
        (output / TRACKS).mkdir(parents=True, exist_ok=True)
        (output / REVIEW_MARK).touch()
    with keep_others_out(output, f"{REVIEW_MARK}.lock"):
        for folder in (output, output / TRACKS):
            remove_partials_in(folder)
        yield


def name_pages(tracks: Sequence[Track], folder: Path) -> list[str]:
    """Return what each track's files are called: plain letters, and a hash of where it is."""
    names: dict[str, Track] = {}
    for track in tracks:
        place = os.fsencode(os.path.relpath(track.folder / track.project, folder))
        while (name := _name_page(track.title, place)) in names:
            place += b"'"
        names[name] = track
    return list(names)


def _name_page(title: str, place: bytes) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain)[:48].strip("-") or "track"
    return f"{words}-{hashlib.sha256(place).hexdigest()[:10]}"


def remove_others(output: Path, kept: Collection[Path]) -> None:
    """Remove what earlier reviews left in `output`, and nothing that isn't named as theirs."""
    old = [path for path in (output / TRACKS).iterdir() if _OURS.fullmatch(path.name)]
    old += [path for path in output.iterdir() if _ASSETS.fullmatch(path.name)]
    # A page goes before what it shows.
    for path in sorted(old, key=lambda path: path.suffix != ".html"):
        if path not in kept:
            remove_path(path)
