"""What is audio, what isn't, and what only claims to be."""

import os
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stemkit.audio.info import ROUNDED_FRAMES
from stemkit.audio.probe import AudioInfo, probe_audio
from stemkit.errors import AudioError, DecodeError, NotAudioError
from tests.audio.audiofiles import FFMPEG_FORMATS, FORMATS, noise, write, write_film

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(range(256)) * 40
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(5000)
PLAYLIST = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nsong.wav\nhttp://127.0.0.1:9/song.mp3\n"
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(200)
MPEG_HEADERS = [  # of 44.1 and 48 kHz, each as long as its frame
    b"\xff\xfb\x90\x64".ljust(417, b"\x00"),
    b"\xff\xfb\x94\x64".ljust(384, b"\x00"),
]
NOT_AUDIO = {
    "cover.jpg": JPEG,
    "cover.png": PNG,
    ".DS_Store": b"\x00\x00\x00\x01Bud1" + bytes(6000),
    "notes.txt": b"Get free samples, really free\n" * 50,
    "utf16.txt": "\ufeffTrack 01 is the best\n".encode("utf-16-le") * 500,
    "album.cue": b'FILE "album.wav" WAVE\n  TRACK 01 AUDIO\n',
    "list.m3u": b"song.mp3\n",
    "list.m3u8": PLAYLIST,
    "list.ffconcat": b"ffconcat version 1.0\nfile 'song.wav'\n",
    "rip.log": b"Exact Audio Copy V1.0\n",
    "album.nfo": bytes(range(128, 256)) * 20,
    "booklet.pdf": b"%PDF-1.7\n" + bytes(3000),
    "empty.txt": b"",
    "zeros.bin": bytes(100_000),
    "ones.bin": b"\xff" * 100_000,
    "noise.bin": np.random.default_rng(0).bytes(100_000),
    "sync.bin": b"\xff\xfb\x90\x64" + bytes(3000),
    "rates.bin": 9 * b"".join(MPEG_HEADERS),
    "picture.avif": b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1miafMA1B"
    b"\x00\x00\x04\x00meta" + bytes(1016),
    "video.avi": b"RIFF\x00\x10\x00\x00AVI LIST" + bytes(4000),
    "resource": APPLE_DOUBLE,
    "._song.m4a": APPLE_DOUBLE,
    "copied.m4a": APPLE_DOUBLE,
    "._other.wav": b"whatever",
}
CLAIMS = ["mp3", "wav", "flac", "m4a", "ogg", "opus", "aiff", "wma", "caf", "aac", "ape", "WAV"]


def refusal(path: Path) -> AudioError:
    """Return the one error that refuses `path`, whose message is one line that names it."""
    with pytest.raises(AudioError) as caught:
        probe_audio(path)
    assert repr(path.name) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_described(tmp_path: Path, kind: str) -> None:
    sample_rate = 48000 if kind in ("opus", "webm") else 44100
    path = write(tmp_path / f"song.{kind}", noise(44100), sample_rate)

    info = probe_audio(path)

    described = (info.path, info.sample_rate, info.channels)
    assert described == (path, sample_rate, 2)
    states_no_length = ("mka", "webm", "wma", "aac", "bare.mp3")
    if kind in states_no_length:
        assert info.frames is None
    elif info.frames_are_exact:
        assert info.frames == 44100
    else:
        assert abs((info.frames or 0) - 44100) <= ROUNDED_FRAMES
    by_sndfile = kind.endswith(("wav", "aiff", "caf", "rf64", "ogg"))
    assert info.decoder == ("soundfile" if by_sndfile else "av")
    if kind in FFMPEG_FORMATS:
        codec = FFMPEG_FORMATS[kind][0]
        assert info.codec == codec.removeprefix("lib").replace("mp3lame", "mp3")


