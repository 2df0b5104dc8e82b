"""What isn't Pedalboard's: separation, and the VST3 and Audio Unit plugins of others."""

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Annotated, Literal, Self, cast

from pydantic import AfterValidator, Field, model_validator

from stemkit.effects.catalogue.base import ALONE, NAMED, EffectSettings, Surroundings
from stemkit.errors import PresetError
from stemkit.separation.options import SHORTEST_GUARDED_SECONDS
from stemkit.weights.registry import check_model_name
from stemkit.weights.sources import as_path

if TYPE_CHECKING:
    import pedalboard

    from stemkit.separation.separator import Separator as SeparatorProcessor


def check_absolute(path: str) -> str:
    """Return `path`; raises ValueError unless it is absolute, on some system."""
    absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
    if not absolute or not path.isprintable():
        raise ValueError(f"{path!r} must be an absolute path")
    return path


def check_model(name_or_path: str) -> str:
    """Return `name_or_path`; raises ValueError unless it can name a model or is absolute."""
    if as_path(name_or_path) is None:
        return check_model_name(name_or_path)
    return check_absolute(name_or_path)


ModelText = Annotated[str, AfterValidator(check_model)]


class Separator(EffectSettings):
    """Lets one stem through. It can't be inside a Mix, whose branches Pedalboard runs alone."""

    effect: Annotated[Literal["Separator"], NAMED] = "Separator"

    stem: Annotated[str, Field(min_length=1)] = "vocals"
    """The stem that is let through, such as vocals or accompaniment."""

    model: ModelText = "stemkit-small"
    """The model that separates, by its name in `stemkit models list` or its absolute path."""

    segment_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 30.0
    """How much the network hears at once, in seconds."""

    overlap_seconds: Annotated[float, Field(ge=0, le=1800)] = 4.0
    """How much of that it has heard before, in seconds: at most half."""

    guard: bool = False
    """Whether the vocals are lowered where they are probably leakage."""

    @model_validator(mode="after")
    def _can_be_cut(self) -> Self:
        if self.overlap_seconds > self.segment_seconds / 2:
            raise ValueError("overlap_seconds can be at most half of segment_seconds")
        if self.guard and self.segment_seconds < SHORTEST_GUARDED_SECONDS:
            raise ValueError(f"guard needs segment_seconds from {SHORTEST_GUARDED_SECONDS:g} up")
        return self

    def build(self, around: Surroundings = ALONE) -> "SeparatorProcessor":
        """Return a new processor; see `EffectSettings.build`."""
        from stemkit.separation.separator import Separator as SeparatorProcessor

        run = around.engine_options
        return SeparatorProcessor(
            self.stem,
            self.model,
            run.device,
            run.precision,
            segment_seconds=self.segment_seconds,
            overlap_seconds=self.overlap_seconds,
            guard=self.guard,
            compiled=run.compiled,
        )


class ExternalEffect(EffectSettings):
    """A plugin from elsewhere: a program, so it is loaded only where that is allowed."""

    path_to_plugin_file: Annotated[str, AfterValidator(check_absolute)]
    """The plugin's file or bundle, as an absolute path."""

    plugin_name: str | None = None
    """Which plugin, where the file holds several."""

    parameter_values: dict[str, bool | float | str] = Field(default={})
    """The plugin's parameters by Pedalboard's names for them; those left out are as it has them."""

    initialization_timeout: Annotated[float, Field(ge=0.1, le=600)] = 10.0
    """How long the plugin may take to start, in seconds."""

    def build(self, around: Surroundings = ALONE) -> "pedalboard.Plugin":
        """Return a new plugin; see `EffectSettings.build`."""
        if not around.allow_plugins:
            raise PresetError(
                f"{self.effect} loads the program {self.path_to_plugin_file!r}; "
                f"pass --allow-plugins if you trust it"
            )
        import pedalboard

        native = getattr(pedalboard, self.effect, None)
        if native is None:
            raise PresetError(f"this system has no {self.effect}; choose VST3Plugin")
        if not Path(self.path_to_plugin_file).exists():
            raise PresetError(f"no plugin {self.path_to_plugin_file!r}; install it there")
        return self._load(native)

    def _load(self, native: type) -> "pedalboard.Plugin":
        try:
            plugin = native(
                self.path_to_plugin_file,
                dict(self.parameter_values),
                self.plugin_name,
                self.initialization_timeout,
            )
        except (ImportError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise PresetError(f"can't load {self.path_to_plugin_file!r}: {reason}") from error
        if not plugin.is_effect:
            raise PresetError(f"{self.path_to_plugin_file!r} is an instrument; choose an effect")
        return cast("pedalboard.Plugin", plugin)


class VST3Plugin(ExternalEffect):
    """A VST3 plugin, built only with --allow-plugins."""

    effect: Annotated[Literal["VST3Plugin"], NAMED] = "VST3Plugin"


class AudioUnitPlugin(ExternalEffect):
    """An Audio Unit plugin, of macOS only, built only with --allow-plugins."""

    effect: Annotated[Literal["AudioUnitPlugin"], NAMED] = "AudioUnitPlugin"
