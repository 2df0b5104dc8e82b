"""The REAPER action does what it says: run in a real Lua, on a stub that records REAPER's calls."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lupa.lua53  # type: ignore[import-untyped]
import lupa.lua54  # type: ignore[import-untyped]
import pytest
import soundfile

from stemkit.tracks.colours import Colour, colour_of

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPT = EXAMPLES / "reaper" / "stemkit_separate.lua"
STUB = Path(__file__).with_name("reaper_stub.lua")

HASTE = 10
"""How much faster time passes for the script, which looks at what stemkit does every 0.2 s."""

STANDIN = """
import json, os, sys, time
recording, arguments = sys.argv[1], sys.argv[2:]
source, output = arguments[-1], arguments[arguments.index("-o") + 1]
os.makedirs(output)
with open(os.path.join(output, "arguments.json"), "w") as file:
    json.dump(arguments, file)
with open(recording) as file:
    play = json.load(file)[os.path.basename(source)]
for event in play["events"]:
    for written in event.get("outputs", ()):
        written["path"] = os.path.join(output, written["path"])
        open(written["path"], "w").close()
    print(json.dumps(event), flush=True)
    if play["wait"]:
        time.sleep(play["wait"])
sys.stderr.write(play["stderr"])
sys.exit(play["code"])
"""
"""Stands in for stemkit: prints recorded events, and makes the files that they name."""


def to_lua(value: str | Path) -> str:
    """Return text whose characters are the bytes of `value`: Lua's strings are bytes."""
    return os.fsencode(value).decode("latin-1")


def from_lua(value: str) -> str:
    return os.fsdecode(value.encode("latin-1"))


def quote_lua(value: str | Path) -> str:
    return '"' + "".join(f"\\{byte:03}" for byte in os.fsencode(value)) + '"'


Event = dict[str, Any]


def make_folder(path: str) -> int:
    Path(from_lua(path)).mkdir(parents=True)
    return 1


@dataclass(frozen=True)
class Play:
    """What the stand-in does for a song."""

    events: Sequence[Event] = ()
    code: int = 0
    stderr: str = ""
    wait: float = 0


@dataclass
class Reaper:
    """REAPER with a project, and the action in it."""

    lua: Any
    folder: Path
    config: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lua.execute(STUB.read_text(encoding="utf-8"))
        self.stub = self.lua.globals().stub
        self.stub.path = to_lua(self.folder)
        self.stub.clock = lambda: HASTE * time.monotonic()
        self.stub.make_folder = make_folder

    def add_track(self, name: str = "", depth: int = 0) -> Any:
        return self.stub.add_track(to_lua(name), depth)

    def add_item(
        self, track: Any, file: Path, position: float = 0, length: float = 1, **take: float
    ) -> Any:
        values = self.lua.table(D_POSITION=position, D_LENGTH=length)
        return self.stub.add_item(track, to_lua(file), values, self.lua.table(**take))

    def start(self) -> None:
        script = SCRIPT.read_text(encoding="ascii")
        for key, value in self.config.items():
            before = re.findall(rf"^  {key} = .*,$", script, re.MULTILINE)
            assert len(before) == 1
            script = script.replace(before[0], f"  {key} = {value},")
        self.lua.execute(script)

    def wait(self, until: Callable[[], bool] = lambda: False, seconds: float = 60) -> None:
        """Go on until the script ends, or something is true."""
        limit = time.monotonic() + seconds
        while self.stub.pump() and not until():
            assert time.monotonic() < limit
            time.sleep(0.005)

    def run(self) -> None:
        self.start()
        self.wait()

    @property
    def calls(self) -> list[str]:
        """The names of the calls that were made, in their order."""
        return [call.name for call in self.stub.calls.values()]

    @property
    def messages(self) -> list[str]:
        return [from_lua(text) for text in self.stub.messages.values()]

    @property
    def drawn(self) -> list[tuple[str, float]]:
        return [(one.text, one.fraction) for one in self.stub.drawn.values()]

    @property
    def tracks(self) -> list[Any]:
        return list(self.stub.project.tracks.values())

    @property
    def outline(self) -> list[tuple[str, int]]:
        return [(from_lua(track.name), int(track["values"].I_FOLDERDEPTH)) for track in self.tracks]

    def get_items(self, name: str) -> list[Any]:
        (track,) = [track for track in self.tracks if from_lua(track.name) == name]
        return list(track["items"].values())


