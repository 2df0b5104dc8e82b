"""What is drawn from is what the folders hold."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from stemkit.errors import OptionError, TrainingError
from stemkit.evaluation.songs import Sound
from stemkit.samples import Samples
from stemkit.training.clips import Clip, ClipCache, measure_bandwidth
from stemkit.training.config import Pool, Songs
from stemkit.training.material import open_material
from stemkit.training.pools import choose_parts, group_stems, open_pool, open_songs
from tests.training.making import (
    NETWORK,
    POOLS,
    RATE,
    SONGS,
    STEMS,
    make_config,
    make_noise,
    write_sound,
)


@pytest.fixture
def cache(tmp_path: Path) -> ClipCache:
    return ClipCache(tmp_path / "cache", RATE)


def test_files_that_are_excluded_are_not_drawn(tmp_path: Path, cache: ClipCache) -> None:
    for name in ("keep-1.wav", "drop-1.wav", ".hidden.wav", "deeper/keep-2.flac"):
        write_sound(tmp_path / "pool" / name, make_noise(0.1, 5000))
    (tmp_path / "pool" / "notes.txt").write_text("no audio")
    opened = open_pool(
        Pool(source="vocals", folders=[tmp_path / "pool"], exclude=["drop-*"]), cache
    )
    assert (len(opened.takes), opened.left_out) == (2, ())


def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(
    tmp_path: Path, cache: ClipCache
) -> None:
    pool = Pool(source="vocals", folders=[tmp_path / "pool"])
    write_sound(tmp_path / "pool" / "good.wav", make_noise(0.1, 5000))
    (tmp_path / "pool" / "bad.wav").write_bytes(b"RIFF")
    opened = open_pool(pool, cache)
    (line,) = opened.left_out
    assert str(tmp_path / "pool" / "bad.wav") in line
    assert len(opened.takes) == 1
    (tmp_path / "pool" / "good.wav").unlink()
    with pytest.raises(TrainingError, match=r"no audio in .*pool; the first of 1 .*bad\.wav"):
        open_pool(pool, cache)


@pytest.mark.parametrize("exists", [False, True])
def test_a_pool_without_audio_is_an_error(tmp_path: Path, cache: ClipCache, exists: bool) -> None:
    folder = tmp_path / "pool"
    if exists:
        folder.mkdir()
    with pytest.raises(TrainingError, match="pool"):
        open_pool(Pool(source="vocals", folders=[folder]), cache)
    with pytest.raises(TrainingError, match="pool"):
        open_songs(Songs(folders=[folder]), ("vocals",), (), cache)


def test_a_file_is_decoded_once_and_again_when_it_changes(tmp_path: Path, cache: ClipCache) -> None:
    path = tmp_path / "pool" / "one.wav"
    pool = Pool(source="vocals", folders=[path.parent])
    write_sound(path, make_noise(0.1, 5000))
    (first,) = open_pool(pool, cache).takes
    written = first.clips[0].path.stat().st_mtime_ns
    assert open_pool(pool, cache).takes[0].clips[0].path.stat().st_mtime_ns == written
    write_sound(path, make_noise(0.2, 5000))
    (second,) = open_pool(pool, cache).takes
    assert second.frames == 2 * first.frames


def test_links_are_followed_and_hidden_folders_are_not(tmp_path: Path, cache: ClipCache) -> None:
    names = ("elsewhere/a.wav", "pool/b.wav", "pool/.trash/c.wav", "pool/._d.wav")
    for number, name in enumerate(names, 1):
        write_sound(tmp_path / name, make_noise(number / 10, 9000))
    (tmp_path / "pool" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pool" / "circle").symlink_to(tmp_path / "pool")
    pool = open_pool(Pool(source="vocals", folders=[tmp_path / "pool"]), cache)
    assert {take.frames for take in pool.takes} == {RATE // 10, RATE // 5}
    assert not pool.left_out
    write_sound(tmp_path / "there" / "song" / "vocals.wav", make_noise(0.1, 9000))
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "song").symlink_to(tmp_path / "there" / "song")
    (song,) = open_songs(Songs(folders=[tmp_path / "songs"]), ("vocals",), (), cache).songs
    assert song.name == "song"


def test_what_teaches_nothing_is_left_out_with_a_line(tmp_path: Path, cache: ClipCache) -> None:
    sounds = {
        "good": make_noise(0.1, 9000),
        "six": np.tile(make_noise(0.1, 9000), (3, 1)),
        "silent": np.zeros((2, 9000), np.float32),
        "short": np.ones((1, 1), np.float32),
    }
    for name, sound in sounds.items():
        write_sound(tmp_path / "pool" / f"{name}.wav", sound)
    table = Pool(source="vocals", folders=[tmp_path / "pool"])
    for _ in range(2):  # and when they are in the cache
        pool = open_pool(table, ClipCache(cache.folder, 16000))
        assert len(pool.takes) == 1
        reasons = [line.split("pool/")[1] for line in pool.left_out]
        assert reasons == [
            "short.wav: 'short.wav' has no audio",
            "silent.wav: it is silent",
            "six.wav: 'six.wav' has 6 channels; make it mono or stereo",
        ]


def test_what_is_left_out_on_purpose_is_blamed(tmp_path: Path, cache: ClipCache) -> None:
    write_sound(tmp_path / "pool" / "a.wav", make_noise(0.1, 9000))
    write_sound(tmp_path / "songs" / "a" / "vocals.wav", make_noise(0.1, 9000))
    pool = Pool(source="vocals", folders=[tmp_path / "pool"], exclude=["*"])
    songs = Songs(folders=[tmp_path / "songs"], exclude=["*"])
    with pytest.raises(TrainingError, match=r"no audio in .* but what `exclude` leaves out"):
        open_pool(pool, cache)
    with pytest.raises(TrainingError, match=r"no song with stems in .* but what `exclude`"):
        open_songs(songs, ("vocals",), (), cache)


@pytest.mark.parametrize("peak", [17.0, 1e-5])
def test_floats_keep_their_level(tmp_path: Path, cache: ClipCache, peak: float) -> None:
    sound = make_noise(0.2, 9000) * np.float32(peak / 0.3)
    soundfile.write(tmp_path / "a.wav", sound.T, cache.sample_rate, "FLOAT")
    for _ in range(2):
        found = cache.decode(Sound(tmp_path / "a.wav")).read(0, sound.shape[1])
        assert np.abs(found - sound).max() < peak / 30000


@pytest.mark.parametrize("damage", ["no array", "empty facts", "other facts"])
def test_what_the_cache_has_lost_is_decoded_again(
    tmp_path: Path, cache: ClipCache, damage: str
) -> None:
    write_sound(tmp_path / "a.wav", make_noise(0.2, 9000))
    before = cache.decode(Sound(tmp_path / "a.wav"))
    if damage == "no array":
        before.path.unlink()
        with pytest.raises(TrainingError, match="can't be read any more"):
            before.read(0, 10)
    else:
        text = "" if damage == "empty facts" else "[1]"
        before.path.with_suffix(".json").write_text(text)
    after = cache.decode(Sound(tmp_path / "a.wav"))
    assert after == before
    assert after.read(0, 100).any()


def test_a_cache_that_cannot_be_written_leaves_no_thread_at_work(tmp_path: Path) -> None:
    for number in range(40):
        write_sound(tmp_path / "pool" / f"{number}.wav", make_noise(0.5, 9000))
    (tmp_path / "file").touch()
    cache = ClipCache(tmp_path / "file" / "cache", RATE)
    at_work = 0

    class Counting(ClipCache):
        def decode(self, sound: Sound) -> Clip:
            nonlocal at_work
            at_work += 1
            try:
                return super().decode(sound)
            finally:
                at_work -= 1

    pool = Pool(source="vocals", folders=[tmp_path / "pool"])
    with pytest.raises(TrainingError, match="can't write"):
        open_pool(pool, Counting(cache.folder, RATE))
    assert at_work == 0


def test_the_bandwidth_of_a_pool_can_be_a_loss_or_its_nature(
    tmp_path: Path, cache: ClipCache
) -> None:
    write_sound(tmp_path / "pool" / "one.wav", make_noise(1, 8000))
    pool = Pool(source="vocals", folders=[tmp_path / "pool"])
    assert open_pool(pool, cache).takes[0].bandwidth_hz == pytest.approx(8000, abs=300)
    (whole,) = open_pool(pool.model_copy(update={"full_band": True}), cache).takes
    assert whole.bandwidth_hz == math.inf
    assert measure_bandwidth(make_noise(2, 20000), RATE) == pytest.approx(20000, abs=300)


def test_what_two_sides_have_against_each_other_has_a_bandwidth() -> None:
    side = make_noise(2, 5000)[:1]
    wide = np.concatenate([side, -side])
    assert measure_bandwidth(wide, RATE) == pytest.approx(5000, abs=300)


FOUR = ("vocals", "drums", "bass", "other")


@pytest.mark.parametrize(
    ("wanted", "stems", "groups"),
    [
        (["vocals"], FOUR, {"vocals": ["vocals"], "accompaniment": ["bass", "drums", "other"]}),
        (["vocals", "accompaniment"], FOUR, {"accompaniment": ["bass", "drums", "other"]}),
        (["vocals"], ["vocals", "accompaniment"], {"accompaniment": ["accompaniment"]}),
        (["accompaniment"], FOUR, {"vocals": ["vocals"]}),
        (["drums"], FOUR, {"drums": ["drums"], "rest": ["bass", "other", "vocals"]}),
        (["vocals", "drums"], FOUR, {"drums": ["drums"], "accompaniment": ["bass", "other"]}),
        (
            ["vocals", "drums"],
            [*FOUR, "accompaniment"],
            {"drums": ["drums"], "accompaniment": ["bass", "other"]},
        ),
        (FOUR, [*FOUR, "guitar"], {"other": ["other"], "accompaniment": ["guitar"]}),
        (["vocals"], ["drums"], {"accompaniment": ["drums"]}),
    ],
)
def test_the_parts_of_a_song_are_its_stems_and_what_is_left(
    wanted: list[str], stems: list[str], groups: dict[str, list[str]]
) -> None:
    found = group_stems(stems, choose_parts(wanted, with_songs=True))
    assert {part: found[part] for part in groups} == groups
    used = [stem for group in found.values() for stem in group]
    assert len(used) == len(set(used))
    assert set(wanted) & set(stems) <= set(found)


def test_parts_of_a_song_sum_to_its_mixture(folder: Path, cache: ClipCache) -> None:
    parts = choose_parts(["vocals"], with_songs=True)
    songs = Songs(folders=[folder / "songs"], exclude=["another"])
    opened = open_songs(songs, parts, ("vocals",), cache)
    (song,) = opened.songs
    sounds = song.read(parts, 0, song.frames)
    wanted = read_mixture(folder / "songs" / "a song", cache)
    np.testing.assert_allclose(sounds.sum(axis=0), wanted, atol=5 / 32768)


def write_song(folder: Path, stems: str, **others: Samples) -> dict[str, Samples]:
    """Write a second of stems, named with spaces between, and other files; return all of MUSDB18's.

    Of the name "mixture" it is the sum of those four.
    """
    sounds = {
        stem: make_noise(1, top, bottom, seed=at)
        for at, (stem, (bottom, top)) in enumerate(STEMS.items())
    }
    sounds["accompaniment"] = np.sum([sounds[stem] for stem in FOUR[1:]], axis=0)
    sounds["mixture"] = sounds["vocals"] + sounds["accompaniment"]
    for name, audio in ({stem: sounds[stem] for stem in stems.split()} | others).items():
        write_sound(folder / f"{name}.wav", audio)
    return sounds


@pytest.mark.parametrize(
    ("sources", "stems", "rest", "sum_of"),
    [
        (["vocals"], "vocals mixture", "accompaniment", ["accompaniment"]),
        (["vocals", "accompaniment"], "vocals mixture", "accompaniment", ["accompaniment"]),
        (["accompaniment"], "accompaniment mixture", "vocals", ["vocals"]),
        (["drums"], "drums mixture", "rest", ["vocals", "bass", "other"]),
        (["vocals", "drums"], "vocals drums mixture", "accompaniment", ["bass", "other"]),
        (["vocals"], "vocals drums mixture", "accompaniment", ["accompaniment"]),
        (["drums"], "drums vocals mixture", "rest", ["vocals", "bass", "other"]),
    ],
)
def test_what_a_song_has_only_in_its_mix_is_the_mix_without_its_stems(
    tmp_path: Path, cache: ClipCache, sources: list[str], stems: str, rest: str, sum_of: list[str]
) -> None:
    sounds = write_song(tmp_path / "songs" / "one", stems)
    parts = choose_parts(sources, with_songs=True)
    opened = open_songs(Songs(folders=[tmp_path / "songs"]), parts, tuple(sources), cache)
    assert not opened.left_out
    (song,) = opened.songs
    heard = dict(zip(parts, song.read(parts, 0, song.frames), strict=True))
    wanted = np.sum([sounds[stem] for stem in sum_of], axis=0)
    np.testing.assert_allclose(heard[rest], wanted, atol=4 / 32768)
    np.testing.assert_allclose(sum(heard.values()), sounds["mixture"], atol=4 / 32768)


def test_a_song_that_has_all_needs_no_mix(tmp_path: Path, cache: ClipCache) -> None:
    mastered = make_noise(3, 9000)
    write_song(tmp_path / "songs" / "one", "vocals drums bass other", mixture=mastered)
    parts = choose_parts(FOUR, with_songs=True)
    (song,) = open_songs(Songs(folders=[tmp_path / "songs"]), parts, FOUR, cache).songs
    assert set(song.parts) == set(FOUR)


@pytest.mark.parametrize("sources", [("vocals",), ("vocals", "accompaniment"), FOUR])
@pytest.mark.parametrize("stems", ["vocals", "drums bass other", "vocals drums other"])
def test_a_mix_of_its_stems_alone_changes_nothing(
    tmp_path: Path, cache: ClipCache, sources: tuple[str, ...], stems: str
) -> None:
    """An instrumental, a cappella and a song without a bass are what they are."""
    sounds = write_song(tmp_path / "without" / "one", stems)
    mix = np.sum([sounds[stem] for stem in stems.split()], axis=0)
    write_song(tmp_path / "with" / "one", stems, mixture=mix)
    parts = choose_parts(sources, with_songs=True)
    heard = []
    for folder in ("without", "with"):
        (song,) = open_songs(Songs(folders=[tmp_path / folder]), parts, sources, cache).songs
        heard.append(song.read(parts, 0, song.frames))
    np.testing.assert_array_equal(heard[0], heard[1])


def test_a_stem_may_end_before_its_mix(tmp_path: Path, cache: ClipCache) -> None:
    write_song(tmp_path / "songs" / "one", "drums bass other mixture", vocals=SHORT)
    parts = choose_parts(["vocals"], with_songs=True)
    (song,) = open_songs(Songs(folders=[tmp_path / "songs"]), parts, ("vocals",), cache).songs
    assert set(song.parts) == {"vocals", "accompaniment"}


SHORT = make_noise(0.4, 9000)
SILENCE = np.zeros((2, 9000), np.float32)


@pytest.mark.parametrize(
    ("sources", "stems", "others", "why"),
    [
        (
            FOUR,
            "vocals accompaniment drums",
            {},
            "it has no bass and other but within its accompaniment",
        ),
        (
            FOUR,
            "vocals accompaniment",
            {},
            "it has no drums and bass and other but within its accompaniment",
        ),
        (FOUR, "vocals drums mixture", {}, "it has no bass and other but within its mix"),
        (("vocals",), "", {"vocals": SILENCE, "drums": SILENCE}, "it is silent"),
        (
            ("vocals",),
            "vocals",
            {"mixture": SHORT},
            "its mix lasts 0.40 s and a stem 1.00 s; they can't be of one song",
        ),
        (("vocals",), "vocals", {"mixture": np.tile(SHORT, (3, 1))}, "6 channels"),
    ],
)
def test_a_song_that_would_teach_what_is_not_so_is_left_out_with_a_line(
    tmp_path: Path,
    cache: ClipCache,
    sources: tuple[str, ...],
    stems: str,
    others: dict[str, Samples],
    why: str,
) -> None:
    write_song(tmp_path / "songs" / "odd", stems, **others)
    parts = choose_parts(sources, with_songs=True)
    songs = Songs(folders=[tmp_path / "songs"])
    with pytest.raises(TrainingError, match=r"no song with stems in .*: left out the song odd: "):
        open_songs(songs, parts, sources, cache)
    write_song(tmp_path / "songs" / "whole", " ".join(FOUR))
    opened = open_songs(songs, parts, sources, cache)
    (line,) = opened.left_out
    assert line.startswith("left out the song odd: ")
    assert why in line
    assert [song.name for song in opened.songs] == ["whole"]


@pytest.mark.parametrize("stems", ["drums", "accompaniment", "drums bass other"])
def test_a_song_that_nobody_sings_is_one(tmp_path: Path, cache: ClipCache, stems: str) -> None:
    write_song(tmp_path / "songs" / "one", stems)
    parts = choose_parts(["vocals"], with_songs=True)
    (song,) = open_songs(Songs(folders=[tmp_path / "songs"]), parts, ("vocals",), cache).songs
    assert set(song.parts) == {"accompaniment"}


def read_mixture(song: Path, cache: ClipCache) -> Samples:
    pool = Pool(source="mix", folders=[song], exclude=[f"{stem}.wav" for stem in STEMS])
    (take,) = open_pool(pool, cache).takes
    return take.read(0, take.frames)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="stempeg runs ffmpeg and ffprobe")
def test_songs_of_musdb18_are_read_by_stream(
    tmp_path: Path, cache: ClipCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds = {stem: make_noise(0.5, 3000, seed=at) for at, stem in enumerate(FOUR)}
    write_musdb(tmp_path / "train" / "a - song.stem.mp4", sounds)
    parts = choose_parts(FOUR, with_songs=True)
    (song,) = open_songs(Songs(folders=[tmp_path / "train"]), parts, FOUR, cache).songs
    assert set(song.parts) == set(FOUR)
    for stem, audio in sounds.items():
        heard = song.parts[stem].read(0, audio.shape[1])
        np.testing.assert_allclose(heard, audio, atol=2 / 32768)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OptionError, match=r"reading them takes .*ffmpeg and ffprobe"):
        open_songs(Songs(folders=[tmp_path / "train"]), parts, FOUR, cache)


def write_musdb(path: Path, sounds: Mapping[str, Samples]) -> None:
    """Write the mix, drums, bass, other and vocals as the streams of one file, losslessly."""
    path.parent.mkdir()
    mix = np.sum(list(sounds.values()), axis=0)
    with av.open(path, "w", format="mp4") as output:
        tracks = [mix, *(sounds[stem] for stem in ("drums", "bass", "other", "vocals"))]
        streams = [output.add_stream("alac", RATE, layout="stereo") for _ in tracks]
        for stream, audio in zip(streams, tracks, strict=True):
            samples = np.rint(audio * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "s16p", "stereo")
            frame.sample_rate, frame.pts = RATE, 0
            output.mux([*stream.encode(frame), *stream.encode(None)])


def test_a_source_that_nothing_holds_is_an_error(folder: Path, cache: ClipCache) -> None:
    config = make_config(folder, NETWORK + POOLS, sources="['drums']")
    with pytest.raises(TrainingError, match="nothing holds the source 'drums'"):
        open_material(config, cache)


def test_pools_and_songs_are_drawn_from_together(folder: Path, cache: ClipCache) -> None:
    material = open_material(make_config(folder, NETWORK + POOLS + SONGS), cache)
    assert list(material.parts) == ["vocals", "accompaniment"]
    assert [len(pool.takes) for pool in material.parts["vocals"]] == [1, 2]
    alone = open_material(make_config(folder, NETWORK + SONGS, sources="['bass']"), cache)
    assert list(alone.parts) == ["bass", "rest"]
