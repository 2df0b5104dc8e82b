"""Distortion and loss: clipping, saturation, few bits, low rates, codecs."""

from typing import Annotated, Literal

from pydantic import Field

from stemkit.effects.catalogue.base import NAMED, NativeEffect, Threshold

ResampleQuality = Literal[
    "ZeroOrderHold",
    "Linear",
    "CatmullRom",
    "Lagrange",
    "WindowedSinc",
    "WindowedSinc8",
    "WindowedSinc16",
    "WindowedSinc32",
    "WindowedSinc64",
    "WindowedSinc128",
    "WindowedSinc256",
]

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


class Bitcrush(NativeEffect):
    """Rounds samples to fewer bits."""

    effect: Annotated[Literal["Bitcrush"], NAMED] = "Bitcrush"

    bit_depth: Annotated[float, Field(ge=0, le=32)] = 8
    """How many bits are left; fractions are fine, 0 is silence."""


class Clipping(NativeEffect):
    """Cuts off what is beyond a threshold."""

    effect: Annotated[Literal["Clipping"], NAMED] = "Clipping"

    threshold_db: Threshold = -6.0
    """The highest peak that is left, in dBFS."""


class Distortion(NativeEffect):
    """Saturates: the hyperbolic tangent of the amplified signal."""

    effect: Annotated[Literal["Distortion"], NAMED] = "Distortion"

    drive_db: Annotated[float, Field(ge=-100, le=100)] = 25
    """Gain into the saturation, in dB."""


class Resample(NativeEffect):
    """Goes down to another sample rate and back, with the aliasing that its quality leaves."""

    effect: Annotated[Literal["Resample"], NAMED] = "Resample"

    target_sample_rate: Annotated[float, Field(ge=100, le=384_000)] = 8000.0
    """The rate in between, in Hz; half of it is the highest frequency that is left."""

    quality: ResampleQuality = "WindowedSinc32"
    """How samples between are made: ZeroOrderHold is the roughest, WindowedSinc256 the best."""

    def arguments(self) -> dict[str, object]:
        """Return the arguments of the native class's constructor."""
        return super().arguments() | {"quality": _native_quality(self.quality)}


class GSMFullRateCompressor(NativeEffect):
    """What a mobile phone of the nineties makes of it, at 8 kHz."""

    effect: Annotated[Literal["GSMFullRateCompressor"], NAMED] = "GSMFullRateCompressor"

    quality: ResampleQuality = "WindowedSinc8"
    """How well it is resampled to 8 kHz and back."""

    def arguments(self) -> dict[str, object]:
        """Return the arguments of the native class's constructor."""
        return {"quality": _native_quality(self.quality)}


class MP3Compressor(NativeEffect):
    """What MP3 makes of it. It exists at the nine rates of MP3, up to 48000 Hz."""

    effect: Annotated[Literal["MP3Compressor"], NAMED] = "MP3Compressor"

    vbr_quality: Annotated[float, Field(ge=0, le=9.999)] = 2.0
    """LAME's quality of variable bit rate: 0 is best, towards 10 worst."""

    def find_rate_fault(self, sample_rate: float) -> str | None:
        """Say whether MP3 has no such rate."""
        if sample_rate in _MP3_RATES:
            return None
        return f"MP3 has no {sample_rate:g} Hz; resample the audio, such as to 44100 Hz"


def _native_quality(name: str) -> object:
    import pedalboard

    return getattr(pedalboard.Resample.Quality, name)
