"""Render what separators take for a singer: horns and other leads, dense cymbals.

    python render_leads.py OUTPUT_FOLDER

A lead carries the melody the way a singer does: with slides, vibrato, growls and falls,
through effects, louder than the band or alone. Cymbals hiss like consonants. The files go
into `OUTPUT_FOLDER/accompaniment/rendered-<kind>`; like those of `render_bands`, each
depends on its kind and number alone. Needs what `render_bands` needs, pedalboard and, for
some of the drums, Debian's avldrums.lv2-soundfont.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import soundfile
from compose_parts import (
    CHINA,
    CLOSED_HAT,
    CRASH,
    DRUMS,
    OPEN_HAT,
    PEDAL_HAT,
    RIDE,
    RIDE_BELL,
    SECOND_CRASH,
    SPLASH,
    Chord,
    Note,
    Part,
    append_parts,
    bend_notes,
    compose_drums,
    compose_melody,
    harmonize,
    humanize,
    start_midi,
    swing_notes,
)
from pedalboard import (
    Chorus,
    Compressor,
    Delay,
    Distortion,
    HighpassFilter,
    LadderFilter,
    Pedalboard,
    Phaser,
    Plugin,
    Reverb,
)
from render_bands import (
    HORNS,
    SOUNDFONTS,
    STYLES,
    Style,
    accompany,
    play_drums,
    play_guitars,
    play_midi,
    spell_chords,
)
from sounds import SAMPLE_RATE, write_flac

DRUM_SOUNDFONTS = (  # of one kit, which is their only preset
    Path("/usr/share/sounds/sf2/Black_Pearl_4_LV2.sf2"),
    Path("/usr/share/sounds/sf2/Red_Zeppelin_4_LV2.sf2"),
)
CYMBALS = (
    CLOSED_HAT, OPEN_HAT, PEDAL_HAT, RIDE, RIDE, RIDE_BELL, CRASH, SECOND_CRASH, SPLASH, CHINA
)  # fmt: skip


@dataclass(frozen=True)
class Lead:
    """A kind of lead: General MIDI programs with the range they play in."""

    name: str
    songs: int
    players: Sequence[tuple[int, int, int]]
    sections: float = 0.0  # share of the songs that several of them play
    distorted: float = 0.0


LEADS = (
    Lead("horns", 48, (*HORNS, (58, 36, 60), (62, 52, 76), (64, 58, 82), (60, 48, 72)),
         sections=0.5, distorted=0.08),
    Lead("guitars", 16, ((27, 52, 84), (29, 52, 86), (30, 52, 86), (26, 50, 80)), distorted=0.8),
    Lead("synths", 14, ((80, 55, 88), (81, 52, 86), (84, 52, 84), (87, 45, 76), (82, 55, 84),
                        (83, 55, 84), (90, 50, 80), (62, 50, 78)), distorted=0.25),
    Lead("strings", 14, ((40, 57, 90), (41, 50, 80), (42, 40, 68), (48, 50, 86), (49, 50, 84),
                         (110, 57, 84), (45, 55, 84)), sections=0.3),
    Lead("winds", 16, ((73, 62, 90), (72, 72, 96), (68, 60, 82), (71, 52, 82), (74, 60, 86),
                       (75, 60, 86), (78, 66, 90), (79, 62, 86), (22, 57, 82), (109, 57, 76))),
    Lead("organs", 10, ((16, 50, 84), (17, 50, 84), (18, 50, 84), (19, 48, 84), (20, 55, 80),
                        (21, 53, 84)), sections=0.3, distorted=0.3),
)  # fmt: skip
CYMBAL_SONGS = 28

Audio = npt.NDArray[np.float32]


def main() -> None:
    """Render every file that isn't there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    render_leads(parser.parse_args().output_folder)


def render_leads(output_folder: Path) -> None:
    """Render the cymbals, then the leads, into `accompaniment/rendered-<kind>`."""
    for target in list_missing(output_folder, "cymbals", CYMBAL_SONGS):
        random = Random(target.stem)
        write_song(target, *play_cymbals(random), random)
    for lead in LEADS:
        for target in list_missing(output_folder, lead.name, lead.songs):
            random = Random(target.stem)
            write_song(target, *play_song(lead, random), random)


