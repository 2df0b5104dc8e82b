"""Render band music that games lack: horns, jazz, funk, latin, rock, drums alone.

    python render_bands.py OUTPUT_FOLDER

MMA (Musical MIDI Accompaniment) plays the rhythm section of most songs, `compose_parts`
the leads and the rock bands; fluidsynth turns them into 44.1 kHz stereo FLAC files in
`OUTPUT_FOLDER/accompaniment/rendered-<style>`. A song depends on its style and number
alone, so every run makes the same files; those already there are skipped. No voice
sounds: the General MIDI programs 52-54, 85 and 91 are replaced or left out.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from compose_parts import (
    DRUMS,
    Chord,
    Note,
    Part,
    append_parts,
    bend_notes,
    compose_drums,
    compose_melody,
    compose_riff,
    harmonize,
    humanize,
    start_midi,
    swing_notes,
)

SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf3/MuseScore_General.sf3"),
)
PROGRAMS = ("mma", "fluidsynth")
NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
NO_VOICES = (  # MMA's names of the voice-like programs, and what plays in their place
    "ChoirAahs=Strings VoiceOohs=SlowStrings SynthVox=Strings SoloVox=SquareWave ChoirPad=WarmPad"
)

# Bars of "semitones above the key:quality"; two chords in a bar share it.
JAZZ = (
    "2:m7 7:7|0:M7|9:m7 2:7|2:m7 7:7|0:M7 9:7|2:m7|7:9|0:6",
    "0:7|5:7|0:7|0:7|5:9|5:7|0:7|9:7|2:m7|7:7|0:7 9:7|2:m7 7:7",
    "2:m7b5 7:7|0:m6|5:m7 10:7|3:M7|8:M7|2:m7b5|7:7|0:m6",
    "0:6 9:7|2:m7 7:7|4:m7 9:7|2:m7 7:7|0:7|5:6|0:M7 7:7|0:6",
    "0:m7|0:m7|0:m7|0:m7|1:m7|1:m7|0:m7|0:m7",
)
FUNK = (
    "0:9|0:9|5:9|5:9",
    "0:m7|0:m7|5:9|5:9",
    "0:m7 5:7|0:m7 5:7|8:7|7:7",
    "0:7|10:|5:|0:7",
    "0:7|0:7|0:7|0:7|5:7|5:7|0:7|0:7|7:7|5:7|0:7|7:7",
)
POP = (
    "0:|9:m|5:|7:",
    "0:|5:|7:|5:",
    "9:m|5:|0:|7:",
    "0:|7:|9:m|5:",
    "0:m|10:|8:|7:7",
    "0:|4:m|5:|5:m|0:|9:m|2:m|7:7",
    "0:|10:|5:|0:",
)
LATIN = (
    "0:m|5:m|7:7|0:m",
    "0:|5:|7:7|5:",
    "2:m7|7:7|0:M7|9:7",
    "0:m7|5:7|0:m7|5:7",
    "0:m|10:7|8:7|7:7",
    "0:6|0:6|2:m7|7:7|2:m7|7:7|0:6|7:7",
)
ROCK = (
    "0:5|10:5|5:5|0:5",
    "0:5|8:5|10:5|0:5",
    "0:5 3:5|5:5|0:5 3:5|1:5",
    "0:5|0:5|1:5|3:5",
    "0:5|7:5|8:5|5:5",
    "0:5|0:5|5:5 3:5|0:5",
)

# General MIDI programs with the range they play in.
HORNS = ((56, 58, 80), (59, 58, 78), (65, 56, 78), (66, 50, 74), (57, 46, 68), (61, 52, 76))
SOLOS = (
    *HORNS[:5],
    (64, 60, 82), (67, 40, 64), (60, 48, 70), (71, 54, 82), (73, 62, 88), (72, 72, 96),
    (40, 57, 88), (42, 40, 67), (68, 60, 80), (11, 57, 84), (26, 50, 76), (16, 55, 84),
    (18, 55, 84), (22, 60, 82), (21, 57, 84), (75, 62, 86), (110, 57, 82), (0, 60, 90),
    (4, 55, 84), (12, 55, 84), (80, 60, 86), (81, 55, 84), (114, 60, 82), (105, 55, 78),
)  # fmt: skip
SCREAMERS = ((30, 57, 86), (29, 55, 84), (81, 57, 86), (80, 60, 86), (18, 57, 84), (40, 60, 90))


@dataclass(frozen=True)
class Style:
    name: str
    songs: int
    tempos: tuple[int, int]  # beats a minute
    progressions: Sequence[str]
    grooves: tuple[str, ...]  # of MMA; none: a rock band of our own
    horns: float = 0.5  # share of the leads that is a horn section
    leads: float = 0.8  # share of the songs that has a lead
    swings: bool = False
    beats_a_bar: int = 4


STYLES = (
    Style("jazz", 18, (110, 230), JAZZ,
          ("JazzCombo", "JazzCombo1", "Swing", "SwingWalk", "Bebop", "ModernJazz", "MellowJazz",
           "NiteJazz", "FastSwing", "GypsyJazz"), horns=0.25, swings=True),
    Style("bigband", 22, (110, 220), JAZZ,
          ("BigBand", "BigBand1", "BigBand8", "Broadway", "ShowTune", "FoxTrot1", "Charleston",
           "Dixie", "Dixie2", "Strut"), horns=0.8, swings=True),
    Style("ska", 16, (120, 180), POP, ("Ska", "Ska1", "SkaClap", "Polka", "March1"), horns=0.8),
    Style("funk", 20, (88, 128), FUNK,
          ("BVFunk", "BVFunkHorns", "DSoulPlus", "R&BPlus", "LFusion", "JazzRock", "BoneyMPlus"),
          horns=0.65),
    Style("latin", 20, (92, 190), LATIN,
          ("Salsa", "SalsaPlus", "Mambo", "Mambo2", "Merengue", "SambaPlus", "Son", "ChaCha",
           "BossaNovaPlus", "Calypso", "Rhumba", "CubanGuitar"), horns=0.6),
    Style("rocknroll", 14, (120, 180), POP + FUNK,
          ("50sRock", "60sRock", "Jive", "Twist", "ShuffleBoggie", "FastBlues", "BasicRock",
           "8BeatPlus", "BubbleRock"), horns=0.4),
    Style("pop", 10, (84, 140), POP,
          ("PopBalladPlus", "SoftRock", "Trance", "FolkRock", "Zydeco", "BlueGrass"), horns=0.2),
    Style("waltz", 6, (110, 190), JAZZ, ("JazzWaltz", "JazzWaltz1", "FrenchWaltz1"), horns=0.3,
          swings=True, beats_a_bar=3),
    Style("rock", 26, (96, 190), ROCK, (), horns=0.35, leads=0.65),
    Style("drums", 14, (90, 200), ROCK, (), leads=0.0),
)  # fmt: skip


def main() -> None:
    """Render every song of every style."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    arguments = parser.parse_args()
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        sys.exit(f"not installed: {', '.join(missing)}; needs Debian's mma and fluidsynth")
    render_bands(arguments.output_folder)


