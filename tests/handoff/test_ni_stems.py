"""What a .stem.mp4 file holds: read with stempeg, PyAV, mutagen and an atom walker of its own."""

import json
import math
import os
import shutil
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from mutagen.mp4 import MP4

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import Container, OutputFormat, encode_file
from stemkit.audio.resample import Resampler
from stemkit.errors import AudioError, EncodeError, HandoffError
from stemkit.handoff.ni_slots import fill_slots
from stemkit.handoff.ni_stems import Codec, write_ni_stems
from stemkit.samples import Samples
from stemkit.tracks.colours import colour_of
from stemkit.tracks.find import find_tracks
from stemkit.tracks.record import TagsRecord
from stemkit.tracks.track import Stem, Track
from tests.tracks.making import make_track, write_track

CODECS: tuple[Codec, ...] = ("aac", "alac")
TAGS = TagsRecord(
    title="Tïtle", artist="A & B", album="Ça", track="3/12", disc="1", date="1987-05-01",
    genre="Pop", bpm="123.4", key="F#m", isrc="USRC17607839",
)  # fmt: skip
STEP = 2.0**-23  # of 24 bits

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="stempeg runs the programs ffmpeg and ffprobe (Debian: apt-get install ffmpeg)",
)


def walk(data: bytes, path: tuple[bytes, ...] = ()) -> Iterator[tuple[tuple[bytes, ...], bytes]]:
    """Yield the path and the content of every atom, checking that each ends within its parent."""
    position = 0
    while position < len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        assert 8 <= size <= len(data) - position, (path, name, size)
        here, content = (*path, name), data[position + 8 : position + size]
        yield here, content
        if name in (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"udta", b"ilst"):
            yield from walk(content, here)
        if name == b"meta":
            yield from walk(content[4:], here)
        position += size


def find_atoms(path: Path, *names: bytes) -> list[bytes]:
    return [content for here, content in walk(path.read_bytes()) if here == names]


def read_manifest(path: Path) -> dict[str, list[dict[str, str]]]:
    (stem,) = find_atoms(path, b"moov", b"udta", b"stem")
    manifest: dict[str, list[dict[str, str]]] = json.loads(stem)
    return manifest


def decode(path: Path) -> list[Samples]:
    """Return all streams, each as FFmpeg trims it: without what the edit list leaves out."""
    sounds = []
    with av.open(str(path)) as container:
        streams = len(container.streams.audio)
    for index in range(streams):
        with av.open(str(path)) as container:
            stream = container.streams.audio[index]
            blocks = []
            for frame in container.decode(stream):
                block = frame.to_ndarray().astype(np.float64)
                blocks.append(block / 2**31 if frame.format.name == "s32p" else block)
            end = stream.duration
            sounds.append(np.concatenate(blocks, axis=1)[:, :end].astype(np.float32))
    return sounds


def read_file(path: Path) -> Samples:
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.blocks()), axis=1)


def read_stems(track: Track) -> dict[str, Samples]:
    return {stem.name: read_file(stem.path) for stem in track.stems}


def read_original(track: Track) -> Samples:
    assert track.original is not None
    return read_file(track.original)


def signal_to_noise_db(wanted: Samples, heard: Samples) -> float:
    noise = float(np.sum(np.square(np.float64(wanted) - heard)))
    signal = float(np.sum(np.square(np.float64(wanted))))
    return 10 * math.log10(signal / noise) if noise else math.inf


def find_lag(wanted: Samples, heard: Samples) -> int:
    """Return by how many samples `heard` is late."""
    size = 2 * wanted.shape[1]
    spectrum = np.conj(np.fft.rfft(wanted[0], size)) * np.fft.rfft(heard[0], size)
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    return lag - size if lag > size // 2 else lag


def make_music(seed: int, frames: int, rate: int = 44100, channels: int = 2) -> Samples:
    """Return decaying notes, which AAC is made for, unlike noise."""
    random = np.random.default_rng(seed)
    time = np.arange(frames) / rate
    notes = np.zeros((channels, frames))
    for pitch in random.uniform(80, 3000, 12):
        since = (time + random.uniform(0, 1)) % random.uniform(0.2, 1)
        tone = np.sin(2 * np.pi * pitch * time) * np.exp(-4 * since)
        notes += random.uniform(0.005, 0.02, (channels, 1)) * tone
    return notes.astype(np.float32)


def make_song(folder: Path, stems: tuple[str, ...], frames: int = 30000) -> Track:
    music = {stem: make_music(seed, frames) for seed, stem in enumerate(stems)}
    return write_track(folder, music, tags=TAGS)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Track:
    return make_song(tmp_path_factory.mktemp("ni") / "song", ("vocals", "accompaniment"))


