"""Names of files and folders as text that tables, pictures and files of UTF-8 can hold."""

from stemkit.files import escape_unprintable


def escape_name(name: object) -> str:
    """Return a name as one printable line, with escapes for bytes that aren't UTF-8 and the like.

    So names that differ stay different, which they wouldn't with one letter for all of those.
    """
    text = str(name).encode(errors="surrogateescape").decode(errors="backslashreplace")
    return escape_unprintable(text)
