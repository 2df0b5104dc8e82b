"""What a model gives, found without loading it where its card says so."""

from pathlib import Path

from stemkit.errors import ArgumentTypeError
from stemkit.weights.cache import hash_file, require_file
from stemkit.weights.registry import WEIGHTS_SUFFIXES, list_checkpoint_cards, read_card


def as_path(name_or_path: str | Path) -> Path | None:
    """Return the file that is meant, or None for a model's name.

    A string is a name unless it has a slash or ends as a weights file does.
    """
    if isinstance(name_or_path, Path):
        return name_or_path
    if not isinstance(name_or_path, str):
        raise ArgumentTypeError(f"a model is a name or a Path, not {name_or_path!r}")
    is_path = "/" in name_or_path or "\\" in name_or_path
    if is_path or name_or_path.lower().endswith(WEIGHTS_SUFFIXES):
        return Path(name_or_path)
    return None


def name_model(name_or_path: str | Path) -> str:
    """Return a model's name, which may have dots, or that of its file without what it ends in."""
    path = as_path(name_or_path)
    return str(name_or_path) if path is None else path.stem


def read_sources(name_or_path: str | Path) -> tuple[str, ...]:
    """Return the sources of a model; only for a file is torch imported. See `load_network`."""
    path = as_path(name_or_path)
    if path is None:
        return read_card(str(name_or_path)).sources
    from stemkit.weights.models import load_file

    return load_file(path).sources


def hash_weights(name_or_path: str | Path) -> tuple[str, ...]:
    """Return the SHA-256 of each weights file of a model; see `load_network`.

    Raises ModelError where one isn't here.
    """
    return tuple(hash_file(path).partition(":")[2] for path in _list_weights(name_or_path))


def _list_weights(name_or_path: str | Path) -> list[Path]:
    path = as_path(name_or_path)
    if path is not None:
        return [path]
    card = read_card(str(name_or_path))
    return [require_file(part, card.name) for part in list_checkpoint_cards(card)]
