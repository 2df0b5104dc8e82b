"""What the processor is called; imports no torch, so that a process that asks stays small."""

import platform
import re
from contextlib import suppress
from pathlib import Path


def name_processor() -> str:
    """Return what Linux calls the processor, or else what Python knows."""
    with suppress(OSError):
        if found := re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text()):
            return found[1]
    return platform.processor() or platform.machine()
