"""Callers in many threads share batches, and none sees more of the others than rounding."""

import dataclasses
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stemkit.errors import ArgumentTypeError, DeviceError, OptionError
from stemkit.nn.fused import FusedBlock
from stemkit.samples import Samples
from stemkit.separation import device
from stemkit.separation.device import (
    CudaDevice,
    Placement,
    PlainDevice,
    choose_placement,
    is_memory_error,
)
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from stemkit.separation.predictor import Predictor
from stemkit.separation.separator import Separator
from stemkit.weights.models import Bag
from tests.separation.networks import TINY, Identity, make_scaled, make_tiny
from tests.separation.standin import PATIENCE_SECONDS, StandIn

GRID = TINY.grid_samples
SHORT = EngineOptions(device="cpu", precision="float32", segment_seconds=0.5, overlap_seconds=0.1)


def noise(frames: int, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, (2, frames)).astype(np.float32)


def constant(value: float, frames: int = 1000) -> Samples:
    return np.full((2, frames), value, np.float32)


class Crew:
    """Threads that each do one thing; what it gave or raised is in its place."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self.outcomes: list[Any] = []

    def start(self, work: Callable[[], object]) -> None:
        place = len(self.outcomes)
        self.outcomes.append(None)

        def note() -> None:
            try:
                self.outcomes[place] = work()
            except BaseException as error:
                self.outcomes[place] = error

        thread = threading.Thread(target=note, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> list[Any]:
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "a caller hangs"
        return self.outcomes


def await_count(count: Callable[[], int], least: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while count() < least:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def count_waiting(predictor: Predictor) -> int:
    return len(predictor._batches._waiting)


@pytest.fixture
def open_engine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Engine]:
    """Return a function that opens an engine on a stand-in; only that can run its network."""

    def open_it(
        device: StandIn, network: nn.Module | None = None, workers: int = 1, **options: Any
    ) -> Engine:
        monkeypatch.setattr("stemkit.separation.engine.open_device", lambda *_, **__: device)
        guarded = network if isinstance(network, Bag) else device.guard(network or make_tiny())
        return Engine(guarded, dataclasses.replace(SHORT, **options), workers)

    return open_it


def line_up(
    device: StandIn, predictors: Predictor | Sequence[Predictor], calls: Sequence[Sequence[Samples]]
) -> list[Any]:
    """Return the outcomes of `calls`, made one after another before any of them is over."""
    if isinstance(predictors, Predictor):
        predictors = [predictors] * len(calls)
    crew, begun, brought = Crew(), len(device.batches), device.segments
    device.gate.clear()
    for count, (predictor, call) in enumerate(zip(predictors, calls, strict=True), start=1):
        crew.start(partial(predictor.predict, call))
        brought += len(call)
        await_count(lambda: device.segments + count_waiting(predictors[0]), brought)
        await_count(lambda: len(device.batches), begun + min(count, device.lanes))
    device.gate.set()
    return crew.join()


@pytest.mark.parametrize(("batch_size", "atol"), [(1, 0), (3, 1e-5)])
@pytest.mark.parametrize("lengths", [None, 4])
def test_segments_together_are_segments_apart(
    open_engine: Callable[..., Engine], batch_size: int, atol: float, lengths: int | None
) -> None:
    """Whatever other callers do meanwhile."""
    device = StandIn(lanes=2, lengths=lengths)
    predictor = open_engine(device, batch_size=batch_size).predictor
    frames = [3000, 9000, 3000, 3001, 9000, 1, GRID * 3]
    segments = [noise(count, seed) for seed, count in enumerate(frames)]
    alone = [predictor.predict([segment])[0] for segment in segments]
    crew = Crew()
    for first in range(len(segments)):
        turned = segments[first:] + segments[:first]
        crew.start(partial(predictor.predict, turned))
    for first, found in enumerate(crew.join()):
        for stems, expected in zip(found, alone[first:] + alone[:first], strict=True):
            assert stems.shape == expected.shape
            np.testing.assert_allclose(stems, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_each_caller_gets_its_own_in_order(open_engine: Callable[..., Engine], lanes: int) -> None:
    device = StandIn(lanes=lanes)
    predictor = open_engine(device, make_scaled("vocals", "bass"), batch_size=4).predictor
    calls = [
        [constant(caller + number / 16, 500 + 100 * (number % 3)) for number in range(5)]
        for caller in range(8)
    ]
    outcomes = line_up(device, predictor, calls)
    for call, found in zip(calls, outcomes, strict=True):
        for segment, (vocals, bass) in zip(call, found, strict=True):
            np.testing.assert_array_equal(vocals, segment)
            np.testing.assert_array_equal(bass, segment * 2)
    assert device.most_at_once == lanes  # and the stand-in refuses more
    assert sum(shape[0] for shape in device.batches) == 40


def test_callers_that_wait_fill_batches(open_engine: Callable[..., Engine]) -> None:
    device = StandIn(lanes=1)
    predictor = open_engine(device, batch_size=4).predictor
    line_up(device, predictor, [[noise(1000)]] * 7)
    assert [shape[0] for shape in device.batches] == [1, 4, 2]


def test_the_oldest_goes_first_and_takes_along_its_like(
    open_engine: Callable[..., Engine],
) -> None:
    device = StandIn(lanes=1)
    predictor = open_engine(device, batch_size=3).predictor
    line_up(device, predictor, [[noise(500)], [noise(700)], [noise(600)] * 2, [noise(700)] * 3])
    assert device.batches == [(1, 2, 500), (3, 2, 700), (2, 2, 600), (1, 2, 700)]


def test_only_the_same_members_of_a_bag_share_a_batch(open_engine: Callable[..., Engine]) -> None:
    device = StandIn(lanes=1)
    bag = Bag([make_tiny(("vocals",)), make_tiny(("bass",))])
    both = open_engine(device, bag, stems=("vocals", "bass"), batch_size=8)
    vocals, again, bass = (both.with_stems((name,)) for name in ("vocals", "vocals", "bass"))
    predictors = [engine.predictor for engine in (both, vocals, bass, again, both)]
    outcomes = line_up(device, predictors, [[noise(3000)]] * 5)
    everything, voice, low, same, _ = (found[0] for found in outcomes)
    assert [shape[0] for shape in device.batches] == [1, 2, 1, 1]
    np.testing.assert_allclose(voice, everything[:1], atol=1e-5)
    np.testing.assert_allclose(same, everything[:1], atol=1e-5)
    np.testing.assert_allclose(low, everything[1:], atol=1e-5)


class Fragile(Identity):
    """Gives infinity for a segment that is loud."""

    def forward(self, mix: Tensor) -> Tensor:
        is_quiet = mix.abs().amax((1, 2)) < 0.9
        return super().forward(mix) / is_quiet[:, None, None, None]


def test_bad_numbers_fail_only_whose_they_are(open_engine: Callable[..., Engine]) -> None:
    device = StandIn(lanes=1)
    predictor = open_engine(device, Fragile(TINY), batch_size=4).predictor
    calls = [[constant(0.1)], [constant(0.2)], [constant(0.3), constant(1)], [constant(0.4)]]
    first, second, bad, last = line_up(device, predictor, calls)
    assert [shape[0] for shape in device.batches] == [1, 4]
    assert isinstance(bad, DeviceError)
    assert "turn the input down" in str(bad)
    for (segment,), found in zip(
        (calls[0], calls[1], calls[3]), (first, second, last), strict=True
    ):
        np.testing.assert_array_equal(found[0][0], segment)


def test_an_error_reaches_all_in_its_batch_and_no_other(
    open_engine: Callable[..., Engine],
) -> None:
    error = RuntimeError("broken")
    device = StandIn(lanes=1, faults={3: error})
    predictor = open_engine(device, make_scaled("vocals"), batch_size=2).predictor
    calls = [[constant(n)] for n in range(7)]  # in batches: 0, 1 2, 3 4, 5 6
    outcomes = line_up(device, predictor, calls)
    assert outcomes[3] is error
    assert outcomes[4] is error
    for number in (0, 1, 2, 5, 6):
        np.testing.assert_array_equal(outcomes[number][0][0], calls[number][0])


def test_who_runs_a_batch_for_others_can_be_interrupted(
    open_engine: Callable[..., Engine],
) -> None:
    """Then the others' segments of that batch are run by one of them."""
    device = StandIn(lanes=1, faults={0: KeyboardInterrupt(), 2: KeyboardInterrupt()})
    predictor = open_engine(device, make_scaled("vocals"), batch_size=4).predictor
    calls = [[constant(n)] * 2 for n in range(5)]
    outcomes = line_up(device, predictor, calls)
    interrupted = [n for n, found in enumerate(outcomes) if isinstance(found, KeyboardInterrupt)]
    assert len(interrupted) == 2
    assert interrupted[0] == 0
    for number in set(range(5)) - set(interrupted):
        for stems in outcomes[number]:
            np.testing.assert_array_equal(stems[0], calls[number][0])
    assert count_waiting(predictor) == 0


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals don't wake threads here")
def test_who_waits_can_be_interrupted(open_engine: Callable[..., Engine]) -> None:
    """Then what it brought is withdrawn, and those that it waited for go on."""
    device = StandIn(lanes=1)
    predictor = open_engine(device, make_scaled("vocals"), batch_size=1).predictor
    crew = Crew()
    device.gate.clear()
    crew.start(partial(predictor.predict, [constant(1)] * 2))
    await_count(lambda: len(device.batches), 1)
    me = threading.get_ident()

    def interrupt() -> None:
        await_count(lambda: count_waiting(predictor), 4)
        signal.pthread_kill(me, signal.SIGINT)

    crew.start(interrupt)
    with pytest.raises(KeyboardInterrupt):
        predictor.predict([constant(7, 77)] * 3)
    assert count_waiting(predictor) == 1
    device.gate.set()
    assert len(crew.join()[0]) == 2
    assert device.batches == [(1, 2, 1000)] * 2