def names_of(track: Track) -> list[str]:
    return [slot.name for slot in fill_slots(track)]


@pytest.mark.parametrize(
    ("stems", "slots"),
    [
        (("vocals", "accompaniment"), ["silence", "silence", "accompaniment", "vocals"]),
        (("vocals", "other", "bass", "drums"), ["drums", "bass", "other", "vocals"]),
        (("Vocals", "DRUMS"), ["DRUMS", "silence", "silence", "Vocals"]),
        (("vocals", "piano", "other"), ["piano", "silence", "other", "vocals"]),
        (("a", "b", "c", "d"), ["a", "b", "c", "d"]),
        (("a", "b", "c", "d", "e", "f"), ["a", "b", "c + e + f", "d"]),
        (
            ("drums", "bass", "other", "vocals", "guitar", "piano"),
            ["drums", "bass", "other + guitar + piano", "vocals"],
        ),
        (("accompaniment", "other"), ["other", "silence", "accompaniment", "silence"]),
        (("vocals",), ["silence", "silence", "rest", "vocals"]),
        (("accompaniment",), ["rest", "silence", "accompaniment", "silence"]),
    ],
)
def test_each_stem_has_its_slot(tmp_path: Path, stems: tuple[str, ...], slots: list[str]) -> None:
    assert names_of(make_track(tmp_path / "song", stems, frames=10)) == slots


