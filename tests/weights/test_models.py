"""`load_network` gives the network of a name or a file, and never downloads."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import stemkit
from stemkit.errors import CheckpointError, ModelError, UnknownModelError
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.weights.add import AddOptions, add_model
from stemkit.weights.cache import size_bytes, weights_path
from stemkit.weights.folders import models_folder
from stemkit.weights.models import Bag, load_network, verify_model
from stemkit.weights.registry import list_checkpoint_cards, read_card
from tests.weights.server import MisbehavingServer, send
from tests.weights.shelf import (
    assert_same_weights,
    card_text,
    put_bag,
    put_card,
    remote_card,
    save_mobilenet,
    save_small,
    small_network,
)

MIX = torch.randn(2, 2, 5000, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only lose time by sharing their work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def put_published(name: str, seed: int = 0) -> torch.nn.Module:
    """Put random weights where those of a published checkpoint would be pulled to."""
    card = read_card(name)
    return save_mobilenet(weights_path(card), *card.sources, seed=seed)


def test_file_loads_as_the_network_that_wrote_it(tmp_path: Path) -> None:
    written = save_small(tmp_path / "m.safetensors", "vocals", "drums")
    for given in (tmp_path / "m.safetensors", str(tmp_path / "m.safetensors")):
        network = load_network(given)
        assert network.config == written.config
        assert not network.training
        torch.testing.assert_close(network(MIX), written(MIX))


def test_ending_of_a_file_may_be_in_any_case(tmp_path: Path) -> None:
    written = save_small(tmp_path / "UP.SAFETENSORS", "vocals")
    assert_same_weights(load_network(str(tmp_path / "UP.SAFETENSORS")), written)
    models_folder().mkdir(parents=True)
    (tmp_path / "UP.SAFETENSORS").rename(models_folder() / "m.SAFETENSORS")
    text = card_text("m", file="UP.SAFETENSORS")
    put_card("m", text.replace('architecture = "mobilenet-subband"', ""))
    assert_same_weights(load_network("m"), written)


def test_model_with_weights_that_are_no_numbers_does_not_verify(tmp_path: Path) -> None:
    network = small_network("vocals")
    torch.nn.init.constant_(network.unet.head.weight, math.nan)
    put_card("m", card_text("m", file="m.safetensors"))
    save_checkpoint(network, weights_path(read_card("m")))
    with pytest.raises(CheckpointError, match=r"key 'unet\.head\.weight' holds NaN"):
        verify_model(read_card("m"))


def test_name_loads_the_file_of_its_card() -> None:
    written = put_published("mobilenet-subband-vocals")
    network = stemkit.load_network("mobilenet-subband-vocals")
    assert network.sources == ("vocals",)
    assert_same_weights(network, written)


def test_published_bag_holds_the_published_pair() -> None:
    vocals = put_published("mobilenet-subband-vocals", seed=1)
    accompaniment = put_published("mobilenet-subband-accompaniment", seed=2)
    bag = load_network("mobilenet-subband")
    assert bag.sources == bag.config.sources == ("vocals", "accompaniment")
    assert isinstance(bag, Bag)
    assert_same_weights(bag.members[0], vocals)
    assert_same_weights(bag.members[1], accompaniment)


def test_bag_is_the_stack_of_its_members(tmp_path: Path) -> None:
    members = []
    for seed, name in enumerate(("drums", "bass", "other")):
        members.append(save_small(tmp_path / f"{name}.safetensors", name, seed=seed))
        add_model(tmp_path / f"{name}.safetensors", AddOptions())
    put_bag("m", ["drums", "bass", "other"], ["drums", "bass", "other"])
    bag = load_network("m")
    assert not any(module.training for module in bag.modules())
    estimate = bag(MIX)
    assert estimate.shape == (2, 3, 2, MIX.shape[-1])
    for index, member in enumerate(members):
        torch.testing.assert_close(estimate[:, index], member(MIX)[:, 0])


def test_bag_takes_members_of_several_sources() -> None:
    bag = Bag([small_network("vocals", "drums"), small_network("bass")])
    assert bag.sources == ("vocals", "drums", "bass")
    assert bag(MIX).shape == (2, 3, 2, MIX.shape[-1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sample_rate": 48000}, "share their sample_rate, not 44100 .* and 48000"),
        ({"channels": 1}, "share their channels, not 2 .* and 1"),
        ({"hop": 48}, "divide the longest, 128 samples for vocals; 96 for drums doesn't"),
        (
            {"hop": 48, "stage_channels": (2, 2, 2)},
            "divide the longest, 192 samples for drums; 128 for vocals doesn't",
        ),
    ],
)
def test_bag_of_networks_that_differ_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        Bag([small_network("vocals"), small_network("drums", changes=changes)])


def test_stem_that_several_members_give_is_their_mean() -> None:
    first, second = small_network("vocals", seed=1), small_network("vocals", "bass", seed=2)
    bag = Bag([first, second])
    assert bag.sources == ("vocals", "bass")
    vocals, bass = bag(MIX).unbind(1)
    torch.testing.assert_close(vocals, (first(MIX)[:, 0] + second(MIX)[:, 0]) / 2)
    torch.testing.assert_close(bass, second(MIX)[:, 1])


def test_members_may_have_pooling_grids_that_divide_the_longest() -> None:
    short, long = (small_network("vocals", changes={"hop": hop}) for hop in (32, 64))
    for members in ([short, long], [long, short]):
        assert Bag(members).config.grid_samples == long.config.grid_samples == 128
    torch.testing.assert_close(Bag([short, long])(MIX), (short(MIX) + long(MIX)) / 2)


def test_member_that_knows_only_high_frequencies_leaves_the_others_what_is_below() -> None:
    whole = small_network("vocals", seed=1)
    high = small_network("vocals", seed=2, changes={"above_hz": 3000.0})
    same = small_network("vocals", seed=2)
    mix = torch.randn(1, 2, 44100, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        stems = [network(mix)[0, 0] for network in (whole, same, high, Bag([whole, high]))]
    one, other, alone, both = (torch.fft.rfft(stem) for stem in stems)  # bins of 1 Hz

    def measure(error: torch.Tensor, signal: torch.Tensor, band: slice) -> float:
        error, signal = error[..., band], signal[..., band]
        return 10 * math.log10(error.abs().square().sum() / signal.abs().square().sum())

    low, top = slice(0, 2500), slice(6500, 22000)
    assert measure(alone, other, low) < -30
    assert measure(alone - other, other, top) < -30
    assert measure(both - one, one, low) < -30
    assert measure(both - (one + other) / 2, one, top) < -30


def test_a_stem_that_one_member_gives_is_that_member_s() -> None:
    first = small_network("vocals", seed=1)
    second = small_network("vocals", "bass", seed=2, changes={"above_hz": 3000.0})
    torch.testing.assert_close(Bag([first, second])(MIX)[:, 1], second(MIX)[:, 1])


def test_part_of_a_bag_has_every_member_of_the_stems_that_are_asked_for() -> None:
    members = [small_network(*names) for names in (("vocals",), ("vocals", "bass"), ("drums",))]
    bag = Bag(members)
    for wanted, count in (({"vocals"}, 2), ({"vocals", "bass"}, 2), ({"vocals", "drums"}, 3)):
        assert list(bag.select(wanted).members) == members[:count]


def test_part_of_a_bag_gives_no_stem_of_which_a_member_is_left_out() -> None:
    members = [small_network("vocals"), small_network("vocals", "bass", "other", seed=1)]
    bag = Bag(members)
    part = bag.select({"bass"})
    assert list(part.members) == members[1:]
    assert part.sources == ("bass", "other")
    torch.testing.assert_close(part(MIX), bag(MIX)[:, 1:])
    assert part.select({"other"}).sources == ("bass", "other")


def test_card_of_a_bag_may_give_a_stem_to_several_members(tmp_path: Path) -> None:
    for seed, name in enumerate(("one", "two")):
        save_small(tmp_path / f"{name}.safetensors", "vocals", seed=seed)
        add_model(tmp_path / f"{name}.safetensors", AddOptions())
    put_bag("m", ["one", "two"], ["vocals"])
    one, two, both = (load_network(name)(MIX) for name in ("one", "two", "m"))
    torch.testing.assert_close(both, (one + two) / 2)


def test_model_that_is_not_here_says_how_to_pull_it(server: MisbehavingServer) -> None:
    remote_card("m", url=server.tell("/file", send(b"x")), md5="0" * 32)
    with pytest.raises(ModelError, match=r"'m' isn't installed; run: stemkit models pull m$"):
        load_network("m")
    assert server.counts == {}


def test_bag_of_which_a_member_is_missing_says_how_to_pull_the_bag() -> None:
    put_published("mobilenet-subband-vocals")
    with pytest.raises(ModelError, match=r"run: stemkit models pull mobilenet-subband$"):
        load_network("mobilenet-subband")


def test_added_model_that_lost_its_file_says_to_add_it_again(tmp_path: Path) -> None:
    save_small(tmp_path / "m.safetensors", "vocals")
    path = weights_path(add_model(tmp_path / "m.safetensors", AddOptions()))
    path.unlink()
    words = f"model 'm' has lost its file, {path}; remove its card and add it again"
    with pytest.raises(ModelError, match=re.escape(words)):
        load_network("m")
    path.with_suffix(".toml").unlink()
    add_model(tmp_path / "m.safetensors", AddOptions())
    load_network("m")


def test_unknown_name_is_an_error() -> None:
    with pytest.raises(UnknownModelError, match="did you mean 'stemkit-small'"):
        load_network("stemkit-smal")


@pytest.mark.parametrize("name", ["missing.safetensors", "missing.pth", "folder/missing"])
def test_missing_file_is_named(name: str) -> None:
    with pytest.raises(ModelError, match=f"no weights file {name}"):
        load_network(name)


def test_file_without_a_config_must_be_added_first(tmp_path: Path) -> None:
    save_mobilenet(tmp_path / "m.pth", "vocals")
    with pytest.raises(CheckpointError, match=r"run: stemkit models add .*m\.pth --architecture"):
        load_network(tmp_path / "m.pth")


def test_file_of_other_sources_than_its_card_is_refused(tmp_path: Path) -> None:
    save_small(tmp_path / "m.safetensors", "drums")
    card = add_model(tmp_path / "m.safetensors", AddOptions())
    text = (weights_path(card).with_suffix(".toml")).read_text()
    put_card("m", text.replace("drums", "vocals"))
    with pytest.raises(CheckpointError, match="gives drums, but its card says vocals"):
        load_network("m")


def test_whole_model_verifies() -> None:
    put_published("mobilenet-subband-vocals")
    verify_model(read_card("mobilenet-subband-vocals"))


def test_one_flipped_bit_is_found(tmp_path: Path) -> None:
    save_small(tmp_path / "m.safetensors", "vocals")
    card = add_model(tmp_path / "m.safetensors", AddOptions())
    verify_model(card)
    content = bytearray(weights_path(card).read_bytes())
    content[-1] ^= 1
    weights_path(card).write_bytes(content)
    load_network("m")
    with pytest.raises(CheckpointError, match="is damaged"):
        verify_model(card)


def test_whole_file_that_does_not_fill_its_network_is_found(tmp_path: Path) -> None:
    save_mobilenet(tmp_path / "m.pth", "vocals")
    card = add_model(tmp_path / "m.pth", AddOptions("mobilenet-subband", ("vocals",)))
    text = card_text("m", sha256=card.weights.sha256 if card.weights else "")
    put_card("m", text.replace("mobilenet-subband", "stemkit-small"))
    with pytest.raises(CheckpointError, match="key"):
        verify_model(read_card("m"))


@pytest.mark.parametrize(
    "name", ["stemkit-small", "stemkit-small-4", "stemkit-duo", "stemkit-duo-4"]
)
def test_bundled_model_is_what_its_card_says(name: str) -> None:
    card = read_card(name)
    for part in list_checkpoint_cards(card):
        assert part.weights is not None
        assert part.weights.bundled
        assert part.weights.sha256
    assert {score.stem for score in card.scores} >= set(card.sources)
    verify_model(card)
    assert (size_bytes(card) or 0) < 16e6
