"""Names are decided before any work, and no two outputs are one."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.batch.find import Fault, find_audio
from stemkit.batch.jobs import Naming, name_jobs
from stemkit.batch.plan import Plan, plan_run
from stemkit.batch.settings import Settings
from stemkit.errors import OptionError, PlanError

STEMS = ("vocals", "accompaniment")


def write_song(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros((100, 2)), 44100)
    return path


def name(output: Path, template: str = "{folder}/{track}/{stem}") -> Naming:
    return Naming(output, STEMS, ".wav", "m", template)


def plan_jobs(inputs: list[Path], naming: Naming, *, overwrite: bool = False) -> Plan:
    findings = find_audio(inputs, naming.output)
    jobs = name_jobs(findings.audio, naming)
    settings = Settings("{}", "{}")
    return plan_run(findings, jobs, naming.output, settings, None, overwrite=overwrite)


def targets(plan: Plan, output: Path) -> list[str]:
    found = [Path(str(target)) for job in plan.jobs for target in job.targets.values()]
    return [target.relative_to(output).as_posix() for target in found if "vocals" in target.name]


def test_the_tree_is_mirrored_and_what_is_no_audio_is_counted(tmp_path: Path) -> None:
    library, out = tmp_path / "library", tmp_path / "out"
    write_song(library / "top.wav")
    write_song(library / "a" / "deep" / "song.flac")
    for junk in ("._top.wav", ".DS_Store", "cover.jpg", "a/notes.txt"):
        (library / junk).write_bytes(b"\xff\xd8\xff\xe0 junk")
    (library / "empty.wav").touch()  # claims to be audio: it fails when its turn comes
    plan = plan_jobs([library], name(out))
    assert targets(plan, out) == [
        "empty/vocals.wav",
        "top/vocals.wav",
        "a/deep/song/vocals.wav",
    ]
    skipped = {path.name for path in plan.not_audio}
    assert skipped == {"._top.wav", ".DS_Store", "cover.jpg", "notes.txt"}


def test_one_name_in_two_formats_is_told_apart_by_its_extension(tmp_path: Path) -> None:
    for extension in ("wav", "flac", "ogg"):
        write_song(tmp_path / "in" / f"song.{extension}")
    write_song(tmp_path / "in" / "other.wav")
    plan = plan_jobs([tmp_path / "in"], name(tmp_path / "out"))
    assert sorted(targets(plan, tmp_path / "out")) == [
        "other/vocals.wav",
        "song.flac/vocals.wav",
        "song.ogg/vocals.wav",
        "song.wav/vocals.wav",
    ]


def test_one_name_in_two_inputs_is_told_apart_by_their_folders(tmp_path: Path) -> None:
    one, two = write_song(tmp_path / "a" / "01.wav"), write_song(tmp_path / "b" / "01.wav")
    expected = ["a/01.wav/vocals.wav", "b/01.wav/vocals.wav"]
    for inputs in ([one, two], [tmp_path / "a", tmp_path / "b"]):
        assert targets(plan_jobs(inputs, name(tmp_path / "o")), tmp_path / "o") == expected


def test_names_that_differ_only_in_case_never_share_an_output(tmp_path: Path) -> None:
    write_song(tmp_path / "in" / "Song.wav")
    write_song(tmp_path / "in" / "song.wav")
    write_song(tmp_path / "in" / "other.wav")
    plan = plan_jobs([tmp_path / "in"], name(tmp_path / "out"))
    assert targets(plan, tmp_path / "out") == ["other/vocals.wav"]
    one, two = tmp_path / "in" / "Song.wav", tmp_path / "in" / "song.wav"
    assert plan.faults == (
        Fault(one, f"{two} differs from it in case or accents alone; rename one"),
        Fault(two, f"{one} differs from it in case or accents alone; rename one"),
    )


def test_one_unlucky_group_of_names_stops_nothing_else(tmp_path: Path) -> None:
    for song in ("a.mp3", "a.wav", "a.mp3.wav", "other.wav"):
        write_song(tmp_path / "in" / "plain.wav").rename(tmp_path / "in" / song)
    plan = plan_jobs([tmp_path / "in"], name(tmp_path / "out"))
    found = [target.partition("/")[0] for target in targets(plan, tmp_path / "out")]
    assert found == ["a.wav", "other"] or found == ["in", "other"]
    one, two = tmp_path / "in" / "a.mp3", tmp_path / "in" / "a.mp3.wav"
    assert plan.faults == (
        Fault(one, f"{two} would share an output; rename one"),
        Fault(two, f"{one} would share an output; rename one"),
    )


@pytest.mark.parametrize(
    ("template", "top", "below"),
    [
        ("{folder}_{track}/{stem}", "song/vocals.wav", "x_song/vocals.wav"),
        ("{folder} - {track}/{stem}", "song/vocals.wav", "x - song/vocals.wav"),
        ("{folder}.{track}.{stem}", "song.vocals.wav", "x.song.vocals.wav"),
        ("[{folder}] {track}/{stem}", "song/vocals.wav", "[x] song/vocals.wav"),
        ("{track} ({folder})/{stem}", "song/vocals.wav", "song (x)/vocals.wav"),
        ("{track}-{folder}-{stem}", "song-vocals.wav", "song-x-vocals.wav"),
        ("{folder}/{folder} - {track}/{stem}", "song/vocals.wav", "x/x - song/vocals.wav"),
        ("{{folder}} {track}/{stem}", "{folder} song/vocals.wav", None),
        ("all/{folder}/{track}/{stem}", "all/song/vocals.wav", "all/x/song/vocals.wav"),
        ("{folder}/.{track}/{stem}", ".song/vocals.wav", "x/.song/vocals.wav"),
    ],
)
def test_no_folder_leaves_nothing(
    tmp_path: Path, template: str, top: str, below: str | None
) -> None:
    """Neither a dot nor what stands between it and the rest."""
    write_song(tmp_path / "in" / "song.wav")
    if below:
        write_song(tmp_path / "in" / "x" / "song.wav")
    plan = plan_jobs([tmp_path / "in"], name(tmp_path / "out", template))
    assert sorted(targets(plan, tmp_path / "out")) == sorted(filter(None, [top, below]))


@pytest.mark.parametrize("letter", ["x", "ß", "歌", os.fsdecode(b"\xe9")])
@pytest.mark.parametrize("template", ["{track}", "{track} ({stem})"])
def test_a_record_has_a_name_wherever_its_stems_have_one(
    tmp_path: Path, template: str, letter: str
) -> None:
    longest = 242 // len(os.fsencode(letter))  # " (vocals).wav" has 13 of 255
    songs = {letter, letter * (longest // 2), letter * longest, f"{letter * (longest - 1)}y"}
    for song in songs:
        write_song(tmp_path / "in" / "plain.wav").rename(tmp_path / "in" / f"{song}.wav")
    naming = Naming(tmp_path / "out", ("vocals",), ".wav", "m", template)
    jobs = plan_jobs([tmp_path / "in"], naming).jobs
    assert {job.source.stem for job in jobs} == songs
    names = {job.record_name for job in jobs}
    assert len(names) == 4
    assert all(name.endswith(".json") and len(os.fsencode(name)) <= 255 for name in names)


def test_a_template_that_gives_two_songs_one_name_is_refused(tmp_path: Path) -> None:
    write_song(tmp_path / "in" / "one.wav")
    write_song(tmp_path / "in" / "two.wav")
    with pytest.raises(PlanError, match=r"one\.wav and .*two\.wav would share"):
        plan_jobs([tmp_path / "in"], name(tmp_path / "out", "{folder}/{stem}"))


def test_a_song_that_is_named_twice_is_one_job(tmp_path: Path) -> None:
    song = write_song(tmp_path / "in" / "song.wav")
    (tmp_path / "in" / "again.wav").symlink_to(song)
    plan = plan_jobs([tmp_path / "in", song], name(tmp_path / "out"))
    assert len(plan.jobs) == 1


def test_the_output_folder_is_not_an_input(tmp_path: Path) -> None:
    write_song(tmp_path / "song.wav")
    write_song(tmp_path / "stems" / "other" / "vocals.wav")
    plan = plan_jobs([tmp_path], name(tmp_path / "stems"))
    assert [job.source.name for job in plan.jobs] == ["song.wav"]


def test_an_input_that_is_the_output_folder_is_refused(tmp_path: Path) -> None:
    write_song(tmp_path / "song.wav")
    with pytest.raises(PlanError, match="is the output folder, which isn't searched"):
        plan_jobs([tmp_path], name(tmp_path))


def test_the_output_folder_among_other_inputs_is_left_out(tmp_path: Path) -> None:
    """A shell's * has it from the second run on."""
    song = write_song(tmp_path / "song.wav")
    write_song(tmp_path / "stems" / "other" / "vocals.wav")
    plan = plan_jobs([tmp_path / "stems", song], name(tmp_path / "stems"))
    assert [job.source for job in plan.jobs] == [song]