@pytest.fixture(params=[lupa.lua53, lupa.lua54], ids=["lua53", "lua54"])
def reaper(request: pytest.FixtureRequest, tmp_path: Path) -> Reaper:
    """Return REAPER with the Lua of version 5 and 6, or of 7."""
    folder = tmp_path / "my project"
    folder.mkdir()
    return Reaper(request.param.LuaRuntime(encoding="latin-1"), folder)


def play(reaper: Reaper, plays: dict[str, Play]) -> None:
    """Let the stand-in take the place of stemkit."""
    standin, recording = reaper.folder / "stand in.py", reaper.folder / "record'ing.json"
    standin.write_text(STANDIN)
    recording.write_text(json.dumps({name: asdict(one) for name, one in plays.items()}))
    command = [sys.executable, "-S", standin, recording]
    reaper.config["command"] = f"{{{', '.join(map(quote_lua, map(str, command)))}}}"


PLANNED: Event = {"event": "plan", "jobs": [], "version": 2}
STARTED: Event = {"event": "started", "source": "/song"}


def separate(stems: Sequence[str] = ("vocals", "accompaniment")) -> list[Event]:
    """Return what stemkit prints when all goes well."""
    written = {"size_bytes": 9, "sha256": "00", "frames": None, "peak": 0.5, "gain_db": -0.5}
    outputs = [{"stem": stem, "path": f"{stem}.wav", **written} for stem in stems]
    progress = {"event": "progress", "source": "/song", "total_seconds": 4.0}
    return [
        PLANNED, STARTED, {**progress, "audio_seconds": 1.0}, {**progress, "audio_seconds": 4.0},
        {"event": "done", "source": "/song", "seconds": 1.5e-2, "outputs": outputs, "twin": None},
        {"event": "summary", "done": 1, "failed": 0},
    ]  # fmt: skip


def get_file(item: Any) -> Path:
    return Path(from_lua(item.take.source.file))


def get_window(item: Any) -> tuple[float, float, float, float]:
    """Return an item's position and length, and from where and how fast it plays its file."""
    values, take = item["values"], item.take["values"]
    return values.D_POSITION, values.D_LENGTH, take.D_STARTOFFS or 0.0, take.D_PLAYRATE or 0.0


CHANGES = re.compile("Insert|Add|Set|GetSet")


def check_one_undo_step(reaper: Reaper) -> None:
    """All that changes the project lies between the one begin and the one end of an undo block."""
    calls = reaper.calls
    assert calls.count("Undo_BeginBlock2") == calls.count("Undo_EndBlock2") == 1
    begin, end = calls.index("Undo_BeginBlock2"), calls.index("Undo_EndBlock2")
    changes = [number for number, call in enumerate(calls) if CHANGES.match(call)]
    assert changes
    assert all(begin < number < end for number in changes)
    refresh = [call[1] for call in reaper.stub.calls.values() if call.name == "PreventUIRefresh"]
    assert refresh == [1, -1]


def check_nothing_changed(reaper: Reaper) -> None:
    assert not [call for call in reaper.calls if CHANGES.match(call)]
    assert "Undo_BeginBlock2" not in reaper.calls