@pytest.mark.parametrize(
    ("kind", "container", "codec"),
    [
        ("wav", "wav", "pcm_16"),
        ("rf64", "wav", "pcm_16"),
        ("alac.caf", "caf", "alac_16"),
        ("flac", "flac", "flac"),
        ("ogg", "ogg", "vorbis"),
        ("opus", "ogg-opus", "opus"),
        ("oga", "ogg-flac", "flac"),
        ("mp3", "mp3", "mp3"),
        ("m4a", "mp4", "aac"),
        ("webm", "matroska", "opus"),
        ("wma", "asf", "wmav2"),
    ],
)
def test_content_counts_and_not_the_name(
    tmp_path: Path, kind: str, container: str, codec: str
) -> None:
    for name in ("song.wav", "song.mp3", "song.m4a", "song.jpg", "song"):
        path = write(tmp_path / name, noise(9600), 48000, kind)

        info = probe_audio(path)

        assert (info.container, info.codec) == (container, codec)


@pytest.mark.parametrize("name", NOT_AUDIO)
def test_what_a_folder_holds_besides_is_not_audio(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(NOT_AUDIO[name])

    assert isinstance(refusal(path), NotAudioError)


def test_an_archive_and_a_silent_video_are_not_audio(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "stems.zip", "w") as archive:
        archive.writestr("song.wav", write(tmp_path / "song.wav", noise(100)).read_bytes())
    write_film(tmp_path / "film.mkv", None)

    assert isinstance(refusal(tmp_path / "stems.zip"), NotAudioError)
    assert isinstance(refusal(tmp_path / "film.mkv"), NotAudioError)


@pytest.mark.parametrize("extension", CLAIMS)
@pytest.mark.parametrize("content", [JPEG, PNG, PLAYLIST, b"no audio", bytes(5000), b""])
def test_what_is_named_audio_and_is_not_is_an_error(
    tmp_path: Path, extension: str, content: bytes
) -> None:
    path = tmp_path / f"song.{extension}"
    path.write_bytes(content)

    error = refusal(path)

    assert isinstance(error, DecodeError)
    assert ("is empty" if not content else "name of an audio file") in str(error)


def test_a_silent_video_named_audio_is_an_error(tmp_path: Path) -> None:
    write_film(tmp_path / "song.m4a", None)

    assert "holds no audio stream" in str(refusal(tmp_path / "song.m4a"))


@pytest.mark.parametrize("kind", ["wav", "aiff", "caf", "ogg", "flac"])
def test_a_file_of_no_frames_holds_no_audio(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"song.{kind}", noise(0))

    assert isinstance(refusal(path), DecodeError)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")

    assert isinstance(refusal(tmp_path / "gone.wav"), DecodeError)
    assert isinstance(refusal(tmp_path / "link.wav"), DecodeError)
    assert isinstance(refusal(tmp_path / "folder.wav"), NotAudioError)
    assert isinstance(refusal(tmp_path / "pipe.wav"), NotAudioError)


@pytest.mark.parametrize("name", ["disk.img", "song.mp3", "song.flac"])
def test_only_the_head_is_read(tmp_path: Path, name: str) -> None:
    """Of a file of 64 GiB, whose zeros take no space on the disk."""
    path = tmp_path / name
    path.touch()
    os.truncate(path, 2**36)
    start = time.perf_counter()

    refusal(path)

    assert time.perf_counter() - start < 1


WAV_FORMAT_AT = 20  # where the fields of 'fmt ' begin in a plain WAV file


@pytest.mark.parametrize(
    ("at", "layout", "value", "reason"),
    [
        (2, "<H", 0, "0 channels, where 1 to 64"),
        (2, "<H", 1, "4 bytes a frame for 1 channels of 16 bits"),
        (2, "<H", 4, "4 bytes a frame for 4 channels of 16 bits"),
        (2, "<H", 65, "65 channels, where 1 to 64"),
        (2, "<H", 65535, "65535 channels"),
        (4, "<I", 0, "0 Hz"),
        (4, "<I", 1, "1 Hz"),
        (4, "<I", 48000, "176400 bytes a second at 48000 frames of 4"),
        (4, "<I", 2**32 - 1, "4294967295 Hz"),
        (12, "<H", 3, "3 bytes a frame"),
        (14, "<H", 24, "channels of 24 bits"),
        (20, "<I", 0, "ends 4000 bytes before"),
        (20, "<I", 400, "ends 3600 bytes before"),
        (20, "<I", 4004, "1000 of 1001 frames"),
        (20, "<I", 4_000_000, "1000 of 1000000 frames"),
    ],
)
def test_a_wav_header_that_lies_is_an_error(
    tmp_path: Path, at: int, layout: str, value: int, reason: str
) -> None:
    data = bytearray(write(tmp_path / "true.wav", noise(1000)).read_bytes())
    assert struct.unpack_from("<HHIIHH4sI", data, WAV_FORMAT_AT)[:3] == (1, 2, 44100)
    struct.pack_into(layout, data, WAV_FORMAT_AT + at, value)
    (tmp_path / "false.wav").write_bytes(data)

    error = refusal(tmp_path / "false.wav")

    assert isinstance(error, DecodeError)
    assert reason in str(error)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x7FFFF000])