def render_bands(output_folder: Path) -> None:
    """Render the songs that aren't there yet into `accompaniment/rendered-<style>`."""
    if absent := [path.name for path in SOUNDFONTS if not path.exists()]:
        sys.exit(
            f"no {', '.join(absent)}; install Debian's fluid-soundfont-gm and "
            "musescore-general-soundfont"
        )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for style in STYLES:
            folder = output_folder / "accompaniment" / f"rendered-{style.name}"
            folder.mkdir(parents=True, exist_ok=True)
            targets = [folder / f"{style.name}-{number:02}.flac" for number in range(style.songs)]
            list(pool.map(render_song, [style] * len(targets), targets))


def render_song(style: Style, target: Path) -> None:
    """Compose and render one song, unless it is already there."""
    if target.exists():
        return
    random = Random(target.stem)
    soundfont = random.choice(SOUNDFONTS)
    options = (
        f"synth.reverb.room-size={random.uniform(0.1, 0.8):.2f}",
        f"synth.reverb.level={random.uniform(0.1, 0.7):.2f}",
        f"synth.gain={0.3 if not style.grooves else 0.45}",
        "synth.dynamic-sample-loading=1",  # a song needs few of the samples
    )
    with tempfile.TemporaryDirectory(dir=target.parents[2], prefix=".") as name:
        midi, audio = Path(name, "song.mid"), Path(name, "song.flac")
        midi.write_bytes(compose_song(style, random, Path(name)))
        play_midi(midi, audio, soundfont, options)
        audio.replace(target)


def play_midi(midi: Path, audio: Path, soundfont: Path, options: Sequence[str]) -> None:
    """Render a MIDI file as 16-bit FLAC at 44.1 kHz."""
    command = ["fluidsynth", "-ni", "-q", "-r", "44100", "-T", "flac", "-O", "s16"]
    command += [word for option in options for word in ("-o", option)]
    subprocess.run([*command, "-F", audio, soundfont, midi], check=True, capture_output=True)


