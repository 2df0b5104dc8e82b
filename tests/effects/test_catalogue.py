import inspect
import itertools
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pedalboard
import pytest
from pedalboard.io import AudioFile
from pydantic import ValidationError

from stemkit.effects.catalogue import (
    EFFECTS,
    AudioUnitPlugin,
    Chain,
    Convolution,
    Effect,
    EffectSettings,
    Gain,
    HighpassFilter,
    Invert,
    LadderFilter,
    Mix,
    MP3Compressor,
    Reverb,
    Separator,
    VST3Plugin,
    describe_plugin,
    walk_effects,
)
from stemkit.effects.catalogue.base import Surroundings
from stemkit.effects.catalogue.containers import holds_separator
from stemkit.errors import PresetError
from stemkit.separation.processor import Processor
from tests.effects.effectcases import NATIVE, choices, draw_settings, numbers

LEFT_OUT = {
    "Plugin": "abstract",
    "PluginContainer": "abstract",
    "IIRFilter": "abstract",
    "ExternalPlugin": "abstract",
    "Pedalboard": "a Chain by another name",
}
OWN = {"Separator"}
RANGES = [(name, *bounds) for name, model in NATIVE.items() for bounds in numbers(model)]


def read(plugin: object, name: str) -> object:
    """Return an attribute of a plugin, a choice as its name."""
    value = getattr(plugin, name)
    return value if isinstance(value, float | bool) else value.name


def save(path: Path, samples: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    bit_depth = 32 if path.suffix == ".wav" else 24
    with AudioFile(str(path), "w", 44100, 1, bit_depth=bit_depth) as file:
        file.write(samples)
    return path


@pytest.fixture
def impulse() -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    decay = np.exp(-np.arange(2000) / 300)
    return (np.random.default_rng(3).standard_normal(2000) * decay * 0.3).astype(np.float32)


def test_every_plugin_of_pedalboard_is_here_or_left_out_for_a_reason() -> None:
    classes = {
        name
        for name, value in vars(pedalboard).items()
        if inspect.isclass(value) and issubclass(value, pedalboard.Plugin) and name[0] != "_"
    }
    assert classes - set(LEFT_OUT) | {"AudioUnitPlugin"} == set(EFFECTS) - OWN
    assert set(LEFT_OUT) <= classes


@pytest.mark.parametrize("name", NATIVE)
def test_parameters_are_those_of_the_constructor(name: str) -> None:
    signature = (getattr(pedalboard, name).__init__.__doc__ or "").splitlines()[0]
    fields = [field for field in NATIVE[name].model_fields if field != "effect"]
    listed = signature.partition("(self")[2].split(", ")[1:]
    assert [part.split(":")[0] for part in listed] == fields


@pytest.mark.parametrize("name", NATIVE)
def test_defaults_are_those_of_the_native_instance(name: str) -> None:
    native, settings = getattr(pedalboard, name)(), NATIVE[name].model_validate({})
    for field in NATIVE[name].model_fields.keys() - {"effect"}:
        value = getattr(settings, field)
        expected = read(native, field)
        assert np.float32(value) == expected if isinstance(value, float) else value == expected


@pytest.mark.parametrize("name", [n for n in EFFECTS if n not in OWN])
def test_every_parameter_is_described(name: str) -> None:
    for field in EFFECTS[name].model_fields.values():
        assert field.description
        assert field.description.rstrip().endswith(".")
    assert EFFECTS[name].__doc__


@pytest.mark.parametrize("name", NATIVE)
def test_edges_of_all_ranges_build_together_and_give_numbers(name: str) -> None:
    bounds = list(numbers(NATIVE[name]))
    noise = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32) * 0.1
    for corner in itertools.product(*([low, high] for _, low, high in bounds)):
        values = {field: value for (field, *_), value in zip(bounds, corner, strict=True)}
        plugin = NATIVE[name].model_validate(values).build()
        for field, value in values.items():
            assert read(plugin, field) == pytest.approx(value, rel=1e-6)
        if name not in ("PitchShift", "MP3Compressor"):  # at 72 semitones it takes half a minute
            assert np.isfinite(plugin.process(noise, 192000)).all()


@pytest.mark.parametrize(("name", "field", "low", "high"), RANGES)
def test_values_beyond_a_range_are_refused(name: str, field: str, low: float, high: float) -> None:
    beyond = [np.nextafter(low, -math.inf), np.nextafter(high, math.inf)]
    for value in (*beyond, math.nan, math.inf, -math.inf, True, "1", None):
        with pytest.raises(ValidationError):
            NATIVE[name].model_validate({field: value})


@pytest.mark.parametrize(("name", "field", "low", "high"), RANGES)
def test_what_pedalboard_refuses_is_out_of_range(
    name: str, field: str, low: float, high: float
) -> None:
    refused = []
    for value in (-1e3, -100.5, -73, -1.5, -0.5, 0, 0.5, 1.5, 10, 31, 33, 73, 100.5, 1e3):
        try:
            getattr(pedalboard, name)(**{field: value})
        except (ValueError, RuntimeError):
            refused.append(value)
    assert not [value for value in refused if low <= value <= high]


