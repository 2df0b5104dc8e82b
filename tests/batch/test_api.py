"""What `separate_files` is given, and what it leaves as it was."""

import logging
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutagen.flac import FLAC
from threadpoolctl import threadpool_info, threadpool_limits

import stemkit
from stemkit.batch.api import separate_files
from stemkit.batch.blas import one_thread
from stemkit.batch.cancel import CancelToken
from stemkit.batch.outcomes import Done
from stemkit.batch.request import OutputOptions
from stemkit.effects.catalogue import Separator
from stemkit.effects.schema import Preset, StemSettings
from stemkit.errors import ArgumentTypeError, OptionError, PresetError
from stemkit.separation.options import EngineOptions
from stemkit.spreading.spread import Spreading
from stemkit.storage.places import parse_place
from stemkit.weights.add import AddOptions, add_model
from tests.batch.libraries import save_tiny, write_song


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    for number in range(3):
        write_song(tmp_path / "songs" / f"{number}.wav", seed=number)
    model = save_tiny(tmp_path / "tiny.safetensors")
    return {"inputs": tmp_path / "songs", "output": tmp_path / "out", "model": model}


WRONG: dict[str, dict[str, Any]] = {
    "inputs must be paths or URLs, not None": {"inputs": None},
    "inputs must be paths or URLs, not 5": {"inputs": ["a.wav", 5]},
    "stems must be several names, not 5": {"stems": 5},
    "preset must be a name, a Path or a Preset, not 5": {"preset": 5},
    "output_options must be OutputOptions, not 'flac'": {"output_options": "flac"},
    "engine_options must be EngineOptions, not {}": {"engine_options": {}},
    "spreading must be a Spreading, not 'loky'": {"spreading": "loky"},
    "cancel must be a CancelToken": {"cancel": threading.Event()},
    "progress must be a function, not 'x'": {"progress": "x"},
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_type_that_does_not_fit_is_refused_at_once(fault: str, given: dict[str, Any]) -> None:
    with pytest.raises(ArgumentTypeError, match=fault):
        separate_files(**given | WRONG[fault])
    assert not given["output"].exists()


def test_options_of_the_wrong_type_are_refused() -> None:
    for wrong in ({"handoffs": None}, {"keep_tags": "no"}, {"name_template": 5}):
        with pytest.raises(ArgumentTypeError, match=next(iter(wrong))):
            OutputOptions(**wrong)
    with pytest.raises(ArgumentTypeError, match="workers must be a whole number"):
        Spreading(workers="2")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="a preset is a name or a Path"):
        stemkit.load_preset(None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="a model is a name or a Path"):
        stemkit.load_network(None)  # type: ignore[arg-type]


def test_a_preset_that_was_made_here_is_checked_at_once(given: dict[str, Any]) -> None:
    chain = (Separator(stem="drums"),)
    preset = Preset(version=1, summary="x", stems={"vocals": StemSettings(chain=chain)})
    with pytest.raises(PresetError, match=r"stems\.vocals\.chain"):
        separate_files(**given, preset=preset)
    assert not given["output"].exists()


@pytest.mark.parametrize("number", [11, np.float32(11), np.int64(11)])
def test_numbers_that_are_equal_are_the_same_settings(number: Any, given: dict[str, Any]) -> None:
    def run(seconds: Any) -> list[Any]:
        options = EngineOptions(segment_seconds=seconds, overlap_seconds=1)
        return list(separate_files(**given, engine_options=options))

    assert len(run(11.0)) == 3
    assert run(number) == []


def test_leaving_a_loop_leaves_the_token_as_it_was(given: dict[str, Any]) -> None:
    token = CancelToken()
    for _ in separate_files(**given, cancel=token):
        break
    assert not token.is_set()
    assert len(list(separate_files(**given, cancel=token))) == 2
    token.cancel()
    given["output"] = given["output"].with_name("other")
    assert list(separate_files(**given, cancel=token)) == []


def count_blas_threads() -> list[int]:
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def test_numpy_keeps_its_threads_however_runs_overlap(given: dict[str, Any]) -> None:
    with threadpool_limits(2, user_api="blas"):
        before = count_blas_threads()
        one = separate_files(**given)
        other = separate_files(**given | {"output": given["output"].with_name("other")})
        for run in (one, other, one, other):
            next(run)
            assert count_blas_threads() == before
        one.close()
        assert len([*other]) == 1
        assert count_blas_threads() == before


def test_numpy_has_one_thread_until_the_last_run_that_waits_ends() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = count_blas_threads()
        first, second = ExitStack(), ExitStack()
        for stack in (first, second):
            stack.enter_context(one_thread.hold())
        first.close()
        assert set(count_blas_threads()) == {1}
        second.close()
        assert count_blas_threads() == before


def test_projects_are_made_of_all_songs_and_of_those_done_before(
    given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    out = given["output"]
    assert all(isinstance(one, Done) for one in separate_files(**given))
    assert not list(out.rglob("*.rpp"))
    options = OutputOptions(handoffs=("reaper",))
    with caplog.at_level(logging.WARNING, "stemkit"):
        assert list(separate_files(**given, output_options=options)) == []
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.rpp"))
    assert found == ["0/0.rpp", "1/1.rpp", "2/2.rpp", "out.rpp"]
    assert caplog.messages == []


def test_inputs_without_audio_are_told(
    given: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    assert list(separate_files(**given | {"inputs": tmp_path / "texts"})) == []
    assert caplog.messages == [f"no audio in {tmp_path / 'texts'}"]
    for _ in range(2):  # nor are those all of whose songs are done
        list(separate_files(**given))
    assert len(caplog.messages) == 1


def test_nothing_is_no_path(given: dict[str, Any]) -> None:
    for wrong in ({"inputs": ""}, {"output": ""}):
        with pytest.raises(OptionError, match="an empty path names nothing"):
            separate_files(**given | wrong)
    with pytest.raises(OptionError, match="an empty path names nothing"):
        parse_place("")


def test_all_names_are_listed() -> None:
    assert {*stemkit.__all__} <= {*dir(stemkit)}
    assert all(getattr(stemkit, name) is not None for name in stemkit.__all__)


def test_no_residual_is_left_beside_stems_that_are_the_mix(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="leave out residual"):
        separate_files(**given, stems=("residual", "vocals", "accompaniment"))


def test_segments_that_are_too_short_are_not_guarded() -> None:
    with pytest.raises(OptionError, match=r"segments of 1\.9 s are too short to be guarded"):
        EngineOptions(segment_seconds=1.9, overlap_seconds=0.5, guard=True)


def test_a_dot_in_the_name_of_a_model_is_a_part_of_it(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path / "home"))
    add_model(given["model"], AddOptions(name="mine-1.0"))
    options = OutputOptions(container="flac", name_template="{model}/{track}/{stem}")
    made = list(separate_files(**given | {"model": "mine-1.0"}, output_options=options))
    paths = [one.path for done in made if isinstance(done, Done) for one in done.outputs]
    assert len(paths) == 6
    assert all(path.is_relative_to(given["output"] / "mine-1.0") for path in paths)
    assert FLAC(paths[0])["encodedby"] == [f"stemkit {stemkit.__version__}, model mine-1.0"]


def test_a_model_that_was_replaced_is_loaded_anew(given: dict[str, Any]) -> None:
    stem = given["output"] / "0" / "vocals.wav"
    list(separate_files(**given))
    before = stem.read_bytes()
    save_tiny(given["model"], gain=0.5)
    list(separate_files(**given))
    assert stem.read_bytes() != before
