"""A `.safetensors` of ours loads exactly or is refused in one line that names what is wrong."""

import dataclasses
import json
import math
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from stemkit.nn.checkpoints import load_checkpoint, save_checkpoint
from stemkit.nn.config import ARCHITECTURES, NetworkConfig
from stemkit.nn.resunet import ResUNet
from tests.nn.loading import assert_equal_weights, refuse
from tests.nn.seeded import noise, snr_db, tiny_config, tiny_network


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_saved_network_loads_exactly(tmp_path: Path, architecture: str) -> None:
    network = tiny_network(architecture, "vocals", "drums")
    path = tmp_path / "deeper" / "mine.safetensors"
    save_checkpoint(network, path)
    loaded = load_checkpoint(path)
    assert loaded.config == network.config
    assert not loaded.training
    assert_equal_weights(loaded, network)
    mix = noise(1, 2, 3000)
    assert torch.equal(loaded(mix), network(mix))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_rounded_file_is_a_third_as_large_and_loads_as_float32(tmp_path: Path) -> None:
    config = tiny_network("stemkit-small").config
    network = ResUNet(dataclasses.replace(config, stage_channels=(32, 48)))
    whole, rounded = tmp_path / "whole.safetensors", tmp_path / "rounded.safetensors"
    save_checkpoint(network, whole)
    save_checkpoint(network, rounded, rounded=True)
    assert rounded.stat().st_size < 0.4 * whole.stat().st_size
    loaded, expected = load_checkpoint(rounded), network.state_dict()
    for name, value in loaded.state_dict().items():
        assert value.dtype == expected[name].dtype
        if value.ndim == 4:
            assert snr_db(expected[name], value) > 38
        else:
            assert torch.equal(value, expected[name])
    again = tmp_path / "again.safetensors"
    save_checkpoint(loaded, again)
    assert_equal_weights(load_checkpoint(again), loaded)


def test_who_may_read_other_files_may_read_weights(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    save_checkpoint(tiny_network("stemkit-small"), tmp_path / "mine.safetensors")
    modes = [(tmp_path / name).stat().st_mode for name in ("plain", "mine.safetensors")]
    assert modes[0] == modes[1]


def test_half_precision_file_loads_as_float32(ours: Path) -> None:
    expected = load_checkpoint(ours).state_dict()
    rewrite(ours, **{name: v.half() for name, v in expected.items() if v.ndim == 4})
    for name, value in load_checkpoint(ours).state_dict().items():
        assert value.dtype == expected[name].dtype
        if value.ndim == 4:
            assert torch.equal(value, expected[name].half().float())


@pytest.mark.parametrize("scale", [None, torch.ones(3), torch.ones(64, 1), torch.ones(64).int()])
def test_whole_numbers_without_their_scales_are_refused(ours: Path, scale: Tensor | None) -> None:
    name = "unet.head.weight"
    weight = load_file(ours)[name].to(torch.int8)
    rewrite(ours, **{name: weight, f"{name}.scale": scale})
    assert "key 'unet.head.weight' is whole numbers without a scale" in refuse(ours)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["bn0.running_var", "unet.head.weight", "unet.head.bias"])
def test_weight_that_is_no_number_is_refused(ours: Path, name: str, value: float) -> None:
    weight = load_file(ours)[name]
    weight.view(-1)[-1] = value
    rewrite(ours, **{name: weight})
    assert f"key '{name}' holds NaN or infinite numbers" in refuse(ours)


def test_rounded_weight_whose_scale_is_no_number_is_refused(tmp_path: Path) -> None:
    path, name = tmp_path / "mine.safetensors", "unet.head.weight"
    save_checkpoint(tiny_network("stemkit-small"), path, rounded=True)
    scale = load_file(path)[f"{name}.scale"]
    scale[0] = math.nan
    rewrite(path, **{f"{name}.scale": scale})
    assert f"key '{name}' holds NaN" in refuse(path)


def test_weight_beyond_float32_is_refused(ours: Path) -> None:
    weight = load_file(ours)["unet.head.bias"].double()
    rewrite(ours, **{"unet.head.bias": weight + 1e300})
    assert "key 'unet.head.bias' holds NaN or infinite numbers" in refuse(ours)


def test_large_weights_are_numbers(ours: Path) -> None:
    largest = torch.full((64,), torch.finfo(torch.float32).max)  # their sum is infinite
    rewrite(ours, **{"unet.head.bias": largest})
    assert torch.equal(load_checkpoint(ours).state_dict()["unet.head.bias"], largest)


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "stemkit-small"])
def test_architecture_that_the_file_contradicts_is_refused(
    tmp_path: Path, architecture: str
) -> None:
    path = tmp_path / "mine.safetensors"
    config = dataclasses.replace(ARCHITECTURES["stemkit-small"], sources=("a", "b"))
    save_checkpoint(ResUNet(config), path)
    assert load_checkpoint(path, "stemkit-small").config == config
    assert load_checkpoint(path, "stemkit-small", ("a", "b")).config == config
    expected = f"isn't a {architecture}: its bands is 'fold', not '"
    assert expected in refuse(path, architecture, "a b")
    assert "gives a, b, not b, a" in refuse(path, "stemkit-small", "b a")


