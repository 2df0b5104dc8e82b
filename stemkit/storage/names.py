"""What places are called, and where on this machine the ledger of each is."""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.weights.folders import stemkit_home

if TYPE_CHECKING:
    from stemkit.storage.places import Place


def name_place(place: "Place") -> str:
    """Return a place as text that names it from anywhere: an absolute path, or a URL."""
    return str(place.absolute()) if isinstance(place, Path) else str(place)


def ledger_folder(output: "Place") -> Path:
    """Return the folder of an output folder's ledger: inside it, or in STEMKIT_HOME for a store."""
    if isinstance(output, Path):
        return output / ".stemkit"
    url = str(output).rstrip("/")
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", url)[:80]
    return stemkit_home() / "ledgers" / f"{plain}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
