"""Cue markers and Broadcast Wave fields, read back by wavinfo and by FFmpeg."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from wavinfo import WavInfoReader

from stemkit.audio.encode import Container, OutputFormat, encode_file
from stemkit.audio.probe import probe_audio
from stemkit.audio.stems import StemsWriter
from stemkit.audio.tags.metadata import Marker, Metadata, Tags
from stemkit.audio.tags.read import read_metadata
from stemkit.audio.wav import BitDepth, WavLayout, wav_header
from tests.audio.audiofiles import noise, read, write

RATE = 48000
MARKERS = (Marker(0, "Intro"), Marker(1234, "Strophe ünd"), Marker(4800, "Solo", 960), Marker(9000))
METADATA = Metadata(
    Tags(title=("Für Elise (vocals)",)),
    MARKERS,
    time_reference=3_600 * RATE + 17,
    coding_history="A=ANALOGUE,M=stereo,T=Studer\r\n",
    encoded_by="stemkit 1.2, model small, preset karaoke",
)


def encode(folder: Path, container: Container, depth: BitDepth | None = None) -> Path:
    path = folder / f"stem.{container}"
    encode_file(path, [noise(9600)], RATE, 2, OutputFormat(container, depth), 0, METADATA)
    return path


@pytest.mark.parametrize("depth", ["16", "24", "32f"])
def test_wav_says_what_wavinfo_reads(tmp_path: Path, depth: BitDepth) -> None:
    path = encode(tmp_path, "wav", depth)
    info = WavInfoReader(path, info_encoding="utf-8")
    assert info.bext is not None
    assert info.bext.description == "Fur Elise (vocals)"
    assert info.bext.originator == "stemkit 1.2"
    assert info.bext.time_reference == METADATA.time_reference
    assert info.bext.version == 1
    assert info.bext.coding_history.splitlines() == [
        "A=ANALOGUE,M=stereo,T=Studer",
        f"A=PCM,F=48000,W={depth[:2]},M=stereo,T=stemkit 1.2; model small; preset karaoke",
    ]
    assert info.cues is not None
    said = info.cues.to_dict().values()
    assert [(one["frame"], one["label"], one.get("length", 0)) for one in said] == [
        (marker.frame, marker.label, marker.frames) for marker in MARKERS
    ]
    assert info.data is not None
    assert info.data.frame_count == 9600
    np.testing.assert_allclose(read(path), noise(9600), atol=2**-15)


def test_wav_says_it_to_stemkit_too(tmp_path: Path) -> None:
    found = read_metadata(probe_audio(encode(tmp_path, "wav")))
    assert (found.markers, found.time_reference) == (MARKERS, METADATA.time_reference)
    assert len(found.coding_history.splitlines()) == 2


def test_chunks_come_before_the_samples_of_rf64_too() -> None:
    """The header's size doesn't depend on the length, and the sizes count what stands before."""
    layout = WavLayout(RATE, 2, "24", b"note" + struct.pack("<I", 4) + b"abcd")
    frames = 2**32 // 6 + 1
    header = wav_header(layout, frames)
    assert len(header) == len(wav_header(layout, 0))
    assert header[:4] == b"RF64"
    riff_bytes, data_bytes, said_frames = struct.unpack("<QQQ", header[20:44])
    assert (data_bytes, said_frames) == (frames * 6, frames)
    assert riff_bytes == len(header) - 8 + data_bytes


@pytest.mark.parametrize("container", ["flac", "ogg", "opus", "mp3", "m4a"])
def test_other_containers_have_them_as_chapters(tmp_path: Path, container: Container) -> None:
    with av.open(str(encode(tmp_path, container))) as file:
        chapters = sorted(
            (float(one["start"] * (one["time_base"] or 0)), one["metadata"].get("title", ""))
            for one in file.chapters()
        )
    unnamed = "Marker 4" if container == "mp3" else ""
    assert [label for _, label in chapters] == [marker.label or unnamed for marker in MARKERS]
    starts = [marker.frame / RATE for marker in MARKERS]
    assert [start for start, _ in chapters] == pytest.approx(starts, abs=0.0006)
    found = read_metadata(probe_audio(tmp_path / f"stem.{container}")).markers
    assert [marker.frame for marker in found] == pytest.approx(
        [marker.frame for marker in MARKERS], abs=0.0006 * RATE
    )


def test_chapters_of_m4a_begin_where_they_do_and_end_with_the_song(tmp_path: Path) -> None:
    path = tmp_path / "stem.m4a"
    markers = (Marker(4800, "in"), Marker(9120, "out"))
    metadata = {"a": Metadata(markers=markers)}
    with StemsWriter({"a": path}, RATE, 2, OutputFormat("m4a"), metadata=metadata) as writer:
        writer.write({"a": noise(9600)})
        writer.finish()
    assert read_metadata(probe_audio(path)).markers == markers
    with av.open(str(path)) as file:
        assert file.duration == pytest.approx(9600 / RATE * 1e6, abs=2000)


def test_aiff_marks_come_back(tmp_path: Path) -> None:
    path = encode(tmp_path, "aiff")
    points = tuple(Marker(marker.frame, marker.label) for marker in MARKERS)
    assert read_metadata(probe_audio(path)).markers == points
    assert soundfile.info(path).frames == 9600
    np.testing.assert_allclose(read(path), noise(9600), atol=2**-22)
    data = path.read_bytes()
    assert int.from_bytes(data[4:8], "big") == len(data) - 8


def test_a_source_with_markers_of_another_program(tmp_path: Path) -> None:
    """A cue and label chunk behind the samples, in Windows' encoding, out of order."""
    path = write(tmp_path / "song.wav", noise(9600), RATE)
    points = struct.pack("<I", 2)
    points += struct.pack("<II4sIII", 7, 0, b"data", 0, 0, 5000)
    points += struct.pack("<II4sIII", 3, 0, b"data", 0, 0, 100)
    label = struct.pack("<I", 7) + "Brücke".encode("cp1252") + b"\0"
    label = b"labl" + struct.pack("<I", len(label)) + label + bytes(len(label) % 2)
    extra = b"cue " + struct.pack("<I", len(points)) + points
    extra += b"LIST" + struct.pack("<I", 4 + len(label)) + b"adtl" + label
    data = path.read_bytes() + extra
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    found = read_metadata(probe_audio(path))
    assert found.markers == (Marker(100), Marker(5000, "Brücke"))


def test_chunks_that_lie_say_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = encode(tmp_path, "wav").read_bytes()
    info = probe_audio(tmp_path / "stem.wav")
    end = whole.index(b"id3 ")
    for _ in range(200):
        damaged = bytearray(whole)
        for at in random.integers(48, end, 5):
            damaged[at] = random.integers(256)
        info.path.write_bytes(damaged)
        for marker in read_metadata(info).markers:
            assert marker.frame >= 0
