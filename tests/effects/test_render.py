"""A preset at work: where stems go, what gain, pan and mute do, and how long it all is."""

from collections.abc import Iterator

import numpy as np
import pedalboard
import pytest

from stemkit.audio.levels import Level
from stemkit.effects.preset import parse_preset
from stemkit.effects.render import Renderer
from stemkit.errors import OptionError, PresetError
from stemkit.samples import Samples
from stemkit.separation.options import EngineOptions, Precision
from stemkit.separation.separator import Separator
from stemkit.separation.stems import SONG, Stems

RATE = 44100
FRAMES = 30_001
HEAD = 'version = 1\nsummary = "test"\n'


def make_stems(channels: int = 2, frames: int = FRAMES) -> Stems:
    random = np.random.default_rng(0)
    return {
        name: random.uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)
        for name in ("vocals", "accompaniment")
    }


def cut(stems: Stems, sizes: tuple[int, ...]) -> Iterator[Stems]:
    start, frames = 0, next(iter(stems.values())).shape[1]
    while start < frames:
        for size in sizes:
            yield {name: stem[:, start : start + size] for name, stem in stems.items()}
            start += size


def render(
    text: str, stems: Stems, sizes: tuple[int, ...] = (7000, 1, 12_345), rate: int = RATE
) -> Stems:
    renderer = Renderer(parse_preset(HEAD + text))
    channels = len(next(iter(stems.values())))
    parts = list(renderer.render(cut(stems, sizes), rate, channels))
    return {
        name: np.concatenate([part[name] for part in parts if name in part], axis=1)
        for name in dict.fromkeys(name for part in parts for name in part)
    }


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_neutral_preset_changes_no_bit(channels: int) -> None:
    stems = make_stems(channels)
    done = render("[stems.vocals]\n[stems.accompaniment]\n[mix]\nstem_files = true", stems)
    assert list(done) == ["vocals", "accompaniment", "mix"]
    for name, stem in stems.items():
        np.testing.assert_array_equal(done[name], stem)
    np.testing.assert_array_equal(done["mix"], stems["vocals"] + stems["accompaniment"])


def test_a_song_that_is_not_separated_goes_through_the_mix() -> None:
    song = make_stems()["vocals"]
    np.testing.assert_array_equal(render('[mix]\nname = "out"', {SONG: song})["out"], song)


def test_a_separator_in_a_chain_is_run_as_the_rest() -> None:
    song = make_stems()["vocals"]
    preset = parse_preset(HEAD + '[mix]\nchain = [{ effect = "Separator" }]')
    outputs = {}
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in precisions:
        options = EngineOptions(precision=precision)
        parts = Renderer(preset, engine_options=options).render(iter([{SONG: song}]), RATE, 2)
        outputs[precision] = np.concatenate([part["mix"] for part in parts], axis=1)
        alone = Separator(precision=precision)(song, RATE)
        np.testing.assert_allclose(outputs[precision], alone, atol=1e-6)
    assert np.abs(outputs["float32"] - outputs["bfloat16"]).max() > 1e-4


@pytest.mark.parametrize("name", ["song", "mix", "vocals"])
def test_a_song_is_treated_whatever_its_file_is_called(name: str) -> None:
    song = make_stems()["vocals"]
    done = render(f'[mix]\nname = "{name}"\ngain_db = -6', {SONG: song})
    np.testing.assert_allclose(done[name], song * 10 ** (-6 / 20), atol=1e-6)


def test_gain_mute_and_balance() -> None:
    stems = make_stems()
    done = render(
        "[stems.vocals]\ngain_db = -6\npan = -0.25\n[stems.accompaniment]\nmute = true\n"
        "[mix]\ngain_db = 3\nstem_files = true",
        stems,
    )
    vocals = stems["vocals"] * np.array([[1], [0.75]]) * 10 ** (-6 / 20)
    np.testing.assert_allclose(done["vocals"], vocals, atol=1e-6)
    assert not done["accompaniment"].any()
    np.testing.assert_allclose(done["mix"], vocals * 10 ** (3 / 20), atol=1e-6)