def test_songs_whose_stems_are_there_are_left_alone_unless_asked(tmp_path: Path) -> None:
    song, out = write_song(tmp_path / "song.wav"), tmp_path / "out"
    write_song(out / "song" / "vocals.wav")
    (fault,) = plan_jobs([song], name(out)).faults  # one stem is missing, one is somebody's own
    assert fault.path == song
    write_song(out / "song" / "accompaniment.wav")
    done = plan_jobs([song], name(out))
    assert (done.jobs, done.done) == ((), (song,))
    assert len(plan_jobs([song], name(out), overwrite=True).jobs) == 1


@pytest.mark.parametrize(
    "template",
    ["../{track}/{stem}", "/tmp/{track}/{stem}", "a/../../{track}/{stem}", "{folder}/../../{stem}"],
)
def test_no_template_leads_outside(tmp_path: Path, template: str) -> None:
    song = write_song(tmp_path / "in" / "song.wav")
    with pytest.raises(PlanError, match="outside"):
        plan_jobs([song], name(tmp_path / "out", template))


def test_a_song_that_a_link_in_the_output_leads_outside_fails_alone(tmp_path: Path) -> None:
    song = write_song(tmp_path / "in" / "song.wav")
    other = write_song(tmp_path / "in" / "other.wav")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "song").symlink_to(tmp_path / "in")  # whose files aren't in danger
    write_song(tmp_path / "in" / "vocals.wav")
    for overwrite in (False, True):
        plan = plan_jobs([song, other], name(tmp_path / "out"), overwrite=overwrite)
        assert [job.source for job in plan.jobs] == [other]
        assert [fault.path for fault in plan.faults] == [song]
        assert f"leads the output {tmp_path / 'out' / 'song'}" in plan.faults[0].error


