"""Mixing a batch anew: every source still is heard once a turn, in other company."""

import torch
from torch import Tensor

from stemkit.training.mixing import Batch
from stemkit.training.remix import remix
from stemkit.training.unsplit import UNSPLIT


def draw(count: int, sources: int) -> tuple[Batch, Tensor]:
    """Return a batch, and what its mixes have beside the sources."""
    torch.manual_seed(1)
    levels = torch.rand(count, sources + 1, 1, 1) + 0.1
    parts = torch.randn(count, sources + 1, 2, 1000) * levels
    bandwidth_hz = torch.arange(count * sources).reshape(count, sources).float()
    return (parts.sum(1), parts[:, :-1], bandwidth_hz), parts[:, -1]


def measure_rms(parts: Tensor) -> Tensor:
    return parts.square().mean((-1, -2)).sqrt()


def test_once_is_the_batch_itself() -> None:
    batch, _ = draw(4, 1)
    assert all(torch.equal(*pair) for pair in zip(remix(batch, 1), batch, strict=True))


def test_a_source_meets_the_rest_of_others_at_the_level_of_its_own() -> None:
    batch, rest = draw(5, 1)
    mixes, sources, bandwidth_hz = remix(batch, 3)
    assert torch.equal(mixes[:5], batch[0])
    for turn in (1, 2):
        part = slice(5 * turn, 5 * turn + 5)
        torch.testing.assert_close(sources[part], batch[1])
        torch.testing.assert_close(bandwidth_hz[part], batch[2])
        beside = mixes[part] - sources[part].sum(1)
        torch.testing.assert_close(measure_rms(beside), measure_rms(rest), atol=1e-4, rtol=1e-4)
        gains = measure_rms(rest) / measure_rms(rest).roll(turn)
        expected = rest.roll(turn, dims=0) * gains[:, None, None]
        torch.testing.assert_close(beside, expected, atol=1e-4, rtol=1e-4)


def test_further_sources_come_with_their_bandwidths_from_other_examples() -> None:
    batch, _ = draw(5, 3)
    mixes, sources, bandwidth_hz = remix(batch, 2)
    for number in range(3):
        original = batch[1][:, number].roll(number, dims=0)
        found = sources[5:, number]
        likeness = (found * original).sum((1, 2)) / (
            found.norm(dim=(1, 2)) * original.norm(dim=(1, 2))
        )
        torch.testing.assert_close(likeness, torch.ones(5), atol=1e-4, rtol=1e-4)
        assert torch.equal(bandwidth_hz[5:, number], batch[2][:, number].roll(number))
        torch.testing.assert_close(measure_rms(found), measure_rms(batch[1][:, number]))
    assert mixes.shape == (10, 2, 1000)


def test_what_is_not_split_stays_with_what_is_said_of_it() -> None:
    (_, sources, bandwidth_hz), rest = draw(4, 4)
    sources[1, 2:], bandwidth_hz[1, 2:] = 0, UNSPLIT
    mixes, found, bands = remix((sources.sum(1) + rest, sources, bandwidth_hz), 3)
    assert torch.equal(found[[6, 11], 2:], torch.zeros(2, 2, 2, 1000))  # where it has moved to
    for number, band in enumerate(bands):
        assert torch.equal(band[1:], bandwidth_hz[(number - number // 4) % 4, 1:])
        assert torch.equal(band[:1], bandwidth_hz[number % 4, :1])
    torch.testing.assert_close(measure_rms(mixes - found.sum(1)), measure_rms(rest).repeat(3))


def test_silence_stays_silence_and_replaces_nothing_with_noise() -> None:
    (_, sources, bandwidth_hz), rest = draw(3, 1)
    sources[0] = 0
    rest[1] = 0
    mixes, found, _ = remix((sources.sum(1) + rest, sources, bandwidth_hz), 2)
    assert not found[3].any()  # the one without a voice stays so
    beside = mixes[3:] - found.sum(1)[3:]
    assert measure_rms(beside)[2] < 1e-6  # the silent accompaniment is now the third one's
    torch.testing.assert_close(beside[1], rest[0], atol=1e-5, rtol=1e-5)  # at its own level
