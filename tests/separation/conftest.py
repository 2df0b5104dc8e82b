"""What tests of threads have."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)
