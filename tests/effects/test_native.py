"""Native plugins in a stream: any blocks give the samples of one native call."""

import itertools
from typing import Any, cast

import numpy as np
import pedalboard as pb
import pytest

from stemkit.effects import calls, native
from stemkit.effects.board import Board
from stemkit.effects.latency import UNBOUNDED
from stemkit.errors import BoardError, PluginError
from stemkit.samples import Samples
from tests.effects.natives import EFFECTS, INEXACT, RATE, Maker, music, run_native, stream

each_effect = pytest.mark.parametrize("make", EFFECTS.values(), ids=EFFECTS.keys())
LATENT = ["BrickwallLimiter", "MP3Compressor", "Resample"]
NEED_ALL = ["GSMFullRateCompressor", "PitchShift", "Pedalboard"]


@pytest.mark.parametrize("shape", [(9000,), (9000, 2), (6, 2000)], ids=str)
@each_effect
def test_a_board_of_native_plugins_gives_the_bits_of_pedalboard(
    make: Maker, shape: tuple[int, ...]
) -> None:
    frames, channels = max(shape), 1 if len(shape) == 1 else min(shape)
    audio = music(frames, channels)
    array = audio.T if shape == (9000, 2) else audio.reshape(shape)
    if channels == 6 and isinstance(make(), pb.MP3Compressor):
        return  # which has two channels at most
    if channels == 6 and ("Reverb" in repr(make()) or "Convolution" in repr(make())):
        with pytest.raises(BoardError, match=r"(Reverb|Convolution) takes mono or stereo"):
            Board([make()])(array, RATE)
        return
    np.testing.assert_array_equal(
        Board([make()])(array, RATE), pb.Pedalboard([make()])(array, RATE)
    )


@pytest.mark.parametrize("frames", [3, 4, 5, 63, 64, 65, 8191, 8192, 8193])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_bits_are_pedalboards_at_every_length(frames: int, channels: int) -> None:
    plugins = [pb.Compressor(-30, 4), pb.BrickwallLimiter(-12), pb.Delay(0.001), pb.Reverb()]
    audio = music(frames, channels)
    array = audio[0] if channels == 1 else audio
    np.testing.assert_array_equal(Board(plugins)(array, RATE), pb.Pedalboard(plugins)(array, RATE))


@pytest.mark.parametrize(
    ("lengths", "channels"),
    [
        *((lengths, 2) for lengths in ([100, 5000], [1, 4096], [3], [7, 0, 64])),
        ([1, 4096], 1),
        *(
            pytest.param(lengths, 1, marks=pytest.mark.slow)
            for lengths in ([100, 5000], [3], [7, 0, 64])
        ),
    ],
    ids=str,
)
@each_effect
def test_any_blocks_give_the_samples_of_one_call(
    make: Maker, lengths: list[int], channels: int
) -> None:
    plugin = make()
    frames = 6000 if max(lengths) > 64 else 1500
    audio = music(frames, channels)
    streamed = stream(Board([plugin]), audio, lengths)
    if type(plugin).__name__ in INEXACT:
        np.testing.assert_allclose(streamed, run_native([plugin], audio), rtol=0, atol=1e-6)
    else:
        np.testing.assert_array_equal(streamed, run_native([plugin], audio))


@pytest.mark.parametrize(
    "lengths",
    [[1, 700], *(pytest.param(each, marks=pytest.mark.slow) for each in ([100, 5000], [441]))],
    ids=str,
)
@pytest.mark.parametrize("names", [*itertools.permutations(LATENT)], ids=" ".join)
def test_a_long_run_gives_the_samples_of_one_call(
    names: tuple[str, ...], lengths: list[int]
) -> None:
    plugins = [EFFECTS[name]() for name in ("Chorus", *names, "Reverb", "Chain", "Mix")]
    audio = music(14_000)
    np.testing.assert_array_equal(
        stream(Board(plugins), audio, lengths), run_native(plugins, audio)
    )


