import numpy as np
import pytest

from stemkit.review.findings import Finding, find_findings
from stemkit.review.masks import MOST_RANGES, join_ranges, keep_runs, to_ranges
from stemkit.review.voices import is_voice
from tests.review.sounds import (
    RATE,
    Sound,
    applaud,
    filter_noise,
    hum,
    play_chord,
    play_chords,
    play_hi_hat,
    play_snare,
    scan_sound,
    sing,
)

A, C, E, F, G = 220.0, 261.6, 329.6, 349.2, 392.0
INTRUDERS = {
    "hi-hat": ("cymbals", play_hi_hat(8)),
    "crash": ("cymbals", 0.3 * filter_noise(8, 5000, 15000, 5)),
    "section": ("horns", play_chords(8, (C, E, G), (C, F, A))),
    "lead": ("horns", play_chords(8, (A,), (C,), (E,))),
    "applause": ("crowd", applaud(8)),
    "roar": ("crowd", 0.2 * filter_noise(8, 200, 9000, 7)),
    "snare": ("fricatives", play_snare(8)),
    "hum": ("hollow", hum(8)),
}


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE))


def find(vocals: Sound, stem: str = "vocals") -> list[Finding]:
    return find_findings({stem: scan_sound(vocals)}, None)


@pytest.mark.parametrize(
    "seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (3, 4))]
)
def test_nothing_is_found_in_singing(seed: int) -> None:
    assert find(sing(20, seed)) == []


def test_nothing_is_found_in_singing_with_pauses() -> None:
    voice = [silence(3), sing(6, 1), silence(4), sing(5, 2), silence(8)]
    assert find(np.concatenate(voice)) == []


@pytest.mark.parametrize("name", INTRUDERS)
def test_what_is_no_voice_is_found_where_it_is(name: str) -> None:
    kind, sound = INTRUDERS[name]
    (found,) = find(np.concatenate([sing(8, 3), silence(3), sound, silence(3), sing(8, 4)]))
    start, end = 11, 11 + len(sound) / RATE
    assert (found.kind, found.stem) == (kind, "vocals")
    assert found.ranges[0][0] >= start - 1
    assert found.ranges[-1][1] <= end + 1
    assert found.seconds >= 0.5 * (end - start)


@pytest.mark.parametrize("name", INTRUDERS)
def test_other_stems_may_hold_what_they_like(name: str) -> None:
    assert find(INTRUDERS[name][1], "accompaniment") == []


@pytest.mark.parametrize("name", INTRUDERS)
@pytest.mark.parametrize("gain", [0.03, 1.0])
def test_how_loud_the_stem_is_does_not_matter(name: str, gain: float) -> None:
    kind, sound = INTRUDERS[name]
    assert [one.kind for one in find(gain * sound)] == [kind]


@pytest.mark.parametrize("name", INTRUDERS)
def test_what_is_far_beneath_the_voice_is_left_alone(name: str) -> None:
    assert find(np.concatenate([sing(8, 3), silence(2), 0.01 * INTRUDERS[name][1]])) == []


def test_a_straight_note_alone_is_no_horn() -> None:
    assert find(np.concatenate([sing(8, 5), play_chord(0.9, (A,)), sing(8, 6)])) == []


def test_a_splash_between_words_is_a_cymbal() -> None:
    splash = 0.1 * filter_noise(0.6, 6000, 15000, 8)
    (found,) = find(np.concatenate([sing(8, 5), splash, sing(8, 6)]))
    assert found.kind == "cymbals"
    ((start, end),) = found.ranges
    assert start == pytest.approx(7.75, abs=0.2)
    assert end == pytest.approx(8.85, abs=0.2)


def test_shouts_are_no_crowd() -> None:
    noise = applaud(8)
    beat = np.sin(2 * np.pi * 2 * np.arange(len(noise)) / RATE)
    assert "crowd" not in [one.kind for one in find(10 ** (0.4 * beat - 0.4) * noise)]


def test_clipping_is_found_in_every_stem() -> None:
    sound = 0.5 * np.sin(np.arange(10 * RATE) * 0.05)
    sound[4 * RATE : 5 * RATE] *= 4
    stems = {name: scan_sound(np.clip(sound, -1, 1)) for name in ("bass", "drums")}
    found = find_findings(stems, None)
    assert [(one.kind, one.stem) for one in found] == [("clipping", "bass"), ("clipping", "drums")]
    for one in found:
        ((start, end),) = one.ranges
        assert start == pytest.approx(3.75, abs=0.01)
        assert end == pytest.approx(5.25, abs=0.01)


