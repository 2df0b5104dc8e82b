"""A published `.pth` loads exactly or is refused in one line that names what is wrong."""

import dataclasses
import functools
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stemkit.errors import CheckpointError
from stemkit.nn.bytesep import name_in_bytesep
from stemkit.nn.checkpoints import load_checkpoint
from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.resunet import ResUNet
from tests.nn.loading import assert_equal_weights, refuse
from tests.nn.seeded import fill, noise
from tests.nn.trap import Trap

MOBILENET = "mobilenet-subband"
Weights = dict[str, Tensor]


def make_mobilenet(*sources: str) -> ResUNet:
    network = ResUNet(dataclasses.replace(ARCHITECTURES[MOBILENET], sources=sources))
    fill(network, seed=1)
    return network.eval()


def bytesep_weights(network: ResUNet) -> Weights:
    """Return the state dict as bytesep would have saved it, Fourier matrices and all."""
    weights = {
        name_in_bytesep(name, network.config): value for name, value in network.state_dict().items()
    }
    return weights | {"stft.conv_real.weight": torch.zeros(3), "istft.ola_window": torch.zeros(3)}


@functools.cache
def published_weights() -> Weights:
    """Return what all tests share, and change in copies alone."""
    return bytesep_weights(make_mobilenet("vocals"))


@functools.cache
def published_file() -> bytes:
    file = io.BytesIO()
    torch.save({"model": published_weights()}, file)
    return file.getvalue()


@pytest.fixture
def pth(tmp_path: Path) -> Path:
    path = tmp_path / "published.pth"
    path.write_bytes(published_file())
    return path


def test_pth_loads_ready_to_use(pth: Path) -> None:
    network = load_checkpoint(pth, MOBILENET, ("drums",))
    assert network.sources == ("drums",)
    assert not network.training
    assert_equal_weights(network, make_mobilenet("vocals"))
    mix = noise(1, 2, 3000)
    assert torch.equal(network(mix), make_mobilenet("vocals")(mix))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_weight_has_a_name_of_its_own_in_bytesep(architecture: str) -> None:
    config = ARCHITECTURES[architecture]
    with torch.device("meta"):
        names = list(ResUNet(config).state_dict())
    assert len({name_in_bytesep(name, config) for name in names}) == len(names)


def drop_counters(weights: Weights) -> Weights:
    return drop(weights, *(name for name in weights if name.endswith("batches_tracked")))


def test_counters_may_be_missing(pth: Path) -> None:
    edit(pth, drop_counters)
    assert_equal_weights(load_checkpoint(pth, MOBILENET), make_mobilenet("vocals"))


def test_loaded_network_can_be_trained(pth: Path) -> None:
    edit(pth, drop_counters)
    network = load_checkpoint(pth, MOBILENET).train()
    network(noise(1, 2, 3000)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    counts = {int(v) for k, v in network.state_dict().items() if k.endswith("batches_tracked")}
    assert counts == {1}


def edit(path: Path, change: Callable[[Weights], Weights]) -> None:
    """Write the published weights with a change."""
    torch.save({"model": change(published_weights())}, path)


def drop(weights: Weights, *names: str) -> Weights:
    return {name: value for name, value in weights.items() if name not in names}


@pytest.mark.parametrize(
    "name",
    [
        "encoder_block6.conv_block.bn2c.running_var",
        "decoder_block2.bn1.bias",
        "decoder_block3.conv_block2.shortcut.weight",
        "after_conv2.bias",
        "pqmf.syn_conv_filter.weight",
        "bn0.running_mean",
        pytest.param("conv_block7.conv1a.weight", marks=pytest.mark.slow),
        pytest.param("decoder_block1.conv1.weight", marks=pytest.mark.slow),
        pytest.param("after_conv_block1.conv2b.weight", marks=pytest.mark.slow),
    ],
)
def test_wrong_key_is_named_as_bytesep_names_it(pth: Path, name: str) -> None:
    edit(pth, lambda weights: drop(weights, name) | {name: torch.zeros(3, 5)})
    assert f"key '{name}' has shape (3, 5), not (" in refuse(pth, MOBILENET)
    edit(pth, lambda weights: drop(weights, name))
    assert f"no key '{name}'" in refuse(pth, MOBILENET)


@pytest.mark.parametrize("name", ["surprise", "stfts.weight", "unet.head.weight", "bn0.extra"])
def test_unexpected_key_is_named(pth: Path, name: str) -> None:
    edit(pth, lambda weights: weights | {name: torch.zeros(3)})
    assert f"unexpected key '{name}'" in refuse(pth, MOBILENET)


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("resunet143-subband", "after_conv_block1.conv_block1.bn1.bias"),
        ("resunet143-ismir2021", "after_conv_block1.conv_block1.abn2.bias"),
        ("stemkit-small", "after_conv_block1.conv_block1.bn1.bias"),
    ],
)
def test_wrong_architecture_names_a_key(pth: Path, architecture: str, name: str) -> None:
    assert f"no key '{name}'; is this its architecture?" in refuse(pth, architecture)


