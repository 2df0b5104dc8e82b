import copy
import pickle
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from stemkit.audio.wav import BitDepth
from stemkit.effects.catalogue import EFFECTS, Chain, Convolution, Gain, HighpassFilter, VST3Plugin
from stemkit.effects.faults import explain_faults
from stemkit.effects.folder import find_preset, list_presets, presets_folder
from stemkit.effects.json_schema import make_json_schema
from stemkit.effects.preset import (
    MixSettings,
    OutputSettings,
    Preset,
    StemSettings,
    check_preset,
    check_rate,
    check_stems,
    list_known_sources,
    load_preset,
    parse_preset,
)
from stemkit.errors import PresetError
from tests.effects.effectcases import draw_effect

SHIPPED = sorted(path.stem for path in presets_folder().glob("*.toml"))
HEAD = 'version = 1\nsummary = "x"\n'

EVERYTHING = """
version = 1
summary = "All that a preset can say"
model = "stemkit-small"

[stems.vocals]
gain_db = 2.0
mute = false
pan = -0.5
loudness_lufs = -16.0
true_peak_db = -1.0
chain = [
    { effect = "HighpassFilter", cutoff_frequency_hz = 80.0 },
    { effect = "Mix", plugins = [
        { effect = "Gain", gain_db = 0.0 },
        { effect = "Chain", plugins = [{ effect = "Reverb", room_size = 0.4 }] },
    ] },
]

[stems.accompaniment]
mute = true

[mix]
name = "all"
gain_db = -1.0
loudness_lufs = -14.0
true_peak_db = -1.0
stem_files = true
chain = [{ effect = "LadderFilter", mode = "HPF24" }, { effect = "Separator", stem = "vocals" }]

[output]
format = "flac"
bit_depth = "24"
tail_seconds = 2.5
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def faults_of(text: str) -> tuple[str, ...]:
    """Return what is wrong with a preset's text; nothing for one that is right."""
    try:
        parse_preset(text, "f.toml")
    except PresetError as error:
        return tuple(map(str, error.args))
    return ()


def draw_preset(draw: random.Random) -> Preset:
    """Return any preset; its effects need not be there."""
    written = draw.random() < 0.5
    levels: dict[str, Any] = {"loudness_lufs": -14.5, "true_peak_db": -1.0} if written else {}
    stems = {
        name: StemSettings(
            chain=tuple(draw_effect(draw) for _ in range(draw.randint(0, 3))),
            gain_db=draw.choice([0.0, round(draw.uniform(-120, 24), 3)]),
            mute=draw.random() < 0.5,
            pan=draw.choice([0.0, -1.0, draw.uniform(-1, 1)]),
            **levels,
        )
        for name in draw.sample(["vocals", "accompaniment", "Chöre 2", "a.b c"], draw.randint(0, 3))
    }
    mix = MixSettings(
        name=draw.choice(["mix", "Mein Mix", "x-1"]),
        chain=tuple(draw_effect(draw) for _ in range(draw.randint(0, 2))),
        stem_files=bool(stems) and written,
    )
    depths: tuple[BitDepth | None, ...] = (None, "16", "24")
    return Preset(
        version=1,
        summary=draw.choice(["x", 'a "quoted" \\ line', "ünï ♪"]),
        model=draw.choice([None, "stemkit-small", "/models/mine.safetensors"]),
        stems=stems,
        mix=mix if written or not stems else None,
        output=OutputSettings(
            format=draw.choice([None, "wav", "flac"]),
            bit_depth=draw.choice(depths),
            tail_seconds=draw.choice([0.0, 60.0, draw.uniform(0, 60)]),
        ),
    )


def test_everything_is_read() -> None:
    preset = parse_preset(EVERYTHING)
    assert preset.outputs == ("vocals", "accompaniment", "all")
    assert list(preset.chains) == ["stems.vocals.chain", "stems.accompaniment.chain", "mix.chain"]
    assert [effect.effect for effect in preset.stems["vocals"].chain] == ["HighpassFilter", "Mix"]
    assert preset.stems["vocals"].pan == -0.5
    assert preset.mix is not None
    assert preset.mix.loudness_lufs == -14
    assert preset.output == OutputSettings(format="flac", bit_depth="24", tail_seconds=2.5)
    assert preset == parse_preset(preset.to_toml())