def test_panned_mono_becomes_stereo() -> None:
    stems = make_stems(1)
    done = render("[stems.vocals]\npan = 1\n[stems.accompaniment]", stems)
    assert not done["vocals"][0].any()
    np.testing.assert_array_equal(done["vocals"][1], stems["vocals"][0])
    np.testing.assert_array_equal(
        done["accompaniment"], np.repeat(stems["accompaniment"], 2, axis=0)
    )


def test_surround_cannot_be_panned() -> None:
    with pytest.raises(OptionError, match="has 6 channels"):
        render("[stems.vocals]\npan = 1", make_stems(6))


CHAIN = """
[[stems.vocals.chain]]
effect = "BrickwallLimiter"
ceiling_db = -3
[[stems.vocals.chain]]
effect = "Reverb"
[stems.accompaniment]
gain_db = -1
[mix]
stem_files = true
[[mix.chain]]
effect = "Compressor"
threshold_db = -20
ratio = 3
"""


@pytest.mark.parametrize("sizes", [(FRAMES,), (512,), (100, 5000), (1, 4096, 3)])
def test_the_chains_are_pedalboards_and_stems_stay_in_step(sizes: tuple[int, ...]) -> None:
    """However late a chain delivers, here a limiter that looks ahead, nothing is shifted."""
    stems = make_stems()
    done = render(CHAIN, stems, sizes)
    chain = pedalboard.Pedalboard([pedalboard.BrickwallLimiter(ceiling_db=-3), pedalboard.Reverb()])
    vocals = chain(stems["vocals"], RATE)
    np.testing.assert_allclose(done["vocals"], vocals, atol=1e-6)
    total = vocals + stems["accompaniment"] * np.float32(10 ** (-1 / 20))
    mix = pedalboard.Compressor(threshold_db=-20, ratio=3)(total, RATE)
    np.testing.assert_allclose(done["mix"], mix, atol=1e-5)


def test_a_tail_is_rendered_where_it_is_asked_for() -> None:
    stems = make_stems()
    tail = "[output]\ntail_seconds = 0.5"
    done = render(CHAIN + tail, stems)
    frames = FRAMES + RATE // 2
    assert {name: block.shape for name, block in done.items()} == dict.fromkeys(done, (2, frames))
    silence = np.zeros((2, RATE // 2), np.float32)
    chain = pedalboard.Pedalboard([pedalboard.BrickwallLimiter(ceiling_db=-3), pedalboard.Reverb()])
    ringing = chain(np.concatenate([stems["vocals"], silence], axis=1), RATE)
    np.testing.assert_allclose(done["vocals"], ringing, atol=1e-6)
    assert np.abs(done["mix"][:, FRAMES:]).max() > 0.01
    assert not done["accompaniment"][:, FRAMES:].any()


def test_one_song_leaves_nothing_behind_for_the_next() -> None:
    renderer = Renderer(parse_preset(HEAD + CHAIN))
    stems = make_stems()

    def run() -> list[Samples]:
        parts = list(renderer.render(cut(stems, (FRAMES,)), RATE, 2))
        return [np.concatenate([p[n] for p in parts if n in p], axis=1) for n in ("vocals", "mix")]

    for first, second in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_levels_are_those_of_the_files_that_come_out() -> None:
    text = "[stems.vocals]\n[mix]\nloudness_lufs = -14\ntrue_peak_db = -1"
    assert Renderer(parse_preset(HEAD + text)).levels == {"mix": Level(-14, -1)}
    text = "[stems.vocals]\ntrue_peak_db = -2\n[stems.accompaniment]"
    assert Renderer(parse_preset(HEAD + text)).levels == {"vocals": Level(None, -2)}


def test_a_filter_above_half_the_rate_is_an_error_of_that_song() -> None:
    text = '[[stems.vocals.chain]]\neffect = "LowpassFilter"\ncutoff_frequency_hz = 6000'
    assert render(f"[stems.vocals]\n{text}", make_stems(), rate=16000)
    with pytest.raises(PresetError, match=r"stems.vocals.chain\[0\]"):
        render(f"[stems.vocals]\n{text}", make_stems(), rate=8000)
