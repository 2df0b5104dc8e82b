"""Gather the training audio of the small model, and make what can't be gathered.

    python gather_audio.py OUTPUT_FOLDER

Downloads each Debian package of `packages` with apt and each repository with git, copies
its music, speech or singing unchanged into `accompaniment/<name>` or `voice/<name>`; then
makes noise, singers of the speakers, high voices of low ones, leads, bands and stems. What is
already there is skipped, so a stopped run continues where it was. Needs Debian with apt-get,
dpkg, git, mma and fluidsynth, and PyPI's mido and pyworld with setuptools below 81;
`SOURCES.md` lists the licences and credits.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

from packages import PACKAGES, REPOSITORIES, Package, Repository

from stemkit.audio.decode import AudioReader
from stemkit.errors import AudioError

PROGRAMS = ("apt-get", "dpkg-deb", "git", "mma", "fluidsynth")


def main() -> None:
    """Gather and make everything; print one line a folder that is gathered."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    parser.add_argument(
        "--packages-only", action="store_true", help="no repositories, nothing made"
    )
    arguments = parser.parse_args()
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; needs Debian's apt, mma, fluidsynth")
    try:
        gather_all(arguments.output_folder, packages_only=arguments.packages_only)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        sys.exit(f"this failed: {' '.join(map(str, error.cmd))}; {''.join(reason) or 'see above'}")


def gather_all(output_folder: Path, *, packages_only: bool) -> None:
    """Gather every package; then, unless told not to, every repository, and make the rest."""
    for package in PACKAGES:
        gather_package(package, output_folder)
    if packages_only:
        return
    from make_noise import make_noise  # here, since they need more than packages do
    from mix_album import mix_album
    from play_saxophone import play_saxophone
    from raise_singers import raise_singers
    from render_bands import render_bands
    from render_leads import render_leads
    from render_stems import render_stems
    from sing_speech import sing_speech
    from string_words import string_words

    for repository in REPOSITORIES:
        gather_repository(repository, output_folder)
    for make in (
        make_noise,
        play_saxophone,
        render_leads,
        string_words,
        mix_album,
        sing_speech,
        raise_singers,
        render_bands,
        render_stems,
    ):
        make(output_folder)


def gather_package(package: Package, output_folder: Path) -> None:
    """Download, unpack and copy one package, unless its folder is already there."""
    target = output_folder / package.kind / package.folder
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output_folder, prefix=".") as name:
        unpacked, copied = Path(name, "unpacked"), Path(name, "copied")
        version = unpack_package(package.name, unpacked)
        kept = dict(find_kept(package, unpacked))
        copy_files(kept, copied)
        seconds = sum(kept.values())
        copied.replace(target)
    print(f"{target} {package.name} {version}: {seconds / 3600:.2f} h", flush=True)


def gather_repository(repository: Repository, output_folder: Path) -> None:
    """Clone one repository at its commit and copy what to keep, unless that is there."""
    target = output_folder / repository.folder
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output_folder, prefix=".") as name:
        clone, copied = Path(name, "clone"), Path(name, "copied")
        wanted = [path for path in (*repository.keep, repository.licences) if path]
        options = ["--quiet", "--no-checkout", "--filter=blob:none"]
        subprocess.run(["git", "clone", *options, repository.address, clone], check=True)
        for command in (
            ["sparse-checkout", "set", "--no-cone", *(f"/{path}" for path in wanted)],
            ["checkout", "--quiet", repository.commit],
        ):
            subprocess.run(["git", "-C", clone, *command], check=True)
        kept = list(find_free(repository, clone))
        copy_files(kept, copied)
        seconds = sum(measure_seconds(path) for path in kept)
        copied.replace(target)
    print(f"{target} {repository.address}: {seconds / 3600:.2f} h", flush=True)


def find_free(repository: Repository, clone: Path) -> Iterator[Path]:
    """Yield each file to keep, if a licence is known for it."""
    named = read_licences(clone / repository.licences) if repository.licences else None
    for path in find_wanted(repository, clone):
        if named is None or "FDL" not in named.get(path.relative_to(clone), "FDL"):
            yield path


def read_licences(path: Path) -> dict[Path, str]:
    """Return what a file of headers ("./folder:") and lines ("name  licence") says of each file."""
    licences, folder = {}, Path()
    for line in path.read_text("utf-8", "replace").splitlines():
        if line.startswith("./") and line.endswith(":"):
            folder = Path(line[2:-1])
        elif "  " in line:
            name, text = line.split("  ", 1)
            licences[folder / name] = text.strip()
    return licences


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


def copy_files(paths: Collection[Path], target: Path) -> None:
    """Copy files into a folder, by their path below the folder common to all."""
    common = Path(os.path.commonpath([path.parent for path in paths]))
    for path in paths:
        copy = target / path.relative_to(common)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def find_kept(package: Package, folder: Path) -> Iterator[tuple[Path, float]]:
    """Yield the path and the seconds of each file to keep."""
    for path in find_wanted(package, folder):
        if path.is_symlink() or not path.is_file():
            continue
        seconds = measure_seconds(path)
        if seconds > 0 and seconds >= package.minimum_seconds:
            yield path, seconds


def find_wanted(source: Package | Repository, folder: Path) -> Iterator[Path]:
    """Yield, in order, what a source's patterns keep and don't drop."""
    found = {path for pattern in source.keep for path in folder.glob(pattern)}
    for path in sorted(found):
        if not any(path.match(pattern) for pattern in source.drop):
            yield path


def measure_seconds(path: Path) -> float:
    """Return the length of an audio file, 0.0 where stemkit can't read it."""
    try:
        with AudioReader(path) as reader:
            frames = reader.info.frames or sum(block.shape[1] for block in reader.blocks())
            return frames / reader.info.sample_rate
    except AudioError:
        return 0.0


if __name__ == "__main__":
    main()
