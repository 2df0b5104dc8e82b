"""Filters and equalizer bands."""

from typing import Annotated, Literal

from pydantic import Field

from stemkit.effects.catalogue.base import NAMED, BandGain, Cutoff, CutoffEffect, Quality, Share

LadderMode = Literal["LPF12", "HPF12", "BPF12", "LPF24", "HPF24", "BPF24"]

BUTTERWORTH_Q = 0.70710677  # 1 / sqrt(2) in float32: as steep as it gets without a bump


class HighpassFilter(CutoffEffect):
    """Takes away what lies below a frequency, by 6 dB an octave; two of them make 12."""

    effect: Annotated[Literal["HighpassFilter"], NAMED] = "HighpassFilter"

    cutoff_frequency_hz: Cutoff = 50.0
    """Where the signal is 3 dB down, in Hz."""


class LowpassFilter(CutoffEffect):
    """Takes away what lies above a frequency, by 6 dB an octave; two of them make 12."""

    effect: Annotated[Literal["LowpassFilter"], NAMED] = "LowpassFilter"

    cutoff_frequency_hz: Cutoff = 50.0
    """Where the signal is 3 dB down, in Hz."""


class PeakFilter(CutoffEffect):
    """An equalizer band: raises or lowers what lies around a frequency."""

    effect: Annotated[Literal["PeakFilter"], NAMED] = "PeakFilter"

    cutoff_frequency_hz: Cutoff = 440.0
    """The middle of the band, in Hz."""

    gain_db: BandGain = 0.0
    """How much the middle of the band is raised, in dB; negative lowers it."""

    q: Quality = BUTTERWORTH_Q
    """How narrow the band is: its middle divided by its width. 0.7 is two octaves, 1.4 one."""


class LowShelfFilter(CutoffEffect):
    """Raises or lowers everything below a frequency."""

    effect: Annotated[Literal["LowShelfFilter"], NAMED] = "LowShelfFilter"

    cutoff_frequency_hz: Cutoff = 440.0
    """Where half of the gain is reached, in Hz."""

    gain_db: BandGain = 0.0
    """How much is raised, in dB; negative lowers."""

    q: Quality = BUTTERWORTH_Q
    """How steep the shelf is; above 0.7 it overshoots."""


class HighShelfFilter(CutoffEffect):
    """Raises or lowers everything above a frequency."""

    effect: Annotated[Literal["HighShelfFilter"], NAMED] = "HighShelfFilter"

    cutoff_frequency_hz: Cutoff = 440.0
    """Where half of the gain is reached, in Hz."""

    gain_db: BandGain = 0.0
    """How much is raised, in dB; negative lowers."""

    q: Quality = BUTTERWORTH_Q
    """How steep the shelf is; above 0.7 it overshoots."""


class LadderFilter(CutoffEffect):
    """Moog's ladder filter, with resonance and saturation."""

    cutoff_name = "cutoff_hz"

    effect: Annotated[Literal["LadderFilter"], NAMED] = "LadderFilter"

    mode: LadderMode = "LPF12"
    """Low-pass, high-pass or band-pass, and its steepness in dB an octave."""

    cutoff_hz: Cutoff = 200.0
    """The corner, in Hz."""

    resonance: Share = 0.0
    """How much the corner rings: 0 not at all, 1 nearly by itself."""

    drive: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Gain into the saturation, as a factor; 1 is the least."""

    def arguments(self) -> dict[str, object]:
        """Return the arguments of the native class's constructor."""
        import pedalboard

        return super().arguments() | {"mode": getattr(pedalboard.LadderFilter.Mode, self.mode)}
