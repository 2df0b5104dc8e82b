"""Where presets are, and which one a name means."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stemkit.effects.names import find_nearest
from stemkit.errors import ArgumentTypeError, PresetError
from stemkit.weights.folders import stemkit_home

Origin = Literal["preset-dir", "home", "shipped"]


@dataclass(frozen=True)
class PresetFile:
    """A preset that can be named; `shadows` are those that its name hides."""

    name: str
    path: Path
    origin: Origin
    shadows: list["PresetFile"] = field(default_factory=list)


def presets_folder() -> Path:
    """Return the folder of the presets that came with stemkit, wheel or editable install alike.

    The wheel has them inside the package; a checkout has them beside it.
    """
    package = Path(__file__).parents[1]
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"


def own_presets_folder() -> Path:
    """Return the folder of a user's own presets; it need not exist."""
    return stemkit_home() / "presets"


def list_presets(preset_dirs: Sequence[Path] = ()) -> list[PresetFile]:
    """Return every preset by name: `preset_dirs` go before a user's own, those before shipped."""
    found: dict[str, PresetFile] = {}
    for preset in _walk_presets(preset_dirs):
        if preset.name in found:
            found[preset.name].shadows.append(preset)
        else:
            found[preset.name] = preset
    return [found[name] for name in sorted(found)]


def find_preset(name_or_path: str | Path, preset_dirs: Sequence[Path] = ()) -> Path:
    """Return the file that a name or a path means; raises PresetError for an unknown name.

    A string is a name unless it has a slash or ends in .toml.
    """
    path = _as_path(name_or_path)
    if path is not None:
        return path
    presets = {preset.name: preset.path for preset in list_presets(preset_dirs)}
    if name_or_path in presets:
        return presets[str(name_or_path)]
    near = find_nearest(str(name_or_path), presets)
    hint = f" (did you mean {near!r}?)" if near else ""
    raise PresetError(f"no preset {name_or_path!r}{hint}; choose one of: {', '.join(presets)}")


def _as_path(name_or_path: str | Path) -> Path | None:
    if isinstance(name_or_path, Path):
        return name_or_path
    if not isinstance(name_or_path, str):
        raise ArgumentTypeError(f"a preset is a name or a Path, not {name_or_path!r}")
    is_path = "/" in name_or_path or "\\" in name_or_path or name_or_path.endswith(".toml")
    return Path(name_or_path) if is_path else None


def _walk_presets(preset_dirs: Sequence[Path]) -> Iterator[PresetFile]:
    folders: list[tuple[Origin, Path]] = [("preset-dir", folder) for folder in preset_dirs]
    folders += [("home", own_presets_folder()), ("shipped", presets_folder())]
    for origin, folder in folders:
        for path in sorted(folder.glob("*.toml")):
            if not path.name.startswith("."):
                yield PresetFile(path.stem, path, origin)