@pytest.mark.parametrize("seed", range(150))
def test_any_preset_is_the_same_after_toml_and_pickle(seed: int) -> None:
    preset = draw_preset(random.Random(seed))
    again = Preset.model_validate(tomllib.loads(preset.to_toml()))
    assert again == preset
    assert list(again.stems) == list(preset.stems)
    assert pickle.loads(pickle.dumps(preset)) == preset


def test_drawn_presets_hold_every_effect() -> None:
    text = "".join(draw_preset(random.Random(seed)).to_toml() for seed in range(150))
    assert not [name for name in EFFECTS if f'effect = "{name}"' not in text]


def test_folder_and_place_stay_out_of_equality_and_of_the_text(tmp_path: Path) -> None:
    preset = parse_preset(EVERYTHING)
    moved = preset.with_folder(tmp_path, "elsewhere")
    assert moved == preset
    assert moved.to_toml() == preset.to_toml()
    assert (moved.folder, moved.place, preset.folder) == (tmp_path, "elsewhere", None)
    assert pickle.loads(pickle.dumps(moved)).folder == tmp_path
    assert preset != parse_preset(HEAD + "[mix]")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_preset_is_right_and_says_why(name: str) -> None:
    preset = load_preset(name)
    text = find_preset(name).read_text(encoding="utf-8")
    check_stems(preset, ("vocals",))
    check_rate(preset, 16000)
    assert parse_preset(preset.to_toml()) == preset
    assert text.startswith("# ")
    assert text.count("#") >= sum(effect_line.startswith("effect") for effect_line in text.split())
    command = "separate" if preset.stems else "apply"
    assert f"stemkit {command} " in text
    assert f"[{name}]({name}.toml)" in (presets_folder() / "README.md").read_text(encoding="utf-8")


def test_shipped_presets_are_those_promised() -> None:
    promised = """karaoke acapella vocal-clean vocal-up vocal-down dj-instrumental
        practice-minus-vocals podcast-voice remix-prep lofi broadcast neutral"""
    assert set(SHIPPED) == set(promised.split())


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("[mixx]", "mixx: no such setting; did you mean mix?"),
        ("[stem.vocals]", "stem: no such setting; did you mean stems?"),
        ("[mix]\nloudness = -14", "mix.loudness: no such setting; did you mean loudness_lufs?"),
        ("[mix]\n[output]\ntail = 1", "output.tail: no such setting; did you mean tail_seconds?"),
        ("[stems.vocals]\ngain = 1", "stems.vocals.gain: no such setting; did you mean gain_db?"),
        ("[mix]\ngain_db = 24.1", "mix.gain_db: must be at most 24, not 24.1"),
        ("[mix]\ngain_db = nan", "mix.gain_db: must be a finite number, not nan"),
        ("[mix]\ngain_db = -inf", "mix.gain_db: must be a finite number, not -inf"),
        ("[mix]\ngain_db = '1'", "mix.gain_db: must be a number, not '1'"),
        ("[mix]\ngain_db = true", "mix.gain_db: must be a number, not True"),
        ("[mix]\ntrue_peak_db = 0.5", "mix.true_peak_db: must be at most 0, not 0.5"),
        ("[mix]\nloudness_lufs = -71", "mix.loudness_lufs: must be greater than -70, not -71"),
        ("[stems.vocals]\nmute = 1", "stems.vocals.mute: must be true or false, not 1"),
        ("[stems.vocals]\npan = 2", "stems.vocals.pan: must be at most 1, not 2"),
        ("[stems]\nvocals = 3", "stems.vocals: must be a table, not 3"),
        ("stems = []", "stems: must be a table, not []"),
        ("mix = 3", "mix: must be a table, not 3"),
        ("[mix]\nchain = 3", "mix.chain: must be a list, not 3"),
        ("[mix]\nchain = [3]", "mix.chain[0]: must be a table with effect = ..., not 3"),
        ("[mix]\n[output]\nformat = 'mp4'", "output.format: can't be 'mp4'; did you mean mp3?"),
        (
            "[mix]\n[output]\nbit_depth = 24",
            'output.bit_depth: can\'t be 24; choose one of: "16", "24", "32f"',
        ),
        (
            "[mix]\n[output]\nformat = 'flac'\nbit_depth = '32f'",
            "output: flac has no bit depth '32f'; choose one of: 16, 24",
        ),
        (
            "model = 'stemkit-smal'\n[mix]",
            "model: no model 'stemkit-smal' (did you mean 'stemkit-small'?); choose one of: ",
        ),
        ("model = 'a/b.pth'\n[mix]", "model: 'a/b.pth' must be an absolute path"),
        (
            "model = 'stemkit-small'\n[stems.vocal]",
            "stems.vocal: this model has no stem 'vocal'; did you mean vocals?",
        ),
        ("", "a preset needs stems, or a [mix] for songs that aren't separated"),
        ("[mix]\nstem_files = true", "mix.stem_files needs stems; name them, as in [stems.vocals]"),
        (
            "[stems.Mix]\n[mix]",
            "stems and mix.name must differ by more than upper and lower case",
        ),
        (
            "[stems.vocals]\n[stems.VOCALS]",
            "stems and mix.name must differ by more than upper and lower case",
        ),
        (
            "[stems.vocals]\nloudness_lufs = -14\n[mix]",
            "stems.vocals.loudness_lufs is for the stem's own file, which isn't written; "
            "move it to [mix], or set mix.stem_files = true",
        ),
    ],
)
def test_fault_in_a_table_is_one_line(body: str, fault: str) -> None:
    (line,) = faults_of(HEAD + body)
    assert line.startswith(f"f.toml: {fault}")