@pytest.mark.parametrize("name", NATIVE)
def test_every_choice_builds(name: str) -> None:
    for field, options in choices(NATIVE[name]):
        for option in options:
            plugin = NATIVE[name].model_validate({field: option}).build()
            assert read(plugin, field) == option


def test_choices_are_all_that_pedalboard_has() -> None:
    assert set(dict(choices(LadderFilter))["mode"]) == set(pedalboard.LadderFilter.Mode.__members__)
    for name in ("Resample", "GSMFullRateCompressor"):
        assert set(dict(choices(NATIVE[name]))["quality"]) == set(
            pedalboard.Resample.Quality.__members__
        )


@pytest.mark.parametrize("name", NATIVE)
def test_described_plugin_is_built_again_exactly(name: str) -> None:
    draw = random.Random(name)
    for _ in range(30):
        settings = draw_settings(draw, name)
        plugin = settings.build()
        again = describe_plugin(plugin).build()
        assert type(again) is type(plugin)
        for field in NATIVE[name].model_fields.keys() - {"effect"}:
            assert getattr(again, field) == getattr(plugin, field)


@pytest.mark.parametrize("name", NATIVE)
def test_description_has_the_decimals_that_were_written(name: str) -> None:
    for field, low, high in numbers(NATIVE[name]):
        value = round(low + 0.31 * (high - low), 1)
        plugin = NATIVE[name].model_validate({field: value}).build()
        assert getattr(describe_plugin(plugin), field) == pytest.approx(value, abs=1e-12)


def test_containers_are_described_with_what_is_inside() -> None:
    board = pedalboard.Pedalboard(
        [pedalboard.Mix([pedalboard.Gain(0), pedalboard.Chain([pedalboard.Invert()])])]
    )
    effect = describe_plugin(board)
    assert effect == Chain(plugins=(Mix(plugins=(Gain(gain_db=0), Chain(plugins=(Invert(),)))),))
    built = effect.build()
    assert isinstance(built, pedalboard.Chain)
    noise = np.random.default_rng(0).standard_normal(300).astype(np.float32)
    np.testing.assert_array_equal(built(noise, 44100), 0 * noise)


def test_description_refuses_what_is_not_data(tmp_path: Path) -> None:
    bypassed = type("Gain", (pedalboard.Gain,), {})()  # by Pedalboard, without a word
    array = pedalboard.Convolution(np.ones((1, 10), np.float32), 1.0, 44100)
    outside = pedalboard.Convolution(str(save(tmp_path / "a.wav", np.ones(10, np.float32))))
    wild = pedalboard.HighpassFilter(cutoff_frequency_hz=0.001)
    for plugin, words in (
        (bypassed, "only Pedalboard's effects can"),
        (array, "from an array"),
        (outside, "outside the preset's folder"),
        (wild, "cutoff_frequency_hz"),
    ):
        with pytest.raises(PresetError, match=words):
            describe_plugin(plugin)
    with pytest.raises(PresetError, match="outside"):
        describe_plugin(outside, tmp_path / "other")


def test_chain_without_a_separator_is_native_and_one_with_is_a_board() -> None:
    from stemkit.effects.board import Board

    plain = Chain(plugins=(Gain(), Chain(plugins=(Reverb(),))))
    assert type(plain.build()) is pedalboard.Chain
    separating = Chain(plugins=(Gain(), Chain(plugins=(Separator(),))))
    board = separating.build()
    assert isinstance(board, Board)
    assert isinstance(board[0], pedalboard.Gain)
    assert isinstance(board[1], Processor)
    assert describe_plugin(board) == separating
    assert holds_separator(separating)
    assert not holds_separator(plain)


def test_separator_keeps_its_stem_and_its_model() -> None:
    settings = Separator(stem="accompaniment", model="stemkit-small")
    built = settings.build()
    assert (built.stem, built.model) == ("accompaniment", "stemkit-small")
    assert describe_plugin(built) == settings


def test_mix_refuses_a_separator_however_deep_and_no_branches() -> None:
    for plugins in ((Separator(),), (Gain(), Chain(plugins=(Separator(),)))):
        with pytest.raises(ValidationError, match="can't hold a Separator"):
            Mix(plugins=plugins)
    with pytest.raises(ValidationError, match="at least 1"):
        Mix(plugins=())


@pytest.mark.parametrize("model", [VST3Plugin, AudioUnitPlugin])
def test_external_plugin_is_built_only_where_it_is_allowed(
    model: type[VST3Plugin] | type[AudioUnitPlugin], tmp_path: Path
) -> None:
    settings = model(path_to_plugin_file=str(tmp_path / "none.vst3"))
    with pytest.raises(PresetError, match="--allow-plugins"):
        settings.build()
    with pytest.raises(PresetError, match=r"no plugin|this system has no"):
        settings.build(Surroundings(allow_plugins=True))
    with pytest.raises(PresetError, match="--allow-plugins"):
        Chain(plugins=(Mix(plugins=(settings,)),)).build()
    with pytest.raises(ValidationError, match="absolute"):
        model(path_to_plugin_file="some/relative.vst3")


