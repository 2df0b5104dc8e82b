"""Gather the training audio of the small model from Debian packages.

    python gather_audio.py OUTPUT_FOLDER

Downloads each package of `PACKAGES` with apt, copies its music (or speech) unchanged
into `accompaniment/<name>` or `voice/<name>`, then renders band music with
`render_bands`. A folder that is already there is skipped, so a stopped run continues
where it was. Needs Debian with apt-get, dpkg, ffprobe, mma and fluidsynth;
`SOURCES.md` lists the licences and credits.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from render_bands import render_bands

PROGRAMS = ("apt-get", "dpkg-deb", "ffprobe", "mma", "fluidsynth")


@dataclass(frozen=True)
class Package:
    """One Debian package and which of its files to keep."""

    name: str
    folder: str
    keep: tuple[str, ...]  # glob patterns below the root of the unpacked package
    kind: Literal["accompaniment", "voice"] = "accompaniment"
    minimum_seconds: float = 5.0
    drop: dict[str, str] = field(default_factory=dict)  # pattern of file names: why


TRACKBALLS_BY_LEACH = ("c64revival", "crazy", "eurovision")  # Ethymonics Free Music License

PACKAGES = (
    Package(
        "wesnoth-1.16-music",
        "wesnoth",
        ("**/music/*.ogg",),
        drop={"nunc_dimittis.ogg": "a canticle by name"},
    ),
    Package("warzone2100-music", "warzone2100", ("**/*.opus",)),
    Package(
        "nexuiz-music",
        "nexuiz",
        ("**/cdtracks/*.ogg",),
        drop={"digital-pursuit.ogg": "has a voice"},
    ),
    Package(
        "supertuxkart-data",
        "supertuxkart",
        (
            "**/data/music/*.ogg",
            "**/battleisland/Gran_Paradiso*.ogg",
            "**/ancient_colosseum_labyrinth/Battle_Theme_1.ogg",
            "**/cave/beneath_the_rabbit_hole.ogg",
        ),
    ),
    Package("singularity-music", "singularity", ("**/music/**/*.ogg",)),
    Package("hyperrogue-music", "hyperrogue", ("**/music/*.ogg",)),
    Package(
        "flare-game",
        "flare",
        ("**/music/*.ogg",),
        drop={"wind_ambient.ogg": "wind, no music"},
    ),
    Package(
        "sonic-pi-samples",
        "sonic-pi",
        tuple(f"**/samples/{name}_*.flac" for name in ("ambi", "bass", "drum", "guit", "loop")),
        minimum_seconds=1.5,
        drop={"ambi_choir.flac": "has a voice", "bass_voxy*.flac": "sounds like a voice"},
    ),
    Package(
        "fillets-ng-data-cs", "fillets-cs", ("**/sound/**/cs/*.ogg",), "voice", minimum_seconds=0.0
    ),
    Package(
        "fillets-ng-data-nl", "fillets-nl", ("**/sound/**/nl/*.ogg",), "voice", minimum_seconds=0.0
    ),
    Package("marsshooter-data", "marsshooter", ("**/music/*.ogg",)),
    Package(
        "wordwarvi-sound",
        "wordwarvi",
        tuple(f"**/sounds/{name}*.ogg" for name in ("dtox3", "highscoremusic", "lucky")),
        drop={"destiny_facedown.ogg": "a voice over music"},
    ),
    Package("0ad-data", "0ad", ("**/audio/music/*.ogg",)),
    Package(
        "supertux-data",
        "supertux",
        ("**/music/**/*.ogg",),
        drop={"fortress_old.ogg": "a choir, says its tag"},
    ),
    Package(
        "widelands-data",
        "widelands",
        ("**/music/*.ogg",),
        drop={"ingame_28.ogg": "a speech detector found a voice"},
    ),
    Package("hedgewars-data", "hedgewars", ("**/Data/Music/*.ogg",)),
    Package(
        "naev-data",
        "naev",
        ("**/snd/music/*.ogg",),
        drop={
            "cosmostation.ogg": "a speech detector found a voice",
            "collective1.ogg": "a speech detector found a voice",
        },
    ),
    Package("colobot-common-sounds", "colobot", ("**/music/*.ogg",)),
    Package("freedroidrpg-data", "freedroidrpg", ("**/sound/music/*.ogg",)),
    Package("unknown-horizons", "unknown-horizons", ("**/audio/music/**/*.ogg",)),
    Package(
        "trackballs-data",
        "trackballs",
        ("**/music/*.ogg",),
        drop={f"{name}.ogg": "its licence isn't free" for name in TRACKBALLS_BY_LEACH},
    ),
    Package("openclonk-data", "openclonk", ("**/Music.ocg/*.ogg",)),
    Package("redeclipse-data", "redeclipse", ("**/sounds/music/*.ogg",)),
    Package("xmoto-data", "xmoto", ("**/Musics/*.ogg",)),
    Package("lincity-ng-data", "lincity-ng", ("**/music/**/*.ogg",)),
    Package("extremetuxracer-data", "extremetuxracer", ("**/music/*.ogg",)),
    Package(
        "ufoai-music",
        "ufoai",
        ("**/music/*.ogg",),
        drop={"van_geoscape.ogg": "a speech detector found a voice"},
    ),
)


def main() -> None:
    """Gather every package, then render the bands; print one line a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    parser.add_argument("--packages-only", action="store_true", help="don't render bands")
    arguments = parser.parse_args()
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        sys.exit(
            f"not installed: {', '.join(missing)}; needs Debian's apt, ffmpeg, mma, fluidsynth"
        )
    for package in PACKAGES:
        gather_package(package, arguments.output_folder)
    if not arguments.packages_only:
        render_bands(arguments.output_folder)


