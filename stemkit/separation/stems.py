"""Which stems a model can give, and which of its sources each one needs."""

from dataclasses import dataclass

import numpy as np

from stemkit.errors import OptionError
from stemkit.samples import Samples

Stems = dict[str, Samples]
"""Samples of each stem, all of one shape (channels, frames)."""

COMPLEMENTS = {"accompaniment": "vocals", "vocals": "accompaniment"}
RESIDUAL = "residual"

SONG = ""
"""The one stem of a song that isn't separated: no output can have that name."""


@dataclass(frozen=True)
class StemRecipe:
    """A stem: one of the model's sources, `of`, or else the mix, minus some of them."""

    name: str
    of: str | None = None
    subtracted: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """The sources that it is made of."""
        return (*([] if self.of is None else [self.of]), *self.subtracted)

    def make(self, mix: Samples, sources: Stems) -> Samples:
        """Return the stem; `mix` and each of `sources` have its shape."""
        whole = mix if self.of is None else sources[self.of]
        if not self.subtracted:
            return whole
        rest = whole.astype(np.float64)
        for source in self.subtracted:
            rest -= sources[source]
        return rest.astype(np.float32)


def choose_recipes(
    sources: tuple[str, ...], wanted: tuple[str, ...] | None
) -> tuple[StemRecipe, ...]:
    """Return how to make each wanted stem from a model's sources.

    A stem that the model doesn't give is the mix minus the rest: "accompaniment" without the
    vocals, "vocals" without the accompaniment, and "residual" without every other stem that is
    wanted (alone: without every source), so that they sum to the mix. By default a model's own
    stems are wanted, and the complement of a model that gives only vocals or only accompaniment.
    Raises OptionError for any other name and for one that is given twice.
    """
    if wanted is None:
        alone = COMPLEMENTS.get(sources[0]) if len(sources) == 1 else None
        wanted = (*sources, alone) if alone else sources
    if not wanted or len(set(wanted)) != len(wanted):
        raise OptionError(f"name each stem once, not {', '.join(wanted) or 'nothing'}")
    return tuple(_choose_recipe(stem, sources, wanted) for stem in wanted)


def _choose_recipe(stem: str, sources: tuple[str, ...], wanted: tuple[str, ...]) -> StemRecipe:
    if stem in sources:
        return StemRecipe(stem, of=stem)
    if COMPLEMENTS.get(stem) in sources:
        return StemRecipe(stem, subtracted=(COMPLEMENTS[stem],))
    if stem == RESIDUAL:
        given = tuple(source for source in sources if source in wanted)
        of = None  # what is left of the mix without the accompaniment are the vocals
        for one in wanted:
            if one not in sources and COMPLEMENTS.get(one) not in (None, *given):
                of = COMPLEMENTS[one]
        return StemRecipe(stem, of, given or (() if of else sources))
    possible = [*sources, *(s for s, other in COMPLEMENTS.items() if other in sources), RESIDUAL]
    raise OptionError(
        f"this model has no stem {stem!r}; choose from: {', '.join(dict.fromkeys(possible))}"
    )
