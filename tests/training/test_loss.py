"""What the losses count."""

import dataclasses
import functools

import pytest
import torch

from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.resunet import ResUNet
from stemkit.training.loss import LOSSES, Objective
from stemkit.training.unsplit import UNSPLIT

RATE = 44100


def make_objective(loss: str, *sources: str, above_hz: float = 0) -> Objective:
    torch.manual_seed(0)
    tiny = dataclasses.replace(
        ARCHITECTURES["stemkit-small"],
        n_fft=512,
        hop=128,
        stage_channels=(4, 6),
        sources=sources,
        above_hz=above_hz,
    )
    return Objective(ResUNet(tiny).eval(), loss, torch.float32)


@pytest.mark.parametrize("loss", ["spectrum_l1", "spectrum_rms"])
def test_bins_above_the_bandwidth_of_a_source_do_not_count(loss: str) -> None:
    objective = make_objective(loss, "vocals", "bass")
    mix, sources = torch.randn(1, 2, 8192), torch.randn(1, 2, 2, 8192)
    above = torch.fft.rfft(torch.randn(1, 2, 8192))
    above[..., : int(8192 * 12000 / RATE)] = 0
    other = sources.clone()
    other[:, 1] += torch.fft.irfft(above)

    def measure(target: torch.Tensor, *bandwidth_hz: float) -> float:
        errors, count = objective(mix, target, torch.tensor([bandwidth_hz]))
        return float((errors / count).item())

    narrow = [measure(target, 30000, 8000) for target in (sources, other)]
    for limits in ((30000, 30000), (8000, 30000)):
        broad = [measure(target, *limits) for target in (sources, other)]
        assert broad[1] > broad[0] * 1.05
    assert narrow[0] == pytest.approx(narrow[1], rel=1e-2)


@pytest.mark.parametrize("loss", ["spectrum_l1", "spectrum_rms"])
def test_bins_below_what_a_network_is_to_know_do_not_count(loss: str) -> None:
    mix, sources = torch.randn(1, 2, 8192), torch.randn(1, 1, 2, 8192)
    below = torch.fft.rfft(torch.randn(1, 1, 2, 8192))
    below[..., int(8192 * 3000 / RATE) :] = 0
    targets = sources, sources + torch.fft.irfft(below)

    def measure(above_hz: float) -> list[float]:
        objective = make_objective(loss, "vocals", above_hz=above_hz)
        found = [objective(mix, target, torch.tensor([[30000.0]])) for target in targets]
        return [float((errors / count).item()) for errors, count in found]

    one, other = measure(0)
    assert other > one * 1.02
    one, other = measure(4000)
    assert one == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_shares_of_a_batch_add_up_to_the_loss_of_the_whole(loss: str) -> None:
    objective = make_objective(loss, "vocals")
    batch = torch.randn(4, 2, 8192), torch.randn(4, 1, 2, 8192), torch.rand(4, 1) * 20000
    errors, count = objective(*batch)
    shares = [objective(*(part[half::2] for part in batch)) for half in (0, 1)]
    assert sum(int(share[1]) for share in shares) == int(count)
    assert sum(share[0].item() for share in shares) == pytest.approx(errors.item(), rel=1e-5)


def test_the_waveform_loss_is_the_mean_absolute_error() -> None:
    objective = make_objective("waveform_l1", "vocals", "bass")
    mix, sources = torch.randn(1, 2, 8192), torch.randn(1, 2, 2, 8192)
    errors, count = objective(mix, sources, torch.zeros(1, 2))
    wanted = (objective.network(mix) - sources).abs().mean()
    assert (errors / count).item() == pytest.approx(wanted.item(), rel=1e-4)


def test_the_rms_loss_is_by_source_of_each_mix_and_a_source_of_no_bandwidth_has_none() -> None:
    objective = make_objective("spectrum_rms", "vocals", "bass")
    mix, sources = torch.randn(2, 2, 8192), torch.randn(2, 2, 2, 8192)
    network = objective.network
    with torch.inference_mode():
        found = network.estimate(network.analyze(mix))
        wanted = network.analyze(sources.flatten(0, 1)).view_as(found)
        power = (found - wanted).square().sum(-1).mean((2, 3, 4))
        errors, count = objective(mix, sources, torch.tensor([[3e4, 3e4], [3e4, 0]]))
    assert count == 3
    assert errors.item() == pytest.approx(power.sqrt().flatten()[:3].sum().item(), rel=1e-4)


def give(found: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return found


@pytest.mark.parametrize("loss", LOSSES)
def test_of_what_is_not_split_the_sum_alone_is_learnt(loss: str) -> None:
    objective = make_objective(loss, "vocals", "drums", "bass")
    network = objective.network
    mix, sources = torch.randn(2, 2, 8192), torch.randn(2, 3, 2, 8192)
    sources[1, 2] = 0
    bandwidth_hz = torch.tensor([[3e4, 3e4, 3e4], [3e4, 3e4, UNSPLIT]])
    with torch.inference_mode():
        errors, count = objective(mix, sources, bandwidth_hz)
        found = network.estimate(network.analyze(mix))
        # The same as two sources by themselves: the vocals, and the sum of what was found besides.
        for turn, shares in ((0, torch.eye(3)), (1, torch.tensor([[1.0, 0, 0], [0, 1, 1]]))):
            sums = torch.einsum("ij,j...->i...", shares, found[turn])[None]
            wanted = sources[turn, : len(shares)][None]
            known = torch.full((1, len(shares)), 3e4)
            alone = objective.add_errors(
                network, functools.partial(give, sums), mix[:1], wanted, known
            )
            errors, count = errors - alone[0], count - alone[1]
    assert count == 0
    assert errors.item() == pytest.approx(0, abs=1e-4 * alone[0].item())


def test_what_is_not_split_teaches_the_vocals_and_each_source_of_the_sum_alike() -> None:
    objective = make_objective("spectrum_l1", "vocals", "drums", "bass")
    mix, sources = torch.randn(1, 2, 8192), torch.zeros(1, 3, 2, 8192)
    found = torch.zeros(1, 3, *objective.network.analyze(mix).shape[1:], requires_grad=True)
    errors, _ = objective.add_errors(
        objective.network,
        lambda _: found + torch.tensor([1.0, 2, -1]).view(1, 3, 1, 1, 1, 1),
        mix,
        sources,
        torch.tensor([[3e4, 3e4, UNSPLIT]]),
    )
    errors.backward()  # type: ignore[no-untyped-call]
    assert found.grad is not None
    assert torch.equal(found.grad[:, 1], found.grad[:, 2])
    assert found.grad[:, 1].min() > 0
