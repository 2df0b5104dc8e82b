"""The loop learns, keeps what it has learned, and goes on from there."""

import os
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from stemkit.errors import ModelError, OptionError, TrainingError
from stemkit.nn.checkpoints import load_checkpoint, save_checkpoint
from stemkit.nn.resunet import ResUNet
from stemkit.training import trainee as trainee_module
from stemkit.training.log import Line, TrainingLog, read_log
from stemkit.training.loop import Report, train
from stemkit.training.mixing import Batch, MixDataset
from stemkit.training.trainee import new_network
from tests.training.making import NETWORK, POOLS, RATE, SONGS, make_config


def run(folder: Path, *tables: str, **keys: object) -> tuple[list[Report], str]:
    """Train, and return the reports and the notes."""
    events = list(train(make_config(folder, *tables, **keys)))
    notes = "\n".join(event for event in events if isinstance(event, str))
    return [event for event in events if isinstance(event, Report)], notes


def read_state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "state.pt", weights_only=True)
    return state


def read_losses(folder: Path) -> list[tuple[int, float | None, float | None]]:
    return [(line.step, line.loss, line.gradient_norm) for line in read_log(folder / "log.csv")]


def test_training_learns_and_goes_on(folder: Path) -> None:
    keys: dict[str, object] = {"validation": "'songs'", "ema_decay": 0.8, "batch_size": 4}
    ((early,), notes) = run(folder, **keys, max_steps=4)
    assert notes == f"decoding all audio into {folder / 'out' / 'cache'} first, which is done once"
    ((late,), notes) = run(folder, **keys, max_steps=16)
    assert notes == "going on from step 4"
    assert (early.step, late.step) == (4, 16)
    assert late.seconds > early.seconds > 0
    assert early.loss is not None
    assert late.loss is not None
    assert late.loss < 0.7 * early.loss
    assert late.medians()["vocals"] > late.medians()["mix"]
    assert set(late.medians()) == {"vocals", "accompaniment", "mix"}
    lines = read_log(folder / "out" / "log.csv")
    assert [line.step for line in lines if line.loss is not None] == list(range(1, 17))
    assert [line.step for line in lines if line.scores] == [4, 16]
    assert lines[-1].scores == pytest.approx(late.medians())
    assert (folder / "out" / "log.png").read_bytes() == b"picture"
    network = load_checkpoint(folder / "out" / "average.safetensors")
    average = read_state(folder / "out")["average"]
    assert all(torch.equal(value, average[name]) for name, value in network.named_parameters())
    assert "step 16 was the last" in run(folder, **keys, max_steps=16)[1]


def test_a_run_that_was_stopped_ends_where_an_undisturbed_one_does(folder: Path) -> None:
    run(folder, max_steps=6, output="'whole'", log_steps=2)
    stops = iter([False, False, True])
    config = make_config(folder, max_steps=6, output="'parts'", log_steps=2)
    *_, note = train(config, lambda: next(stops))
    assert "stopped after step 3" in str(note)
    run(folder, max_steps=6, output="'parts'", log_steps=2)
    whole, parts = read_state(folder / "whole"), read_state(folder / "parts")
    assert whole["step"] == parts["step"] == 6
    for part in ("network", "average"):
        assert all(torch.equal(whole[part][name], parts[part][name]) for name in whole[part])
    assert read_losses(folder / "whole") == read_losses(folder / "parts")
    torch.manual_seed(0)
    start = ResUNet(config.network_config()).state_dict()
    assert not torch.equal(start["unet.head.weight"], whole["network"]["unet.head.weight"])


def test_a_validation_that_was_stopped_is_made_up_for(folder: Path) -> None:
    keys: dict[str, object] = {"validation": "'songs'", "max_steps": 2}
    stops = iter([False, False, False, True])
    *_, note = train(make_config(folder, **keys), lambda: next(stops))
    assert note == "stopped in the validation after step 2; run it again to go on"
    assert not read_log(folder / "out" / "log.csv")[-1].scores
    ((report,), notes) = run(folder, **keys)
    assert "step 2 was the last" in notes
    assert (report.step, report.loss is None) == (2, False)
    assert read_log(folder / "out" / "log.csv")[-1].scores == pytest.approx(report.medians())
    assert run(folder, **keys)[0] == []