def list_missing(output_folder: Path, name: str, songs: int) -> list[Path]:
    """Return the files of a kind that aren't there yet."""
    folder = output_folder / "accompaniment" / f"rendered-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{name}-{number:02}.flac" for number in range(songs)]
    return [target for target in targets if not target.exists()]


def write_song(target: Path, lead: Audio, band: Audio | None, random: Random) -> None:
    """Mix the lead above the band, if there is one, and write both at a peak of 0.9."""
    mix = lead / max(float(lead.std()), 1e-6)
    if band is not None:
        frames = min(lead.shape[1], band.shape[1])
        gain = 10 ** (random.uniform(-10, 2) / 20) / max(float(band.std()), 1e-6)
        mix = mix[:, :frames] + band[:, :frames] * gain
    write_flac(target, (mix * 0.9 / np.abs(mix).max()).T)


def play_song(lead: Lead, random: Random) -> tuple[Audio, Audio | None]:
    """Return a lead with its effects, and the band below it in two songs of three."""
    style = random.choice([style for style in STYLES if style.leads])
    tempo, chords = draw_chords(style, random)
    parts = list(play_lead(lead, style, chords, 60 / tempo, random))
    audio = draw_effects(lead, random)(
        render(append_parts(start_midi(tempo), parts), random.choice(SOUNDFONTS), random),
        SAMPLE_RATE,
    )
    band = play_band(style, chords, tempo, random) if random.random() < 0.67 else None
    return audio, band


def draw_chords(style: Style, random: Random) -> tuple[int, list[Chord]]:
    """Return a tempo and the chords of 35 to 65 seconds."""
    tempo, beats = random.randint(*style.tempos), style.beats_a_bar
    bars = round(random.uniform(35, 65) * tempo / 60 / beats / 4) * 4
    return tempo, spell_chords(random.choice(style.progressions), random.randrange(12), beats, bars)


def play_band(style: Style, chords: Sequence[Chord], tempo: int, random: Random) -> Audio:
    """Return the rhythm section of a style, without a lead."""
    with tempfile.TemporaryDirectory() as name:
        if style.grooves:
            midi = accompany(style, chords, tempo, random, Path(name))
        else:
            bars = round(chords[-1].start + chords[-1].length) // style.beats_a_bar
            parts = [play_drums(bars, random), *play_guitars(chords, random)]
            midi = append_parts(start_midi(tempo), parts)
    return render(midi, random.choice(SOUNDFONTS), random)


def render(midi: bytes, soundfont: Path, random: Random) -> Audio:
    """Return what fluidsynth makes of a MIDI file, (2, frames)."""
    options = (
        f"synth.reverb.level={random.uniform(0.0, 0.6):.2f}",
        "synth.gain=0.3",
        "synth.dynamic-sample-loading=1",
    )
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "song.mid"), Path(name, "song.flac")
        source.write_bytes(midi)
        play_midi(source, target, soundfont, options)
        audio: Audio = soundfile.read(target, dtype="float32")[0].T
    return np.ascontiguousarray(audio)


def play_lead(
    lead: Lead, style: Style, chords: Sequence[Chord], seconds_a_beat: float, random: Random
) -> Iterator[Part]:
    """Yield a soloist, or up to four players in unison or in harmony, on channels 0 to 3."""
    count = random.choice((2, 3, 4)) if random.random() < lead.sections else 1
    players = random.sample(lead.players, min(count, len(lead.players)))
    _, low, high = players[0]
    melody = compose_melody(chords, style.beats_a_bar, low, high, random)
    if style.swings:
        melody = swing_notes(melody)
    unison = random.random() < 0.4
    shorten = random.choice((0.6, 0.9, 1.0, 1.03))
    for channel, (program, _, _) in enumerate(players):
        line = harmonize(melody, chords, channel) if channel and not unison else melody
        notes = humanize(line, random, shorten=shorten)
        bends = sway(notes, bend_notes(notes, seconds_a_beat, random), seconds_a_beat, random)
        pan = random.randint(24, 104) if count > 1 else random.randint(54, 74)
        yield Part(channel, program, notes, pan, random.randint(92, 120), bends)


