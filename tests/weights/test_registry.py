"""Every shipped card is valid; every card that isn't is one clear error."""

from pathlib import Path

import platformdirs
import pooch
import pytest
from platformdirs import windows
from platformdirs.api import PlatformDirsABC
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from stemkit.errors import ModelError, OptionError, UnknownModelError
from stemkit.nn.config import ARCHITECTURES
from stemkit.separation.stems import choose_recipes
from stemkit.weights.cache import size_bytes, weights_path
from stemkit.weights.folders import SHIPPED_CARDS, models_folder, stemkit_home
from stemkit.weights.registry import (
    check_model_name,
    check_source_name,
    list_checkpoint_cards,
    list_model_names,
    parse_card,
    read_card,
)
from tests.weights.shelf import card_text, put_bag, put_card

SHIPPED = sorted(path.stem for path in SHIPPED_CARDS.iterdir())
PUBLISHED = [name for name in SHIPPED if name.endswith(("-vocals", "-accompaniment"))]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_card_is_valid_and_can_be_had(name: str) -> None:
    card = read_card(name)
    for part in list_checkpoint_cards(card):
        assert part.weights is not None
        assert part.weights.bundled != bool(part.weights.url)
        assert part.weights.bundled or part.architecture in ARCHITECTURES
    assert card.licence
    assert card.citation
    stems = {recipe.name for recipe in choose_recipes(card.sources, None)}
    assert {score.stem for score in card.scores} <= stems


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_card_agrees_with_itself(name: str) -> None:
    card = read_card(name)
    stem = name.rpartition("-")[2]
    assert card.weights is not None
    assert card.sources == (stem,)
    assert card.architecture == name.removesuffix(f"-{stem}")
    assert card.weights.url == (
        f"https://zenodo.org/records/5804160/files/{card.weights.file}?download=1"
    )
    assert f"_{stem}_{card.scores[0].sdr_db}dB_" in card.weights.file
    assert weights_path(card) == models_folder() / f"{name}.pth"


def test_the_four_published_checkpoints_and_their_bags_are_there() -> None:
    assert len(PUBLISHED) == 4
    for bag in ("mobilenet-subband", "resunet143-subband"):
        members = list_checkpoint_cards(read_card(bag))
        assert [member.name for member in members] == [f"{bag}-vocals", f"{bag}-accompaniment"]


def test_size_of_a_bag_is_that_of_its_members() -> None:
    assert size_bytes(read_card("resunet143-subband")) == 414_046_363 + 414_036_369


BROKEN_CARDS = {
    "not TOML": "name = ",
    "unknown field": 'license = "none"\n' + card_text("m"),
    "missing field": card_text("m").replace('summary = "a model"', ""),
    "wrong type": card_text("m", size="4 MB"),
    "no size": card_text("m", size=0),
    "no weights and no members": card_text("m").partition("[weights]")[0],
    "weights and members": 'members = ["a"]\n' + card_text("m"),
    "no architecture": card_text("m").replace('architecture = "mobilenet-subband"', ""),
    "no sources": card_text("m").replace('["vocals"]', "[]"),
    "same source twice": card_text("m").replace('["vocals"]', '["vocals", "vocals"]'),
    "source that is a path": card_text("m").replace('["vocals"]', '["../vocals"]'),
    "file that is a path": card_text("m", file="../m.pth"),
    "file without a suffix": card_text("m", file="m"),
    "url of another kind": card_text("m", url="file:///etc/passwd", md5="0" * 32),
    "url without a hash": card_text("m", url="http://127.0.0.1/file"),
    "hash that is none": card_text("m", sha256="placeholder"),
    "another name": card_text("n"),
    "name that is a path": card_text("../m"),
}


@pytest.mark.parametrize("fault", BROKEN_CARDS)
def test_broken_card_is_an_error_that_names_its_file(fault: str) -> None:
    path = put_card("m", BROKEN_CARDS[fault])
    with pytest.raises(ModelError, match=r"m\.toml") as caught:
        read_card("m")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_card_that_is_not_text_is_an_error_that_names_its_file() -> None:
    path = put_card("m", "")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="can't be read as a model card"):
        parse_card(path)