@pytest.mark.parametrize("stem", ["vocals", "drums"])
def test_a_silent_stem_is_told_once(stem: str) -> None:
    (found,) = find(silence(3), stem)
    assert (found.kind, found.stem, found.ranges) == ("silence", stem, ())
    assert found.text == "It is silent from start to end."


def test_a_stem_is_nearly_silent_against_the_song() -> None:
    faint = scan_sound(0.03 * play_hi_hat(10))
    (found,) = find_findings({"vocals": faint}, scan_sound(play_chord(10, (A, C, E))))
    assert found.kind == "silence"
    assert "dB below the song" in found.text
    for mix in (None, faint):
        assert [one.kind for one in find_findings({"vocals": faint}, mix)] == ["cymbals"]


def test_a_stem_louder_than_the_song_is_found_where_it_is() -> None:
    tone = play_chord(12, (A, C, E))
    rise = np.where(
        (np.arange(len(tone)) // RATE >= 5) & (np.arange(len(tone)) // RATE < 8), 2, 0.8
    )
    stems = {"bass": scan_sound(rise * tone), "drums": scan_sound(0.5 * tone)}
    (found,) = find_findings(stems, scan_sound(tone))
    assert (found.kind, found.stem) == ("loud", "bass")
    assert "6 dB louder" in found.text
    ((start, end),) = found.ranges
    assert start == pytest.approx(5, abs=0.8)
    assert end == pytest.approx(8, abs=0.8)


def test_what_no_stem_has_is_found_where_it_is() -> None:
    tone = play_chord(12, (A, C, E))
    hole = np.concatenate([tone[: 5 * RATE], silence(3), tone[8 * RATE :]])
    stems = {"bass": scan_sound(0.7 * hole), "drums": scan_sound(0.7 * hole)}
    (found,) = find_findings(stems, scan_sound(tone))
    assert (found.kind, found.stem) == ("silence", "original")
    ((start, end),) = found.ranges
    assert start == pytest.approx(5, abs=0.5)
    assert end == pytest.approx(8, abs=0.5)
    assert find_findings({"bass": stems["bass"]}, scan_sound(tone)) == []


@pytest.mark.parametrize("frames", [1, 100, RATE // 2])
def test_short_stems_are_looked_at_too(frames: int) -> None:
    noise = 0.3 * filter_noise(1, 200, 15000, 0)[:frames]
    for one in find_findings({"vocals": scan_sound(noise), "drums": scan_sound(noise)}, None):
        assert all(0 <= start < end <= frames / RATE for start, end in one.ranges)


@pytest.mark.parametrize(
    "stem", ["vocals", "Vocals", "lead vocals", "song (vocals)", "01_voice", "No voice (vocals)"]
)
def test_voice_stems_are_known_by_their_names(stem: str) -> None:
    assert is_voice(stem)


@pytest.mark.parametrize(
    "stem", ["accompaniment", "drums", "no_vocals", "minus vocals", "devocalised", "", "invoice"]
)
def test_other_stems_are_known_too(stem: str) -> None:
    assert not is_voice(stem)


def test_ranges_are_padded_and_joined() -> None:
    runs = [(0.1, 0.2), (1.0, 1.1), (3.0, 4.0), (9.9, 10.0)]
    expected = [(0, 1.35), (2.75, 4.25), (9.5, 10)]
    np.testing.assert_allclose(join_ranges(runs, 10), expected)
    assert join_ranges([(0.0, 0.01)], 10) == ((0.0, 0.5),)
    assert join_ranges([(0.1, 0.11)], 0.3) == ((0.0, 0.3),)
    assert join_ranges([], 10) == ()


def test_the_longest_ranges_are_kept_in_order() -> None:
    runs = [(5.0 * number, 5.0 * number + number / 100) for number in range(80)]
    kept = join_ranges(runs, 1000)
    assert len(kept) == MOST_RANGES
    assert kept == join_ranges(runs[-MOST_RANGES:], 1000)


def test_runs_become_ranges() -> None:
    mask = np.zeros(100, bool)
    mask[10:20] = mask[50:53] = mask[98:] = True
    assert to_ranges(mask, 1.0, 100.0) == ((9.75, 20.25), (49.75, 53.25), (97.75, 100.0))
    assert np.flatnonzero(keep_runs(mask, 3, 5)).tolist() == [50, 51, 52]