def sway(
    notes: Sequence[Note],
    bends: Sequence[tuple[float, float]],
    seconds_a_beat: float,
    random: Random,
) -> list[tuple[float, float]]:
    """Add to the bends a growl on some notes and a fall from the end of some."""
    growl = random.uniform(0.15, 0.5) if random.random() < 0.3 else 0.0
    rate_hz, falls = random.uniform(18, 28), random.choice((0.0, 0.1, 0.3))
    added = list(bends)
    for note in notes:
        steps = int(note.length * seconds_a_beat / 0.008)
        if growl and random.random() < 0.4:
            times = [step * 0.008 for step in range(steps)]
            wave = [growl * math.sin(2 * math.pi * rate_hz * time) for time in times]
            beats = [note.start + time / seconds_a_beat for time in times]
            added += zip(beats, wave, strict=True)
        elif steps > 30 and random.random() < falls:
            for step in range(16):
                beat = note.start + note.length - (16 - step) * 0.01 / seconds_a_beat
                added.append((beat, -2.0 * (step + 1) / 16))
            added.append((note.start + note.length + 0.01, 0.0))
    return sorted(added)


def draw_effects(lead: Lead, random: Random) -> Pedalboard:
    """Return the effects of one lead: distortion, modulation, a filter, echo and a room."""
    chain: list[Plugin] = []
    if random.random() < lead.distorted:
        chain += [HighpassFilter(120), Distortion(random.uniform(12, 34))]
        chain += [LadderFilter(LadderFilter.Mode.LPF12, random.uniform(3500, 9000), 0.1)]
    if random.random() < 0.3:
        chain.append(Chorus(random.uniform(0.3, 2), 0.3, mix=random.uniform(0.2, 0.5)))
    if random.random() < 0.12:
        chain.append(Phaser(random.uniform(0.2, 2)))
    if random.random() < 0.4:
        chain.append(Compressor(random.uniform(-30, -15), random.uniform(2, 6)))
    if random.random() < 0.3:
        chain.append(Delay(random.uniform(0.08, 0.45), random.uniform(0.1, 0.4), 0.25))
    if random.random() < 0.7:
        wet = random.uniform(0.05, 0.4)
        chain.append(Reverb(random.uniform(0.2, 0.95), wet_level=wet, dry_level=1 - wet))
    return Pedalboard(chain)


def play_cymbals(random: Random) -> tuple[Audio, Audio | None]:
    """Return dense cymbals, on half of the songs with drums, and at times a band."""
    style = random.choice([style for style in STYLES if style.beats_a_bar == 4])
    tempo, chords = draw_chords(style, random)
    bars = round(chords[-1].start + chords[-1].length) // 4
    notes = compose_cymbals(bars, random)
    if random.random() < 0.5:
        notes += compose_drums(bars, random)
    font = random.choice([font for font in (*SOUNDFONTS, *DRUM_SOUNDFONTS) if font.exists()])
    kit = random.choice((0, 8, 16, 24, 25, 32, 40))
    channel, program = (DRUMS, kit) if font in SOUNDFONTS else (0, 0)
    part = Part(channel, program, humanize(notes, random), volume=112)
    audio = render(append_parts(start_midi(tempo), [part]), font, random)
    band = play_band(replace(style, leads=0.0), chords, tempo, random)
    return audio, band if random.random() < 0.5 else None


def compose_cymbals(bars: int, random: Random) -> list[Note]:
    """Return hats, rides and crashes in quavers to demisemiquavers, with swells."""
    notes: list[Note] = []
    for first in range(0, bars, 4):
        drum, step = random.choice(CYMBALS), random.choice((0.125, 0.25, 0.25, 0.25, 1 / 3, 0.5))
        second = random.choice(CYMBALS)
        accent = random.choice((2, 3, 4, 8))
        swells = random.random() < 0.3
        for hit in range(round(4 * min(4, bars - first) / step)):
            loud = 118 if hit % accent == 0 else random.randint(40, 96)
            if swells:
                loud = 30 + round(90 * (hit * step % 8) / 8)
            beat = first * 4 + hit * step
            notes.append(Note(beat, step, drum if hit % accent else second, loud))
    return notes


if __name__ == "__main__":
    main()
