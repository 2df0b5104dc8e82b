"""The real Ardour, run without a screen and with a home of its own."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

needs_ardour = pytest.mark.skipif(
    not (shutil.which("ardour7-lua") and shutil.which("ardour7-export")),
    reason="needs Ardour 7: apt-get install ardour",
)

# Ports that can be resampled delay by 16 samples, and one export in ten or so starts before Ardour
# has taken that into account.
_CONFIG = """<Ardour version="7002"><Config>
<Option name="port-resampler-quality" value="0"/>
</Config></Ardour>"""

# Its exporter finds its own heap damaged in one export of ten, before it has written anything.
_ABORTED = (-signal.SIGABRT, 128 + signal.SIGABRT)


def run_ardour(home: Path, *command: str | Path) -> str:
    """Run one of Ardour's programs in the folder `home`, and return what it prints."""
    config = home / ".config" / "ardour7" / "config"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(_CONFIG)
    # XDG's variables would lead out of `home`.
    variables = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    for _ in range(3):
        done = subprocess.run(
            [os.fsencode(word) for word in command], cwd=home, env=variables | {"HOME": str(home)},
            timeout=120, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode not in _ABORTED:
            break
    output = done.stdout.decode(errors="surrogateescape")
    assert done.returncode == 0, output
    assert "ERROR" not in output, output
    return output


def export_session(home: Path, session: Path, target: Path) -> None:
    """Let Ardour play a session at its master bus into a 32-bit float wav file."""
    command = ("ardour7-export", "-b", "float", "-o", target, "--", session.parent, session.stem)
    run_ardour(home, *command)
