"""A board is a list of plugins, refuses what would go wrong in silence, and isn't late."""

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pedalboard as pb
import pytest

from stemkit.effects.board import Board
from stemkit.errors import BoardError, NotAnEffectError, StemkitError
from stemkit.samples import Samples
from stemkit.separation.processor import DEFAULT_BUFFER_SIZE, Processor, SampleStream
from stemkit.separation.separator import Separator
from tests.effects.natives import EFFECTS, RATE, music, run_native, stream
from tests.separation.networks import make_identity, make_scaled, make_tiny


def make_separator(stem: str = "vocals") -> Separator:
    return Separator(
        stem, model=make_identity(), device="cpu", segment_seconds=0.05, overlap_seconds=0.01
    )


def make_doubler() -> Separator:
    """Return a separator whose stem is the mix, twice as loud."""
    network = make_scaled("other", "vocals")
    return Separator(model=network, device="cpu", segment_seconds=0.05, overlap_seconds=0.01)


class Subclass(pb.Gain):
    """A class that Pedalboard would treat as its Gain."""

    def process(self, *args: Any, **kwargs: Any) -> Samples:
        raise NotImplementedError


class Instrument(Separator):
    is_instrument = True


# --- a list


def test_a_board_is_changed_as_a_list_is() -> None:
    plugins: list[Any] = [pb.Gain(i) for i in range(6)] + [make_separator()]
    board, model = Board(plugins[:3]), plugins[:3]
    for target in (board, model):
        target.append(plugins[3])
        target.insert(1, plugins[4])
        target[0] = plugins[5]
        target.extend([plugins[6]])
        target[1:3] = [plugins[1], plugins[0], plugins[4]]
        del target[3]
        del target[-1:]
        target.reverse()
    assert list(board) == model
    assert len(board) == len(model)
    assert [board[i] for i in range(-len(model), len(model))] == [*model, *model]
    assert list(reversed(board)) == model[::-1]
    assert board.pop() is model.pop()
    board.remove(model[0])
    assert list(board) == model[1:]
    assert model[1] in board
    assert board.index(model[1]) == 0
    assert board.count(model[0]) == 0
    with pytest.raises(IndexError):
        board[99]
    with pytest.raises(IndexError):
        board.pop(99)
    board.clear()
    assert not board


def test_a_slice_is_a_board() -> None:
    board = Board([pb.Gain(i) for i in range(5)])
    for part in (slice(1, 3), slice(None, None, -1), slice(9, 99)):
        assert isinstance(board[part], Board)
        assert list(board[part]) == list(board)[part]
    board[::2] = [pb.Invert(), pb.Invert(), pb.Invert()]
    assert [type(plugin).__name__ for plugin in board] == ["Invert", "Gain"] * 2 + ["Invert"]
    with pytest.raises(ValueError, match="sequence of size 1"):
        board[::2] = [pb.Invert()]


def test_plugins_can_be_swapped_and_shuffled() -> None:
    board = Board([pb.Gain(i) for i in range(9)])
    before = list(board)
    board[0], board[1] = board[1], board[0]
    assert list(board) == [before[1], before[0], *before[2:]]
    random.Random(1).shuffle(board)
    assert {*map(id, board)} == {*map(id, before)}
    assert board(music(100), RATE).shape == (2, 100)


def test_boards_of_the_same_plugins_are_equal() -> None:
    gain, separator = pb.Gain(), make_separator()
    assert Board([gain, Board([separator])]) == Board([gain, Board([separator])])
    assert Board([gain]) != Board([pb.Gain()])
    assert Board() == Board()
    assert Board() != []
    with pytest.raises(TypeError, match="unhashable"):
        hash(Board())


def test_a_board_says_what_it_holds() -> None:
    gain, separator = pb.Gain(3), make_separator()
    assert repr(Board()) == "<stemkit.Board with 0 plugins: []>"
    assert repr(Board([gain])) == f"<stemkit.Board with 1 plugin: [{gain!r}]>"
    nested = Board([gain, Board([separator])])
    inner = f"<stemkit.Board with 1 plugin: [{separator!r}]>"
    assert repr(nested) == f"<stemkit.Board with 2 plugins: [{gain!r}, {inner}]>"


def test_a_native_pedalboard_can_be_taken_over() -> None:
    native = pb.Pedalboard([pb.Gain(3), pb.Reverb()])
    assert list(Board(native)) == list(native)
    assert list(Board([native])) == [native]


