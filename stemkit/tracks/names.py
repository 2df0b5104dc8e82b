"""What the files beside a track's stems are called."""

from pathlib import Path

ORIGINAL = "original"
"""The file beside the stems that holds the song itself, at their gain."""

RECORD_NAME = "provenance"
"""What the name template gives for `{stem}` where a track's record is named."""

RUN_RECORD = "provenance.json"
"""The file in an output folder that holds the records of all its tracks, if they share one."""

REVIEW_MARK = ".stemkit-review"
"""The file by which the folder of a review is known."""


def name_original(first: Path, stem: str) -> Path:
    """Return the file of the song itself beside the stem `stem`, whose file is `first`."""
    head, mark, tail = first.stem.rpartition(stem)
    name = f"{head}{ORIGINAL}{tail}" if mark else f"{first.stem} {ORIGINAL}"
    return first.with_name(f"{name}.wav")