@pytest.mark.slow
def test_the_real_command_separates_what_is_selected(tmp_path: Path) -> None:
    reaper = Reaper(lupa.lua54.LuaRuntime(encoding="latin-1"), tmp_path / "it's my project")
    reaper.folder.mkdir()
    song = tmp_path / 'a "b" & $c' / "żółć 'n' 100% 🎤.wav"
    song.parent.mkdir()
    clip = EXAMPLES / "audio" / "word-war-vi.ogg"
    audio, rate = soundfile.read(clip, start=3 * 44100, frames=44100 + 5, dtype="float32")
    soundfile.write(song, audio, rate, subtype="PCM_16")
    reaper.config["command"] = f'{{{quote_lua(sys.executable)}, "-m", "stemkit"}}'
    reaper.config["options"] = '{"--format", "flac"}'
    item = reaper.add_item(
        reaper.add_track("Song"), song, 3.25, 0.5, D_STARTOFFS=0.25, D_PLAYRATE=1
    )
    reaper.run()
    assert reaper.messages == []
    assert reaper.outline == [("Song", 0), ("Song stems", 1), ("vocals", 0), ("accompaniment", -1)]
    for stem in ("vocals", "accompaniment"):
        (placed,) = reaper.get_items(stem)
        assert get_window(placed) == get_window(item)
        file = get_file(placed)
        (run,) = (reaper.folder / "stems").iterdir()
        assert file == run / song.stem / f"{stem}.flac"
        info = soundfile.info(file)
        assert (info.frames, info.samplerate, info.channels) == (44100 + 5, 44100, 2)
    check_one_undo_step(reaper)
    assert not list(run.glob("stemkit-*"))


def test_items_of_many_songs_come_in_at_their_places(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {
        "a.wav": Play(separate()),
        "b.mp3": Play(separate(stems=("vocals", "drums"))),
    })  # fmt: skip
    first, second = reaper.add_track("Take one"), reaper.add_track()
    items = [
        reaper.add_item(first, tmp_path / "a.wav", 10.0, 2.5, D_STARTOFFS=1.5, D_PLAYRATE=0.5),
        reaper.add_item(first, tmp_path / "b.mp3", 20.125, 1, D_PLAYRATE=1),
        reaper.add_item(second, tmp_path / "a.wav", 0.1, 3, D_STARTOFFS=2, D_PLAYRATE=2),
    ]
    reaper.run()
    assert reaper.messages == []
    assert reaper.outline == [
        ("Take one", 0), ("Take one stems", 1), ("vocals", 0), ("accompaniment", 0), ("drums", -1),
        ("", 0), ("a stems", 1), ("vocals", 0), ("accompaniment", -1),
    ]  # fmt: skip
    placed = [list(track["items"].values()) for track in reaper.tracks]
    expected = [[], items[:2], items[:1], items[1:2], [], [], items[2:], items[2:]]
    for found, originals in zip(placed[1:5] + placed[6:], expected[:4] + expected[5:], strict=True):
        assert [get_window(one) for one in found] == [get_window(one) for one in originals]
    names = [from_lua(one.take.name) for one in placed[2]]
    assert names == ["a vocals", "b vocals"]
    assert get_file(placed[2][0]) == get_file(placed[7][0])  # one song, separated once
    assert [item["values"].B_MUTE for item in items] == [1, 1, 1]
    check_one_undo_step(reaper)
    (run,) = (reaper.folder / "stems").iterdir()
    assert {path.name for path in run.iterdir()} == {"a", "b"}


def test_stems_sound_as_the_item_did(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {"a.wav": Play(separate())})
    item = reaper.add_item(
        reaper.add_track("A"), tmp_path / "a.wav", D_VOL=0.5, D_PAN=-1, D_PITCH=2
    )
    for key, value in {"D_FADEINLEN": 0.1, "C_FADEOUTSHAPE": 3, "B_LOOPSRC": 1, "D_VOL": 2}.items():
        item["values"][key] = value
    stretch = [(0.0, 0.0, 0.0), (1.0, 1.5, 0.25)]
    item.take.stretch = reaper.lua.table(*(
        reaper.lua.table(position=position, source_position=source, slope=slope)
        for position, source, slope in stretch
    ))  # fmt: skip
    item.track["values"].I_NCHAN = 6
    reaper.config["mute_items"] = "false"
    reaper.run()
    assert [track["values"].I_NCHAN for track in reaper.tracks] == [6] * 4
    assert item["values"].B_MUTE is None
    for stem in ("vocals", "accompaniment"):
        (placed,) = reaper.get_items(stem)
        for theirs, ours in ((item, placed), (item.take, placed.take)):
            for key, value in theirs["values"].items():
                assert ours["values"][key] == value, key
        markers = [(m.position, m.source_position, m.slope) for m in placed.take.stretch.values()]
        assert markers == stretch


