"""Everything that a user can cause, and what it is called.

StemkitError
├── OptionError          an option, a template or a configuration that can't be followed
├── ArgumentTypeError    an argument of another type than is taken: integer samples, a list
├── LayoutError          an array whose channels can't be told from its frames
├── BoardError           a board that can't run: a plugin that is in it twice, a board in itself
│   ├── NotAnEffectError     something that isn't an effect: None, a class, an instrument
│   └── PluginError          a native plugin that refuses audio, or spoils it
├── PlanError            inputs and outputs that can't be planned: a collision, a name outside DIR
├── LedgerError          a ledger that is damaged, in use, of a newer stemkit, or can't be written
├── AudioError           one audio file
│   ├── NotAudioError    not audio at all: a cover, a text, an AppleDouble file; skipped
│   ├── DecodeError      empty, truncated, mislabelled, unreadable, or its header lies
│   ├── TagsError        tags that are damaged; the audio may be whole
│   ├── NonFiniteError   NaN or infinity among its samples
│   └── EncodeError      the output could not be written
├── ModelError           one model
│   ├── UnknownModelError    no model has this name
│   ├── CheckpointError      a weights file that isn't what it says
│   └── DownloadError        a weights file that could not be fetched whole
├── PresetError          a preset that can't be found, read, followed or built
├── RecordError          a record of a track that is damaged or of a newer stemkit
├── HandoffError         a project for another program that can't be made or written
├── ClusterError         a cluster that can't be reached or used, or that was lost
├── DeviceError          a device or precision that this machine doesn't have
└── TrainingError        training data or state that can't be used

Each message is one sentence: what is wrong, the value, what to do.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemkit.audio.tags.metadata import Metadata


class StemkitError(Exception):
    """Anything that a user can cause; the command line prints it as one line."""


class OptionError(StemkitError, ValueError):
    """An option, a template or a configuration that can't be followed."""


class ArgumentTypeError(StemkitError, TypeError):
    """An argument of another type than is taken."""


class LayoutError(StemkitError, RuntimeError):
    """An array whose channels can't be told from its frames."""


class BoardError(StemkitError, RuntimeError):
    """A board that can't run."""


class NotAnEffectError(BoardError, TypeError):
    """Something that a board can't hold, since it isn't an effect."""


class PluginError(BoardError, ValueError):
    """A native plugin that refuses audio, or gives NaN or infinity."""


class PlanError(StemkitError):
    """Inputs and outputs that can't be planned."""


class LedgerError(StemkitError):
    """A ledger that can't be used, or is in use by another run."""


class AudioError(StemkitError):
    """One audio file that can't be used."""


class NotAudioError(AudioError):
    """A file that isn't audio at all, and that a folder may well hold."""


class DecodeError(AudioError):
    """A file that is or claims to be audio and can't be decoded whole."""


class TagsError(AudioError):
    """Tags of a file that can't be read; `rest` is what else the file says."""

    def __init__(self, message: str, rest: "Metadata") -> None:
        super().__init__(message)
        self.rest = rest


class NonFiniteError(AudioError, ValueError):
    """NaN or infinity among the samples of the input."""


class EncodeError(AudioError):
    """An output that could not be written."""


class ModelError(StemkitError):
    """One model that can't be used."""


class UnknownModelError(ModelError):
    """No model has this name."""


class CheckpointError(ModelError):
    """A weights file that isn't what it says."""


class DownloadError(ModelError):
    """A weights file that could not be fetched whole."""


class PresetError(StemkitError):
    """A preset that can't be found, read, followed or built; `args` are all its faults."""

    def __str__(self) -> str:
        """Return the first fault, and how many more there are."""
        first, *more = map(str, self.args or ("a preset that can't be used",))
        if not more:
            return first
        return f"{first} (and {len(more)} more; see them with: stemkit presets check)"


class RecordError(StemkitError):
    """A record of a track that can't be used."""


class HandoffError(StemkitError):
    """A project for another program that can't be made or written."""


class ClusterError(StemkitError):
    """A cluster that can't be reached or used, or that was lost."""


class DeviceError(StemkitError):
    """A device or precision that this machine doesn't have."""


class TrainingError(StemkitError):
    """Training data or state that can't be used."""


def describe_error(error: Exception) -> str:
    """Return an error in one line, which begins with its type unless it's one of ours."""
    kind, text = type(error).__name__, " ".join(str(error).split())
    if isinstance(error, StemkitError):
        return text or kind
    return f"{kind}: {text}" if text else kind
