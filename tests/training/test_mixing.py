"""Laws of the random mixes."""

import math
from pathlib import Path

import numpy as np
import pytest

from stemkit.samples import Samples
from stemkit.training import mixing as mixing_module
from stemkit.training.clips import ClipCache
from stemkit.training.material import open_material
from stemkit.training.mixing import Example, MixDataset
from stemkit.training.unsplit import UNSPLIT
from tests.training.making import (
    NETWORK,
    POOLS,
    RATE,
    SONGS,
    STEMS,
    make_config,
    make_noise,
    write_sound,
)

AS_RECORDED = """
[mixing]
normalize = false
mix_level_db = "as_is"
speed = [1, 1]
placement = false
paired = {paired}
[mixing.sources]
vocals = {{ gain_db = [0, 0], second = {second}, missing = 0, effects = 0 }}
accompaniment = {{ gain_db = [0, 0], second = {second}, missing = 0, effects = 0 }}
"""


def make_dataset(folder: Path, mixing: str = "", tables: str = POOLS, **keys: object) -> MixDataset:
    config = make_config(folder, NETWORK + mixing + tables, seed=5, **keys)
    return MixDataset(config, open_material(config, ClipCache(folder / "cache", RATE)))


def make_examples(dataset: MixDataset, count: int) -> list[Example]:
    return [dataset.make_example(np.random.default_rng(number)) for number in range(count)]


def measure_db(audio: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64))))


def test_an_example_is_the_same_whenever_it_is_asked_for(folder: Path) -> None:
    one, other = make_dataset(folder), make_dataset(folder)
    late = one[7]
    other[0]
    for first, second in zip(late, other[7], strict=True):
        np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
    assert not np.array_equal(np.asarray(late[0]), np.asarray(one[8][0]))


def test_shares_say_how_often_a_source_is_missing(folder: Path) -> None:
    never = make_dataset(folder, "[mixing.sources.vocals]\nmissing = 1\n")
    for example in make_examples(never, 5):
        assert not example.sources.any()
        assert example.mix.any()
    both = "[mixing.sources]\nvocals.missing = 0\naccompaniment.missing = 1\n"
    for example in make_examples(make_dataset(folder, both), 5):
        np.testing.assert_allclose(example.mix, example.sources[0], atol=1e-6)
    half = "[mixing.sources]\nvocals.missing = 0.5\naccompaniment.missing = 0.5\n"
    for example in make_examples(make_dataset(folder, half), 5):
        assert example.mix.any()


def test_levels_are_as_asked_and_nothing_clips(folder: Path) -> None:
    mixing = """[mixing]
        mix_level_db = [-20, -20]
        sources.vocals = { gain_db = [-6, -6], missing = 0 }
        sources.accompaniment = { missing = 0 }
    """
    dataset = make_dataset(folder, mixing)
    for example in make_examples(dataset, 8):
        vocals = example.sources[0]
        assert measure_db(example.mix) == pytest.approx(-20, abs=0.1)
        assert measure_db(vocals) - measure_db(example.mix - vocals) == pytest.approx(-6, abs=0.1)
        assert np.abs(example.mix).max() <= 1


@pytest.mark.parametrize("speed", [0.84, 1.19])
def test_bandwidth_follows_the_voice_and_its_speed(folder: Path, speed: float) -> None:
    dataset = make_dataset(folder, f"[mixing]\nspeed = [{speed}, {speed}]\n")
    (bandwidth_hz,) = make_examples(dataset, 1)[0].bandwidth_hz
    assert bandwidth_hz == pytest.approx(3000 * speed, abs=300)


def test_one_source_can_have_a_speed_of_its_own(folder: Path) -> None:
    mixing = "[mixing]\nspeed = [1, 1]\nsources.vocals.speed = [1.5, 1.5]\n"
    dataset = make_dataset(folder, mixing, sources='["vocals", "accompaniment"]')
    vocals_hz, band_hz = make_examples(dataset, 1)[0].bandwidth_hz
    assert vocals_hz == pytest.approx(4500, abs=450)
    assert band_hz == pytest.approx(20000, abs=300)


