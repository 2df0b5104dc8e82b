"""What a training run is: one TOML file, checked whole before any audio is read."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from stemkit.errors import CheckpointError, OptionError
from stemkit.nn.config import ARCHITECTURES, NetworkConfig, parse_config
from stemkit.weights.registry import SourceName
from stemkit.weights.sources import as_path

VOCALS, ACCOMPANIMENT, REST = "vocals", "accompaniment", "rest"


def _check_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the first of {list(bounds)} is above the second")
    return bounds


def _check_name(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("no path can hold a NUL")
    return path


AsWritten = Field(strict=False)  # what TOML has no type for: paths are strings, tuples lists
Location = Annotated[Path, AsWritten, AfterValidator(_check_name)]
Share = Annotated[float, Field(ge=0, le=1)]
Decibels = Annotated[float, Field(ge=-120, le=120)]
Factor = Annotated[float, Field(ge=0.25, le=4)]
DecibelRange = Annotated[tuple[Decibels, Decibels], AsWritten, AfterValidator(_check_order)]
FactorRange = Annotated[tuple[Factor, Factor], AsWritten, AfterValidator(_check_order)]


class Table(BaseModel):
    """A table of the file: no key that isn't known, no text for a number, no change later."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


class Pool(Table):
    """Folders of audio that hold one source alone; relative paths start at the TOML file."""

    source: SourceName
    """What all of it is: "vocals", "drums", "accompaniment"."""

    folders: list[Location] = Field(min_length=1)
    """Where it is, at any depth."""

    exclude: list[str] = []
    """Glob patterns of file names to leave out."""

    weight: float = Field(default=1, gt=0)
    """Its share of the draws, among all that hold the source."""

    full_band: bool = False
    """Whether a file that ends at some frequency is silent above, and not cut off there."""


class Songs(Table):
    """Folders of songs whose stems sum to the mix, as those of MUSDB18; `.stem.mp4` files too.

    What a song has only in its `mixture.wav` is the mix without its stems.
    """

    folders: list[Location] = Field(min_length=1)
    """Where they are; relative paths start at the TOML file."""

    exclude: list[str] = []
    """Glob patterns of songs to leave out."""

    weight: float = Field(default=1, gt=0)
    """Its share of the draws, among all that hold the same source."""


class SourceMixing(Table):
    """What is done to one source before it is in the mix."""

    gain_db: DecibelRange = (-9, 3)
    """Its RMS above that of a source at 0 dB; without `normalize`, the change of its own level."""

    second: Share = 0.15
    """How often a second excerpt is added to it."""

    missing: Share = 0.05
    """How often it is silent; of an example, one source at most is."""

    effects: Share = 0.35
    """How often it gets reverb, EQ and compression, each."""

    speed: FactorRange | None = None
    """By how much its excerpts are played faster, where that isn't as for all."""

    microphone: Share = 0
    """How often it sounds as if recorded elsewhere: tilted, thin, nasal."""


_SOURCES: dict[str, dict[str, object]] = {
    "vocals": {"gain_db": (-12, 6), "missing": 0.08},
    "accompaniment": {"gain_db": (0, 0), "second": 0.3},
}
"""Defaults for sources of these names."""


