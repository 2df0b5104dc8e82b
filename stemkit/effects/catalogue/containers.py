"""Effects inside effects, and with them the whole catalogue."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from stemkit.effects.catalogue.base import ALONE, NAMED, EffectSettings, Surroundings
from stemkit.effects.catalogue.damage import (
    Bitcrush,
    Clipping,
    Distortion,
    GSMFullRateCompressor,
    MP3Compressor,
    Resample,
)
from stemkit.effects.catalogue.dynamics import (
    BrickwallLimiter,
    Compressor,
    Gain,
    Invert,
    Limiter,
    NoiseGate,
)
from stemkit.effects.catalogue.filters import (
    HighpassFilter,
    HighShelfFilter,
    LadderFilter,
    LowpassFilter,
    LowShelfFilter,
    PeakFilter,
)
from stemkit.effects.catalogue.processors import AudioUnitPlugin, Separator, VST3Plugin
from stemkit.effects.catalogue.space import (
    Chorus,
    Convolution,
    Delay,
    Phaser,
    PitchShift,
    Reverb,
)

if TYPE_CHECKING:
    import pedalboard

    from stemkit.separation.processor import Processor


class Chain(EffectSettings):
    """Effects one after the other; a branch of a Mix is one."""

    effect: Annotated[Literal["Chain"], NAMED] = "Chain"

    plugins: Annotated[tuple["Effect", ...], Field(strict=False)] = ()
    """The effects, in the order of the signal."""

    @property
    def inner(self) -> tuple[EffectSettings, ...]:
        """The effects inside this one."""
        return self.plugins

    def build(self, around: Surroundings = ALONE) -> "pedalboard.Plugin | Processor":
        """Return a native Chain, or a Board where there is a Separator inside."""
        built: list[Any] = [plugin.build(around) for plugin in self.plugins]
        if holds_separator(self):
            from stemkit.effects.board import Board

            return Board(built)
        import pedalboard

        return pedalboard.Chain(built)


class Mix(EffectSettings):
    """Effects side by side, each given the whole signal; what they give is summed."""

    effect: Annotated[Literal["Mix"], NAMED] = "Mix"

    plugins: Annotated[tuple["Effect", ...], Field(strict=False, min_length=1)]
    """The branches; a Gain of 0 dB is the dry signal."""

    @property
    def inner(self) -> tuple[EffectSettings, ...]:
        """The effects inside this one."""
        return self.plugins

    @model_validator(mode="after")
    def _has_no_separator(self) -> Self:
        if holds_separator(self):
            raise ValueError("a Mix can't hold a Separator: take it out, or separate into stems")
        return self

    def build(self, around: Surroundings = ALONE) -> "pedalboard.Plugin":
        """Return a new plugin; see `EffectSettings.build`."""
        import pedalboard

        built: list[Any] = [plugin.build(around) for plugin in self.plugins]
        return pedalboard.Mix(built)


Effect = Annotated[
    AudioUnitPlugin
    | Bitcrush
    | BrickwallLimiter
    | Chain
    | Chorus
    | Clipping
    | Compressor
    | Convolution
    | Delay
    | Distortion
    | Gain
    | GSMFullRateCompressor
    | HighpassFilter
    | HighShelfFilter
    | Invert
    | LadderFilter
    | Limiter
    | LowpassFilter
    | LowShelfFilter
    | Mix
    | MP3Compressor
    | NoiseGate
    | PeakFilter
    | Phaser
    | PitchShift
    | Resample
    | Reverb
    | Separator
    | VST3Plugin,
    Field(discriminator="effect"),
]
"""Any effect that a preset can have; `effect` says which."""

Chain.model_rebuild()
Mix.model_rebuild()

EFFECTS: dict[str, type[EffectSettings]] = {
    model.__name__: model for model in get_args(get_args(Effect)[0])
}
"""Every effect by its name."""


def holds_separator(effect: EffectSettings) -> bool:
    """Tell whether `effect` is a Separator or has one inside."""
    return isinstance(effect, Separator) or any(map(holds_separator, effect.inner))


def walk_effects(
    chain: tuple[EffectSettings, ...], place: str
) -> Iterator[tuple[str, EffectSettings]]:
    """Yield each effect of a chain and of those inside, with its place such as `mix.chain[2]`."""
    for index, effect in enumerate(chain):
        here = f"{place}[{index}]"
        yield here, effect
        yield from walk_effects(effect.inner, f"{here}.plugins")
