"""One colour for each stem, the same in every program that stems are handed to."""

import zlib
from dataclasses import dataclass

from stemkit.tracks.names import ORIGINAL


@dataclass(frozen=True)
class Colour:
    """A colour as red, green and blue, 0 to 255 each."""

    red: int
    green: int
    blue: int

    @property
    def hex(self) -> str:
        """Such as #d1495b."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


_STEMS = {
    "vocals": Colour(0xD1, 0x49, 0x5B),
    "accompaniment": Colour(0x2E, 0x86, 0xAB),
    "drums": Colour(0xED, 0xAE, 0x49),
    "bass": Colour(0x3C, 0x91, 0x6B),
    "other": Colour(0x8E, 0x6C, 0x8A),
    "residual": Colour(0x7A, 0x8B, 0x99),
    ORIGINAL: Colour(0x8C, 0x8C, 0x8C),
}
_OTHERS = (
    Colour(0x8E, 0x6C, 0x8A),
    Colour(0x66, 0x8F, 0x80),
    Colour(0xB0, 0x6B, 0x4F),
    Colour(0x52, 0x79, 0xA6),
)


def colour_of(stem: str) -> Colour:
    """Return a stem's colour; the same name always has the same one."""
    number = zlib.crc32(stem.encode(errors="surrogatepass"))
    return _STEMS.get(stem) or _OTHERS[number % len(_OTHERS)]
