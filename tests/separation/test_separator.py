"""The processor with real weights: any cut of a stream gives the samples of the whole."""

import copy
import os
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from stemkit.errors import (
    ArgumentTypeError,
    DeviceError,
    ModelError,
    OptionError,
    StemkitError,
    UnknownModelError,
)
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.samples import Samples
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from stemkit.separation.separator import Separator
from stemkit.weights.add import AddOptions, add_model
from stemkit.weights.models import Bag
from tests.separation.networks import make_identity, make_scaled, make_tiny

CLIP = Path(__file__).parents[2] / "examples" / "audio" / "word-war-vi.ogg"
FRAMES = 52_001


@pytest.fixture(scope="module")
def song() -> Samples:
    """Return 1.2 s of a man who speaks over music, (2, frames)."""
    audio, _ = soundfile.read(CLIP, start=3 * 44100, frames=FRAMES, dtype="float32")
    return np.ascontiguousarray(audio.T)


@pytest.fixture(scope="module")
def separator() -> Separator:
    return make_small()


@pytest.fixture(scope="module")
def wholes(separator: Separator, song: Samples) -> dict[int, Samples]:
    """Return the stem in one call, of the song taken to be at each rate."""
    return {rate: separator(song, rate) for rate in (44100, 48000)}


def make_small(stem: str = "vocals") -> Separator:
    return Separator(
        stem, device="cpu", precision="float32", segment_seconds=1, overlap_seconds=0.25
    )


def make_quick(**settings: Any) -> Separator:
    defaults = {"model": make_identity(), "device": "cpu", "precision": "float32"}
    short = {"segment_seconds": 0.5, "overlap_seconds": 0.1}
    return Separator(**{**defaults, **short, **settings})


def noise(*shape: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "block"),
    [
        *((44100, block) for block in (17, 512, 4096, 44100, FRAMES)),
        *((48000, block) for block in (17, 44100)),
        pytest.param(44100, 1, marks=pytest.mark.slow),
        *(pytest.param(48000, n, marks=pytest.mark.slow) for n in (1, 512, 4096, FRAMES)),
    ],
)
def test_a_stream_in_blocks_of_any_size_is_the_whole(
    separator: Separator, song: Samples, wholes: dict[int, Samples], rate: int, block: int
) -> None:
    separator.reset()
    separator(song[:, :0], rate, reset=False)  # says that these are two channels
    blocks = [song[:, i : i + block] for i in range(0, FRAMES, block)]
    parts = [separator(block, rate, reset=False) for block in blocks]
    streamed = np.concatenate([*parts, separator.flush()], axis=1)
    assert np.abs(wholes[rate]).max() > 0.01
    np.testing.assert_allclose(streamed, wholes[rate], atol=1e-6)


@pytest.mark.parametrize("buffer_size", [1, 999, 10**6])
def test_the_buffer_size_changes_no_bit(
    separator: Separator, song: Samples, wholes: dict[int, Samples], buffer_size: int
) -> None:
    np.testing.assert_array_equal(separator(song, 48000, buffer_size), wholes[48000])


def test_layouts_give_the_same_stem(
    separator: Separator, song: Samples, wholes: dict[int, Samples]
) -> None:
    np.testing.assert_array_equal(separator(song.T, 44100).T, wholes[44100])
    mono = separator(song[0], 44100)
    for array in (song[:1], song[0][:, None], song[0].astype(np.float64)):
        np.testing.assert_array_equal(separator(array, 44100).ravel(), mono)


def test_eight_threads_get_the_bits_of_one(separator: Separator, song: Samples) -> None:
    parts = [song[:, i * 4000 : i * 4000 + 22_050] for i in range(8)]
    alone = [separator(part, 44100) for part in parts]
    together: dict[int, Samples] = {}

    def separate(number: int) -> None:
        together[number] = separator(parts[number], 44100)

    threads = [threading.Thread(target=separate, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, expected in enumerate(alone):
        np.testing.assert_array_equal(together[number], expected)
    assert not np.array_equal(alone[0], alone[1])


def test_a_stem_without_vocals_is_not_guarded() -> None:
    model = make_scaled("vocals", "drums")
    with pytest.raises(OptionError, match="no vocals to guard, only drums"):
        make_quick(stem="drums", model=model, guard=True, segment_seconds=2)
    separator = make_quick(model=model, guard=True, segment_seconds=2)
    with pytest.raises(OptionError, match="no vocals to guard, only drums"):
        separator.stem = "drums"
    assert separator.stem == "vocals"


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0), (0,)], ids=str)
def test_nothing_comes_of_nothing(shape: tuple[int, ...]) -> None:
    separator = make_quick(model=make_scaled("vocals"))
    separator(noise(2, 500), 44100)  # which tells how a square array lies
    assert separator(noise(*shape), 44100).shape == shape