def gather_package(package: Package, output_folder: Path) -> None:
    """Download, unpack and copy one package, unless its folder is already there."""
    target = output_folder / package.kind / package.folder
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output_folder, prefix=".") as name:
        unpacked, copied = Path(name, "unpacked"), Path(name, "copied")
        version = unpack_package(package.name, unpacked)
        seconds = copy_kept(package, unpacked, copied)
        copied.replace(target)
    print(f"{target} {package.name} {version}: {seconds / 3600:.2f} h", flush=True)


def unpack_package(name: str, folder: Path) -> str:
    """Unpack a Debian package, and the music in archives in it; return its version."""
    folder.mkdir()
    subprocess.run(["apt-get", "download", "-q", name], cwd=folder, check=True, capture_output=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    version = subprocess.check_output(["dpkg-deb", "-f", archive, "Version"], text=True).strip()
    archive.unlink()
    for path in sorted([*folder.rglob("*.pk3"), *folder.rglob("*.zip")]):
        with zipfile.ZipFile(path) as inner:
            music = [name for name in inner.namelist() if name.endswith(".ogg")]
            inner.extractall(path.parent, music)
    return version


def copy_kept(package: Package, source: Path, target: Path) -> float:
    """Copy the files to keep, by their path below the folder common to all.

    Returns their seconds.
    """
    kept = list(find_kept(package, source))
    common = Path(os.path.commonpath([path.parent for path, _ in kept]))
    for path, _ in kept:
        copy = target / path.relative_to(common)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return sum(seconds for _, seconds in kept)


def find_kept(package: Package, folder: Path) -> Iterator[tuple[Path, float]]:
    """Yield the path and the seconds of each file to keep."""
    found = {path for pattern in package.keep for path in folder.glob(pattern)}
    for path in sorted(found):
        if path.is_symlink() or not path.is_file():
            continue
        if any(path.match(pattern) for pattern in package.drop):
            continue
        seconds = measure_seconds(path)
        if seconds > 0 and seconds >= package.minimum_seconds:
            yield path, seconds


def measure_seconds(path: Path) -> float:
    """Return the length of an audio file, 0.0 where ffprobe can't read it."""
    entry = ["-show_entries", "format=duration", "-of", "csv=p=0"]
    probe = subprocess.run(
        ["ffprobe", "-v", "error", *entry, path], check=False, capture_output=True, text=True
    )
    return float(probe.stdout) if probe.returncode == 0 else 0.0


if __name__ == "__main__":
    main()
