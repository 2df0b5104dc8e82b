"""What is done to songs, as plain data that can be made before a model is loaded."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stemkit.audio.encode import OutputFormat
from stemkit.handoff.kinds import Handoff
from stemkit.separation.options import EngineOptions
from stemkit.weights.sources import as_path

if TYPE_CHECKING:
    from stemkit.effects.schema import Preset

Provenance = Literal["track", "run", "off"]
"""Where the records of tracks are: beside each one's stems, in one file of the run, or nowhere."""


@dataclass(frozen=True)
class Treatment:
    """What is done to each song, separated, sent through a preset, written.

    Without a model nothing is separated, and the preset's mix chain takes the song itself.
    `keep_tags` is whether outputs say what the song's file does, and `handoffs` are the programs
    that projects are made for.
    """

    output_format: OutputFormat
    model: str | Path | None = None
    engine_options: EngineOptions = field(default_factory=EngineOptions)
    preset: "Preset | None" = None
    allow_plugins: bool = False
    keep_tags: bool = True
    provenance: Provenance = "track"
    handoffs: tuple[Handoff, ...] = ()

    def absolute(self) -> "Treatment":
        """Return the same treatment for a process with another working folder."""
        model, preset = self.model, self.preset
        path = None if model is None else as_path(model)
        if preset is not None and preset.folder is not None:
            preset = preset.with_folder(preset.folder.absolute(), preset.place)
        return replace(self, model=path.absolute() if path else model, preset=preset)
