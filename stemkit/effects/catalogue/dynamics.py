"""Level: gain, compressors, limiters, gates."""

from typing import Annotated, Literal

from pydantic import Field

from stemkit.effects.catalogue.base import NAMED, Milliseconds, NativeEffect, Threshold

Ratio = Annotated[float, Field(ge=1, le=1000)]


class Gain(NativeEffect):
    """Makes everything louder or softer."""

    effect: Annotated[Literal["Gain"], NAMED] = "Gain"

    gain_db: Annotated[float, Field(ge=-120, le=60)] = 1.0
    """How much louder, in dB; negative is softer."""


class Invert(NativeEffect):
    """Flips the polarity; heard only where it meets the unflipped signal, as inside a Mix."""

    effect: Annotated[Literal["Invert"], NAMED] = "Invert"


class Compressor(NativeEffect):
    """Turns down what is louder than a threshold; there is no make-up gain, so add a Gain."""

    effect: Annotated[Literal["Compressor"], NAMED] = "Compressor"

    threshold_db: Threshold = 0.0
    """The level above which it works, in dBFS."""

    ratio: Ratio = 1.0
    """How many dB above the threshold become one; 1 does nothing."""

    attack_ms: Milliseconds = 1.0
    """How soon it turns down, in milliseconds."""

    release_ms: Milliseconds = 100.0
    """How soon it lets go, in milliseconds."""


class NoiseGate(NativeEffect):
    """Turns down what is softer than a threshold; with a low ratio, an expander."""

    effect: Annotated[Literal["NoiseGate"], NAMED] = "NoiseGate"

    threshold_db: Threshold = -100.0
    """The level below which it works, in dBFS."""

    ratio: Ratio = 10.0
    """How many dB one dB below the threshold becomes; 1 does nothing."""

    attack_ms: Milliseconds = 1.0
    """How soon it opens, in milliseconds."""

    release_ms: Milliseconds = 100.0
    """How soon it closes, in milliseconds."""


class Limiter(NativeEffect):
    """Makes everything louder up to 0 dBFS, where it clips; BrickwallLimiter only holds peaks."""

    effect: Annotated[Literal["Limiter"], NAMED] = "Limiter"

    threshold_db: Annotated[float, Field(ge=-60, le=24)] = -10.0
    """The level above which it works, in dBFS; what is gained below is made up for."""

    release_ms: Milliseconds = 100.0
    """How soon it lets go, in milliseconds."""


class BrickwallLimiter(NativeEffect):
    """Holds peaks under a ceiling, by looking ahead; changes nothing below."""

    effect: Annotated[Literal["BrickwallLimiter"], NAMED] = "BrickwallLimiter"

    ceiling_db: Annotated[float, Field(ge=-60, le=24)] = -1.0
    """The highest peak that may come out, in dBFS."""

    release_ms: Annotated[float, Field(ge=0.1, le=60_000)] = 100.0
    """How soon it lets go, in milliseconds."""

    lookahead_ms: Annotated[float, Field(ge=0.1, le=100)] = 5.0
    """How far ahead it sees a peak come, in milliseconds."""

    true_peak: bool = False
    """Whether peaks between samples are seen too, by 4-fold oversampling."""
