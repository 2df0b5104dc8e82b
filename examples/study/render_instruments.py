"""Play solo lines, drums and small bands from samples that the training didn't use."""

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from layer_sounds import SAMPLE_RATE, Audio, read_stereo, write_sound

sys.path.append(str(Path(__file__).parents[1] / "train_small"))
from compose_parts import (
    CHINA,
    CLOSED_HAT,
    CRASH,
    KICK,
    OPEN_HAT,
    PEDAL_HAT,
    RIDE,
    RIDE_BELL,
    RIM,
    SECOND_CRASH,
    SNARE,
    SPLASH,
    TOMS,
    Note,
    Part,
    append_parts,
    bend_notes,
    compose_drums,
    compose_melody,
    harmonize,
    humanize,
    start_midi,
)
from render_bands import JAZZ, LATIN, POP, Style, accompany, spell_chords

SAMPLES = {  # by package, where they are inside
    "timgm6mb-soundfont": "usr/share/sounds/sf2/TimGM6mb.sf2",
    "hydrogen-drumkits": "usr/share/hydrogen/data/drumkits/ForzeeStereo",
}
INSTRUMENTS = {  # by kind, General MIDI programs with their range; none: drums
    "horn": ((56, 58, 80), (57, 46, 68), (59, 58, 78), (60, 48, 70), (65, 56, 78), (66, 50, 74)),
    "strings": ((40, 57, 86), (42, 40, 67), (48, 52, 80)),
    "flute": ((73, 62, 88),),
    "piano": ((0, 52, 84),),
    "organ": ((16, 52, 80), (18, 52, 80)),
    "bass": ((32, 28, 50), (33, 28, 50)),
    "synth": ((80, 57, 84), (81, 57, 84)),
    "cymbals": (),
    "drums": (),
}
STYLES = (  # of MMA, none of them with a horn, and none that training bands play
    Style("swing", 1, (120, 190), JAZZ, ("EasySwing",), swings=True),
    Style("blues", 1, (90, 130), JAZZ, ("Blues",), swings=True),
    Style("ballad", 1, (70, 100), POP, ("RockBallad",)),
    Style("country", 1, (100, 150), POP, ("CountrySwing",)),
    Style("folk", 1, (90, 130), POP, ("Folk",)),
    Style("eight", 1, (100, 150), POP, ("8Beat",)),
    Style("tango", 1, (110, 130), LATIN, ("Tango",)),
    Style("bolero", 1, (90, 120), LATIN, ("Bolero",)),
)
CHOIR_AAHS = 52
SECONDS = 40
KIT = {  # by General MIDI note, the samples' name; each has several, soft to hard
    KICK: "Kick", SNARE: "Snare", RIM: "SnareRim",
    CLOSED_HAT: "HiHatClosed", PEDAL_HAT: "HiHatFoot", OPEN_HAT: "HiHatOpen",
    CRASH: "Crash18", SECOND_CRASH: "CrashRide18", SPLASH: "Splash10", CHINA: "China",
    RIDE: "RideBow", RIDE_BELL: "RideBell",
    **dict(zip(TOMS, ("TomHigh", "TomHigh", "TomMid", "TomMid", "TomLow", "TomLow"), strict=True)),
}  # fmt: skip


def render_solo(instrument: str, random: Random, samples: dict[str, Path], target: Path) -> None:
    """Render one line of an instrument, or drums or cymbals alone."""
    tempo = random.randint(90, 170)
    bars = round(SECONDS * tempo / 240 / 4) * 4
    if programs := INSTRUMENTS[instrument]:
        program, low, high = random.choice(programs)
        chords = spell_chords(random.choice(JAZZ + POP), random.randrange(12), 4, bars)
        notes = humanize(compose_melody(chords, 4, low, high, random), random)
        bends = () if instrument in ("piano", "organ") else bend_notes(notes, 60 / tempo, random)
        parts = [Part(0, program, notes, bends=bends)]
        render_midi(append_parts(start_midi(tempo), parts), samples["timgm6mb-soundfont"], target)
        return
    compose = compose_cymbals if instrument == "cymbals" else compose_drums
    hits = humanize(compose(bars, random), random)
    write_sound(target, play_kit(hits, 60 / tempo, samples["hydrogen-drumkits"]))


def play_kit(hits: list[Note], seconds_a_beat: float, kit: Path) -> Audio:
    """Return the hits on a Hydrogen kit: each rings out, harder ones by harder samples."""
    read = cache(read_stereo)
    end = max(hit.start for hit in hits) * seconds_a_beat
    played = np.zeros((2, round(end * SAMPLE_RATE)), np.float32)
    for hit in hits:
        layers = sorted(kit.glob(f"{KIT[hit.pitch]}-?.*"))
        sound = read(layers[hit.velocity * len(layers) // 128])
        start = round(hit.start * seconds_a_beat * SAMPLE_RATE)
        room = played[:, start : start + sound.shape[1]]
        room += sound[:, : room.shape[1]]
    return played


def compose_cymbals(bars: int, random: Random) -> list[Note]:
    """Return rides and hats on semiquavers and quavers, crashes on most beats, nothing else."""
    notes: list[Note] = []
    for bar in range(bars):
        if bar % 4 == 0:
            steady, step = random.choice((CLOSED_HAT, OPEN_HAT, RIDE)), random.choice((0.25, 0.5))
        hits = [(k * step, steady, 90) for k in range(int(4 / step))]
        hits += [(k * 0.5, RIDE_BELL, 80) for k in range(8) if random.random() < 0.3]
        crashes = (CRASH, SECOND_CRASH, SPLASH, OPEN_HAT)
        hits += [(float(k), random.choice(crashes), 108) for k in range(4) if random.random() < 0.6]
        notes += [Note(bar * 4 + beat, 0.2, drum, power) for beat, drum, power in hits]
    return notes


def render_band(random: Random, samples: dict[str, Path], target: Path) -> None:
    """Render a rhythm section by MMA, in one of `STYLES`, without a lead."""
    number = int(target.stem.rpartition("-")[2])
    style = STYLES[number % len(STYLES)]
    tempo = random.randint(*style.tempos)
    bars = round(SECONDS * tempo / 240 / 4) * 4
    chords = spell_chords(random.choice(style.progressions), random.randrange(12), 4, bars)
    with tempfile.TemporaryDirectory() as name:
        midi = accompany(style, chords, tempo, random, Path(name))
    render_midi(append_parts(midi, []), samples["timgm6mb-soundfont"], target)


def render_choir(random: Random, samples: dict[str, Path], target: Path) -> None:
    """Render four parts of the soundfont's choir."""
    chords = spell_chords(random.choice(POP), random.randrange(12), 4, 16)
    melody = compose_melody(chords, 4, 60, 79, random)
    lines = [melody, *(harmonize(melody, chords, below) for below in (1, 2, 3))]
    parts = [Part(number, CHOIR_AAHS, humanize(line, random)) for number, line in enumerate(lines)]
    midi = append_parts(start_midi(random.randint(80, 110)), parts)
    render_midi(midi, samples["timgm6mb-soundfont"], target)


def render_midi(midi: bytes, soundfont: Path, target: Path) -> None:
    """Let fluidsynth play a MIDI file into a flac file."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "part.mid")
        source.write_bytes(midi)
        command = ["fluidsynth", "-ni", "-q", "-r", "44100", "-T", "flac", "-O", "s16"]
        command += ["-o", "synth.gain=0.4", "-F", str(target), str(soundfont), str(source)]
        subprocess.run(command, check=True, capture_output=True)