@pytest.mark.parametrize("depth", [-3, -1, 0, 1])
def test_stems_stay_in_the_folder_of_the_item(reaper: Reaper, tmp_path: Path, depth: int) -> None:
    play(reaper, {"a.wav": Play(separate())})
    folders = 1 if depth == 0 else -min(depth, 0)  # that are open where the item's track is
    for number in range(folders):
        reaper.add_track(f"folder {number}", 1)
    reaper.add_item(reaper.add_track("song", depth), tmp_path / "a.wav")
    reaper.add_track("next", 0 if depth < 0 else -1)
    reaper.run()
    level, levels = 0, {}
    for name, change in reaper.outline:
        levels[name] = level
        level += change
    song = folders + (depth == 1)
    assert levels["song stems"] == song
    assert levels["vocals"] == levels["accompaniment"] == song + 1
    assert levels["next"] == (0 if depth < 0 else song)
    assert level == 0


def test_the_colours_are_those_of_the_projects(reaper: Reaper, tmp_path: Path) -> None:
    stems = ["vocals", "accompaniment", "drums", "bass", "other", "residual"]
    play(reaper, {"a.wav": Play(separate(stems=stems))})
    reaper.add_item(reaper.add_track(), tmp_path / "a.wav")
    reaper.run()
    for track in reaper.tracks[2:]:
        number = int(track["values"].I_CUSTOMCOLOR)
        assert number >> 24 == 1
        colour = Colour(number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF)
        assert colour == colour_of(track.name)


def test_progress_is_shown(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {name: Play(separate(), wait=0.1) for name in ("a.wav", "b.wav")})
    track = reaper.add_track()
    for name in ("a.wav", "b.wav"):
        reaper.add_item(track, tmp_path / name)
    reaper.run()
    texts = [text for text, _ in reaper.drawn]
    assert texts[0] == "a (1 of 2): 0%"
    assert {"a (1 of 2): 25%", "a (1 of 2): 100%", "b (2 of 2): 25%"} <= set(texts)
    fractions = [fraction for _, fraction in reaper.drawn]
    assert fractions == sorted(fractions)
    assert {0.125, 0.5, 0.625} <= set(fractions)
    assert not reaper.lua.globals().gfx.is_open


def test_each_run_leaves_the_stems_of_others_alone(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {"a.wav": Play(separate()), "A.flac": Play(separate())})
    track = reaper.add_track()
    for name in ("a.wav", "A.flac"):
        reaper.add_item(track, tmp_path / name)
    reaper.config["output"] = quote_lua(tmp_path / "else where")
    reaper.run()
    first = {get_file(item) for item in reaper.get_items("vocals")}
    assert {file.parent.name for file in first} == {"a", "A 2"}
    reaper.run()
    runs = list((tmp_path / "else where").iterdir())
    assert len(runs) == 2
    vocals = [track for track in reaper.tracks if track.name == "vocals"]
    files = {get_file(item) for track in vocals for item in track["items"].values()}
    assert len(files) == 4
    assert all(file.is_file() for file in files)


def test_options_are_handed_on(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {"-a.wav": Play(separate())})
    reaper.config["options"] = """{"--preset", "it's \\"my\\" $preset"}"""
    reaper.add_item(reaper.add_track(), tmp_path / "-a.wav")
    reaper.run()
    folder = get_file(reaper.get_items("vocals")[0]).parent
    assert json.loads((folder / "arguments.json").read_text()) == [
        "separate", "--json", "-o", str(folder), "--name-template", "{stem}",
        "--preset", "it's \"my\" $preset", "--", str(tmp_path / "-a.wav"),
    ]  # fmt: skip


def test_a_song_that_fails_is_told_and_the_others_come_in(reaper: Reaper, tmp_path: Path) -> None:
    error = "bad.wav is empty: no samples"
    failed = [STARTED, {"event": "failed", "source": "/song", "error": error, "details": ""}]
    skipped = [PLANNED, {"event": "skipped", "source": "/song", "reason": "not audio"}]
    play(reaper, {
        "bad.wav": Play(failed, code=1), "good.wav": Play(separate()), "text.txt": Play(skipped, 3),
    })  # fmt: skip
    track = reaper.add_track("T")
    for name in ("bad.wav", "good.wav", "text.txt"):
        reaper.add_item(track, tmp_path / name)
    reaper.run()
    (message,) = reaper.messages
    assert message.splitlines() == [
        f'"bad" wasn\'t separated: {error}.',
        "\"text\" wasn't separated: it isn't audio that stemkit reads.",
    ]
    (vocals,) = reaper.get_items("vocals")
    assert get_file(vocals).parent.name == "good"
    check_one_undo_step(reaper)


