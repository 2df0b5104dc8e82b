"""A Separator is called as Pedalboard's plugins are, and promises what they do."""

from collections.abc import Callable
from typing import cast

import pedalboard
import pytest

from stemkit.separation.processor import Processor
from stemkit.separation.separator import Separator
from tests.contract import Contract, OwnContract, Plugin
from tests.separation.networks import make_identity, make_silence


def make_vocals() -> Separator:
    return Separator(
        model=make_identity(), device="cpu", segment_seconds=0.05, overlap_seconds=0.01
    )


def make_rest() -> Separator:
    """Return a separator whose stem is what its network leaves."""
    return Separator(
        "residual",
        model=make_silence("drums", "bass"),
        device="cpu",
        batch_size=3,
        segment_seconds=0.04,
        overlap_seconds=0.02,
    )


def make_gain() -> Plugin:
    return pedalboard.Gain(0)


def make_empty_board() -> Plugin:
    return pedalboard.Pedalboard([])


def make_board() -> Plugin:
    return pedalboard.Pedalboard([pedalboard.Gain(0), pedalboard.Mix([pedalboard.Gain(0)])])


class TestContract(Contract):
    @pytest.fixture(params=[make_gain, make_empty_board, make_board, make_vocals, make_rest])
    def plugin(self, request: pytest.FixtureRequest) -> Plugin:
        return cast(Callable[[], Plugin], request.param)()


class TestOwnContract(OwnContract):
    @pytest.fixture(params=[make_vocals, make_rest])
    def plugin(self, request: pytest.FixtureRequest) -> Processor:
        return cast(Callable[[], Processor], request.param)()