@pytest.mark.parametrize("rest", ["accompaniment", "residual"])
def test_all_stems_are_those_of_single_calls(
    song: Samples, wholes: dict[int, Samples], rest: str
) -> None:
    separator = make_small(rest)
    before = song.copy()
    stems = separator.separate(song, 44100)
    np.testing.assert_array_equal(song, before)
    assert tuple(stems) == separator.stems == ("vocals", rest)
    np.testing.assert_array_equal(stems["vocals"], wholes[44100])
    np.testing.assert_allclose(stems["vocals"] + stems[rest], song, atol=1e-6)
    for name, stem in stems.items():
        separator.stem = name
        np.testing.assert_array_equal(separator(song, 44100), stem)


@pytest.mark.parametrize(
    "sources", [("vocals",), ("drums",), ("vocals", "accompaniment"), ("vocals", "drums", "bass")]
)
def test_with_the_residual_all_stems_sum_to_the_mix(sources: tuple[str, ...]) -> None:
    separator, audio = make_quick(stem="residual", model=make_scaled(*sources)), noise(2, 30_000)
    stems = separator.separate(audio, 44100)
    assert tuple(stems) == (*sources, "residual")
    np.testing.assert_allclose(sum(stems.values()), audio, atol=1e-6)


@pytest.mark.parametrize("shape", [(500,), (2, 500), (500, 2), (0,), (0, 2)], ids=str)
def test_all_stems_have_the_layout_of_the_array(shape: tuple[int, ...]) -> None:
    array = noise(*shape)
    stems = make_quick(model=make_scaled("vocals", "drums")).separate(array.astype(">f8"), 48000)
    assert list(stems) == ["vocals", "drums"]
    for stem in stems.values():
        assert stem.shape == shape
        assert stem.dtype == np.float32
        assert stem.flags.c_contiguous
    assert not np.shares_memory(stems["vocals"], stems["drums"])


def test_all_stems_are_computed_once() -> None:
    separator = make_quick(model=make_scaled("vocals", "drums", "bass"))
    network: Any = separator._engine.predictor._network
    separator.separate(noise(2, 20_000), 44100)
    assert len(network.shapes) == 1


def test_all_stems_in_the_middle_of_a_stream_leave_it_alone() -> None:
    separator, audio = make_quick(), noise(2, 30_000)
    parts = [separator(audio[:, :20_000], 44100, reset=False)]
    separator.separate(noise(900), 44100)
    parts += [separator(audio[:, 20_000:], 44100, reset=False), separator.flush()]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), audio)


@pytest.mark.parametrize("bad", [noise(3, 3), [0.0], noise(9).astype(int), noise(9) * np.nan])
def test_all_stems_of_what_is_no_audio_are_refused(bad: Any) -> None:
    with pytest.raises((RuntimeError, TypeError, ValueError)) as caught:
        make_quick().separate(bad, 44100)
    assert isinstance(caught.value, StemkitError)


