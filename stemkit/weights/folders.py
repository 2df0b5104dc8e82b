"""Where models and their cards are on this machine."""

import os
from pathlib import Path

from platformdirs import user_cache_dir

SHIPPED_CARDS = Path(__file__).parent / "cards"
BUNDLED_WEIGHTS = Path(__file__).parent / "bundled"


def stemkit_home() -> Path:
    """Return the folder that STEMKIT_HOME names, or else the platform's cache folder."""
    home = os.environ.get("STEMKIT_HOME")
    return Path(home).expanduser() if home else Path(user_cache_dir("stemkit"))


def models_folder() -> Path:
    """Return the folder of pulled and added models; it need not exist."""
    return stemkit_home() / "models"
