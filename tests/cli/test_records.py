"""What a run leaves besides samples: tags, records, projects, and what it says of trouble."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC
from wavinfo import WavInfoReader

from stemkit.audio.true_peak import TruePeakMeter
from stemkit.batch.ledger import Ledger
from stemkit.cli.main import run
from stemkit.files import hash_content
from stemkit.tracks.find import find_tracks
from stemkit.tracks.record import RunRecord, TrackRecord, read_record
from stemkit.tracks.track import Track
from tests.audio.meters import ffmpeg_measures
from tests.batch.libraries import read_tree, save_tiny, write_song


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Return a folder with a tagged song and one without tags in a folder of its own."""
    folder = tmp_path / "songs"
    write_song(folder / "plain.wav", 0.6, seed=1)
    (folder / "album").mkdir()
    path = folder / "album" / "tagged.flac"
    samples = np.random.default_rng(2).uniform(-0.3, 0.3, (48000, 2))
    soundfile.write(path, samples, 48000, subtype="PCM_24")
    flac = FLAC(path)
    flac["title"], flac["artist"], flac["bpm"] = "The <Song>", ["A", "B"], "128"
    flac["chapter001"], flac["chapter001name"] = "00:00:00.250", "Verse"
    flac.save()
    return folder


def separate(songs: Path, out: Path, model: str, *options: str) -> int:
    return run(["separate", str(songs), "-o", str(out), "-m", model, "-q", *options])


def read_track(path: Path) -> TrackRecord:
    record = read_record(path)
    assert isinstance(record, TrackRecord)
    return record


def test_a_record_says_what_is_there(songs: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model, "--bit-depth", "32f", "--precision", "float32") == 0
    folder = out / "album" / "tagged"
    record = read_track(folder / "provenance.json")
    source = songs / "album" / "tagged.flac"
    assert (record.source.path, record.source.sha256) == (str(source), hash_content(source))
    assert (record.source.container, record.source.channels) == ("flac", 2)
    assert record.model is not None
    assert (record.model.name, record.model.sha256) == (model, hash_content(Path(model)))
    assert record.settings["options"]["segment_seconds"] == 30
    assert {"stemkit", "python", "torch", "numpy"} <= record.versions.keys()
    assert (record.tags.title, record.tags.artist, record.tags.bpm) == ("The <Song>", "A; B", "128")
    assert [(one.frame, one.label) for one in record.markers] == [(12000, "Verse")]
    assert [stem.stem for stem in record.stems] == ["vocals", "accompaniment"]
    for stem in record.stems:
        path = folder / stem.file
        samples, rate = soundfile.read(path, dtype="float32")
        assert (stem.sample_rate, stem.frames, stem.channels) == (rate, len(samples), 2)
        assert (stem.size_bytes, stem.sha256) == (path.stat().st_size, hash_content(path))
        assert stem.loudness_lufs == pytest.approx(ffmpeg_measures(samples.T, rate)[0], abs=0.05)
        meter = TruePeakMeter(rate, 2)
        meter.push(samples.T)
        meter.flush()
        assert stem.true_peak_db == pytest.approx(meter.true_peak_db, abs=0.01)
        assert stem.peak_db == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=1e-3)
        energy_db = 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))
        assert stem.energy_db == pytest.approx(energy_db, abs=1e-3)
        assert stem.gain_db == 0
    mix, _ = soundfile.read(source)
    energy_db = 10 * np.log10(np.mean(np.square(mix)))
    assert record.source.energy_db == pytest.approx(energy_db, abs=1e-3)


def test_levels_are_those_after_the_gain(model: str, tmp_path: Path) -> None:
    loud = np.random.default_rng(0).uniform(-0.99, 0.99, (30000, 2))
    soundfile.write(tmp_path / "loud.wav", loud, 44100, "FLOAT")
    assert separate(tmp_path / "loud.wav", tmp_path / "out", model) == 0
    record = read_track(tmp_path / "out" / "loud" / "provenance.json")
    gains = {stem.gain_db for stem in record.stems}
    assert len(gains) == 1
    assert max(stem.peak_db or 0 for stem in record.stems) <= 1e-6
    for stem in record.stems:
        written, rate = soundfile.read(tmp_path / "out" / "loud" / stem.file, dtype="float32")
        assert stem.peak_db == pytest.approx(20 * np.log10(np.abs(written).max()), abs=1e-3)
        assert stem.loudness_lufs == pytest.approx(ffmpeg_measures(written.T, rate)[0], abs=0.05)