@pytest.mark.parametrize(
    "command", ['{"stemkit-that-is-not-there"}', '{"/no where/it\'s stemkit"}']
)
def test_a_missing_stemkit_is_told(reaper: Reaper, tmp_path: Path, command: str) -> None:
    reaper.config["command"] = command
    reaper.add_item(reaper.add_track(), tmp_path / "a.wav")
    reaper.run()
    name = command[2:-2]
    assert reaper.messages == [
        f"\"a\" wasn't separated: {name} wasn't found; write its full path into CONFIG.command "
        "in /scripts/stemkit_separate.lua."
    ]
    check_nothing_changed(reaper)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (Play(code=2, stderr="Usage: x\n\nError: no such preset\n"), "2: Error: no such preset"),
        (Play([PLANNED, STARTED], code=1), "1"),
        (Play(code=0), "0"),
    ],
)
def test_an_end_without_an_outcome_is_told(
    reaper: Reaper, tmp_path: Path, one: Play, expected: str
) -> None:
    play(reaper, {"a.wav": one})
    reaper.add_item(reaper.add_track(), tmp_path / "a.wav")
    reaper.run()
    assert reaper.messages == [f'"a" wasn\'t separated: stemkit ended with exit code {expected}.']
    check_nothing_changed(reaper)


def test_nothing_to_separate_is_told(reaper: Reaper, tmp_path: Path) -> None:
    track = reaper.add_track()
    reaper.add_item(track, tmp_path / "a.mid").take.is_midi = True
    reaper.add_item(track, tmp_path / "a.wav").take = None
    reaper.run()
    assert reaper.messages == ["Select audio items to separate."]
    assert "defer" in reaper.calls  # else REAPER would add an undo step
    check_nothing_changed(reaper)


def test_a_section_is_told(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {"b.wav": Play(separate())})
    track = reaper.add_track()
    take = reaper.add_item(track, tmp_path / "a.wav").take
    take.name, take.source.parent = "A", reaper.lua.table()
    reaper.add_item(track, tmp_path / "b.wav")
    reaper.run()
    assert reaper.messages == ['"A" plays a section or backwards; glue it first.']
    assert len(reaper.get_items("vocals")) == 1


