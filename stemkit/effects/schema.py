"""What a preset says: the tables of its file as frozen models, which are the schema too."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    model_validator,
)

from stemkit.audio.encode import Container, OutputFormat
from stemkit.audio.wav import BitDepth
from stemkit.effects.catalogue import Effect
from stemkit.effects.catalogue.base import Surroundings, Table
from stemkit.effects.catalogue.processors import ModelText
from stemkit.effects.names import check_file_name, check_summary, check_version
from stemkit.separation.options import EngineOptions

if TYPE_CHECKING:
    from stemkit.effects.board import Board

FileName = Annotated[str, AfterValidator(check_file_name)]
Effects = Annotated[tuple[Effect, ...], Field(strict=False)]
GainDb = Annotated[float, Field(ge=-120, le=24)]
LoudnessLufs = Annotated[float, Field(gt=-70, le=-5)]
TruePeakDb = Annotated[float, Field(ge=-20, le=0)]


class StemSettings(Table):
    """What becomes of one stem: its chain, then its gain, pan and mute."""

    chain: Effects = ()
    """The effects that it goes through, in order."""

    gain_db: GainDb = 0.0
    """How much louder it is after the chain, in dB; negative is softer."""

    mute: bool = False
    """Whether it is silent, in the mix and in its own file."""

    pan: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """Its balance: -1 is only the left channel, 0 both as they are, 1 only the right."""

    loudness_lufs: LoudnessLufs | None = None
    """Integrated loudness (ITU-R BS.1770) of its own file; left out, as it comes."""

    true_peak_db: TruePeakDb | None = None
    """Highest true peak of its own file, in dBTP; a limiter holds it where a loudness is set, else
    the whole file is turned down."""


class MixSettings(Table):
    """The sum of the stems, or of a song that isn't separated the song itself, in one file."""

    name: FileName = "mix"
    """What its file is called."""

    chain: Effects = ()
    """The effects that the sum goes through, in order."""

    gain_db: GainDb = 0.0
    """How much louder it is after the chain, in dB; negative is softer."""

    loudness_lufs: LoudnessLufs | None = None
    """Integrated loudness (ITU-R BS.1770) of the file; left out, as it comes."""

    true_peak_db: TruePeakDb | None = None
    """Highest true peak of the file, in dBTP; a limiter holds it where a loudness is set, else the
    whole file is turned down."""

    stem_files: bool = False
    """Whether each stem is written to a file of its own too."""


class OutputSettings(Table):
    """What kind of files come out, where the command line doesn't say."""

    format: Container | None = None
    """The kind of file; left out, wav."""

    bit_depth: BitDepth | None = None
    """Bits a sample in wav, flac and aiff, "32f" for floating point in wav; left out, 24."""

    tail_seconds: Annotated[float, Field(ge=0, le=60)] = 0.0
    """How much longer than the song the files are, in seconds, for what rings on."""

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.format is not None:
            OutputFormat(self.format, self.bit_depth)
        return self


class Preset(Table):
    """A stemkit preset: how songs are separated, treated, mixed and written.

    With stems a song is separated (`stemkit separate --preset`); without any the mix chain is for
    the song as it is (`stemkit apply`).
    """

    version: Annotated[Literal[1], BeforeValidator(check_version)]
    """The version of this format."""

    summary: Annotated[str, AfterValidator(check_summary)]
    """What it is for, in one line."""

    model: ModelText | None = None
    """The model that separates, by name or absolute path; left out, the command line's."""

    stems: dict[FileName, StemSettings] = Field(default={})
    """The stems that are wanted, such as vocals and accompaniment, and what becomes of each."""

    mix: MixSettings | None = None
    """The stems as one file; left out, each stem has its own."""

    output: OutputSettings = OutputSettings()
    """What kind of files come out."""

    _folder: Path | None = PrivateAttr(default=None)
    _place: str = PrivateAttr(default="preset")

    @property
    def place(self) -> str:
        """What errors call this preset: its file."""
        return self._place

    @property
    def folder(self) -> Path | None:
        """Where impulse responses are found: the folder that the preset was read from."""
        return self._folder

    def with_folder(self, folder: Path | None, place: str = "preset") -> "Preset":
        """Return this preset as if it had been read from a file in `folder`, called `place`."""
        copy = self.model_copy()
        copy._folder, copy._place = folder, place
        return copy

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the files that come out of one song: stems, then the mix."""
        if self.mix is None:
            return tuple(self.stems)
        return (*(self.stems if self.mix.stem_files else ()), self.mix.name)

    @property
    def chains(self) -> dict[str, tuple[Effect, ...]]:
        """Every chain by its place in the file, such as `stems.vocals.chain`."""
        chains = {f"stems.{name}.chain": stem.chain for name, stem in self.stems.items()}
        return chains | ({"mix.chain": self.mix.chain} if self.mix else {})

    def build_board(
        self,
        chain: tuple[Effect, ...],
        *,
        allow_plugins: bool = False,
        engine_options: EngineOptions | None = None,
    ) -> "Board":
        """Return a new Board of one of this preset's chains; raises PresetError as `build` does."""
        from stemkit.effects.board import Board

        around = Surroundings(self._folder, allow_plugins, engine_options or EngineOptions())
        return Board(effect.build(around) for effect in chain)

    def to_toml(self) -> str:
        """Return the preset as TOML, from which `parse_preset` makes it again."""
        from stemkit.effects.toml import write_toml

        return write_toml(self)

    def __eq__(self, other: object) -> bool:
        """Tell whether both say the same, wherever their files are."""
        return isinstance(other, Preset) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]  # `stems` is a dict

    @model_validator(mode="after")
    def _gives_files(self) -> Self:
        if not self.stems and self.mix is None:
            raise ValueError("a preset needs stems, or a [mix] for songs that aren't separated")
        if self.mix and self.mix.stem_files and not self.stems:
            raise ValueError("mix.stem_files needs stems; name them, as in [stems.vocals]")
        names = [name.casefold() for name in (*self.stems, *([self.mix.name] if self.mix else []))]
        if len(set(names)) != len(names):
            raise ValueError("stems and mix.name must differ by more than upper and lower case")
        return self

    @model_validator(mode="after")
    def _levels_have_files(self) -> Self:
        for name, stem in self.stems.items():
            for setting in ("loudness_lufs", "true_peak_db"):
                if name not in self.outputs and getattr(stem, setting) is not None:
                    raise ValueError(
                        f"stems.{name}.{setting} is for the stem's own file, which isn't written; "
                        f"move it to [mix], or set mix.stem_files = true"
                    )
        return self
