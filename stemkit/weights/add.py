"""Take a checkpoint file that the user has into the models folder."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from stemkit.errors import CheckpointError, ModelError, OptionError
from stemkit.files import replace_content, replace_file
from stemkit.nn.config import OWN_SUFFIX, is_own_format
from stemkit.weights.cache import expected_hash, hash_file, weights_path
from stemkit.weights.folders import models_folder
from stemkit.weights.registry import (
    ModelCard,
    WeightsFile,
    check_model_name,
    check_source_name,
    list_model_names,
)


@dataclass(frozen=True)
class AddOptions:
    """What a checkpoint file doesn't say of itself; stemkit's own .safetensors say it all."""

    architecture: str | None = None
    sources: tuple[str, ...] | None = None
    name: str | None = None


def add_model(path: Path, options: AddOptions) -> ModelCard:
    """Copy a checkpoint into the models folder and write its card, once it is known to load.

    Raises CheckpointError where the file doesn't fill the architecture key by key or contradicts
    the options, OptionError for a name that can't be or is taken, and ModelError where the folder
    can't be written.
    """
    name = _choose_name(path, options)
    try:
        return _publish(path, _make_card(path, name, options))
    except OSError as error:
        raise ModelError(
            f"{path} can't be added to {models_folder()} ({error.strerror or error})"
        ) from error


def _choose_name(path: Path, options: AddOptions) -> str:
    name = _name_after(path) if options.name is None else check_model_name(options.name)
    taken = {other.casefold() for other in list_model_names()}
    if name.casefold() in taken:
        raise OptionError(f"a model is already named {name!r}; choose another with --name")
    return name


def _name_after(path: Path) -> str:
    try:
        return check_model_name(re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-"))
    except OptionError as error:
        raise OptionError(
            f"no model can be named after {path.name!r}; choose a name with --name"
        ) from error


def _make_card(path: Path, name: str, options: AddOptions) -> ModelCard:
    """Return the card of a file that loads strictly into its architecture."""
    from stemkit.nn.checkpoints import load_checkpoint

    for source in options.sources or ():
        check_source_name(source)
    digest = hash_file(path)
    network = load_checkpoint(path, options.architecture, options.sources)
    own_format = is_own_format(path)
    return ModelCard(
        name=name,
        summary="Added by the user.",
        architecture=None if own_format else options.architecture,
        sources=network.config.sources,
        weights=WeightsFile(
            file=f"{name}{OWN_SUFFIX}" if own_format else f"{name}.pth",
            size=path.stat().st_size,
            sha256=digest.partition(":")[2],
        ),
        licence="not stated",
        training_data="not stated",
    )


def _publish(path: Path, card: ModelCard) -> ModelCard:
    """Copy the file, then write the card, which is what makes the model known."""
    text = tomli_w.dumps(card.model_dump(exclude_none=True, exclude_defaults=True))
    replace_file(weights_path(card), lambda copy: _copy_checked(path, copy, card))
    replace_content(models_folder() / f"{card.name}.toml", text.encode())
    return card


def _copy_checked(path: Path, copy: Path, card: ModelCard) -> None:
    shutil.copyfile(path, copy)
    if hash_file(copy) != expected_hash(card):
        raise CheckpointError(f"{path} changed while it was copied; add it again")
