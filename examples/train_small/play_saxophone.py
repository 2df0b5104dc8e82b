"""Play melodies on recordings of a real saxophone, which separators take for a singer.

    python play_saxophone.py OUTPUT_FOLDER

Needs the notes that `gather_audio` gathers, in `OUTPUT_FOLDER/samples/weresax`, and what
`render_leads` needs. Makes `OUTPUT_FOLDER/accompaniment/rendered-saxophone`: one to four
saxophones with slides, vibrato, growls and falls, alone or over a band.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from compose_parts import Note, bend_notes, compose_melody, harmonize, humanize, swing_notes
from render_bands import STYLES
from render_leads import (
    Audio,
    Lead,
    draw_chords,
    draw_effects,
    list_missing,
    play_band,
    sway,
    write_song,
)
from sounds import SAMPLE_RATE

SAXOPHONE = Lead("saxophone", 24, ((65, 51, 79),), sections=0.4, distorted=0.05)
PITCHES = {"c": 0, "db": 1, "d": 2, "eb": 3, "e": 4, "f": 5, "gb": 6, "g": 7, "ab": 8, "a": 9,
           "bb": 10, "b": 11}  # fmt: skip


def main() -> None:
    """Play every song that isn't there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    play_saxophone(parser.parse_args().output_folder)


def play_saxophone(output_folder: Path) -> None:
    """Play every song into `accompaniment/rendered-saxophone`."""
    samples = output_folder / "samples" / "weresax"
    if not samples.exists():
        sys.exit(f"no folder {samples}; run gather_audio.py first")
    for target in list_missing(output_folder, SAXOPHONE.name, SAXOPHONE.songs):
        random = Random(target.stem)
        style = random.choice([style for style in STYLES if style.leads])
        tempo, chords = draw_chords(style, random)
        low, high = random.choice(((51, 66), (56, 74), (60, 79)))
        melody = compose_melody(chords, style.beats_a_bar, low, high, random)
        if style.swings:
            melody = swing_notes(melody)
        players = random.choice((2, 3, 4)) if random.random() < SAXOPHONE.sections else 1
        unison, lines = random.random() < 0.3, []
        for player in range(players):
            line = melody if unison or player == 0 else harmonize(melody, chords, player)
            lines.append(play_line(humanize(line, random), 60 / tempo, samples, random))
        audio = draw_effects(SAXOPHONE, random)(add_lines(lines, random), SAMPLE_RATE)
        band = play_band(style, chords, tempo, random) if random.random() < 0.67 else None
        write_song(target, audio, band, random)


def play_line(notes: Sequence[Note], seconds_a_beat: float, samples: Path, random: Random) -> Audio:
    """Return one player's line, mono, each note read from a sample at the speed of its pitch."""
    bends = sway(notes, bend_notes(notes, seconds_a_beat, random), seconds_a_beat, random)
    times = [beat * seconds_a_beat * SAMPLE_RATE for beat, _ in bends]
    end = round((notes[-1].start + notes[-1].length) * seconds_a_beat * SAMPLE_RATE)
    bend = np.interp(np.arange(end), times, [semitones for _, semitones in bends])
    microphone = random.choice(("cnd", "dnm"))
    line = np.zeros(end + SAMPLE_RATE, dtype=np.float32)
    for note in notes:
        first = round(note.start * seconds_a_beat * SAMPLE_RATE)
        size = min(round(note.length * seconds_a_beat * SAMPLE_RATE) + 1500, end - first)
        sample_pitch = min(80, max(49, note.pitch + random.randint(-1, 1)))
        loud = "f" if note.velocity > 92 else "p"
        name = f"{spell_pitch(sample_pitch)}_{loud}_rr{random.choice((1, 2))}_{microphone}.wav"
        speed = 2 ** ((note.pitch - sample_pitch + bend[first : first + size]) / 12)
        sample = read_sample(samples / name)
        places = np.cumsum(speed) + random.uniform(0, 400)
        played = np.interp(places, np.arange(len(sample)), sample, right=0.0)
        fade = np.minimum(1, np.arange(len(played), 0, -1) / 1500)
        line[first : first + len(played)] += played * fade * note.velocity / 127
    return line


def spell_pitch(pitch: int) -> str:
    """Return a MIDI pitch as the samples spell it."""
    return f"{list(PITCHES)[pitch % 12]}{pitch // 12 - 2}"


@lru_cache(maxsize=64)
def read_sample(path: Path) -> Audio:
    """Return a sample as mono, from its attack on."""
    audio: Audio = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    attack = int(np.argmax(np.abs(audio) > 0.02 * np.abs(audio).max()))
    return audio[max(0, attack - 200) :] / max(float(np.abs(audio).max()), 1e-3)


def add_lines(lines: Sequence[Audio], random: Random) -> Audio:
    """Return the lines side by side on the stage."""
    stage = np.zeros((2, max(map(len, lines))), dtype=np.float32)
    for line in lines:
        pan = random.uniform(0.3, 0.7) if len(lines) > 1 else random.uniform(0.45, 0.55)
        stage[:, : len(line)] += np.array([[1 - pan], [pan]], dtype=np.float32) * line
    return stage


if __name__ == "__main__":
    main()
