"""The action for Ardour, run in Ardour's own Lua on a session that Ardour opens and saves."""

import copy
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from stemkit.handoff.ardour import write_ardour_session
from tests.handoff.ardours import needs_ardour, run_ardour
from tests.tracks.making import make_track

ACTION = Path(__file__).parents[2] / "examples" / "ardour" / "stemkit_separate.lua"
EDITOR = Path(__file__).with_name("ardour_editor.lua")
STEMKIT = Path(sys.executable).with_name("stemkit")
RATE = 44100
STEMS = ("vocals", "accompaniment")


@dataclass(frozen=True)
class Piece:
    """A region, in seconds: where it is, what of its file it plays, and where its own song starts.

    The song is the region and 5 s on both sides, as far as there is any.
    """

    position: int
    start: int
    length: int
    song: range


PIECES = (Piece(3, 7, 1, range(2, 13)), Piece(20, 12, 2, range(7, 15)))

pytestmark = [pytest.mark.desktop, needs_ardour]


def _make_session(folder: Path) -> Path:
    """Return a session of 15 s of noise, of which the track "song" plays two pieces."""
    session = write_ardour_session(make_track(folder, ("song", *STEMS), frames=15 * RATE))
    tree = ElementTree.parse(session)
    (playlist,) = tree.iterfind("./Playlists/Playlist[@name='song']")
    playlist.append(copy.deepcopy(playlist[0]))
    for number, (piece, region) in enumerate(zip(PIECES, playlist, strict=True), start=9001):
        region.set("id", str(number))
        region.set("start", _time(piece.start))
        region.set("length", f"{_time(piece.length)}@{_time(piece.position)}")
    tree.write(session)
    return session


def _time(seconds: int) -> str:
    return f"a{282_240_000 * seconds}"


def _run(home: Path, session: Path, *runs: tuple[str | Path, str, int]) -> list[str]:
    words = [str(word) for run in runs for word in run]
    folder, name = str(session.parent), session.stem
    command = ("ardour7-lua", "--", str(EDITOR), folder, name, str(ACTION), *words)
    return run_ardour(home, *command).splitlines()


def _write_program(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def test_stems_come_in_grouped_where_the_region_is_in_one_step(tmp_path: Path) -> None:
    session = _make_session(tmp_path / "it's a song")
    lines = _run(tmp_path / "home", session, (STEMKIT, "--no-tags --provenance off", 0))
    assert "ACTION EditorAction Separate into stems (stemkit)" in lines
    assert not [line for line in lines if line.startswith("MESSAGE")]
    assert "WINDOW CLOSED" in lines

    heard = soundfile.read(tmp_path / "it's a song" / "song.wav", dtype="float32")[0]
    for number, piece in enumerate(PIECES, start=1):
        song = session.parent / "stemkit" / "1" / f"{number} song.wav"
        audio, rate = soundfile.read(song, dtype="float32")
        assert rate == RATE
        np.testing.assert_array_equal(
            audio, heard[piece.song.start * RATE : piece.song.stop * RATE]
        )
        stems = [soundfile.read(song.with_suffix("") / f"{stem}.wav")[0] for stem in STEMS]
        np.testing.assert_allclose(sum(stems), audio, atol=1e-6)

    root = ElementTree.parse(session).getroot()
    routes = sorted(root.iterfind("./Routes/Route"), key=_order)
    names = [route.get("name") for route in routes]
    assert names[:4] == ["Master", "song", "song vocals", "song accompaniment"]
    (group,) = root.iterfind("./RouteGroups/RouteGroup")
    assert group.get("name") == "song stems"
    assert set(group.get("routes", "").split()) == {route.get("id") for route in routes[2:4]}
    for stem in STEMS:
        regions = root.findall(f"./Playlists/Playlist[@name='song {stem}']/Region")
        for piece, region in zip(PIECES, regions, strict=True):
            assert region.get("name") == f"song {stem}"
            assert region.get("start") == _time(piece.start - piece.song.start)
            assert region.get("length") == f"{_time(piece.length)}@{_time(piece.position)}"
            assert region.get("muted") == "0"
    originals = root.findall("./Playlists/Playlist[@name='song']/Region")
    assert [region.get("muted") for region in originals] == ["1", "1"]

    history = ElementTree.parse(session.with_suffix(".history")).getroot()
    (step,) = history.iterfind("UndoTransaction")
    assert step.get("name") == "Separate into stems"
    assert len(step) == 2 * 3  # a region for each stem, and the muted one


def _order(route: ElementTree.Element) -> int:
    information = route.find("PresentationInfo")
    return int(information.get("order", "0")) if information is not None else 0


def test_what_goes_wrong_is_told_and_changes_nothing(tmp_path: Path) -> None:
    session = _make_session(tmp_path / "song")
    before = _describe(session)
    source = str(session.parent / "stemkit" / "2" / "1 song.wav")
    failed = json.dumps({"event": "failed", "source": source, "error": 'no "é" \N{GUITAR}\n\udcff'})
    failing = _write_program(tmp_path / "failing", f"cat <<'END'\n{failed}\nEND", "exit 1")
    broken = _write_program(tmp_path / "broken", "echo 'Usage: ...' >&2", "echo bad >&2; exit 2")
    slow = _write_program(
        tmp_path / "slow",
        f"trap 'touch {tmp_path}/stopped; exit' TERM",
        "for i in $(seq 50); do sleep 0.1; done",
    )
    lines = _run(
        tmp_path / "home", session, ("/no/such program", "", 0), (failing, "", 0), (broken, "", 0),
        (slow, "", 3), (slow, "", 40),
    )  # fmt: skip
    assert [line for line in lines if line.startswith("MESSAGE")] == [
        f"MESSAGE stemkit: {' // '.join(f'song: {fault}' for fault in faults)}"
        for faults in (
            ["/no/such program wasn't found; give its full path"] * 2,
            ['no "é" \N{GUITAR} // \udcff', "stemkit ended with exit code 1"],
            ["stemkit ended with exit code 2: bad"] * 2,
        )
    ]
    assert lines.count("WINDOW CLOSED") == 5
    assert (tmp_path / "stopped").exists()
    assert _describe(session) == before


def _describe(session: Path) -> dict[str, list[str]]:
    root = ElementTree.parse(session).getroot()
    return {
        "routes": sorted(str(route.get("name")) for route in root.iter("Route")),
        "groups": [str(group.get("name")) for group in root.iter("RouteGroup")],
        "regions": sorted(str(region.get("id")) for region in root.iterfind(".//Playlist/Region")),
        "muted": [str(one.get("id")) for one in root.iterfind(".//Playlist/Region[@muted='1']")],
    }
