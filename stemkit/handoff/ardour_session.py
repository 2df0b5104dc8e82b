"""The session file of Ardour 7, as far as Ardour has no defaults for what stands in it.

Ardour fills in the rest when it opens the session, and writes it all when it saves. What is read
is in its sources at 7.3: libs/ardour/session_state.cc and each class's `set_state`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from stemkit.handoff.text import replace_unfit
from stemkit.tracks.colours import Colour
from stemkit.tracks.track import Track

MASTER = "Master"
CLICK = "Click"

_VERSION = "7002"  # of the format, as Ardour 7.0 to 7.3 write it
_TICKS = 282_240_000  # a second, of the clock that Ardour 7 counts audio time in
_DEFAULT_BPM = 120.0


@dataclass(frozen=True)
class Lane:
    """A track of the session, which plays the first `frames` of a file of the session from 0.

    `name` is unlike any other's, and neither it nor `file` holds anything that XML can't.
    """

    name: str
    colour: Colour
    file: str
    channels: int
    frames: int
    muted: bool = False


@dataclass(frozen=True)
class _Strip:
    """What is alike in a track and the master bus; `destination` lacks the number of a port."""

    name: str
    kind: str
    inputs: int
    outputs: int
    destination: str
    colour: int = 0
    muted: bool = False


def make_session(name: str, track: Track, lanes: Sequence[Lane]) -> bytes:
    """Return the session file that plays `lanes`, with the markers and the tempo of `track`.

    The lanes sum to the mix at the master bus, to the bit: no fades, and no panner wherever it
    would turn something down, which is in mono and beyond stereo. There mono goes to both sides
    as it is, and other channels each to their own; a panner can be switched on in the mixer.
    """
    ids = map(str, count(1))
    rate = track.sample_rate
    outputs = max(2, *(lane.channels for lane in lanes))
    session = Element("Session", {"version": _VERSION, "name": name, "sample-rate": str(rate)})
    config = SubElement(session, "Config")
    SubElement(config, "Option", {"name": "native-file-data-format", "value": "FormatFloat"})
    SubElement(session, "Metadata")
    sources, regions = SubElement(session, "Sources"), SubElement(session, "Regions")
    _add_locations(session, track, ids)
    SubElement(session, "Bundles")
    routes, playlists = SubElement(session, "Routes"), SubElement(session, "Playlists")
    SubElement(session, "RouteGroups")
    master = _Strip(MASTER, "MasterOut", outputs, outputs, "system:playback_")
    _add_strip(routes, master, ids)
    for lane in lanes:
        _add_lane(lane, rate, outputs, (sources, regions, routes, playlists), ids)
    _add_output(SubElement(session, "Click"), CLICK, 2, "system:playback_", ids)
    _add_tempo_map(session, track.bpm or _DEFAULT_BPM)
    session.set("id-counter", next(ids))
    indent(session)
    content: bytes = tostring(session, "UTF-8", xml_declaration=True)
    return content


def _add_locations(session: Element, track: Track, ids: Iterator[str]) -> None:
    locations = SubElement(session, "Locations")
    places = [("session", 0, track.frames, "IsSessionRange")]
    for number, marker in enumerate(track.markers, start=1):
        kind = "IsRangeMarker" if marker.frames else "IsMark"
        label = replace_unfit(" ".join(marker.label.split())) or f"mark {number}"
        places.append((label, marker.frame, marker.frame + marker.frames, kind))
    for label, start, end, kind in places:
        SubElement(
            locations, "Location",
            {"id": next(ids), "name": label, "start": _time(start, track.sample_rate),
             "end": _time(end, track.sample_rate), "flags": kind},
        )  # fmt: skip


def _time(frame: int, rate: int) -> str:
    """Return a frame as Ardour writes it; rounded down, it is the same frame when read."""
    return f"a{frame * _TICKS // rate}"


def _add_lane(
    lane: Lane,
    rate: int,
    outputs: int,
    sections: tuple[Element, Element, Element, Element],
    ids: Iterator[str],
) -> None:
    sources, regions, routes, playlists = sections
    colour = lane.colour.red << 24 | lane.colour.green << 16 | lane.colour.blue << 8 | 0xFF
    strip = _Strip(
        lane.name, "AudioTrack", lane.channels, outputs, f"{MASTER}/audio_in ", colour, lane.muted
    )
    route, playlist = _add_strip(routes, strip, ids), next(ids)
    route.set("audio-playlist", playlist)
    played = SubElement(
        playlists, "Playlist",
        {"id": playlist, "name": lane.name, "type": "audio", "orig-track-id": route.get("id", "")},
    )  # fmt: skip
    region = _describe_region(lane, rate, [next(ids) for _ in range(lane.channels)])
    for channel in range(lane.channels):
        SubElement(
            sources, "Source",
            {"name": lane.file, "type": "audio", "flags": "", "id": region[f"source-{channel}"],
             "channel": str(channel)},
        )  # fmt: skip
    # Ardour keeps one region for each file besides those that are played.
    SubElement(regions, "Region", region | {"id": next(ids), "whole-file": "1"})
    SubElement(played, "Region", region | {"id": next(ids), "whole-file": "0"})


def _describe_region(lane: Lane, rate: int, sources: list[str]) -> dict[str, str]:
    region = {
        "name": lane.name,
        "type": "audio",
        "start": _time(0, rate),
        "length": f"{_time(lane.frames, rate)}@{_time(0, rate)}",
        "opaque": "1",
        "fade-in-active": "0",
        "fade-out-active": "0",
        "channels": str(lane.channels),
    }
    for channel, source in enumerate(sources):
        region[f"source-{channel}"] = region[f"master-source-{channel}"] = source
    return region


def _add_strip(routes: Element, strip: _Strip, ids: Iterator[str]) -> Element:
    route = SubElement(
        routes, "Route", {"id": next(ids), "name": strip.name, "default-type": "audio"}
    )
    SubElement(
        route, "PresentationInfo",
        {"order": str(len(routes) - 1), "flags": f"{strip.kind},OrderSet",
         "color": str(strip.colour)},
    )  # fmt: skip
    _add_ports(route, strip.name, "Input", strip.inputs, ids)
    _add_output(route, strip.name, strip.outputs, strip.destination, ids)
    SubElement(
        route, "MuteMaster",
        {"mute-point": "PostFader,Listen,Main", "muted": str(int(strip.muted))},
    )  # fmt: skip
    SubElement(route, "Processor", {"id": next(ids), "name": "Amp", "active": "1", "type": "amp"})
    delivery = SubElement(
        route, "Processor",
        {"id": next(ids), "name": strip.name, "active": "1", "type": "main-outs", "role": "Main"},
    )  # fmt: skip
    is_balance = strip.inputs == strip.outputs == 2  # which leaves the middle alone
    SubElement(delivery, "PannerShell", {"bypassed": str(int(not is_balance))})
    return route


def _add_output(
    parent: Element, name: str, ports: int, destination: str, ids: Iterator[str]
) -> None:
    for number, port in enumerate(_add_ports(parent, name, "Output", ports, ids), start=1):
        SubElement(port, "Connection", {"other": f"{destination}{number}"})


def _add_ports(
    parent: Element, name: str, direction: str, ports: int, ids: Iterator[str]
) -> list[Element]:
    io = SubElement(
        parent, "IO",
        {"name": name, "id": next(ids), "direction": direction, "default-type": "audio"},
    )  # fmt: skip
    kind = "audio_in" if direction == "Input" else "audio_out"
    return [
        SubElement(io, "Port", {"type": "audio", "name": f"{name}/{kind} {number}"})
        for number in range(1, ports + 1)
    ]


def _add_tempo_map(session: Element, bpm: float) -> None:
    start = {"sclock": "0", "quarters": "0:0", "bbt": "1|1|0"}
    tempo_map = SubElement(session, "TempoMap", {"superclocks-per-second": str(_TICKS)})
    SubElement(
        SubElement(tempo_map, "Tempos"), "Tempo",
        {"npm": str(bpm), "enpm": str(bpm), "note-type": "4", "type": "Tempo::Constant",
         "active": "1", "locked-to-meter": "0", "continuing": "0", "omega": "0"} | start,
    )  # fmt: skip
    SubElement(
        SubElement(tempo_map, "Meters"), "Meter",
        {"note-value": "4", "divisions-per-bar": "4"} | start,
    )  # fmt: skip
