"""A Board is called as Pedalboard's plugins are, and promises what they do."""

from collections.abc import Callable
from typing import cast

import pedalboard
import pytest

from stemkit.effects.board import Board
from stemkit.separation.processor import Processor
from stemkit.separation.separator import Separator
from tests.contract import Contract, OwnContract, Plugin
from tests.separation.networks import make_identity


def make_separator() -> Separator:
    return Separator(
        model=make_identity(), device="cpu", segment_seconds=0.05, overlap_seconds=0.01
    )


def make_empty() -> Board:
    return Board()


def make_native() -> Board:
    return Board([pedalboard.Gain(0)])


def make_mixed() -> Board:
    return Board(
        [pedalboard.Gain(0), make_separator(), Board([pedalboard.Mix([pedalboard.Gain(0)])])]
    )


BOARDS = [make_empty, make_native, make_mixed]


class TestContract(Contract):
    @pytest.fixture(params=BOARDS)
    def plugin(self, request: pytest.FixtureRequest) -> Plugin:
        return cast(Callable[[], Plugin], request.param)()


class TestOwnContract(OwnContract):
    @pytest.fixture(params=BOARDS)
    def plugin(self, request: pytest.FixtureRequest) -> Processor:
        return cast(Callable[[], Processor], request.param)()
