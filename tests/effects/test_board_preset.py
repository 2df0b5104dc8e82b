"""A board as data: presets, pickles and copies that sound the same."""

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard as pb
import pytest
import soundfile

from stemkit.effects.board import Board
from stemkit.effects.preset import parse_preset
from stemkit.errors import BoardError, PresetError, StemkitError
from stemkit.separation.separator import Separator
from tests.effects.natives import EFFECTS, RATE, impulse_response, music
from tests.separation.networks import make_identity

COPIES: dict[str, Callable[[Board], Board]] = {
    "preset": lambda board: Board.from_preset(board.to_preset()),
    "TOML": lambda board: Board.from_preset(parse_preset(board.to_preset().to_toml())),
    "pickle": lambda board: pickle.loads(pickle.dumps(board)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES.keys())
@pytest.mark.parametrize("name", ["Compressor", "LadderFilter", "Mix", "Pedalboard", "Resample"])
def test_a_copy_has_its_own_plugins_and_the_same_sound(
    name: str, duplicate: Callable[[Board], Board]
) -> None:
    board = Board([EFFECTS[name](), Board([pb.Gain(-1.7)])])
    other = duplicate(board)
    assert other[0] is not board[0]
    audio = music(3000)
    np.testing.assert_array_equal(other(audio, RATE), board(audio, RATE))
    assert other.to_preset() == board.to_preset()


class Kind(Board):
    pass


def test_a_copy_is_of_the_same_class() -> None:
    board = Kind([pb.Gain(3), Kind()])
    for other in (pickle.loads(pickle.dumps(board)), Kind.from_preset(board.to_preset())):
        assert type(other) is Kind
    assert [type(plugin) for plugin in copy.copy(board)] == [pb.Gain, Kind]


def test_a_preset_says_what_it_is_for() -> None:
    preset = Board([pb.Gain(3)]).to_preset("Louder")
    assert preset.summary == "Louder"
    assert preset.outputs == ("mix",)
    assert not preset.stems
    with pytest.raises(PresetError, match="summary: must be one line"):
        Board([pb.Gain(3)]).to_preset("two\nlines")


@pytest.mark.parametrize("how", ["preset", "pickle"])
def test_an_impulse_response_is_a_file(tmp_path: Path, how: str) -> None:
    path = tmp_path / "hall.wav"
    soundfile.write(path, impulse_response(), RATE)
    board = Board([pb.Convolution(str(path), 0.5)])
    if how == "preset":
        other = Board.from_preset(board.to_preset(folder=tmp_path))
    else:
        other = pickle.loads(pickle.dumps(board))
    np.testing.assert_array_equal(other(music(3000), RATE), board(music(3000), RATE))


@pytest.mark.parametrize(
    ("plugin", "match"),
    [
        (pb.Convolution(impulse_response(), 0.5, RATE), "impulse response from an array"),
        (Separator(model=make_identity(), device="cpu"), "network of its own"),
    ],
    ids=["array", "network"],
)
def test_what_is_no_data_is_no_preset(plugin: Any, match: str) -> None:
    with pytest.raises(PresetError, match=match):
        Board([pb.Gain(), plugin]).to_preset()


def test_a_separator_is_pickled_with_all_its_settings() -> None:
    separator = Separator(
        "accompaniment",
        device="cpu",
        precision="float32",
        batch_size=2,
        segment_seconds=2.5,
        overlap_seconds=0.25,
        guard=True,
    )
    board = Board([pb.Gain(1), Board([separator])])
    other: Any = pickle.loads(pickle.dumps(board))
    found = other[1][0]
    for setting in ("stem", "model", "device", "precision", "batch_size", "segment_seconds"):
        assert getattr(found, setting) == getattr(separator, setting)
    assert (found.overlap_seconds, found.guard) == (0.25, True)
    audio = music(RATE // 2)
    np.testing.assert_array_equal(other(audio, RATE), board(audio, RATE))


IN_A_WORKER = """
import pickle, sys
board, audio = pickle.load(sys.stdin.buffer)
pickle.dump(board(audio, 44100), sys.stdout.buffer)
assert "torch" not in sys.modules
"""


def test_a_board_goes_to_another_process() -> None:
    board, audio = Board([pb.Compressor(-30), Board([pb.Reverb()])]), music(2000)
    worker = [sys.executable, "-c", IN_A_WORKER]
    done = subprocess.run(worker, input=pickle.dumps((board, audio)), capture_output=True)
    assert done.stderr == b""
    np.testing.assert_array_equal(pickle.loads(done.stdout), board(audio, RATE))


def preset(text: str) -> Any:
    return parse_preset(f'version = 1\nsummary = "x"\n{text}')


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[stems.vocals]\n[stems.accompaniment]", "separates vocals, accompaniment, which"),
        ("[stems.vocals]\n[mix]", "use it with: stemkit separate --preset"),
        ("[mix]\ngain_db = -3.0", "gain, the loudness or the true peak .* stemkit apply"),
        ("[mix]\nloudness_lufs = -14.0", "stemkit apply"),
        ("[mix]\ntrue_peak_db = -1.0", "stemkit apply"),
    ],
)
def test_a_preset_that_does_more_is_refused(text: str, match: str) -> None:
    with pytest.raises(PresetError, match=match):
        Board.from_preset(preset(text))