def test_a_report_is_of_all_since_the_one_before_though_it_was_stopped(folder: Path) -> None:
    ((whole,), _) = run(folder, max_steps=4, output="'whole'")
    stops = iter([False, True])
    list(train(make_config(folder, max_steps=4, output="'parts'"), lambda: next(stops)))
    assert read_state(folder / "parts")["reported"] == 0
    ((parts,), _) = run(folder, max_steps=4, output="'parts'")
    assert parts.loss == pytest.approx(whole.loss)
    assert read_state(folder / "parts")["reported"] == parts.seconds
    before = read_losses(folder / "parts")
    run(folder, max_steps=4, output="'parts'")
    assert read_losses(folder / "parts") == before


def test_the_last_steps_are_logged_too(folder: Path) -> None:
    run(folder, max_steps=5, log_steps=3)
    assert [step for step, _, _ in read_losses(folder / "out")] == [3, 5]


def test_the_score_of_the_start_is_told_once(folder: Path) -> None:
    run(folder, max_steps=1, output="'first'")
    init = "'first/average.safetensors'"
    keys: dict[str, object] = {"validation": "'songs'", "max_steps": 3, "init": init}
    for _ in range(2):
        told = train(make_config(folder, **keys))
        next(event for event in told if isinstance(event, Report))  # and killed
    assert [line.step for line in read_log(folder / "out" / "log.csv")].count(0) == 1


def test_what_it_began_with_isn_t_needed_to_go_on(folder: Path) -> None:
    run(folder, max_steps=1, output="'first'")
    init = folder / "first" / "average.safetensors"
    run(folder, max_steps=1, init=f"'{init}'")
    init.unlink()
    ((report,), _) = run(folder, max_steps=2, init=f"'{init}'")
    assert report.step == 2


def test_what_was_killed_before_any_step_goes_on_from_the_same_weights(folder: Path) -> None:
    torch.manual_seed(1)
    start = ResUNet(make_config(folder).network_config())
    save_checkpoint(start, folder / "start.safetensors")
    told = train(make_config(folder, init="'./start.safetensors'"))
    next(event for event in told if isinstance(event, Report))
    del told
    (folder / "start.safetensors").unlink()
    _, notes = run(folder, max_steps=1, learning_rate=1e-9)
    assert notes == "going on from step 0"
    found = read_state(folder / "out")["network"]["unet.head.weight"]
    assert torch.allclose(found, start.unet.head.weight)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("average.safetensors", r"average\.safetensors without state\.pt"),
        ("log.csv", r"the log\.csv of another program"),
    ],
)
def test_results_without_their_state_are_not_overwritten(folder: Path, name: str, why: str) -> None:
    path = folder / "out" / name
    path.parent.mkdir()
    path.write_bytes(b"hours of work")
    with pytest.raises(OptionError, match=f"out has {why}; choose another") as at:
        run(folder, max_steps=1)
    assert (f"with init = '{path}' to go on" in str(at.value)) == (name == "average.safetensors")
    assert path.read_bytes() == b"hours of work"
    assert not (folder / "out" / "cache").exists()


def test_what_a_killed_run_was_writing_is_removed(folder: Path) -> None:
    run(folder, max_steps=1)
    left, other = [folder / "out" / place / ".stemkit-1-abc.partial" for place in (".", "cache")]
    left.touch()
    other.touch()
    run(folder, max_steps=2)
    assert not left.exists()
    assert other.exists()  # another training may be writing it


