"""A library run after run: what is done again and what isn't, and why."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stemkit
from stemkit.audio.encode import write_encoded
from stemkit.batch.api import separate_files
from stemkit.batch.cancel import CancelToken
from stemkit.batch.cleaning import recover
from stemkit.batch.driving import drive, open_known
from stemkit.batch.find import find_audio
from stemkit.batch.jobs import Job
from stemkit.batch.ledger import Ledger
from stemkit.batch.outcomes import Done, Dropped, Failed, Outcome, Progress
from stemkit.batch.plan import Plan
from stemkit.batch.request import OutputOptions, request_separation
from stemkit.batch.run import Batch, Crew, run_batch
from stemkit.errors import ArgumentTypeError, EncodeError, LedgerError, OptionError, PlanError
from stemkit.separation.options import EngineOptions
from stemkit.spreading.spread import Backend, Spreading
from stemkit.storage import transfer
from stemkit.tracks.record import RunRecord, read_record
from tests.audio.audiofiles import noise, write_with_ffmpeg
from tests.batch.libraries import name_done, name_failed, read_tree, save_tiny, write_song


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model") / "tiny.safetensors")


class Library:
    """Songs, and runs over them into one output folder."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.songs, self.out, self.model = folder / "songs", folder / "out", model
        for number in range(3):
            write_song(self.songs / f"{number}.wav", seed=number)

    def run(self, **options: object) -> list[Outcome]:
        options = {"model": self.model, **options}
        return list(stemkit.separate_files(self.songs, self.out, **options))  # type: ignore[arg-type]

    def reasons(self, **options: object) -> dict[str, str]:
        """Return why each song that a run did was done."""
        outcomes = self.run(**options)
        return {one.job.source.name: one.job.reason for one in outcomes}


@pytest.fixture
def library(tmp_path: Path, model: Path) -> Library:
    return Library(tmp_path, model)


def test_what_is_done_is_not_done_again(library: Library) -> None:
    assert library.reasons() == dict.fromkeys(("0.wav", "1.wav", "2.wav"), "missing")
    before = read_tree(library.out)
    times = {path: path.stat().st_mtime_ns for path in library.out.rglob("*.wav")}
    assert library.reasons() == {}
    assert read_tree(library.out) == before
    assert times == {path: path.stat().st_mtime_ns for path in library.out.rglob("*.wav")}


def test_only_what_has_a_reason_is_done_again(library: Library) -> None:
    (library.songs / "bad.wav").touch()
    assert name_failed(library.run()) == ["bad.wav"]
    write_song(library.songs / "1.wav", seed=100)
    (library.out / "2" / "vocals.wav").unlink()
    assert library.reasons() == {"bad.wav": "failed", "1.wav": "changed", "2.wav": "missing"}


def test_a_file_that_was_only_touched_is_not_done_again(library: Library) -> None:
    library.run()
    os.utime(library.songs / "1.wav", ns=(1, 1))
    assert library.reasons() == {}
    with open_known(library.out) as ledger:  # and its content isn't read every time from now on
        entry = ledger.find("1/vocals.wav")
        assert entry is not None
        assert entry.state is not None
        assert entry.state.mtime_ns == 1


def test_a_library_that_has_moved_is_not_done_again(library: Library) -> None:
    library.run()
    library.songs = library.songs.rename(library.songs.with_name("moved"))
    assert library.reasons() == {}