def test_a_preset_loads_no_plugin_of_others_unless_that_is_allowed() -> None:
    text = '[mix]\nchain = [{effect = "VST3Plugin", path_to_plugin_file = "/nowhere/a.vst3"}]'
    with pytest.raises(PresetError, match="--allow-plugins"):
        Board.from_preset(preset(text))
    with pytest.raises(PresetError, match=r"no plugin '/nowhere/a\.vst3'"):
        Board.from_preset(preset(text), allow_plugins=True)


@pytest.fixture
def external() -> pb.VST3Plugin:
    path = os.environ.get("STEMKIT_TEST_VST3")
    if not path:
        pytest.skip("STEMKIT_TEST_VST3 names no VST3 plugin")
    return pb.VST3Plugin(path)


def test_a_vst3_plugin_takes_part(external: pb.VST3Plugin) -> None:
    board, audio = Board([pb.Gain(-3), external, pb.Gain(-3)]), music(20_000)
    expected = pb.Pedalboard([*board])(audio, RATE)
    np.testing.assert_array_equal(board(audio, RATE), expected)
    parts = [board(block, RATE, reset=False) for block in np.array_split(audio, 9, axis=1)]
    streamed = np.concatenate([*parts, board.flush()], axis=1)
    np.testing.assert_allclose(streamed, expected, rtol=0, atol=1e-6)
    with pytest.raises(StemkitError, match="doesn't tell which file"):
        board.to_preset()


def test_a_separators_segments_are_kept() -> None:
    board = Board([Separator(segment_seconds=2, overlap_seconds=0.5, device="cpu")])
    copied = Board.from_preset(board.to_preset())[0]
    assert isinstance(copied, Separator)
    assert (copied.segment_seconds, copied.overlap_seconds) == (2, 0.5)


def test_what_is_no_preset_is_refused() -> None:
    for wrong in ("lofi", None, 3):
        with pytest.raises(StemkitError, match="give a Preset"):
            Board.from_preset(wrong)  # type: ignore[arg-type]
    with pytest.raises(PresetError, match="plugins"):
        Board([pb.Mix([])]).to_preset()


def test_an_impulse_response_that_pedalboard_cannot_read_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "room.flac", impulse_response(), RATE)
    (tmp_path / "text.wav").write_text("not audio at all")
    soundfile.write(tmp_path / "room.wav", impulse_response(), RATE, "PCM_24")
    for name in ("room.flac", "text.wav"):
        with pytest.raises(BoardError, match="can't read"):
            Board([pb.Mix([pb.Convolution(str(tmp_path / name), 0.5)])])
    good = pb.Convolution(str(tmp_path / "room.wav"), 0.5)
    again = pb.Convolution(str(tmp_path / "room.wav"), 0.5)
    audio = music(3000)
    np.testing.assert_array_equal(Board([good])(audio, RATE), pb.Pedalboard([again])(audio, RATE))
    assert len(Board([pb.Convolution(str(tmp_path / "room.flac"), 0)])) == 1  # isn't heard


def test_a_buffer_larger_than_pedalboard_takes_changes_nothing() -> None:
    audio = music(3000)
    for plugin in (pb.PitchShift(0), pb.Gain(1)):
        board = Board([plugin])
        np.testing.assert_array_equal(board(audio, RATE, 2**32), board(audio, RATE))
