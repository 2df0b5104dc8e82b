"""Which models exist: one card a model, shipped in `cards/` or added to the models folder."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stemkit.errors import ModelError, OptionError, UnknownModelError
from stemkit.nn.config import OWN_SUFFIX, is_own_format
from stemkit.weights.folders import SHIPPED_CARDS, models_folder

WEIGHTS_SUFFIXES = (OWN_SUFFIX, ".pth", ".pt", ".ckpt")


def check_model_name(name: str) -> str:
    """Return `name`; raises OptionError where it could be taken for a path or isn't portable."""
    plain = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?", name, re.ASCII)
    if not plain or name.lower().endswith(WEIGHTS_SUFFIXES):
        raise OptionError(
            f"{name!r} can't name a model; use letters, digits, '.', '_' and '-', a letter or "
            f"digit first, at most 100, and no ending such as .pth"
        )
    return name


def check_source_name(name: str) -> str:
    """Return `name`; raises OptionError where it can't be part of a file's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name, re.ASCII):
        raise OptionError(
            f"{name!r} can't name a source; use letters, digits, '_' and '-', at most 40"
        )
    return name


ModelName = Annotated[str, AfterValidator(check_model_name)]
SourceName = Annotated[str, AfterValidator(check_source_name)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://\S+$")]


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class WeightsFile(_Table):
    """One checkpoint file: what it is called, where its bytes are and how they are checked."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.[A-Za-z0-9]+$")]
    """The name under which it was published."""

    size: Annotated[int, Field(gt=0)] | None = None
    """Its length in bytes."""

    bundled: bool = False
    """Whether it ships inside the package."""

    url: HttpUrl | None = None
    """Where `stemkit models pull` fetches it; absent for a bundled or an added file."""

    record: HttpUrl | None = None
    """The Zenodo record, as JSON, that lists the file's md5; asked where no hash stands here."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """The SHA-256 of its bytes."""

    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    """The MD5 of its bytes, as Zenodo publishes it."""

    @property
    def known_hash(self) -> str | None:
        """The card's own hash, as "sha256:..." or "md5:..."."""
        if self.sha256:
            return f"sha256:{self.sha256}"
        return f"md5:{self.md5}" if self.md5 else None

    @model_validator(mode="after")
    def _can_be_checked(self) -> Self:
        if self.url and not (self.known_hash or self.record):
            raise ValueError("a file with a url needs sha256, md5 or record to be checked against")
        return self


class Score(_Table):
    """One published or measured number."""

    stem: SourceName
    """The stem that was scored."""

    sdr_db: float
    """Signal to distortion ratio, in dB."""

    data: str
    """What it was measured on."""

    reference: str
    """Where the number stands."""


class ModelCard(_Table):
    """What is known of one model: a checkpoint, or a bag of checkpoints."""

    name: ModelName
    """What `--model` takes; also the name of the card's file."""

    summary: str
    """One line: what it is and when to use it."""

    architecture: str | None = None
    """A key of `stemkit.nn.config.ARCHITECTURES`; absent where the file carries its config."""

    sources: Annotated[tuple[SourceName, ...], Field(strict=False, min_length=1)]
    """The stems that it gives, in the order of its output; the residual isn't among them."""

    weights: WeightsFile | None = None
    """Its checkpoint file; absent for a bag."""

    members: Annotated[tuple[ModelName, ...], Field(strict=False)] = ()
    """For a bag: the models that are run one after the other, in the order of `sources`. A stem
    that several give is at each frequency the mean of those that know it."""

    licence: str
    """Under what terms the weights may be used."""

    training_data: str
    """What it was trained on, and for how long where that is known."""

    scores: Annotated[tuple[Score, ...], Field(strict=False)] = ()
    """Published or measured numbers."""

    citation: str = ""
    """The paper to cite."""

    notes: str = ""
    """Known failures, and whatever else a user should know."""

    @model_validator(mode="after")
    def _is_checkpoint_or_bag(self) -> Self:
        if len(set(self.sources)) != len(self.sources):
            raise ValueError(f"sources must differ, not {self.sources}")
        if len(set(self.members)) != len(self.members):
            raise ValueError(f"members must differ, not {self.members}")
        if (self.weights is None) == (not self.members):
            raise ValueError("a card has either weights or members")
        if self.weights and not self.architecture and not is_own_format(Path(self.weights.file)):
            raise ValueError("a checkpoint that isn't .safetensors needs its architecture")
        return self


def list_model_names() -> list[str]:
    """Return the name of every card, shipped and added, in alphabetical order."""
    return sorted({path.stem for path in (*_cards_in(SHIPPED_CARDS), *_cards_in(models_folder()))})


def read_card(name: str) -> ModelCard:
    """Return the card of the model `name`.

    Raises UnknownModelError where there is none, and ModelError for a card that isn't valid.
    """
    paths = [
        path
        for folder in (SHIPPED_CARDS, models_folder())
        for path in _cards_in(folder)
        if path.stem == name
    ]
    if not paths:
        raise UnknownModelError(_describe_unknown(name))
    if len(paths) > 1:
        raise ModelError(f"two models are named {name!r}; rename or remove {paths[1]}")
    return parse_card(paths[0])


def parse_card(path: Path) -> ModelCard:
    """Return the card in the file `path`; raises ModelError naming the first fault."""
    try:
        card = ModelCard.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "card"
        raise ModelError(f"{path} isn't a model card: {place}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read as a model card: {error}") from error
    if card.name != path.stem:
        raise ModelError(f"{path} is the card of {card.name!r}; name it {card.name}.toml")
    return card


def list_checkpoint_cards(card: ModelCard) -> list[ModelCard]:
    """Return the cards of the checkpoint files of a model: its own, or a bag's members'.

    Raises ModelError where a member is a bag itself or the stems aren't the members' stems.
    """
    if not card.members:
        return [card]
    members = [read_card(name) for name in card.members]
    for member in members:
        if member.members:
            raise ModelError(f"{card.name!r} holds {member.name!r}, which is a bag itself")
    sources = tuple(dict.fromkeys(source for member in members for source in member.sources))
    if sources != card.sources:
        raise ModelError(
            f"the card of {card.name!r} says {', '.join(card.sources)}, "
            f"but its members give {', '.join(sources)}"
        )
    return members


def _cards_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.toml") if not path.name.startswith("."))


def _describe_unknown(name: str) -> str:
    names = list_model_names()
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"no model {name!r}{hint}; choose one of: {', '.join(names)}"
