"""Cut, damaged, chained and lying files: never read in part without a word."""

import functools
import random
import struct
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import soundfile

from stemkit.audio.ogg import checksum
from stemkit.audio.probe import probe_audio
from stemkit.errors import AudioError, DecodeError
from tests.audio.audiofiles import FORMATS, lag, noise, read, write
from tests.audio.test_probe import set_stream_info

FRAMES = 30011
WITHOUT_LENGTH = ("aac", "bare.mp3")  # their end is wherever the file ends
STATES_ITS_END = [kind for kind in FORMATS if kind not in WITHOUT_LENGTH]


def write_song(folder: Path, kind: str, frames: int = FRAMES) -> Path:
    return write(
        folder / f"song.{kind}", noise(frames), 48000 if kind in ("opus", "webm") else 44100
    )


@functools.cache
def encode_song(kind: str, frames: int) -> bytes:
    with TemporaryDirectory() as folder:
        return write_song(Path(folder), kind, frames).read_bytes()


def refusal(path: Path) -> str:
    """Return the one line that refuses `path`."""
    with pytest.raises(DecodeError) as caught:
        read(path, 4096)
    message = str(caught.value)
    assert message.startswith(repr(path.name))
    assert "\n" not in message
    assert "0x" not in message
    return message


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", STATES_ITS_END)
def test_a_cut_file_is_an_error(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / f"song.{kind}"
    whole = encode_song(kind, 100_000)
    path.write_bytes(whole[: int(share * len(whole))])

    refusal(path)


@pytest.mark.parametrize("kind", [kind for kind in STATES_ITS_END if "mp3" not in kind])
def test_a_file_without_its_last_bytes_is_an_error(tmp_path: Path, kind: str) -> None:
    path = write_song(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:-8])

    refusal(path)


@pytest.mark.parametrize(
    ("kind", "width"), [("wav", 4), ("24.aiff", 6), ("caf", 6), ("32f.wav", 8)]
)
def test_the_message_counts_what_is_there(tmp_path: Path, kind: str, width: int) -> None:
    path = write_song(tmp_path, kind)
    path.write_bytes(path.read_bytes()[: -1000 * width - 1])

    assert f"only {FRAMES - 1001} of {FRAMES} frames" in refusal(path)


def test_an_mp3_tells_how_much_is_there(tmp_path: Path) -> None:
    path = write_song(tmp_path, "mp3")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])

    assert f"of {FRAMES} frames are there" in refusal(path)


@pytest.mark.parametrize("kind", ["mp3", "lavf.mp3"])
def test_an_mp3_may_lack_part_of_its_last_frame(tmp_path: Path, kind: str) -> None:
    path = write_song(tmp_path, kind)
    whole = read(path)
    path.write_bytes(path.read_bytes()[:-100])

    decoded = read(path)

    assert 0 <= whole.shape[1] - decoded.shape[1] <= 2 * 1152
    np.testing.assert_array_equal(decoded[:, :-1152], whole[:, : decoded.shape[1] - 1152])


@pytest.mark.parametrize(
    "junk",
    [
        b"TAG" + b"x" * 125,
        b"APETAGEX" + struct.pack("<III", 2000, 200, 1) + bytes(200),
        b"LYRICSBEGIN" + b"la " * 300 + b"000911LYRICS200",
        bytes(5000),
        np.random.default_rng(0).bytes(5000),
    ],
    ids=["ID3v1", "APE", "Lyrics3", "zeros", "noise"],
)
@pytest.mark.parametrize("kind", ["mp3", "lavf.mp3", "bare.mp3"])
def test_what_follows_an_mp3_does_no_harm(tmp_path: Path, kind: str, junk: bytes) -> None:
    path = write_song(tmp_path, kind)
    whole = read(path)
    path.write_bytes(path.read_bytes() + junk)

    np.testing.assert_array_equal(read(path), whole)


@pytest.mark.parametrize("junk", [bytes(3000), b"\xff" * 3000, b"\xff\xfb" + bytes(1000)])
def test_what_precedes_an_mp3_does_no_harm(tmp_path: Path, junk: bytes) -> None:
    path = write_song(tmp_path, "mp3")
    path.write_bytes(junk + path.read_bytes())

    decoded = read(path)

    assert decoded.shape == (2, FRAMES)
    assert lag(decoded, noise(FRAMES)) == 0


def test_an_mp3_of_varying_bit_rate_without_tag_is_read_whole(tmp_path: Path) -> None:
    """Its first frames are of silence, at the lowest rate: nothing to tell the length from."""
    silent, loud = np.zeros((2, 20000), np.float32), noise(60000)
    tagged = write(tmp_path / "song.mp3", np.concatenate([silent, loud], axis=1)).read_bytes()
    first = tagged.index(b"\xff\xfb")
    info = max(tagged.find(b"Xing"), tagged.find(b"Info"))
    assert first < info < first + 64
    bare = tmp_path / "bare.mp3"
    bare.write_bytes(tagged[tagged.index(b"\xff\xfb", info) :])

    assert 0 <= read(bare).shape[1] - 80000 < 3 * 1152


@pytest.mark.parametrize("kind", ["mp3", "lavf.mp3", "flac", "ogg", "opus", "oga"])
def test_two_files_in_one_are_an_error(tmp_path: Path, kind: str) -> None:
    path = write_song(tmp_path, kind)
    path.write_bytes(2 * path.read_bytes())

    refusal(path)