@pytest.mark.parametrize(
    ("rate", "block"),
    [(44100, 1), (44100, 17), pytest.param(48000, 1, marks=pytest.mark.slow), (48000, 17)],
)
@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_latency_is_what_a_stream_holds_back_at_most(
    rate: int, block: int, batch_size: int
) -> None:
    separator = make_quick(batch_size=batch_size, segment_seconds=0.1, overlap_seconds=0.02)
    latency = separator.latency_at(rate)
    silence = np.zeros(block, np.float32)
    behind = worst = 0
    for _ in range(int(2.5 * latency) // block):
        behind += block - separator(silence, rate, reset=False).size
        worst = max(worst, behind)
    assert separator.latency_samples == latency
    assert worst <= latency
    # two resamplers let go in chunks, and not always both at the worst moment
    slack = block - 1 if rate == 44100 else 1500
    assert worst >= latency - slack


def test_the_latency_is_at_the_models_own_rate_before_any_call() -> None:
    separator = make_quick()
    assert separator.latency_samples == separator.latency_at(44100)
    separator(noise(5), 96000)
    assert separator.latency_samples == separator.latency_at(96000) > separator.latency_at(44100)


@pytest.mark.slow
def test_blocks_of_one_sample_cost_the_same_however_many_there_were() -> None:
    sample = noise(1)

    def cost(blocks: int) -> float:
        separator = make_quick(segment_seconds=2)
        began = time.thread_time()
        for _ in range(blocks):
            separator(sample, 44100, reset=False)
        return (time.thread_time() - began) / blocks

    cost(100)
    assert cost(40_000) < 3 * cost(5_000)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"stem": "drums"}, OptionError),
        ({"stem": ""}, OptionError),
        ({"stem": None}, ArgumentTypeError),
        ({"model": "no-such-model"}, UnknownModelError),
        ({"model": Path("missing.safetensors")}, ModelError),
        ({"model": nn.Linear(2, 2)}, ModelError),
        ({"model": 5}, ArgumentTypeError),
        ({"device": "gpu"}, OptionError),
        ({"device": None}, OptionError),
        ({"precision": "float64"}, OptionError),
        ({"precision": "float16"}, DeviceError),
        ({"batch_size": 0}, OptionError),
        ({"batch_size": 1.5}, ArgumentTypeError),
        ({"segment_seconds": "30"}, ArgumentTypeError),
        ({"segment_seconds": None}, ArgumentTypeError),
        ({"segment_seconds": 0}, OptionError),
        ({"segment_seconds": float("nan")}, OptionError),
        ({"segment_seconds": float("inf")}, OptionError),
        ({"overlap_seconds": -0.1}, OptionError),
        ({"overlap_seconds": 0.3}, OptionError),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_at_once(
    settings: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        make_quick(**settings)
    separator, (name, value) = make_quick(), *settings.items()
    before, audio = getattr(separator, name), noise(100)
    with pytest.raises(error):
        setattr(separator, name, value)
    assert getattr(separator, name) is before
    np.testing.assert_array_equal(separator(audio, 44100), audio)


def test_a_model_where_the_stem_goes_is_told(tmp_path: Path) -> None:
    save_checkpoint(make_tiny(), tmp_path / "mine.safetensors")
    add_model(tmp_path / "mine.safetensors", AddOptions(name="mine"))
    for name in ("stemkit-duo", "mine"):
        hint = rf"no stem '{name}'; .*; '{name}' is a model, .* Separator\(model='{name}'\)"
        with pytest.raises(OptionError, match=hint):
            Separator(name)
        with pytest.raises(OptionError, match=hint):
            make_quick().stem = name


def test_attributes_can_be_set_between_calls(song: Samples) -> None:
    separator = make_small()
    separator.stem = "accompaniment"
    separator.segment_seconds, separator.overlap_seconds = 0.8, 0.3
    separator.batch_size = 2
    separator.precision = "bfloat16"
    separator.precision = "float32"
    fresh = Separator("accompaniment", "stemkit-small", "cpu", "float32", 2, 0.8, 0.3)
    np.testing.assert_array_equal(separator(song, 44100), fresh(song, 44100))
    assert separator.latency_samples == fresh.latency_samples
    separator.model = make_scaled("vocals", "accompaniment")
    audio = noise(500)
    np.testing.assert_array_equal(separator(audio, 44100), audio * 2)


def test_a_batch_that_is_set_is_run() -> None:
    separator = make_quick(model=make_scaled("vocals"))
    separator.batch_size = 3
    separator(noise(2, 100_000), 44100)
    network: Any = separator._engine.predictor._network
    segment = separator._engine.plan.segment_frames
    assert (3, 2, segment) in network.shapes


def test_settings_wait_for_the_end_of_a_stream() -> None:
    separator = make_quick()
    separator(noise(100), 44100, reset=False)
    with pytest.raises(OptionError, match=r"stem can't change while a stream runs; .*flush"):
        separator.stem = "accompaniment"
    separator.flush()
    separator.stem = "accompaniment"
    assert not separator(noise(100), 44100).any()


def test_a_name_a_file_and_a_network_are_one_model(tmp_path: Path) -> None:
    network, audio = make_tiny(), noise(2, 30_000)
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(network, path)
    results = [make_quick(model=model)(audio, 44100) for model in (network, path, str(path))]
    for one, other in pairwise(results):
        np.testing.assert_array_equal(one, other)


def test_it_says_what_it_is() -> None:
    separator = make_quick()
    shown = f"<stemkit.Separator stem='vocals' model=<Identity> at {id(separator):#x}>"
    assert repr(separator) == shown
    small = make_small("residual")
    expected = f"<stemkit.Separator stem='residual' model='stemkit-small' at {id(small):#x}>"
    assert repr(small) == expected


def test_a_rate_too_far_from_the_models_is_refused() -> None:
    for rate in (1, 10**9):
        with pytest.raises(OptionError, match="at most 1000 times"):
            make_quick()(noise(100), rate)


def test_a_stream_that_breaks_is_over() -> None:
    class Fragile(nn.Module):
        config = make_identity().config

        def forward(self, mix: torch.Tensor) -> torch.Tensor:
            return mix[:, None] / (mix.abs().max() < 0.9)

    separator, quiet = make_quick(model=Fragile()), noise(30_000) / 2
    separator(quiet[:100], 44100, reset=False)
    with pytest.raises(DeviceError):
        separator(np.ones(30_000, np.float32), 44100, reset=False)
    parts = [separator(quiet, 44100, reset=False), separator.flush()]
    np.testing.assert_array_equal(np.concatenate(parts), quiet)


def test_calls_of_one_stem_share_the_network_of_all() -> None:
    pair = Bag([make_tiny(("vocals",)), make_tiny(("accompaniment",))])
    separator = make_quick(model=pair)
    everything = separator._engine
    one = everything.with_stems(("vocals",))
    held: Any = everything.predictor._network
    run: Any = one.predictor._network
    assert len(run.members) == 1
    assert run.members[0] is held.members[0]
    audio = noise(2, 30_000)
    stems = separator.separate(audio, 44100)
    for name, stem in stems.items():
        separator.stem = name
        np.testing.assert_array_equal(separator(audio, 44100), stem)


def test_an_engine_for_other_stems_gives_what_a_fresh_one_does() -> None:
    pair = Bag([make_tiny(("vocals",)), make_tiny(("accompaniment",))])
    options = EngineOptions(None, "cpu", "float32", segment_seconds=0.5, overlap_seconds=0.1)
    engine, audio = Engine(pair, options), noise(2, 30_000)
    for stems in (("accompaniment",), ("residual",), ("residual", "vocals")):
        other = engine.with_stems(stems)
        fresh = Engine(pair, other.options)
        assert other.sources == fresh.sources
        for name, stem in fresh.separate(audio, 44100).items():
            np.testing.assert_array_equal(other.separate(audio, 44100)[name], stem)
    narrow = engine.with_stems(("vocals",))
    assert engine.stems == ("vocals", "accompaniment")
    with pytest.raises(OptionError, match="no stem 'drums'"):
        engine.with_stems(("drums",))
    with pytest.raises(OptionError, match="left out the network of accompaniment"):
        narrow.with_stems(("accompaniment",))
    with pytest.raises(OptionError, match="two precisions"):
        engine.with_options(EngineOptions(device="cpu", precision="bfloat16"))


def test_separate_leaves_a_running_stream_as_it_is() -> None:
    separator = make_held()
    audio = np.random.default_rng(3).uniform(-0.3, 0.3, (50_000, 2)).astype(np.float32)
    first = separator(audio[:30_000], 44100, reset=False)
    latency = separator.latency_samples
    separator.separate(audio[:9_000, 0], 44100)
    separator.separate(np.ascontiguousarray(audio[:9_000].T), 48000)
    assert separator.latency_samples == latency
    second = separator(audio[30_000:], 44100, reset=False)
    done = np.concatenate([first, second, separator.flush()])
    np.testing.assert_allclose(done, audio, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "rate"), [((0,), 44100), ((2, 0), 48000), ((3, 0), 44100)], ids=str
)
def test_an_empty_block_must_fit_its_stream_too(shape: tuple[int, ...], rate: int) -> None:
    separator = make_held()
    audio = np.random.default_rng(3).uniform(-0.3, 0.3, (2, 20_000)).astype(np.float32)
    first = separator(audio, 44100, reset=False)
    with pytest.raises(OptionError, match="can't go on"):
        separator(np.zeros(shape, np.float32), rate, reset=False)
    done = np.concatenate([first, separator.flush()], axis=1)
    np.testing.assert_allclose(done, audio, atol=1e-6)


