"""What a model gives, found without loading it where its card says so."""

from pathlib import Path

from stemkit.weights.registry import WEIGHTS_SUFFIXES, read_card


def as_path(name_or_path: str | Path) -> Path | None:
    """Return the file that is meant, or None for a model's name.

    A string is a name unless it has a slash or ends as a weights file does.
    """
    if isinstance(name_or_path, Path):
        return name_or_path
    is_path = "/" in name_or_path or "\\" in name_or_path
    if is_path or name_or_path.lower().endswith(WEIGHTS_SUFFIXES):
        return Path(name_or_path)
    return None


def read_sources(name_or_path: str | Path) -> tuple[str, ...]:
    """Return the sources of a model; only for a file is torch imported. See `load_network`."""
    path = as_path(name_or_path)
    if path is None:
        return read_card(str(name_or_path)).sources
    from stemkit.weights.models import load_file

    return load_file(path).sources
