"""Gather the material of `stemkit study` from Debian packages and PocketTorah.

    python gather_material.py MATERIAL --pockettorah CHECKOUT

Fills MATERIAL with a folder for each kind of sound. The bands, guitars, crowds and words are
recordings; `render_instruments` plays horns, drums and the rest from samples, and
`layer_sounds` makes choirs, crowds and noise. Nothing of it was heard by `stemkit-small` in
training. A kind that is already there is left alone, so a stopped run goes on where it was.
Needs Debian with apt-get, dpkg, mma and fluidsynth, and PocketTorah's checkout (its
`data/audio` with the readings); `SOURCES.md` lists the licences and credits.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from layer_sounds import (
    SAMPLE_RATE,
    layer_choir,
    layer_crowd,
    make_fricatives,
    make_noise,
    read_stereo,
    string_clips,
    write_sound,
)
from render_instruments import INSTRUMENTS, SAMPLES, render_band, render_choir, render_solo

sys.path.append(str(Path(__file__).parents[1] / "train_small"))
from gather_audio import PROGRAMS, unpack_package

PACKAGES = (
    "fretsonfire-songs-muldjord",
    "fretsonfire-songs-sectoid",
    "ktuberling-data",
    "tuxpaint-stamps-default",
    "tuxfootball",
    "foobillardplus-data",
    *SAMPLES,
)
READINGS = ("Bereshit-*.mp3", "Kedoshim-*.mp3")
SPEAKERS = {  # by package, the pattern of its words in one language
    "tuxpaint-stamps-default": [
        f"**/*_desc_{language}.ogg" for language in ("be", "bg", "da", "es", "fr", "ro", "ru")
    ],
    "ktuberling-data": [
        f"**/sounds/{language}/*.[ow][ga][gv]" for language in ("de", "el", "lt", "sl", "wa")
    ],
}
CHEERS = ("**/crowdboo.wav", "**/crowdcheer.wav", "**/applause.wav")


def main() -> None:
    """Gather every kind; print one line a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("material", type=Path)
    parser.add_argument("--pockettorah", type=Path, required=True, metavar="CHECKOUT")
    arguments = parser.parse_args()
    readings = sorted(
        path
        for pattern in READINGS
        for path in arguments.pockettorah.rglob(f"data/audio/{pattern}")
    )
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        sys.exit(f"not installed: {', '.join(missing)}; needs Debian's apt, mma, fluidsynth")
    if not readings:
        sys.exit(f"no data/audio/{READINGS[0]} in {arguments.pockettorah}; give a whole checkout")
    try:
        gather_material(arguments.material, readings)
    except (OSError, soundfile.SoundFileError) as error:
        sys.exit(f"error: {error}")


def gather_material(material: Path, readings: list[Path]) -> None:
    """Make the kinds that aren't there yet."""
    material.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=material, prefix=".") as name:
        packages = {package: Path(name, package) for package in PACKAGES}
        kinds = list_kinds(packages, readings)
        missing = [kind for kind in kinds if not (material / kind).exists()]
        for package, folder in packages.items() if missing else ():
            print(f"{package} {unpack_package(package, folder)}", flush=True)
        for kind in missing:
            fill_kind(material / kind, kinds[kind], Path(name, f"{kind}-new"))


def fill_kind(target: Path, fill: Callable[[Path], None], temporary: Path) -> None:
    """Let `fill` make the sounds of one kind, in a folder that appears when it's whole."""
    temporary.mkdir()
    fill(temporary)
    temporary.replace(target)
    files = sorted(target.iterdir())
    seconds = sum(soundfile.info(path).duration for path in files)
    print(f"{target}: {len(files)} files, {seconds:.0f} s", flush=True)


def list_kinds(
    packages: dict[str, Path], readings: list[Path]
) -> dict[str, Callable[[Path], None]]:
    """Return for each kind what fills its folder."""
    samples = {name: packages[name] / path for name, path in SAMPLES.items()}
    kinds: dict[str, Callable[[Path], None]] = {
        "singing": partial(copy_files, readings),
        "band": partial(fill_bands, packages, samples),
        "guitar": partial(copy_songs, packages, ("guitar.ogg",)),
        "speech": partial(fill_speech, packages),
        "choir": partial(fill_choirs, readings, samples),
        "crowd": partial(fill_crowds, packages),
        "noise": fill_noise,
        "fricatives": fill_fricatives,
    }
    for instrument in INSTRUMENTS:
        kinds[instrument] = partial(fill_solos, instrument, samples)
    return kinds


