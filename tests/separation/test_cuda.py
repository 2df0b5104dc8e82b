"""What a CPU and its stand-ins can't show: a GPU gives the same stems, whatever its precision."""

import numpy as np
import pytest
import torch

from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.resunet import ResUNet
from stemkit.samples import Samples
from stemkit.separation.engine import Engine
from stemkit.separation.options import DeviceName, EngineOptions, Precision
from tests.nn.seeded import fill

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


def open_engine(architecture: str, device: DeviceName, precision: Precision) -> Engine:
    network = ResUNet(ARCHITECTURES[architecture])
    fill(network, seed=3)
    options = EngineOptions(
        device=device, precision=precision, segment_seconds=4, overlap_seconds=1, batch_size=2
    )
    return Engine(network, options)


def measure_snr_db(expected: Samples, found: Samples) -> float:
    error = np.square(expected.astype(np.float64) - found).sum()
    return float(10 * np.log10(np.square(expected.astype(np.float64)).sum() / error))


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize(
    ("precision", "least_db"), [("float32", 90), ("float16", 40), ("auto", 30)]
)
def test_a_gpu_gives_the_stems_of_a_cpu(
    architecture: str, precision: Precision, least_db: float
) -> None:
    reference = open_engine(architecture, "cpu", "float32")
    rng = np.random.default_rng(0)  # of whole segments, since a GPU pads shorter ones
    segments = [
        (0.1 * rng.standard_normal((2, reference.plan.segment_frames))).astype(np.float32)
        for _ in range(3)
    ]
    expected = reference.predict(segments)
    found = open_engine(architecture, "cuda", precision).predict(segments)
    assert min(map(measure_snr_db, expected, found)) > least_db