@pytest.mark.parametrize(
    ("effect", "fault"),
    [
        ("effect='Highpas'", ": no effect 'Highpas'; did you mean HighpassFilter?"),
        ("effect='noise_gate'", ": no effect 'noise_gate'; did you mean NoiseGate?"),
        ("effect='Zzz'", ": no effect 'Zzz'; choose one of: AudioUnitPlugin, "),
        ("ratio=3", ': an effect needs its name, such as: effect = "Compressor"'),
        (
            "effect='HighpassFilter', cutoff_frequency_khz=1",
            ".cutoff_frequency_khz: no such parameter of HighpassFilter; "
            "did you mean cutoff_frequency_hz?",
        ),
        (
            "effect='Compressor', attack_seconds=1",
            ".attack_seconds: no such parameter of Compressor; did you mean attack_ms?",
        ),
        (
            "effect='Gain', zzz=1",
            ".zzz: no such parameter of Gain; choose one of: gain_db",
        ),
        ("effect='Invert', a=1", ".a: no such parameter of Invert, which has none; remove it"),
        ("effect='Compressor', ratio=0.5", ".ratio: must be at least 1, not 0.5"),
        ("effect='Gain', gain_db=nan", ".gain_db: must be a finite number, not nan"),
        (f"effect='Gain', gain_db=1{'0' * 400}", ".gain_db: must be a number, not a huge number"),
        ("effect='LadderFilter', mode='LPF13'", ".mode: can't be 'LPF13'; did you mean LPF12?"),
        ("effect='Mix', plugins=[]", ".plugins: must be at least one effect, not []"),
        (
            "effect='Mix', plugins=[{effect='Chain', plugins=[{effect='Gain', gain=1}]}]",
            ".plugins[0].plugins[0].gain: no such parameter of Gain; did you mean gain_db?",
        ),
        (
            "effect='Mix', plugins=[{effect='Separator'}]",
            ": a Mix can't hold a Separator: take it out, or separate into stems",
        ),
        (
            "effect='Separator', stem='vocal'",
            ": this model has no stem 'vocal'; did you mean vocals?",
        ),
        ("effect='Separator', model='x'", ": no model 'x'; choose one of: "),
        ("effect='Convolution'", ".impulse_response_filename: is missing; add it"),
        (
            "effect='Convolution', impulse_response_filename='../a.wav'",
            ".impulse_response_filename: '../a.wav' leads out of the preset's folder; "
            "put the file inside",
        ),
        (
            "effect='VST3Plugin', path_to_plugin_file='a.vst3'",
            ".path_to_plugin_file: 'a.vst3' must be an absolute path",
        ),
        (
            "effect='VST3Plugin', path_to_plugin_file='/a', parameter_values={x=[1]}",
            ".parameter_values.x: must be a number, text in quotes, true or false, not [1]",
        ),
    ],
)
def test_fault_in_an_effect_is_one_line(effect: str, fault: str) -> None:
    chain = f"chain = [{{effect='Gain'}}, {{{effect}}}]"
    (line,) = faults_of(f"{HEAD}[stems.vocals]\n{chain}")
    assert line.startswith(f"f.toml: stems.vocals.chain[1]{fault}")


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", ".x", "a/b", "a\\b", "a:b", "con", "NUL.x", "com1", "a ", " a", "a."),
        *("a\nb", "a\0b", "a*", "x" * 81, "e\u0301"),
    ],
)
def test_names_that_cannot_be_files_are_refused(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MixSettings(name=name)
    assert len(explain_faults(caught.value)) == 1
    with pytest.raises(ValidationError):
        Preset(version=1, summary="x", stems={name: StemSettings()})


@pytest.mark.parametrize("name", ["mix", "Mein Mix", "é", "a.b", "console", "x" * 80])
def test_names_that_can_be_files_are_taken(name: str) -> None:
    assert MixSettings(name=name).name == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "version: is missing; begin the file with: version = 1"),
        ("version = 2\nsummary = 'x'\n[mix]", "version: must be 1, not 2"),
        ("version = true\nsummary = 'x'\n[mix]", "version: must be 1, not True"),
        ("version = 1\n[mix]", "summary: is missing; add it"),
        ("version = 1\nsummary = ' '\n[mix]", "summary: must be one line"),
        ("version = 1\nsummary = 'x'\nmix = 5x\n", "not TOML: .*line 3"),
        ("version = 1\n[mix\n", "not TOML: .*line 2"),
        (HEAD + "version = 1", "not TOML: .*overwrite.*line 3"),
        (f"{HEAD}a = {'[' * 3000}", "not TOML: nested too deeply"),
        (f"{HEAD}[{'.'.join(['a'] * 5000)}]", "nested too deeply"),
        (f"{HEAD}a = {'1' * 5000}", "not TOML"),
    ],
)
def test_text_that_is_no_preset_is_an_error(text: str, words: str) -> None:
    with pytest.raises(PresetError, match=words) as caught:
        parse_preset(text, "f.toml")
    assert str(caught.value).startswith("f.toml: ")
    assert "\n" not in str(caught.value)


