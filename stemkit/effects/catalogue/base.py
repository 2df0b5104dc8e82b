"""What all effects of a preset have in common, and the parameters that several share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict, JsonValue

from stemkit.errors import PresetError
from stemkit.separation.options import EngineOptions

if TYPE_CHECKING:
    import pedalboard

    from stemkit.separation.processor import Processor

NAMED = Field(description="Which effect this is, by Pedalboard's name.")

# Pedalboard refuses nothing that isn't a number, and NaN or infinity silences or crashes some of
# its plugins. Where it has no limit of its own, these are wider than any use, and finite.
Threshold = Annotated[float, Field(ge=-100, le=24)]
Milliseconds = Annotated[float, Field(ge=0, le=60_000)]
Cutoff = Annotated[float, Field(ge=1, le=96_000)]
BandGain = Annotated[float, Field(ge=-60, le=36)]
Quality = Annotated[float, Field(ge=0.01, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
ModulationRate = Annotated[float, Field(ge=0, le=100)]
# At 1 and beyond, what goes round in a chorus or a phaser grows for ever.
LoopGain = Annotated[float, Field(ge=-0.99, le=0.99)]


def require_effect(schema: JsonDict) -> None:
    """Make a JSON schema ask for `effect`, which only Python may leave out."""
    required = cast(list[JsonValue], schema.setdefault("required", []))
    required.insert(0, "effect")


class Table(BaseModel):
    """A table of the file: no key that isn't known, no change after it is read."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True)
class Surroundings:
    """What an effect is built with besides its settings.

    `folder` is where impulse responses are, `allow_plugins` tells whether VST3 and Audio Unit
    plugins may be loaded, and `engine_options` say how a Separator's network is run.
    """

    folder: Path | None = None
    allow_plugins: bool = False
    engine_options: EngineOptions = field(default_factory=EngineOptions)


ALONE = Surroundings()


class EffectSettings(Table):
    """One effect as data: parameters by Pedalboard's names, with its defaults and its limits."""

    model_config = ConfigDict(json_schema_extra=require_effect)

    effect: str

    @property
    def inner(self) -> tuple["EffectSettings", ...]:
        """The effects inside this one; only Chain and Mix have any."""
        return ()

    def build(self, around: Surroundings = ALONE) -> "pedalboard.Plugin | Processor":
        """Return a new plugin with these settings.

        Raises PresetError for what Pedalboard refuses, for a file that can't be used, and for a
        VST3 or Audio Unit plugin that isn't allowed.
        """
        raise NotImplementedError

    def find_rate_fault(self, sample_rate: float) -> str | None:
        """Say what stops this effect from working at `sample_rate`, in Hz; None if nothing does."""
        return None


class NativeEffect(EffectSettings):
    """An effect that is one class of Pedalboard's, built from its parameters as they are."""

    def build(self, around: Surroundings = ALONE) -> "pedalboard.Plugin":
        """Return a new plugin; see `EffectSettings.build`."""
        import pedalboard

        native = getattr(pedalboard, self.effect)
        try:
            return cast(pedalboard.Plugin, native(**self.arguments()))
        except (ValueError, TypeError, RuntimeError) as error:
            raise PresetError(f"Pedalboard refuses this {self.effect}: {error}") from error

    def arguments(self) -> dict[str, object]:
        """Return the arguments of the native class's constructor."""
        return self.model_dump(exclude={"effect"})


class CutoffEffect(NativeEffect):
    """A filter, whose cutoff must be below half of the sample rate: above, it becomes unstable."""

    cutoff_name: ClassVar[str] = "cutoff_frequency_hz"
    """The field that holds the cutoff frequency, in Hz."""

    def find_rate_fault(self, sample_rate: float) -> str | None:
        """Say whether the cutoff is beyond half of `sample_rate`."""
        name, cutoff = self.cutoff_name, getattr(self, self.cutoff_name)
        if cutoff <= sample_rate / 2:
            return None
        return f"{name} {cutoff:g} is above half of the audio's {sample_rate:g} Hz; lower it"