def test_broken_card_leaves_the_others_readable() -> None:
    put_card("m", "name = ")
    assert "m" in list_model_names()
    assert read_card("stemkit-small").name == "stemkit-small"


def test_hidden_files_are_not_cards() -> None:
    put_card("._m", "\0\5\26\7")
    put_card(".m", "")
    assert list_model_names() == SHIPPED


def test_unknown_name_lists_the_known_and_suggests_the_nearest() -> None:
    with pytest.raises(UnknownModelError) as caught:
        read_card("resunet143-suband")
    message = str(caught.value)
    assert "no model 'resunet143-suband' (did you mean 'resunet143-subband'?)" in message
    assert message.endswith(f"choose one of: {', '.join(SHIPPED)}")


@pytest.mark.parametrize("name", ["", "../stemkit-small", "*", "x/y", "cards\0"])
def test_name_that_is_no_name_is_unknown(name: str) -> None:
    with pytest.raises(UnknownModelError):
        read_card(name)


def test_name_of_a_shipped_model_is_not_taken_over() -> None:
    path = put_card("stemkit-small", card_text("stemkit-small"))
    with pytest.raises(ModelError, match="two models are named 'stemkit-small'") as caught:
        read_card("stemkit-small")
    assert str(path) in str(caught.value)


def test_bag_of_a_bag_is_refused() -> None:
    put_bag("m", ["mobilenet-subband"], ["vocals", "accompaniment"])
    with pytest.raises(ModelError, match="holds 'mobilenet-subband', which is a bag itself"):
        list_checkpoint_cards(read_card("m"))


def test_bag_of_itself_is_refused() -> None:
    put_bag("m", ["m"], ["vocals"])
    with pytest.raises(ModelError, match="which is a bag itself"):
        list_checkpoint_cards(read_card("m"))


def test_bag_that_holds_a_member_twice_is_refused() -> None:
    put_bag("m", ["mobilenet-subband-vocals"] * 2, ["vocals"])
    with pytest.raises(ModelError, match="members must differ"):
        read_card("m")


def test_bag_whose_stems_are_not_its_members_stems_is_refused() -> None:
    put_bag("m", ["mobilenet-subband-vocals"], ["drums"])
    with pytest.raises(ModelError, match="says drums, but its members give vocals"):
        list_checkpoint_cards(read_card("m"))


@pytest.mark.parametrize("name", ["a", "A-1", "resunet143_8.7dB", "x" * 100, "0"])
def test_portable_names_pass(name: str) -> None:
    assert check_model_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "-x",
        ".x",
        "x.",
        "a/b",
        "a\\b",
        "a b",
        "é",
        "a\n",
        "x" * 101,
        "a.pth",
        "A.PTH",
    ],
)
def test_names_that_could_be_paths_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="can't name a model"):
        check_model_name(name)


@pytest.mark.parametrize("name", ["", "a b", "../a", "a.b", "-a", "é", "a" * 41])
def test_sources_that_could_be_paths_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="can't name a source"):
        check_source_name(name)


def test_stemkit_home_moves_the_models(home: Path) -> None:
    assert models_folder() == home / "models"


@pytest.mark.parametrize("unset", [True, False])
def test_home_is_in_the_cache_of_the_platform_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unset: bool
) -> None:
    monkeypatch.delenv("STEMKIT_HOME")
    if not unset:
        monkeypatch.setenv("STEMKIT_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert stemkit_home().name == "stemkit"
    assert stemkit_home().is_absolute()


@pytest.mark.parametrize(
    ("system", "folder"),
    [
        (Unix, ".cache/stemkit"),
        (MacOS, "Library/Caches/stemkit"),
        (Windows, "AppData/Local/stemkit/stemkit/Cache"),
    ],
)
def test_home_is_where_pooch_would_have_it(
    system: type[PlatformDirsABC], folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("STEMKIT_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(windows, "get_win_folder", lambda _: str(tmp_path / "AppData" / "Local"))
    monkeypatch.setattr(platformdirs, "PlatformDirs", system)
    assert stemkit_home() == pooch.os_cache("stemkit")
    assert stemkit_home() == tmp_path / folder