@pytest.mark.parametrize(
    ("before", "frames", "lengths"),
    [([], 33_260, [33_260]), ([], 26_000, [3000, 100, 5000]), (["Resample"], 20_000, [100, 5000])],
    ids=["whole", "blocks", "after another"],
)
def test_mp3_loses_nothing(before: list[str], frames: int, lengths: list[int]) -> None:
    """Pedalboard loses samples of just these, unless it is asked to cut them smaller."""
    plugins = [EFFECTS[name]() for name in (*before, "MP3Compressor")]
    audio = music(frames)
    safe = pb.Pedalboard(plugins)(audio, RATE, buffer_size=64)
    np.testing.assert_array_equal(stream(Board(plugins), audio, lengths), safe)
    np.testing.assert_array_equal(Board([pb.Mix([pb.Chain(plugins)])])(audio, RATE), safe)


BRANCHES = [
    "BrickwallLimiter",
    "MP3Compressor",
    "Resample",
    "GSMFullRateCompressor",
    "Gain",
    "Chain",
]


@pytest.mark.parametrize("names", [*itertools.combinations(BRANCHES, 2)], ids=" ".join)
@pytest.mark.parametrize("lengths", [[20_000], [1, 900]], ids=str)
def test_a_mix_is_the_sum_of_its_branches_whatever_their_latency(
    names: tuple[str, str], lengths: list[int]
) -> None:
    """Pedalboard's gives garbage for some of these, and other samples with other blocks."""
    branches, audio = [EFFECTS[name]() for name in names], music(9000)
    expected = run_native(branches[:1], audio) + run_native(branches[1:], audio)
    np.testing.assert_array_equal(stream(Board([pb.Mix(branches)]), audio, lengths), expected)


@pytest.mark.parametrize("shift", [[], [pb.PitchShift(2)]], ids=["blocks", "whole"])
def test_what_surrounds_a_mix_with_latency_rings_into_it(shift: list[pb.Plugin]) -> None:
    """A limiter looks beyond the end, where what came before still rings."""
    before, limiter, after = (
        pb.Reverb(0.9),
        pb.BrickwallLimiter(-30, lookahead_ms=20),
        pb.Delay(0.1),
    )
    audio = music(9000)
    board = Board([*shift, before, pb.Mix([pb.Gain(-90), pb.Chain([limiter])]), after])
    padded = np.pad(audio, ((0, 0), (0, 20_000)))
    dry = run_native([*shift, before], padded)
    expected = run_native([after], run_native([pb.Gain(-90)], dry) + run_native([limiter], dry))
    for tail_frames in (0, 5000):
        given = stream(board, audio, [1000], tail_frames)
        np.testing.assert_array_equal(given, expected[:, : 9000 + tail_frames])


def test_a_mix_waits_for_its_slowest_branch() -> None:
    limiter, late = EFFECTS["BrickwallLimiter"](), EFFECTS["MP3Compressor"]()
    latencies = [Board([plugin]).latency_samples for plugin in (limiter, late)]
    assert Board([pb.Mix([limiter, late])]).latency_samples == max(latencies)
    assert Board([pb.Gain(), pb.Mix([limiter, late])]).latency_samples == max(latencies) + 2


@pytest.mark.parametrize("seed", range(12))
def test_any_board_gives_the_samples_of_one_call_in_any_blocks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = rng.permutation([name for name in EFFECTS if name not in INEXACT])[:4]
    plugins = [EFFECTS[name]() for name in names]
    audio = music(8000, int(rng.integers(1, 3)), seed)
    lengths = [int(length) for length in rng.integers(0, 1500, 5)] + [1]
    expected, board = run_native(plugins, audio), Board(plugins)
    np.testing.assert_array_equal(stream(board, audio, lengths), expected, err_msg=str(names))
    whole = board(audio if len(audio) == 2 else audio[0], RATE).reshape(audio.shape)
    np.testing.assert_array_equal(whole, expected, err_msg=str(names))


@pytest.mark.parametrize(
    ("channels", "frames"),
    [
        *((2, frames) for frames in (0, 1, 3, 5000)),
        *((1, frames) for frames in (0, 5000)),
        *(pytest.param(1, frames, marks=pytest.mark.slow) for frames in (1, 3)),
    ],
)
@pytest.mark.parametrize("tail_frames", [0, 1, 12_000])
@pytest.mark.parametrize("name", ["Delay", "Reverb", "BrickwallLimiter", "PitchShift"])
def test_a_tail_is_what_silence_after_the_end_would_give(
    name: str, tail_frames: int, channels: int, frames: int
) -> None:
    plugin, audio = EFFECTS[name](), music(frames, channels)
    given = stream(Board([plugin]), audio, [999], tail_frames)
    assert given.shape == (channels, frames + tail_frames)
    # A native array with as few frames as channels would be read sideways; nothing looks back.
    padded = np.pad(audio, ((0, 0), (0, tail_frames + 10)))
    np.testing.assert_array_equal(given, run_native([plugin], padded)[:, : frames + tail_frames])


