"""Write the sounds that the other scripts make."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from stemkit.files import replace_file

SAMPLE_RATE = 44100


def write_flac(path: Path, audio: npt.NDArray[np.floating]) -> None:
    """Write (frames,) or (frames, channels) as 16-bit FLAC, under its name only when it's whole."""
    replace_file(path, lambda partial: soundfile.write(partial, audio, SAMPLE_RATE, format="FLAC"))