@pytest.mark.parametrize("second", [0, 1])
def test_the_papers_mixes_are_plain_sums_of_excerpts(folder: Path, second: int) -> None:
    mixing = AS_RECORDED.format(paired=0, second=second)
    dataset = make_dataset(folder, mixing, sources='["vocals", "accompaniment"]')
    for example in make_examples(dataset, 3):
        np.testing.assert_array_equal(example.mix, example.sources.sum(axis=0))
        for source, part in zip(example.sources, ("voice", "band"), strict=True):
            whole = dataset.material.parts[{"voice": "vocals"}.get(part, "accompaniment")]
            take = whole[0].takes[0]
            assert is_sum_of_excerpts(source, take.read(0, take.frames), 1 + second)


def is_sum_of_excerpts(heard: Samples, whole: Samples, count: int) -> bool:
    """Return whether `count` excerpts of `whole`, found by correlation, leave nothing of it."""
    rest = heard.astype(np.float64)
    size = whole.shape[1]
    for _ in range(count):
        spectra = np.fft.rfft(whole[0]) * np.conj(np.fft.rfft(rest[0], size))
        start = int(np.fft.irfft(spectra, size)[: size - rest.shape[1] + 1].argmax())
        rest -= whole[:, start : start + rest.shape[1]]
    return bool(np.abs(rest).max() < 1e-5)


def test_a_pair_is_the_song_as_it_is(folder: Path) -> None:
    mixing = AS_RECORDED.format(paired=1, second=0)
    dataset = make_dataset(folder, mixing, SONGS)
    songs = dataset.material.songs[0].songs
    wholes = [song.read(song.parts, 0, song.frames) for song in songs]
    for example in make_examples(dataset, 4):
        assert example.bandwidth_hz == (math.inf,)
        both = np.stack([example.sources[0], example.mix - example.sources[0]])
        assert any(
            is_sum_of_excerpts(both.reshape(4, -1), whole.reshape(4, -1), 1) for whole in wholes
        )


def test_shuffled_sources_come_from_several_songs(folder: Path) -> None:
    dataset = make_dataset(folder, AS_RECORDED.format(paired=0, second=0), SONGS)
    voices = [song.parts["vocals"] for song in dataset.material.songs[0].songs]
    bands = [song.parts["accompaniment"] for song in dataset.material.songs[0].songs]
    seen = set()
    for example in make_examples(dataset, 20):
        pair = (example.sources[0], example.mix - example.sources[0])
        seen.add(
            tuple(
                next(
                    n
                    for n, take in enumerate(takes)
                    if is_sum_of_excerpts(audio, take.read(0, take.frames), 1)
                )
                for audio, takes in zip(pair, (voices, bands), strict=True)
            )
        )
    assert seen == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_mastering_and_doubling_are_heard_where_they_should_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixing_module, "limit", lambda stems, rate, rng: stems * 0.5)
    monkeypatch.setattr(mixing_module, "encode", lambda mix, rate, rng: mix + 1)
    monkeypatch.setattr(mixing_module, "double", lambda voice, rate, rng: voice * 0)
    plain = AS_RECORDED.format(paired=0, second=0)
    keys = {"sources": '["vocals", "accompaniment"]'}

    def make(share: str) -> Example:
        mixing = plain.replace("[mixing]", f"[mixing]\n{share}")
        return make_examples(make_dataset(folder, mixing, **keys), 1)[0]

    before, limited, coded = make(""), make("limiter = 1"), make("codec = 1")
    np.testing.assert_allclose(limited.sources, before.sources * 0.5)
    np.testing.assert_allclose(limited.mix, before.mix * 0.5)
    np.testing.assert_array_equal(coded.sources, before.sources)
    np.testing.assert_allclose(coded.mix, before.mix + 1)
    doubled = make("doubling = 1").sources
    assert not doubled[0].any()
    assert doubled[1].any()


