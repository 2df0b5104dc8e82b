"""What holds for every network, whatever its weights."""

import dataclasses

import pytest
import torch
from torch import Tensor

from stemkit.nn.blocks import FrequencyBlock
from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.resunet import ResUNet
from tests.nn.seeded import fill, noise, snr_db, tiny_config, tiny_network

EVERY = pytest.mark.parametrize("architecture", ARCHITECTURES)
STEMS = ("vocals", "drums", "other")


@EVERY
def test_output_has_the_mix_s_frames_and_is_deterministic(architecture: str) -> None:
    network = tiny_network(architecture, *STEMS)
    grid = network.config.grid_samples
    for frames in (0, 1, 100, grid - 1, grid, grid + 1):
        mix = noise(2, 2, frames)
        with torch.inference_mode():
            stems = network(mix)
            assert stems.shape == (2, 3, 2, frames)
            assert stems.dtype == torch.float32
            assert stems.isfinite().all()
            assert torch.equal(stems, network(mix))


@EVERY
def test_examples_of_a_batch_do_not_mix(architecture: str) -> None:
    network = tiny_network(architecture)
    mix = noise(3, 2, 9000)
    with torch.inference_mode():
        together = network(mix)
        alone = torch.cat([network(example[None]) for example in mix])
    assert snr_db(alone, together) > 100


def shifted_snr_db(network: ResUNet, shift: int) -> float:
    """Return how near the output of a late mix is to the late output, away from the edges."""
    mix = noise(1, 2, 80_000)
    with torch.inference_mode():
        stems = network(mix)[..., 30_000:50_000]
        late = network(torch.cat((noise(1, 2, shift, seed=1), mix), dim=-1))
    return snr_db(stems, late[..., 30_000 + shift : 50_000 + shift])


@EVERY
def test_shift_by_the_grid_shifts_the_output(architecture: str) -> None:
    network = tiny_network(architecture)
    grid = network.config.grid_samples
    assert shifted_snr_db(network, grid) > 90
    assert shifted_snr_db(network, 3 * grid) > 90
    assert shifted_snr_db(network, grid // 2) < 40  # the law isn't true for other shifts


@EVERY
@pytest.mark.parametrize("loudness", [0, 1e-4, pytest.param(1, marks=pytest.mark.slow)])
def test_gradients_are_finite_even_for_silence(architecture: str, loudness: float) -> None:
    network = ResUNet(tiny_config(architecture)).train()
    mix = noise(2, 2, 9000)
    mix[0] *= loudness
    error: Tensor = network.estimate(network.analyze(mix)).abs().mean()
    error.backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@EVERY
def test_silence_gives_silence(architecture: str) -> None:
    with torch.inference_mode():
        assert not tiny_network(architecture)(torch.zeros(1, 2, 9000)).any()


def test_new_frequency_blocks_change_nothing_until_they_are_trained() -> None:
    config = tiny_config("stemkit-small")
    plain = ResUNet(dataclasses.replace(config, frequency_bottleneck=0)).eval()
    fill(plain, seed=0)
    network = ResUNet(config).eval()
    missing, unknown = network.load_state_dict(plain.state_dict(), strict=False)
    assert not unknown
    blocks = [name for name in missing if name.endswith("linear1.weight")]
    assert len(blocks) == 2 * len(config.stage_channels)
    mix = noise(1, 2, 9000)
    with torch.inference_mode():
        assert torch.equal(network(mix), plain(mix))
        fill(network, seed=1)
        assert snr_db(plain(mix), network(mix)) < 40


def test_a_frequency_block_hears_every_bin_of_its_own_frame() -> None:
    block = FrequencyBlock(3, 32, 8)
    fill(block, seed=0)
    x = torch.zeros(1, 3, 5, 32)
    x[0, 1, 2, 30] = 10  # (batch, channels, time, freq)
    with torch.inference_mode():
        changed = (block.eval()(x) - block(torch.zeros_like(x))) != 0
    assert changed[0, 1, 2].all()
    assert changed.sum() == 32


@pytest.mark.parametrize("architecture", ["resunet143-subband", "resunet143-ismir2021"])
@pytest.mark.parametrize("frequency_hz", [500, 3000, 7000, 12_500, 14_000, 18_000, 21_000])
def test_sine_is_in_the_bin_of_its_frequency(architecture: str, frequency_hz: int) -> None:
    network = ResUNet(tiny_config(architecture))
    config = network.config
    left = 0.1 * torch.sin(2 * torch.pi * frequency_hz / 44100 * torch.arange(9000))
    spectra = network.analyze(torch.stack((left, torch.zeros(9000)))[None])
    power = spectra[0, :, 5:-5].square().sum((1, 3))  # (planes, freq)
    frequencies_hz = network.bin_frequencies_hz()
    assert frequencies_hz.shape == power.shape
    bin_hz = 44100 / config.n_fft / (config.frame_samples // config.hop)
    assert abs(frequencies_hz.flatten()[power.argmax()] - frequency_hz) <= bin_hz / 2
    assert not power[len(power) // 2 :].any()  # the planes of the silent right channel


def test_folded_bands_keep_their_bins_frequencies() -> None:
    whole = ResUNet(tiny_config("resunet143-ismir2021"))
    n_fft, hop = whole.config.n_fft, whole.config.hop
    folded = ResUNet(dataclasses.replace(tiny_config("stemkit-small"), n_fft=n_fft, hop=hop))
    assert torch.equal(folded.bin_frequencies_hz(), whole.bin_frequencies_hz())
    assert torch.equal(folded.analyze(noise(1, 2, 9000)), whole.analyze(noise(1, 2, 9000)))