def test_an_output_that_cannot_be_written_is_told(reaper: Reaper, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reaper.config["output"] = quote_lua(tmp_path / "file")
    reaper.stub.make_folder = lambda path: 0
    reaper.add_item(reaper.add_track(), tmp_path / "a.wav")
    reaper.run()
    (message,) = reaper.messages
    assert "can't start a program that writes into" in message
    check_nothing_changed(reaper)


def test_what_is_gone_when_stems_are_ready_is_left_out(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {"a.wav": Play(separate())})
    track = reaper.add_track()
    reaper.add_item(track, tmp_path / "a.wav", 5)
    moved = reaper.add_item(track, tmp_path / "a.wav", 6)
    reaper.start()
    reaper.lua.globals().table.remove(track["items"], 1)
    moved["values"].D_POSITION = 7
    reaper.wait()
    assert [get_window(item)[0] for item in reaper.get_items("vocals")] == [7]


def test_stems_for_a_project_that_was_closed_are_told(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {"a.wav": Play(separate())})
    reaper.add_item(reaper.add_track(), tmp_path / "a.wav")
    reaper.start()
    reaper.stub.project.is_open = False
    reaper.wait()
    (run,) = (reaper.folder / "stems").iterdir()
    assert reaper.messages == [f"The project is closed; the stems are in {run}."]
    check_nothing_changed(reaper)


def test_what_goes_wrong_half_way_is_taken_back(reaper: Reaper, tmp_path: Path) -> None:
    play(reaper, {"a.wav": Play(separate())})
    reaper.add_item(reaper.add_track(), tmp_path / "a.wav")
    reaper.start()
    reaper.stub.unreadable = reaper.lua.eval(
        "setmetatable({}, {__index = function(_, file) return file:find('accomp') end})"
    )
    reaper.wait()
    check_one_undo_step(reaper)
    calls = reaper.calls
    assert calls.index("Undo_DoUndo2") == calls.index("Undo_EndBlock2") + 1
    (message,) = reaper.messages
    assert re.fullmatch(r"REAPER can't read .*/a/accompaniment\.wav", message)


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("key", [-1, 27])  # the window is closed, Escape
def test_stopping_ends_stemkit(reaper: Reaper, tmp_path: Path, key: int) -> None:
    play(reaper, {"a.wav": Play(separate(), wait=60)})
    reaper.add_item(reaper.add_track(), tmp_path / "a.wav")
    reaper.start()
    reaper.wait(lambda: len(reaper.drawn) > 20)
    (told,) = (reaper.folder / "stems").glob("*/stemkit-1-process.txt")
    number = int(told.read_text())
    assert is_running(number)
    reaper.stub.key = key
    reaper.wait()
    limit = time.monotonic() + 10
    while is_running(number):
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert reaper.messages == []
    check_nothing_changed(reaper)


NAMES = ["żółć 🎤", 'say "hey" \\', "it's\ttabbed", "a\nb", "\udcff\udc80", "\u2028", "$HOME;`x`"]


@pytest.mark.parametrize(
    ("name", "folder"), [*zip(NAMES, NAMES, strict=True), ("a. .", "a"), (".", "song")]
)
def test_any_name_of_a_file_is_understood(
    reaper: Reaper, tmp_path: Path, name: str, folder: str
) -> None:
    song = tmp_path / f"{name}.wav"
    play(reaper, {song.name: Play(separate())})
    reaper.add_item(reaper.add_track(), song)
    reaper.run()
    assert reaper.messages == []
    file = get_file(reaper.get_items("vocals")[0])
    assert file.is_file()
    assert file.parent.name == folder


def test_on_windows_a_batch_file_runs_stemkit(reaper: Reaper, tmp_path: Path) -> None:
    commands: list[tuple[str, int]] = []

    def run_process(command: str, milliseconds: int) -> str:
        commands.append((command, milliseconds))
        return ""

    reaper.stub.system, reaper.stub.run_process = "Win64", run_process
    reaper.stub.make_folder = lambda path: 1  # the stub's system has no folders of this kind
    reaper.stub.path = to_lua(tmp_path / "my project")
    reaper.config["command"] = r'{"C:\\100% mine\\stemkit.exe"}'
    reaper.config["options"] = r'{"--preset-dir", "D:\\"}'
    reaper.stub.add_item(
        reaper.add_track(), r"C:\My & music\song.wav", reaper.lua.table(), reaper.lua.table()
    )
    reaper.start()
    ((command, milliseconds),) = commands
    assert milliseconds == -2  # REAPER doesn't wait, and minimizes the window
    batch = re.fullmatch(r'cmd\.exe /S /C ""(.*)""', command)
    assert batch
    lines = Path(from_lua(batch[1])).read_bytes().decode().split("\r\n")
    prefix = batch[1].removesuffix("launch.cmd")
    folder = prefix.removesuffix(r"\stemkit-1-")
    assert lines[:2] == ["@echo off", "chcp 65001 >nul"]
    assert lines[3:] == [
        rf'"C:\100%% mine\stemkit.exe" "separate" "--json" "-o" "{folder}\song" '
        r'"--name-template" "{stem}" "--preset-dir" "D:\\" "--" "C:\My & music\song.wav" '
        rf'<nul >"{prefix}events.jsonl" 2>"{prefix}errors.txt"',
        rf'echo %errorlevel% >"{prefix}exit.txt"',
        "",
    ]
    Path(from_lua(prefix + "exit.txt")).write_bytes(b"9009 \r\n")
    reaper.wait()
    (message,) = reaper.messages
    assert message.startswith("\"song\" wasn't separated: C:\\100% mine\\stemkit.exe wasn't found;")
