import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from stemkit.cli.main import run as program
from stemkit.cli.presets import presets
from stemkit.effects.folder import presets_folder
from stemkit.effects.json_schema import make_json_schema
from stemkit.effects.preset import load_preset
from stemkit.errors import PresetError

SHIPPED = sorted(path.stem for path in presets_folder().glob("*.toml"))
HEAD = 'version = 1\nsummary = "mine"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "presets").mkdir(parents=True)
    return tmp_path / "home" / "presets"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(presets, [str(argument) for argument in arguments])


def test_list_has_a_line_for_each_preset() -> None:
    result = run("list")
    header, *lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert header.split() == ["NAME", "FROM", "SUMMARY"]
    assert [line.split()[:2] for line in lines] == [[name, "shipped"] for name in SHIPPED]
    assert all(load_preset(name).summary in result.stdout for name in SHIPPED)


def test_list_shows_where_presets_are_from_and_what_they_hide(tmp_path: Path, home: Path) -> None:
    (home / "karaoke.toml").write_text(HEAD + "[mix]")
    (tmp_path / "karaoke.toml").write_text(HEAD + "[mix]")
    (tmp_path / "own.toml").write_text(HEAD + "[mix]")
    (tmp_path / ".hidden.toml").write_text(HEAD + "[mix]")
    lines = {
        line.split()[0]: line for line in run("list", "--preset-dir", tmp_path).stdout.splitlines()
    }
    assert f"{tmp_path} (hides home, shipped)" in lines["karaoke"]
    assert lines["own"].split() == ["own", str(tmp_path), "mine"]
    assert ".hidden" not in lines
    rows = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert [row["name"] for row in rows] == SHIPPED
    assert next(row for row in rows if row["name"] == "karaoke") == {
        "name": "karaoke",
        "origin": "home",
        "path": str(home / "karaoke.toml"),
        "summary": "mine",
        "shadows": [str(presets_folder() / "karaoke.toml")],
    }


def test_list_shows_the_rest_beside_a_broken_preset(home: Path) -> None:
    (home / "broken.toml").write_text("version =")
    result = run("list")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1 + len(SHIPPED)
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {home / 'broken.toml'}: not TOML: ")


def test_show_prints_the_file_as_it_is(home: Path) -> None:
    text = "# why\n" + HEAD + "[mix] # ünï"
    (home / "mine.toml").write_text(text, encoding="utf-8")
    assert run("show", "mine").stdout == text
    assert run("show", home / "mine.toml").stdout == text
    assert run("show", "karaoke").stdout == (presets_folder() / "karaoke.toml").read_text()


def test_show_as_json_is_what_it_says(home: Path) -> None:
    (home / "mine.toml").write_text(HEAD + "[mix]\nchain = [{effect = 'Gain'}]")
    shown = json.loads(run("show", "mine", "--json").stdout)
    assert shown["mix"]["chain"] == [{"effect": "Gain", "gain_db": 1.0}]
    assert shown["output"]["tail_seconds"] == 0


def test_show_of_an_unknown_or_broken_preset_is_an_error(home: Path) -> None:
    (home / "broken.toml").write_text(HEAD)
    assert isinstance(run("show", "nothing").exception, PresetError)
    assert isinstance(run("show", "broken", "--json").exception, PresetError)
    assert run("show", "broken").stdout == HEAD


def test_check_has_a_line_for_each_fault_and_one_for_what_is_right(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(HEAD + "[mix]\na = 1\nchain = [{effect = 'Gan'}, {effect = 'Gain', gain = 1}]")
    result = run("check", path, "karaoke")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{path}: mix.chain[0]: no effect 'Gan'; did you mean Gain?",
        f"{path}: mix.chain[1].gain: no such parameter of Gain; did you mean gain_db?",
        f"{path}: mix.a: no such setting; choose one of: "
        "name, chain, gain_db, loudness_lufs, true_peak_db, stem_files",
        f"{presets_folder() / 'karaoke.toml'}: ok",
    ]


def test_check_knows_the_stems_of_all_models(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(HEAD + "[stems.vocal]")
    result = run("check", path)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{path}: stems.vocal: this model has no stem 'vocal'; did you")


def test_check_loads_plugins_only_where_it_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    plugin = f"{{effect = 'VST3Plugin', path_to_plugin_file = '{tmp_path / 'none.vst3'}'}}"
    path.write_text(f"{HEAD}[mix]\nchain = [{plugin}]")
    assert run("check", path).stdout == f"{path}: ok\n"
    result = run("check", path, "--allow-plugins")
    assert result.exit_code == 1
    assert "mix.chain[0]: no plugin" in result.stdout


def test_shipped_presets_check() -> None:
    result = run("check", *SHIPPED)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == len(SHIPPED)


def test_schema_is_printed_or_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "schema.json"
    printed = run("schema").stdout
    assert json.loads(printed) == make_json_schema()
    assert run("schema", "-o", path).stdout == ""
    assert path.read_text() == printed


@pytest.mark.parametrize(
    "arguments",
    [["check"], ["show"], ["list", "x"], ["schema", "x"], ["list", "--preset-dir", "missing"]],
)
def test_wrong_arguments_are_a_usage_error(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list"], 0),
        (["check", "karaoke"], 0),
        (["check", "nothing"], 1),
        (["show", "nothing"], 2),
        (["show", "./missing.toml"], 2),
        (["schema", "-o", "/dev/null/schema.json"], 2),
    ],
)
def test_program_exits_with_its_codes(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program(["presets", *arguments]) == code
    printed = capsys.readouterr()
    if code:
        assert len((printed.out + printed.err).splitlines()) == 1


def test_group_holds_the_commands_it_promises() -> None:
    assert isinstance(presets, click.Group)
    assert sorted(presets.commands) == ["check", "list", "schema", "show"]


def test_importing_the_command_is_light_and_no_torch_is_needed() -> None:
    code = """
import sys, stemkit.cli.presets
heavy = {"torch", "numpy", "scipy", "pydantic", "pedalboard", "rich"} & set(sys.modules)
assert not heavy, heavy
for arguments in (["list"], ["check", "karaoke", "vocal-clean"], ["schema"], ["--help"]):
    stemkit.cli.presets.presets(arguments, standalone_mode=False)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