class Mixing(Table):
    """How an example is made. Shares are of the examples."""

    sources: dict[SourceName, SourceMixing] = {}
    """What is done to a source, by its name."""

    paired: Share = 0.2
    """Examples that are a song as it is; of the others, each source is drawn by itself."""

    unsplit: Share = 0
    """Of those others, the ones whose accompaniment is whole, from pools of that name: what is
    learnt of it is the sum of all sources but the vocals."""

    normalize: bool = True
    """Whether sources are brought to one loudness first; else they keep the level of their file."""

    mix_level_db: DecibelRange | None = Field(default=(-30, -12), validate_default=True)
    """RMS of the mix; "as_is" leaves it."""

    speed: FactorRange = (0.84, 1.19)
    """By how much excerpts are played faster, which changes their pitch too."""

    placement: bool = True
    """Whether sides are swapped, pan is changed and polarity is turned at random."""

    doubling: Share = 0
    """Vocals that are doubled, harmonised or echoed."""

    limiter: Share = 0
    """Mixes that go through a limiter, and their sources with them."""

    codec: Share = 0
    """Mixes that are encoded with loss; their sources aren't."""

    @field_validator("mix_level_db", mode="before")
    @classmethod
    def _leave_level(cls, value: object) -> object:
        return None if value == "as_is" else value

    @field_validator("sources", mode="before")
    @classmethod
    def _add_defaults(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        given = {name: dict(table) for name, table in value.items() if isinstance(table, dict)}
        return value | {name: _SOURCES.get(name, {}) | table for name, table in given.items()}

    def of(self, source: str) -> SourceMixing:
        """Return what is done to a source."""
        return self.sources.get(source) or SourceMixing.model_validate(_SOURCES.get(source, {}))


class TrainingConfig(Table):
    """One run of the trainer."""

    architecture: str = "stemkit-small"
    """A key of `stemkit.nn.config.ARCHITECTURES`."""

    network: dict[str, object] = {}
    """Fields of `stemkit.nn.config.NetworkConfig` that differ from the architecture's."""

    sources: Annotated[tuple[SourceName, ...], AsWritten] = ("vocals",)
    """What the network gives; all else that is drawn is only in the mix."""

    pool: list[Pool] = []
    songs: list[Songs] = []
    mixing: Mixing = Mixing()

    validation: Location | None = None
    """A folder of songs as `songs` have them, that are separated whole and scored."""

    output: Location
    """The folder of state.pt, average.safetensors, log.csv and log.png."""

    cache: Location | None = None
    """Where decoded audio is kept, as large as 16-bit WAV; several runs may share it."""

    init: str | None = None
    """The name of a model, or a .safetensors, whose weights are the start; it may have other
    sources."""

    segment_seconds: float = Field(default=3, gt=0.1, le=3600)
    batch_size: int = Field(default=8, ge=1)
    """Examples that are drawn for a step, over all processes."""

    remix: int = Field(default=1, ge=1, le=64)
    """How many mixes of a step have each of its sources: further ones beside other company."""

    workers: int = Field(default=1, ge=0)
    """Processes that make examples, for each one that trains; 0 makes them in between."""

    loss: Literal["spectrum_l1", "spectrum_rms", "waveform_l1"] = "spectrum_l1"
    optimizer: Literal["adamw", "adam"] = "adamw"
    amsgrad: bool = False
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    warmup_steps: int = Field(default=300, ge=1)
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    hours: float | None = Field(default=None, gt=0)
    """Time spent training, over all resumptions; what validation takes doesn't count."""

    max_steps: int | None = Field(default=None, ge=1)
    """Stop here, hours left or not."""

    decay_share: Share = 0.3
    """For "cosine": the last share of `hours` or `max_steps`, where the rate falls to zero."""

    decay_factor: float = Field(default=0.9, gt=0, le=1)
    """For "step": by how much the rate is multiplied every `decay_steps`."""

    decay_steps: int = Field(default=15000, ge=1)
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    """Of the average that is the result; 0 is no average but the network itself."""

    gradient_norm: float = Field(default=5, gt=0, allow_inf_nan=True)
    """Longer gradients are made this long; inf leaves them."""

    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the U-Net; auto is bfloat16 on a GPU and on a CPU made for it, and float32 elsewhere."""

    compile: bool = False
    """Whether torch compiles the U-Net first, which takes minutes and pays on a GPU."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    log_steps: int = Field(default=20, ge=1)
    validate_minutes: float = Field(default=10, gt=0)
    save_minutes: float = Field(default=3, gt=0)
    seed: int = Field(default=0, ge=0, lt=2**63)

    def network_config(self) -> NetworkConfig:
        """Return what is trained; raises CheckpointError for what no network can be."""
        fields = ARCHITECTURES[self.architecture].to_dict() | self.network
        return parse_config(fields | {"sources": self.sources})

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(f"no architecture {self.architecture!r}; choose one of: {known}")
        _check_network(self)
        if self.hours is None and self.max_steps is None:
            raise ValueError("give hours or max_steps, at which it ends")
        if not self.pool and not self.songs:
            raise ValueError("give a [[pool]] for each source, or [[songs]]")
        if self.remix > self.batch_size:
            raise ValueError(
                f"remix {self.remix} would mix a batch_size of {self.batch_size} the same way "
                f"twice; choose at most that"
            )
        if self.mixing.unsplit > 0:
            _check_unsplit(self)
        _check_mixing(self)
        return self


def _check_mixing(config: TrainingConfig) -> None:
    """Raise ValueError for a table of [mixing.sources] that is of no source."""
    known = {*config.sources, *(pool.source for pool in config.pool)}
    known |= {VOCALS, ACCOMPANIMENT, REST} if config.songs else set()
    for name in config.mixing.sources:
        if name not in known:
            raise ValueError(
                f"mixing.sources has {name!r}, which nothing is called; choose of: "
                f"{', '.join(sorted(known))}"
            )


def _check_unsplit(config: TrainingConfig) -> None:
    """Raise ValueError where there is no whole accompaniment, or nothing that it is split into."""
    first, *others = config.sources
    if first != VOCALS or len(others) < 2 or ACCOMPANIMENT in others:
        raise ValueError(
            "mixing.unsplit is for sources that begin with vocals and split the rest into several"
        )
    if not any(pool.source == ACCOMPANIMENT for pool in config.pool):
        raise ValueError("mixing.unsplit needs a [[pool]] of accompaniment")


def _find_text(value: object) -> list[object]:
    """Return what of a value, or of a list of values, is text or a boolean."""
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if isinstance(part, str | bool)]


