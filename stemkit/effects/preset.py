"""Presets: reading their files, checking them whole before anything is loaded, and writing them."""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from stemkit.effects.catalogue import EffectSettings, Separator, walk_effects
from stemkit.effects.catalogue.base import Surroundings
from stemkit.effects.catalogue.impulses import find_impulse
from stemkit.effects.catalogue.processors import ExternalEffect
from stemkit.effects.catalogue.space import Convolution
from stemkit.effects.faults import explain_faults
from stemkit.effects.folder import find_preset
from stemkit.effects.names import suggest
from stemkit.effects.schema import MixSettings as MixSettings
from stemkit.effects.schema import OutputSettings as OutputSettings
from stemkit.effects.schema import Preset as Preset
from stemkit.effects.schema import StemSettings as StemSettings
from stemkit.errors import ModelError, OptionError, PresetError
from stemkit.separation.guard import check_guard
from stemkit.separation.stems import COMPLEMENTS, RESIDUAL, choose_recipes
from stemkit.weights.cache import hash_file
from stemkit.weights.registry import list_model_names, read_card
from stemkit.weights.sources import as_path, hash_weights

MOST_BYTES = 1_000_000
DEEPEST = 40  # tables and lists inside one another; a Chain in a Chain takes two


def load_preset(name_or_path: str | Path, preset_dirs: Sequence[Path] = ()) -> Preset:
    """Return the preset of a name of `stemkit presets list`, or of a file, checked whole.

    A string is a name unless it has a slash or ends in .toml. Names are looked up in
    `preset_dirs`, then STEMKIT_HOME/presets, then among those that came with stemkit. Raises
    PresetError with every fault, each with the file and the place. Loads no model and no plugin.
    """
    path = find_preset(name_or_path, preset_dirs)
    return parse_preset(read_text(path), str(path), path.parent)


def parse_preset(text: str, place: str = "preset", folder: Path | None = None) -> Preset:
    """Return the preset that a file's text says; errors call the file `place`.

    `folder` is where its impulse responses are. Raises PresetError as `load_preset` does.
    """
    try:
        fields = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise PresetError(f"{place}: not TOML: {_explain_toml(error, text)}") from error
    if _measure_depth(fields) > DEEPEST:
        raise PresetError(f"{place}: nested too deeply; take effects out of their Chain or Mix")
    try:
        preset = Preset.model_validate(fields).with_folder(folder, place)
    except ValidationError as error:
        raise PresetError(*(f"{place}: {fault}" for fault in explain_faults(error))) from error
    check_preset(preset)
    return preset


def read_text(path: Path) -> str:
    """Return the text of a preset's file; raises PresetError where it can't be one."""
    try:
        if path.is_dir():
            raise PresetError(f"{path}: a folder, not a preset; name one of the files in it")
        if not path.is_file():
            raise PresetError(f"{path}: no such file; name one that exists")
        if path.stat().st_size > MOST_BYTES:
            raise PresetError(f"{path}: too large for a preset, which has at most 1 MB")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PresetError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise PresetError(f"{path}: can't be read: {error.strerror or error}") from error


def check_preset(preset: Preset, *, allow_plugins: bool = False) -> None:
    """Raise PresetError with every fault that shows only when effects are built, or models named.

    Each native plugin is really made once, so whatever Pedalboard refuses is found. VST3 and Audio
    Unit plugins are loaded only if `allow_plugins`; else they are taken to be there.
    """
    around = Surroundings(preset.folder, allow_plugins)
    faults = [
        f"{place}: {fault}"
        for place, effect in _walk(preset)
        if allow_plugins or not isinstance(effect, ExternalEffect)
        if (fault := _find_build_fault(effect, around))
    ]
    _raise_all(preset, _find_model_faults(preset) + faults)


def check_plugins(preset: Preset, *, allow_plugins: bool) -> None:
    """Raise PresetError for each VST3 or Audio Unit plugin that can't be loaded or mustn't be."""
    around = Surroundings(preset.folder, allow_plugins)
    faults = [
        f"{place}: {fault}"
        for place, effect in _walk(preset)
        if isinstance(effect, ExternalEffect) and (fault := _find_build_fault(effect, around))
    ]
    _raise_all(preset, faults)


