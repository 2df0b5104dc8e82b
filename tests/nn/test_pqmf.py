"""The filter bank cuts into bands and joins them, without delay."""

import pytest
import torch

from stemkit.nn.pqmf import PQMF
from tests.nn.seeded import noise, snr_db

LENGTHS = [1, 3, 4, 5, 63, 64, 65, 44101]


@pytest.mark.parametrize("bands", [2, 4])
@pytest.mark.parametrize("frames", LENGTHS)
def test_bands_join_to_the_waveform(bands: int, frames: int) -> None:
    bank = PQMF(bands)
    waves = noise(3, 2, frames)
    assert snr_db(waves, bank.synthesize(bank.analyze(waves), frames)) > 60


@pytest.mark.parametrize("frames", [0, *LENGTHS])
def test_bands_have_the_length_that_is_told(frames: int) -> None:
    bank = PQMF(4)
    assert bank.analyze(noise(3, 2, frames)).shape == (3, 8, bank.band_frames(frames))


def test_impulse_comes_back_where_it_was() -> None:
    bank = PQMF(4)
    for place in range(500, 504):  # every phase of the decimation
        waves = torch.zeros(1, 1, 1000)
        waves[..., place] = 1
        joined = bank.synthesize(bank.analyze(waves), 1000)
        assert joined.argmax() == place
        assert joined[0, 0, place] == pytest.approx(1, abs=2e-3)


def test_channels_and_bands_do_not_mix() -> None:
    bank = PQMF(4)
    waves = noise(2, 3, 1000)
    waves[:, 1] = 0
    bands = bank.analyze(waves).reshape(2, 3, 4, -1)
    assert bands[:, 1].abs().max() == 0
    torch.testing.assert_close(bands[:, 2:], bank.analyze(waves[:, 2:])[:, None])
    joined = bank.synthesize(bands.flatten(1, 2), 1000)
    assert joined[:, 1].abs().max() == 0


@pytest.mark.parametrize("band", range(4))
def test_each_band_has_its_quarter_of_the_spectrum(band: int) -> None:
    frequency = (band + 0.5) / 8  # cycles a sample: the middle of the band
    wave = torch.sin(2 * torch.pi * frequency * torch.arange(8192))[None, None]
    power = PQMF(4).analyze(wave)[0, :, 100:-100].square().mean(1)
    assert power.argmax() == band
    assert power.sum() - power[band] < 1e-6 * power[band]


def test_decimation_keeps_the_sine_s_level() -> None:
    wave = torch.sin(2 * torch.pi * 0.01 * torch.arange(8192))[None, None]
    level = PQMF(4).analyze(wave)[0, 0, 100:-100].square().mean()
    assert level == pytest.approx(0.5, rel=0.05)