def test_a_streamed_wav_goes_to_its_end(tmp_path: Path, size: int) -> None:
    data = bytearray(write(tmp_path / "song.wav", noise(1000)).read_bytes())
    struct.pack_into("<I", data, 4, size)
    struct.pack_into("<I", data, 40, size)
    (tmp_path / "song.wav").write_bytes(data)

    assert probe_audio(tmp_path / "song.wav").frames == 1000


@pytest.mark.parametrize(
    "extra", [b"LIST\x04\x00\x00\x00INFO" * 100, b"TAG" + bytes(125), bytes(999)]
)
def test_tags_and_padding_after_a_wav_do_no_harm(tmp_path: Path, extra: bytes) -> None:
    path = write(tmp_path / "song.wav", noise(1000))
    path.write_bytes(path.read_bytes() + extra)

    assert probe_audio(path).frames == 1000


def test_an_odd_chunk_before_the_audio_is_padded(tmp_path: Path) -> None:
    data = write(tmp_path / "song.wav", noise(1000)).read_bytes()
    at = data.index(b"data")
    (tmp_path / "song.wav").write_bytes(data[:at] + b"note\x03\x00\x00\x00odd\x00" + data[at:-4])

    assert "only 999 of 1000 frames" in str(refusal(tmp_path / "song.wav"))


@pytest.mark.parametrize(
    ("sample_rate", "channels", "frames"), [(48000, 2, 5), (44100, 1, 5), (0, 2, 5)]
)
def test_a_flac_header_that_lies_about_its_layout_is_an_error(
    tmp_path: Path, sample_rate: int, channels: int, frames: int
) -> None:
    path = write(tmp_path / "song.flac", noise(1000))
    set_stream_info(path, sample_rate, channels, frames)

    assert isinstance(refusal(path), DecodeError)


def set_stream_info(path: Path, sample_rate: int, channels: int, frames: int) -> None:
    data = bytearray(path.read_bytes())
    fields = int.from_bytes(data[18:26], "big")
    bits = fields >> 36 & 31
    fields = sample_rate << 44 | (channels - 1) << 41 | bits << 36 | frames
    data[18:26] = fields.to_bytes(8, "big")
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["aiff", "caf"])
def test_an_aiff_or_caf_header_that_lies_is_an_error(tmp_path: Path, kind: str) -> None:
    data = write(tmp_path / f"song.{kind}", noise(1000)).read_bytes()
    channels_at = data.index(b"COMM") + 8 if kind == "aiff" else data.index(b"desc") + 12 + 24
    width = 2 if kind == "aiff" else 4
    false = bytearray(data)
    assert int.from_bytes(data[channels_at : channels_at + width], "big") == 2
    false[channels_at : channels_at + width] = (4).to_bytes(width, "big")
    (tmp_path / f"false.{kind}").write_bytes(false)

    assert "can't be true" in str(refusal(tmp_path / f"false.{kind}"))


def test_an_id3_tag_before_anything_is_skipped(tmp_path: Path) -> None:
    """With a picture in it that looks like mp3 frames."""
    picture = b"\xff\xfb\x90\x64" * 25_000
    size = bytes([len(picture) >> shift & 127 for shift in (21, 14, 7, 0)])
    for kind in ("mp3", "bare.mp3", "aac", "flac", "wav"):
        path = write(tmp_path / f"song.{kind}", noise(9000))
        expected = probe_audio(path)
        path.write_bytes(b"ID3\x04\x00\x00" + size + picture + path.read_bytes())

        assert probe_audio(path) == expected


def test_the_description_is_plain_data(tmp_path: Path) -> None:
    path = write(tmp_path / "song.24.flac", noise(10))

    assert probe_audio(path) == AudioInfo(path, 44100, 2, 10, "flac", "flac", "av")