def test_ending_may_be_in_any_case(tmp_path: Path) -> None:
    network = tiny_network("stemkit-small")
    save_checkpoint(network, tmp_path / "MINE.SafeTensors")
    assert_equal_weights(load_checkpoint(tmp_path / "MINE.SafeTensors"), network)


def test_channels_last_network_is_saved_like_any_other(tmp_path: Path) -> None:
    network = tiny_network("stemkit-small").to(memory_format=torch.channels_last)
    save_checkpoint(network, tmp_path / "mine.safetensors")
    loaded = load_checkpoint(tmp_path / "mine.safetensors")
    assert_equal_weights(loaded, network)
    assert all(value.is_contiguous() for value in loaded.state_dict().values())


def test_loaded_network_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    network = tiny_network("stemkit-small")
    save_checkpoint(network, path)
    loaded = load_checkpoint(path)
    path.write_bytes(bytes(path.stat().st_size))  # in place, as a careless copy would
    assert_equal_weights(loaded, network)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "mine.safetensors"
    save_checkpoint(tiny_network("stemkit-small"), path)
    return path.read_bytes()


@pytest.fixture
def ours(tmp_path: Path, saved: bytes) -> Path:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(saved)
    return path


def rewrite(path: Path, config: object = None, **changes: Tensor | None) -> None:
    """Replace the config, or weights (None drops one), of a file of ours."""
    if config is None:
        config = tiny_config("stemkit-small").to_dict()
    weights = {k: v for k, v in (load_file(path) | changes).items() if v is not None}
    text = config if isinstance(config, str) else json.dumps(config)
    save_file(weights, path, {"format": "stemkit-1", "config": text})


def test_wrong_keys_of_ours_are_named(ours: Path) -> None:
    whole = ours.read_bytes()
    for change, words in (
        ({"bn0.bias": None}, "has no key 'bn0.bias'"),
        ({"surprise": torch.zeros(1)}, "unexpected key 'surprise'"),
        ({"unet.head.bias": torch.zeros(3)}, "key 'unet.head.bias' has shape (3,), not (64,)"),
    ):
        ours.write_bytes(whole)
        rewrite(ours, None, **change)
        assert words in refuse(ours)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": ["vocals", "drums"]}, "key 'unet.head.weight' has shape (64, "),
        ({"stage_blocks": 3}, "has no key 'unet.decoders.0.2."),
        ({"stage_blocks": 1}, "has no key 'unet.decoders.0.1.linear1."),
        ({"block": "separable"}, "has no key 'unet.after.0.first."),
        ({"n_fft": 1024, "hop": 256}, "key 'bn0.weight' has shape (2049,), not (513,)"),
        ({"stage_channels": [4, 6, 2**18]}, "key 'unet.encoders.2.0.conv1.weight' has shape "),
        ({"stage_channels": [4, 6, 2**40]}, "stage_channels must be from 1 to"),
        ({"bottleneck_blocks": 10**9}, "bottleneck_blocks must be from 0 to"),
        ({"sources": []}, "distinct sources"),
        ({"depth": 3}, "unknown network parameter 'depth'"),
        ({"hop": None}, "network parameter hop: "),
    ],
)
def test_config_that_lies_is_refused(ours: Path, changes: dict[str, object], words: str) -> None:
    rewrite(ours, tiny_config("stemkit-small").to_dict() | changes)
    assert words in refuse(ours)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_broken_config_is_refused(ours: Path, text: str) -> None:
    rewrite(ours, text)
    assert "holds a broken network config" in refuse(ours)


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}, {"format": "stemkit-99"}])
def test_safetensors_of_others_is_refused(ours: Path, metadata: dict[str, str] | None) -> None:
    save_file(load_file(ours), ours, metadata)
    assert "was not written by stemkit" in refuse(ours)


def test_truncated_safetensors_is_refused(ours: Path) -> None:
    whole = ours.read_bytes()
    for size in (0, 1, 7, 8, 9, 1000, len(whole) // 2, len(whole) - 1):
        ours.write_bytes(whole[:size])
        assert "can't read the checkpoint" in refuse(ours)


def test_header_that_lies_is_refused(ours: Path) -> None:
    whole = ours.read_bytes()
    for length in (0, 5, len(whole), 2**40, 2**64 - 1):
        ours.write_bytes(struct.pack("<Q", length) + whole[8:])
        assert "can't read the checkpoint" in refuse(ours)


def test_failed_save_leaves_what_was_there(ours: Path) -> None:
    before = ours.read_bytes()
    network = tiny_network("stemkit-small")
    network.config = NetworkConfig(sources=("a",))
    object.__setattr__(network.config, "sources", {1})  # json can't write a set
    with pytest.raises(TypeError):
        save_checkpoint(network, ours)
    assert ours.read_bytes() == before
    assert list(ours.parent.iterdir()) == [ours]