def test_a_refused_call_leaves_a_running_stream_as_it_is() -> None:
    separator = make_held()
    audio = np.random.default_rng(3).uniform(-0.3, 0.3, (2, 20_000)).astype(np.float32)
    first = separator(audio, 44100, reset=False)
    with pytest.raises(OptionError, match="can't resample"):
        separator(audio, 10)
    done = np.concatenate([first, separator.flush()], axis=1)
    np.testing.assert_allclose(done, audio, atol=1e-6)


def test_an_open_stream_is_guarded() -> None:
    stream = make_held().open_stream(44100, 2)
    with pytest.raises(OptionError, match="2 channels can't go on with 1"):
        stream.push(np.zeros((1, 100), np.float32))
    stream.flush()
    with pytest.raises(OptionError, match="is over"):
        stream.push(np.zeros((2, 9), np.float32))
    with pytest.raises(OptionError, match="is over"):
        stream.flush()


def test_only_parameters_can_be_set() -> None:
    separator = make_held()
    for name in ("segment_secs", "is_effect", "latency_samples"):
        with pytest.raises(AttributeError, match=name):
            setattr(separator, name, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [("device", np.array(["cpu"])), ("precision", []), ("segment_seconds", 1e308)],
)
def test_what_makes_no_sense_is_an_error_of_ours(name: str, value: Any) -> None:
    separator = make_held()
    before = getattr(separator, name)
    with pytest.raises(StemkitError):
        setattr(separator, name, value)
    assert getattr(separator, name) == before


