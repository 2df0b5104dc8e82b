"""Laws of the random mixes."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.errors import TrainingError
from stemkit.samples import Samples
from stemkit.training.config import Mixing, Pool
from stemkit.training.mixing import MixDataset
from stemkit.training.pools import ClipPool, measure_bandwidth, open_pool

RATE = 44100


def noise(seconds: float, top_hz: float, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    frames = int(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal((2, frames)))
    spectrum[:, int(top_hz * frames / RATE) :] = 0
    signal = np.fft.irfft(spectrum, frames)
    return np.asarray(0.3 * signal / np.abs(signal).max(), dtype=np.float32)


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipPool, ClipPool]:
    folder = tmp_path_factory.mktemp("pools")
    for kind, top_hz, seed in (("voice", 8000, 1), ("band", 20000, 2)):
        (folder / kind).mkdir()
        soundfile.write(folder / kind / "one.wav", noise(4, top_hz, seed).T, RATE)
    return (
        open_pool(Pool(folders=[folder / "voice"]), RATE, folder / "cache"),
        open_pool(Pool(folders=[folder / "band"]), RATE, folder / "cache"),
    )


def make_dataset(pools: tuple[ClipPool, ClipPool], **mixing: object) -> MixDataset:
    return MixDataset([pools[0]], [pools[1]], Mixing.model_validate(mixing), RATE, RATE, seed=5)


def test_an_example_is_the_same_whenever_it_is_asked_for(
    pools: tuple[ClipPool, ClipPool],
) -> None:
    one, other = make_dataset(pools), make_dataset(pools)
    late = one[7]
    other[0]
    for first, second in zip(late, other[7], strict=True):
        np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
    assert not np.array_equal(np.asarray(late[0]), np.asarray(one[8][0]))


def test_shares_say_how_often_a_source_is_missing(pools: tuple[ClipPool, ClipPool]) -> None:
    never = make_dataset(pools, no_vocals=1)
    always = make_dataset(pools, no_vocals=0, no_accompaniment=1)
    for number in range(5):
        assert not never[number][1].any()
        assert never[number][0].any()
        mix, vocals, _ = always[number]
        np.testing.assert_allclose(mix, vocals, atol=1e-6)


def test_levels_are_as_asked_and_nothing_clips(pools: tuple[ClipPool, ClipPool]) -> None:
    dataset = make_dataset(
        pools, vocal_gain_db=(-6, -6), mix_level_db=(-20, -20), no_vocals=0, no_accompaniment=0
    )
    for number in range(8):
        mix, vocals, _ = (np.asarray(part) for part in dataset[number])
        music = mix - vocals
        assert 20 * np.log10(np.sqrt(np.mean(mix**2))) == pytest.approx(-20, abs=0.1)
        ratio = np.mean(vocals**2) / np.mean(music**2)
        assert 10 * np.log10(ratio) == pytest.approx(-6, abs=0.1)
        assert np.abs(mix).max() <= 1


def test_bandwidth_follows_the_voice_and_its_speed(pools: tuple[ClipPool, ClipPool]) -> None:
    assert measure_bandwidth(noise(2, 8000), RATE) == pytest.approx(8000, abs=300)
    assert measure_bandwidth(noise(2, 20000), RATE) == pytest.approx(20000, abs=300)
    for speed in (0.84, 1.19):
        bandwidth_hz = make_dataset(pools, speed=(speed, speed))[0][2]
        assert bandwidth_hz == pytest.approx(8000 * speed, rel=0.04)


def test_files_that_are_excluded_are_not_drawn(tmp_path: Path) -> None:
    for name in ("keep-1.wav", "drop-1.wav"):
        soundfile.write(tmp_path / name, noise(1, 5000).T, RATE)
    pool = open_pool(Pool(folders=[tmp_path], exclude=["drop-*"]), RATE, tmp_path / "cache")
    assert len(pool.clips) == 1


@pytest.mark.parametrize("make", [False, True])
def test_a_pool_without_audio_is_an_error(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "pool"
    if make:
        folder.mkdir()
    with pytest.raises(TrainingError, match="pool"):
        open_pool(Pool(folders=[folder]), RATE, tmp_path / "cache")