def test_a_run_that_was_killed_early_begins_anew_with_another_init(folder: Path) -> None:
    for seed in (1, 2):
        torch.manual_seed(seed)
        start = ResUNet(make_config(folder).network_config())
        save_checkpoint(start, folder / f"{seed}.safetensors")
        told = train(make_config(folder, init=f"'./{seed}.safetensors'"))
        next(event for event in told if isinstance(event, Report))
        del told
    found = read_state(folder / "out")["network"]["unet.head.weight"]
    assert torch.allclose(found, start.unet.head.weight)


def test_a_song_that_lacks_a_source_is_left_out_of_the_validation_with_a_line(folder: Path) -> None:
    shutil.copytree(folder / "songs", folder / "some")
    (folder / "some" / "another" / "vocals.wav").unlink()
    _, notes = run(folder, validation="'some'", max_steps=1)
    assert "left out the song another: it has no vocals" in notes.splitlines()


def test_songs_of_vocals_and_a_mix_are_validated_with_their_mix(folder: Path) -> None:
    for song in ("a song", "another"):
        for name in ("vocals.wav", "mixture.wav"):
            target = folder / "some" / song / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "songs" / song / name, target)
    ((whole,), _) = run(folder, validation="'songs'", output="'whole'", max_steps=1)
    ((some,), _) = run(folder, validation="'some'", output="'some-out'", max_steps=1)
    assert some.medians() == pytest.approx(whole.medians(), abs=0.01)
    (folder / "some" / "another" / "mixture.wav").unlink()
    _, notes = run(folder, validation="'some'", output="'less'", max_steps=1)
    assert "left out the song another: it has vocals and nothing besides" in notes.splitlines()


