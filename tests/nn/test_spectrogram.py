"""Spectra, and the decoupled mask against its closed form in complex float64."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from stemkit.nn.spectrogram import Spectrogram, decouple, fold_bins, magnitude, unfold_bins
from tests.nn.seeded import noise, snr_db

Kind = Literal["tanh", "linear"]
KINDS: list[Kind] = ["tanh", "linear"]
SIZES = [(512, 110), (2048, 441), (64, 16)]


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
@pytest.mark.parametrize("beyond_half", [1, 15, 16, 17, 441, 4001])
def test_spectra_give_the_waves_back(n_fft: int, hop: int, beyond_half: int) -> None:
    spectrogram = Spectrogram(n_fft, hop)
    waves = noise(2, 3, n_fft // 2 + beyond_half)
    spectra = spectrogram(waves)
    assert spectra.shape == (2, 3, 1 + waves.shape[-1] // hop, n_fft // 2 + 1, 2)
    assert snr_db(waves, spectrogram.invert(spectra, waves.shape[-1])) > 120


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
def test_spectra_that_no_wave_has_give_the_nearest_wave_as_torch_does(n_fft: int, hop: int) -> None:
    frames = 5 * n_fft + 3
    spectra = noise(2, 1, 1 + frames // hop, n_fft // 2 + 1, 2)
    spectra[..., (0, -1), 1] = 0
    expected = torch.istft(
        torch.view_as_complex(spectra[:, 0]).transpose(1, 2),
        n_fft,
        hop,
        window=torch.hann_window(n_fft),
        length=frames,
    )
    assert snr_db(expected, Spectrogram(n_fft, hop).invert(spectra, frames)[:, 0]) > 110


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
def test_spectra_are_those_of_numpy(n_fft: int, hop: int) -> None:
    wave = noise(n_fft + 3 * hop)
    padded = np.pad(wave.double().numpy(), n_fft // 2, mode="reflect")
    window = np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    expected = np.fft.rfft(frames * window)
    found = torch.view_as_complex(Spectrogram(n_fft, hop)(wave))
    assert snr_db(torch.view_as_real(torch.from_numpy(expected)), torch.view_as_real(found)) > 110


def test_fold_stacks_neighbouring_bins_behind_their_channel() -> None:
    x = torch.arange(2 * 3 * 5 * 8).reshape(2, 3, 5, 8)
    folded = fold_bins(x, 4)
    for channel in range(3):
        for band in range(4):
            expected = x[:, channel, :, 2 * band : 2 * band + 2]
            assert torch.equal(folded[:, 4 * channel + band], expected)


def test_unfold_undoes_fold() -> None:
    x = noise(2, 3, 5, 8)
    folded = fold_bins(x, 4)  # (batch, channels * bands, time, freq)
    unfolded = unfold_bins(folded.reshape(2, 3, 4, 1, 5, 2))
    assert torch.equal(unfolded, x[:, :, None])


def closed_form(maps: Tensor, spectra: Tensor, kind: Kind) -> npt.NDArray[np.complex128]:
    """Return Y by the paper's equations, from the polar forms."""
    gain, real, imag, extra = np.moveaxis(maps.double().numpy(), -3, 0)
    x = spectra.double().numpy() @ np.array([1, 1j])
    angle = np.angle(x) + np.arctan2(np.tanh(imag), np.tanh(real))
    extra = np.tanh(extra) if kind == "tanh" else extra
    size = np.maximum(0, np.abs(x) / (1 + np.exp(-gain)) + extra)
    return np.asarray(size * np.exp(1j * angle))


@pytest.mark.parametrize("kind", KINDS)
def test_mask_is_the_closed_form(kind: Kind) -> None:
    maps, spectra = 20 * noise(3, 4, 50, 9, seed=1), 20 * noise(3, 50, 9, 2, seed=2)
    expected = torch.view_as_real(torch.from_numpy(closed_form(maps, spectra, kind)))
    torch.testing.assert_close(
        decouple(maps.double(), spectra.double(), kind), expected, rtol=1e-9, atol=1e-12
    )
    assert snr_db(expected, decouple(maps, spectra, kind)) > 120


