"""The weights files on this machine: which are here, and whether they are whole."""

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from stemkit.errors import CheckpointError, ModelError
from stemkit.files import replace_content
from stemkit.weights.folders import BUNDLED_WEIGHTS, models_folder
from stemkit.weights.registry import ModelCard, WeightsFile, list_checkpoint_cards


def weights_path(card: ModelCard) -> Path:
    """Return where the checkpoint of `card` is or would be; not for a bag."""
    weights = require_weights(card)
    if weights.bundled:
        return BUNDLED_WEIGHTS / weights.file
    return models_folder() / f"{card.name}{Path(weights.file).suffix}"


def require_weights(card: ModelCard) -> WeightsFile:
    """Return the card's weights table; raises ModelError for a bag, which has none."""
    if card.weights is None:
        raise ModelError(f"{card.name!r} is a bag; name one of its members: {card.members}")
    return card.weights


def is_installed(card: ModelCard) -> bool:
    """Return whether each checkpoint file of a model is here; whether it is whole isn't asked."""
    return all(weights_path(part).is_file() for part in list_checkpoint_cards(card))


def is_bundled(card: ModelCard) -> bool:
    """Return whether the model ships inside the package."""
    return all(require_weights(part).bundled for part in list_checkpoint_cards(card))


def size_bytes(card: ModelCard) -> int | None:
    """Return the length of all checkpoint files of a model; None where one isn't known."""
    total = 0
    for part in list_checkpoint_cards(card):
        path = weights_path(part)
        size = path.stat().st_size if path.is_file() else require_weights(part).size
        if size is None:
            return None
        total += size
    return total


def expected_hash(card: ModelCard) -> str | None:
    """Return the hash of the card, or else the one noted when the file was pulled."""
    return require_weights(card).known_hash or _read_noted_hash(_hash_note(card))


def note_hash(card: ModelCard, known_hash: str) -> None:
    """Keep beside a pulled file the hash it was checked against, as `md5sum -c` reads it."""
    line = f"{known_hash.partition(':')[2]}  {weights_path(card).name}\n"
    with suppress(OSError):  # without the note the next pull asks the record again
        replace_content(_hash_note(card), line.encode())


def is_whole(card: ModelCard) -> bool:
    """Return whether the checkpoint file is here and has its expected hash."""
    path, known_hash = weights_path(card), expected_hash(card)
    return known_hash is not None and path.is_file() and hash_file(path, known_hash) == known_hash


def check_bytes(card: ModelCard) -> None:
    """Raise CheckpointError where the file's bytes aren't those of its expected hash.

    A file of which no hash is known passes.
    """
    path, known_hash = weights_path(card), expected_hash(card)
    if known_hash is None:
        return
    found = hash_file(path, known_hash)
    if found != known_hash:
        raise CheckpointError(
            f"{path} is damaged ({found}, not {known_hash}); remove it and get it again"
        )


def hash_file(path: Path, like: str = "sha256:") -> str:
    """Return the hash of a file as "algorithm:hex", with the algorithm that `like` names.

    Raises CheckpointError where the file can't be read.
    """
    algorithm = like.partition(":")[0]
    try:
        with path.open("rb") as stream:
            return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"
    except OSError as error:
        raise CheckpointError(f"{path} can't be read ({error.strerror})") from error


def _hash_note(card: ModelCard) -> Path:
    path = weights_path(card)
    return path.with_name(f"{path.name}.md5")


def _read_noted_hash(note: Path) -> str | None:
    try:
        text = note.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    noted = re.match("[0-9a-f]{32}(?= )", text)
    return f"md5:{noted[0]}" if noted else None


def require_file(card: ModelCard, asked: str) -> Path:
    """Return where the weights of a card are.

    Raises ModelError where they aren't; `asked` is the model that the user named.
    """
    path, weights = weights_path(card), require_weights(card)
    if not path.is_file():
        if weights.url is None and not weights.bundled:
            raise ModelError(
                f"model {card.name!r} has lost its file, {path}; remove its card and add it again"
            )
        remedy = "reinstall stemkit" if weights.bundled else f"run: stemkit models pull {asked}"
        raise ModelError(f"model {card.name!r} isn't installed; {remedy}")
    return path