def test_what_an_interrupted_caller_has_in_a_batch_is_not_run_again(
    open_engine: Callable[..., Engine],
) -> None:
    """Nobody would wait for it: the batch of two runs out of memory after one of them left."""
    device = StandIn(lanes=2, memory=2 * 1000)
    predictor = open_engine(device, make_scaled("vocals"), batch_size=2).predictor
    batches = predictor._batches
    left, stays = (_call(predictor, n) for n in (1, 2))
    batches._waiting += [left, stays]
    with batches._lock:
        batch = batches._take(stays.call)
    batches._leave(left.call)
    batches._run(batch)
    batches._release(stays.call)
    assert batches._waiting == [stays]


def _call(predictor: Predictor, value: float) -> Any:
    from stemkit.separation.batches import _Call, _Item

    return _Item(_Call(predictor._step), constant(value))


@pytest.fixture
def warnings_of_ours(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "stemkit")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "stemkit"]


def test_batches_are_halved_where_memory_runs_out(
    open_engine: Callable[..., Engine], warnings_of_ours: Callable[[], list[str]]
) -> None:
    one = 2 * 1000  # bytes of a segment
    device = StandIn(lanes=1, memory=3 * one)
    predictor = open_engine(device, make_scaled("vocals"), batch_size=8).predictor
    for _ in range(2):
        segments = [constant(n) for n in range(9)]
        for found, segment in zip(predictor.predict(segments), segments, strict=True):
            np.testing.assert_array_equal(found[0], segment)
    sizes = [shape[0] for shape in device.batches]
    assert sizes == [8, 4, 2, 2, 2, 2, 1, 2, 2, 2, 2, 1]
    assert device.cleanings == 2
    (line,) = warnings_of_ours()
    assert "memory ran out on cpu" in line
    assert "\n" not in line