def test_a_tail_rings_through_the_plugins_that_follow() -> None:
    plugins = [pb.Delay(0.3, 0.5, 0.5), pb.MP3Compressor(), pb.Reverb()]
    audio = music(8000)
    padded = np.pad(audio, ((0, 0), (0, 40_000)))
    given = stream(Board(plugins), audio, [999], 40_000)
    assert np.abs(given[:, 20_000:]).max() > 1e-3
    np.testing.assert_array_equal(given, run_native(plugins, padded))


@each_effect
def test_nothing_leaks_into_the_next_song(make: Maker) -> None:
    plugin = make()
    board = Board([plugin])
    first = stream(board, music(5000), [1000])
    np.testing.assert_array_equal(stream(board, music(5000), [1000]), first)
    silence = np.zeros((2, 900), np.float32)  # a longer block would make a plugin forget
    after = plugin(silence, RATE, reset=False)  # native, and so with what the plugin remembers
    fresh = make()(silence, RATE, reset=False)
    np.testing.assert_array_equal(after, fresh[:, : after.shape[1]])


def test_a_stream_that_was_dropped_leaks_nothing() -> None:
    board = Board([pb.Delay(0.01, 0.9, 1)])
    board.open_stream(RATE, 2).push(music(5000))
    board(music(5000), RATE, reset=False)
    np.testing.assert_array_equal(board(np.zeros((2, 3000), np.float32), RATE), 0)


@pytest.mark.parametrize("name", LATENT)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("block", [1, 50, 1152, 4096])
def test_latency_is_the_most_that_is_held_back(
    name: str, channels: int, rate: int, block: int
) -> None:
    board = Board([EFFECTS[name]()])
    board(np.zeros((channels, 9), np.float32), rate)
    running = board.open_stream(rate, channels)
    held, most = 0, 0
    blocks = -(-max(4500, 3 * block) // block)
    for pushed in np.split(music(blocks * block, channels), blocks, axis=1):
        held += block - running.push(pushed).shape[1]
        most = max(most, held)
    assert 0 < most <= board.latency_samples < most + max(64, 2 * block)


@pytest.mark.parametrize("name", ["Gain", "BrickwallLimiter"])
def test_more_than_one_channel_may_wait_for_as_many_frames(name: str) -> None:
    board = Board([EFFECTS[name]()])
    found = {}
    for channels in (1, 2, 6):
        board(np.zeros((channels, 9), np.float32), RATE)
        found[channels] = board.latency_samples
    assert found == {1: found[1], 2: found[1] + 2, 6: found[1] + 6}


def test_latency_follows_the_settings_and_takes_no_state() -> None:
    limiter = pb.BrickwallLimiter(-12, lookahead_ms=5)
    board = Board([limiter])
    mono = np.zeros(10, np.float32)
    board(mono, 48000)
    assert 240 <= board.latency_samples < 260
    limiter.lookahead_ms = 10
    assert 480 <= board.latency_samples < 500
    streamed, audio = [], music(9000, 1)[0]
    for start in range(0, 9000, 500):
        streamed.append(board(audio[start : start + 500], 48000, reset=False))
        assert board.latency_samples < 500
    streamed.append(board.flush())
    np.testing.assert_array_equal(np.concatenate(streamed), board(audio, 48000))


def test_plugins_without_latency_hold_back_what_pedalboard_needs_to_see_the_channels() -> None:
    board = Board([pb.Gain(), pb.Reverb(), pb.Compressor()])
    board(np.zeros(9, np.float32), RATE)
    assert board.latency_samples == 0
    board(np.zeros((2, 9), np.float32), RATE)
    assert board.latency_samples == 2


@pytest.mark.parametrize("name", NEED_ALL)
def test_what_loses_samples_between_calls_waits_for_everything(name: str) -> None:
    board = Board([pb.Gain(), EFFECTS[name]()])
    running = board.open_stream(RATE, 2)
    assert [running.push(music(9000)).shape for _ in range(3)] == [(2, 0)] * 3
    assert running.flush().shape == (2, 27_000)
    assert board.latency_samples == UNBOUNDED
    assert Board([board, EFFECTS[name]()]).latency_samples == UNBOUNDED


def test_what_waits_for_everything_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "WHOLE_SAMPLES_MAX", 20_000)
    board = Board([EFFECTS["PitchShift"]()])
    running = board.open_stream(RATE, 2)
    running.push(music(10_000))
    with pytest.raises(BoardError, match="need the whole signal at once"):
        running.push(music(1))
    assert board(music(10_001), RATE).shape == (2, 10_001)  # the caller holds it anyway


