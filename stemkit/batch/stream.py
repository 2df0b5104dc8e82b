"""One song through a pipe: from a stream to another, whole or not at all."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from stemkit.batch.cancel import CancelToken
from stemkit.batch.jobs import Job, Naming
from stemkit.batch.outcomes import Done, Outcome
from stemkit.batch.treatment import Treatment
from stemkit.batch.worker import Work, treat_job
from stemkit.errors import OptionError

PIPED = ("wav", "flac")


def check_pipe(naming: Naming, treatment: Treatment) -> None:
    """Raise OptionError for what can't come out of a pipe: several files, or a lossy format."""
    if len(naming.stems) != 1:
        raise OptionError(
            f"one stem goes to stdout, not {', '.join(naming.stems)}; name it with --stems"
        )
    if treatment.output_format.container not in PIPED:
        raise OptionError(f"stdout takes {' or '.join(PIPED)}; choose one with --format")


def treat_stream(source: BinaryIO, sink: BinaryIO, naming: Naming, treatment: Treatment) -> Outcome:
    """Treat the song that `source` holds and write its only output to `sink`, once it is whole.

    The song is kept in a temporary file meanwhile. Raises OSError where that or `sink` fails, and
    ModelError, DeviceError and PresetError.
    """
    with TemporaryDirectory(prefix="stemkit-") as name:
        folder = Path(name)
        song = folder / "stdin"
        with song.open("wb") as file:
            shutil.copyfileobj(source, file)
        (stem,) = naming.stems
        job = Job(song, folder, {stem: f"{stem}{naming.extension}"})
        outcome = treat_job(Work(treatment, CancelToken(), from_stream=True), job)
        if isinstance(outcome, Done):
            with job.targets[stem].open("rb") as file:
                shutil.copyfileobj(file, sink)
            sink.flush()
    return outcome