@pytest.mark.parametrize(
    ("template", "record", "stem"),
    [
        ("{folder}/{track}/{stem}", "album/tagged/provenance.json", "vocals.wav"),
        ("{track} ({stem})", "tagged (provenance).json", "tagged (vocals).wav"),
        ("{folder}/{track}/{number} {stem}", "album/tagged/0 provenance.json", "1 vocals.wav"),
        ("{stem}/{track}", "provenance/tagged.json", "../vocals/tagged.wav"),
    ],
)
def test_a_record_is_named_as_the_stems_are(
    template: str, record: str, stem: str, songs: Path, model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model, "--name-template", template) == 0
    assert read_track(out / record).stems[0].file == stem
    tracks = [one for one in find_tracks(out) if isinstance(one, Track)]
    assert sorted(track.name for track in tracks) == ["plain", "tagged"]
    assert len({(track.folder, track.project) for track in tracks}) == 2


def test_one_file_holds_the_records_of_a_run(
    songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And of the runs before, once each; none of a song whose stems are made anew twice."""
    out = tmp_path / "out"
    assert separate(songs / "plain.wav", out, model, "--provenance", "run") == 0
    assert separate(songs, out, model, "--provenance", "run") == 0
    assert separate(songs, out, model, "--provenance", "run", "--overwrite") == 0
    assert not list(out.rglob("*/provenance.json"))
    record = read_record(out / "provenance.json")
    assert isinstance(record, RunRecord)
    assert [[stem.file for stem in track.stems] for track in record.tracks] == [
        ["album/tagged/vocals.wav", "album/tagged/accompaniment.wav"],
        ["plain/vocals.wav", "plain/accompaniment.wav"],
    ]
    capsys.readouterr()
    assert run(["provenance"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(json.loads((out / "provenance.json").read_text()), schema)
    assert all(
        "description" in field
        for name in ("TrackRecord", "StemRecord", "SourceRecord", "RunRecord")
        for field in schema["$defs"][name]["properties"].values()
    )
    assert len([one for one in find_tracks(out) if isinstance(one, Track)]) == 2


def test_no_provenance_and_no_tags_leave_the_samples_alone(
    songs: Path, model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model, "--provenance", "off", "--no-tags") == 0
    assert all(name.endswith(".wav") for name in read_tree(out))
    info = WavInfoReader(out / "album" / "tagged" / "vocals.wav")
    assert info.bext is None
    names = {chunk.ident for chunk in info.main_list}
    assert names <= {b"JUNK", b"fmt ", b"fact", b"data"}


def test_other_tags_are_other_settings_but_other_records_are_not(
    songs: Path, model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model) == 0
    assert separate(songs, out, model, "--provenance", "run") == 3
    assert separate(songs, out, model, "--no-tags") == 0


def test_a_twin_has_a_record_of_its_own(songs: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (songs / "twin.wav").write_bytes((songs / "plain.wav").read_bytes())
    assert separate(songs, out, model, "--dedupe") == 0
    (songs / "late.wav").write_bytes((songs / "plain.wav").read_bytes())
    assert separate(songs, out, model, "--dedupe") == 0
    plain = read_track(out / "plain" / "provenance.json")
    for name in ("twin", "late"):
        twin = read_track(out / name / "provenance.json")
        assert (twin.name, twin.source.path) == (name, str(songs / f"{name}.wav"))
        assert twin.source.sha256 == plain.source.sha256
        assert [s.sha256 for s in twin.stems] == [s.sha256 for s in plain.stems]
        assert (out / name / "vocals.wav").samefile(out / "plain" / "vocals.wav")


def test_a_file_that_is_no_record_is_not_replaced(
    songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "plain").mkdir(parents=True)
    (out / "plain" / "provenance.json").write_text('{"mine": 1}')
    assert separate(songs, out, model) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert "provenance.json isn't a record of stemkit's; move it away" in errors[0]
    assert (out / "plain" / "provenance.json").read_text() == '{"mine": 1}'
    assert (out / "album" / "tagged" / "vocals.wav").is_file()


def test_damaged_tags_cost_a_warning_and_not_the_song(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = tmp_path / "songs" / "song.flac"
    song.parent.mkdir()
    soundfile.write(song, np.random.default_rng(2).uniform(-0.3, 0.3, (30000, 2)), 44100)
    flac = FLAC(song)
    flac["title"] = "Xxxx"
    flac.save()
    length = (10).to_bytes(4, "little")
    data = song.read_bytes()
    assert length + b"title=Xxxx" in data
    song.write_bytes(data.replace(length + b"title", b"\xff\xff\xff\x0f" + b"title"))
    command = ["separate", str(song), "-o", str(tmp_path / "out"), "-m", model, "--json"]
    assert run(command) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (done,) = (event for event in events if event["event"] == "done")
    assert len(done["warnings"]) == 1
    assert "the tags of 'song.flac' can't be read" in done["warnings"][0]
    record = read_track(tmp_path / "out" / "song" / "provenance.json")
    assert record.warnings == done["warnings"]


def test_retry_keeps_what_a_run_was_asked_for(songs: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    good = (songs / "plain.wav").read_bytes()
    (songs / "plain.wav").write_bytes(good[:-100])
    assert separate(songs, out, model, "--handoff", "audacity") == 1
    (songs / "plain.wav").write_bytes(good)
    assert run(["retry", str(out), "-q"]) == 0
    assert read_track(out / "plain" / "provenance.json").name == "plain"
    assert (out / "plain" / "plain.lof").is_file()


def test_retry_keeps_what_the_run_was_asked_for_that_failed(
    songs: Path, model: str, tmp_path: Path
) -> None:
    """Not what a later run with the same settings was asked for."""
    out = tmp_path / "out"
    plain, tagged = songs / "plain.wav", songs / "album" / "tagged.flac"
    good = plain.read_bytes()
    plain.write_bytes(good[:-100])
    assert separate(plain, out, model, "--provenance", "off") == 1
    assert separate(tagged, out, model, "--handoff", "audacity") == 0
    plain.write_bytes(good)
    assert run(["retry", str(out), "-q"]) == 0
    assert sorted(path.name for path in (out / "plain").iterdir()) == [
        "accompaniment.wav", "vocals.wav",
    ]  # fmt: skip


def test_a_ledger_of_an_earlier_stemkit_goes_on(songs: Path, model: str, tmp_path: Path) -> None:
    """One that knows of no records: tables, a column and a name more are all that is new."""
    out = tmp_path / "out"
    plain = (songs / "plain.wav").read_bytes()
    (songs / "plain.wav").write_bytes(plain[:-100])
    assert separate(songs, out, model, "--provenance", "off") == 1
    ledger = Ledger(out / ".stemkit", writable=True)
    ledger._ask("DROP TABLE records")
    ledger._ask("DROP TABLE refused")
    ledger._ask("ALTER TABLE jobs DROP COLUMN places")
    ledger._ask("""UPDATE jobs SET targets = replace(targets, ', "": ', ', "old": ')""")
    ledger._ask("UPDATE jobs SET targets = json_remove(targets, '$.old')")
    ledger.close()
    assert run(["status", str(out)]) == 1
    (songs / "plain.wav").write_bytes(plain)
    assert run(["retry", str(out), "-q"]) == 0
    assert run(["status", str(out)]) == 0
    assert separate(songs, out, model, "--provenance", "run") == 3
    assert separate(songs, out, model, "--provenance", "run", "--overwrite") == 0
    assert (out / "provenance.json").is_file()


def test_a_song_goes_on_once_what_was_in_the_way_is_gone(
    songs: Path, model: str, tmp_path: Path
) -> None:
    """Nothing was written, and so nothing is in the way of the next run."""
    out = tmp_path / "out"
    (out / "plain").mkdir(parents=True)
    (out / "plain" / "provenance.json").write_text("{}")
    assert separate(songs, out, model) == 1
    assert not (out / "plain" / "vocals.wav").exists()
    (out / "plain" / "provenance.json").unlink()
    assert separate(songs, out, model) == 0


def test_the_one_file_of_a_run_replaces_no_other(
    songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is found before any work."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "provenance.json").write_text("mine")
    assert separate(songs, out, model, "--provenance", "run") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert read_tree(out).keys() == {"provenance.json"}
    assert (out / "provenance.json").read_text() == "mine"