def test_a_lone_stem_without_original_stays_alone(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", ["drums"], frames=10, original=False)
    assert names_of(track) == ["drums", "silence", "silence", "silence"]


@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_the_slots_sum_to_the_song(tmp_path: Path, count: int, original: bool) -> None:
    stems = ("vocals", "drums", "strings", "horns", "choir")[:count]
    track = make_track(tmp_path / "song", stems, frames=5000, original=original)
    if original and count == 1:  # then there is more to the song than its stem
        more = read_original(track) + make_music(0, 5000)
        encode_file(track.folder / "original.wav", [more], 44100, 2, OutputFormat("wav", "32f"))
    master, *slots = decode(write_ni_stems(track, codec="alac"))
    song = read_original(track) if original else sum(read_stems(track).values())
    assert np.max(np.abs(master - song)) <= STEP
    # each of the stems was cut to 24 bits, and the song is rounded to them
    assert np.max(np.abs(sum(slots) - master)) <= (count + 1) * STEP


@pytest.mark.parametrize("stems", [("vocals", "accompaniment"), ("drums", "bass", "x", "vocals")])
def test_alac_keeps_24_bits(tmp_path: Path, stems: tuple[str, ...]) -> None:
    track = make_track(tmp_path / "song", stems, frames=20001)
    sounds = read_stems(track)
    path = write_ni_stems(track, codec="alac")
    names = [slot["name"] for slot in read_manifest(path)["stems"]]
    for name, heard in zip(names, decode(path)[1:], strict=True):
        silence = np.zeros((2, 20001), np.float32)
        assert np.array_equal(heard, sounds.get(name, silence))


def test_alac_keeps_16_bits(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", ["vocals"], frames=9999, original=False)
    sound = read_file(track.stems[0].path)
    encode_file(track.stems[0].path, [sound], 44100, 2, OutputFormat("wav", "16"))
    wanted = read_file(track.stems[0].path)
    assert np.array_equal(decode(write_ni_stems(track, codec="alac"))[4], wanted)


@pytest.mark.parametrize(
    ("codec", "frames"),
    [
        *(("aac", frames) for frames in (1, 1023, 1024, 1025, 16385)),
        *(("alac", frames) for frames in (1, 4096, 4097, 16385)),
        *(pytest.param("aac", frames, marks=pytest.mark.slow) for frames in (4096, 4097, 40000)),
        *(pytest.param("alac", n, marks=pytest.mark.slow) for n in (1023, 1025, 40000)),
    ],
)
def test_all_tracks_have_the_length_of_the_song(tmp_path: Path, codec: Codec, frames: int) -> None:
    track = make_track(tmp_path / "song", frames=frames)
    path = write_ni_stems(track, codec=codec)
    assert {sound.shape for sound in decode(path)} == {(2, frames)}
    edits = find_atoms(path, b"moov", b"trak", b"edts", b"elst")
    (header,) = find_atoms(path, b"moov", b"mvhd")
    assert struct.unpack_from(">II", header, 12) == (44100, frames)
    priming = 1024 if codec == "aac" else 0
    assert [struct.unpack(">IIIiI", edit) for edit in edits] == [(0, 1, frames, priming, 65536)] * 5


def test_aac_is_in_time_and_close(song: Track) -> None:
    path = write_ni_stems(song, codec="aac")
    master, _, _, accompaniment, vocals = decode(path)
    stems = read_stems(song)
    pairs = [
        (read_original(song), master),
        (stems["accompaniment"], accompaniment),
        (stems["vocals"], vocals),
    ]
    for wanted, heard in pairs:
        assert find_lag(wanted, heard) == 0
        assert signal_to_noise_db(wanted, heard) > 30


@needs_ffmpeg
@pytest.mark.parametrize("codec", CODECS)
def test_stempeg_reads_it(song: Track, codec: Codec) -> None:
    import stempeg  # which fails where there is no ffmpeg

    path = write_ni_stems(song, codec=codec)
    sounds, rate = stempeg.read_stems(str(path))
    assert (sounds.shape[::2], rate) == ((5, 2), 44100)
    padding = sounds.shape[1] - song.frames  # FFmpeg 5 doesn't cut the end of AAC
    assert 0 <= padding < (1024 if codec == "aac" else 1)
    sounds = sounds[:, : song.frames]
    stems = read_stems(song)
    pairs = {0: read_original(song), 3: stems["accompaniment"], 4: stems["vocals"]}
    for index, wanted in pairs.items():
        assert signal_to_noise_db(wanted, sounds[index].T) > (30 if codec == "aac" else 110)
    assert not sounds[1:3].any()
    info = stempeg.Info(str(path))
    assert info.nb_audio_streams == 5
    assert info.title_streams == ["original", "silence", "silence", "accompaniment", "vocals"]
    assert [stream["codec_name"] for stream in info.audio_streams] == [codec] * 5
    assert [s["disposition"]["default"] for s in info.audio_streams] == [1, 0, 0, 0, 0]


def test_is_laid_out_as_a_file_of_native_instruments_tool(song: Track) -> None:
    known, ours = find_example(), write_ni_stems(song)
    for path in (known, ours):
        assert find_atoms(path, b"ftyp")[0][:4] == b"M4A "
        kinds = [atom[8:12] for atom in find_atoms(path, b"moov", b"trak", b"mdia", b"hdlr")]
        assert kinds == [b"soun"] * 5
        flags = [atom[3] for atom in find_atoms(path, b"moov", b"trak", b"tkhd")]
        assert [flag & 1 for flag in flags] == [1, 0, 0, 0, 0]  # enabled
    assert shape_of(read_manifest(ours)) == shape_of(read_manifest(known))


def find_example() -> Path:
    """Return the file of Native Instruments' tool that comes with stempeg."""
    package = find_spec("stempeg")
    assert package is not None
    assert package.submodule_search_locations
    (path,) = Path(package.submodule_search_locations[0]).glob("data/*.stem.mp4")
    return path


def shape_of(value: object) -> object:
    if isinstance(value, dict):
        return {key: shape_of(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape_of(one) for one in value]
    return float if type(value) is int else type(value)


def test_the_manifest_names_and_colours_the_slots(song: Track) -> None:
    manifest = read_manifest(write_ni_stems(song))
    silent = {"name": "silence", "color": "#404040"}
    assert manifest["stems"] == [silent, silent] + [
        {"name": name, "color": colour_of(name).hex.upper()} for name in ("accompaniment", "vocals")
    ]
    assert json.dumps(manifest["mastering_dsp"]).count('"enabled": false') == 2


@pytest.mark.parametrize("codec", CODECS)
def test_tags_and_manifest_stand_side_by_side(song: Track, codec: Codec) -> None:
    path = write_ni_stems(song, codec=codec)
    tags = MP4(path).tags
    assert tags is not None
    texts = {name: tags[f"\xa9{name}"] for name in ("nam", "ART", "alb", "day", "gen")}
    assert texts == {
        "nam": ["Tïtle"], "ART": ["A & B"], "alb": ["Ça"], "day": ["1987-05-01"], "gen": ["Pop"],
    }  # fmt: skip
    assert (tags["trkn"], tags["disk"], tags["tmpo"]) == ([(3, 12)], [(1, 0)], [123])
    assert bytes(tags["----:com.apple.iTunes:initialkey"][0]) == b"F#m"
    MP4(path).save()
    tags["\xa9nam"] = ["another, and a much longer one" * 100]
    tags.save(path)
    assert len(read_manifest(path)["stems"]) == 4
    assert {sound.shape for sound in decode(path)} == {(2, song.frames)}


def test_an_untagged_song_is_called_by_its_name(song: Track) -> None:
    tags = MP4(write_ni_stems(replace(song, record=None))).tags
    assert tags is not None
    assert dict(tags) == {"\xa9nam": ["song"]}


@pytest.mark.parametrize(
    ("codec", "rate", "kept"),
    [
        *(("aac", rate, 48000) for rate in (48000, 96000)),
        *(("alac", rate, 44100) for rate in (44100, 88200, 22050)),
        ("alac", 96000, 48000),
        *(pytest.param("aac", n, 44100, marks=pytest.mark.slow) for n in (44100, 88200, 22050)),
        pytest.param("alac", 48000, 48000, marks=pytest.mark.slow),
    ],
)
def test_other_rates_are_resampled(tmp_path: Path, codec: Codec, rate: int, kept: int) -> None:
    frames = rate // 2
    track = write_track(tmp_path / "song", {"vocals": make_music(1, frames, rate)}, rate)
    path = write_ni_stems(replace(track, original=None), codec=codec)
    with av.open(str(path)) as container:
        assert {stream.sample_rate for stream in container.streams.audio} == {kept}
    resampler = Resampler(rate, kept, 2)
    sound = read_file(track.stems[0].path)
    wanted = np.concatenate([resampler.process(sound), resampler.flush()], axis=1)
    heard = decode(path)[4]
    assert heard.shape == wanted.shape == (2, kept // 2)
    assert find_lag(wanted, heard) == 0
    assert signal_to_noise_db(wanted, heard) > (25 if codec == "aac" else 90)


@pytest.mark.parametrize("frames", [2000, 3000, 40000])
def test_each_stem_is_as_long_as_the_song(tmp_path: Path, frames: int) -> None:
    track = make_track(tmp_path / "song", ["vocals"], frames=3000, original=False)
    heard = decode(write_ni_stems(replace(track, frames=frames), codec="alac"))[4]
    wanted = np.zeros((2, max(frames, 3000)), np.float32)
    wanted[:, :3000] = read_stems(track)["vocals"]
    assert np.array_equal(heard, wanted[:, :frames])


def test_mono_is_heard_on_both_sides(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", channels=1, frames=3000)
    sounds = decode(write_ni_stems(track, codec="alac"))
    assert {sound.shape for sound in sounds} == {(2, 3000)}
    assert np.array_equal(sounds[4], np.repeat(read_stems(track)["vocals"], 2, axis=0))


def test_more_channels_are_refused(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", channels=6, frames=100)
    with pytest.raises(HandoffError, match=r"'original\.wav' has 6 channels"):
        write_ni_stems(track)
    assert not list(tmp_path.rglob("*.stem.mp4"))


@pytest.mark.parametrize("container", ["flac", "mp3", "ogg", "opus", "m4a"])
def test_takes_stems_of_any_format(tmp_path: Path, container: Container) -> None:
    music = make_music(3, 50000)
    track = write_track(tmp_path / "song", {"vocals": music}, original=False)
    lossy = track.folder / f"v.{container}"
    encode_file(lossy, [music], 44100, 2, OutputFormat(container))
    path = write_ni_stems(replace(track, stems=(Stem("vocals", lossy),)), codec="alac")
    heard = decode(path)[4]
    assert heard.shape == music.shape
    assert find_lag(music, heard) == 0
    assert signal_to_noise_db(music, heard) > 20


def test_beyond_full_scale_it_saturates(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", ["vocals"], frames=100, original=False)
    loud = np.full((2, 100), 1.5, np.float32)
    encode_file(track.stems[0].path, [loud], 44100, 2, OutputFormat("wav", "32f"))
    heard = decode(write_ni_stems(track, codec="alac"))[4]
    assert np.array_equal(heard, np.full_like(heard, 1 - STEP))


@pytest.mark.parametrize("codec", CODECS)
def test_the_same_stems_make_the_same_bytes(song: Track, tmp_path: Path, codec: Codec) -> None:
    first = write_ni_stems(song, codec=codec).read_bytes()
    shutil.copytree(song.folder, tmp_path / "song")
    (copy,) = find_tracks(tmp_path / "song")
    assert isinstance(copy, Track)
    path = write_ni_stems(copy, codec=codec)
    assert path.read_bytes() == first
    for names in ([b"mvhd"], [b"trak", b"tkhd"], [b"trak", b"mdia", b"mdhd"]):
        for atom in find_atoms(path, b"moov", *names):
            assert struct.unpack_from(">II", atom, 4) == (0, 0)  # created and changed when?


@pytest.mark.parametrize("codec", CODECS)
def test_names_may_hold_anything(tmp_path: Path, codec: Codec) -> None:
    odd = "-`x` $y \"q\" 'q' &amp;<>|?*\n\t\x01\\ é\u202e😀 http:"
    shown = odd.replace("\n\t\x01", "   ")
    track = make_track(tmp_path / odd, [odd, "vocals"], frames=100, tags=TagsRecord(title=odd))
    path = write_ni_stems(track, codec=codec)
    assert path == tmp_path / odd / f"{odd}.stem.mp4"
    assert read_manifest(path)["stems"][0]["name"] == shown
    tags = MP4(path).tags
    assert tags is not None
    assert tags["\xa9nam"] == [shown]
    assert len(decode(path)) == 5


@pytest.mark.skipif(os.name == "nt", reason="Windows' names are all Unicode")
def test_names_may_be_no_unicode(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "song", frames=100, original=False).folder
    (folder / "provenance.json").unlink()
    (folder / "vocals.wav").rename(Path(os.fsdecode(os.fsencode(folder / "caf") + b"\xe9.wav")))
    renamed = folder.rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    (track,) = find_tracks(renamed)
    assert isinstance(track, Track)
    path = write_ni_stems(track)
    assert path.name == "\udcff.stem.mp4"
    assert read_manifest(path)["stems"][0]["name"] == "caf\ufffd"


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"RIFF....WAVE")])
def test_a_stem_that_cannot_be_read_leaves_what_was_there(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    track = make_track(tmp_path / "song", frames=5000)
    before = write_ni_stems(track).read_bytes()
    spoil(track.stems[1].path)
    there = sorted(track.folder.iterdir())
    with pytest.raises(AudioError, match=r"accompaniment\.wav"):
        write_ni_stems(track)
    assert sorted(track.folder.iterdir()) == there
    assert (track.folder / "song.stem.mp4").read_bytes() == before


@pytest.mark.parametrize("frames", [100000, 50000])
def test_damage_at_the_end_of_a_stem_leaves_nothing(tmp_path: Path, frames: int) -> None:
    track = make_track(tmp_path / "song", ["vocals"], frames=100000, original=False)
    flac = track.folder / "v.flac"
    encode_file(flac, [read_file(track.stems[0].path)], 44100, 2, OutputFormat("flac"))
    flac.write_bytes(flac.read_bytes()[:-20000])
    there = sorted(track.folder.iterdir())
    with pytest.raises(AudioError, match=r"v\.flac"):
        write_ni_stems(replace(track, stems=(Stem("vocals", flac),), frames=frames))
    assert sorted(track.folder.iterdir()) == there


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_no_number_is_refused(tmp_path: Path, codec: Codec) -> None:
    track = make_track(tmp_path / "song", ["vocals"], frames=5000, original=False)
    sound = np.zeros((2, 5000), np.float32)
    sound[1, 4000] = np.nan
    encode_file(track.stems[0].path, [sound], 44100, 2, OutputFormat("wav", "32f"))
    with pytest.raises(HandoffError, match="NaN"):
        write_ni_stems(track, codec=codec)
    assert not list(tmp_path.rglob("*.stem.mp4"))


def test_says_what_stands_in_the_way(song: Track, tmp_path: Path) -> None:
    shutil.copytree(song.folder, tmp_path / "song")
    (copy,) = find_tracks(tmp_path / "song")
    assert isinstance(copy, Track)
    (copy.folder / "song.stem.mp4").unlink(missing_ok=True)
    (copy.folder / "song.stem.mp4").mkdir()
    there = sorted(copy.folder.iterdir())
    with pytest.raises(EncodeError, match=r"can't write .*song\.stem\.mp4: .*directory"):
        write_ni_stems(copy)
    assert sorted(copy.folder.iterdir()) == there


@pytest.mark.slow
def test_a_long_song_is_never_in_memory_whole(tmp_path: Path) -> None:
    second = np.zeros((2, 44100), np.float32)
    track = write_track(tmp_path / "song", {"vocals": second}, original=False)
    encode_file(track.stems[0].path, (second for _ in range(90)), 44100, 2, OutputFormat("wav"))
    tracemalloc.start()
    path = write_ni_stems(replace(track, frames=90 * 44100), codec="alac")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {sound.shape for sound in decode(path)} == {(2, 90 * 44100)}
    assert peak < 8e6  # of 32 MB a track
