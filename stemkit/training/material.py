"""All that examples are made of: for each part of a mix, what it is drawn from."""

from dataclasses import dataclass

from stemkit.errors import TrainingError
from stemkit.training.clips import ClipCache
from stemkit.training.config import TrainingConfig
from stemkit.training.pools import SongPool, TakePool, choose_parts, open_pool, open_songs


@dataclass(frozen=True)
class Material:
    """The parts of a mix in order, the sources of the network first, and what each is drawn from.

    `left_out` has a line for each file that couldn't be used.
    """

    parts: dict[str, tuple[TakePool, ...]]
    songs: tuple[SongPool, ...]
    left_out: tuple[str, ...]


def open_material(config: TrainingConfig, cache: ClipCache) -> Material:
    """Decode what isn't in the cache yet; raises TrainingError where a source has nothing."""
    wanted = (*config.sources, *(pool.source for pool in config.pool))
    parts = choose_parts(wanted, with_songs=bool(config.songs))
    pools = [(table, open_pool(table, cache)) for table in config.pool]
    known = config.sources[:1] if config.mixing.unsplit else config.sources
    shelves = [(table, open_songs(table, parts, known, cache)) for table in config.songs]
    songs = tuple(SongPool(opened.songs, table.weight) for table, opened in shelves)
    own = [(table.source, TakePool(opened.takes, table.weight)) for table, opened in pools]
    drawn = {part: _choose_pools(part, own, songs) for part in parts}
    for source in config.sources:
        if not drawn[source]:
            raise TrainingError(
                f"nothing holds the source {source!r}; add a [[pool]] of it, or [[songs]] with it"
            )
    left_out = [line for _, opened in (*pools, *shelves) for line in opened.left_out]
    return Material({part: held for part, held in drawn.items() if held}, songs, tuple(left_out))


def _choose_pools(
    part: str, own: list[tuple[str, TakePool]], songs: tuple[SongPool, ...]
) -> tuple[TakePool, ...]:
    pools = [pool for source, pool in own if source == part]
    return tuple(pool for pool in (*pools, *(s.takes_of(part) for s in songs)) if pool.takes)