# --- what is refused

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "None": (lambda: None, r"\[1\] is None, which is neither"),
    "None in a Pedalboard": (lambda: pb.Pedalboard([None]), r"\[1\]\[0\] is None, which"),  # type: ignore[list-item]
    "None in a Mix in a Chain": (
        lambda: pb.Chain([pb.Gain(), pb.Mix([pb.Invert(), None])]),  # type: ignore[list-item]
        r"\[1\]\[1\]\[1\] is None",
    ),
    "a class": (lambda: pb.Reverb, r"\[1\] is the class Reverb; make an instance"),
    "our class": (lambda: Separator, r"\[1\] is the class Separator; make an instance"),
    "a function": (lambda: len, "is <built-in function len>, which is neither"),
    "a name": (lambda: "Reverb", "is 'Reverb', which is neither"),
    "a list": (lambda: [pb.Gain()], r"\[1\] is \[<pedalboard.Gain"),
    "an array": (lambda: np.zeros(9), "which is neither"),
    "a subclass": (Subclass, r"\[1\] is a Subclass, a Python subclass, .* use Gain"),
    "an instrument": (
        lambda: Instrument(model=make_identity(), device="cpu"),
        r"an instrument, which makes its sound from MIDI",
    ),
}


@pytest.mark.parametrize(("make", "match"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_effect_is_refused_when_it_is_put_in(
    make: Callable[[], Any], match: str
) -> None:
    gain = pb.Gain()
    board, wrong = Board([gain]), make()
    ways: list[Callable[[], Any]] = [
        lambda: Board([gain, wrong]),
        lambda: board.append(wrong),
        lambda: board.insert(1, wrong),
        lambda: board.extend([wrong]),
        lambda: board.__iadd__([wrong]),
        lambda: board.__setitem__(slice(1, 1), [wrong]),
    ]
    for put_in in ways:
        with pytest.raises(NotAnEffectError, match=match) as caught:
            put_in()
        assert isinstance(caught.value, TypeError)
        assert "\n" not in str(caught.value)
        assert list(board) == [gain]
    with pytest.raises(NotAnEffectError):
        board[0] = wrong
    with pytest.raises(NotAnEffectError):
        board.extend([pb.Invert(), wrong])
    with pytest.raises(NotAnEffectError):
        Board([Board([wrong])])
    assert list(board) == [gain]


@pytest.mark.parametrize("container", [pb.Mix, pb.Chain, pb.Pedalboard])
def test_a_subclass_inside_a_native_container_is_refused(container: Any) -> None:
    inner = Subclass()  # as long as Python knows it; afterwards it is a Gain for everyone
    with pytest.raises(NotAnEffectError, match=r"board\[0\]\[0\]\[1\] is a Subclass"):
        Board([container([pb.Chain([pb.Gain(), inner])])])


def test_a_subclass_of_a_pedalboard_is_refused() -> None:
    class Vocal(pb.Pedalboard):
        pass

    with pytest.raises(NotAnEffectError, match=r"is a Vocal, a Python subclass.* use Pedalboard"):
        Board([Vocal([pb.Gain()])])


@pytest.mark.parametrize(
    "plugins",
    [None, 3, pb.Gain(), make_separator()],
    ids=lambda plugins: type(plugins).__name__,
)
def test_a_board_takes_a_list(plugins: Any) -> None:
    with pytest.raises(NotAnEffectError, match=r"takes a list of plugins, not .* put it in \[ \]"):
        Board(plugins)


@pytest.mark.parametrize("container", [pb.Pedalboard, pb.Mix, pb.Chain])
def test_native_containers_take_no_processor(container: Any) -> None:
    for processor in (make_separator(), Board()):
        with pytest.raises(TypeError):
            container([processor])


def test_a_native_plugin_is_in_one_place_only() -> None:
    gain = pb.Gain()
    twice = "<pedalboard.Gain .* is in this board twice.* make a second one"
    wrong: list[list[Any]] = [
        [gain, gain],
        [gain, make_separator(), gain],
        [gain, pb.Mix([gain])],
        [pb.Mix([pb.Chain([gain]), gain])],
        [gain, Board([Board([gain])])],
        [Board([gain]), Board([pb.Pedalboard([gain])])],
    ]
    for plugins in wrong:
        with pytest.raises(BoardError, match=twice) as caught:
            Board(plugins)
        assert isinstance(caught.value, RuntimeError)
    board = Board([gain, pb.Reverb()])
    for put_in in (board.append, lambda plugin: board.insert(0, plugin)):
        with pytest.raises(BoardError, match=twice):
            put_in(gain)
    assert len(board) == 2
    board[1] = gain  # half of a swap
    with pytest.raises(BoardError, match=twice):
        board(music(100), RATE)


def test_a_processor_may_be_in_several_places() -> None:
    double = make_doubler()
    audio = music(9000)
    board = Board([double, pb.Gain(0), double, Board([double])])
    np.testing.assert_allclose(board(audio, RATE), 8 * audio, rtol=1e-6, atol=1e-7)


def test_a_board_is_not_inside_itself() -> None:
    board = Board([pb.Gain()])
    outer = Board([pb.Gain(), board])
    for inner in (board, outer, Board([Board([outer])])):
        with pytest.raises(BoardError, match="holds itself"):
            board.append(inner)
    assert len(board) == 1
    chain = pb.Chain([])
    chain.append(chain)
    with pytest.raises(BoardError, match=r"board\[0\]\[0\] holds itself"):
        Board([chain])


@pytest.mark.parametrize("container", [pb.Mix, pb.Chain, pb.Pedalboard])
def test_what_is_put_into_a_native_container_later_is_found_when_a_stream_opens(
    container: Any,
) -> None:
    gain, nested = pb.Gain(), container([pb.Invert()])
    board = Board([gain, nested])
    nested.append(gain)
    with pytest.raises(BoardError, match="twice"):
        board(music(100), RATE)
    nested[1] = None
    with pytest.raises(NotAnEffectError, match=r"board\[1\]\[1\] is None"):
        board.open_stream(RATE, 2)
    nested[1] = late = Subclass()
    with pytest.raises(NotAnEffectError, match=r"board\[1\]\[1\] is a Subclass"):
        board(music(100), RATE, reset=False)
    nested.remove(late)
    np.testing.assert_array_equal(
        board(music(100), RATE), run_native([pb.Invert(), pb.Gain()], music(100))
    )


def test_a_board_doesnt_change_while_a_stream_runs() -> None:
    board = Board([pb.Invert(), make_separator()])
    audio = music(3000)
    parts = [board(audio, RATE, reset=False)]
    changes: list[Callable[[], object]] = [
        lambda: board.append(pb.Gain()),
        lambda: board.__setitem__(0, pb.Gain()),
        lambda: board.__delitem__(0),
        board.pop,
        board.clear,
        board.reverse,
    ]
    for change in changes:
        with pytest.raises(BoardError, match=r"while a stream runs; call flush\(\) or reset\(\)"):
            change()
    parts.append(board.flush())
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), -audio)
    board.reverse()
    board(audio, RATE, reset=False)
    board.reset()
    board.clear()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("where", ["nested", "native"])