@pytest.mark.parametrize("odd", ["...wav", ".. .wav", "{stem}.wav", "%s.wav", "a\nb.wav", "-o.wav"])
def test_odd_file_names_stay_inside(tmp_path: Path, odd: str) -> None:
    write_song(tmp_path / "in" / "plain.wav").rename(tmp_path / "in" / odd)
    plan = plan_jobs([tmp_path / "in"], name(tmp_path / "out"))
    target = plan.jobs[0].targets["vocals"]
    assert os.path.normpath(str(target)) == str(target)
    assert target.parent.parent == tmp_path / "out"


@pytest.mark.parametrize(
    "template",
    [
        "{track}",
        "{stem}/{track}/",
        "{artist}/{stem}",
        "{stem",
        "{track.__class__}/{stem}",
        "{track:>5}{stem}",
    ],
)
def test_a_template_that_can_not_work_is_refused(tmp_path: Path, template: str) -> None:
    with pytest.raises(OptionError, match="template"):
        name(tmp_path, template)


def test_an_output_never_replaces_an_input(tmp_path: Path) -> None:
    song = write_song(tmp_path / "song" / "vocals.wav")
    with pytest.raises(PlanError, match="replace the input"):
        plan_jobs([song], name(tmp_path, "song/{stem}"), overwrite=True)


def test_an_input_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no file or folder"):
        plan_jobs([tmp_path / "gone.wav"], name(tmp_path))