@pytest.mark.parametrize("workers", [0, 1])
def test_an_example_that_cannot_be_made_ends_it_with_a_line(
    folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(dataset: MixDataset, number: int) -> Batch:
        raise ValueError(f"no\nexample {number}")

    run(folder, max_steps=1)
    monkeypatch.setattr(MixDataset, "__getitem__", fail)
    with pytest.raises(TrainingError) as told:
        run(folder, max_steps=9, workers=workers)
    assert str(told.value) == (
        "can't make example 2: ValueError: no example 2; run it again to go on from the last state"
    )


def test_a_worker_that_is_killed_ends_it_with_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(dataset: MixDataset, number: int) -> Batch:
        os.kill(os.getpid(), signal.SIGKILL)
        raise NotImplementedError

    monkeypatch.setattr(MixDataset, "__getitem__", die)
    with pytest.raises(TrainingError, match=r"^a process that makes examples was killed"):
        run(folder, max_steps=9, workers=1)


def test_workers_make_the_same_examples(folder: Path) -> None:
    run(folder, max_steps=2, output="'alone'")
    run(folder, max_steps=2, output="'helped'", workers=2)
    assert read_losses(folder / "alone") == read_losses(folder / "helped")


def test_hours_are_those_of_steps_and_of_waiting_for_examples(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = MixDataset.__getitem__

    def make_slowly(dataset: MixDataset, number: int) -> Batch:
        time.sleep(0.1)
        return make(dataset, number)

    monkeypatch.setattr(MixDataset, "__getitem__", make_slowly)
    ((report,), _) = run(folder, max_steps=3, batch_size=2)
    assert 0.6 < report.seconds < 5


def test_a_silent_stem_has_no_score(folder: Path) -> None:
    songs = shutil.copytree(folder / "songs", folder / "checks")
    for name in ("vocals.wav", "mixture.wav"):
        path = songs / "another" / name
        soundfile.write(path, np.zeros_like(soundfile.read(path)[0]), RATE)
    ((report,), _) = run(folder, max_steps=1, validation="'checks'")
    scores = {song.song: set(song.stems_db) for song in report.songs}
    assert scores == {
        "a song": {"vocals", "accompaniment", "mix"}, "another": {"accompaniment"},
    }  # fmt: skip
    heard = next(song for song in report.songs if song.song == "a song")
    assert report.medians()["vocals"] == heard.stems_db["vocals"]


def test_what_was_scored_before_any_step_is_scored_anew(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, ("vocals",), 0)
    log.add(Line(0, 0.0, 1e-3, scores={"vocals": 5.0}))
    assert read_log(TrainingLog(tmp_path, ("vocals",), 2).path)
    assert not read_log(TrainingLog(tmp_path, ("vocals",), 0).path)


def test_a_step_of_remixed_sources_learns_from_all_of_them(folder: Path) -> None:
    run(folder, max_steps=2, output="'once'", batch_size=3)
    ((report,), _) = run(folder, max_steps=2, output="'thrice'", remix=3, batch_size=3)
    once, thrice = read_losses(folder / "once"), read_losses(folder / "thrice")
    assert once != thrice
    assert report.loss == pytest.approx(sum(loss or 0 for _, loss, _ in thrice) / 2)
    assert read_state(folder / "thrice")["examples"] == read_state(folder / "once")["examples"]


@pytest.mark.parametrize(
    ("architecture", "bands"),
    [
        ("resunet143-subband", "n_fft = 128\nhop = 32"),
        ("resunet143-ismir2021", "n_fft = 512\nhop = 128"),
        ("mobilenet-subband", "n_fft = 128\nhop = 32"),
        ("stemkit-small", "n_fft = 512\nhop = 128"),
    ],
)
def test_every_architecture_takes_a_step(folder: Path, architecture: str, bands: str) -> None:
    network = (
        f"[network]\n{bands}\nstage_channels = [4, 6]\nstage_blocks = 1\nbottleneck_blocks = 1\n"
    )
    keys: dict[str, object] = {
        "architecture": f'"{architecture}"',
        "sources": '["vocals", "drums", "bass", "other"]',
        "loss": '"waveform_l1"',
        "optimizer": '"adam"',
        "precision": '"bfloat16"',
    }
    ((report,), _) = run(folder, network + SONGS, **keys, max_steps=1)
    assert report.step == 1
    network_of_four = load_checkpoint(folder / "out" / "average.safetensors")
    assert network_of_four(torch.zeros(1, 2, 4096)).shape == (1, 4, 2, 4096)


def test_a_broken_state_is_an_error_that_names_it(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "state.pt").write_bytes(b"not a state")
    with pytest.raises(TrainingError, match=r"state\.pt: it is damaged .*; choose another output$"):
        run(folder, max_steps=1)
    (folder / "out" / "average.safetensors").touch()
    with pytest.raises(TrainingError, match=r"with init = '.*/average\.safetensors' to go on"):
        run(folder, max_steps=1)


@pytest.mark.parametrize(
    ("tables", "keys", "difference"),
    [
        (NETWORK.replace("4, 6", "4, 8") + POOLS, {}, r"stage_channels is \(4, 6\), not \(4, 8\)"),
        (NETWORK + POOLS, {"optimizer": "'adam'"}, "optimizer is 'adamw', not 'adam'"),
        (NETWORK + POOLS, {"sources": "['accompaniment']"}, r"sources is \('vocals',\)"),
    ],
)
def test_a_state_of_another_run_is_refused(
    folder: Path, tables: str, keys: dict[str, object], difference: str
) -> None:
    run(folder, max_steps=1)
    with pytest.raises(TrainingError, match=difference):
        run(folder, tables, max_steps=2, **keys)


def test_a_state_that_is_older_than_a_field_of_the_network_goes_on(folder: Path) -> None:
    run(folder, max_steps=1)
    path = folder / "out" / "state.pt"
    state = torch.load(path, weights_only=True)
    del state["identity"]["above_hz"]
    torch.save(state, path)
    ((report,), _) = run(folder, max_steps=2)
    assert report.step == 2
    with pytest.raises(TrainingError, match=r"above_hz is 0\.0, not 400"):
        run(folder, NETWORK + "above_hz = 400\n" + POOLS, max_steps=3)


@pytest.mark.parametrize("full_at", ["model", "state"])
def test_without_room_the_state_of_before_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, full_at: str
) -> None:
    run(folder, max_steps=1)
    state = folder / "out" / "state.pt"
    before = state.read_bytes()
    if full_at == "state":
        monkeypatch.setattr(trainee_module, "save_checkpoint", lambda network, path: None)
    with files_no_longer_than(2000), pytest.raises(TrainingError, match=r"can't write .*out: "):
        run(folder, max_steps=2)
    assert state.read_bytes() == before
    assert not list((folder / "out").glob(".stemkit-*"))


def test_two_runs_never_write_into_one_folder(folder: Path) -> None:
    first = train(make_config(folder, max_steps=2, log_steps=1))
    assert str(next(first)).startswith("decoding")
    with pytest.raises(OptionError, match=r"another process writes to .*out; wait for it"):
        run(folder, max_steps=1)
    assert not (folder / "out" / "state.pt").exists()
    list(first)
    assert [line.step for line in read_log(folder / "out" / "log.csv")] == [1, 2]
    run(folder, max_steps=3)


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let longer writes fail, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_loss_that_is_no_number_is_an_error(folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"(loss|gradient) is (nan|inf) after step \d+; lower"):
        run(folder, max_steps=9, learning_rate=1e30, gradient_norm="inf")


def test_training_starts_from_a_model_and_scores_it_first(folder: Path) -> None:
    torch.manual_seed(1)
    start = ResUNet(make_config(folder).network_config())
    start.load_state_dict({"bn0.running_mean": torch.full((257,), 3.0)}, strict=False)
    save_checkpoint(start, folder / "start.safetensors")
    keys: dict[str, object] = {"init": "'./start.safetensors'", "learning_rate": 1e-9}
    ((first, last), _) = run(folder, **keys, max_steps=1, validation="'songs'")
    assert (first.step, first.loss, last.step) == (0, None, 1)
    assert set(first.medians()) == {"vocals", "accompaniment", "mix"}
    state = read_state(folder / "out")
    for part in ("network", "average"):
        assert torch.allclose(state[part]["unet.head.weight"], start.unet.head.weight)
        assert torch.all(state[part]["bn0.running_mean"] > 2)


def test_a_model_of_other_sources_gives_all_but_the_heads_of_new_ones(folder: Path) -> None:
    torch.manual_seed(1)
    start = ResUNet(make_config(folder, sources='["bass", "vocals"]').network_config())
    save_checkpoint(start, folder / "start.safetensors")
    keys: dict[str, object] = {"init": "'./start.safetensors'", "sources": '["vocals", "drums"]'}
    network = new_network(make_config(folder, **keys))
    mix = torch.randn(1, 2, 9000)
    with torch.inference_mode():
        theirs, ours = (one.eval()(mix) for one in (start, network))
    assert network.sources == ("vocals", "drums")
    torch.testing.assert_close(ours[:, 0], theirs[:, 1])
    assert not torch.allclose(ours[:, 1], theirs[:, 0])


@pytest.mark.parametrize(
    ("init", "tables", "message"),
    [
        ("'stemkit-small'", NETWORK + POOLS, r"its n_fft is 4096, not 512, .* change architecture"),
        ("'no-such'", POOLS, "no model 'no-such'"),
        ("'mobilenet-subband'", POOLS, "isn't installed"),
        ("'gone.safetensors'", POOLS, "no weights file"),
    ],
)
def test_an_init_that_does_not_fit_is_an_error(
    folder: Path, init: str, tables: str, message: str
) -> None:
    with pytest.raises((OptionError, ModelError), match=message):
        run(folder, tables, max_steps=1, init=init)


def test_validation_without_the_sources_is_an_error(folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"no song in .*songs has guitar"):
        run(
            folder,
            NETWORK + POOLS.replace('"vocals"', '"guitar"'),
            max_steps=1,
            sources='["guitar"]',
            validation="'songs'",
        )
