"""Everything that a user can cause, and what it is called.

StemkitError
├── OptionError          an option, a template or a configuration that can't be followed
├── PlanError            inputs and outputs that can't be planned: a collision, a name outside DIR
├── AudioError           one audio file
│   ├── NotAudioError    not audio at all: a cover, a text, an AppleDouble file; skipped
│   ├── DecodeError      empty, truncated, mislabelled, unreadable, or its header lies
│   ├── NonFiniteError   NaN or infinity among its samples
│   └── EncodeError      the output could not be written
├── ModelError           one model
│   ├── UnknownModelError    no model has this name
│   ├── CheckpointError      a weights file that isn't what it says
│   └── DownloadError        a weights file that could not be fetched whole
├── DeviceError          a device or precision that this machine doesn't have
└── TrainingError        training data or state that can't be used

Each message is one sentence: what is wrong, the value, what to do.
"""


class StemkitError(Exception):
    """Anything that a user can cause; the command line prints it as one line."""


class OptionError(StemkitError, ValueError):
    """An option, a template or a configuration that can't be followed."""


class PlanError(StemkitError):
    """Inputs and outputs that can't be planned."""


class AudioError(StemkitError):
    """One audio file that can't be used."""


class NotAudioError(AudioError):
    """A file that isn't audio at all, and that a folder may well hold."""


class DecodeError(AudioError):
    """A file that is or claims to be audio and can't be decoded whole."""


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


class DeviceError(StemkitError):
    """A device or precision that this machine doesn't have."""


class TrainingError(StemkitError):
    """Training data or state that can't be used."""
