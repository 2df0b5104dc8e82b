"""What a preset may call things, and the nearest right name for a wrong one."""

import difflib
import unicodedata
from collections.abc import Collection, Iterable

_RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in "0123456789¹²³"
}
_LONGEST_NAME = 80
_LONGEST_SUMMARY = 200


def check_file_name(name: str) -> str:
    """Return `name`; raises ValueError unless it can name a file on any system."""
    if name.split(".")[0].strip().casefold() in _RESERVED:
        raise ValueError(f"{name!r} can't name a file on Windows; choose another name")
    fits = 0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()
    if not fits or name[0] == "." or name[-1] == "." or set(name) & set('<>:"/\\|?*'):
        raise ValueError(
            f"{shorten(name)} can't name a file; use letters, digits, spaces, '_' and '-', "
            f"at most {_LONGEST_NAME}"
        )
    if unicodedata.normalize("NFC", name) != name:
        raise ValueError(f"{name!r} must be in Unicode's normal form C, as typed on a keyboard")
    return name


def check_version(version: object) -> object:
    """Return `version`; raises ValueError unless it is 1, which `true` and 1.0 equal."""
    if type(version) is not int or version != 1:
        raise ValueError(f"must be 1, not {shorten(version)}; this stemkit knows no other")
    return version


def check_summary(text: str) -> str:
    """Return `text`; raises ValueError unless it is one line that says something."""
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST_SUMMARY:
        raise ValueError(f"must be one line of 1 to {_LONGEST_SUMMARY} characters")
    return text


def find_nearest(wrong: str, right: Iterable[str]) -> str | None:
    """Return the nearest right name, whatever its case, or None where none is near."""
    by_key = {name.casefold(): name for name in right}
    key = wrong.casefold()
    near = difflib.get_close_matches(key, by_key, n=1, cutoff=0.6)
    near = near or [name for name in by_key if len(key) > 2 and name.startswith(key)]
    return by_key[near[0]] if near else None


def suggest(wrong: str, right: Collection[str]) -> str:
    """Return "; did you mean X?" for the nearest name, else "; choose one of: ..." for all.

    Empty where there are no names.
    """
    if near := find_nearest(wrong, right):
        return f"; did you mean {near}?"
    return f"; choose one of: {', '.join(right)}" if right else ""


def shorten(value: object) -> str:
    """Return the `repr` of any value of a file, short enough for one line."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}..."