@pytest.mark.parametrize("rate", [10**400, b"44100", 1e300, "x", None, 0, 0.5])
def test_rates_that_are_none(rate: Any) -> None:
    separator = make_held()
    with pytest.raises(StemkitError) as caught:
        separator(np.zeros((2, 9), np.float32), rate)
    assert len(str(caught.value)) < 200
    with pytest.raises(StemkitError):
        separator.latency_at(rate)


def test_numbers_too_large_for_the_network_are_told_apart_from_its_precision() -> None:
    separator = Separator(device="cpu", precision="float32", segment_seconds=1, overlap_seconds=0)
    with pytest.raises(DeviceError, match="turn the input down"):
        separator(np.full((2, 50_000), 1e30, np.float32), 44100)


def make_held() -> Separator:
    """Return a separator that changes nothing, half a second late."""
    return Separator(
        model=make_identity(), precision="float32", segment_seconds=0.5, overlap_seconds=0.1
    )


def test_the_network_that_is_given_stays_as_it_is() -> None:
    """Its own parameters, too, of a network around one of stemkit's."""

    class Louder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = make_tiny()
            self.config = self.inner.config
            self.gain = nn.Parameter(torch.ones(1))
            self.filter = nn.Conv1d(2, 2, 1)

        def forward(self, mix: torch.Tensor) -> torch.Tensor:
            return cast(torch.Tensor, self.inner(self.filter(mix) * self.gain))

    network = Louder().train()
    make_quick(model=network)(noise(2, 4000), 44100)
    assert network.training
    assert all(one.requires_grad for one in network.parameters())


def test_a_subclass_with_its_own_arguments_is_copied() -> None:
    class Quick(Separator):
        def __init__(self) -> None:
            super().__init__(
                "accompaniment", make_identity(), segment_seconds=0.5, overlap_seconds=0
            )

    copied = copy.copy(Quick())
    assert isinstance(copied, Quick)
    assert (copied.stem, copied.segment_seconds) == ("accompaniment", 0.5)


FORKS = """
import multiprocessing
import signal
import numpy as np
from stemkit.separation.separator import Separator

def stream(pickled=None):
    used = pickled or separator
    return np.concatenate((used(audio, 44100, reset=False), used.flush()), axis=1)

separator = Separator(device="cpu", precision="float32", segment_seconds=1, overlap_seconds=0.25)
audio = np.random.default_rng(0).uniform(-1, 1, (2, 60_000)).astype(np.float32)
expected = stream()
with multiprocessing.get_context("fork").Pool(1, signal.alarm, (60,)) as pool:
    for arguments in ((), (separator,)):
        np.testing.assert_allclose(pool.apply(stream, arguments), expected, atol=1e-6)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_forked_processes_give_what_their_parent_does() -> None:
    """GNU's OpenMP waits for ever in them, unless it has one thread there."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", FORKS], env=environment, check=True, timeout=120)
