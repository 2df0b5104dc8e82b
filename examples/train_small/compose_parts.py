"""Compose the parts of a band, and write them as MIDI tracks.

Everything is drawn from the `Random` passed in, so a seed gives the same music. Times
and lengths are in beats (quarter notes) from the start of the song.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

TICKS = 192  # of one beat, MMA's resolution
DRUMS = 9  # the MIDI channel
BEND_RANGE_SEMITONES = 2.0  # General MIDI's default

KICK, SNARE, RIM, CLOSED_HAT, PEDAL_HAT, OPEN_HAT = 36, 38, 37, 42, 44, 46
CRASH, SECOND_CRASH, RIDE, RIDE_BELL, CHINA, SPLASH = 49, 57, 51, 53, 52, 55
TOMS = (50, 48, 47, 45, 43, 41)  # high to low

MAJOR, DORIAN, MIXOLYDIAN = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10)
LOCRIAN, PENTATONIC = (0, 1, 3, 5, 6, 8, 10), (0, 3, 5, 7, 10)
QUALITIES = {  # the name in MMA: (chord tones, scale), in semitones above the root
    "": ((0, 4, 7), MAJOR),
    "m": ((0, 3, 7), DORIAN),
    "6": ((0, 4, 7, 9), MAJOR),
    "m6": ((0, 3, 7, 9), DORIAN),
    "M7": ((0, 4, 7, 11), MAJOR),
    "m7": ((0, 3, 7, 10), DORIAN),
    "7": ((0, 4, 7, 10), MIXOLYDIAN),
    "9": ((0, 4, 7, 10, 14), MIXOLYDIAN),
    "m7b5": ((0, 3, 6, 10), LOCRIAN),
    "5": ((0, 7), PENTATONIC),
}

# Onsets and lengths within two beats and within one beat: what melodies are built from.
TWO_BEATS = (
    ((0, 2),),
    ((0, 1.5), (1.5, 0.5)),
    ((0, 1), (1, 1)),
    ((0, 0.5), (0.5, 0.5), (1, 0.5), (1.5, 0.5)),
    ((0, 0.5), (0.5, 0.5), (1, 0.5), (1.5, 0.5)),
    ((0, 0.5), (0.5, 1), (1.5, 0.5)),
    ((0.5, 0.5), (1, 0.5), (1.5, 0.5)),
    ((0.5, 1.5),),
    ((0, 0.25), (0.25, 0.25), (0.5, 0.5), (1, 1)),
    ((0, 0.5), (1.5, 0.5)),
    (),
)
ONE_BEAT = (((0, 1),), ((0, 0.5), (0.5, 0.5)), ((0.5, 0.5),), ())


@dataclass(frozen=True)
class Chord:
    start: float
    length: float
    root: int  # pitch class
    quality: str

    def pitches(self, low: int, high: int, *, scale: bool) -> list[int]:
        """List the pitches of the chord, or of its scale, from `low` to `high`."""
        classes = {(self.root + step) % 12 for step in QUALITIES[self.quality][scale]}
        return [pitch for pitch in range(low, high + 1) if pitch % 12 in classes]


@dataclass(frozen=True)
class Note:
    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """One track: who plays, where in the room, and what."""

    channel: int
    program: int  # General MIDI, from 0
    notes: Sequence[Note]
    pan: int = 64
    volume: int = 100
    bends: Sequence[tuple[float, float]] = ()  # (beat, semitones)


def compose_melody(
    chords: Sequence[Chord], beats_a_bar: int, low: int, high: int, random: Random
) -> list[Note]:
    """Return a melody over `chords`: phrases of four bars around a motif of two.

    Long notes and downbeats fall on chord tones, the others walk the chord's scale.
    """
    bars = round((chords[-1].start + chords[-1].length) / beats_a_bar)
    motif = [draw_rhythm(beats_a_bar, random) for _ in range(2)]
    pitch, notes = (low + high) // 2, []
    for bar in range(bars):
        if bar % 8 == 0 and random.random() < 0.6:
            motif = [draw_rhythm(beats_a_bar, random) for _ in range(2)]
        rhythm = motif[bar % 2] if random.random() < 0.75 else draw_rhythm(beats_a_bar, random)
        if bar % 4 == 3:  # breathe
            rhythm = [(start, length) for start, length in rhythm if start < beats_a_bar / 2]
        for offset, length in rhythm:
            start = bar * beats_a_bar + offset
            chord = find_chord(chords, start)
            stable = length >= 1 or offset == 0
            reach = random.choice((-2, -1, -1, 1, 1, 2)) * random.choice((1, 2, 2, 3))
            choices = chord.pitches(low, high, scale=not stable)
            pitch = min(choices, key=lambda candidate: abs(candidate - pitch - reach))
            notes.append(Note(start, length, pitch, random.randint(78, 118)))
    return notes


def draw_rhythm(beats_a_bar: int, random: Random) -> list[tuple[float, float]]:
    """Draw the onsets and lengths of one bar."""
    rhythm: list[tuple[float, float]] = []
    beat = 0
    while beat < beats_a_bar:
        cells = TWO_BEATS if beats_a_bar - beat >= 2 else ONE_BEAT
        rhythm += [(beat + start, length) for start, length in random.choice(cells)]
        beat += 2 if cells is TWO_BEATS else 1
    return rhythm


def find_chord(chords: Sequence[Chord], beat: float) -> Chord:
    """Return the chord that sounds at `beat`."""
    return next(chord for chord in reversed(chords) if chord.start <= beat)


def harmonize(melody: Sequence[Note], chords: Sequence[Chord], voices_below: int) -> list[Note]:
    """Return a line that lies `voices_below` chord tones below the melody."""
    line = []
    for note in melody:
        tones = find_chord(chords, note.start).pitches(24, note.pitch - 2, scale=False)
        line.append(replace(note, pitch=tones[-voices_below]))
    return line


def swing_notes(notes: Sequence[Note]) -> list[Note]:
    """Delay each offbeat quaver to the third triplet of its beat."""
    return [
        replace(note, start=note.start + 1 / 6, length=note.length * 0.75)
        if note.start % 1 == 0.5
        else note
        for note in notes
    ]


def humanize(notes: Sequence[Note], random: Random, *, shorten: float = 1.0) -> list[Note]:
    """Move each note a little in time and in loudness."""
    return [
        Note(
            max(0.0, note.start + random.gauss(0, 0.012)),
            note.length * shorten * random.uniform(0.88, 0.98),
            note.pitch,
            min(127, max(1, note.velocity + round(random.gauss(0, 6)))),
        )
        for note in notes
    ]


def bend_notes(
    notes: Sequence[Note], seconds_a_beat: float, random: Random
) -> list[tuple[float, float]]:
    """Return pitch bends: scoops into some notes, vibrato on the long ones."""
    rate_hz, depth = random.uniform(4.8, 6.6), random.uniform(0.12, 0.5)
    bends = []
    for note in notes:
        scoop = random.uniform(0.4, 1.6) if random.random() < 0.25 else 0.0
        seconds = note.length * seconds_a_beat
        for step in range(max(1, int(seconds / 0.02))):
            at = step * 0.02
            rise = -scoop * max(0.0, 1 - at / 0.09)
            vibrato = depth * min(1.0, max(0.0, (at - 0.18) / 0.3))
            bend = rise + vibrato * math.sin(2 * math.pi * rate_hz * at)
            bends.append((note.start + at / seconds_a_beat, bend))
    return bends


def compose_drums(bars: int, random: Random) -> list[Note]:
    """Return rock drums in 4/4, cymbals on every quaver or denser, a fill now and then."""
    notes: list[Note] = []
    for first in range(0, bars, 8):
        cymbal = random.choice((CLOSED_HAT, OPEN_HAT, RIDE, RIDE, CRASH, RIDE_BELL, CHINA))
        step = random.choice((0.25, 0.5, 0.5, 0.5, 1.0)) if cymbal != RIDE_BELL else 0.5
        backbeat = random.choice(((1, 3), (1, 3), (2,), (0.5, 1.5, 2.5, 3.5), (0, 1, 2, 3)))
        kicks = draw_kicks(random)
        for bar in range(first, min(first + 8, bars)):
            fill = bar % 4 == 3 and random.random() < 0.6
            played = [(0.0, random.choice((CRASH, SECOND_CRASH)), 120)] if bar % 4 == 0 else []
            played += [(beat * step, cymbal, 84) for beat in range(int(4 / step))]
            played += [(beat, PEDAL_HAT, 60) for beat in range(4)]
            played += [(beat, KICK, 112) for beat in kicks]
            played += [(beat, SNARE, 114) for beat in backbeat]
            played += [(k / 4, SNARE, 34) for k in range(16) if random.random() < 0.08]
            if random.random() < 0.15:
                played.append((random.choice((1.5, 2.5, 3.5)), random.choice((SPLASH, CHINA)), 108))
            if fill:
                played = [hit for hit in played if hit[0] < 2] + draw_fill(random)
            notes += [Note(bar * 4 + beat, 0.2, drum, power) for beat, drum, power in played]
    return notes


def draw_kicks(random: Random) -> list[float]:
    """Draw the beats of the bass drum in one bar, at times double bass."""
    if random.random() < 0.25:
        return [k / 4 for k in range(16)] if random.random() < 0.6 else [k / 2 for k in range(8)]
    return [0.0, *(k / 4 for k in range(1, 16) if random.random() < 0.22)]


def draw_fill(random: Random) -> list[tuple[float, int, int]]:
    """Draw two beats of snare and toms as (beat, drum, velocity)."""
    drums = sorted(random.choices((SNARE, *TOMS), k=8), reverse=True)
    return [(2 + k / 4, drum, random.randint(95, 122)) for k, drum in enumerate(drums)]


def compose_riff(chords: Sequence[Chord], low: int, random: Random) -> list[Note]:
    """Return power chords on the roots: one bar's rhythm, held for eight bars."""
    notes: list[Note] = []
    for chord in chords:
        if chord.start % 32 == 0:
            busy = random.choice((0.35, 0.6, 1.0))
            step = random.choice((0.25, 0.5, 0.5))
            hits = [k * step for k in range(int(4 / step)) if k == 0 or random.random() < busy]
            held = random.random() < 0.3
        root = low + (chord.root - low) % 12
        for hit, following in zip(hits, [*hits[1:], 4.0], strict=True):
            if not chord.start <= chord.start // 4 * 4 + hit < chord.start + chord.length:
                continue
            length = following - hit if held else min(step, following - hit)
            for pitch in (root, root + 7, root + 12):
                notes.append(Note(chord.start // 4 * 4 + hit, length, pitch, 104))
    return notes


def append_parts(midi: bytes, parts: Sequence[Part]) -> bytes:
    """Append tracks to a MIDI file of `TICKS` a beat."""
    size, kind, tracks, ticks = struct.unpack(">IHHH", midi[4:14])
    if (size, kind, ticks) != (6, 1, TICKS):
        raise ValueError(
            f"MIDI of {ticks} ticks a beat, type {kind}; can append to {TICKS}, type 1"
        )
    header = b"MThd" + struct.pack(">IHHH", 6, 1, tracks + len(parts), TICKS)
    return header + midi[14:] + b"".join(map(encode_part, parts))


def start_midi(tempo: int) -> bytes:
    """Return a MIDI file with nothing but its tempo, in beats a minute."""
    track = b"\x00\xff\x51\x03" + (60_000_000 // tempo).to_bytes(3, "big") + b"\x00\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 1, 1, TICKS)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


def encode_part(part: Part) -> bytes:
    """Return the part as one MIDI track."""
    track, now = bytearray(), 0
    for tick, event in sorted(list_events(part), key=lambda timed: timed[0]):
        track += encode_delta(tick - now) + event
        now = tick
    track += b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def list_events(part: Part) -> Iterator[tuple[int, bytes]]:
    """Yield the part's events as (tick, bytes), a note's end before the next one's start."""
    channel = part.channel
    yield 0, bytes((0xC0 | channel, part.program))
    yield 0, bytes((0xB0 | channel, 7, part.volume))
    yield 0, bytes((0xB0 | channel, 10, part.pan))
    for beat, semitones in part.bends:
        bend = round(8192 + 8191 * max(-1.0, min(1.0, semitones / BEND_RANGE_SEMITONES)))
        yield round(beat * TICKS), bytes((0xE0 | channel, bend & 127, bend >> 7))
    for note in part.notes:
        end = round((note.start + note.length) * TICKS)
        yield end, bytes((0x80 | channel, note.pitch, 0))
    for note in part.notes:
        yield round(note.start * TICKS), bytes((0x90 | channel, note.pitch, note.velocity))


def encode_delta(ticks: int) -> bytes:
    """Return MIDI's variable-length quantity."""
    low = [ticks & 127]
    while ticks := ticks >> 7:
        low.append(ticks & 127 | 128)
    return bytes(reversed(low))
