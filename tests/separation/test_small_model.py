"""The model in the box, on a real clip: whole against cut, and what it costs."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import stemkit
from stemkit.nn.resunet import ResUNet
from stemkit.samples import Samples
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from tests.separation.segmenting import cut

CLIP = Path(__file__).parents[2] / "examples" / "audio" / "word-war-vi.ogg"


@pytest.fixture(scope="module")
def song() -> Samples:
    """Return 60 s: the clip three times over."""
    audio, _ = soundfile.read(CLIP, dtype="float32", always_2d=True)
    return np.ascontiguousarray(np.tile(audio.T, 3)[:, : 60 * 44100])


@pytest.fixture(scope="module")
def network() -> ResUNet:
    loaded = stemkit.load_network("stemkit-small")
    assert isinstance(loaded, ResUNet)
    return loaded


@pytest.mark.slow
def test_segments_are_nearly_one_pass_and_cost_little_more(song: Samples, network: ResUNet) -> None:
    default = EngineOptions(device="cpu", precision="float32")
    whole = EngineOptions(device="cpu", precision="float32", segment_seconds=61)
    engine = Engine(network, default)
    found = engine.separate(song, 44100)["vocals"].astype(np.float64)
    expected = Engine(network, whole).separate(song, 44100)["vocals"].astype(np.float64)
    error = np.square(expected - found).sum()
    # It hears further than half of the 5 s that segments overlap; with 8 s it is above 60 dB.
    assert 10 * np.log10(np.square(expected).sum() / error) > 40
    computed = sum(segment.shape[1] for segment in cut(song, engine.plan))
    assert computed <= 1.35 * song.shape[1]


def test_it_hears_where_the_voice_is(song: Samples, network: ResUNet) -> None:
    """A man speaks over music for 17 s of the clip, and for its last 3 s there is only music."""
    stems = Engine(network).separate(song[:, : 20 * 44100], 44100)

    def share(stem: str, start: float, end: float) -> float:
        part = stems[stem][:, int(start * 44100) : int(end * 44100)]
        return float(np.square(part).mean())

    during = share("vocals", 0, 16.5) / share("accompaniment", 0, 16.5)
    after = share("vocals", 17.5, 20) / share("accompaniment", 17.5, 20)
    assert during > 4 * after


def test_four_stems_take_what_is_theirs() -> None:
    """Plucked low notes are the bass's, bursts of noise the drums', held chords the other's."""
    seconds, rate = 5, 44100
    now = np.arange(seconds * rate) / rate
    beat = now % 0.5
    rng = np.random.default_rng(0)
    drums = rng.standard_normal(len(now)) * np.exp(-beat * 40)
    bass = sum(np.sin(2 * np.pi * 55 * n * now) / n for n in range(1, 9)) * np.exp(-beat * 3)
    chord = sum(
        np.sin(2 * np.pi * hz * n * now) / n for hz in (262, 330, 392) for n in range(1, 12)
    )
    played = {"drums": drums, "bass": bass, "other": chord}
    engine = Engine(stemkit.load_network("stemkit-small-4"), EngineOptions(device="cpu"))
    assert engine.stems == ("vocals", "drums", "bass", "other")
    for name, sound in played.items():
        mix = np.tile((0.1 * sound / np.std(sound)).astype(np.float32), (2, 1))
        found = engine.separate(mix, rate)
        power = {stem: float(np.square(audio).mean()) for stem, audio in found.items()}
        assert max(power, key=power.__getitem__) == name, (name, power)
        assert power[name] > 0.5 * float(np.square(mix).mean()), (name, power)
