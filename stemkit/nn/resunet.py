"""The decoupled ResUNet of Kong et al. 2021 (arXiv:2109.05418) and its MobileNet sibling."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stemkit.nn.blocks import (
    FrequencyBlock,
    NearestUpsample,
    PlanarConv,
    ResidualBlock,
    SeparableBlock,
    TransposedUpsample,
)
from stemkit.nn.config import NetworkConfig
from stemkit.nn.pqmf import PQMF
from stemkit.nn.spectrogram import Spectrogram, decouple, fold_bins, magnitude, unfold_bins

MAPS = 4  # what the head gives for each bin: |M|, Re M, Im M, Q
CACHED_FRAMES = 16  # of the spectrum, with all that is computed of them, fit in a CPU's cache


class ResUNet(nn.Module):
    """Separate a mix into `config.sources`: (batch, channels, frames) in, and out
    (batch, sources, channels, frames).

    `shares`, (sources, planes, freq), say how much of each bin to give; by default it is all that
    the network knows.

    The spectrum is float32 throughout; `unet` alone may be moved to another precision.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.pqmf = PQMF(config.band_count) if config.bands == "pqmf" else None
        self.spectrogram = Spectrogram(config.n_fft, config.hop)
        self.bn0: nn.Module = nn.BatchNorm2d(config.n_fft // 2 + 1, momentum=0.01)
        self.unet = UNet(config)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of the output."""
        return self.config.sources

    def forward(self, mix: Tensor, shares: Tensor | None = None) -> Tensor:
        frames = mix.shape[-1]
        bands = 1 if self.pqmf is None else self.pqmf.bands
        padded = max(frames, (self.config.n_fft // 2 + 1) * bands)  # what the STFT can reflect
        spectra = self.analyze(F.pad(mix, (0, padded - frames)))
        found = self.estimate(spectra)
        if shares is None and self.config.above_hz:
            hz = self.bin_frequencies_hz().to(mix.device)
            shares = known_share(self.config.above_hz, hz).expand(len(self.sources), -1, -1)
        if shares is not None:
            found = found * shares[:, :, None, :, None]
        return self.synthesize(found, padded)[..., :frames]

    def analyze(self, waves: Tensor) -> Tensor:
        """Return the spectra of (batch, channels, frames): (batch, planes, time, freq, 2).

        A plane is a channel, or a band of a channel where the waveform is filtered into bands.
        """
        spectra: Tensor = self.spectrogram(waves if self.pqmf is None else self.pqmf.analyze(waves))
        return spectra

    def synthesize(self, spectra: Tensor, frames: int) -> Tensor:
        """Return the waves of (batch, sources, planes, time, freq, 2)."""
        if self.pqmf is None:
            return self.spectrogram.invert(spectra, frames)
        bands = self.spectrogram.invert(spectra, self.pqmf.band_frames(frames))
        waves = self.pqmf.synthesize(bands.flatten(1, 2), frames)  # (batch, sources*channels, ...)
        return waves.reshape(len(waves), len(self.sources), -1, frames)

    def estimate(self, spectra: Tensor) -> Tensor:
        """Return (batch, sources, planes, time, freq, 2) of a mix's spectra."""
        config = self.config
        maps: Tensor = self.unet(self._features(spectra))  # (batch, everything, time, freq)
        maps = maps.reshape(
            len(maps), len(config.sources), config.channels, MAPS, -1, *maps.shape[-2:]
        ).transpose(3, 4)  # (batch, sources, channels, bands, 4, time, freq)
        found = spectra.new_empty(len(maps), len(config.sources), *spectra.shape[1:])
        seen = config.n_fft // 2
        found[..., seen:, :] = 0  # above them, silence
        for part in cut_frames(spectra):
            mixed, place = spectra[:, None, :, part, :seen], found[:, :, :, part, :seen]
            if torch.is_grad_enabled():
                place.copy_(self._mask(maps[..., part, :], mixed))
            else:
                self._mask(maps[..., part, :], mixed, place)
        return found

    def _mask(self, maps: Tensor, spectra: Tensor, out: Tensor | None = None) -> Tensor:
        """Return what the maps make of as many frames of the spectra, or less."""
        maps = maps[..., : spectra.shape[3], :]
        maps = unfold_bins(maps) if self.config.bands == "fold" else maps.flatten(2, 3)
        return decouple(maps.float(), spectra, self.config.residual_magnitude, out)

    def bin_frequencies_hz(self) -> Tensor:
        """Return what frequency each bin of `analyze` stands for, (planes, freq)."""
        config = self.config
        bins = torch.arange(config.n_fft // 2 + 1) / (config.n_fft // 2)  # of a band's width
        if config.bands != "pqmf":
            return (bins * config.sample_rate / 2).expand(config.channels, -1)
        band = torch.arange(config.band_count)[:, None]
        place = torch.where(band % 2 == 0, band + bins, band + 1 - bins)  # odd bands are mirrored
        return (place * config.sample_rate / 2 / config.band_count).repeat(config.channels, 1)

    def _features(self, spectra: Tensor) -> Tensor:
        """Return what the U-Net sees of the spectra, with silence up to whole pooling cells."""
        parts = [self._view(spectra[:, :, part]) for part in cut_frames(spectra)]
        parts[-1] = F.pad(parts[-1], (0, 0, 0, -spectra.shape[2] % self.config.pooled_frames))
        return torch.cat(parts, dim=2)

    def _view(self, spectra: Tensor) -> Tensor:
        x = magnitude(spectra)  # (batch, planes, time, freq)
        x = torch.log1p(x) if self.config.magnitude == "log1p" else x
        x = self.bn0(x.transpose(1, 3)).transpose(1, 3)[..., :-1]  # normalised bin by bin
        x = fold_bins(x, self.config.band_count) if self.config.bands == "fold" else x
        return x.to(self.unet.dtype, memory_format=torch.channels_last)


def known_share(above_hz: float, frequencies_hz: Tensor) -> Tensor:
    """Return how much of each frequency a network knows: nothing up to `above_hz`, all from an
    octave above it.
    """
    if not above_hz:
        return torch.ones_like(frequencies_hz)
    octaves = (frequencies_hz / above_hz).log2().clamp(0, 1)
    return (1 - (math.pi * octaves).cos()) / 2


def cut_frames(spectra: Tensor) -> list[slice]:
    """Return which frames of (batch, planes, time, freq, 2) to compute at once.

    On a CPU they are few, so that all that is made of them on the way stays in its cache; in
    training, and on a GPU, they are all.
    """
    frames = spectra.shape[2]
    is_cut = spectra.device.type == "cpu" and not torch.is_grad_enabled()
    step = CACHED_FRAMES if is_cut else frames
    return [slice(start, start + step) for start in range(0, frames, step)]


class UNet(nn.Module):
    """The convolutional part: (batch, planes, time, freq) in, maps of the same size out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        widths = config.stage_channels
        planes = config.channels * config.band_count
        scales = [(2, 2)] * (len(widths) - 1) + [(1, 2)]
        block = ResidualBlock if config.block == "residual" else SeparableBlock
        upsample = TransposedUpsample if config.block == "residual" else NearestUpsample

        def blocks(inputs: int, outputs: int, count: int) -> nn.Sequential:
            return nn.Sequential(
                *(block(inputs if i == 0 else outputs, outputs) for i in range(count))
            )

        def stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
            units = blocks(inputs, outputs, config.stage_blocks)
            if config.frequency_bottleneck:
                bins = config.unet_bins >> depth
                units.append(FrequencyBlock(outputs, bins, config.frequency_bottleneck))
            return units

        self.scales = scales
        self.encoders = nn.ModuleList(
            stage(inputs, outputs, depth)
            for depth, (inputs, outputs) in enumerate(zip((planes, *widths), widths, strict=False))
        )
        self.bottleneck = blocks(widths[-1], widths[-1], config.bottleneck_blocks)
        self.upsamples = nn.ModuleList(
            upsample(inputs, outputs, scale)
            for inputs, outputs, scale in zip(
                (widths[-1], *widths[:0:-1]), widths[::-1], scales[::-1], strict=True
            )
        )
        self.decoders = nn.ModuleList(
            stage(2 * outputs, outputs, depth)
            for depth, outputs in reversed(list(enumerate(widths)))
        )
        self.after = blocks(widths[0], widths[0], config.after_blocks)
        self.head = PlanarConv(widths[0], len(config.sources) * planes * MAPS)
        self.apply(_initialize)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the convolutions, which the input must have."""
        return self.head.weight.dtype

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for encoder, scale in zip(self.encoders, self.scales, strict=True):
            x = encoder(x)
            skips.append(x)
            x = F.avg_pool2d(x, scale)  # (batch, width, time / 2, freq / 2)
        x = self.bottleneck(x)
        for upsample, decoder in zip(self.upsamples, self.decoders, strict=True):
            x = decoder(torch.cat((upsample(x), skips.pop()), dim=1))
        maps: Tensor = self.head(self.after(x))
        return maps


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
