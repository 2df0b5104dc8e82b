"""The streams of `.stem.mp4` files, read with stempeg as MUSDB18's own tools do."""

import shutil
from pathlib import Path

import numpy as np

from stemkit.errors import AudioError, OptionError
from stemkit.evaluation.songs import MUSDB_STREAMS
from stemkit.samples import Samples


def require_ffmpeg(why: str) -> None:
    """Raise OptionError, which begins with `why`, unless the programs are there."""
    missing = [program for program in ("ffmpeg", "ffprobe") if not shutil.which(program)]
    if missing:
        raise OptionError(f"{why} {' and '.join(missing)}, not found on the PATH; install ffmpeg")


def read_stream(path: Path, stream: int) -> tuple[Samples, int]:
    """Return one audio stream of a file of MUSDB18, and its rate in Hz.

    Raises AudioError for a file that isn't one, or that can't be decoded whole.
    """
    import stempeg  # which fails where there is no ffmpeg
    from stempeg.read import ffmpeg

    try:
        info = stempeg.Info(str(path))
        if info.nb_audio_streams != len(MUSDB_STREAMS):
            raise AudioError(
                f"{path.name!r} has {info.nb_audio_streams} audio streams, and files of MUSDB18 "
                f"have {len(MUSDB_STREAMS)}; give the stems as files in a folder"
            )
        number = info.audio_stream_idx()[stream]
        audio, rate = stempeg.read_stems(str(path), stem_id=number, info=info, dtype=np.float32)
        promised = info.duration(stream)
    except ffmpeg.Error as error:
        reason = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise AudioError(
            f"{path.name!r} can't be read: {reason[-1] if reason else error}"
        ) from error
    except (Warning, RuntimeError, KeyError, ValueError) as error:
        raise AudioError(f"{path.name!r} can't be read: {error}") from error
    audio = np.atleast_2d(audio.T) if audio.ndim == 1 else audio.T
    if audio.shape[1] < (promised - _TOLERANCE_SECONDS) * rate:  # stempeg ignores what went wrong
        raise AudioError(
            f"{path.name!r} ends after {audio.shape[1] / rate:.1f} s of {promised:.1f} s; "
            "get a whole copy"
        )
    return np.ascontiguousarray(audio), int(rate)


_TOLERANCE_SECONDS = 0.1  # the delay of an AAC encoder, which the decoder takes away