def test_a_library_that_was_copied_is_read_once(library: Library) -> None:
    """Its songs are told to be the same by their content, and known where they are from then on."""
    library.run()
    copy = library.songs.with_name("copy")
    library.songs = Path(shutil.copytree(library.songs, copy))
    assert library.reasons() == {}
    with open_known(library.out) as ledger:
        assert {Path(entry.source).parent for entry in ledger.entries()} == {copy}
    song = copy / "1.wav"
    before = song.stat()
    write_song(song, seed=100)
    os.utime(song, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert library.reasons() == {}  # size and time are what they were: it isn't read


def test_other_settings_are_done_again_and_named(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library.run()
    every = dict.fromkeys(("0.wav", "1.wav", "2.wav"), "settings")
    longer = EngineOptions(segment_seconds=12, overlap_seconds=3)
    assert library.reasons(engine_options=longer) == every
    assert library.reasons(engine_options=longer) == {}
    assert library.reasons(output_options=OutputOptions(bit_depth="16")) == every
    other = shutil.copy(library.model, tmp_path / "renamed.safetensors")
    assert library.reasons(model=other, output_options=OutputOptions(bit_depth="16")) == {}
    from stemkit.cli.main import run

    arguments = ["separate", str(library.songs), "-o", str(library.out), "-m", str(other)]
    assert run([*arguments, "--segment-seconds", "12", "--guard", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "3 made with other settings (format, guard, segment_seconds)" in said


def test_a_model_with_other_weights_under_the_same_name_is_noticed(
    library: Library, tmp_path: Path
) -> None:
    model = Path(shutil.copy(library.model, tmp_path / "mine.safetensors"))
    library.run(model=model)
    save_tiny(model, gain=1.1)
    assert set(library.reasons(model=model).values()) == {"settings"}


def test_overwrite_does_all(library: Library) -> None:
    library.run()
    assert set(library.reasons(overwrite=True).values()) == {"overwrite"}


def test_files_that_stemkit_knows_nothing_of_are_left_alone(library: Library) -> None:
    library.run()
    for stem in ("vocals", "accompaniment"):
        (library.out / "0" / f"{stem}.wav").write_text("somebody's own")
    shutil.rmtree(library.out / ".stemkit")
    assert library.reasons() == {}
    assert (library.out / "0" / "vocals.wav").read_text() == "somebody's own"
    assert set(library.reasons(overwrite=True).values()) == {"overwrite"}


def test_another_song_of_the_same_name_does_not_replace_the_first(
    library: Library, tmp_path: Path
) -> None:
    library.run()
    before = read_tree(library.out)
    other = write_song(tmp_path / "other" / "1.wav", seed=50)
    (failed,) = stemkit.separate_files(other, library.out, model=library.model)
    assert isinstance(failed, Failed)
    assert f"holds the stems of {library.songs / '1.wav'}" in failed.error
    assert read_tree(library.out) == before


@pytest.mark.parametrize("stems", [["accompaniment"], ["residual", "accompaniment"]])
def test_nor_do_other_stems_of_another_song(
    stems: list[str], library: Library, tmp_path: Path
) -> None:
    library.run()
    before = read_tree(library.out)
    other = write_song(tmp_path / "other" / "1.wav", seed=50)
    (failed,) = separate_files(other, library.out, model=library.model, stems=stems)
    assert isinstance(failed, Failed)
    assert f"holds the stems of {library.songs / '1.wav'}" in failed.error
    assert read_tree(library.out) == before


def test_one_content_under_two_names_is_separated_once(library: Library) -> None:
    for name in ("twin.wav", "deep/triplet.wav"):
        (library.songs / name).parent.mkdir(exist_ok=True)
        shutil.copy(library.songs / "1.wav", library.songs / name)
    outcomes = library.run(dedupe=True)
    assert len(name_done(outcomes)) == 5
    twins = {o.job.source.name: o.twin_of for o in outcomes if isinstance(o, Done) and o.twin_of}
    assert set(twins) == {"twin.wav", "triplet.wav"}
    assert set(twins.values()) == {library.songs / "1.wav"}
    for stem in ("vocals.wav", "accompaniment.wav"):
        inodes = {(library.out / f / stem).stat().st_ino for f in ("1", "twin", "deep/triplet")}
        assert len(inodes) == 1
    assert library.run(dedupe=True) == []
    shutil.copy(library.songs / "2.wav", library.songs / "late.wav")
    (late,) = library.run(dedupe=True)  # what an earlier run did counts too
    assert isinstance(late, Done)
    assert late.twin_of == library.songs / "2.wav"
    assert library.run() == []


def test_a_twin_of_what_fails_fails_with_it(library: Library) -> None:
    for name in ("a.wav", "b.wav"):
        (library.songs / name).write_bytes(b"RIFF no good" * 10)
    failed = [one for one in library.run(dedupe=True) if isinstance(one, Failed)]
    assert sorted(one.job.source.name for one in failed) == ["a.wav", "b.wav"]


@pytest.mark.parametrize("what", ["grows", "is replaced", "vanishes"])
def test_a_file_that_changes_while_it_is_read_fails_alone(what: str, library: Library) -> None:
    song = library.songs / "1.wav"

    def change(progress: Progress) -> None:
        if progress.job.source != song or progress.audio_seconds == 0 or not song.exists():
            return
        match what:
            case "grows":
                with song.open("ab") as file:
                    file.write(bytes(1000))
            case "is replaced":
                write_song(song.with_name("new.wav"), seed=7).replace(song)
            case "vanishes":
                song.unlink()

    outcomes = library.run(progress=change)
    (failed,) = (one for one in outcomes if isinstance(one, Failed))
    assert failed.job.source == song
    assert ("vanished" if what == "vanishes" else "changed") in failed.error
    assert name_done(outcomes) == ["0.wav", "2.wav"]
    assert not list(library.out.rglob("1/*"))


def test_progress_reaches_the_end_of_every_song(library: Library) -> None:
    told: dict[str, list[Progress]] = {}
    library.run(progress=lambda p: told.setdefault(p.job.source.name, []).append(p))
    assert set(told) == {"0.wav", "1.wav", "2.wav"}
    for progresses in told.values():
        seconds = [one.audio_seconds for one in progresses]
        assert seconds[0] == 0
        assert seconds == sorted(seconds)
        assert seconds[-1] == progresses[-1].total_seconds == 0.5


def test_a_cancelled_run_drops_what_it_has_and_the_next_one_does_the_rest(
    library: Library,
) -> None:
    cancel = CancelToken()
    write_song(library.songs / "long.wav", 20)

    def stop_in_the_long_one(progress: Progress) -> None:
        if progress.job.source.name == "long.wav" and progress.audio_seconds > 0:
            cancel.cancel()

    outcomes = library.run(progress=stop_in_the_long_one, cancel=cancel)
    assert "long.wav" in [one.job.source.name for one in outcomes if isinstance(one, Dropped)]
    assert not list(library.out.rglob("long/*"))
    with open_known(library.out) as ledger:
        assert ledger.count()["interrupted"] >= 1
    assert library.reasons()["long.wav"] == "interrupted"
    assert library.reasons() == {}


def test_a_song_is_dropped_while_it_is_encoded_too(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = CancelToken()

    def encode_late(*arguments: Any) -> None:
        cancel.cancel()
        write_encoded(*arguments)

    monkeypatch.setattr("stemkit.audio.stems.write_encoded", encode_late)
    outcomes = library.run(cancel=cancel)
    assert outcomes
    assert all(isinstance(one, Dropped) for one in outcomes)
    assert not list(library.out.rglob("*.wav"))


def test_closing_the_iterator_stops_the_run(library: Library) -> None:
    for number in range(3, 15):
        write_song(library.songs / f"{number}.wav", seed=number)
    outcomes = stemkit.separate_files(library.songs, library.out, model=library.model)
    assert isinstance(outcomes, Iterator)
    next(outcomes)
    outcomes.close()
    with open_known(library.out) as ledger:
        counts = ledger.count()
    assert counts["done"] < 15
    assert "running" not in counts
    assert len(library.run()) >= 15 - counts["done"]


def test_a_second_run_on_one_output_folder_is_refused(library: Library) -> None:
    outcomes = stemkit.separate_files(library.songs, library.out, model=library.model)
    next(outcomes)
    with pytest.raises(LedgerError, match=f"pid {os.getpid()} on "):
        library.run()
    assert len(list(outcomes)) == 2


def test_what_can_not_be_done_is_refused_at_once(library: Library, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no file or folder"):
        stemkit.separate_files(tmp_path / "gone", library.out)
    with pytest.raises(OptionError, match="no stem"):
        stemkit.separate_files(library.songs, library.out, model=library.model, stems=["drums"])
    assert not library.out.exists()


WRONG: dict[str, dict[str, Any]] = {
    "must be a name or a Path": {"model": 3},
    "several names, not 'vocals'": {"stems": "vocals"},
    "output must be a path or URL, not None": {"output": None},
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_of_the_wrong_type_is_refused_at_once(fault: str, library: Library) -> None:
    given = {"inputs": library.songs, "output": library.out} | WRONG[fault]
    with pytest.raises((OptionError, ArgumentTypeError), match=fault):
        list(separate_files(**given))
    assert not library.out.exists() or not any(library.out.rglob("*.wav"))


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("no provenance 'foo'", {"provenance": "foo"}),
        ("no hand-off 'foo'", {"handoffs": ("foo",)}),
        ("handoffs must be a tuple of names", {"handoffs": "reaper"}),
    ],
)
def test_output_options_are_checked(fault: str, options: dict[str, Any]) -> None:
    with pytest.raises((OptionError, ArgumentTypeError), match=fault):
        OutputOptions(**options)


def test_what_failed_once_its_stems_were_there_is_done_again(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, record: object) -> None:
        raise EncodeError(f"can't write {path}: no room")

    with monkeypatch.context() as patch:
        patch.setattr("stemkit.batch.worker.write_record", fail)
        assert len(name_failed(library.run())) == 3
    assert name_done(library.run()) == ["0.wav", "1.wav", "2.wav"]


def test_what_was_sent_before_a_store_failed_is_sent_again(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = transfer._send

    def fail(path: Path, place: Any) -> int:
        if "accompaniment" in place.name:
            raise PermissionError
        return send(path, place)

    store = f"memory://{library.out.name}"
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "_send", fail)
        (outcome,) = separate_files(library.songs / "0.wav", store, model=library.model)
        assert isinstance(outcome, Failed)
    (outcome,) = separate_files(library.songs / "0.wav", store, model=library.model)
    assert isinstance(outcome, Done), outcome


def test_a_name_that_is_too_long_is_a_line(library: Library) -> None:
    long = write_song(library.songs / f"{'x' * 240}.wav")
    options = OutputOptions(name_template="{track} ({stem})")
    outcomes = library.run(output_options=options)
    assert name_failed(outcomes) == [long.name]
    (failed,) = (one for one in outcomes if isinstance(one, Failed))
    assert "File name too long" in failed.error
    assert not failed.details


def test_a_film_with_several_audio_tracks_is_told_of(library: Library) -> None:
    path = library.songs / "0.wav"
    path.unlink()
    sounds = [noise(4410), noise(4410)]
    write_with_ffmpeg(library.songs / "0.mka", sounds, 44100, "pcm_s16le", "matroska", {})
    told = {one.job.source.name: one.warnings for one in library.run() if isinstance(one, Done)}
    warning = "has 2 audio tracks; one was read, the default or the first"
    assert told == {"0.mka": (warning,), "1.wav": (), "2.wav": ()}


def test_a_ledger_that_is_removed_under_a_run_ends_it(library: Library) -> None:
    spreading = Spreading(workers=1)
    outcomes = separate_files(library.songs, library.out, model=library.model, spreading=spreading)
    next(outcomes)
    library.out.rename(library.out.with_name("moved"))  # at once, though a worker writes into it
    with pytest.raises(LedgerError, match="was removed while the run went on"):
        list(outcomes)


def test_an_output_that_can_not_be_written_loses_nothing(library: Library) -> None:
    library.run()
    before = read_tree(library.out)
    blocker = library.out / "1"
    shutil.rmtree(blocker)
    blocker.write_text("a file where a folder is to be")
    outcomes = library.run()
    assert name_failed(outcomes) == ["1.wav"]
    blocker.unlink()
    assert name_done(library.run()) == ["1.wav"]
    assert read_tree(library.out) == before


def test_one_model_serves_all_threads(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    from stemkit.weights import models

    loads: list[threading.Thread] = []
    original = models.load_network

    def count(name: object) -> object:
        loads.append(threading.current_thread())
        time.sleep(0.05)  # time for a second thread to come
        return original(name)  # type: ignore[arg-type]

    monkeypatch.setattr(models, "load_network", count)
    for number in range(3, 8):
        write_song(library.songs / f"{number}.wav", seed=number)
    library.run(engine_options=EngineOptions(segment_seconds=11, overlap_seconds=1))
    assert len(loads) == 1


def test_files_that_stemkit_did_not_write_are_not_replaced(library: Library) -> None:
    own = library.out / "0" / "vocals.wav"
    own.parent.mkdir(parents=True)
    own.write_text("somebody's own")
    outcomes = library.run()
    assert name_failed(outcomes) == ["0.wav"]
    assert name_done(outcomes) == ["1.wav", "2.wav"]
    assert own.read_text() == "somebody's own"
    assert not (library.out / "0" / "accompaniment.wav").exists()
    assert name_done(library.run(overwrite=True)) == ["0.wav", "1.wav", "2.wav"]


def test_outputs_that_were_edited_are_not_replaced(library: Library) -> None:
    library.run()
    edited = library.out / "1" / "vocals.wav"
    with edited.open("ab") as file:
        file.write(b"a tag")
    before = edited.read_bytes()
    assert library.reasons() == {}
    outcomes = library.run(output_options=OutputOptions(bit_depth="16"))
    assert name_failed(outcomes) == ["1.wav"]
    assert name_done(outcomes) == ["0.wav", "2.wav"]
    assert edited.read_bytes() == before


@pytest.mark.parametrize("how", ["separate", "retry"])
@pytest.mark.parametrize("became", ["failed", "interrupted"])
def test_edits_between_two_tries_are_not_replaced(
    became: str, how: str, library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    """The song was done, was to be done with other settings, and wasn't; then it was edited."""
    from stemkit.cli.main import run

    library.run()
    song, deeper = library.songs / "1.wav", OutputOptions(bit_depth="16")
    whole, cancel = song.read_bytes(), CancelToken()

    def spoil(progress: Progress) -> None:
        if progress.job.source == song and became == "interrupted":
            cancel.cancel()

    if became == "failed":
        song.write_bytes(whole[:20])
    one_by_one = Spreading(workers=1)
    library.run(output_options=deeper, progress=spoil, cancel=cancel, spreading=one_by_one)
    song.write_bytes(whole)
    with open_known(library.out) as ledger:
        assert [entry.source for entry in ledger.entries(became)] == [str(song)]  # type: ignore[arg-type]
    edited = library.out / "1" / "vocals.wav"
    edited.write_text("edited")
    if how == "separate":
        assert name_failed(library.run(output_options=deeper)) == ["1.wav"]
    else:
        assert run(["retry", str(library.out), "-q"]) == 1
        assert f"{edited} isn't what stemkit wrote" in capsys.readouterr().err
    assert edited.read_text() == "edited"
    edited.unlink()
    assert "1.wav" in name_done(library.run(output_options=deeper))


def test_what_a_killed_run_wrote_and_did_not_record_is_replaced(library: Library) -> None:
    job = Job(library.songs / "1.wav", library.out, {"vocals": "1/vocals.wav"})
    with drive(library.out) as ledger:
        ledger.begin(job, "f")
    write_song(library.out / "1" / "vocals.wav")
    assert library.reasons()["1.wav"] == "interrupted"
    assert library.reasons() == {}


def test_what_a_killed_run_replaced_and_did_not_record_is_its_own(library: Library) -> None:
    """It was done, and was being done with other settings."""
    library.run()
    job = Job(library.songs / "1.wav", library.out, {"vocals": "1/vocals.wav"})
    with drive(library.out) as ledger:
        ledger.begin(job, "f")
    write_song(library.out / "1" / "vocals.wav", seed=9)
    song = library.songs / "1.wav"
    whole = song.read_bytes()
    song.write_bytes(whole[:20])  # and the next run failed on it
    assert name_failed(library.run()) == ["1.wav"]
    song.write_bytes(whole)
    assert library.reasons()["1.wav"] == "failed"
    assert library.reasons() == {}


def test_a_stem_that_was_made_beside_others_is_there(library: Library) -> None:
    """It's the same alone; what others leave isn't."""
    library.run()
    assert library.reasons(stems=("accompaniment",)) == {}
    plans: list[Plan] = []
    other = save_tiny(library.out.with_name("other.safetensors"), 3.0)
    naming, treatment = request_separation(
        library.out, OutputOptions(), other, None, EngineOptions(stems=("accompaniment",))
    )
    findings = find_audio([library.songs], library.out)
    crew = Crew(Spreading(), CancelToken(), lambda _: None)
    assert len([*run_batch(iter([findings]), Batch(naming, treatment), crew, plans.append)]) == 3
    assert [(plan.jobs[0].reason, plan.differences) for plan in plans] == [
        ("settings", ("model", "stems"))
    ]


def test_another_song_replaces_nothing_once_the_first_has_failed(
    library: Library, tmp_path: Path
) -> None:
    library.run()
    before = read_tree(library.out)
    first = library.songs / "1.wav"
    other, whole = write_song(tmp_path / "other" / "1.wav", seed=50), first.read_bytes()
    first.write_bytes(whole[:20])
    assert name_failed(library.run()) == ["1.wav"]
    (failed,) = separate_files(other, library.out, model=library.model)
    assert isinstance(failed, Failed)
    assert f"holds the stems of {first}" in failed.error
    assert read_tree(library.out) == before
    first.unlink()
    (done,) = separate_files(other, library.out, model=library.model)
    assert isinstance(done, Done)


def test_a_song_that_failed_and_left_nothing_makes_room_for_another(
    library: Library, tmp_path: Path
) -> None:
    (library.songs / "bad.wav").write_bytes(b"RIFF no good")
    assert name_failed(library.run()) == ["bad.wav"]
    good = write_song(tmp_path / "other" / "bad.wav")
    assert name_done([*separate_files(good, library.out, model=library.model)]) == ["bad.wav"]


def test_stems_that_another_choice_of_stems_wrote_are_not_taken_as_done(
    library: Library, tmp_path: Path
) -> None:
    other = save_tiny(tmp_path / "other.safetensors", gain=1.1)
    every = dict.fromkeys(("0.wav", "1.wav", "2.wav"), "settings")
    library.run()
    before = read_tree(library.out)
    assert library.reasons(model=other, stems=["accompaniment"]) == every
    assert library.reasons(model=other, stems=["accompaniment"]) == {}
    after = read_tree(library.out)
    for number in range(3):
        vocals, accompaniment = f"{number}/vocals.wav", f"{number}/accompaniment.wav"
        assert after[vocals] == before[vocals]
        assert after[accompaniment] != before[accompaniment]
    assert library.reasons() == every
    assert library.reasons() == {}
    assert read_tree(library.out) == before
    (library.out / "0" / "accompaniment.wav").write_text("edited")
    write_song(library.songs / "1.wav", seed=100)
    outcomes = library.run(stems=["accompaniment"])
    assert (name_failed(outcomes), name_done(outcomes)) == (["0.wav"], ["1.wav", "2.wav"])


def test_a_twin_of_stems_that_were_replaced_since_is_separated(
    library: Library, tmp_path: Path
) -> None:
    other = save_tiny(tmp_path / "other.safetensors", gain=1.1)
    library.run()
    library.run(model=other, stems=["accompaniment"])
    twin = shutil.copy(library.songs / "1.wav", tmp_path / "twin.wav")
    (done,) = separate_files(twin, library.out, model=library.model, dedupe=True)
    assert isinstance(done, Done)
    assert done.twin_of is None


def test_stems_that_a_new_record_leaves_out_are_warned_of(library: Library) -> None:
    def warnings(**options: object) -> list[str]:
        outcomes = library.run(dedupe=True, **options)
        return [warning for one in outcomes if isinstance(one, Done) for warning in one.warnings]

    shutil.copy(library.songs / "1.wav", library.songs / "twin.wav")
    assert warnings() == []
    assert warnings(output_options=OutputOptions(container="flac")) == []
    assert warnings(stems=["accompaniment"]) == []  # it is there
    assert warnings(stems=["accompaniment"], overwrite=True) == 4 * [
        "its record replaces that of vocals, whose files stay; give them a folder of their own"
    ]
    assert warnings(stems=["accompaniment"], overwrite=True) == []


def test_the_one_file_of_a_run_forgets_stems_that_were_made_anew_without_it(
    library: Library,
) -> None:
    kept = OutputOptions(provenance="run")
    record = library.out / "provenance.json"
    library.run(output_options=kept)
    (made_anew, *others), deeper = library.songs.iterdir(), OutputOptions(bit_depth="16")
    for songs, left in (([made_anew], sorted(others)), (others, [])):
        list(separate_files(songs, library.out, model=library.model, output_options=deeper))
        run = read_record(record)
        assert isinstance(run, RunRecord)
        assert [track.source.path for track in run.tracks] == [*map(str, left)]
    record.unlink()
    library.run(output_options=deeper, overwrite=True)
    assert not record.exists()


@pytest.mark.parametrize("year", [1950, 2300, 2400])
def test_a_file_of_any_date_is_done_once(year: int, library: Library) -> None:
    moment = (year - 1970) * 31_556_952 * 10**9
    os.utime(library.songs / "1.wav", ns=(moment, moment))
    assert name_done(library.run()) == ["0.wav", "1.wav", "2.wav"]
    assert library.reasons() == {}
    write_song(library.songs / "1.wav", seed=100)
    os.utime(library.songs / "1.wav", ns=(moment + 10**9, moment + 10**9))
    assert library.reasons() == {"1.wav": "changed"}


def test_twins_of_what_was_edited_or_could_not_be_written_are_separated(library: Library) -> None:
    library.run()
    (library.out / "1" / "vocals.wav").write_text("edited")
    shutil.copy(library.songs / "1.wav", library.songs / "late.wav")
    (late,) = (one for one in library.run(dedupe=True) if isinstance(one, Done))
    assert late.twin_of is None
    for name in ("a", "b"):
        write_song(library.songs / f"{name}.wav", seed=99)
    (library.out / "a").write_text("a file where a folder is to be")
    outcomes = library.run(dedupe=True)
    assert name_failed(outcomes) == ["a.wav"]
    assert name_done(outcomes) == ["b.wav"]


def test_what_progress_raises_ends_the_run_and_is_no_songs_fault(library: Library) -> None:
    def tell(progress: Progress) -> None:
        raise BrokenPipeError("nobody listens")

    with pytest.raises(BrokenPipeError):
        library.run(progress=tell)
    with open_known(library.out) as ledger:
        assert "failed" not in ledger.count()


def test_looking_leaves_no_trace(library: Library) -> None:
    from stemkit.cli.main import run

    library.run()
    before = {path: path.stat().st_mtime_ns for path in library.out.rglob("*")}
    assert run(["status", str(library.out)]) == 0
    arguments = ["-o", str(library.out), "-m", str(library.model), "--dry-run", "--overwrite"]
    assert run(["separate", str(library.songs), *arguments]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in library.out.rglob("*")}


@pytest.mark.slow
def test_processes_die_with_a_killed_driver(library: Library) -> None:
    write_song(library.songs / "long.wav", 600)
    arguments = ["-o", str(library.out), "-m", str(library.model), "--backend", "loky", "--json"]
    command = [sys.executable, "-m", "stemkit", "separate", str(library.songs), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(5):  # until something has begun
            process.stdout.readline()
        time.sleep(1)
        process.kill()
        process.stdout.read()  # ends when nobody holds the pipe any more
    assert not list(library.out.rglob("long/*.wav"))


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_nothing_to_do_needs_no_worker(library: Library, backend: Backend) -> None:
    library.run()
    assert library.run(spreading=Spreading(backend, 2)) == []
    assert library.run(spreading=Spreading("dask", address="tcp://127.0.0.1:1")) == []


def test_what_is_cleaned_up_is_in_the_output_folder(tmp_path: Path) -> None:
    """Of a job whose record's name isn't known, too: beside that folder another run may write."""
    out = tmp_path / "out"
    ledger = Ledger(make_folder(out / ".stemkit"), writable=True)
    ledger.begin(Job(tmp_path / "a.wav", out, {"vocals": "a/vocals.wav"}), "f")
    (out / "a").mkdir()
    paths = [folder / ".stemkit-1-x.partial" for folder in (tmp_path, out, out / "a")]
    for path in paths:
        path.touch()
    recover(ledger, out)
    ledger.close()
    assert [path.exists() for path in paths] == [True, False, False]


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
