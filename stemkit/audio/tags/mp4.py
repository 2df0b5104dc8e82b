"""The tags of MP4 files, as iTunes writes them."""

from mutagen.mp4 import MP4Cover, MP4FreeForm, MP4Tags

from stemkit.audio.tags.metadata import Metadata, Picture, Tags, Values, clean, split_number

_TEXTS = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "album_artist": "aART",
    "composer": "\xa9wrt",
    "date": "\xa9day",
    "genre": "\xa9gen",
    "comment": "\xa9cmt",
    "copyright": "cprt",
}
_FREE = "----:com.apple.iTunes:"
_FREE_TEXTS = {"key": "initialkey", "isrc": "ISRC", "bpm": "BPM"}
_NUMBERS = {"track": "trkn", "disc": "disk"}
_TEMPO, _TOOL, _COVER = "tmpo", "\xa9too", "covr"
_FORMATS = {MP4Cover.FORMAT_JPEG: "image/jpeg", MP4Cover.FORMAT_PNG: "image/png"}
_LARGEST = 2**15 - 1  # of a number


def read_atoms(atoms: MP4Tags) -> Tags:
    """Return what an MP4's tags say, pictures among it."""
    texts = {name: clean(atoms.get(atom)) for name, atom in _TEXTS.items()}
    texts |= {name: _read_free(atoms, free) for name, free in _FREE_TEXTS.items()}
    texts |= {name: _read_numbers(atoms.get(atom)) for name, atom in _NUMBERS.items()}
    texts["bpm"] = texts["bpm"] or clean([n for n in atoms.get(_TEMPO, ()) if n])
    pictures = tuple(
        Picture(bytes(cover), _FORMATS.get(cover.imageformat, "image/jpeg"))
        for cover in atoms.get(_COVER, ())
    )
    return Tags(**texts, pictures=pictures)


def fill_atoms(atoms: MP4Tags, metadata: Metadata) -> None:
    """Make `atoms` say what `metadata` does, but for markers.

    Pictures that are neither JPEG nor PNG, and track numbers that aren't numbers, have no place.
    """
    tags = metadata.tags
    for name, atom in _TEXTS.items():
        if values := getattr(tags, name):
            atoms[atom] = list(values)
    for name, free in _FREE_TEXTS.items():
        if values := getattr(tags, name):
            atoms[_FREE + free] = [MP4FreeForm(value.encode()) for value in values]
    for name, atom in _NUMBERS.items():
        pairs = [_to_pair(value) for value in getattr(tags, name)]
        if known := [pair for pair in pairs if pair]:
            atoms[atom] = known
    if tempo := _to_tempo(tags.bpm):
        atoms[_TEMPO] = [tempo]
    formats = {mime: number for number, mime in _FORMATS.items()}
    covers = [p for p in tags.pictures if p.mime.lower().replace("/jpg", "/jpeg") in formats]
    if covers:
        atoms[_COVER] = [
            MP4Cover(p.data, formats[p.mime.lower().replace("/jpg", "/jpeg")]) for p in covers
        ]
    if metadata.encoded_by:
        atoms[_TOOL] = [metadata.encoded_by]


def _read_free(atoms: MP4Tags, free: str) -> Values:
    wanted = (_FREE + free).lower()
    found = [value for name, values in atoms.items() if name.lower() == wanted for value in values]
    return clean([bytes(value).decode("utf-8", "replace") for value in found])


def _read_numbers(pairs: list[tuple[int, int]] | None) -> Values:
    known = [pair for pair in pairs or () if pair[0]]
    return tuple(f"{number}/{total}" if total else f"{number}" for number, total in known)


def _to_pair(value: str) -> tuple[int, int] | None:
    number, total = (int(text) if text.isdecimal() else 0 for text in split_number(value))
    return (number, total) if 0 < number <= _LARGEST and total <= _LARGEST else None


def _to_tempo(bpm: Values) -> int | None:
    try:
        tempo = round(float(bpm[0]))
    except (IndexError, ValueError, OverflowError):
        return None
    return tempo if 0 < tempo <= _LARGEST else None