def test_effects_nested_beyond_reason_are_an_error() -> None:
    body = "[mix]\n" + "\n".join(
        f'[[mix.chain{".plugins" * depth}]]\neffect = "Chain"' for depth in range(100)
    )
    assert faults_of(HEAD + body) == (
        "f.toml: nested too deeply; take effects out of their Chain or Mix",
    )


def test_all_faults_are_told_and_counted() -> None:
    faults = faults_of(HEAD + "[mix]\na = 1\nb = 2\nchain = [{effect = 'Gan'}]")
    assert [fault.split(": ")[1] for fault in faults] == ["mix.chain[0]", "mix.a", "mix.b"]
    assert str(PresetError(*faults)).startswith(f"{faults[0]} (and 2 more; see them with: ")
    assert str(pickle.loads(pickle.dumps(PresetError(*faults)))) == str(PresetError(*faults))


def test_what_pedalboard_refuses_is_found(tmp_path: Path) -> None:
    preset = parse_preset(HEAD + "[mix]\nchain = [{effect = 'Gain'}]", "f.toml", tmp_path)
    missing = Convolution(impulse_response_filename="none.wav")
    chain = (Gain(), Chain(plugins=(Chain(plugins=(missing,)),)))
    broken = preset.model_copy(update={"mix": MixSettings(chain=chain)})
    with pytest.raises(PresetError, match="no impulse response") as caught:
        check_preset(broken)
    assert "f.toml: mix.chain[1].plugins[0].plugins[0]: " in str(caught.value)