def test_what_ran_out_of_memory_keeps_its_turn(open_engine: Callable[..., Engine]) -> None:
    device = StandIn(lanes=1, memory=3 * 2 * 1000)
    predictor = open_engine(device, make_scaled("vocals"), batch_size=4).predictor
    predictor.predict([*[constant(1)] * 4, constant(2, 700)])
    assert device.batches == [(4, 2, 1000), (2, 2, 1000), (2, 2, 1000), (1, 2, 700)]


def test_lanes_are_halved_where_single_segments_are_too_much_together(
    open_engine: Callable[..., Engine], warnings_of_ours: Callable[[], list[str]]
) -> None:
    device = StandIn(lanes=4, memory=2 * 2 * 1000)
    predictor = open_engine(device, make_scaled("vocals"), batch_size=1).predictor
    calls = [[constant(n)] * 3 for n in range(6)]
    for call, found in zip(calls, line_up(device, predictor, calls), strict=True):
        for stems in found:
            np.testing.assert_array_equal(stems[0], call[0])
    assert predictor._batches._lanes <= 2
    assert len(warnings_of_ours()) == 1


def test_a_segment_too_big_for_the_memory_fails_its_caller(
    open_engine: Callable[..., Engine],
) -> None:
    device = StandIn(lanes=2, memory=2 * 1500)
    predictor = open_engine(device, make_scaled("vocals"), batch_size=2).predictor
    calls = [[constant(1)], [constant(2, 1501)], [constant(3)]]
    small, big, other = line_up(device, predictor, calls)
    assert isinstance(big, DeviceError)
    assert str(big) == (
        "out of memory on cpu with one segment of 1501 frames; lower the segment seconds"
    )
    assert isinstance(big.__cause__, torch.OutOfMemoryError)
    np.testing.assert_array_equal(small[0][0], calls[0][0])
    np.testing.assert_array_equal(other[0][0], calls[2][0])


