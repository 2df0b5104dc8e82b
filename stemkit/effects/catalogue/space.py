"""Time, space and pitch: delay, reverb, convolution, chorus, phaser, pitch shift."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from stemkit.effects.catalogue.base import (
    ALONE,
    NAMED,
    LoopGain,
    ModulationRate,
    NativeEffect,
    Share,
    Surroundings,
)
from stemkit.effects.catalogue.impulses import check_relative, find_impulse, require_loaded

if TYPE_CHECKING:
    import pedalboard


class Delay(NativeEffect):
    """An echo."""

    effect: Annotated[Literal["Delay"], NAMED] = "Delay"

    delay_seconds: Annotated[float, Field(ge=0, le=30)] = 0.5
    """How much later the echo comes, in seconds."""

    feedback: Share = 0.0
    """How much of the echo is echoed again; 1 never ends."""

    mix: Share = 0.5
    """The echo's share of what comes out; 0 is only the dry signal."""


class Reverb(NativeEffect):
    """A room, by Freeverb's algorithm."""

    effect: Annotated[Literal["Reverb"], NAMED] = "Reverb"

    room_size: Share = 0.5
    """How large the room is, from 0 to 1; larger ones ring longer."""

    damping: Share = 0.5
    """How much the walls take of the treble, from 0 to 1."""

    wet_level: Share = 0.33
    """The level of the reverberation, from 0 to 1; 1 is a factor of 3."""

    dry_level: Share = 0.4
    """The level of the dry signal, from 0 to 1; 1 is a factor of 2, so 0.5 leaves it as it is."""

    width: Share = 1.0
    """How wide the reverberation is: 0 is mono, 1 full stereo."""

    freeze_mode: Share = 0.0
    """From 0.5 on, the room rings for ever and lets nothing in."""


class Convolution(NativeEffect):
    """Convolves with an impulse response: a room, a loudspeaker cabinet, a microphone."""

    effect: Annotated[Literal["Convolution"], NAMED] = "Convolution"

    impulse_response_filename: Annotated[str, AfterValidator(check_relative)]
    """A WAV or AIFF file in the preset's folder or below, relative to it, with '/'."""

    mix: Share = 1.0
    """The convolved share of what comes out; 0 is only the dry signal."""

    def build(self, around: Surroundings = ALONE) -> "pedalboard.Plugin":
        """Return a new plugin; see `EffectSettings.build`."""
        import pedalboard

        path = find_impulse(self.impulse_response_filename, around.folder)
        require_loaded(pedalboard.Convolution(str(path)), self.impulse_response_filename)
        return pedalboard.Convolution(str(path), self.mix)


class Chorus(NativeEffect):
    """A wavering copy beside the signal; with a short delay and feedback, a flanger."""

    effect: Annotated[Literal["Chorus"], NAMED] = "Chorus"

    rate_hz: ModulationRate = 1.0
    """How fast it wavers, in Hz."""

    depth: Share = 0.25
    """How far it wavers, from 0 to 1."""

    centre_delay_ms: Annotated[float, Field(ge=1, le=100)] = 7.0
    """The delay around which it wavers, in milliseconds."""

    feedback: LoopGain = 0.0
    """How much of the copy goes round again; negative flips it."""

    mix: Share = 0.5
    """The copy's share of what comes out; 1 is a vibrato."""


class Phaser(NativeEffect):
    """Notches that sweep through the spectrum."""

    effect: Annotated[Literal["Phaser"], NAMED] = "Phaser"

    rate_hz: ModulationRate = 1.0
    """How fast they sweep, in Hz."""

    depth: Share = 0.5
    """How far they sweep, from 0 to 1."""

    centre_frequency_hz: Annotated[float, Field(ge=20, le=20_000)] = 1300.0
    """The frequency around which they sweep, in Hz."""

    feedback: LoopGain = 0.0
    """How much goes round again; negative flips it."""

    mix: Share = 0.5
    """The phased share of what comes out."""


class PitchShift(NativeEffect):
    """Changes the pitch and keeps the time."""

    effect: Annotated[Literal["PitchShift"], NAMED] = "PitchShift"

    semitones: Annotated[float, Field(ge=-72, le=72)] = 0.0
    """How much higher, in semitones; negative is lower, fractions are fine."""
