"""A run that is killed at every stage of its work, and what the next run makes of it.

    python -m tests.batch.kills FOLDER

Each run is a fork that kills itself with SIGKILL at a call drawn by chance of one of the functions
in `STAGES`, or is killed from outside after a time drawn by chance. It prints a line for each kill.
"""

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from stemkit.audio import stems as stems_module
from stemkit.audio.decode import AudioReader
from stemkit.audio.stems import StemsWriter
from stemkit.batch.driving import read
from stemkit.batch.ledger import Ledger
from stemkit.cli.main import run
from stemkit.effects.render import Renderer
from stemkit.handoff import write as hand_offs
from stemkit.separation.predictor import Predictor
from tests.batch.libraries import read_tree, save_tiny, write_song

STAGES: dict[str, tuple[object, str]] = {
    "decode": (AudioReader, "_read"),
    "predict": (Predictor, "predict"),
    "effects": (Renderer, "_choose"),
    "write": (StemsWriter, "write"),
    "encode": (stems_module, "write_encoded"),
    "rename": (Path, "replace"),
    "ledger": (Ledger, "_ask"),
    "handoff": (hand_offs, "_make"),
}
KILLS_A_STAGE = 3
TIMED_KILLS = 4
PRESET = """
version = 1
summary = "Every stage has work"
[stems.vocals]
chain = [{ effect = "Gain", gain_db = -1 }, { effect = "Reverb" }]
loudness_lufs = -20
[stems.accompaniment]
[mix]
stem_files = true
[output]
format = "flac"
"""


def main(folder: Path) -> int:
    """Kill runs; return 0 if each next one ended with the bytes of an undisturbed one."""
    torch.set_num_threads(1)  # forks have no pool of threads
    library, out = folder / "library", folder / "out"
    for number in range(3):
        write_song(library / f"{number}.wav", 1.5, number)
    (folder / "preset.toml").write_text(PRESET)
    command = [
        "separate", str(library), "-o", str(out), "-p", str(folder / "preset.toml"), "-q",
        "-m", str(save_tiny(folder / "tiny.safetensors")), "--precision", "float32",
        "--handoff", "reaper,ardour",
    ]  # fmt: skip
    began = time.monotonic()
    calls = _count_calls(command, folder)
    seconds = time.monotonic() - began
    expected = read_tree(out)
    random.seed(1)
    kills: list[tuple[str, float]]
    kills = [("time", random.uniform(0, seconds)) for _ in range(TIMED_KILLS)]
    for stage in STAGES:
        moments = random.sample(range(1, calls[stage] + 1), KILLS_A_STAGE)
        kills += [(stage, moment) for moment in moments]
    for stage, moment in kills:
        shutil.rmtree(out)
        killed = _kill_one(command, stage, moment)
        left = len(list(out.rglob("*.partial")))
        code = _fork(lambda: run(command))
        same = read_tree(out) == expected and _all_done(out)
        print(f"{stage} {moment:.2f}: killed {killed}, {left} partial, then {code}, same {same}")
        if not (same and code in (0, 3)):
            return 1
    return 0


def _count_calls(command: list[str], folder: Path) -> Counter[str]:
    """Do an undisturbed run; return how often each stage is called."""
    notes = folder / "calls"

    def count() -> int:
        with notes.open("ab", buffering=0) as file:
            for stage in STAGES:
                _before_each_call(stage, partial(file.write, f"{stage}\n".encode()))
            return run(command)

    if _fork(count) != 0:
        raise SystemExit("the undisturbed run failed")
    return Counter(notes.read_text().split())


def _kill_one(command: list[str], stage: str, moment: float) -> bool:
    if stage == "time":
        return _fork(lambda: run(command), kill_after=moment) == -signal.SIGKILL
    left = [moment]

    def count_down() -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def be_killed() -> int:
        _before_each_call(stage, count_down)
        return run(command)

    return _fork(be_killed) == -signal.SIGKILL


def _before_each_call(stage: str, act: Callable[[], object]) -> None:
    owner, name = STAGES[stage]
    original = getattr(owner, name)

    def wrapped(*args: object, **kwargs: object) -> object:
        act()
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


def _fork(work: Callable[[], int], kill_after: float | None = None) -> int:
    """Do `work` in a fork; return its exit code, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _all_done(out: Path) -> bool:
    with read(out) as ledger:
        return ledger is not None and dict(ledger.count()) == {"done": 3}


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
