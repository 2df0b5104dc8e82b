"""Render the drums, the bass and the rest of band songs, each by itself.

    python render_stems.py OUTPUT_FOLDER

The songs are those of `render_bands`, in other keys and tempos. Drums are played by a soundfont
or by a kit of recorded hits, basses by a soundfont or on the notes of a recorded bass guitar or
double bass, the rest by a soundfont. Makes `OUTPUT_FOLDER/stems/<style>-<number>` with
`drums.flac`, `bass.flac` and `other.flac`, and `stems-to-check`, whose instruments are others.
Needs what `render_leads` needs, PyPI's mido, Debian's hydrogen-drumkits, hydrogen-data and
csound-soundfont, and the basses that `gather_audio` puts into `OUTPUT_FOLDER/samples`.
"""

import argparse
import io
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import numpy as np
import soundfile
from compose_parts import DRUMS
from play_saxophone import PITCHES
from render_bands import SOUNDFONTS, STYLES, Style, compose_song, play_midi
from render_leads import DRUM_SOUNDFONTS, Audio
from sounds import SAMPLE_RATE, write_flac

try:
    import mido
except ImportError as error:
    sys.exit(f"can't import mido ({error}); run: pip install mido")

BASS_PROGRAMS = range(32, 40)  # of General MIDI
KITS = Path("/usr/share/hydrogen/data/drumkits")
HITS = {  # what plays a General MIDI drum: patterns of a kit's names, the best first
    (35, 36): ("kick", "bass ?drum"),
    (37, 39, 75, 76, 77): ("stick", "rim click", "clap", "click"),
    (38, 40): (r"snare(?!.*(roll|rim))",),
    (42, 69, 70, 82): ("(hh|hat|hi-hat).*cl", "closed", "hat"),
    (44,): ("pedal", "closed", "(hh|hat).*cl"),
    (46, 54): (r"hat.*op", "open"),
    (49, 52, 55, 57): ("crash", "cymbal"),
    (51, 53, 59): ("ride", "crash", "cymbal"),
    (48, 50, 60, 62, 65, 67): ("tom.*hi", "hi.*tom", "^tom$", "tom", "conga"),
    (45, 47, 63, 66): ("tom.*mid", "mid.*tom", "tom", "conga"),
    (41, 43, 61, 64, 68): ("tom.*low", "low.*tom", "floor", "tom", "conga"),
    (56,): ("cowbell", "stick"),
}


@dataclass(frozen=True)
class Bass:
    """Recorded notes: files `<note>_<level>_rr<1 to 4>.wav`."""

    folder: str  # below the samples
    octave: int  # in which note names begin, above the lowest of MIDI
    levels: tuple[str, ...]  # from soft to loud
    notes: tuple[str, ...]


BASSES = (
    Bass("growlybass", 0, ("pp", "p", "f", "ff"),
         ("e2", "gb2", "a2", "c3", "eb3", "gb3", "a3", "c4", "eb4", "gb4", "a4", "c5", "eb5")),
    Bass("meatbass", 1, ("vl1", "vl2", "vl3", "vl4"),
         ("a0", "c1", "eb1", "gb1", "a1", "c2", "eb2", "gb2", "a2", "c3", "eb3", "gb3", "a3",
          "c4")),
)  # fmt: skip


@dataclass(frozen=True)
class Instruments:
    """Who plays, and the folder of their songs."""

    folder: str
    fonts: tuple[Path, ...]
    drum_fonts: tuple[Path, ...]
    kits: tuple[str, ...]
    basses: tuple[Bass, ...] = ()


CLUB = Instruments(
    "stems",
    SOUNDFONTS,
    SOUNDFONTS + DRUM_SOUNDFONTS,
    (
        "Audiophob", "BJA_Pacific", "ColomboAcousticDrumkit", "ElectricEmpireKit",
        "Millo-Drums_v.1", "Millo_MultiLayered2", "TR808EmulationKit", "The Black Pearl 1.0",
        "VariBreaks", "rumpf_kit_z01_h2",
    ),
    BASSES,
)  # fmt: skip
STRANGE_FONTS = (Path("/usr/share/sounds/sf2/sf_GMbank.sf2"),)
STRANGERS = Instruments(
    "stems-to-check", STRANGE_FONTS, STRANGE_FONTS, ("GMRockKit", "Millo_MultiLayered3")
)


@dataclass(frozen=True)
class Hit:
    """A note of a MIDI file, in seconds."""

    start: float
    end: float
    pitch: int
    velocity: int