def check_stems(preset: Preset, sources: tuple[str, ...]) -> None:
    """Raise PresetError for each stem that a model with these sources can't give."""
    _raise_all(preset, _find_stem_faults(preset, sources))


def list_known_sources() -> tuple[str, ...]:
    """Return the sources of all models that have a card, shipped and added."""
    sources: dict[str, None] = {}
    for name in list_model_names():
        with suppress(ModelError):  # a broken card, which `stemkit models list` tells of
            sources |= dict.fromkeys(read_card(name).sources)
    return tuple(sources)


def check_rate(preset: Preset, sample_rate: float) -> None:
    """Raise PresetError for each effect that can't work at `sample_rate`, in Hz.

    A filter's cutoff above half of the rate, where Pedalboard's filters become unstable, and MP3
    at a rate that it doesn't have.
    """
    faults = [
        f"{place}: {fault}"
        for place, effect in _walk(preset)
        if (fault := effect.find_rate_fault(sample_rate))
    ]
    _raise_all(preset, faults)


def hash_preset_files(preset: Preset) -> tuple[str, ...]:
    """Return the SHA-256 of each file that the chains name: impulse responses and models.

    Raises PresetError and ModelError for what isn't there.
    """
    hashes: list[str] = []
    for _, effect in _walk(preset):
        if isinstance(effect, Separator):
            hashes += hash_weights(effect.model)
        elif isinstance(effect, Convolution):
            path = find_impulse(effect.impulse_response_filename, preset.folder)
            hashes.append(hash_file(path))
    return tuple(hashes)


def _walk(preset: Preset) -> Iterator[tuple[str, EffectSettings]]:
    """Yield each effect of each chain, and where it is."""
    for place, chain in preset.chains.items():
        yield from walk_effects(chain, place)


def _raise_all(preset: Preset, faults: Iterable[str]) -> None:
    lines = [f"{preset.place}: {fault}" for fault in faults]
    if lines:
        raise PresetError(*lines)


def _find_model_faults(preset: Preset) -> list[str]:
    if preset.model is None or as_path(preset.model) is not None:
        return []
    try:
        sources = read_card(preset.model).sources
    except ModelError as error:
        return [f"model: {error}"]
    return _find_stem_faults(preset, sources)


def _find_stem_faults(preset: Preset, sources: tuple[str, ...]) -> list[str]:
    return [
        f"stems.{stem}: {_describe_no_stem(stem, sources)}"
        for stem in preset.stems
        if not _gives(sources, stem)
    ]


def _find_build_fault(effect: EffectSettings, around: Surroundings) -> str | None:
    if isinstance(effect, Separator):
        return _find_separator_fault(effect)
    if effect.inner:
        return None
    try:
        effect.build(around)
    except PresetError as error:
        return str(error)
    return None


def _find_separator_fault(effect: Separator) -> str | None:
    if as_path(effect.model) is not None:
        return None
    try:
        sources = read_card(effect.model).sources
    except ModelError as error:
        return str(error)
    if not _gives(sources, effect.stem):
        return _describe_no_stem(effect.stem, sources)
    if effect.guard:
        try:
            check_guard(choose_recipes(sources, (effect.stem,)))
        except OptionError as error:
            return str(error)
    return None


def _gives(sources: tuple[str, ...], stem: str) -> bool:
    try:
        choose_recipes(sources, (stem,))
    except OptionError:
        return False
    return True


def _describe_no_stem(stem: str, sources: tuple[str, ...]) -> str:
    names = dict.fromkeys((*sources, *COMPLEMENTS, RESIDUAL))
    return f"this model has no stem {stem!r}" + suggest(
        stem, [name for name in names if _gives(sources, name)]
    )


def _measure_depth(fields: object) -> int:
    """Return how many tables and lists are inside one another, without recursion."""
    depth, level = 0, [fields]
    while level := [value for value in level if isinstance(value, dict | list)]:
        depth += 1
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return depth


def _explain_toml(error: Exception, text: str) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    last_line = text.count("\n") + 1
    return " ".join(str(error).split()).replace("at end of document", f"at line {last_line}")
