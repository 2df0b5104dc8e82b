"""What Pedalboard promises, as tests that its own plugins and ours both pass.

A module takes part by subclassing `Contract` (plugins of both kinds) and `OwnContract` (ours), as
Test..., each with a fixture `plugin` that changes no audio at 44100 Hz.
"""

import io
import sys
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pedalboard
import pytest
from pedalboard.io import AudioFile

from stemkit.errors import StemkitError
from stemkit.samples import Samples
from stemkit.separation.processor import Processor

Plugin = pedalboard.Plugin | Processor
RATE = 44100
SHAPES = [
    *((0,), (1,), (2,), (6_001,)),
    *((6_001, 1), (6_001, 2), (1, 6_001), (2, 6_001), (3, 5_000), (5_000, 6)),
    *((1, 1), (2, 1), (1, 2), (3, 2), (2, 3)),
    *((2, 0), (0, 2), (1, 0), (0, 1)),
]
TYPES = ["<f4", ">f4", "<f8", ">f8"]


def noise(*shape: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def finish(plugin: Plugin, like: Samples) -> Samples:
    """Return the rest of a stream; a native plugin without latency has none."""
    return plugin.flush() if isinstance(plugin, Processor) else np.zeros_like(like)


class Contract:
    """Native plugins and ours alike."""

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_a_layout_comes_back_as_it_went_in(
        self, plugin: Plugin, shape: tuple[int, ...]
    ) -> None:
        array = noise(*shape)
        before = array.copy()
        result = plugin(array, RATE)
        assert result.shape == shape
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, before)
        np.testing.assert_array_equal(array, before)

    @pytest.mark.parametrize("reset", [True, False])
    @pytest.mark.parametrize("shape", [(500,), (2, 500), (500, 2), (500, 1), (1, 1)], ids=str)
    def test_the_result_is_fresh_and_contiguous(
        self, plugin: Plugin, shape: tuple[int, ...], reset: bool
    ) -> None:
        array = noise(*shape)
        first, second = plugin(array, RATE, reset=reset), plugin(array, RATE, reset=reset)
        assert first.flags.c_contiguous
        assert first.flags.writeable
        assert first.flags.owndata or first.base is not array
        assert not np.shares_memory(first, array)
        assert not np.shares_memory(first, second)

    @pytest.mark.parametrize("dtype", TYPES)
    @pytest.mark.parametrize("shape", [(1000,), (2, 1000), (1000, 2)], ids=str)
    def test_floats_of_two_sizes_and_any_byte_order_are_taken(
        self, plugin: Plugin, shape: tuple[int, ...], dtype: str
    ) -> None:
        array = noise(*shape).astype(dtype)
        result = plugin(array, RATE)
        assert result.dtype == np.dtype(np.float32)
        np.testing.assert_array_equal(result, array.astype(np.float32))

    @pytest.mark.parametrize(
        "array",
        [
            noise(2000)[::2],
            noise(2000)[::-1],
            noise(2, 2000)[:, ::3],
            noise(2000, 4)[:, 1:3],
            noise(2, 1000)[::-1, ::-1],
            np.asfortranarray(noise(2, 1000)),
            noise(1000, 2).T,
            np.broadcast_to(noise(1, 1000), (2, 1000)),
        ],
        ids=["every other", "reversed", "every third", "middle", "both", "fortran", "T", "repeat"],
    )
    def test_memory_may_lie_in_any_way(self, plugin: Plugin, array: Samples) -> None:
        np.testing.assert_array_equal(plugin(array, RATE), array)

    @pytest.mark.parametrize("reset", [True, False])
    def test_a_read_only_array_is_taken(self, plugin: Plugin, reset: bool) -> None:
        array = noise(2, 1000)
        array.flags.writeable = False
        result = [plugin(array, RATE, reset=reset)]
        if not reset:
            result.append(finish(plugin, array[:, :0]))
        np.testing.assert_array_equal(np.concatenate(result, axis=1), array)

    @pytest.mark.parametrize("side", [0, 2, 3])
    def test_a_first_array_that_is_square_is_refused(self, plugin: Plugin, side: int) -> None:
        shape = rf"from shape: \({side}, {side}\). Provide a non-square array first to allow"
        with pytest.raises(RuntimeError, match=f"Unable to determine channel layout {shape}"):
            plugin(noise(side, side), RATE)

    @pytest.mark.parametrize("first", [(9,), (2, 9), (9, 2), (0, 2), (2, 0), (1, 1)], ids=str)
    def test_a_square_array_is_taken_after_another_until_reset(
        self, plugin: Plugin, first: tuple[int, ...]
    ) -> None:
        square = noise(3, 3)
        plugin(noise(*first), RATE)
        np.testing.assert_array_equal(plugin(square, RATE), square)
        np.testing.assert_array_equal(plugin(square, RATE, reset=True), square)
        plugin.reset()
        with pytest.raises(RuntimeError, match="channel layout"):
            plugin(square, RATE)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_a_square_block_goes_on_in_the_layout_of_its_stream(
        self, plugin: Plugin, axis: int
    ) -> None:
        shapes = [(2, 9), (2, 2), (2, 2), (2, 40_000), (2, 2)]
        blocks = [noise(*shape, seed=i) for i, shape in enumerate(shapes)]
        blocks = [block if axis else block.T for block in blocks]
        parts = [plugin(block, RATE, reset=False) for block in blocks]
        parts.append(finish(plugin, parts[-1][:0] if axis == 0 else parts[-1][:, :0]))
        np.testing.assert_array_equal(np.concatenate(parts, axis), np.concatenate(blocks, axis))

    @pytest.mark.parametrize("shape", [(), (2, 3, 4), (1, 1, 1)], ids=str)
    def test_other_numbers_of_dimensions_are_refused(
        self, plugin: Plugin, shape: tuple[int, ...]
    ) -> None:
        wording = rf"Number of input dimensions must be 1 or 2 \(got {len(shape)}\)"
        with pytest.raises(RuntimeError, match=wording):
            plugin(np.zeros(shape, np.float32), RATE)

    @pytest.mark.parametrize("dtype", [np.float16, np.int16, np.int32, bool, complex, object])
    def test_other_numbers_than_floats_are_refused(
        self, plugin: Plugin, dtype: npt.DTypeLike
    ) -> None:
        wording = "only supports 32-bit and 64-bit floating point audio for processing"
        with pytest.raises(TypeError, match=wording):
            plugin(np.zeros(100, dtype), RATE)

    @pytest.mark.parametrize("array", [[0.0, 1.0], None, "audio", 0.5], ids=repr)
    def test_what_is_no_array_is_refused(self, plugin: Any, array: object) -> None:
        with pytest.raises(TypeError, match="input_array"):
            plugin(array, RATE)

    @pytest.mark.parametrize(
        "arguments",
        [
            *({"sample_rate": rate} for rate in ("44100", None, [44100], 1j)),
            *({"sample_rate": RATE, "buffer_size": size} for size in (2.5, "x", None)),
            {"sample_rate": RATE, "fast": True},
            {},
        ],
        ids=str,
    )
    def test_other_arguments_of_a_wrong_type_are_refused(
        self, plugin: Any, arguments: dict[str, object]
    ) -> None:
        with pytest.raises(TypeError):
            plugin(noise(100), **arguments)

    @pytest.mark.parametrize(
        "rate", [44100, 44100.0, np.float32(44100), np.int64(44100)], ids=lambda rate: type(rate)
    )
    def test_a_rate_is_any_number(self, plugin: Any, rate: float) -> None:
        np.testing.assert_array_equal(plugin(noise(2, 500), rate), noise(2, 500))

    def test_arguments_go_by_place_and_by_name(self, plugin: Any) -> None:
        array = noise(2, 500)
        results = [
            plugin(array, RATE, 100, True),
            plugin(input_array=array, sample_rate=RATE, buffer_size=100, reset=True),
            plugin.process(array, RATE, 100, True),
            plugin.process(input_array=array, sample_rate=RATE, buffer_size=100, reset=True),
        ]
        for result in results:
            np.testing.assert_array_equal(result, array)

    @pytest.mark.parametrize("buffer_size", [1, 7, 8192, 30_000, 10**6])
    @pytest.mark.parametrize("reset", [True, False])
    def test_the_buffer_size_changes_nothing(
        self, plugin: Plugin, buffer_size: int, reset: bool
    ) -> None:
        array = noise(2, 30_000)
        parts = [plugin(array, RATE, buffer_size, reset)]
        if not reset:
            parts.append(finish(plugin, array[:, :0]))
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), array)

    @pytest.mark.parametrize("block", [1, 17, 512, 4096, 6_001, 8_000])
    @pytest.mark.parametrize("layout", ["1-D", "channels first", "interleaved"])
    def test_blocks_give_what_the_whole_gives(
        self, plugin: Plugin, block: int, layout: str
    ) -> None:
        array = {"1-D": noise(6_001), "channels first": noise(2, 6_001)}.get(layout)
        whole = noise(6_001, 2) if array is None else array
        axis = 0 if layout != "channels first" else 1
        starts = range(0, 6_001, block)
        blocks = [np.take(whole, range(i, min(i + block, 6_001)), axis) for i in starts]
        if whole.ndim == 2:  # from which on a block of 1 or 2 frames is told apart
            plugin(np.take(whole, range(0), axis), RATE, reset=False)
        parts = [plugin(block, RATE, reset=False) for block in blocks]
        for given, part in zip(blocks, parts, strict=True):
            assert part.ndim == given.ndim
        parts.append(finish(plugin, np.take(whole, range(0), axis)))
        np.testing.assert_array_equal(np.concatenate(parts, axis), whole)

    def test_a_whole_array_ends_the_stream_before_it(self, plugin: Plugin) -> None:
        plugin(noise(2, 5000), RATE, reset=False)
        np.testing.assert_array_equal(plugin(noise(700, seed=1), RATE), noise(700, seed=1))
        after = noise(900, seed=2)
        parts = [plugin(after, RATE, reset=False), finish(plugin, after[:0])]
        np.testing.assert_array_equal(np.concatenate(parts), after)

    def test_the_caller_may_use_one_array_for_all_blocks(self, plugin: Plugin) -> None:
        whole = noise(2, 40_000)
        block: Samples = np.empty((2, 500), np.float32)
        parts = []
        for start in range(0, 40_000, 500):
            block[:] = whole[:, start : start + 500]
            parts.append(plugin(block, RATE, reset=False))
        block[:] = 0
        parts.append(finish(plugin, whole[:, :0]))
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)

    def test_the_loop_of_pedalboards_readme(self, plugin: Plugin) -> None:
        audio = noise(2, 50_000)
        source, target = io.BytesIO(), io.BytesIO()
        with AudioFile(source, "w", RATE, 2, bit_depth=32, format="wav") as o:
            o.write(audio)
        source.seek(0)
        with (
            AudioFile(source) as f,
            AudioFile(target, "w", f.samplerate, f.num_channels, bit_depth=32, format="wav") as o,
        ):
            while f.tell() < f.frames:
                o.write(plugin(f.read(11_025), f.samplerate, reset=False))
            o.write(finish(plugin, audio[:, :0]))
        target.seek(0)
        with AudioFile(target) as f:
            np.testing.assert_array_equal(f.read(f.frames), audio)

    def test_eight_threads_share_an_instance(self, plugin: Plugin) -> None:
        arrays = [noise(2, 20_000 + 100 * i, seed=i) for i in range(8)]
        results: dict[int, list[Samples]] = {}

        def process(number: int) -> None:
            results[number] = [plugin(arrays[number], RATE) for _ in range(3)]

        threads = [threading.Thread(target=process, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, array in enumerate(arrays):
            for result in results[number]:
                np.testing.assert_array_equal(result, array)

    def test_it_says_what_it_is(self, plugin: Plugin) -> None:
        assert plugin.is_effect
        assert not plugin.is_instrument
        assert repr(plugin).startswith("<")
        assert repr(plugin).endswith(">")
        assert "\n" not in repr(plugin)


class OwnContract:
    """Ours alone: what Pedalboard leaves open or does silently."""

    @pytest.mark.parametrize("buffer_size", [0, -1])
    def test_a_buffer_holds_a_frame(self, plugin: Processor, buffer_size: int) -> None:
        with pytest.raises(ValueError, match=f"1 frame or more, not {buffer_size}"):
            plugin(noise(100), RATE, buffer_size)

    @pytest.mark.parametrize("rate", [0, -44100, 44100.5, np.nan, np.inf])
    def test_a_rate_is_a_positive_whole_number(self, plugin: Processor, rate: float) -> None:
        with pytest.raises(ValueError, match="positive whole number of Hz, not"):
            plugin(noise(100), rate)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
    @pytest.mark.parametrize("shape", [(100,), (2, 100), (100, 2)], ids=str)
    def test_numbers_that_are_no_audio_are_refused_with_their_place(
        self, plugin: Processor, shape: tuple[int, ...], bad: float
    ) -> None:
        array = noise(*shape).astype(np.float64)
        (array.T if shape == (2, 100) else array)[57] = bad
        with pytest.raises(ValueError, match="frame 57"):
            plugin(array, RATE)

    @pytest.mark.parametrize(
        "arguments",
        [
            (np.zeros(9, int), RATE),
            ([0.0], RATE),
            (noise(3, 3), RATE),
            (noise(9), None),
            (noise(9), 0),
            (noise(9), RATE, 0),
            (noise(9), RATE, 0.5),
            (noise(9) * np.inf, RATE),
            (noise(3, 9), RATE, 8192, False),
            (noise(9), 48000, 8192, False),
        ],
        ids=lambda arguments: str([getattr(a, "shape", a) for a in arguments]),
    )
    def test_what_is_refused_is_ours_and_leaves_a_stream_alone(
        self, plugin: Any, arguments: tuple[Any, ...]
    ) -> None:
        array = noise(1000)
        parts = [plugin(array[:600], RATE, reset=False)]
        if np.shape(arguments[0]) == (3, 3):  # in a mono stream it would be 3 channels
            arguments = (*arguments, 8192, False)
        with pytest.raises(StemkitError):
            plugin(*arguments)
        parts.append(plugin(array[600:], RATE, reset=False))
        np.testing.assert_array_equal(np.concatenate([*parts, plugin.flush()]), array)

    def test_a_stream_keeps_its_rate_and_channels_until_it_ends(self, plugin: Processor) -> None:
        plugin(noise(2, 100), RATE, reset=False)
        with pytest.raises(ValueError, match=r"2 channels at 44100 Hz .* flush\(\) or reset\(\)"):
            plugin(noise(100), RATE, reset=False)
        plugin.flush()
        assert plugin(noise(100), RATE, reset=False).ndim == 1
        with pytest.raises(ValueError, match="48000 Hz"):
            plugin(noise(100), 48000, reset=False)
        plugin.reset()
        plugin(noise(100), 48000, reset=False)

    @pytest.mark.parametrize("end", ["reset", "flush"])
    def test_a_stream_that_ended_leaves_nothing(self, plugin: Processor, end: str) -> None:
        plugin(noise(100), RATE, reset=False)
        getattr(plugin, end)()
        assert plugin.flush().size == 0
        parts = [plugin(noise(50), RATE, reset=False), plugin.flush()]
        np.testing.assert_array_equal(np.concatenate(parts), noise(50))

    @pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 2), (1, 50), (2, 50)], ids=str)
    def test_the_rest_has_the_layout_of_its_blocks(
        self, plugin: Processor, shape: tuple[int, ...]
    ) -> None:
        axis = int(np.argmax(shape))
        first = plugin(noise(*shape), RATE, reset=False)
        rest = plugin.flush()
        assert rest.flags.c_contiguous
        np.testing.assert_array_equal(np.concatenate((first, rest), axis), noise(*shape))

    def test_without_a_stream_the_rest_is_empty(self, plugin: Processor) -> None:
        assert plugin.flush().shape == (0,)
        plugin(noise(2, 50), RATE)
        assert plugin.flush().shape == (2, 0)
        plugin(noise(50, 2), RATE)
        assert plugin.flush().shape == (0, 2)

    @pytest.mark.parametrize("first", [(2, 0), (2, 3), (2, 100)], ids=str)
    @pytest.mark.parametrize("interleaved", [False, True])
    def test_a_stereo_block_may_be_shorter_than_wide(
        self, plugin: Processor, first: tuple[int, int], interleaved: bool
    ) -> None:
        blocks = [noise(*first), *(noise(2, n, seed=n) for n in (1, 0, 2, 1, 3))]
        given = [block.T if interleaved else block for block in blocks]
        parts = [plugin(block, RATE, reset=False) for block in given]
        axis = 0 if interleaved else 1
        result = np.concatenate([*parts, plugin.flush()], axis)
        np.testing.assert_array_equal(result, np.concatenate(given, axis))

    @pytest.mark.parametrize("tail_frames", [0, 1, 5000])
    @pytest.mark.parametrize("channels", [1, 2, 3])
    def test_streams_are_independent_and_may_have_a_tail(
        self, plugin: Processor, channels: int, tail_frames: int
    ) -> None:
        audio = noise(channels, 30_000)
        stream = plugin.open_stream(RATE, channels)
        parts = [stream.push(block) for block in np.array_split(audio, 7, axis=1)]
        parts.append(stream.flush(tail_frames))
        result = np.concatenate(parts, axis=1)
        assert result.shape == (channels, 30_000 + tail_frames)
        np.testing.assert_array_equal(result[:, :30_000], audio)
        assert not result[:, 30_000:].any()

    def test_a_stream_from_eight_threads_loses_nothing(self, plugin: Processor) -> None:
        parts: list[Samples] = []
        start = threading.Barrier(8)

        def push(number: int) -> None:
            start.wait()
            for i in range(400):
                block = np.full(5, number * 1000 + i + 1, np.float32)
                parts.append(plugin(block, RATE, reset=False))

        threads = [threading.Thread(target=push, args=(number,)) for number in range(8)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        found = np.sort(np.concatenate([*parts, plugin.flush()]))
        expected = [number * 1000 + i + 1 for number in range(8) for i in range(400)]
        np.testing.assert_array_equal(found, np.repeat(expected, 5).astype(np.float32))

    @pytest.mark.parametrize(
        ("rate", "block"),
        [
            *((44100, block) for block in (1, 17, 4000)),
            *((48000, block) for block in (17, 4000)),
            pytest.param(48000, 1, marks=pytest.mark.slow),
        ],
    )
    def test_no_more_is_held_back_than_it_says(
        self, plugin: Processor, rate: int, block: int
    ) -> None:
        blocks = min(3 * plugin.latency_at(rate) // block + 10, 100_000)
        behind = worst = 0
        for _ in range(blocks):
            behind += block - plugin(np.zeros(block, np.float32), rate, reset=False).size
            worst = max(worst, behind)
        assert plugin.latency_samples == plugin.latency_at(rate)
        assert worst <= plugin.latency_samples
        plugin.flush()
