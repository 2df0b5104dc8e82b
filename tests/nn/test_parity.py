"""The networks compute what bytesep's own classes compute, checkpoint files included.

The in-place activated batch norm of the ISMIR 2021 network is a stub: see `oracle`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stemkit.nn.checkpoints import load_checkpoint
from stemkit.nn.resunet import MAPS, ResUNet
from tests.nn.oracle import CLASSES, build_bytesep
from tests.nn.seeded import fill, noise, snr_db

STEMS = ("vocals", "drums", "bass", "other")
ENOUGH_DB = 90


@dataclass(frozen=True)
class Pair:
    """bytesep's network and ours, from one checkpoint file."""

    theirs: nn.Module
    ours: ResUNet

    def separate(self, mix: Tensor) -> tuple[Tensor, Tensor]:
        """Return both outputs, (batch, sources * channels, frames), as long as bytesep's."""
        with torch.inference_mode():
            reference = self.theirs({"waveform": mix})["waveform"]
            estimate = self.ours(mix).flatten(1, 2)
        assert estimate.shape[-1] == mix.shape[-1]
        assert mix.shape[-1] - reference.shape[-1] in range(4)  # bytesep's filter bank cuts
        return reference, estimate[..., : reference.shape[-1]]


def load_pair(architecture: str, sources: tuple[str, ...], folder: Path) -> Pair:
    pytest.importorskip("torchlibrosa", reason="pip install --no-deps bytesep==0.1.1 torchlibrosa")
    theirs = build_bytesep(architecture, len(sources), folder)
    fill(theirs, seed=len(sources))
    path = folder / "checkpoint.pth"
    torch.save({"model": theirs.state_dict()}, path)
    ours = load_checkpoint(path, architecture, sources)
    path.unlink()
    return Pair(theirs, ours)


def choose_cost(architecture: str) -> object:
    is_costly = architecture == "resunet143-ismir2021"
    return pytest.param(architecture, marks=pytest.mark.slow if is_costly else ())


@pytest.fixture(scope="module", params=map(choose_cost, CLASSES))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return load_pair(request.param, STEMS[:1], tmp_path_factory.mktemp(request.param))


def three_seconds() -> Tensor:
    """Return stereo noise that is digital silence for a while, in one channel and in both."""
    mix = noise(1, 2, 3 * 44100)
    mix[:, 0, 20_000:50_000] = 0
    mix[:, 1, 30_000:60_000] = 0
    return mix


CLIPS = {
    "3 s": three_seconds(),
    "odd": noise(1, 2, 12_345),
    "mono as stereo": noise(1, 1, 9_000).expand(-1, 2, -1),
    "batch of 3": noise(3, 2, 7_002),
}


@pytest.mark.parametrize(
    "clip",
    [
        pytest.param("3 s", marks=pytest.mark.slow),
        "odd",
        "mono as stereo",
        pytest.param("batch of 3", marks=pytest.mark.slow),
    ],
)
def test_output_is_bytesep_s(pair: Pair, clip: str) -> None:
    reference, estimate = pair.separate(CLIPS[clip])
    assert snr_db(reference, estimate) > ENOUGH_DB


def test_every_map_of_the_head_matters(pair: Pair) -> None:
    """Otherwise the tests above would prove less than they say."""
    network, mix = pair.ours, CLIPS["mono as stereo"]
    head = network.unet.head
    with torch.inference_mode():
        reference = network(mix)
        for index in range(MAPS):
            rows = torch.arange(head.out_channels) // network.config.band_count % MAPS == index
            with without_rows(head, rows):
                assert snr_db(reference, network(mix)) < 20


@contextmanager
def without_rows(head: nn.Conv2d, rows: Tensor) -> Iterator[None]:
    """Let the head give zeros in some of its rows."""
    with head.register_forward_hook(lambda _, __, maps: maps.masked_fill(rows[:, None, None], 0)):
        yield


@pytest.mark.parametrize(
    ("architecture", "count"),
    [
        ("mobilenet-subband", 2),
        ("mobilenet-subband", 4),
        pytest.param("resunet143-subband", 4, marks=pytest.mark.slow),
        pytest.param("resunet143-ismir2021", 2, marks=pytest.mark.slow),
    ],
)
def test_several_sources_are_bytesep_s(architecture: str, count: int, tmp_path: Path) -> None:
    pair = load_pair(architecture, STEMS[:count], tmp_path)
    reference, estimate = pair.separate(noise(2, 2, 5_000))
    assert estimate.shape[1] == 2 * count
    assert snr_db(reference, estimate) > ENOUGH_DB
