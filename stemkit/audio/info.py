"""What is known of an audio file before it's decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROUNDED_FRAMES = 2 * 1152
"""Two frames of an mp3: how far the length of an mp3 or mp4 may be off, as when its end is cut."""


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says.

    `frames` is None where it doesn't say: aac streams, some mp3 and flac, Matroska and ASF. Some
    mp4 files round it by up to `ROUNDED_FRAMES`; then `frames_are_exact` is false. Of several audio
    `tracks` in one file it is about one: the default one, or else the first.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int | None
    container: str
    codec: str
    decoder: Literal["soundfile", "av"]
    frames_are_exact: bool = True
    tracks: int = 1
