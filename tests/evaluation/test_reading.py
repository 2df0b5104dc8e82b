"""Sounds of one song are made alike, and what can't be is told."""

from pathlib import Path

import numpy as np
import pytest

from stemkit.errors import AudioError
from stemkit.evaluation.reading import complete, fit, read_estimates, read_references, read_sound
from stemkit.evaluation.songs import MIX, Sound, find_songs
from tests.evaluation.making import RATE, make_noise, write_song, write_sound


def test_what_is_missing_is_made() -> None:
    parts = {name: make_noise(seed) for seed, name in enumerate(("vocals", "drums", "bass"))}
    other, mix = make_noise(3), make_noise(4)
    band = parts["drums"] + parts["bass"]
    np.testing.assert_allclose(complete(parts)[MIX], band + parts["vocals"], atol=1e-6)
    np.testing.assert_allclose(complete(parts)["accompaniment"], band, atol=1e-6)
    # MUSDB18's mix isn't the sum of its stems, and its accompaniment is.
    found = complete(parts | {"other": other, MIX: mix})
    np.testing.assert_allclose(found["accompaniment"], band + other, atol=1e-6)
    np.testing.assert_array_equal(found[MIX], mix)
    found = complete({"vocals": other, MIX: mix})
    np.testing.assert_array_equal(found["accompaniment"], mix - other)
    found = complete({"accompaniment": other, MIX: mix})
    np.testing.assert_array_equal(found["vocals"], mix - other)
    assert complete({"vocals": other}).keys() == {"vocals"}


def test_the_mix_has_nothing_twice_and_lacks_nothing() -> None:
    vocals, drums, bass, other = (make_noise(seed) for seed in range(4))
    band = drums + bass + other
    both = {"vocals": vocals, "accompaniment": band}
    for stems in (
        both,
        both | {"drums": drums},
        both | {"drums": drums, "bass": bass, "other": other},
        {"vocals": vocals, "drums": drums, "bass": bass, "other": other},
    ):
        np.testing.assert_allclose(complete(stems)[MIX], vocals + band, atol=1e-6)
    speech = {"accompaniment": band, "speech": vocals}
    np.testing.assert_allclose(complete(speech)[MIX], vocals + band, atol=1e-6)
    parts = {"accompaniment": band, "drums": drums, "bass": bass}
    assert complete(parts).keys() == parts.keys()
    found = complete(parts | {"other": other})
    np.testing.assert_allclose(found[MIX], band, atol=1e-6)


@pytest.mark.parametrize("more", [-RATE // 2, -1, 0, 1, RATE // 2])
def test_lengths_are_made_alike_as_museval_does(more: int) -> None:
    sound, notes = make_noise(0, RATE + more), list[str]()
    found = fit(sound, (1, RATE), RATE, "vocals", notes)
    wanted = np.zeros((1, RATE), np.float32)
    wanted[:, : RATE + more] = sound[:, :RATE]
    np.testing.assert_array_equal(found, wanted)
    assert len(notes) == bool(more)
    with pytest.raises(AudioError, match="can't be of one song"):
        fit(make_noise(0, 2 * RATE), (1, RATE), RATE, "vocals", notes)


def test_estimates_of_another_kind(tmp_path: Path) -> None:
    """Mono, another rate and a recorded gain cost nothing but a line."""
    rate = 44100
    seconds = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * seconds))[None].astype(np.float32)
    write_sound(tmp_path / "refs" / "vocals.wav", np.repeat(tone, 2, axis=0), rate)
    write_sound(tmp_path / "refs" / "drums.wav", np.repeat(0.1 * tone, 2, axis=0), rate)
    at_48k = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    write_sound(tmp_path / "ests" / "vocals.wav", at_48k[None].astype(np.float32), 48000)
    write_sound(tmp_path / "ests" / "guitar.wav", tone, rate)
    (reference,), (estimate,) = (find_songs(tmp_path / name)[0] for name in ("refs", "ests"))
    references = read_references(reference)
    found = read_estimates(estimate, references)
    assert found.stems.keys() == {"vocals"}
    inner = slice(1000, -1000)
    np.testing.assert_allclose(found.stems["vocals"][:, inner], np.tile(tone, (2, 1))[:, inner],
                               atol=1e-4)  # fmt: skip
    assert found.notes == [
        "guitar has no reference; left out",
        "vocals was resampled from 48000 Hz to 44100 Hz",
        "vocals is mono; taken for all 2 channels",
    ]
    half = read_sound(Sound(tmp_path / "refs" / "vocals.wav", None, -6.0206))[0]
    np.testing.assert_allclose(half[:1], 2 * tone, atol=1e-4)


def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    sound = make_noise(0)
    sound[0, 7] = np.nan
    write_sound(tmp_path / "nan" / "vocals.wav", sound)
    with pytest.raises(AudioError, match=r"'vocals.wav' has NaN or infinity at frame 7"):
        read_sound(Sound(tmp_path / "nan" / "vocals.wav"))
    write_song(tmp_path / "refs" / "song")
    write_sound(tmp_path / "refs" / "song" / "drums.wav", make_noise(5), 44100)
    (song,), _ = find_songs(tmp_path / "refs")
    with pytest.raises(AudioError, match="several rates: 8000, 44100 Hz"):
        read_references(song)
    write_sound(tmp_path / "refs" / "song" / "drums.wav", make_noise(5, channels=2))
    write_sound(tmp_path / "refs" / "song" / "bass.wav", make_noise(5, channels=3))
    (song,), _ = find_songs(tmp_path / "refs")
    with pytest.raises(AudioError, match="drums has 2 channels, not 3"):
        read_references(song)