def test_plugins_are_loaded_only_where_it_is_allowed() -> None:
    chain = (VST3Plugin(path_to_plugin_file="/none.vst3"),)
    preset = Preset(version=1, summary="x", mix=MixSettings(chain=chain))
    check_preset(preset)
    with pytest.raises(PresetError, match=r"mix\.chain\[0\]: no plugin"):
        check_preset(preset, allow_plugins=True)
    with pytest.raises(PresetError, match="--allow-plugins"):
        preset.build_board(chain)


def test_board_is_built_of_a_chain() -> None:
    preset = parse_preset(EVERYTHING)
    board = preset.build_board(preset.stems["vocals"].chain)
    assert [type(plugin).__name__ for plugin in board] == ["HighpassFilter", "Mix"]


def test_stems_are_checked_as_they_are_chosen() -> None:
    def preset(*stems: str) -> Preset:
        return Preset(version=1, summary="x", stems={stem: StemSettings() for stem in stems})

    check_stems(preset("vocals", "accompaniment", "residual"), ("vocals",))
    check_stems(preset("drums"), ("vocals", "drums", "bass", "other"))
    check_stems(preset("vocals", "accompaniment"), list_known_sources())
    with pytest.raises(PresetError) as caught:
        check_stems(preset("drum", "vocals", "x"), ("drums", "vocals"))
    assert caught.value.args == (
        "preset: stems.drum: this model has no stem 'drum'; did you mean drums?",
        "preset: stems.x: this model has no stem 'x'; "
        "choose one of: drums, vocals, accompaniment, residual",
    )


def test_rate_is_checked_before_filters_become_unstable() -> None:
    chain = (Chain(plugins=(HighpassFilter(cutoff_frequency_hz=5000),)),)
    preset = Preset(version=1, summary="x", mix=MixSettings(chain=chain))
    check_rate(preset, 10000)
    with pytest.raises(PresetError, match=r"mix\.chain\[0\]\.plugins\[0\]: .*5000 is above half"):
        check_rate(preset, 9999)


def mutate(draw: random.Random, node: object) -> object:
    """Return a copy of a preset's data with one thing wrong, or oddly right, somewhere."""
    junk: list[object] = [None, True, -1, 10**400, 1e308, float("nan"), "", "x\0", "Gain", [], {}]
    junk += [[{}], {"effect": "Gain"}, [[]], ["Gain"], {"plugins": [{"effect": "Chain"}]}]
    if isinstance(node, dict) and node and draw.random() < 0.85:
        node = dict(node)
        key = draw.choice(list(node))
        match draw.randrange(8):
            case 0:
                del node[key]
            case 1:
                node[draw.choice([key[:-1], key.upper(), key + "s", "", "a\nb"])] = node.pop(key)
            case 2:
                node[draw.choice(["effect", "chain", "plugins", "mix", "zz"])] = draw.choice(junk)
            case _:
                node[key] = mutate(draw, node[key])
        return node
    if isinstance(node, list) and node and draw.random() < 0.85:
        index = draw.randrange(len(node))
        return [*node[:index], mutate(draw, node[index]), *node[index + 1 :]]
    return copy.deepcopy(draw.choice(junk))


