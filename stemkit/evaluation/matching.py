"""Which estimates are of which references, by the names of songs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stemkit.evaluation.songs import Key, Song


@dataclass(frozen=True)
class Matches:
    """Pairs of a reference and its estimate, and for each song without one the reason."""

    pairs: list[tuple[Song, Song]]
    unmatched: list[tuple[str, str]]


def match_songs(references: Sequence[Song], estimates: Sequence[Song]) -> Matches:
    """Pair songs whose names are alike, or else where one name is the end of the other.

    An estimate that has a record is found by what it was separated from, too. Two songs alone are
    a pair whatever their names. A song that could have several partners has none.
    """
    if len(references) == len(estimates) == 1:
        return Matches([(references[0], estimates[0])], [])
    by_name: dict[str, list[Song]] = defaultdict(list)
    for song in estimates:
        for name in {key[-1] for key in _list_keys(song)}:
            by_name[name].append(song)
    matches = Matches([], [])
    found = []
    for reference in references:
        near = by_name[reference.key[-1]] if reference.key else []
        found.append((reference, _find_nearest(reference, near)))
    rivals: dict[str, list[Song]] = defaultdict(list)
    for reference, nearest in found:
        for song in nearest:
            rivals[song.title].append(reference)
    used = set()
    for reference, nearest in found:
        used |= {song.title for song in nearest}
        why = _find_fault(reference, nearest, rivals)
        if why:
            matches.unmatched.append((reference.title, why))
        else:
            matches.pairs.append((reference, nearest[0]))
    for song in estimates:
        if song.title not in used:
            matches.unmatched.append((song.title, "no reference has its name; left out"))
    return matches


def are_alike(reference: Song, estimate: Song) -> bool:
    """Return whether the names of two songs are alike, or one is the end of the other."""
    return _rate(reference, estimate) > 0


def _find_fault(
    reference: Song, nearest: Sequence[Song], rivals: dict[str, list[Song]]
) -> str | None:
    if not nearest:
        return "no estimate has its name; left out"
    if len(nearest) > 1:
        return f"{_name(nearest)} could be its estimates; left out"
    others = [
        one for one in rivals[nearest[0].title]
        if one is not reference and _rate(one, nearest[0]) >= _rate(reference, nearest[0])
    ]  # fmt: skip
    if others:
        return f"its estimate could be that of {_name(others)}; left out"
    return None


def _find_nearest(reference: Song, estimates: Iterable[Song]) -> list[Song]:
    rated = [(_rate(reference, song), song) for song in estimates]
    best = max((rate for rate, _ in rated), default=0)
    return [song for rate, song in rated if rate == best > 0]


def _rate(reference: Song, estimate: Song) -> int:
    """Return 2 if the names are alike, 1 if one is the end of the other, else 0."""
    return max(
        2 if key == reference.key else int(_ends(key, reference.key) or _ends(reference.key, key))
        for key in _list_keys(estimate)
    )


def _list_keys(song: Song) -> list[Key]:
    return [key for key in (song.key, song.origin) if key]


def _ends(long: Key, short: Key) -> bool:
    return long[-len(short) :] == short


def _name(songs: Sequence[Song]) -> str:
    return ", ".join(repr(song.title) for song in songs)
