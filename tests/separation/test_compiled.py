"""A compiled network gives what the network gives, and is compiled once."""

import dataclasses
import logging
import shutil
import threading
from pathlib import Path

import pytest
import torch
from torch._inductor import config as inductor_config

from stemkit.errors import ArgumentTypeError, DeviceError, OptionError
from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.resunet import ResUNet
from stemkit.nn.winograd import LEAST_CHANNELS
from stemkit.separation.compiled import _fingerprint, compile_unet
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from tests.nn.seeded import fill, noise, snr_db

RATE = 44100
PLAIN = EngineOptions(device="cpu", precision="float32", segment_seconds=2, overlap_seconds=0.5)
NO_COMPILER = inductor_config.patch({"cpp.cxx": ("no such compiler",)})
COMPILED = dataclasses.replace(PLAIN, compiled=True)


def make_network() -> ResUNet:
    config = dataclasses.replace(
        ARCHITECTURES["stemkit-small"],
        n_fft=256,
        hop=64,
        stage_channels=(4, LEAST_CHANNELS),
        bottleneck_blocks=1,
        frequency_bottleneck=4,
    )
    network = ResUNet(config)
    fill(network, seed=0)
    return network.eval()


@pytest.mark.compiler
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
def test_a_compiled_network_is_kept_and_gives_what_the_network_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All in one test, since compiling takes long."""
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path))
    caplog.set_level(logging.WARNING)
    network = make_network()
    plain = Engine(network, PLAIN)
    Engine(network, COMPILED)
    assert [record.getMessage() for record in caplog.records if record.name == "stemkit"] == [
        "compiling the network for this machine, which is done once"
    ]
    with NO_COMPILER:
        engine = Engine(network, COMPILED, workers=2)
        assert engine._device.lanes == 1
    for frames in (1, 100, 64 * 2, 64 * 2 + 1, RATE, 5 * RATE):
        mix = noise(2, frames).numpy()
        wanted, found = plain.separate(mix, RATE), engine.separate(mix, RATE)
        for stem, audio in wanted.items():
            assert snr_db(torch.from_numpy(audio), torch.from_numpy(found[stem])) > 90
    segments = [noise(2, RATE, seed=seed).numpy() for seed in range(3)]
    batched = engine.with_options(dataclasses.replace(COMPILED, batch_size=3))
    expected = engine.predict(segments)
    for one, together in zip(expected, batched.predict(segments), strict=True):
        assert (one == together).all()
    results: dict[int, bool] = {}

    def predict(number: int) -> None:
        results[number] = bool((engine.predict(segments[:1])[0] == expected[0]).all())

    unet = engine.predictor._network.get_submodule("unet")
    config = network.config
    x = torch.ones(1, 2 * config.band_count, 4 * config.pooled_frames, config.unet_bins)
    x = x.contiguous(memory_format=torch.channels_last)

    def run(number: int) -> None:
        results[number] = all(torch.equal(unet(x), unet(x)) for _ in range(20))

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(3)]
    threads += [threading.Thread(target=predict, args=(n,), daemon=True) for n in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == dict.fromkeys(range(5), True)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_without_a_compiler_it_says_so(
    is_damaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path))
    network = make_network()
    package = tmp_path / "compiled" / f"{_fingerprint(network.unet, network.config)}.pt2"
    if is_damaged:
        package.parent.mkdir()
        package.write_bytes(b"not a package")
    refusal = pytest.raises(DeviceError, match=r"C\+\+ compiler.*leave --compile out")
    with NO_COMPILER, refusal as caught:
        compile_unet(network.unet, network.config)
    assert "\n" not in str(caught.value)
    assert package.exists() == is_damaged


def test_a_prepared_network_is_compiled_or_not() -> None:
    engine = Engine(make_network(), PLAIN)
    with pytest.raises(OptionError, match="compiled"):
        engine.with_options(COMPILED)
    with pytest.raises(ArgumentTypeError, match="compiled must be True or False"):
        EngineOptions(compiled=1)  # type: ignore[arg-type]