@pytest.mark.parametrize(("channels", "sample_rate"), [(1, 44100), (2, 32000)])
def test_a_change_midway_is_an_error(tmp_path: Path, channels: int, sample_rate: int) -> None:
    first = write_song(tmp_path, "bare.mp3")
    second = write(tmp_path / "other.bare.mp3", noise(FRAMES, channels), sample_rate)
    first.write_bytes(first.read_bytes() + second.read_bytes())

    assert "changes midway from" in refusal(first)


@pytest.mark.parametrize("kind", ["flac", "24.flac", "oga", "ogg", "opus", "mp3", "bare.mp3"])
def test_damage_in_the_middle_is_an_error(tmp_path: Path, kind: str) -> None:
    path = write_song(tmp_path, kind)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    path.write_bytes(data)

    refusal(path)


@pytest.mark.parametrize("kind", ["ogg", "opus", "oga"])
def test_one_wrong_bit_in_ogg_is_an_error(tmp_path: Path, kind: str) -> None:
    path = write_song(tmp_path, kind)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    assert "wrong checksum" in refusal(path)


@pytest.mark.parametrize(
    ("kind", "start"),
    [("ogg", 29), ("ogg", 100_000), ("opus", -488), ("opus", 29), ("opus", 10**8)],
)
def test_an_ogg_whose_clock_starts_elsewhere_is_read_whole(
    tmp_path: Path, kind: str, start: int
) -> None:
    path = write_song(tmp_path, kind, frames=200_000)
    whole = read(path)
    path.write_bytes(b"".join(move_clock(page, start) for page in split_pages(path)))

    moved = read(path)
    assert abs(moved.shape[1] - whole.shape[1]) <= max(0, -start)
    frames = min(moved.shape[1], whole.shape[1]) - 1000
    lag = whole.shape[1] - moved.shape[1] if start < 0 else 0
    np.testing.assert_allclose(moved[:, :frames], whole[:, max(lag, 0) :][:, :frames], atol=1e-4)


def split_pages(path: Path) -> list[bytes]:
    return [b"OggS" + page for page in path.read_bytes().split(b"OggS")[1:]]


def move_clock(page: bytes, start: int) -> bytes:
    """Return a page of audio whose position is `start` later; headers have position 0."""
    position = int.from_bytes(page[6:14], "little", signed=True)
    if position <= 0:
        return page
    page = page[:6] + (position + start).to_bytes(8, "little", signed=True) + page[14:]
    page = page[:22] + bytes(4) + page[26:]
    return page[:22] + checksum(page).to_bytes(4, "little") + page[26:]


def test_an_ogg_without_one_of_its_pages_is_an_error(tmp_path: Path) -> None:
    path = write_song(tmp_path, "ogg", frames=200_000)
    pages = split_pages(path)
    assert len(pages) > 5
    assert all(checksum(page[:22] + bytes(4) + page[26:]) for page in pages)

    path.write_bytes(b"".join(pages[:3] + pages[4:]))
    assert "pages are missing" in refusal(path)
    path.write_bytes(b"".join(pages[:-1]))
    assert "last page" in refusal(path)


@pytest.mark.parametrize("kind", ["ogg", "opus", "flac", "wav", "aiff"])
def test_a_tag_after_the_end_does_no_harm(tmp_path: Path, kind: str) -> None:
    path = write_song(tmp_path, kind)
    whole = read(path)
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))

    np.testing.assert_array_equal(read(path), whole)


@pytest.mark.parametrize("stated", [1, FRAMES - 1, FRAMES + 1, 2 * FRAMES])
def test_a_flac_header_that_lies_about_its_length_is_an_error(tmp_path: Path, stated: int) -> None:
    path = write_song(tmp_path, "flac")
    set_stream_info(path, 44100, 2, stated)

    assert f"{stated} frames" in refusal(path)


def test_a_flac_of_unknown_length_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_song(tmp_path, "flac")
    set_stream_info(path, 44100, 2, 0)

    np.testing.assert_array_equal(read(path), noise(FRAMES))

    path.write_bytes(path.read_bytes()[:-1000])
    refusal(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_only_our_own_errors_come_out_of_any_bytes(tmp_path: Path, kind: str) -> None:
    path = write_song(tmp_path, kind, frames=3000)
    whole, dice = path.read_bytes(), random.Random(kind)
    for _ in range(15):
        data = bytearray(whole)
        for _ in range(dice.choice([1, 4, 16])):
            data[dice.randrange(min(len(data), 600))] = dice.choice([0, 255, dice.randrange(256)])
        path.write_bytes(data)
        with suppress(AudioError):
            read(path)


@pytest.mark.parametrize("stated", [0, 1000])
def test_silence_where_the_stated_end_is_hides_nothing(tmp_path: Path, stated: int) -> None:
    """A header that was never finished, or whose size is too small by a multiple of 4 GiB."""
    path = tmp_path / "song.wav"
    samples = noise(9000)
    samples[:, :1010] = 0
    soundfile.write(path, samples.T, 44100, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[40:44] = (stated * 4).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DecodeError, match=r"audio that ends \d+ bytes before the file does"):
        probe_audio(path)
