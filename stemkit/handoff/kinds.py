"""Which programs stems can be handed to."""

from collections.abc import Iterable
from typing import Literal, get_args

from stemkit.errors import OptionError

Handoff = Literal["reaper", "ardour", "dawproject", "audacity", "bwf", "ni-stems"]
HANDOFFS: tuple[Handoff, ...] = get_args(Handoff)


def read_handoffs(text: str) -> tuple[Handoff, ...]:
    """Return the hand-offs that a list with commas names, each once, in the order of `HANDOFFS`.

    Raises OptionError for a name that is none.
    """
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    require_handoffs(wanted)
    return tuple(name for name in HANDOFFS if name in wanted)


def require_handoffs(names: Iterable[str]) -> None:
    """Raise OptionError for a name that is no hand-off."""
    if unknown := sorted(set(names) - set(HANDOFFS)):
        choices = ", ".join(HANDOFFS)
        raise OptionError(f"no hand-off {unknown[0]!r}; choose from: {choices}")