def test_architecture_must_be_a_known_one(pth: Path) -> None:
    assert "choose an architecture of: resunet143-subband, " in refuse(pth)
    with pytest.raises(CheckpointError, match="no architecture 'mobilenet'; choose one of: "):
        load_checkpoint(pth, "mobilenet")


def test_wrong_number_of_sources_names_the_head(tmp_path: Path) -> None:
    path = tmp_path / "two.pth"
    torch.save({"model": bytesep_weights(make_mobilenet("vocals", "drums"))}, path)
    assert load_checkpoint(path, MOBILENET, ("a", "b")).sources == ("a", "b")
    assert "'after_conv2.weight' has shape (64, 32, 1, 1), not (32," in refuse(path, MOBILENET)
    assert "number of sources" in refuse(path, MOBILENET, "vocals drums bass")


def test_sources_must_be_distinct(pth: Path) -> None:
    with pytest.raises(CheckpointError, match="distinct sources"):
        load_checkpoint(pth, MOBILENET, ("a", "a"))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"state_dict": {}},
        {"model": None},
        {"model": [torch.zeros(1)]},
        {"model": {"bn0.weight": 1.0}},
        {"model": {1: torch.zeros(1)}},
        [torch.zeros(1)],
        torch.zeros(1),
    ],
)
def test_pth_without_a_model_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    assert "has no 'model' entry with tensors" in refuse(tmp_path / "other.pth", MOBILENET)


def test_model_without_weights_lacks_its_first_key(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "empty.pth")
    assert "has no key 'after_conv2.bias'" in refuse(tmp_path / "empty.pth", MOBILENET)


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_pth_is_refused(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "cut.pth"
    torch.save({"model": published_weights()}, path, _use_new_zipfile_serialization=zipped)
    assert load_checkpoint(path, MOBILENET)
    whole = path.read_bytes()
    for size in (0, 1, 2, 10, 1000, 30_000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "can't read the checkpoint" in refuse(path, MOBILENET)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("start", [b"", b"\x80\x02", b"PK\x03\x04"])
def test_noise_is_refused(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "noise.pth"
    generator = torch.Generator().manual_seed(0)
    for size in [3] * 200 + [30] * 200 + [100_000]:
        noise_bytes = torch.randint(256, (size,), generator=generator).tolist()
        path.write_bytes(start + bytes(noise_bytes))
        assert "can't read the checkpoint" in refuse(path, MOBILENET)


MISUSED = {  # what torch may call for a tensor, called with what it isn't made for
    "without arguments": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
    "with numbers": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + 6 * b"K\x01" + b"tR.",
}


@pytest.mark.parametrize("misuse", MISUSED)
def test_misused_function_is_refused(tmp_path: Path, misuse: str) -> None:
    whole = io.BytesIO()
    torch.save({"model": {}}, whole, _use_new_zipfile_serialization=False)
    path = tmp_path / "crafted.pth"
    empty = pickle.dumps({"model": {}}, protocol=2)
    assert empty in whole.getvalue()
    path.write_bytes(whole.getvalue().replace(empty, MISUSED[misuse]))
    assert "can't read the checkpoint" in refuse(path, MOBILENET)


def test_list_of_storages_that_lies_is_refused(tmp_path: Path) -> None:
    whole = io.BytesIO()
    torch.save({"model": {}}, whole, _use_new_zipfile_serialization=False)
    path, none, bogus = tmp_path / "crafted.pth", pickle.dumps([], 2), pickle.dumps(["bogus"], 2)
    assert whole.getvalue().endswith(none)
    path.write_bytes(whole.getvalue().removesuffix(none) + bogus)
    assert "can't read the checkpoint" in refuse(path, MOBILENET)


def test_web_page_is_no_pytorch_file(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html></html>")
    assert "it isn't a PyTorch file" in refuse(tmp_path / "page.pth", MOBILENET)


@pytest.mark.parametrize("name", ["missing.pth", "missing.safetensors", "folder.pth"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.pth").mkdir()
    assert "can't read the checkpoint" in refuse(tmp_path / name, MOBILENET)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["top", "model", "weight", "beside"])
def test_code_in_a_pickle_is_never_run(tmp_path: Path, zipped: bool, place: str) -> None:
    target, path = tmp_path / "touched", tmp_path / "trap.pth"
    trap = Trap(target)
    content = {
        "top": trap,
        "model": {"model": trap},
        "weight": {"model": {"bn0.weight": trap}},
        "beside": {"model": published_weights(), "step": trap},
    }[place]
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert "holds more than tensors" in refuse(path, MOBILENET)
    assert not target.exists()


def test_trap_works_where_care_is_not_taken(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "touched")))
    assert (tmp_path / "touched").exists()