def test_one_source_alone_can_have_another_microphone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixing_module, "record", lambda audio, rate, rng: audio * 0)
    plain = AS_RECORDED.format(paired=0, second=0)
    keys = {"sources": '["vocals", "accompaniment"]'}
    changed = plain.replace("effects = 0 }", "effects = 0, microphone = 1 }", 1)
    before, after = (
        make_examples(make_dataset(folder, mixing, **keys), 1)[0] for mixing in (plain, changed)
    )
    assert before.sources.any(axis=(1, 2)).all()
    assert not after.sources[0].any()
    assert after.sources[1].any()


def test_all_of_it_for_real_gives_what_the_loss_takes(folder: Path) -> None:
    mixing = "[mixing]\nlimiter = 1\ncodec = 1\ndoubling = 1\n"
    dataset = make_dataset(folder, mixing, POOLS + SONGS, sources='["vocals", "drums"]')
    mix, sources, bandwidth_hz = dataset[0]
    frames = int(0.3 * RATE)
    assert (mix.shape, sources.shape, bandwidth_hz.shape) == ((2, frames), (2, 2, frames), (2,))
    assert {part.dtype for part in (mix, sources, bandwidth_hz)} == {mix.dtype}


SPLIT = """
[[pool]]
source = "drums"
folders = ["drums"]
[[pool]]
source = "bass"
folders = ["bass"]
"""


def make_split(folder: Path, unsplit: float, tables: str = "", **keys: object) -> MixDataset:
    for seed, stem in enumerate(("drums", "bass")):
        bottom, top = STEMS[stem]
        write_sound(folder / stem / "one.wav", make_noise(1, top, bottom, seed=seed))
    keys = {"sources": '["vocals", "drums", "bass"]'} | keys
    mixing = f"[mixing]\nunsplit = {unsplit}\n" + "".join(
        f"[mixing.sources.{name}]\nmissing = 0\n"
        for name in ("vocals", "drums", "bass", "accompaniment")
    )
    return make_dataset(folder, mixing, POOLS + SPLIT + tables, **keys)


def test_a_whole_accompaniment_is_in_place_of_what_it_is_made_of(folder: Path) -> None:
    examples = make_examples(make_split(folder, 0.5), 30)
    are_whole = [example.bandwidth_hz[2] == UNSPLIT for example in examples]
    assert 8 < sum(are_whole) < 22
    for example, is_whole in zip(examples, are_whole, strict=True):
        vocals, second, third = example.sources
        np.testing.assert_allclose(example.mix, vocals + second + third, atol=1e-6)
        assert third.any() is not is_whole
        power = np.square(np.abs(np.fft.rfft(second[0])))
        low = power[: int(4500 * len(second[0]) / RATE)].sum() / power.sum()
        assert bool(low > 0.02) is is_whole  # of the band; the drums begin at 6 kHz
        assert example.bandwidth_hz[1] > 15000


def test_what_no_source_names_is_no_part_of_a_whole_accompaniment(folder: Path) -> None:
    write_sound(folder / "crowd" / "one.wav", make_noise(1, 15000, 14000))
    crowd = '[[pool]]\nsource = "crowd"\nfolders = ["crowd"]\n'
    for example in make_examples(make_split(folder, 1, crowd), 5):
        assert np.abs(example.mix - example.sources.sum(axis=0)).max() > 0.001


@pytest.mark.parametrize("name", ["accompaniment", "mixture"])
def test_a_song_with_a_whole_accompaniment_is_taken_as_one(folder: Path, name: str) -> None:
    song = folder / "pairs" / "one"
    write_sound(song / "vocals.wav", make_noise(1, 3000, seed=4))
    write_sound(song / f"{name}.wav", make_noise(1, 9000, 3000, seed=5))
    pairs = '[[songs]]\nfolders = ["pairs"]\n'
    dataset = make_split(folder, 0.1, pairs)
    config = dataset.config.model_copy(
        update={"mixing": dataset.config.mixing.model_copy(update={"paired": 1})}
    )
    for example in make_examples(MixDataset(config, dataset.material), 3):
        assert example.bandwidth_hz[2] == UNSPLIT
        assert example.sources[1].any()
        np.testing.assert_allclose(example.mix, example.sources.sum(axis=0), atol=1e-6)