def test_a_change_further_in_ends_a_stream_and_isnt_bypassed(where: str, own: bool) -> None:
    nested, chain = Board([pb.Gain()]), pb.Chain([pb.Gain()])
    board = Board([pb.Invert(), nested, chain])
    audio = music(3000)
    running = board.open_stream(RATE, 2)
    push = (lambda block: board(block, RATE, reset=False)) if own else running.push
    push(audio)
    if where == "nested":
        nested.append(pb.Gain(6))
    else:
        chain.append(pb.Gain(6))
    with pytest.raises(BoardError, match="was changed while a stream ran"):
        push(audio)
    expected = run_native([pb.Invert(), pb.Gain(8)], audio)
    np.testing.assert_allclose(board(audio, RATE), expected, rtol=1e-6)


# --- the signal


def test_native_neighbours_run_together_and_the_rest_in_order() -> None:
    names = ["Compressor", "Delay", "Distortion", "Reverb"]
    a, b, c, d = (EFFECTS[name]() for name in names)
    audio = music(9000)
    whole = Board([a, b, make_doubler(), Board([Board(), c]), pb.Pedalboard([d]), make_separator()])
    expected = run_native([c, d], 2 * run_native([a, b], audio))
    np.testing.assert_allclose(whole(audio, RATE), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("reset", [True, False])
def test_nothing_is_late_whatever_the_latency(channels: int, reset: bool) -> None:
    board = Board(
        [
            pb.Gain(0),
            pb.BrickwallLimiter(0, lookahead_ms=10),
            make_separator(),
            pb.PitchShift(0),
            Board([make_separator(), pb.Chain([pb.BrickwallLimiter(0)])]),
        ]
    )
    audio = np.clip(music(20_001, channels), -0.9, 0.9)
    array = audio[0] if channels == 1 else audio
    given = [board(array, RATE, reset=reset)]
    if not reset:
        given.append(board.flush())
    result = np.concatenate(given, axis=-1)
    assert result.shape == array.shape
    np.testing.assert_allclose(result, array, rtol=0, atol=2e-6)


@pytest.mark.parametrize("lengths", [[1, 4096], [700], [100, 5000, 0]], ids=str)
@pytest.mark.parametrize("channels", [1, 2])
def test_any_blocks_give_the_samples_of_one_call(lengths: list[int], channels: int) -> None:
    names = ("Compressor", "BrickwallLimiter", "MP3Compressor", "Chorus", "Reverb")
    natives = [EFFECTS[name]() for name in names]
    board = Board([*natives[:2], make_doubler(), natives[2], Board([natives[3]]), make_separator()])
    board.append(natives[4])
    audio = music(9000, channels)
    whole = board(audio[0] if channels == 1 else audio, RATE).reshape(channels, -1)
    np.testing.assert_allclose(stream(board, audio, lengths), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("tail_frames", [0, 1, 20_000])
def test_a_tail_rings_through_everything_that_follows(tail_frames: int) -> None:
    reverb, delay = EFFECTS["Reverb"](), EFFECTS["Delay"]()
    board = Board([reverb, make_separator(), delay])
    audio = music(8000)
    padded = np.pad(audio, ((0, 0), (0, tail_frames)))
    given = stream(board, audio, [999], tail_frames)
    np.testing.assert_allclose(given, run_native([reverb, delay], padded), rtol=0, atol=1e-6)


@pytest.mark.parametrize("tail_frames", [0, 1, 500])
def test_an_empty_board_changes_nothing(tail_frames: int) -> None:
    audio = music(300, 3)
    given = stream(Board([Board()]), audio, [1, 50], tail_frames)
    np.testing.assert_array_equal(given, np.pad(audio, ((0, 0), (0, tail_frames))))
    assert Board().latency_samples == 0


def test_the_input_is_never_written_to() -> None:
    audio = music(3000)
    audio.flags.writeable = False
    board = Board([pb.Gain(6), make_doubler(), pb.Distortion()])
    before = audio.copy()
    stream(board, audio, [500])
    board(audio, RATE)
    np.testing.assert_array_equal(audio, before)


def test_latency_is_the_sum_of_the_stages() -> None:
    separator, limiter = make_separator(), pb.BrickwallLimiter()
    parts = [Board([pb.Gain(), limiter]), separator, Board([pb.Gain(), separator])]
    latencies = [part.latency_samples for part in parts]
    assert min(latencies) > 200
    assert Board(parts).latency_samples == sum(latencies)
    assert Board(parts).latency_at(8000) == sum(part.latency_at(8000) for part in parts)


def test_eight_threads_on_one_board_give_the_bits_of_one() -> None:
    board = Board([pb.Compressor(-30), pb.Reverb(), make_doubler(), pb.Delay(0.01)])
    songs = [music(6000 + 500 * i, 1 + i % 2, seed=i) for i in range(8)]
    expected = [board(song if len(song) == 2 else song[0], RATE) for song in songs]
    found: dict[int, Samples] = {}

    def work(number: int) -> None:
        song = songs[number]
        for _ in range(3):
            found[number] = board(song if len(song) == 2 else song[0], RATE)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, result in enumerate(expected):
        np.testing.assert_array_equal(found[number], result)


class Halved(Board):
    """A board that does more than what it holds, which a board around it must not bypass."""

    def open_stream(
        self, sample_rate: int, channels: int, buffer_size: int = DEFAULT_BUFFER_SIZE
    ) -> SampleStream:
        return Board([*self, pb.Gain(-20)]).open_stream(sample_rate, channels, buffer_size)


def test_a_processor_of_the_users_own_takes_part() -> None:
    audio = music(500)
    board = Board([pb.Gain(0), Halved([pb.Invert()])])
    assert isinstance(board[1], Processor)
    np.testing.assert_allclose(board(audio, RATE), audio * np.float32(-0.1), rtol=1e-5)


def test_every_error_of_a_board_is_stemkits() -> None:
    for error in (BoardError, NotAnEffectError):
        assert issubclass(error, StemkitError)


def test_a_setting_that_changes_while_a_stream_runs_is_refused() -> None:
    separator = Separator("vocals", make_tiny(), segment_seconds=0.5, overlap_seconds=0.1)
    board = Board([separator])
    audio = music(RATE)
    board(audio, RATE, reset=False)
    separator.stem = "accompaniment"
    with pytest.raises(BoardError, match="was changed while a stream ran"):
        board(audio, RATE, reset=False)