def _catch(act: Callable[[], object]) -> Exception:
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_want_of_memory_is_known_from_other_errors() -> None:
    assert is_memory_error(_catch(lambda: torch.empty(2**50, dtype=torch.uint8)))
    assert is_memory_error(_catch(lambda: np.empty(2**50, np.uint8)))
    assert is_memory_error(torch.OutOfMemoryError())
    assert is_memory_error(RuntimeError("DefaultCPUAllocator: not enough memory: you tried"))
    assert is_memory_error(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert not is_memory_error(_catch(lambda: torch.ones(2) @ torch.ones(3)))
    assert not is_memory_error(ValueError("out of memory"))


def test_clips_of_many_lengths_share_batches_on_a_gpu(open_engine: Callable[..., Engine]) -> None:
    device = StandIn(lanes=1, lengths=8)
    engine = open_engine(device, batch_size=8, segment_seconds=1.0)
    bucket = engine.plan.segment_frames // GRID // 8 * GRID
    clips = [noise(bucket + n) for n in (-5, 1, 2, 700, bucket, 3, bucket + 1)]
    found = line_up(device, engine.predictor, [[clip] for clip in clips])
    assert [shape[::2] for shape in device.batches] == [
        (1, bucket),
        (5, bucket * 2),
        (1, bucket * 3),
    ]
    for clip, (stems,) in zip(clips, found, strict=True):
        assert stems.shape == (1, *clip.shape)
        (alone,) = engine.predictor.predict([clip])
        np.testing.assert_allclose(stems, alone, atol=1e-5)


@pytest.mark.parametrize("grids", [1, 7, 8, 9, 25])
def test_no_segment_grows_past_a_full_one(open_engine: Callable[..., Engine], grids: int) -> None:
    device = StandIn(lengths=8)
    engine = open_engine(
        device, make_scaled("vocals"), batch_size=1,
        segment_seconds=grids * GRID / 44100, overlap_seconds=0,
    )  # fmt: skip
    full = engine.plan.segment_frames
    assert full == grids * GRID
    for frames in (1, GRID, full - 1, full):
        (stems,) = engine.predictor.predict([noise(frames)])
        np.testing.assert_array_equal(stems[0], noise(frames))
        padded = device.batches[-1][-1]
        assert frames <= padded <= full
        assert padded == full or padded % GRID == 0
    assert len(set(device.batches)) <= 8 + grids % 8


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize(
    ("segments", "expected"), [(0.5, 1), (2.5, 2), (10, 8), (1000, 64)], ids=str
)
def test_auto_fills_four_fifths_of_the_memory(
    open_engine: Callable[..., Engine], lanes: int, segments: float, expected: int
) -> None:
    """`segments` is how many would fill the memory of a lane."""
    frames = open_engine(StandIn()).plan.segment_frames
    device = StandIn(lanes, memory=int(segments * lanes * 2 * frames) + lanes)
    engine = open_engine(device, batch_size="auto")
    assert engine.predictor.batch_size == expected
    hop = engine.plan.hop_frames
    assert engine.latency_at(44100) == frames + (expected - 1) * hop
    engine.with_stems(("vocals",))
    assert device.measured == [(1, 2, frames)]  # once
    longer = engine.with_options(dataclasses.replace(engine.options, segment_seconds=1.0))
    assert device.measured[1:] == [(1, 2, longer.plan.segment_frames)]


def test_numbers_are_taken_as_they_are(open_engine: Callable[..., Engine]) -> None:
    device = StandIn(memory=10)
    assert open_engine(device, batch_size=7).predictor.batch_size == 7
    assert device.batches == []


def test_on_a_cpu_auto_is_one() -> None:
    assert Engine(make_tiny(), SHORT).predictor.batch_size == 1


@pytest.mark.parametrize(("workers", "portion"), [(1, 8), (2, 8), (3, 6), (16, 1), (99, 1)])
def test_songs_bring_what_fills_all_lanes_together(
    open_engine: Callable[..., Engine], workers: int, portion: int
) -> None:
    """Memory is bounded by the lanes, not by how many songs are on their way."""
    device = StandIn(lanes=2)
    engine = open_engine(device, workers=workers, batch_size=8)
    assert engine.portion == portion
    engine.separate(noise(44100 * 5), 44100)
    assert max(shape[0] for shape in device.batches) == portion


def test_what_is_no_batch_size_is_refused() -> None:
    assert EngineOptions().batch_size == "auto"
    wrong: Any
    for wrong in ("all", 1.5, None, np.ones(2)):
        with pytest.raises(ArgumentTypeError, match="or 'auto'"):
            EngineOptions(batch_size=wrong)
    with pytest.raises(OptionError, match="1 segment or more"):
        EngineOptions(batch_size=0)
    with pytest.raises(OptionError, match="1 worker or more"):
        Engine(make_tiny(), SHORT, workers=0)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_songs_at_once_are_songs_one_after_another_to_the_bit(workers: int) -> None:
    engine = Engine(make_tiny(), SHORT, workers)
    songs = [noise(12_000 + 7000 * n, n) for n in range(5)]
    expected = [engine.separate(song, 44100)["vocals"] for song in songs]
    crew = Crew()
    for song in songs:
        crew.start(partial(engine.separate, song, 44100))
    for found, alone in zip(crew.join(), expected, strict=True):
        np.testing.assert_array_equal(found["vocals"], alone)


class ThreadCounter(Identity):
    """Notes in `counts` how many threads torch has in each step."""

    def __init__(self, counts: list[int]) -> None:
        super().__init__(TINY)
        self.counts = counts

    def forward(self, mix: Tensor) -> Tensor:
        self.counts.append(torch.get_num_threads())
        return super().forward(mix)


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(
    ("workers", "memory", "threads"),
    [(1, 1, 4), (1, 2, 2), (1, 9, 1), (2, 1, 2), (3, 1, 1), (8, 1, 1)],
)
def test_lanes_share_the_cores(
    workers: int, memory: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And torch's setting is the user's again after each step, also for threads begun later."""
    monkeypatch.setattr(device, "cpu_count", lambda: 8)
    monkeypatch.setattr(device, "count_fitting_steps", lambda: memory)
    counts: list[int] = []
    engine = Engine(ThreadCounter(counts), SHORT, workers)
    crew = Crew()
    crew.start(partial(engine.predictor.predict, [noise(1000)] * 2))
    crew.join()
    later = Crew()
    later.start(torch.get_num_threads)
    assert counts == [threads] * 2
    assert later.join() == [4]


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(
    ("workers", "seconds", "threads"), [(1, 0.4, 4), (1, 0.6, 1), (2, 0.4, 1), (4, 0.4, 1)]
)
def test_a_lone_segment_of_a_song_alone_has_all_cores(
    workers: int, seconds: float, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_count", lambda: 8)
    monkeypatch.setattr(device, "count_fitting_steps", lambda: 9)
    counts: list[int] = []
    engine = Engine(ThreadCounter(counts), SHORT, workers)
    song = noise(round(44100 * seconds))
    np.testing.assert_array_equal(engine.separate(song, 44100)["vocals"], song)
    assert set(counts) == {threads}


@pytest.mark.usefixtures("four_threads")
def test_a_new_thread_is_not_undone_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch gives a thread that asks for the first time what any thread has set last."""
    monkeypatch.setattr(device, "cpu_count", lambda: 8)
    counts: list[int] = []
    engine = Engine(ThreadCounter(counts), SHORT, workers=4)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        crew = Crew()
        for _ in range(60):
            crew.start(partial(engine.predictor.predict, [noise(1000)]))
        crew.join()
    finally:
        sys.setswitchinterval(before)
    assert counts == [1] * 60


@pytest.mark.parametrize(("workers", "lanes"), [(1, 1), (2, 2), (3, 2), (8, 2)])
def test_there_are_no_more_lanes_than_cores(
    workers: int, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_count", lambda: 2)
    monkeypatch.setattr(device, "count_fitting_steps", lambda: 1)
    assert device.open_device(choose_placement("cpu", "float32"), workers).lanes == lanes


@pytest.mark.parametrize(
    ("cores", "memory", "lanes"),
    [(1, 9, 1), (2, 9, 2), (2, 1, 1), (3, 9, 3), (5, 3, 1), (6, 9, 3), (7, 9, 1), (8, 9, 4),
     (8, 3, 2), (10, 9, 2), (16, 99, 4), (64, 1, 1)],
)  # fmt: skip
def test_a_song_alone_has_as_many_lanes_as_leave_no_core_idle(
    cores: int, memory: int, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that can be, and the memory has room for their steps."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    monkeypatch.setattr(device, "count_fitting_steps", lambda: memory)
    assert device.open_device(choose_placement("cpu", "float32"), 1).lanes == lanes


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("refusal", ["is_exclusive", "shares_memory"])
def test_a_song_has_one_lane_where_more_would_harm(
    refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "count_fitting_steps", lambda: 9)
    placement = choose_placement("cpu", "float32")
    assert device.open_device(placement, 1).lanes == 4
    assert device.open_device(placement, 1, **{refusal: True}).lanes == 1


@pytest.mark.usefixtures("four_threads")
def test_one_lane_leaves_the_threads_of_its_caller_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "count_fitting_steps", lambda: 1)
    counts: list[int] = []
    engine = Engine(ThreadCounter(counts), SHORT)
    torch.set_num_threads(3)
    engine.predictor.predict([noise(1000)])
    assert counts == [3]


@pytest.mark.usefixtures("four_threads")
def test_a_stream_has_all_cores_in_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as its caller gave torch."""
    monkeypatch.setattr(device, "count_fitting_steps", lambda: 9)
    counts: list[int] = []
    separator = Separator(model=ThreadCounter(counts), segment_seconds=0.5, overlap_seconds=0.1)
    separator(noise(60_000), 44100)
    songs = counts.copy()
    counts.clear()
    torch.set_num_threads(3)
    separator(noise(60_000), 44100, reset=False)
    separator.flush()
    assert len(counts) == len(songs) > 2
    assert set(songs) == {1}
    assert set(counts) == {3}


@pytest.mark.parametrize(("workers", "at_once"), [(1, 3), (2, 2), (3, 1)])
def test_segments_of_a_song_run_at_once(
    open_engine: Callable[..., Engine], workers: int, at_once: int
) -> None:
    """So many that all songs together fill the lanes, while those before them are given out."""
    device = StandIn(lanes=3)
    engine = open_engine(device, make_scaled("vocals"), workers=workers, batch_size=1)
    song = noise(44100 * 5)
    device.gate.clear()
    crew = Crew()
    crew.start(partial(engine.separate, song, 44100))
    await_count(lambda: len(device.batches), at_once)
    time.sleep(0.05)
    assert len(device.batches) == at_once
    device.gate.set()
    np.testing.assert_allclose(crew.join()[0]["vocals"], song, atol=1e-6)
    assert len(device.batches) > 10


def test_a_song_that_is_given_up_ends_in_the_middle_of_a_step() -> None:
    """Between two blocks of the network."""
    engine = Engine(make_tiny(), SHORT)
    network = engine.predictor._network
    first, *others = (part for part in network.modules() if isinstance(part, FusedBlock))
    begun, gate, passed = threading.Event(), threading.Event(), []

    def wait(*_: object) -> None:
        begun.set()
        assert gate.wait(PATIENCE_SECONDS)

    first.register_forward_pre_hook(wait)
    for block in others:
        block.register_forward_pre_hook(lambda *_: passed.append(1))

    def give_up() -> None:
        if begun.is_set():
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(engine.separate_blocks([noise(44100 * 5)], 44100, give_up))
    gate.set()
    await_count(lambda: -len(engine.predictor._batches._running), 0)
    assert passed == []
    assert count_waiting(engine.predictor) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_gives_what_a_cpu_does() -> None:
    network = make_tiny()
    cuda = CudaDevice(Placement(torch.device("cuda"), torch.float32))
    cpu = PlainDevice(Placement(torch.device("cpu"), torch.float32), 1)
    predictor = Predictor(network, cuda, "auto", GRID * 32)
    assert 1 <= predictor.batch_size <= 64
    segments = [noise(GRID * (8 + n % 24), n) for n in range(24)]
    expected = Predictor(network, cpu, 1, GRID * 32).predict(segments)
    crew = Crew()
    for first in range(0, 24, 3):
        part = segments[first : first + 3]
        crew.start(partial(predictor.predict, part))
    found = [stems for outcome in crew.join() for stems in outcome]
    for stems, exact in zip(found, expected, strict=True):
        inner = slice(0, exact.shape[-1] - 4 * TINY.n_fft)  # at its end one sees silence added
        np.testing.assert_allclose(stems[..., inner], exact[..., inner], atol=1e-3)
