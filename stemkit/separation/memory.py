"""How much memory steps of a network take, and how to keep what that costs to a minimum."""

import ctypes
import os
from functools import cache

STEP_BYTES = 3 * 2**30
"""What a step of the largest network takes at most, with all that is around it."""

# glibc, malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
INT_MAX = 2**31 - 1


@cache
def keep_freed_memory() -> None:
    """Let malloc keep big freed blocks for the next layer, if this is glibc.

    By default each activation above 32 MB is mapped, zeroed page by page and unmapped again, which
    costs more than the arithmetic: a small network took 1.9 s for what then takes 0.16 s. Only the
    first arena can hold big blocks, so it serves all threads.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # macOS, Windows, musl
        return
    for name, value in ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, INT_MAX)):
        mallopt(ctypes.c_int(name), ctypes.c_int(value))


def count_fitting_steps() -> int:
    """Return how many steps this machine's memory has room for at once, at least one."""
    return count_fitting(STEP_BYTES)


def count_fitting(each_bytes: int) -> int:
    """Return how many of a size this machine's memory has room for, at least one."""
    try:
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows doesn't say
        return INT_MAX
    return max(1, memory_bytes // each_bytes)