def compose_song(style: Style, random: Random, folder: Path) -> bytes:
    """Return a song of 60 to 115 seconds as a MIDI file."""
    tempo = random.randint(*style.tempos)
    beats = style.beats_a_bar
    bars = round(random.uniform(60, 115) * tempo / 60 / beats / 4) * 4
    chords = spell_chords(random.choice(style.progressions), random.randrange(12), beats, bars)
    if style.name == "drums":
        return append_parts(start_midi(tempo), [play_drums(bars, random)])
    lead = (
        list(play_lead(style, chords, 60 / tempo, random)) if random.random() < style.leads else []
    )
    if style.grooves:
        return append_parts(accompany(style, chords, tempo, random, folder), lead)
    band = [play_drums(bars, random), *play_guitars(chords, random), *lead]
    return append_parts(start_midi(tempo), band)


def spell_chords(progression: str, key: int, beats_a_bar: int, bars: int) -> list[Chord]:
    """Return the chords of `bars` bars, the progression going round and round."""
    pattern = [bar.split() for bar in progression.split("|")]
    chords = []
    for bar in range(bars):
        names = pattern[bar % len(pattern)]
        if beats_a_bar == 3:
            names = names[:1]
        length = beats_a_bar / len(names)
        for place, name in enumerate(names):
            degree, quality = name.split(":")
            start = bar * beats_a_bar + place * length
            chords.append(Chord(start, length, (key + int(degree)) % 12, quality))
    return chords


def accompany(
    style: Style, chords: Sequence[Chord], tempo: int, random: Random, folder: Path
) -> bytes:
    """Let MMA play the rhythm section; return its MIDI file."""
    lines = [f"RndSeed {random.randrange(10**6)}", f"Tempo {tempo}", f"VoiceTr {NO_VOICES}"]
    groove = random.choice(style.grooves)
    for chord in chords:
        bar, beat = divmod(chord.start, style.beats_a_bar)
        name = NAMES[chord.root] + chord.quality
        if beat:
            lines[-1] += f" / {name} /"
            continue
        if bar % 16 == 0 and random.random() < 0.4:
            groove = random.choice(style.grooves)
        if bar % 16 == 0:
            lines.append(f"Groove {groove}")
        lines.append(f"{int(bar) + 1} {name}")
    source = folder / "song.mma"
    source.write_text("\n".join(lines) + "\n")
    subprocess.run(
        ["mma", "-f", "band.mid", source.name], cwd=folder, check=True, capture_output=True
    )
    return (folder / "band.mid").read_bytes()


def play_lead(
    style: Style, chords: Sequence[Chord], seconds_a_beat: float, random: Random
) -> Iterator[Part]:
    """Yield a soloist, or a horn section in unison or in harmony, on channels 0 to 2."""
    section = random.random() < style.horns
    solos = SOLOS if style.grooves or random.random() < 0.3 else SCREAMERS
    players = random.sample(HORNS, random.choice((2, 3, 3))) if section else [random.choice(solos)]
    _, low, high = players[0]
    melody = compose_melody(chords, style.beats_a_bar, low, high, random)
    if style.swings:
        melody = swing_notes(melody)
    unison = random.random() < 0.35
    shorten = random.choice((0.55, 0.85, 1.0)) if section else 1.0
    volume = random.randint(88, 124)
    for channel, (program, _, _) in enumerate(players):
        line = harmonize(melody, chords, channel) if channel and not unison else melody
        notes = humanize(line, random, shorten=shorten)
        bends = bend_notes(notes, seconds_a_beat, random)
        pan = random.randint(34, 94) if section else random.randint(50, 78)
        yield Part(channel, program, notes, pan, volume - 4 * channel, bends)


def play_drums(bars: int, random: Random) -> Part:
    """Return rock drums on a random kit."""
    kit = random.choice((0, 0, 8, 16, 16, 24, 25, 32))
    notes = humanize(compose_drums(bars, random), random)
    return Part(DRUMS, kit, notes, volume=random.randint(95, 120))


def play_guitars(chords: Sequence[Chord], random: Random) -> Iterator[Part]:
    """Yield two distorted guitars, left and right, and a bass on channels 4 to 6."""
    riff = compose_riff(chords, random.choice((36, 40, 40, 43)), random)
    program = random.choice((29, 30, 30))
    for channel, pan in ((4, random.randint(0, 30)), (5, random.randint(97, 127))):
        yield Part(channel, program, humanize(riff, random), pan, random.randint(70, 95))
    roots = riff[::3]  # of the three notes of each chord
    low = [Note(note.start, note.length, note.pitch - 12, 110) for note in roots]
    yield Part(6, random.choice((33, 34, 36)), humanize(low, random), volume=110)


if __name__ == "__main__":
    main()