def test_file_that_is_no_plugin_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "fake.vst3"
    path.write_bytes(b"not a plugin")
    with pytest.raises(PresetError, match="can't load"):
        VST3Plugin(path_to_plugin_file=str(path)).build(Surroundings(allow_plugins=True))


@pytest.mark.parametrize("suffix", ["wav", "aiff"])
def test_convolution_is_that_of_the_file(
    suffix: str, tmp_path: Path, impulse: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"
) -> None:
    path = save(tmp_path / "rooms" / f"hall.{suffix}", impulse)
    settings = Convolution(impulse_response_filename=f"rooms/hall.{suffix}", mix=0.3)
    plugin = settings.build(Surroundings(tmp_path))
    noise = np.random.default_rng(1).standard_normal(5000).astype(np.float32)
    expected = pedalboard.Convolution(str(path), 0.3)(noise, 44100)
    np.testing.assert_array_equal(plugin.process(noise, 44100), expected)
    assert not np.array_equal(expected, noise)
    assert describe_plugin(plugin, tmp_path) == settings


@pytest.mark.parametrize(
    "name", ["../a.wav", "/a.wav", "b/../../a.wav", "C:\\a.wav", "c:a.wav", "b\\a.wav", "", "a\0b"]
)
def test_impulse_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Convolution(impulse_response_filename=name)


def test_impulses_that_cannot_be_used_are_refused(
    tmp_path: Path, impulse: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"
) -> None:
    folder = tmp_path / "presets"
    save(tmp_path / "outside.wav", impulse)
    save(folder / "empty.wav", impulse[:0])
    save(folder / "nan.wav", np.full(100, np.nan, np.float32))
    save(folder / "long.wav", np.zeros(44100 * 61, np.float32))
    with AudioFile(str(folder / "lossless.flac"), "w", 44100, 1) as file:
        file.write(impulse)
    (folder / "text.wav").write_text("not audio")
    (folder / "link.wav").symlink_to(tmp_path / "outside.wav")
    (folder / "folder.wav").mkdir()
    for name, words in (
        ("none.wav", "no impulse response"),
        ("folder.wav", "no impulse response"),
        ("link.wav", "leads out of"),
        ("text.wav", "isn't audio"),
        ("empty.wav", "has 0 s"),
        ("long.wav", "at most 60"),
        ("nan.wav", "NaN"),
        ("lossless.flac", "can't read"),
    ):
        with pytest.raises(PresetError, match=words):
            Convolution(impulse_response_filename=name).build(Surroundings(folder))
    with pytest.raises(PresetError, match="has none"):
        Convolution(impulse_response_filename="a.wav").build()


@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000])
def test_cutoff_is_checked_against_the_rate(sample_rate: int) -> None:
    half = sample_rate / 2
    for settings, over in (
        (HighpassFilter(cutoff_frequency_hz=half), HighpassFilter(cutoff_frequency_hz=half + 1)),
        (LadderFilter(cutoff_hz=half), LadderFilter(cutoff_hz=half + 1)),
    ):
        assert settings.find_rate_fault(sample_rate) is None
        assert "above half" in (over.find_rate_fault(sample_rate) or "")


def test_mp3_exists_at_the_rates_that_pedalboard_takes() -> None:
    for rate in (8000, 11025, 22050, 44100, 48000, 48001, 88200, 96000):
        try:
            pedalboard.MP3Compressor()(np.zeros(2000, np.float32), rate)
            taken = True
        except ValueError:
            taken = False
        assert (MP3Compressor().find_rate_fault(rate) is None) == taken


def test_effects_inside_others_are_walked_with_their_places() -> None:
    chain: tuple[Effect, ...] = (Gain(), Mix(plugins=(Invert(), Chain(plugins=(Reverb(),)))))
    assert [(place, effect.effect) for place, effect in walk_effects(chain, "mix.chain")] == [
        ("mix.chain[0]", "Gain"),
        ("mix.chain[1]", "Mix"),
        ("mix.chain[1].plugins[0]", "Invert"),
        ("mix.chain[1].plugins[1]", "Chain"),
        ("mix.chain[1].plugins[1].plugins[0]", "Reverb"),
    ]


def test_settings_cannot_be_changed_and_can_be_compared() -> None:
    gain: EffectSettings = Gain(gain_db=3)
    with pytest.raises(ValidationError, match="frozen"):
        gain.gain_db = 4  # type: ignore[attr-defined]
    assert gain == Gain(gain_db=3.0)
    assert hash(gain) == hash(Gain(gain_db=3.0))


def test_importing_presets_needs_no_torch_and_no_pedalboard() -> None:
    code = (
        "import sys, stemkit.effects.preset; assert not {'torch', 'pedalboard'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
