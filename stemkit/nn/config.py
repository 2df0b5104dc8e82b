"""What a network is, as plain data; a checkpoint carries it."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pydantic

from stemkit.errors import CheckpointError

OWN_SUFFIX = ".safetensors"
"""The end of the names of our own checkpoints, which carry their config."""

# Least and most of each size: a file that lies can't ask for all memory or for ever.
_LIMITS = {
    "stage_blocks": (1, 64),
    "bottleneck_blocks": (0, 64),
    "after_blocks": (0, 64),
    "frequency_bottleneck": (0, 64),
    "above_hz": (0, 2**18),
}
_OTHER_LIMITS = (1, 2**18)


@dataclass(frozen=True)
class NetworkConfig:
    """The parameters that make one U-Net of the family of Kong et al. 2021.

    `bands` says how the spectrum is cut into `band_count` bands that are stacked as channels:
    "pqmf" filters the waveform and takes one STFT of every band, "fold" cuts one full-band STFT,
    "none" leaves it whole. `n_fft` and `hop` are samples at the rate of that STFT. `block` is the
    unit that each stage repeats: "residual" (two 3 x 3 convolutions) or "separable" (MobileNet).
    With `frequency_bottleneck`, each stage ends in a `FrequencyBlock` that many times narrower
    inside; 0 means none. Below `above_hz` it knows nothing, and gives silence: that is left to
    the others of a bag.
    """

    sources: tuple[str, ...] = ("vocals",)
    sample_rate: int = 44100
    channels: int = 2
    bands: Literal["pqmf", "fold", "none"] = "pqmf"
    band_count: int = 4
    n_fft: int = 512
    hop: int = 110
    block: Literal["residual", "separable"] = "residual"
    stage_channels: tuple[int, ...] = (32, 64, 128, 256, 384, 384)
    stage_blocks: int = 4
    bottleneck_blocks: int = 16
    after_blocks: int = 4
    frequency_bottleneck: int = 0
    magnitude: Literal["linear", "log1p"] = "linear"
    residual_magnitude: Literal["tanh", "linear"] = "tanh"
    above_hz: float = 0.0

    def __post_init__(self) -> None:
        if not self.sources or len(set(self.sources)) != len(self.sources):
            raise CheckpointError(f"a network needs distinct sources, not {self.sources!r}")
        _check_sizes(self)
        _check_bands(self)
        if not 0 <= self.above_hz < self.sample_rate / 2:
            raise CheckpointError(
                f"above_hz must be from 0 to half of {self.sample_rate}, not {self.above_hz}"
            )
        if self.hop > self.n_fft // 4:
            raise CheckpointError(f"hop {self.hop} is above a quarter of n_fft {self.n_fft}")

    @property
    def frame_samples(self) -> int:
        """Samples at `sample_rate` from one frame of the spectrogram to the next."""
        return self.hop * (self.band_count if self.bands == "pqmf" else 1)

    @property
    def unet_bins(self) -> int:
        """Frequencies of the first stage; the highest bin of the STFT isn't among them."""
        return self.n_fft // 2 // (self.band_count if self.bands == "fold" else 1)

    @property
    def pooled_frames(self) -> int:
        """Spectrogram frames that the deepest stage sees as one; the last stage keeps time."""
        return int(2 ** (len(self.stage_channels) - 1))

    @property
    def grid_samples(self) -> int:
        """Samples of one pooling cell: signals shifted by this much are pooled alike."""
        return self.frame_samples * self.pooled_frames

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return dataclasses.asdict(self)


def parse_config(fields: object) -> NetworkConfig:
    """Return the config that `to_dict` wrote; raises CheckpointError for anything else."""
    if not isinstance(fields, dict):
        raise CheckpointError(f"a network's config must be a table, not {fields!r}")
    unknown = sorted(set(fields) - {field.name for field in dataclasses.fields(NetworkConfig)})
    if unknown:
        raise CheckpointError(f"unknown network parameter {unknown[0]!r}")
    try:
        return pydantic.TypeAdapter(NetworkConfig).validate_python(fields)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"network parameter {place}: {first['msg']}") from error


def _check_sizes(config: NetworkConfig) -> None:
    for name, value in config.to_dict().items():
        least, most = _LIMITS.get(name, _OTHER_LIMITS)
        for size in value if isinstance(value, tuple) else (value,):
            if isinstance(size, int) and not least <= size <= most:
                raise CheckpointError(f"{name} must be from {least} to {most}, not {size}")


def _check_bands(config: NetworkConfig) -> None:
    if config.bands == "none" and config.band_count != 1:
        raise CheckpointError(f"bands 'none' means band_count 1, not {config.band_count}")
    if config.bands == "pqmf" and config.band_count not in (2, 4):
        raise CheckpointError(f"bands 'pqmf' means band_count 2 or 4, not {config.band_count}")
    parts = config.band_count if config.bands == "fold" else 1
    cell = parts * 2 ** len(config.stage_channels)
    if not config.stage_channels or config.n_fft % (2 * cell):
        raise CheckpointError(
            f"n_fft {config.n_fft} doesn't give {parts} bands of bins that can be halved "
            f"{len(config.stage_channels)} times, once a stage"
        )


ARCHITECTURES: dict[str, NetworkConfig] = {
    "resunet143-subband": NetworkConfig(),
    "resunet143-ismir2021": NetworkConfig(
        bands="none", band_count=1, n_fft=2048, hop=441, residual_magnitude="linear"
    ),
    "mobilenet-subband": NetworkConfig(
        block="separable",
        stage_channels=(32, 64, 64, 64, 64, 64),
        stage_blocks=1,
        bottleneck_blocks=1,
        after_blocks=1,
    ),
    "stemkit-small": NetworkConfig(
        bands="fold",
        band_count=8,
        n_fft=4096,
        hop=1024,
        stage_channels=(24, 48, 96, 144, 192, 192),
        stage_blocks=1,
        bottleneck_blocks=2,
        after_blocks=1,
        frequency_bottleneck=8,
        magnitude="log1p",
        residual_magnitude="linear",
    ),
}


def is_own_format(path: Path) -> bool:
    """Return whether a file is named as stemkit's own checkpoints, which carry their config."""
    return path.suffix.lower() == OWN_SUFFIX
