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
from stemkit.separation.segments import cut

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
