"""What is done to songs, as plain data that can be made before a model is loaded."""

from dataclasses import dataclass, field
from pathlib import Path

from stemkit.audio.encode import OutputFormat
from stemkit.effects.schema import Preset
from stemkit.separation.options import EngineOptions


@dataclass(frozen=True)
class Treatment:
    """What is done to each song, separated, sent through a preset, written.

    Without a model nothing is separated, and the preset's mix chain takes the song itself.
    """

    output_format: OutputFormat
    model: str | Path | None = None
    engine_options: EngineOptions = field(default_factory=EngineOptions)
    preset: Preset | None = None
    allow_plugins: bool = False
