"""How arrays reach a processor's streams."""

import numpy as np
import pytest

from stemkit.samples import Samples
from stemkit.separation.processor import DEFAULT_BUFFER_SIZE, Processor, SampleStream
from tests.contract import noise


class Pass:
    """A stream that holds nothing back, and keeps what it was given."""

    def __init__(self) -> None:
        self.pushed: list[Samples] = []

    def push(self, block: Samples) -> Samples:
        self.pushed.append(block)
        return block

    def flush(self, tail_frames: int = 0) -> Samples:
        return np.zeros((len(self.pushed[0]), tail_frames), np.float32)


class Recorder(Processor):
    """Keeps what streams were opened, each as (rate, channels, buffer size)."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[tuple[int, int, int]] = []
        self.streams: list[Pass] = []

    def open_stream(
        self, sample_rate: int, channels: int, buffer_size: int = DEFAULT_BUFFER_SIZE
    ) -> SampleStream:
        self.opened.append((sample_rate, channels, buffer_size))
        self.streams.append(Pass())
        return self.streams[-1]

    def latency_at(self, sample_rate: int) -> int:
        return sample_rate // 100


def test_a_call_opens_a_stream_and_a_stream_of_calls_opens_one() -> None:
    recorder = Recorder()
    recorder(noise(2, 9), 48000.0, 77)
    for _ in range(3):
        recorder(noise(9), 44100, reset=False)
    recorder.flush()
    recorder(noise(9, 3), 44100, reset=False)
    assert recorder.opened == [(48000, 2, 77), (44100, 1, 8192), (44100, 3, 8192)]


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2), (0, 50_000)], ids=str)
@pytest.mark.parametrize("reset", [True, False])
def test_nothing_opens_no_stream(shape: tuple[int, ...], reset: bool) -> None:
    recorder = Recorder()
    assert recorder(noise(*shape), 44100, reset=reset).shape == shape
    assert recorder.opened == []


def test_only_a_block_of_a_stream_is_read_like_the_one_before() -> None:
    recorder = Recorder()
    recorder(noise(2, 9), 44100)
    recorder(noise(2, 1), 44100)
    recorder(noise(2, 9), 44100)
    recorder(noise(2, 1), 44100, reset=False)
    assert [channels for _, channels, _ in recorder.opened] == [2, 1, 2, 2]


@pytest.mark.parametrize("first", [(2, 9), (9, 2), (9,)], ids=str)
def test_a_square_array_is_read_like_the_one_before(first: tuple[int, ...]) -> None:
    recorder, square = Recorder(), noise(3, 3)
    recorder(noise(*first), 44100)
    recorder(square, 44100)
    (audio,) = recorder.streams[-1].pushed
    np.testing.assert_array_equal(audio, square if first == (2, 9) else square.T)


def test_the_latency_is_at_the_rate_of_the_last_call() -> None:
    recorder = Recorder()
    assert recorder.latency_samples == 441
    recorder(noise(9), 48000)
    assert recorder.latency_samples == 480
    recorder.reset()
    assert recorder.latency_samples == 480