def test_what_is_left_in_a_part_of_an_array_is_the_same() -> None:
    maps, spectra, whole = noise(4, 50, 9), noise(50, 9, 2), noise(60, 12, 2)
    before = whole.clone()
    part = whole[5:55, 2:11]
    decouple(maps, spectra, "linear", part)
    torch.testing.assert_close(part, decouple(maps, spectra, "linear"), rtol=0, atol=0)
    part.copy_(before[5:55, 2:11])
    torch.testing.assert_close(whole, before, rtol=0, atol=0)


def test_mask_of_several_sources_is_that_of_each() -> None:
    maps, spectra = 10 * noise(2, 3, 2, 4, 5, 9), noise(2, 2, 5, 9, 2, seed=1)
    together = decouple(maps, spectra[:, None], "tanh")
    for source in range(3):
        torch.testing.assert_close(
            together[:, source], decouple(maps[:, source], spectra, "tanh"), rtol=1e-6, atol=1e-7
        )


def constant_maps(gain: float, real: float, imag: float, extra: float) -> Tensor:
    return torch.tensor([gain, real, imag, extra])[:, None, None].expand(-1, 50, 9)


@pytest.mark.parametrize("kind", KINDS)
def test_identity_mask_gives_the_mix(kind: Kind) -> None:
    spectra = noise(50, 9, 2)
    torch.testing.assert_close(decouple(constant_maps(30, 1, 0, 0), spectra, kind), spectra)


@pytest.mark.parametrize(("kind", "added"), [("tanh", np.tanh(3)), ("linear", 3.0)])
def test_residual_magnitude_lets_the_source_exceed_the_mix(kind: Kind, added: float) -> None:
    spectra = noise(50, 9, 2)
    louder = decouple(constant_maps(30, 1, 0, 3), spectra, kind)
    torch.testing.assert_close(magnitude(louder), magnitude(spectra) + added)


@pytest.mark.parametrize("kind", KINDS)
def test_negative_magnitude_is_silence(kind: Kind) -> None:
    assert not decouple(constant_maps(0, 1, 1, -9), noise(50, 9, 2), kind).any()


@pytest.mark.parametrize(("real", "imag", "turn"), [(0, 2, 1j), (-2, 0, -1), (0, -2, -1j)])
def test_phase_turns_by_that_of_the_mask(real: float, imag: float, turn: complex) -> None:
    spectra = noise(50, 9, 2)
    turned = decouple(constant_maps(30, real, imag, 0), spectra, "tanh")
    expected = torch.view_as_complex(spectra) * turn
    torch.testing.assert_close(torch.view_as_complex(turned), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_silent(kind: Kind) -> None:
    maps = 20 * noise(4, 50, 9)
    assert not decouple(maps, torch.zeros(50, 9, 2), kind).any()
    assert not decouple(torch.zeros(4, 50, 9), noise(50, 9, 2), kind).any()  # a mask of no phase


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quiet", ["mix", "maps", "both"])
def test_gradients_of_silence_are_finite(kind: Kind, quiet: str) -> None:
    maps = 20 * noise(4, 50, 9) * (quiet == "mix")
    spectra = noise(50, 9, 2) * (quiet == "maps")
    maps.requires_grad_()
    spectra.requires_grad_()
    decouple(maps, spectra, kind).sum().backward()  # type: ignore[no-untyped-call]
    for tensor in (maps, spectra):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


def test_magnitude_has_a_floor_and_a_finite_gradient() -> None:
    pairs = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-30, 0.0]], requires_grad=True)
    sizes = magnitude(pairs)
    torch.testing.assert_close(sizes, torch.tensor([5.0, 1e-5, 1e-5]))
    sizes.sum().backward()  # type: ignore[no-untyped-call]
    assert pairs.grad is not None
    assert pairs.grad.isfinite().all()