@pytest.mark.parametrize("seed", range(20))
def test_mutated_preset_is_a_preset_or_an_error(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(40):
        data: object = tomllib.loads(EVERYTHING)
        for _ in range(draw.randint(1, 4)):
            data = mutate(draw, data)
        for line in faults_in(data):
            assert line
            assert "\n" not in line
            assert len(line) < 700


def faults_in(data: object) -> Iterator[str]:
    try:
        check_preset(Preset.model_validate(data))
    except ValidationError as error:
        yield from explain_faults(error)
    except PresetError as error:
        yield from map(str, error.args)


@pytest.mark.parametrize("seed", range(10))
def test_mutated_text_is_a_preset_or_an_error(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(40):
        at, length = draw.randrange(len(EVERYTHING)), draw.randint(0, 12)
        put = draw.choice(["", "[", "]", '"', "\0", "\n", "=", "nan", "1979-05-27", "{", "}", "é"])
        for line in faults_of(EVERYTHING[:at] + put + EVERYTHING[at + length :]):
            assert "\n" not in line


def test_files_that_cannot_be_presets_are_errors(tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_text("#" * 1_000_001)
    (tmp_path / "latin.toml").write_bytes(b'summary = "\xe9"')
    (tmp_path / "folder.toml").mkdir()
    for name, words in (
        ("large", "too large"),
        ("latin", "not UTF-8 at byte 11"),
        ("folder", "a folder"),
        ("none", "no such file"),
    ):
        path = tmp_path / f"{name}.toml"
        with pytest.raises(PresetError, match=words) as caught:
            load_preset(str(path))
        assert str(caught.value).startswith(f"{path}: ")


def test_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf" + (HEAD + "[mix]").encode())
    assert load_preset(tmp_path / "a.toml").outputs == ("mix",)


def test_first_folder_with_a_name_wins(tmp_path: Path, home: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two", home / "presets"):
        folder.mkdir(parents=True)
        for name in ("karaoke", folder.name):
            (folder / f"{name}.toml").write_text(f"{HEAD}[mix]\nname = '{folder.name}'")
    dirs = [tmp_path / "one", tmp_path / "two"]
    assert load_preset("karaoke", dirs).outputs == ("one",)
    assert load_preset("two", dirs).outputs == ("two",)
    assert load_preset("karaoke").outputs == ("presets",)
    assert load_preset("neutral", dirs) == load_preset(presets_folder() / "neutral.toml")
    (found,) = (preset for preset in list_presets(dirs) if preset.name == "karaoke")
    assert [found.origin, *(preset.origin for preset in found.shadows)] == [
        *("preset-dir", "preset-dir"),
        *("home", "shipped"),
    ]


def test_unknown_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(PresetError, match=r"no preset 'karaoki' \(did you mean 'karaoke'\?\)"):
        load_preset("karaoki")
    with pytest.raises(PresetError, match="no preset 'zz'; choose one of: acapella, broadcast"):
        load_preset("zz")


def test_impulse_response_is_found_beside_the_preset(tmp_path: Path) -> None:
    text = HEAD + "[mix]\nchain = [{effect='Convolution', impulse_response_filename='none.wav'}]"
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(PresetError, match=f"no impulse response 'none.wav' in {tmp_path}"):
        load_preset(tmp_path / "a.toml")
    with pytest.raises(PresetError, match="has none"):
        parse_preset(text)


def test_json_schema_takes_what_is_right_and_describes_all() -> None:
    schema = make_json_schema()
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    for name in SHIPPED:
        validator(schema).validate(tomllib.loads(find_preset(name).read_text(encoding="utf-8")))
    for seed in range(20):
        validator(schema).validate(tomllib.loads(draw_preset(random.Random(seed)).to_toml()))
    assert "discriminator" not in str(schema)
    definitions = [schema, *schema["$defs"].values()]  # type: ignore[union-attr]
    for definition in definitions:
        assert definition["description"]
        for field in definition["properties"].values():
            assert field["description"]


@pytest.mark.parametrize(
    "body",
    [
        "[mix]\ngain = 1",
        "[mix]\nchain = [{effect = 'Gan'}]",
        "[mix]\nchain = [{bit_depth = 4.0}]",
        "[mix]\nchain = [{effect = 'Gain', gain_db = 'x'}]",
        "[mix]\nchain = [{effect = 'Gain', gain_db = 61}]",
    ],
)
def test_json_schema_refuses_what_is_wrong(body: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(make_json_schema()).validate(tomllib.loads(HEAD + body))