@pytest.mark.parametrize("name", [*EFFECTS])
def test_no_native_call_is_longer_than_the_first(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A longer one would make a plugin start anew."""
    sizes: list[int] = []
    call = calls.call_native

    def spy(
        plugin: pb.Plugin, audio: Samples, sample_rate: int, buffer_size: int, *, reset: bool
    ) -> Samples:
        sizes.append(min(buffer_size, audio.shape[-1]))
        return call(plugin, audio, sample_rate, buffer_size, reset=reset)

    monkeypatch.setattr(calls, "call_native", spy)
    stream(Board([EFFECTS[name]()]), music(12_000), [100, 5000], 100)
    assert max(sizes) == sizes[0]


@pytest.mark.parametrize("name", ["Convolution", "Resample"])
def test_what_is_slow_in_small_blocks_waits_for_a_larger_first_one(name: str) -> None:
    running = Board([EFFECTS[name]()]).open_stream(RATE, 1)
    given = [running.push(music(100, 1)).shape[1] for _ in range(12)]
    assert not any(given[:10])
    assert given[10]
    small = Board([EFFECTS[name]()]).open_stream(RATE, 1, buffer_size=64)
    assert small.push(music(900, 1)).shape[1] > 100


def test_a_plugin_serves_one_stream_at_a_time() -> None:
    reverb = pb.Reverb()
    first = Board([reverb]).open_stream(RATE, 2)
    first.push(music(100))
    second = Board([pb.Gain(), pb.Mix([reverb])]).open_stream(RATE, 2)
    with pytest.raises(BoardError, match="now serve another one"):
        first.push(music(100))
    with pytest.raises(BoardError, match="now serve another one"):
        first.flush()
    second.push(music(100))
    second.flush()
    with pytest.raises(BoardError, match="or it is over"):
        second.push(music(100))


def test_what_a_plugin_refuses_is_an_error_of_ours() -> None:
    board = Board([pb.MP3Compressor()])
    with pytest.raises(PluginError, match="only supports mono or stereo") as caught:
        board(music(5000, 6), RATE)
    assert isinstance(caught.value, ValueError)
    assert board(music(5000), RATE).shape == (2, 5000)
    with pytest.raises(PluginError):
        board(music(5000, 6), RATE, reset=False)
    running = board.open_stream(RATE, 6)
    with pytest.raises(PluginError):
        running.push(music(5000, 6))
    with pytest.raises(BoardError, match="is over"):
        running.push(music(5000, 6))


@pytest.mark.parametrize("reset", [True, False])
def test_numbers_beyond_float32_are_an_error(reset: bool) -> None:
    board = Board([pb.Gain(), pb.Chain([pb.Gain(900)])])
    with pytest.raises(PluginError, match=r"Gain, Gain gave NaN or infinity"):
        board(music(5000), RATE, reset=reset)


def test_a_mix_that_was_appended_to_is_mixed() -> None:
    mix = pb.Mix([pb.Gain(0)])
    cast(Any, mix).append(pb.Gain(0))  # Pedalboard crashes when this is run
    audio = music(1000)
    np.testing.assert_array_equal(Board([mix])(audio, RATE), 2 * audio)


def test_a_plugin_that_gives_nothing_is_silence_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "call_native", lambda plugin, audio, *rest, reset: audio[..., :0])
    running = Board([pb.Gain()]).open_stream(RATE, 2)
    assert running.push(music(1000)).shape == (2, 0)
    np.testing.assert_array_equal(running.flush(50), np.zeros((2, 1050), np.float32))