def main() -> None:
    """Render every song that isn't there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    render_stems(parser.parse_args().output_folder)


def render_stems(output_folder: Path) -> None:
    """Render every song that isn't there yet, one on each core, the styles in turn."""
    songs = [(style, n, CLUB) for style in STYLES for n in range(2 * style.songs)]
    songs += [(style, 0, STRANGERS) for style in STYLES if style.leads]
    songs.sort(key=lambda song: song[1])
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(render_song, songs, [output_folder] * len(songs)))


def render_song(song: tuple[Style, int, Instruments], output_folder: Path) -> None:
    """Compose a song and render its stems, unless they are already there."""
    style, number, instruments = song
    target = output_folder / instruments.folder / f"{style.name}-{number:02}"
    if target.exists():
        return
    random = Random(f"{instruments.folder} {target.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output_folder, prefix=".") as name:
        made = Path(name, "song")
        made.mkdir()
        parts = split_midi(compose_song(style, random, Path(name)), random)
        stems = {
            stem: play(stem, midi, instruments, output_folder / "samples", random)
            for stem, midi in parts.items()
        }
        longest = max(audio.shape[1] for audio in stems.values())
        for stem, audio in stems.items():
            whole = np.pad(audio, ((0, 0), (0, longest - audio.shape[1])))
            write_flac(made / f"{stem}.flac", whole.T * (0.9 / max(np.abs(audio).max(), 1e-6)))
        made.replace(target)


def split_midi(midi: bytes, random: Random) -> dict[str, mido.MidiFile]:
    """Return the song's drums, bass and rest, those that have a note, each as a song."""
    song, stems = mido.MidiFile(file=io.BytesIO(midi)), {}
    for track in song.tracks:
        if track.name.startswith(("Bass", "Walk")):  # which MMA gives to guitars and tubas at times
            give_bass(track, random.choice((32, 33, 33, 34, 35)))
    merged = mido.merge_tracks(song.tracks)
    for stem in ("drums", "bass", "other"):
        program, kept, waited, notes = [0] * 16, mido.MidiTrack(), 0, 0
        for message in merged:
            waited += message.time
            if message.type == "program_change":
                program[message.channel] = message.program
            if is_start(message):
                if name_stem(message.channel, program) != stem:
                    continue
                notes += 1
            kept.append(message.copy(time=waited))
            waited = 0
        if notes:
            stems[stem] = mido.MidiFile(ticks_per_beat=song.ticks_per_beat, tracks=[kept])
    return stems


def give_bass(track: mido.MidiTrack, program: int) -> None:
    """Let a bass play what a track gives to other instruments."""
    for message in track:
        if message.type == "program_change" and message.program not in BASS_PROGRAMS:
            message.program = program


def name_stem(channel: int, program: Sequence[int]) -> str:
    """Return the stem that a channel's notes belong to."""
    if channel == DRUMS:
        return "drums"
    return "bass" if program[channel] in BASS_PROGRAMS else "other"


def is_start(message: mido.Message) -> bool:
    """Return whether a note begins."""
    return bool(message.type == "note_on" and message.velocity > 0)


def play(
    stem: str, midi: mido.MidiFile, instruments: Instruments, samples: Path, random: Random
) -> Audio:
    """Return a stem, (2, frames), played by one of the instruments that can."""
    if stem == "drums" and random.random() < 0.55:
        kit = load_kit(KITS / random.choice(instruments.kits))
        return play_kit(list_hits(midi), kit, random)
    if stem == "bass" and instruments.basses and random.random() < 0.4:
        return play_bass(list_hits(midi), random.choice(instruments.basses), samples, random)
    options = (
        f"synth.reverb.room-size={random.uniform(0.1, 0.8):.2f}",
        f"synth.reverb.level={random.uniform(0, 0.5):.2f}",
        "synth.gain=0.3",
        "synth.dynamic-sample-loading=1",
    )
    font = random.choice(instruments.drum_fonts if stem == "drums" else instruments.fonts)
    if font in DRUM_SOUNDFONTS:  # whose kit isn't where a General MIDI drummer looks for it
        midi.tracks = [mido.MidiTrack(map(move_drums, midi.tracks[0]))]
    with tempfile.TemporaryDirectory(dir=samples, prefix=".") as name:
        source, audio = Path(name, "stem.mid"), Path(name, "stem.flac")
        midi.save(source)
        play_midi(source, audio, font, options)
        played: Audio = soundfile.read(audio, dtype="float32", always_2d=True)[0].T
        return played


def move_drums(message: mido.Message) -> mido.Message:
    """Return a message of the drummer as one of the first channel's first program."""
    changes = {"channel": 0, "program": 0}
    return message.copy(**{name: v for name, v in changes.items() if hasattr(message, name)})


def list_hits(midi: mido.MidiFile) -> list[Hit]:
    """Return the notes of a song."""
    sounding: dict[int, tuple[float, int]] = {}  # by pitch, the start and the velocity
    now, hits = 0.0, []
    for message in midi:
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        if begun := sounding.pop(message.note, None):
            hits.append(Hit(begun[0], now, message.note, begun[1]))
        if is_start(message):
            sounding[message.note] = (now, message.velocity)
    return hits


@cache
def load_kit(folder: Path) -> dict[tuple[int, ...], list[Path]]:
    """Return, for each kind of drum, the kit's recordings from soft to loud."""
    text = re.sub(r'\sxmlns="[^"]+"', "", (folder / "drumkit.xml").read_text("utf-8", "replace"))
    named: list[tuple[str, list[Path]]] = []
    for instrument in ElementTree.fromstring(text).iter("instrument"):
        layers = sorted(
            (float(layer.findtext("min") or 0), layer.findtext("filename") or "")
            for layer in instrument.iter("layer")
        )
        names = [name for _, name in layers] or [instrument.findtext("filename") or ""]
        paths = [folder / name for name in names if (folder / name).is_file()]
        if paths and "empty" not in paths[0].name:
            named.append(((instrument.findtext("name") or "").lower(), paths))
    kit = {}
    for drums, patterns in HITS.items():
        found = [paths for pattern in patterns for name, paths in named if re.search(pattern, name)]
        if found:
            kit[drums] = found[0]
    return kit


def play_kit(hits: Sequence[Hit], kit: dict[tuple[int, ...], list[Path]], random: Random) -> Audio:
    """Return the drums, (2, frames), each from the place in the room that it keeps."""
    audio = np.zeros((2, round((hits[-1].end + 3) * SAMPLE_RATE)), dtype=np.float32)
    places = {drums: random.uniform(-0.4, 0.4) * (drums[0] not in (35, 38)) for drums in kit}
    gains = {drums: 10 ** (random.gauss(-6 if drums[0] > 41 else 0, 3) / 20) for drums in kit}
    tune = 2 ** (random.gauss(0, 1.2) / 12)
    for hit in hits:
        drums = next((drums for drums in kit if hit.pitch in drums), None)
        if drums is None:
            continue
        layers = kit[drums]
        sample = read_sample(layers[min(len(layers) - 1, hit.velocity * len(layers) // 128)], tune)
        gain = gains[drums] * (hit.velocity / 127) ** 1.5
        pan = np.array([[1 - places[drums]], [1 + places[drums]]], dtype=np.float32)
        add(audio, sample * pan * np.float32(gain), hit.start)
    return audio


def play_bass(hits: Sequence[Hit], bass: Bass, samples: Path, random: Random) -> Audio:
    """Return a bass line, (2, frames), each note cut where it ends."""
    audio = np.zeros((2, round((hits[-1].end + 1) * SAMPLE_RATE)), dtype=np.float32)
    for hit in hits:
        note = read_note(bass, hit, samples, random)
        release = 2500  # samples
        note = note[:, : round((hit.end - hit.start) * SAMPLE_RATE) + release]
        fade = np.clip(np.arange(note.shape[1], 0, -1) / release, 0, 1).astype(np.float32)
        add(audio, note * fade * np.float32(hit.velocity / 127), hit.start)
    return audio


def add(audio: Audio, sound: Audio, start: float) -> None:
    """Add a sound, as much of it as there is room for."""
    first = max(0, round(start * SAMPLE_RATE))
    size = min(sound.shape[1], audio.shape[1] - first)
    audio[:, first : first + size] += sound[:, :size]


def read_note(bass: Bass, hit: Hit, samples: Path, random: Random) -> Audio:
    """Return the recorded note next to a hit's pitch, brought to that pitch."""
    pitches = {12 * (int(n[-1]) + bass.octave) + PITCHES[n[:-1]]: n for n in bass.notes}
    pitch = min(pitches, key=lambda recorded: abs(recorded - hit.pitch))
    loud = bass.levels[min(3, hit.velocity // 32)]
    path = samples / bass.folder / f"{pitches[pitch]}_{loud}_rr{random.randint(1, 4)}.wav"
    return read_sample(path, 2 ** ((hit.pitch - pitch) / 12))


@lru_cache(maxsize=512)
def read_sample(path: Path, speed: float) -> Audio:
    """Return a recording, (2, frames), from its attack on, played faster by `speed`."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    audio = np.broadcast_to(audio.T[:2], (2, len(audio)))
    attack = int(np.argmax(np.abs(audio).max(axis=0) > 0.02 * np.abs(audio).max()))
    audio = audio[:, max(0, attack - 100) : attack + 8 * rate]
    places = np.arange(0, audio.shape[1] - 1, rate * speed / SAMPLE_RATE)
    return np.stack([np.interp(places, np.arange(audio.shape[1]), side) for side in audio]).astype(
        np.float32
    )


if __name__ == "__main__":
    main()
