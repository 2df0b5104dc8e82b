import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.audio.resample import resample
from stemkit.errors import AudioError, OptionError
from stemkit.samples import Samples
from stemkit.study.conditions import (
    GRADED,
    Example,
    StudyOptions,
    list_conditions,
)
from stemkit.study.material import (
    Excerpts,
    cut_active,
    find_material,
    measure_active_power,
    read_sound,
)
from tests.study.making import RATE, build_conditions, make_material, make_sound

TWO_SHORT = StudyOptions(songs=2, seconds=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_material(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def examples(folder: Path) -> list[Example]:
    return list(build_conditions(find_material(folder), TWO_SHORT))


def build(folder: Path, options: StudyOptions = TWO_SHORT) -> dict[tuple[str, int], Example]:
    found = build_conditions(find_material(folder), options)
    return {(one.condition.name, one.number): one for one in found}


def level_db(audio: Samples) -> float:
    """Return the level of noise that never pauses."""
    return float(10 * np.log10(np.square(audio, dtype=np.float64).mean()))


def test_each_condition_has_every_number_once(examples: list[Example], folder: Path) -> None:
    conditions, left_out = list_conditions(find_material(folder))
    assert not left_out
    assert [one.name for one in conditions[: len(GRADED)]] == [one.name for one in GRADED]
    assert [(one.condition.name, one.number) for one in examples] == [
        (one.name, number) for number in (0, 1) for one in conditions
    ]


def test_parts_have_the_levels_that_the_condition_states(examples: list[Example]) -> None:
    for one in examples:
        reference = one.condition.parts
        levels = {part: level_db(audio) - reference[part] for part, audio in one.parts.items()}
        assert levels.keys() == reference.keys()
        assert np.ptp(list(levels.values())) < 0.1, (one.condition.name, levels)


@pytest.mark.parametrize("horn_db", [0, -6, -12])
def test_a_horn_is_graded_against_the_voice(horn_db: int, examples: list[Example]) -> None:
    one = next(e for e in examples if e.condition.name == f"horn{horn_db:+d}db")
    measured = level_db(one.background["horn"]) - level_db(one.voices["singing"])
    assert measured == pytest.approx(horn_db, abs=0.05)


@pytest.mark.parametrize("snr_db", [20, 10, 5, 0, -5])
def test_speech_in_noise_has_its_ratio(snr_db: int, examples: list[Example]) -> None:
    one = next(e for e in examples if e.condition.name == f"speech-noise{snr_db:+d}db")
    assert level_db(one.voice) - level_db(one.accompaniment) == pytest.approx(snr_db, abs=0.05)


def test_pauses_do_not_count_for_the_level() -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, (2, RATE * 2)).astype(np.float32)
    paused = sound.copy()
    paused[:, : RATE // 2] = 0
    paused[:, RATE : RATE * 3 // 2] *= 0.01
    heard = np.concatenate([sound[:, RATE // 2 : RATE], sound[:, RATE * 3 // 2 :]], axis=1)
    assert measure_active_power(paused) == pytest.approx(float(np.square(heard).mean()), rel=1e-3)
    assert measure_active_power(np.zeros((2, RATE), np.float32)) == 0


def test_the_mix_is_the_sum_of_its_parts_and_does_not_clip(examples: list[Example]) -> None:
    for one in examples:
        total = np.sum(list(one.parts.values()), axis=0)
        assert one.mix.dtype == np.float32
        assert one.mix.shape == (2, RATE)
        assert np.abs(one.mix).max() <= 0.9001
        np.testing.assert_allclose(one.mix, total, atol=1e-6)
        np.testing.assert_allclose(one.mix, one.voice + one.accompaniment, atol=1e-6)


def test_a_loud_peak_is_turned_down(tmp_path: Path) -> None:
    make_material(tmp_path, ("singing", "band"))
    click = make_sound("band", 2, 0)
    click[::4000] = 1.0
    for path in (tmp_path / "band").iterdir():
        soundfile.write(path, click * 0.9, RATE)
    peaks = [np.abs(one.mix).max() for one in build(tmp_path).values()]
    assert max(peaks) == pytest.approx(0.9, abs=1e-3)


def test_only_voices_are_voices(examples: list[Example]) -> None:
    voices = {part for one in examples for part in one.voices}
    background = {part for one in examples for part in one.background}
    assert voices == {"singing", "choir", "speech", "speech-2"}
    assert background == {"band", "horn", "cymbals", "noise", "crowd", "drums"}


def test_the_same_seed_gives_the_same_samples(examples: list[Example], folder: Path) -> None:
    more = build(folder, StudyOptions(songs=3, seconds=1))
    for one in examples:
        again = more[one.condition.name, one.number]
        np.testing.assert_array_equal(one.mix, again.mix)
    other = build(folder, StudyOptions(songs=1, seconds=1, seed=2))
    assert not np.array_equal(other["band", 0].mix, more["band", 0].mix)
    assert not np.array_equal(more["band", 0].mix, more["band", 1].mix)


def test_conditions_share_their_singer_and_band(examples: list[Example]) -> None:
    first = {one.condition.name: one for one in examples if one.number == 0}
    for name in ("horn-6db", "cymbals+0db", "live", "a-cappella"):
        ours, theirs = first["band"].voices["singing"], first[name].voices["singing"]
        ratio = np.sqrt(np.square(theirs).mean() / np.square(ours).mean())
        np.testing.assert_allclose(theirs, ours * ratio, atol=1e-5)


def test_two_speakers_are_of_two_files(folder: Path) -> None:
    one = build(folder)["two-speakers", 0]
    first, second = (audio[0].astype(np.float64) for audio in one.voices.values())
    peak = np.abs(np.fft.irfft(np.fft.rfft(first) * np.fft.rfft(second).conj())).max()
    assert peak < 0.2 * np.sqrt((first @ first) * (second @ second))


def test_the_second_speaker_is_never_the_first(tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    for hz in (300, 500):
        tone = 0.1 * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE)
        soundfile.write(tmp_path / "speech" / f"{hz}.wav", tone, RATE)
    (tmp_path / "speech" / "400.wav").write_bytes(b"RIFF")
    found = build(tmp_path, StudyOptions(songs=3, seconds=1))
    for number in range(3):
        voices = found["two-speakers", number].voices.values()
        assert {np.abs(np.fft.rfft(audio[0])).argmax() for audio in voices} == {300, 500}
    (tmp_path / "speech" / "300.wav").unlink()
    assert build(tmp_path).keys() == {("alone-speech", 0), ("alone-speech", 1)}


def test_a_missing_kind_leaves_out_its_conditions(tmp_path: Path) -> None:
    material = find_material(make_material(tmp_path, ("singing", "band", "speech")))
    conditions, left_out = list_conditions(material)
    assert left_out["horn+0db"] == "horn"
    assert left_out["choir-band"] == "choir"
    made = {one.name for one in conditions}
    assert {"band", "a-cappella", "two-speakers", "with-speech"} <= made
    assert {one.condition.name for one in build_conditions(material, TWO_SHORT)} == made


def test_a_file_that_cannot_be_used_gives_way_to_another(tmp_path: Path) -> None:
    make_material(tmp_path, ("horn",))
    (tmp_path / "horn" / "0.wav").write_bytes(b"RIFF, and then nothing of the kind")
    soundfile.write(tmp_path / "horn" / "2.wav", np.zeros(RATE), RATE)
    (tmp_path / "horn" / "README.txt").write_text("not a sound")
    (tmp_path / "horn" / ".hidden.wav").write_bytes(b"")
    (tmp_path / "notes").mkdir()
    (tmp_path / "SOURCES.md").write_text("where it comes from")
    material = find_material(tmp_path)
    assert material.kinds == ("horn",)
    excerpts = Excerpts(material, 1, 1)
    drawn = [sound for number in range(4) for sound in excerpts.draw("horn", number)]
    assert [sound.shape for sound in drawn] == 4 * [(2, RATE)]
    assert {path.name for path in excerpts.faults} == {"0.wav", "2.wav"}
    assert all(len(reason.splitlines()) == 1 for reason in excerpts.faults.values())


@pytest.mark.parametrize("frames", [2, RATE])
def test_a_click_gives_way_to_another_file(frames: int, tmp_path: Path) -> None:
    click = np.zeros(frames)
    click[0] = 0.9  # and fades to nothing where it is repeated
    soundfile.write(make_material(tmp_path, ("horn",)) / "horn" / "click.wav", click, RATE)
    excerpts = Excerpts(find_material(tmp_path), 1.5, 1)
    drawn = [next(excerpts.draw("horn", number)) for number in range(3)]
    assert all(measure_active_power(sound) for sound in drawn)
    said = "'click.wav' holds too little sound; remove it"
    assert excerpts.faults == {tmp_path / "horn" / "click.wav": said}


def test_linked_folders_are_material_once(tmp_path: Path) -> None:
    sounds = make_material(tmp_path / "elsewhere", ("choir", "horn"))
    (sounds / "choir" / "again").symlink_to(sounds / "choir")
    (sounds / "choir" / "gone.wav").symlink_to(sounds / "none.wav")
    os.mkfifo(sounds / "choir" / "pipe.wav")
    kind = tmp_path / "material" / "choir"
    kind.mkdir(parents=True)
    (kind / "album").symlink_to(sounds / "choir")
    (kind / "top").symlink_to(kind)
    (kind / "solo.wav").symlink_to(sounds / "horn" / "0.wav")
    found = find_material(tmp_path / "material").files
    assert found == {
        "choir": (kind / "album" / "0.wav", kind / "album" / "1.wav", kind / "solo.wav")
    }


def test_no_usable_file_is_no_excerpt(tmp_path: Path) -> None:
    (tmp_path / "horn").mkdir()
    (tmp_path / "horn" / "0.wav").write_bytes(b"RIFF")
    assert not list(Excerpts(find_material(tmp_path), 1, 1).draw("horn", 0))


def test_material_of_any_rate_and_channels_is_brought_to_one(tmp_path: Path) -> None:
    (tmp_path / "horn").mkdir()
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(3 * 16000) / 16000)
    soundfile.write(tmp_path / "horn" / "mono.flac", tone, 16000)
    (drawn,) = Excerpts(find_material(tmp_path), 1, 1).draw("horn", 0)
    assert np.array_equal(drawn[0], drawn[1])
    loudest_hz = np.abs(np.fft.rfft(drawn[0] * np.hanning(RATE))).argmax()
    assert loudest_hz == 440


def test_a_long_file_takes_little_more_than_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 300
    monkeypatch.setattr("stemkit.study.material._LONGEST_SECONDS", seconds)
    sound = np.tile(make_sound("horn", 1, 0), (seconds, 1))
    soundfile.write(tmp_path / "long.wav", sound, RATE, "PCM_16")
    tracemalloc.start()
    try:
        audio = read_sound(tmp_path / "long.wav")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert audio.shape == (2, seconds * RATE)
    assert peak_bytes < 1.8 * audio.nbytes


@pytest.mark.parametrize("rate", [16000, RATE])
def test_a_file_is_read_as_if_at_once(rate: int, tmp_path: Path) -> None:
    sound = make_sound("horn", 4, 0)
    soundfile.write(tmp_path / "horn.wav", sound, rate, "FLOAT")
    expected = resample(sound.T.astype(np.float32), rate, RATE)
    np.testing.assert_array_equal(read_sound(tmp_path / "horn.wav"), expected)


def test_what_is_no_number_is_no_sound(tmp_path: Path) -> None:
    sound = make_sound("horn", 4, 0)
    sound[-1] = np.nan
    soundfile.write(tmp_path / "horn.wav", sound, RATE, "FLOAT")
    with pytest.raises(AudioError, match="holds NaN"):
        read_sound(tmp_path / "horn.wav")


@pytest.mark.parametrize("seconds", [59.9, 60, 61])
def test_power_is_that_of_all_frames_however_long(seconds: float) -> None:
    sound = make_sound("horn", seconds, 0).T.astype(np.float32)
    sound[:, -RATE // 2 :] *= 10
    assert measure_active_power(sound) == pytest.approx(np.square(sound).mean(), rel=1e-3)


@pytest.mark.parametrize("frames", [1, RATE - 1, RATE, RATE + 1])
def test_an_excerpt_has_its_length_and_sounds(frames: int) -> None:
    rng = np.random.default_rng(1)
    sound = np.zeros((2, RATE * 8), np.float32)
    sound[:, RATE * 5 : RATE * 7] = 0.1
    for _ in range(20):
        excerpt = cut_active(sound, frames, rng)
        assert excerpt.shape == (2, frames)
        assert np.count_nonzero(excerpt[0]) >= 0.4 * frames


def test_an_excerpt_holds_the_one_thing_there_is() -> None:
    sound = np.zeros((2, RATE * 3), np.float32)
    sound[:, RATE // 20 * 25 + RATE // 20 - 1] = 0.5  # at the end of 50 ms
    frames = round(1.01 * RATE)
    excerpts = [cut_active(sound, frames, np.random.default_rng(seed)) for seed in range(300)]
    assert all(excerpt.any() for excerpt in excerpts)


def test_what_is_short_is_repeated() -> None:
    sound = np.tile(np.linspace(0.1, 0.2, RATE // 4, dtype=np.float32), (2, 1))
    excerpt = cut_active(sound, RATE, np.random.default_rng(0))
    assert excerpt.shape == (2, RATE)
    assert np.abs(np.diff(excerpt)).max() < 0.001  # no click where it begins again
    assert np.square(excerpt).mean() == pytest.approx(np.square(sound).mean(), rel=0.1)


def test_an_empty_folder_and_impossible_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no material in"):
        find_material(tmp_path)
    with pytest.raises(OptionError, match="0 songs"):
        StudyOptions(songs=0)