def copy_files(paths: list[Path], folder: Path) -> None:
    """Copy files unchanged."""
    for path in paths:
        shutil.copyfile(path, folder / path.name)


def copy_songs(packages: dict[str, Path], tracks: tuple[str, ...], folder: Path) -> None:
    """Write the sum of these tracks of each Frets on Fire song."""
    for package, root in packages.items():
        if package.startswith("fretsonfire"):
            for song in sorted(path.parent for path in root.rglob("guitar.ogg")):
                parts = [read_stereo(song / track) for track in tracks]
                name = song.name.replace(" ", "-").lower()
                write_sound(folder / f"{name}.flac", np.sum(parts, axis=0))


def fill_bands(packages: dict[str, Path], samples: dict[str, Path], folder: Path) -> None:
    """Write the metal bands of Frets on Fire, and rendered ones of other styles."""
    copy_songs(packages, ("song.ogg", "guitar.ogg"), folder)
    for number in range(8):
        render_band(Random(f"study-band-{number}"), samples, folder / f"band-{number}.flac")


def fill_solos(instrument: str, samples: dict[str, Path], folder: Path) -> None:
    """Render the lines of one instrument."""
    for number in range(8):
        random = Random(f"study-{instrument}-{number}")
        render_solo(instrument, random, samples, folder / f"{instrument}-{number}.flac")


def fill_speech(packages: dict[str, Path], folder: Path) -> None:
    """Write a minute of words of each speaker."""
    for name, words in find_speakers(packages).items():
        random = np.random.default_rng(len(words))
        write_sound(folder / f"{name}.flac", string_clips(words, 60, random))


def fill_choirs(readings: list[Path], samples: dict[str, Path], folder: Path) -> None:
    """Write choirs of one reader's voice in parallel parts, and two of a soundfont's."""
    for number, reading in enumerate(readings[::2]):
        random = np.random.default_rng(number)
        start = int(random.integers(0, 20))
        voice = read_stereo(reading)[:, start * SAMPLE_RATE : (start + 30) * SAMPLE_RATE]
        write_sound(folder / f"layers-{reading.stem}.flac", layer_choir(voice, random))
    for number in range(2):
        random_choir = Random(f"study-choir-{number}")
        render_choir(random_choir, samples, folder / f"soundfont-{number}.flac")


def fill_crowds(packages: dict[str, Path], folder: Path) -> None:
    """Write crowds: 12 speakers twice over, and over them cheers, boos and applause."""
    speakers = find_speakers(packages)
    cheers = [
        read_stereo(path)
        for package in ("tuxfootball", "foobillardplus-data")
        for pattern in CHEERS
        for path in packages[package].glob(pattern)
    ]
    for number in range(6):
        random = np.random.default_rng(number)
        people = [string_clips(words, 30, random) for words in speakers.values() for _ in range(2)]
        write_sound(folder / f"crowd-{number}.flac", layer_crowd(people, cheers, random))


def fill_noise(folder: Path) -> None:
    """Write white, pink and brown noise."""
    for number, (name, slope) in enumerate((("white", 0.0), ("pink", 0.5), ("brown", 1.0)) * 2):
        random = np.random.default_rng(number)
        write_sound(folder / f"{name}-{number // 3}.flac", make_noise(30, slope, random))


def fill_fricatives(folder: Path) -> None:
    """Write hisses as of s, sh and f, a few a second."""
    for number in range(6):
        sound = make_fricatives(30, np.random.default_rng(number))
        write_sound(folder / f"fricatives-{number}.flac", sound)


def find_speakers(packages: dict[str, Path]) -> dict[str, list[Path]]:
    """Return for each speaker the words that have the full band."""
    return {
        f"{package}-{number}": [path for path in sorted(packages[package].glob(pattern))
                                if is_full_band(path)]
        for package, patterns in SPEAKERS.items()
        for number, pattern in enumerate(patterns)
    }  # fmt: skip


def is_full_band(path: Path) -> bool:
    """Return whether a clip can be read and has CD's rate."""
    try:
        return bool(soundfile.info(path).samplerate == SAMPLE_RATE)
    except soundfile.SoundFileError:
        return False


if __name__ == "__main__":
    main()
