"""`stemkit models`: what it prints, what it exits with, and what it doesn't import."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from stemkit.cli.main import run as program
from stemkit.cli.models import models
from stemkit.errors import CheckpointError, DownloadError, StemkitError, UnknownModelError
from stemkit.weights.cache import weights_path
from stemkit.weights.registry import list_model_names, read_card
from tests.weights.server import MisbehavingServer, send, status
from tests.weights.shelf import (
    card_text,
    put_bag,
    put_card,
    record_of,
    remote_card,
    save_mobilenet,
    save_small,
)

BODY = b"weights" * 1000


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(models, [str(argument) for argument in arguments])


def fail(*arguments: str | Path) -> StemkitError:
    """Return the error that the command raises for the program's entry to print."""
    result = run(*arguments)
    assert isinstance(result.exception, StemkitError), result.output
    return result.exception


def test_list_has_a_line_for_each_model() -> None:
    result = run("list")
    header, *lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert header.split() == ["NAME", "STEMS", "SIZE", "STATE", "LICENCE"]
    assert [line.split()[0] for line in lines] == list_model_names()
    assert "not installed" in next(line for line in lines if line.startswith("resunet143-subband "))


def test_list_as_json_has_an_object_a_line() -> None:
    rows = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert [row["name"] for row in rows] == list_model_names()
    bag = next(row for row in rows if row["name"] == "mobilenet-subband")
    assert bag == {
        "name": "mobilenet-subband",
        "sources": ["vocals", "accompaniment"],
        "size_bytes": 2 * 4_621_773,
        "state": "not installed",
        "licence": read_card("mobilenet-subband").licence,
    }


def test_bag_of_what_ships_ships_too() -> None:
    rows = {row["name"]: row for row in map(json.loads, run("list", "--json").stdout.splitlines())}
    whole, *parts = (rows[name] for name in ("stemkit-duo", "stemkit-small", "stemkit-small-high"))
    assert {row["state"] for row in (whole, *parts)} == {"bundled"}
    assert whole["size_bytes"] == sum(part["size_bytes"] for part in parts)


def test_list_shows_the_rest_beside_a_broken_card() -> None:
    path = put_card("broken", "name = ")
    result = run("list")
    assert result.exit_code == 1
    assert "stemkit-small" in result.stdout
    assert f"error: {path}" in result.stderr


def test_list_tells_installed_from_not(tmp_path: Path) -> None:
    save_small(tmp_path / "mine.safetensors", "vocals")
    run("add", tmp_path / "mine.safetensors")
    (line,) = (line for line in run("list").stdout.splitlines() if line.startswith("mine "))
    assert " installed" in line
    assert "not installed" not in line


def test_bag_is_installed_when_all_its_members_are(tmp_path: Path) -> None:
    def bag_state() -> str:
        rows = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
        return str(next(row["state"] for row in rows if row["name"] == "mobilenet-subband"))

    for stem, state in (("vocals", "not installed"), ("accompaniment", "installed")):
        save_mobilenet(weights_path(read_card(f"mobilenet-subband-{stem}")), stem)
        assert bag_state() == state


@pytest.mark.parametrize("name", list_model_names())
def test_show_prints_the_card(name: str) -> None:
    card, result = read_card(name), run("show", name)
    assert result.exit_code == 0
    for fact in (card.summary, card.licence, card.training_data, card.citation):
        assert fact in result.stdout


def test_show_as_json_is_the_card() -> None:
    shown = json.loads(run("show", "resunet143-subband-vocals", "--json").stdout)
    assert shown["state"] == "not installed"
    assert shown["weights"]["size"] == 414_046_363
    assert shown["scores"][0]["sdr_db"] == 8.7


def test_show_of_an_unknown_name_is_an_error() -> None:
    assert isinstance(fail("show", "nothing"), UnknownModelError)


def test_pull_gets_the_file_once(server: MisbehavingServer) -> None:
    record = server.tell("/record", send(record_of(BODY), "application/json"))
    card = remote_card("m", url=server.tell("/file", send(BODY)), record=record)
    first, second = run("pull", "m"), run("pull", "m", "--offline")
    assert (first.stdout, first.stderr) == (f"m: pulled: {weights_path(card)}\n", "")
    assert second.stdout == f"m: already here and whole: {weights_path(card)}\n"
    assert weights_path(card).read_bytes() == BODY
    assert server.counts["/file"] == 1


def test_pull_of_a_bag_gets_each_member(server: MisbehavingServer) -> None:
    record = server.tell("/record", send(record_of(BODY), "application/json"))
    for name in ("one", "two"):
        remote_card(name, url=server.tell(f"/{name}", send(BODY)), record=record)
    put_bag("both", ["one", "two"], ["vocals", "vocals"])
    assert "sources must differ" in str(fail("pull", "both"))
    put_card("two", (read_text("two")).replace('"vocals"', '"drums"'))
    put_bag("both", ["one", "two"], ["vocals", "drums"])
    assert [line.split(":")[0] for line in run("pull", "both").stdout.splitlines()] == [
        "one",
        "two",
    ]
    assert server.counts == {"/record": 2, "/one": 1, "/two": 1}


def read_text(name: str) -> str:
    return (weights_path(read_card(name)).parent / f"{name}.toml").read_text()


def test_pull_that_fails_is_an_error(server: MisbehavingServer) -> None:
    remote_card("m", url=server.tell("/file", status(404)), md5="0" * 32)
    assert "answered 404" in str(fail("pull", "m"))


def test_pull_offline_is_an_error(server: MisbehavingServer) -> None:
    remote_card("m", url=server.tell("/file", send(BODY)), md5="0" * 32)
    assert isinstance(fail("pull", "m", "--offline"), DownloadError)
    assert server.counts == {}


