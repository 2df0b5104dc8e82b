"""What goes in comes out: lengths, rates, channels, sums, and nothing late."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from stemkit.errors import DeviceError, NonFiniteError, OptionError
from stemkit.nn.blocks import ResidualBlock
from stemkit.nn.fused import FusedBlock
from stemkit.nn.resunet import ResUNet
from stemkit.samples import Samples
from stemkit.separation.engine import Engine, StemStream
from stemkit.separation.options import EngineOptions, Precision
from stemkit.weights.models import Bag
from tests.nn.seeded import fill
from tests.separation.networks import TINY, Scaled, make_scaled, make_tiny

SHORT = EngineOptions(device="cpu", precision="float32", segment_seconds=0.5, overlap_seconds=0.1)


def music(frames: int, channels: int = 2, rate: int = 44100, seed: int = 0) -> Samples:
    """Return band-limited noise, different in each channel, that starts and ends at once."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((channels, max(frames, 64))))
    spectrum[:, int(spectrum.shape[1] * 0.8 * min(1, 44100 / rate)) :] = 0
    signal = np.fft.irfft(spectrum, max(frames, 64))[:, :frames]
    return (signal / 20).astype(np.float32)


def snr_db(reference: Samples, estimate: Samples) -> float:
    error = np.square(reference.astype(np.float64) - estimate).sum()
    return float(10 * np.log10(np.square(reference.astype(np.float64)).sum() / max(error, 1e-30)))


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("rate", [8000, 44100, 48000, 192000])
@pytest.mark.parametrize("frames", [0, 1, 2, 1000, 22051])
def test_stems_have_the_shape_of_the_song(channels: int, rate: int, frames: int) -> None:
    stems = Engine(make_scaled("vocals"), SHORT).separate(music(frames, channels, rate), rate)
    assert list(stems) == ["vocals", "accompaniment"]
    for stem in stems.values():
        assert stem.shape == (channels, frames)
        assert stem.dtype == np.float32


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 192000])
def test_a_network_that_changes_nothing_gives_the_song_without_lag(rate: int) -> None:
    mix = music(rate * 2 + 17, 2, rate)
    vocals = Engine(make_scaled("vocals"), SHORT).separate(mix, rate)["vocals"]
    inner = slice(rate // 10, -rate // 10)  # a resampler rings where a sound starts at once
    assert snr_db(mix[:, inner], vocals[:, inner]) > 80
    assert snr_db(mix, vocals) > 30


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("stems", [("vocals", "accompaniment"), ("vocals", "residual")])
def test_stems_sum_to_the_mix(channels: int, stems: tuple[str, str]) -> None:
    mix = music(60_001, channels, 48000)
    engine = Engine(make_tiny(), dataclasses.replace(SHORT, stems=stems))
    found = engine.separate(mix, 48000)
    assert np.abs(found["vocals"]).max() > 1e-3
    np.testing.assert_allclose(sum(found.values()), mix, atol=1e-6)


@pytest.mark.parametrize(
    "stems", ["accompaniment residual", "residual drums accompaniment", "drums vocals residual"]
)
def test_a_residual_is_what_all_others_lack_of_the_mix(stems: str) -> None:
    mix = music(20_000)
    options = dataclasses.replace(SHORT, stems=tuple(stems.split()))
    found = Engine(make_tiny(("vocals", "drums", "bass")), options).separate(mix, 44100)
    assert np.abs(found["residual"]).max() > 1e-3
    np.testing.assert_allclose(sum(found.values()), mix, atol=1e-6)


@pytest.mark.parametrize("block", [64, 1000, 22050, 30000])
def test_blocks_of_any_size_give_the_same_stems(block: int) -> None:
    mix = music(60_000, 2, 48000)
    engine = Engine(make_tiny(), SHORT)
    blocks = (mix[:, i : i + block] for i in range(0, mix.shape[1], block))
    parts = list(engine.separate_blocks(blocks, 48000))
    streamed = np.concatenate([part["vocals"] for part in parts], axis=1)
    np.testing.assert_allclose(streamed, engine.separate(mix, 48000)["vocals"], atol=1e-6)


def test_memory_is_bounded_by_the_segment() -> None:
    """Stems of a long song begin to come once some segments are in, and keep coming."""
    engine = Engine(make_scaled("vocals"), SHORT)
    segments = engine.steps_of_a_song + 1
    fed = 0
    behind = []

    def feed() -> object:
        nonlocal fed
        for _ in range(200):
            fed += 4410
            yield music(4410)

    given = 0
    for stems in engine.separate_blocks(feed(), 44100):  # type: ignore[arg-type]
        given += stems["vocals"].shape[1]
        behind.append(fed - given)
    assert given == fed
    assert max(behind) <= segments * engine.plan.segment_frames + 4410


def test_a_stream_holds_back_no_more_than_a_segment_and_a_block() -> None:
    engine = Engine(make_scaled("vocals"), SHORT).live()
    stream = StemStream(engine, 44100, 2)
    fed = given = 0
    for _ in range(200):
        fed += 4410
        given += sum(stems["vocals"].shape[1] for stems in stream.push(music(4410)))
        assert fed - given <= engine.plan.segment_frames + 4410
    assert given + sum(stems["vocals"].shape[1] for stems in stream.flush()) == fed


def test_a_mono_song_is_heard_on_both_sides() -> None:
    mix = music(30_000, 1)
    engine = Engine(make_tiny(), SHORT)
    stereo = engine.separate(np.concatenate((mix, mix)), 44100)["vocals"]
    mono = engine.separate(mix, 44100)["vocals"]
    np.testing.assert_allclose(mono[0], stereo.mean(axis=0), atol=1e-6)


def test_channel_pairs_are_independent() -> None:
    mix = music(30_000, 5)
    engine = Engine(make_tiny(), SHORT)
    together = engine.separate(mix, 44100)["vocals"]
    for first, end in pairwise((0, 2, 4, 5)):
        alone = engine.separate(mix[first:end], 44100)["vocals"]
        np.testing.assert_allclose(together[first:end], alone, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_a_batch_changes_nothing(batch_size: int) -> None:
    mix = music(100_000)
    options = dataclasses.replace(SHORT, batch_size=batch_size)
    found = Engine(make_tiny(), options).separate(mix, 44100)["vocals"]
    np.testing.assert_allclose(
        found, Engine(make_tiny(), SHORT).separate(mix, 44100)["vocals"], atol=1e-5
    )


def test_batches_are_as_big_as_asked() -> None:
    network = make_scaled("vocals")
    engine = Engine(network, dataclasses.replace(SHORT, batch_size=3))
    ready = engine.predictor._network  # a copy of `network`
    assert isinstance(ready, Scaled)
    engine.separate(music(150_000), 44100)
    segment = engine.plan.segment_frames
    assert (3, 2, segment) in ready.shapes
    assert all(shape[0] <= 3 for shape in ready.shapes)


def test_the_same_song_twice_gives_the_same_bits() -> None:
    mix = music(60_000)
    first, second = (Engine(make_tiny(), SHORT).separate(mix, 44100)["vocals"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_silence_and_a_constant_stay_finite(level: float) -> None:
    stems = Engine(make_tiny(), SHORT).separate(np.full((2, 50_000), level, np.float32), 44100)
    for stem in stems.values():
        assert np.isfinite(stem).all()
        if level == 0:
            assert not stem.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_with_their_place(bad: float) -> None:
    mix = music(44100)
    mix[1, 22050] = bad
    with pytest.raises(NonFiniteError, match=r"0\.500 s \(frame 22050\)"):
        Engine(make_scaled("vocals"), SHORT).separate(mix, 44100)


def test_four_sources_come_out_in_their_places() -> None:
    mix = music(30_000)
    names = ("vocals", "drums", "bass", "other")
    stems = Engine(make_scaled(*names), SHORT).separate(mix, 44100)
    assert tuple(stems) == names
    for gain, stem in enumerate(stems.values(), start=1):
        np.testing.assert_allclose(stem, mix * gain, atol=1e-5)


@pytest.mark.parametrize(
    ("sources", "wanted", "gains"),
    [
        (("vocals",), None, {"vocals": 1, "accompaniment": 0}),
        (("accompaniment",), None, {"accompaniment": 1, "vocals": 0}),
        (("vocals", "accompaniment"), None, {"vocals": 1, "accompaniment": 2}),
        (("vocals", "drums"), ("accompaniment",), {"accompaniment": 0}),
        (("vocals", "drums"), ("residual",), {"residual": -2}),
        (("vocals", "drums"), ("drums", "residual"), {"drums": 2, "residual": -1}),
    ],
)
def test_a_stem_that_the_model_lacks_is_the_rest(
    sources: tuple[str, ...], wanted: tuple[str, ...] | None, gains: dict[str, int]
) -> None:
    mix = music(5_000)
    engine = Engine(make_scaled(*sources), dataclasses.replace(SHORT, stems=wanted))
    stems = engine.separate(mix, 44100)
    assert list(stems) == list(gains)
    for name, gain in gains.items():
        np.testing.assert_allclose(stems[name], mix * gain, atol=1e-6)


def test_a_bag_runs_only_the_networks_that_are_needed() -> None:
    mix = music(30_000)
    pair = Bag([make_tiny(("vocals",)), make_tiny(("accompaniment",))])
    both = Engine(pair, SHORT).separate(mix, 44100)
    for stems, run in ((("vocals",), ("vocals",)), (("residual", "vocals"), ("vocals",))):
        engine = Engine(pair, dataclasses.replace(SHORT, stems=stems))
        assert engine.sources == run
        np.testing.assert_array_equal(engine.separate(mix, 44100)["vocals"], both["vocals"])
    assert Engine(pair, SHORT).sources == ("vocals", "accompaniment")


def test_networks_of_two_resolutions_give_one_stem_as_in_one_pass() -> None:
    mix = music(60_000)
    coarse = make_tiny()
    fine = ResUNet(dataclasses.replace(TINY, n_fft=256, hop=64, band_count=4, above_hz=2000.0))
    fill(fine, seed=3)
    for members in ([coarse, fine], [fine, coarse]):
        bag = Bag(members)
        with torch.inference_mode():
            expected = bag.eval()(torch.from_numpy(mix)[None])[0, 0].numpy()
        options = dataclasses.replace(SHORT, segment_seconds=2)
        whole = Engine(bag, options).separate(mix, 44100)["vocals"]
        assert snr_db(expected, whole) > 80
        cut = Engine(bag, SHORT).separate(mix, 44100)["vocals"]
        assert snr_db(expected, cut) > 20


@pytest.mark.parametrize("wanted", [("drums",), ("vocals", "vocals"), ()])
def test_stems_that_a_model_cannot_give_are_refused(wanted: tuple[str, ...]) -> None:
    with pytest.raises(OptionError):
        Engine(make_scaled("vocals"), dataclasses.replace(SHORT, stems=wanted))


@pytest.mark.parametrize("frequency_bottleneck", [0, 4])
def test_bfloat16_is_near_float32(frequency_bottleneck: int) -> None:
    mix = music(60_000)
    network = ResUNet(dataclasses.replace(TINY, frequency_bottleneck=frequency_bottleneck))
    fill(network, seed=0)
    exact = Engine(network, SHORT).separate(mix, 44100)["vocals"]
    options = dataclasses.replace(SHORT, precision="bfloat16")
    near = Engine(network, options).separate(mix, 44100)["vocals"]
    assert 30 < snr_db(exact, near) < 80


def test_bfloat16_is_there_on_any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old ones have none of oneDNN's kernels for it."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    kinds: dict[Precision, type] = {"float32": FusedBlock, "bfloat16": ResidualBlock}
    for precision, kind in kinds.items():
        engine = Engine(make_tiny(), dataclasses.replace(SHORT, precision=precision))
        assert kind in map(type, engine.predictor._network.modules())


def test_blocks_of_other_networks_are_run_as_they_are() -> None:
    """Their batch norms aren't folded."""
    network = make_scaled("vocals")
    network.add_module("block", ResidualBlock(2, 2))
    engine = Engine(network, SHORT)
    assert FusedBlock not in map(type, engine.predictor._network.modules())


def test_what_this_machine_lacks_is_refused() -> None:
    with pytest.raises(DeviceError, match="gains nothing"):
        Engine(make_tiny(), dataclasses.replace(SHORT, precision="float16"))
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="no device 'cuda'"):
            Engine(make_tiny(), dataclasses.replace(SHORT, device="cuda"))


def test_the_network_that_is_given_is_left_as_it_was() -> None:
    network = make_tiny()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Engine(network, dataclasses.replace(SHORT, precision="bfloat16"))
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_segments_are_nearly_one_pass_over_the_whole() -> None:
    """The tiny network sees 0.1 s at most, so that an overlap of 0.4 s leaves almost nothing."""
    mix = music(150_000)
    whole_options = dataclasses.replace(SHORT, segment_seconds=600)
    part_options = dataclasses.replace(SHORT, segment_seconds=1, overlap_seconds=0.4)
    whole = Engine(make_tiny(), whole_options).separate(mix, 44100)["vocals"]
    parts = Engine(make_tiny(), part_options).separate(mix, 44100)["vocals"]
    assert TINY.grid_samples / 44100 < 0.1
    assert snr_db(whole, parts) > 90
