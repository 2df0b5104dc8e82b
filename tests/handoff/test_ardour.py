"""Sessions as they are written, and as Ardour itself opens, saves and plays them."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from stemkit.audio.encode import Container, OutputFormat, encode_file
from stemkit.errors import AudioError, HandoffError
from stemkit.handoff.ardour import name_session, write_ardour_session
from stemkit.tracks.colours import colour_of
from stemkit.tracks.names import ORIGINAL
from stemkit.tracks.record import MarkerRecord, TagsRecord
from stemkit.tracks.track import Stem, Track
from tests.handoff.ardours import export_session, needs_ardour, run_ardour
from tests.tracks.making import make_track

DESCRIBE = Path(__file__).with_name("describe_session.lua")
ODD_NAME = "AC: \"DC\" 'n' `x`; <b> & é \N{GUITAR} | $HOME %41\nB\\C"
MARKERS = (
    MarkerRecord(frame=0, label='in "tro" <&>\n\x01'),
    MarkerRecord(frame=7, label="", frames=20000),
)
TEMPO = TagsRecord(bpm="93,75")


def _read_xml(session: Path) -> ElementTree.Element:
    return ElementTree.parse(session).getroot()


def _audio_files(session: Path) -> list[Path]:
    return sorted(session.parent.glob("interchange/*/audiofiles/*"))


def _content(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def _encode_stems(track: Track, *kinds: Container) -> Track:
    """Replace the files of the first stems by others of these kinds."""
    stems = list(track.stems)
    for index, kind in enumerate(kinds):
        audio, rate = soundfile.read(stems[index].path, dtype="float32", always_2d=True)
        path = stems[index].path.with_suffix(f".{kind}")
        encode_file(path, [audio.T], rate, audio.shape[1], OutputFormat(kind))
        stems[index].path.unlink()
        stems[index] = Stem(stems[index].name, path)
    return replace(track, stems=tuple(stems))


def test_all_that_is_referred_to_is_there_once(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", ("a", "b", "c"), markers=MARKERS)
    session = write_ardour_session(track)
    root = _read_xml(session)
    ids = [element.get("id", "") for element in root.iter() if element.get("id")]
    assert len(set(ids)) == len(ids)
    assert int(root.get("id-counter", "0")) > max(map(int, ids))
    sources = {source.get("id", ""): source.get("name", "") for source in root.iter("Source")}
    for region in root.iter("Region"):
        for key, value in region.items():
            assert "source-" not in key or value in sources
    assert {path.name for path in _audio_files(session)} == set(sources.values())
    playlists = {one.get("id"): one.get("orig-track-id") for one in root.iter("Playlist")}
    tracks = [route for route in root.iter("Route") if route.get("audio-playlist")]
    assert {one.get("audio-playlist"): one.get("id") for one in tracks} == playlists
    assert len(tracks) == 4


def test_stems_are_linked_and_take_no_room(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song")
    session = write_ardour_session(track)
    assert session == tmp_path / "song" / "song (Ardour)" / "song (Ardour).ardour"
    assert track.original
    for path in [*(stem.path for stem in track.stems), track.original]:
        assert any(path.samefile(linked) for linked in _audio_files(session))


def test_stems_are_copied_where_nothing_can_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = make_track(tmp_path / "song")
    linked = _content(write_ardour_session(track).parent)
    shutil.rmtree(tmp_path / "song" / "song (Ardour)")

    def refuse(source: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    session = write_ardour_session(track)
    assert _content(session.parent) == linked
    assert not any(track.stems[0].path.samefile(path) for path in _audio_files(session))


def test_the_same_track_gives_the_same_bytes(tmp_path: Path) -> None:
    first = make_track(tmp_path / "1" / "song", markers=MARKERS, tags=TEMPO)
    second = make_track(tmp_path / "2" / "song", markers=MARKERS, tags=TEMPO)
    one, other = write_ardour_session(first), write_ardour_session(second)
    assert _content(one.parent) == _content(other.parent)


def test_what_ardour_saved_and_recorded_is_kept(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song")
    session = write_ardour_session(track)
    written = session.read_bytes()
    take = _audio_files(session)[0].with_name("take 1.wav")
    take.write_bytes(b"recorded")
    session.write_bytes(b"edited")
    soundfile.write(track.stems[0].path, np.zeros((44100, 2)), 44100, "PCM_24")
    for _ in range(2):  # the second time nothing differs, and what was edited stays
        assert write_ardour_session(track) == session
        assert session.read_bytes() == written
        assert session.with_name(f"{session.name}.bak").read_bytes() == b"edited"
    assert take.read_bytes() == b"recorded"
    assert any(track.stems[0].path.samefile(path) for path in _audio_files(session))


def test_a_stem_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song")
    track.stems[1].path.write_bytes(track.stems[1].path.read_bytes()[:1000])
    before = _content(tmp_path)
    with pytest.raises(AudioError):
        write_ardour_session(track)
    assert _content(tmp_path) == before
    assert [path.name for path in tmp_path.rglob("*") if path.is_dir()] == ["song"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song")
    (tmp_path / "song" / "song (Ardour)").write_bytes(b"")
    with pytest.raises(HandoffError, match=r"can't write .*song \(Ardour\)"):
        write_ardour_session(track)


@pytest.mark.parametrize("kind", ["mp3", "opus", "m4a", "ogg"])
def test_what_ardour_would_read_otherwise_is_decoded_to_the_stems_length(
    tmp_path: Path, kind: Container
) -> None:
    track = make_track(tmp_path / "song", frames=30001)
    heard = soundfile.read(track.stems[0].path)[0]
    session = write_ardour_session(_encode_stems(track, kind))
    (decoded,) = (path for path in _audio_files(session) if path.name == "vocals.wav")
    info = soundfile.info(decoded)
    assert (info.samplerate, info.frames, info.subtype) == (44100, 30001, "FLOAT")
    assert np.corrcoef(soundfile.read(decoded)[0].ravel(), heard.ravel())[0, 1] > 0.7


@pytest.mark.parametrize("extra", [-500, 50_000])
def test_a_stem_at_another_rate_is_brought_to_the_others_and_to_their_length(
    tmp_path: Path, extra: int
) -> None:
    track = make_track(tmp_path / "song", frames=30001)
    tone = np.sin(2 * np.pi * 1000 * np.arange(60002 + extra) / 88200)
    soundfile.write(track.stems[0].path, tone, 88200, "FLOAT")
    session = write_ardour_session(track)
    (resampled,) = (path for path in _audio_files(session) if path.name == "vocals.wav")
    audio, rate = soundfile.read(resampled)
    assert (rate, len(audio)) == (44100, 30001)
    np.testing.assert_allclose(audio[200:29000], tone[400:58000:2], atol=1e-3)
    assert resampled.with_name("accompaniment.wav").samefile(track.stems[1].path)


@pytest.mark.parametrize(
    "project",
    [ODD_NAME, "n" * 250, "\N{GUITAR}" * 60, os.fsdecode(b"\xff\xfe"), "  ", "CON", "a/../b"],
)
def test_a_session_of_any_name_is_named_as_ardour_and_windows_allow(
    tmp_path: Path, project: str
) -> None:
    track = replace(make_track(tmp_path / "song"), project=project)
    session = write_ardour_session(track)
    assert session.parent.parent == track.folder
    assert session.stem == session.parent.name == name_session(project)
    assert not re.search(r'[\x00-\x1f<>:;"/\\|?*\ud800-\udfff]', session.stem)
    assert len(os.fsencode(session.name)) < 200
    assert _read_xml(session).get("name") == session.stem


def test_projects_that_would_be_named_alike_have_sessions_of_their_own(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song")
    names = ["a:b", "a_b", "a|b", "a_b ", "n" * 200, "n" * 201]
    sessions = {write_ardour_session(replace(track, project=name)) for name in names}
    assert len(sessions) == len(names)


def test_stems_that_would_be_named_alike_have_tracks_and_files_of_their_own(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", ("a", "b", "c", "d", "e"))
    names = ("Master", "x:y", "x_y", "X_Y", os.fsdecode(b"\xff"))
    stems = zip(names, track.stems, strict=True)
    track = replace(track, stems=tuple(Stem(name, stem.path) for name, stem in stems))
    session = write_ardour_session(track)
    routes = [route.get("name") for route in _read_xml(session).iter("Route")]
    assert routes == ["Master", "Master 2", "x_y", "x_y 2", "X_Y 3", "_", "original"]
    assert len({path.name.casefold() for path in _audio_files(session)}) == 6


@pytest.mark.desktop
@needs_ardour
def test_ardour_opens_saves_moves_and_opens_them_again(tmp_path: Path) -> None:
    odd = make_track(
        tmp_path / "out" / ODD_NAME, ("vocals", "drums", "bass", "a & <b>"), sample_rate=48000,
        frames=100_001, markers=MARKERS, tags=TEMPO,
    )  # fmt: skip
    odd = _encode_stems(odd, "flac", "mp3")
    # At one rate: while Ardour's engine changes to another, a session may fail to open.
    mono = make_track(
        tmp_path / "out" / "mono", sample_rate=48000, channels=1, frames=50_001, original=False
    )
    sessions = [write_ardour_session(track) for track in (odd, mono)]
    arguments = [
        word
        for session in sessions
        for word in (str(session.parent.relative_to(tmp_path / "out")), session.stem)
    ]
    output = run_ardour(
        tmp_path / "home", "ardour7-lua", DESCRIBE, tmp_path / "out", tmp_path / "moved", *arguments
    )  # fmt: skip
    assert "missing" not in output.lower()
    found = [json.loads(line) for line in output.splitlines() if line.startswith('["')]
    expected = [
        line
        for place in ("out", "moved")
        for track, session in zip((odd, mono), sessions, strict=True)
        for line in _expect(track, tmp_path / place / session.relative_to(tmp_path / "out"))
    ]
    assert found == expected


def _expect(track: Track, session: Path) -> list[list[object]]:
    """Return what describe_session.lua should print."""
    lines: list[list[object]] = [["session", session.stem, track.sample_rate, 0, track.frames]]
    audio = session.parent / "interchange" / re.sub("[^A-Za-z0-9_ ]", "_", session.stem)
    for name, stem in [
        *((stem.name.translate({60: "_", 62: "_"}), stem) for stem in track.stems),
        *([(ORIGINAL, Stem(ORIGINAL, track.original))] if track.original else []),
    ]:
        colour = f"{colour_of(stem.name).hex[1:]}ff"
        suffix = ".flac" if stem.path.suffix == ".flac" else ".wav"
        path = str(audio / "audiofiles" / f"{name}{suffix}")
        shape = (0, 0, track.frames, track.channels)
        lines.append(["track", name, name == ORIGINAL, colour, True])
        lines.append(["region", name, *shape, path, track.channels - 1])
    lines.append(["place", "session", 0, track.frames, False, False])
    if track.markers:
        lines.append(["place", 'in "tro" <&> \ufffd', 0, 0, True, False])
        lines.append(["place", "mark 2", 7, 20007, False, True])
    lines.append(["tempo", "", pytest.approx(track.bpm or 120, abs=1e-4)])
    return lines


@pytest.mark.desktop
@needs_ardour
@pytest.mark.parametrize(
    ("stems", "sample_rate", "channels", "kinds"),
    [
        (("vocals", "drums", "bass", "other"), 48000, 2, ()),
        (("vocals", "drums", "bass"), 44100, 1, ()),
        (("vocals", "accompaniment"), 96000, 6, ("flac",)),
    ],
)
def test_what_ardour_exports_nulls_against_the_mix(
    tmp_path: Path,
    stems: Sequence[str],
    sample_rate: int,
    channels: int,
    kinds: Sequence[Container],
) -> None:
    track = make_track(
        tmp_path / "out" / "a: song", stems, sample_rate=sample_rate, channels=channels,
        frames=2 * sample_rate + 1, markers=MARKERS, tags=TEMPO,
    )  # fmt: skip
    track = _encode_stems(track, *kinds)
    session = write_ardour_session(track)
    assert track.original
    mix = soundfile.read(track.original, always_2d=True)[0]
    parts = [soundfile.read(stem.path, always_2d=True)[0] for stem in track.stems]
    moved = (tmp_path / "out").rename(tmp_path / "moved") / session.relative_to(tmp_path / "out")
    exported = tmp_path / "export.wav"
    export_session(tmp_path / "home", moved, exported)
    heard, rate = soundfile.read(exported, always_2d=True)
    assert rate == sample_rate
    assert heard.shape == (2 * sample_rate + 1, max(channels, 2))
    depth = 10 * np.log10(np.mean(np.square(heard - mix)) / np.mean(np.square(mix)))
    assert depth < -110  # what is lost to the stems' 24 bits
    assert np.abs(heard - sum(parts)).max() < 2**-24  # nothing to Ardour
