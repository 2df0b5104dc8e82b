"""`add_model` publishes a checkpoint that loads strictly, or nothing."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stemkit.errors import CheckpointError, ModelError, OptionError
from stemkit.weights.add import AddOptions, add_model
from stemkit.weights.cache import weights_path
from stemkit.weights.folders import BUNDLED_WEIGHTS, models_folder
from stemkit.weights.models import load_network, verify_model
from stemkit.weights.registry import list_model_names, read_card
from tests.nn.trap import Trap
from tests.weights.shelf import assert_same_weights, save_mobilenet, save_small

MOBILENET = AddOptions("mobilenet-subband", ("vocals",))
STEMS = ("vocals", "drums", "bass", "other")


def published() -> list[str]:
    return sorted(path.name for path in models_folder().glob("*"))


@pytest.mark.parametrize("sources", [STEMS[:1], STEMS])
def test_added_pth_loads_as_the_network_that_wrote_it(
    tmp_path: Path, sources: tuple[str, ...]
) -> None:
    written = save_mobilenet(tmp_path / "mine.pth", *sources)
    card = add_model(tmp_path / "mine.pth", AddOptions("mobilenet-subband", sources))
    assert card == read_card("mine")
    assert card.sources == sources
    assert weights_path(card).read_bytes() == (tmp_path / "mine.pth").read_bytes()
    assert published() == ["mine.pth", "mine.toml"]
    verify_model(card)
    assert_same_weights(load_network("mine"), written)


@pytest.mark.parametrize("sources", [STEMS[:1], STEMS])
def test_added_safetensors_needs_no_description(tmp_path: Path, sources: tuple[str, ...]) -> None:
    written = save_small(tmp_path / "mine.safetensors", *sources)
    card = add_model(tmp_path / "mine.safetensors", AddOptions(name="other-name"))
    assert card == read_card("other-name")
    assert card.sources == sources
    assert_same_weights(load_network("other-name"), written)


def drop_key(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    del content["model"]["bn0.weight"]
    torch.save(content, path)


def add_key(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["model"]["surprise"] = torch.zeros(1)
    torch.save(content, path)


def reshape_key(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["model"]["bn0.weight"] = torch.zeros(3)
    torch.save(content, path)


def put_nan(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["model"]["bn0.weight"][3] = torch.nan
    torch.save(content, path)


def drop_model(path: Path) -> None:
    torch.save({"state": {}}, path)


def save_tensor(path: Path) -> None:
    torch.save(torch.zeros(3), path)


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def cut_last_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scramble(path: Path) -> None:
    generator = torch.Generator().manual_seed(3)
    path.write_bytes(bytes(torch.randint(256, (4096,), generator=generator).tolist()))


def pop_nothing(path: Path) -> None:
    path.write_bytes(b"\x80\x02s.")


def replace_by_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html><body>Not found</body></html>")


BROKEN_PTH: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing key": (drop_key, "'bn0.weight'"),
    "unexpected key": (add_key, "'surprise'"),
    "other shape": (reshape_key, "'bn0.weight'"),
    "no number": (put_nan, "key 'bn0.weight' holds NaN"),
    "no model": (drop_model, "'model'"),
    "a tensor": (save_tensor, "'model'"),
    "half": (cut_in_half, "can't read"),
    "last byte": (cut_last_byte, "can't read"),
    "empty": (empty, "can't read"),
    "random bytes": (scramble, "can't read"),
    "pickle that pops nothing": (pop_nothing, "can't read"),
    "web page": (replace_by_page, "can't read"),
}


@pytest.fixture(scope="module")
def whole_pth(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "mine.pth"
    save_mobilenet(path, "vocals")
    return path.read_bytes()


@pytest.mark.parametrize("fault", BROKEN_PTH)
def test_broken_pth_is_refused_in_one_line(tmp_path: Path, fault: str, whole_pth: bytes) -> None:
    spoil, words = BROKEN_PTH[fault]
    path = tmp_path / "mine.pth"
    path.write_bytes(whole_pth)
    spoil(path)
    with pytest.raises(CheckpointError, match=words) as caught:
        add_model(path, MOBILENET)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert published() == []


@pytest.mark.parametrize("spoil", [cut_in_half, cut_last_byte, empty, scramble, replace_by_page])
def test_broken_safetensors_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "mine.safetensors"
    save_small(path, "vocals")
    spoil(path)
    with pytest.raises(CheckpointError, match="can't read") as caught:
        add_model(path, AddOptions())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert published() == []


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, zipped: bool) -> None:
    path, target = tmp_path / "mine.pth", tmp_path / "touched"
    content = {"model": {"bn0.weight": Trap(target)}}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(CheckpointError) as caught:
        add_model(path, MOBILENET)
    assert "\n" not in str(caught.value)
    assert not target.exists()
    assert published() == []


@pytest.mark.parametrize("architecture", ["resunet143-ismir2021", "stemkit-small"])
def test_wrong_architecture_names_a_key(tmp_path: Path, architecture: str) -> None:
    save_mobilenet(tmp_path / "mine.pth", "vocals")
    with pytest.raises(CheckpointError, match="key '"):
        add_model(tmp_path / "mine.pth", AddOptions(architecture, ("vocals",)))
    assert published() == []


def test_wrong_number_of_sources_names_a_key(tmp_path: Path) -> None:
    save_mobilenet(tmp_path / "mine.pth", *STEMS)
    with pytest.raises(CheckpointError, match=r"key 'after_conv2\."):
        add_model(tmp_path / "mine.pth", MOBILENET)
    assert published() == []


def test_sources_that_the_file_contradicts_are_refused(tmp_path: Path) -> None:
    save_small(tmp_path / "mine.safetensors", "vocals")
    with pytest.raises(CheckpointError, match="gives vocals, not drums"):
        add_model(tmp_path / "mine.safetensors", AddOptions(sources=("drums",)))
    assert published() == []


@pytest.mark.parametrize(
    ("architecture", "words"),
    [("nonsense", "no architecture 'nonsense'"), ("mobilenet-subband", "isn't a mobilenet")],
)
def test_architecture_that_the_file_contradicts_is_refused(
    tmp_path: Path, architecture: str, words: str
) -> None:
    save_small(tmp_path / "mine.safetensors", "vocals")
    with pytest.raises(CheckpointError, match=words):
        add_model(tmp_path / "mine.safetensors", AddOptions(architecture))
    assert published() == []


def test_architecture_that_the_file_confirms_is_not_in_its_card() -> None:
    path = BUNDLED_WEIGHTS / "stemkit-small-4.safetensors"
    card = add_model(path, AddOptions("stemkit-small", STEMS, "mine"))
    assert card.architecture is None
    verify_model(card)


def test_ending_may_be_in_any_case(tmp_path: Path) -> None:
    written = save_small(tmp_path / "UP.SAFETENSORS", "vocals")
    card = add_model(tmp_path / "UP.SAFETENSORS", AddOptions())
    assert card.architecture is None
    assert published() == ["UP.safetensors", "UP.toml"]
    assert_same_weights(load_network("UP"), written)


@pytest.mark.parametrize("name", ["stemkit-small", "Stemkit-Small", "mine", "MINE"])
def test_taken_name_is_refused(tmp_path: Path, name: str) -> None:
    save_small(tmp_path / "mine.safetensors", "vocals")
    card = add_model(tmp_path / "mine.safetensors", AddOptions())
    with pytest.raises(OptionError, match="already named"):
        add_model(tmp_path / "mine.safetensors", AddOptions(name=name))
    assert read_card("mine") == card


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("resunet_8.7dB_v2.safetensors", "resunet_8.7dB_v2"),
        ("my model (2).safetensors", "my-model-2"),
        ("..hidden.safetensors", "hidden"),
    ],
)
def test_name_is_made_from_the_file(tmp_path: Path, file_name: str, name: str) -> None:
    save_small(tmp_path / file_name, "vocals")
    assert add_model(tmp_path / file_name, AddOptions()).name == name
    assert name in list_model_names()


@pytest.mark.parametrize("stem", ["音楽", "-_-", "a" * 101, "mine.pth"])
def test_file_whose_name_can_not_be_a_model_s_is_named(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.safetensors"
    save_small(path, "vocals")
    with pytest.raises(OptionError, match="with --name") as caught:
        add_model(path, AddOptions())
    assert repr(path.name) in str(caught.value)
    assert published() == []
    assert add_model(path, AddOptions(name="mine")).name == "mine"


@pytest.mark.parametrize("name", ["", "../escape", "a/b", ".hidden", "x.pth"])
def test_name_that_could_be_a_path_is_refused(tmp_path: Path, name: str) -> None:
    save_small(tmp_path / "mine.safetensors", "vocals")
    with pytest.raises(OptionError, match="can't name a model"):
        add_model(tmp_path / "mine.safetensors", AddOptions(name=name))
    assert published() == []


@pytest.mark.parametrize("source", ["../vocals", "", "a b"])
def test_source_that_could_be_a_path_is_refused(tmp_path: Path, source: str) -> None:
    save_mobilenet(tmp_path / "mine.pth", "vocals")
    with pytest.raises(OptionError, match="can't name a source"):
        add_model(tmp_path / "mine.pth", AddOptions("mobilenet-subband", (source,)))


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing\.pth can't be read"):
        add_model(tmp_path / "missing.pth", MOBILENET)


def test_home_that_takes_no_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_small(tmp_path / "mine.safetensors", "vocals")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="can't be added"):
        add_model(tmp_path / "mine.safetensors", AddOptions())
