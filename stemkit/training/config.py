"""What a training run is: one TOML file, checked whole before any audio is read."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stemkit.errors import OptionError

Share = Annotated[float, Field(ge=0, le=1)]


class Table(BaseModel):
    """A table of the file: no key that isn't known, no change after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pool(Table):
    """Folders of audio that hold one kind of source; relative paths start at the TOML file."""

    folders: list[Path] = Field(min_length=1)
    exclude: list[str] = Field(default=[], description="Glob patterns of file names to leave out.")
    weight: float = Field(default=1, gt=0, description="Its share of the examples, among its kind.")


class Mixing(Table):
    """How a mix is made of the pools. Shares are of the examples; gains are in dB."""

    vocal_gain_db: tuple[float, float] = Field(
        default=(-12, 6), description="RMS of the vocals above that of the accompaniment."
    )
    mix_level_db: tuple[float, float] = Field(default=(-30, -12), description="RMS of the mix.")
    speed: tuple[float, float] = (0.84, 1.19)
    second_vocal: Share = 0.15
    second_accompaniment: Share = 0.3
    no_vocals: Share = 0.08
    no_accompaniment: Share = 0.05
    effects: Share = Field(default=0.35, description="Of reverb, EQ and compression, each.")


class TrainingConfig(Table):
    """One run of the trainer."""

    architecture: str = "stemkit-small"
    vocals: list[Pool] = Field(min_length=1)
    accompaniment: list[Pool] = Field(min_length=1)
    validation: Path | None = Field(
        default=None, description="A folder of songs, each with vocals.* and accompaniment.*."
    )
    output: Path
    init: Path | None = Field(default=None, description="A .safetensors to start from.")
    mixing: Mixing = Mixing()
    segment_seconds: float = Field(default=3, gt=0.1)
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    warmup_steps: int = Field(default=300, ge=1)
    hours: float = Field(gt=0, description="Time spent in steps, over all resumptions.")
    max_steps: int | None = Field(default=None, ge=1, description="Stop here, hours left or not.")
    decay_share: Share = Field(default=0.3, description="Last share of `hours`, rate to zero.")
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    gradient_norm: float = Field(default=5, gt=0)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    validate_minutes: float = Field(default=10, gt=0)
    save_minutes: float = Field(default=3, gt=0)
    seed: int = 0

    @model_validator(mode="after")
    def _architecture_is_known(self) -> "TrainingConfig":
        from stemkit.nn.config import ARCHITECTURES

        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(f"no architecture {self.architecture!r}; choose one of: {known}")
        return self


def load_config(path: Path) -> TrainingConfig:
    """Return the run that a TOML file describes, its paths made absolute.

    Raises OptionError, naming the file and the place, for anything that can't be followed.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        config = TrainingConfig.model_validate(fields)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"can't read the training config {path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "top"
        raise OptionError(f"{path}: {place}: {first['msg']}") from error
    base = path.resolve().parent
    return config.model_copy(
        update={
            "vocals": [_anchor(pool, base) for pool in config.vocals],
            "accompaniment": [_anchor(pool, base) for pool in config.accompaniment],
            "validation": config.validation and _resolve(config.validation, base),
            "output": _resolve(config.output, base),
            "init": config.init and _resolve(config.init, base),
        }
    )


def _anchor(pool: Pool, base: Path) -> Pool:
    return pool.model_copy(update={"folders": [_resolve(f, base) for f in pool.folders]})


def _resolve(path: Path, base: Path) -> Path:
    return base / path.expanduser()
