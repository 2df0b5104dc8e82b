"""Keep what big activations cost to a minimum."""

import ctypes
from functools import cache

# glibc, malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
INT_MAX = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Let malloc keep big freed blocks for the next layer, if this is glibc; return whether it is.

    By default each activation above 32 MB is mapped, zeroed page by page and unmapped again, which
    costs more than the arithmetic: a small network took 1.9 s for what then takes 0.16 s. Only the
    first arena can hold big blocks, so it serves all threads.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # macOS, Windows, musl
        return False
    settings = ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, INT_MAX))
    results = [mallopt(ctypes.c_int(name), ctypes.c_int(value)) for name, value in settings]
    return all(results)
