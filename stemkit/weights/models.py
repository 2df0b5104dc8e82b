"""From a model's name to its network; nothing here downloads."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from stemkit.errors import CheckpointError, ModelError
from stemkit.nn.checkpoints import load_checkpoint
from stemkit.nn.config import NetworkConfig, is_own_format
from stemkit.nn.resunet import ResUNet, known_share
from stemkit.weights.cache import check_bytes, require_file
from stemkit.weights.registry import ModelCard, list_checkpoint_cards, read_card
from stemkit.weights.sources import as_path


class Bag(nn.Module):
    """Several networks that each give some of the stems: (batch, channels, frames) in, and out
    (batch, sources, channels, frames). A stem that several give is at each frequency the mean of
    those that know it; where what they know of it doesn't add up to one, it is their sum.
    `withheld` are stems of members that the bag doesn't give.

    `config` is that of the member with the longest pooling grid, with the sources of all: what
    members must agree on, their sample rate and channels, can be read there. Raises CheckpointError
    where they disagree, or where a grid doesn't divide the longest.
    """

    def __init__(self, members: list[ResUNet], withheld: Iterable[str] = ()) -> None:
        super().__init__()
        self._withheld = frozenset(withheld)
        config = max((member.config for member in members), key=lambda c: c.grid_samples)
        for member in members:
            _check_alike(config, member.config)
        given = dict.fromkeys(source for member in members for source in member.sources)
        sources = tuple(source for source in given if source not in self._withheld)
        self.config: NetworkConfig = dataclasses.replace(config, sources=sources)
        self.members = nn.ModuleList(members)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of the output."""
        return self.config.sources

    def select(self, sources: set[str]) -> "Bag":
        """Return the bag of those members that have a part in any of `sources`.

        It gives those of their stems in which no other member has a part.
        """
        kept = [member for member in self._networks if sources & set(member.sources)]
        left_out = (member for member in self._networks if member not in kept)
        return Bag(kept, self._withheld.union(*(member.sources for member in left_out)))

    def forward(self, mix: Tensor) -> Tensor:
        stems: dict[str, Tensor] = {}
        for member in self._networks:
            found = member(mix, self._share(member, mix.device))
            for source, stem in zip(member.sources, found.unbind(1), strict=True):
                stems[source] = stems[source] + stem if source in stems else stem
        return torch.stack([stems[source] for source in self.sources], dim=1)

    @property
    def _networks(self) -> list[ResUNet]:
        return [cast(ResUNet, member) for member in self.members]

    def _share(self, member: ResUNet, device: torch.device) -> Tensor | None:
        """Return a member's part in each bin of its stems, (sources, planes, freq)."""
        givers = [
            [one for one in self._networks if source in one.sources] for source in member.sources
        ]
        if all(some == [member] for some in givers):
            return None
        hz = member.bin_frequencies_hz().to(device)
        own = known_share(member.config.above_hz, hz)
        known = [torch.stack([known_share(o.config.above_hz, hz) for o in some]) for some in givers]
        return torch.stack([own / all_known.sum(0).clamp(min=1) for all_known in known])


def load_network(name_or_path: str | Path) -> ResUNet | Bag:
    """Return the network of a model, or of a .safetensors file of stemkit's own, in eval mode.

    It maps (batch, channels, frames) at `config.sample_rate` to (batch, sources, channels,
    frames). A string is a model's name unless it has a '/' or ends as a weights file does.
    Raises UnknownModelError, ModelError where the model isn't installed, and CheckpointError
    where a file isn't what it says. Never downloads.
    """
    path = as_path(name_or_path)
    return load_card(read_card(str(name_or_path))) if path is None else load_file(path)


def load_card(card: ModelCard) -> ResUNet | Bag:
    """Return the network of a card, in eval mode; see `load_network`."""
    networks = [_load_part(part, card.name) for part in list_checkpoint_cards(card)]
    return Bag(networks).eval() if card.members else networks[0]


def verify_model(card: ModelCard) -> None:
    """Raise ModelError unless each file of a model is here, undamaged, and loads strictly."""
    for part in list_checkpoint_cards(card):
        require_file(part, card.name)
        check_bytes(part)
    load_card(card)


def load_file(path: Path) -> ResUNet:
    """Return the network of a .safetensors file of stemkit's own; see `load_network`."""
    if not path.is_file():
        raise ModelError(f"no weights file {path}; give a model's name or a file that exists")
    if not is_own_format(path):
        raise CheckpointError(
            f"{path} doesn't say what network it fills; run: "
            f"stemkit models add {path} --architecture A --sources S"
        )
    return load_checkpoint(path).eval()


def _load_part(card: ModelCard, asked: str) -> ResUNet:
    path = require_file(card, asked)
    own_format = is_own_format(path)
    network = load_checkpoint(
        path, None if own_format else card.architecture, None if own_format else card.sources
    )
    if network.config.sources != card.sources:
        raise CheckpointError(
            f"{path} gives {', '.join(network.config.sources)}, "
            f"but its card says {', '.join(card.sources)}"
        )
    return network.eval()


def _check_alike(first: NetworkConfig, other: NetworkConfig) -> None:
    for trait in ("sample_rate", "channels"):
        ours, theirs = getattr(first, trait), getattr(other, trait)
        if ours != theirs:
            raise CheckpointError(
                f"the networks of a bag must share their {trait}, not {ours} for "
                f"{', '.join(first.sources)} and {theirs} for {', '.join(other.sources)}"
            )
    longest, own = first.grid_samples, other.grid_samples
    if longest % own:
        raise CheckpointError(
            f"the pooling grids of a bag must divide the longest, {longest} samples for "
            f"{', '.join(first.sources)}; {own} for {', '.join(other.sources)} doesn't"
        )
