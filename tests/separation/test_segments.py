"""Laws of cutting and stitching."""

import numpy as np
import pytest

from stemkit.errors import OptionError
from stemkit.samples import Samples
from stemkit.separation.segments import Segmenter, SegmentPlan, Stitcher, plan_segments
from tests.separation.segmenting import cut, stitch

PLAN = SegmentPlan(segment_frames=100, overlap_frames=24)
EDGES = [1, 23, 24, 25, 99, 100, 101, 176, 177, 1000, 1013]


def noise(frames: int, channels: int = 2) -> Samples:
    rng = np.random.default_rng(frames)
    return rng.uniform(-1, 1, (channels, frames)).astype(np.float32)


@pytest.mark.parametrize(
    "plan", [PLAN, SegmentPlan(100, 0), SegmentPlan(100, 50), SegmentPlan(1, 0)]
)
@pytest.mark.parametrize("frames", EDGES)
def test_stitch_undoes_cut(plan: SegmentPlan, frames: int) -> None:
    signal = noise(frames)
    np.testing.assert_allclose(stitch(cut(signal, plan), plan), signal, atol=1e-6)


def test_nothing_is_cut_into_nothing() -> None:
    assert cut(noise(0), PLAN) == []


@pytest.mark.parametrize("frames", EDGES)
def test_segments_start_one_hop_apart_and_the_last_ends_with_the_signal(frames: int) -> None:
    signal = np.arange(frames, dtype=np.float32)[None]
    segments = cut(signal, PLAN)
    starts = [int(segment[0, 0]) for segment in segments]
    assert starts == [i * PLAN.hop_frames for i in range(len(segments))]
    assert all(segment.shape[1] == PLAN.segment_frames for segment in segments[:-1])
    assert int(segments[-1][0, -1]) == frames - 1
    # each but the first brings something new
    assert all(segment.shape[1] > PLAN.overlap_frames for segment in segments[1:])


@pytest.mark.parametrize("block", [1, 7, 100, 101, 5000])
def test_blocks_of_any_size_give_the_same_segments(block: int) -> None:
    signal = noise(1013)
    segmenter = Segmenter(PLAN)
    streamed: list[Samples] = []
    for start in range(0, signal.shape[1], block):
        streamed.extend(segmenter.push(signal[:, start : start + block]))
    streamed.extend(segmenter.flush())
    whole = cut(signal, PLAN)
    assert len(streamed) == len(whole)
    for one, other in zip(streamed, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_overlap_goes_smoothly_from_one_segment_to_the_next() -> None:
    ones, zeros = np.ones((1, 100), np.float32), np.zeros((1, 100), np.float32)
    joined = stitch([zeros, ones], PLAN)[0]
    rise = joined[76:100]
    assert (np.diff(rise) >= 0).all()
    np.testing.assert_array_equal(joined[: 76 + 6], 0)  # the edge of the later segment isn't heard
    np.testing.assert_array_equal(joined[100 - 6 :], 1)
    np.testing.assert_allclose(rise + rise[::-1], 1, atol=1e-6)


def test_the_stitcher_lets_go_of_all_but_one_overlap() -> None:
    stitcher = Stitcher(PLAN)
    settled = [stitcher.push(segment).shape[-1] for segment in cut(noise(1000), PLAN)]
    assert settled[:3] == [PLAN.hop_frames] * 3


def test_plans_lie_on_the_grid() -> None:
    plan = plan_segments(20, 4, 44100, 441 * 32)
    assert plan.segment_frames % (441 * 32) == plan.overlap_frames % (441 * 32) == 0
    assert abs(plan.segment_frames / 44100 - 20) < 0.32
    assert abs(plan.overlap_frames / 44100 - 4) < 0.32


@pytest.mark.parametrize(("overlap_seconds", "cells"), [(0, 0), (0.1, 1), (0.6, 1), (0.9, 1)])
def test_an_overlap_that_is_asked_for_is_not_rounded_away(
    overlap_seconds: float, cells: int
) -> None:
    assert plan_segments(2, overlap_seconds, 44100, 32768) == SegmentPlan(3 * 32768, cells * 32768)
    assert plan_segments(1, overlap_seconds / 2, 44100, 32768) == SegmentPlan(32768, 0)


@pytest.mark.parametrize("seconds", [(0, 0), (-1, 0), (10, -1), (10, 6), (float("nan"), 0)])
def test_plans_that_make_no_sense_are_refused(seconds: tuple[float, float]) -> None:
    with pytest.raises(OptionError):
        plan_segments(*seconds, 44100, 441 * 32)