def advised(error: StemkitError) -> list[str]:
    """Return the arguments of the `stemkit models` that an error says to run."""
    return shlex.split(str(error).rpartition("run: stemkit models ")[2])


@pytest.mark.parametrize("stem", ["vocals", "accompaniment"])
def test_advice_to_who_fetches_the_file_by_hand_can_be_run(
    stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = read_card(f"mobilenet-subband-{stem}")
    error = fail("pull", card.name, "--offline")
    assert card.weights
    assert f"fetch {card.weights.url} " in str(error)
    monkeypatch.chdir(tmp_path)
    save_mobilenet(tmp_path / card.weights.file, stem)
    result = run(*advised(error))
    assert f": added ({stem}): " in result.stdout, result.output


def test_advice_describes_only_what_does_not_describe_itself(server: MisbehavingServer) -> None:
    url, md5 = server.tell("/file", status(404)), "0" * 32
    remote_card("theirs", url=url, md5=md5)
    text = card_text("ours", file="our.safetensors", url=url, md5=md5)
    put_card("ours", text.replace('architecture = "mobilenet-subband"', ""))
    description = ["--architecture", "mobilenet-subband", "--sources", "vocals"]
    assert advised(fail("pull", "theirs")) == ["add", "published_v2.pth", *description]
    assert advised(fail("pull", "ours")) == ["add", "our.safetensors"]


def test_added_model_is_listed_shown_and_verified(tmp_path: Path) -> None:
    save_mobilenet(tmp_path / "four.pth", "vocals", "drums", "bass", "other")
    result = run(
        *("add", tmp_path / "four.pth", "--architecture", "mobilenet-subband"),
        *("--sources", "vocals, drums,bass,other", "--name", "my-four"),
    )
    path = weights_path(read_card("my-four"))
    assert result.stdout == f"my-four: added (vocals, drums, bass, other): {path}\n"
    assert "vocals, drums, bass, other" in run("show", "my-four").stdout
    assert run("verify", "my-four").stdout == "my-four: ok\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "Missing option '--architecture'; choose one of: resunet143-subband"),
        (["--architecture", "unet"], "no architecture 'unet'; choose one of: resunet143-subband"),
        (["--architecture", "mobilenet-subband"], "Missing option '--sources'"),
    ],
)
def test_add_without_a_description_is_a_usage_error(
    tmp_path: Path, options: list[str], words: str
) -> None:
    (tmp_path / "m.pth").write_bytes(b"")
    result = run("add", tmp_path / "m.pth", *options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_add_to_an_unknown_architecture_is_a_usage_error(tmp_path: Path) -> None:
    save_small(tmp_path / "m.safetensors", "vocals")
    result = run("add", tmp_path / "m.safetensors", "--architecture", "nonsense")
    assert result.exit_code == 2
    assert "no architecture 'nonsense'; choose one of: resunet143-subband" in result.stderr


def test_add_knows_stemkit_s_own_format_in_any_case(tmp_path: Path) -> None:
    save_small(tmp_path / "UP.SAFETENSORS", "vocals")
    assert run("add", tmp_path / "UP.SAFETENSORS").stdout.startswith("UP: added (vocals): ")
    assert run("verify", "UP").stdout == "UP: ok\n"


@pytest.mark.parametrize("arguments", [["add", "missing.pth"], ["pull"], ["show"], ["list", "x"]])
def test_wrong_arguments_are_a_usage_error(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_add_of_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.pth").write_bytes(b"")
    error = fail(
        *("add", tmp_path / "m.pth", "--architecture", "mobilenet-subband", "--sources", "vocals")
    )
    assert isinstance(error, CheckpointError)


def test_verify_has_a_line_for_each_installed_model(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        save_small(tmp_path / f"{name}.safetensors", "vocals")
        run("add", tmp_path / f"{name}.safetensors")
    path = weights_path(read_card("bad"))
    path.write_bytes(path.read_bytes()[:-1])
    result = run("verify")
    lines = [line for line in result.stdout.splitlines() if not line.startswith("stemkit-")]
    assert result.exit_code == 1
    assert len(lines) == 2
    assert lines[0].startswith(f"bad: bad: {path} is damaged")
    assert lines[1] == "good: ok"
    assert run("verify", "good").exit_code == 0


@pytest.mark.parametrize("name", ["nothing", "resunet143-subband", "broken"])
def test_verify_of_what_is_not_here_is_bad(name: str) -> None:
    put_card("broken", "name = ")
    result = run("verify", name)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{name}: bad: ")
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list"], 0),
        (["show", "nothing"], 1),
        (["pull", "resunet143-subband", "--offline"], 1),
        (["verify", "resunet143-subband"], 1),
        (["add", "missing.pth"], 2),
    ],
)
def test_program_exits_with_its_codes(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program(["models", *arguments]) == code
    printed = capsys.readouterr()
    if code == 1:
        assert len((printed.out + printed.err).splitlines()) == 1


def test_group_holds_the_commands_it_promises() -> None:
    assert isinstance(models, click.Group)
    assert sorted(models.commands) == ["add", "list", "pull", "show", "verify"]


def test_importing_the_command_is_light_and_listing_needs_no_torch() -> None:
    code = """
import sys, stemkit.cli.models
heavy = {"torch", "numpy", "scipy", "pydantic", "pooch", "rich"} & set(sys.modules)
assert not heavy, heavy
for arguments in (["list"], ["show", "stemkit-small"], ["--help"]):
    stemkit.cli.models.models(arguments, standalone_mode=False)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
