"""`stemkit`: the group of commands, and what becomes of an error."""

import contextlib
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from stemkit import __version__
from stemkit.cli.apply import apply
from stemkit.cli.clean import clean
from stemkit.cli.evaluate import evaluate
from stemkit.cli.handoff import handoff
from stemkit.cli.models import models
from stemkit.cli.plot import plot
from stemkit.cli.presets import presets
from stemkit.cli.retry import retry
from stemkit.cli.review import review
from stemkit.cli.separate import separate
from stemkit.cli.show_events import events, provenance
from stemkit.cli.status import status
from stemkit.cli.study import study
from stemkit.cli.train import train
from stemkit.errors import OptionError, PlanError, PresetError, StemkitError

FAILED, USAGE, INTERRUPTED = 1, 2, 130

# NumPy's own threads, which only multiply small matrices here, would spin beside torch's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# torch's threads wait for each other without sleeping, for as long as another program keeps one of
# them from its core: a song took 2.4 times as long beside one busy program, and takes 1.7 times.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="stemkit")
def stemkit() -> None:
    """Separate a music library into stems: every file whole or not at all, in bounded memory."""


stemkit.add_command(separate)
stemkit.add_command(apply)
stemkit.add_command(handoff)
stemkit.add_command(review)
stemkit.add_command(plot)
stemkit.add_command(status)
stemkit.add_command(retry)
stemkit.add_command(clean)
stemkit.add_command(events)
stemkit.add_command(provenance)
stemkit.add_command(models)
stemkit.add_command(presets)
stemkit.add_command(evaluate)
stemkit.add_command(train)
stemkit.add_command(study)


def main() -> NoReturn:
    """Run the command line; every error becomes one line on stderr and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows; ignored under nohup
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        signal.signal(hangup, _interrupt)
    code = run()
    if code:  # what failed is held by its own traceback, and soxr complains of what is held
        gc.collect()
    gc.freeze()  # or the collector goes over all of torch before the exit, for most of a second
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        result: object = stemkit.main(arguments, prog_name="stemkit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (OptionError, PlanError, PresetError) as error:
        return _complain(error, USAGE)
    except StemkitError as error:
        return _complain(error, FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: nothing that was begun is left half-written", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # as in `stemkit models list | head`
        sys.stderr.close()
        return FAILED
    except OSError as error:  # a full disk behind stdout
        with contextlib.suppress(OSError):
            sys.stdout.close()
        click.echo(f"error: {error.strerror or error}", err=True)
        return FAILED
    return result if isinstance(result, int) else 0


def _complain(error: StemkitError, code: int) -> int:
    click.echo(f"error: {' '.join(str(error).split())}", err=True)
    return code


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
