"""Text files that name stems by paths relative to their own folder, as REAPER and Audacity read."""

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from stemkit.errors import HandoffError
from stemkit.files import replace_content, writing


def relate(path: Path, folder: Path) -> str:
    """Return `path` relative to `folder`, with '/' between folders, for a line of UTF-8 text.

    Raises HandoffError where no such line can hold it.
    """
    relative = Path(os.path.relpath(path, folder)).as_posix()
    is_utf8 = relative == relative.encode(errors="replace").decode()
    if not is_utf8 or "\n" in relative or "\r" in relative:
        raise HandoffError(
            f"a project can't name {str(path)!r}, which holds a line break or isn't UTF-8; "
            f"rename it"
        )
    return relative


def flatten(text: str) -> str:
    """Return `text` on one line, without tabs, other controls and what isn't UTF-8."""
    return "".join(_REPLACED.get(unicodedata.category(letter), letter) for letter in text)


def replace_unfit(text: str) -> str:
    """Return `text` with a mark in the place of each character that XML can't hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACED = {"Cc": " ", "Zl": " ", "Zp": " ", "Cs": "\N{REPLACEMENT CHARACTER}"}
"""By Unicode's categories: controls, line and paragraph separators, surrogates."""


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write a UTF-8 file whole or not at all, and return it; raises HandoffError."""
    text = "".join(f"{line}\n" for line in lines)
    with writing(path, HandoffError):
        replace_content(path, text.encode())
    return path