def _check_network(config: TrainingConfig) -> None:
    """Raise ValueError for a network that can't be, or that the mixes don't fit."""
    if "sources" in config.network:
        raise ValueError("sources stand at the top, not in [network]")
    usual = ARCHITECTURES[config.architecture].to_dict()
    for name, value in config.network.items():
        if not isinstance(usual.get(name, ""), str) and (wrong := _find_text(value)):
            raise ValueError(f"network.{name}: {wrong[0]!r} isn't a number")
    try:
        network = config.network_config()
    except CheckpointError as error:
        raise ValueError(str(error)) from error
    if network.above_hz and config.loss == "waveform_l1":
        raise ValueError("above_hz is for losses of the spectrum; waveform_l1 has no frequencies")
    if network.channels != 2:
        raise ValueError(f"mixes are stereo: channels must be 2, not {network.channels}")
    bands = network.band_count if network.bands == "pqmf" else 1
    least = (network.n_fft // 2 + 1) * bands  # what the STFT can reflect
    if config.segment_seconds * network.sample_rate < least:
        raise ValueError(
            f"segment_seconds {config.segment_seconds:g} is too short for n_fft {network.n_fft}"
        )


def load_config(path: Path, init: str | None = None) -> TrainingConfig:
    """Return the run that a TOML file describes, its paths made absolute.

    `init` takes the place of the file's own. Raises OptionError, naming the file and the place,
    for anything that can't be followed.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        config = TrainingConfig.model_validate(fields)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"can't read the training config {path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in (".".join(map(str, first["loc"])),) if part)
        raise OptionError(f"{path}: {place}{first['msg'].removeprefix('Value error, ')}") from error
    base = path.resolve().parent
    return config.model_copy(
        update={
            "pool": [_anchor(pool, base) for pool in config.pool],
            "songs": [_anchor(songs, base) for songs in config.songs],
            "validation": config.validation and _resolve(config.validation, base),
            "output": _resolve(config.output, base),
            "cache": _resolve(config.cache or config.output / "cache", base),
            "init": init or (config.init and _resolve_init(config.init, base)),
        }
    )


def _anchor(table: Pool | Songs, base: Path) -> Pool | Songs:
    return table.model_copy(update={"folders": [_resolve(f, base) for f in table.folders]})


def _resolve_init(name_or_path: str, base: Path) -> str:
    path = as_path(name_or_path)
    return name_or_path if path is None else str(_resolve(path, base))


def _resolve(path: Path, base: Path) -> Path:
    return base / path.expanduser()
