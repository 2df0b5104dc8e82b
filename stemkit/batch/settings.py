"""What a run's outputs depend on, as text: to tell settings apart, and to use them again."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit import __version__
from stemkit.audio.encode import OutputFormat
from stemkit.batch.treatment import Treatment
from stemkit.errors import LedgerError
from stemkit.separation.options import EngineOptions
from stemkit.weights.sources import hash_weights

if TYPE_CHECKING:
    from stemkit.effects.schema import Preset

_WITHOUT_EFFECT = ("batch_size", "compiled")
"""Options that change no output by more than rounding."""


@dataclass(frozen=True)
class Settings:
    """What a treatment's outputs depend on, and what else it takes to do it again, as JSON."""

    effective: str
    places: str

    @property
    def fingerprint(self) -> str:
        """A short name that no other settings have, wherever their files are."""
        return hashlib.sha256(self.effective.encode()).hexdigest()[:16]


def describe_treatment(treatment: Treatment) -> Settings:
    """Return the settings of a treatment; raises ModelError and PresetError for files it lacks."""
    options = dataclasses.asdict(treatment.engine_options)
    if not treatment.engine_options.guard:
        del options["guard"]  # what was separated before there was a guard is done without one
    preset, model = treatment.preset, treatment.model
    effective = {
        "stemkit": __version__,
        "format": dataclasses.asdict(treatment.output_format),
        "model": model and hash_weights(model),
        "options": {name: options[name] for name in options if name not in _WITHOUT_EFFECT},
        "preset": preset and preset.to_toml(),
        "preset_files": preset and _hash_files(preset),
        "tags": treatment.keep_tags,
    }
    places = {
        "model": str(model.absolute()) if isinstance(model, Path) else model,
        "preset": preset and preset.place,
        "preset_folder": preset and preset.folder and str(preset.folder.absolute()),
        "provenance": treatment.provenance,
        "handoffs": treatment.handoffs,
    }
    return Settings(json.dumps(effective, sort_keys=True), json.dumps(places, sort_keys=True))


def restore_treatment(settings: Settings | None, *, allow_plugins: bool = False) -> Treatment:
    """Return the treatment that settings describe, with the model and the files of now.

    Raises LedgerError for what describes none, PresetError and OptionError.
    """
    if settings is None:
        raise LedgerError("the ledger doesn't hold the settings of these songs; separate them anew")
    try:
        fields, places = json.loads(settings.effective), json.loads(settings.places)
        stems = fields["options"]["stems"]
        options = fields["options"] | {"stems": stems and tuple(stems)}
        return Treatment(
            OutputFormat(**fields["format"]),
            places["model"],
            EngineOptions(**options),
            fields["preset"]
            and _restore_preset(fields["preset"], places["preset"], places["preset_folder"]),
            allow_plugins,
            fields.get("tags", True),
            places.get("provenance", "off"),
            tuple(places.get("handoffs", ())),
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise LedgerError(f"the ledger's settings can't be used again ({error!r})") from error


def _hash_files(preset: "Preset") -> tuple[str, ...]:
    from stemkit.effects.preset import hash_preset_files  # late, as it brings all effects

    return hash_preset_files(preset)


def _restore_preset(text: str, place: str, folder: str | None) -> "Preset":
    from stemkit.effects.preset import parse_preset

    return parse_preset(text, place, Path(folder) if folder else None)


def name_differences(before: Settings, now: Settings) -> tuple[str, ...]:
    """Return which settings differ: "stemkit" for its version, "model", "preset", "stems"..."""
    old, new = _flatten(before.effective), _flatten(now.effective)
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))


def _flatten(effective: str) -> dict[str, object]:
    fields: dict[str, object] = json.loads(effective)
    options = fields.pop("options")
    return fields | options if isinstance(options, dict) else fields
