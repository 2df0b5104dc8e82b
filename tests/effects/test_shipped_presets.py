"""Every preset in the box on a real song, and whether it keeps its promise."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

import stemkit
from stemkit.audio.encode import OutputFormat
from stemkit.audio.stems import StemOutput, StemsWriter
from stemkit.effects.folder import presets_folder
from stemkit.effects.preset import load_preset
from stemkit.effects.render import Renderer
from stemkit.effects.schema import Preset
from stemkit.samples import Samples
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from stemkit.separation.stems import SONG, Stems
from tests.audio.meters import ffmpeg_measures

CLIP = Path(__file__).parents[2] / "examples" / "audio" / "word-war-vi.ogg"
RATE = 44100
FRAMES = 6 * RATE
NAMES = sorted(path.stem for path in presets_folder().glob("*.toml"))
ASKED_FOR = {
    *("karaoke", "acapella", "vocal-clean", "vocal-up", "vocal-down", "dj-instrumental"),
    *("practice-minus-vocals", "podcast-voice", "remix-prep", "lofi", "broadcast"),
}


@pytest.fixture(scope="module")
def song() -> Samples:
    audio, rate = soundfile.read(CLIP, dtype="float32", always_2d=True, frames=FRAMES)
    assert rate == RATE
    return np.ascontiguousarray(audio.T)


@pytest.fixture(scope="module")
def stems(song: Samples) -> Stems:
    engine = Engine(stemkit.load_network("stemkit-small"), EngineOptions(device="cpu"))
    return engine.separate(song, RATE)


@pytest.fixture(scope="module")
def rendered(
    song: Samples, stems: Stems, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, StemOutput]]:
    folder = tmp_path_factory.mktemp("rendered")
    return {name: write(load_preset(name), song, stems, folder / name) for name in NAMES}


def write(preset: Preset, song: Samples, stems: Stems, folder: Path) -> dict[str, StemOutput]:
    renderer = Renderer(preset)
    source = stems if preset.stems else {SONG: song}
    output_format = OutputFormat(preset.output.format or "wav", preset.output.bit_depth)
    targets = {name: folder / f"{name}{output_format.extension}" for name in preset.outputs}
    blocks = [{n: b[:, i : i + RATE] for n, b in source.items()} for i in range(0, FRAMES, RATE)]
    with StemsWriter(targets, RATE, 2, output_format, renderer.levels) as writer:
        for block in renderer.render(blocks, RATE, 2):
            writer.write(block)
        return writer.finish()


def read(output: StemOutput) -> Samples:
    audio, _ = soundfile.read(output.path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(audio.T)


def measure_loudness(audio: Samples) -> float:
    return ffmpeg_measures(audio, RATE)[0]


def measure_true_peak(audio: Samples) -> float:
    finer = scipy.signal.resample(audio, 8 * audio.shape[1], axis=1)
    return 20 * float(np.log10(np.abs(finer).max()))


def test_what_was_promised_is_there() -> None:
    assert set(NAMES) >= ASKED_FOR


@pytest.mark.parametrize("name", NAMES)
def test_loudness_and_true_peak_are_as_the_preset_says(
    name: str, rendered: dict[str, dict[str, StemOutput]]
) -> None:
    for output, level in Renderer(load_preset(name)).levels.items():
        audio = read(rendered[name][output])
        assert audio.shape == (2, FRAMES)
        if level.loudness_lufs is not None:
            assert measure_loudness(audio) == pytest.approx(level.loudness_lufs, abs=0.2)
        if level.true_peak_db is not None:
            assert measure_true_peak(audio) < level.true_peak_db


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_silent_broken_or_late(
    name: str, song: Samples, stems: Stems, rendered: dict[str, dict[str, StemOutput]]
) -> None:
    preset = load_preset(name)
    for output, written in rendered[name].items():
        audio = read(written)
        reference = stems[output] if output in stems else sum_of_heard(preset, song, stems)
        assert np.isfinite(audio).all()
        assert 1e-3 < np.sqrt(np.square(audio).mean()) < 0.5
        assert abs(find_lag(audio[0], reference[0])) <= 30  # 0.7 ms: a filter's own phase


def sum_of_heard(preset: Preset, song: Samples, stems: Stems) -> Samples:
    heard = [stems[name] for name, track in preset.stems.items() if not track.mute]
    return np.sum(heard, axis=0) if heard else song


def find_lag(one: Samples, other: Samples) -> int:
    product = np.fft.rfft(one, 2 * len(one)) * np.fft.rfft(other, 2 * len(one)).conj()
    lag = int(np.argmax(np.abs(np.fft.irfft(product))))
    return lag - 2 * len(one) if lag > len(one) else lag


def test_a_muted_stem_is_silent(song: Samples, stems: Stems, tmp_path: Path) -> None:
    preset = load_preset("practice-minus-vocals")
    assert preset.stems["vocals"].mute
    alone = preset.model_copy(update={"mix": None})
    outputs = write(alone, song, stems, tmp_path)
    assert not read(outputs["vocals"]).any()
    assert read(outputs["accompaniment"]).any()


def test_the_mix_without_vocals_does_not_depend_on_them(
    song: Samples, stems: Stems, tmp_path: Path
) -> None:
    preset = load_preset("practice-minus-vocals")
    louder = stems | {"vocals": 3 * stems["vocals"]}
    first = write(preset, song, stems, tmp_path / "a")["minus-vocals"]
    second = write(preset, song, louder, tmp_path / "b")["minus-vocals"]
    assert first.path.read_bytes() == second.path.read_bytes()


def test_neutral_gives_the_song_back_to_the_bit(
    song: Samples, rendered: dict[str, dict[str, StemOutput]]
) -> None:
    np.testing.assert_array_equal(read(rendered["neutral"]["neutral"]), song)


def test_remix_prep_gives_the_stems_as_24_bits_hold_them(
    stems: Stems, rendered: dict[str, dict[str, StemOutput]]
) -> None:
    outputs = rendered["remix-prep"]
    gain = 10 ** (outputs["vocals"].gain_db / 20)
    for name, stem in stems.items():
        audio = read(outputs[name])
        assert soundfile.info(outputs[name].path).subtype == "PCM_24"
        np.testing.assert_allclose(audio, stem * gain, atol=2**-23)
    assert outputs["vocals"].gain_db == outputs["accompaniment"].gain_db


@pytest.mark.parametrize(("name", "change_db"), [("vocal-up", 3.5), ("vocal-down", -4)])
def test_the_voice_moves_by_what_the_preset_says(
    name: str,
    change_db: float,
    song: Samples,
    stems: Stems,
    rendered: dict[str, dict[str, StemOutput]],
) -> None:
    """Solve mix = a * vocals + b * accompaniment, and compare the two."""
    mix = read(rendered[name][name]).ravel().astype(np.float64)
    parts = np.stack([stems["vocals"].ravel(), stems["accompaniment"].ravel()], axis=1)
    (vocals, accompaniment), *_ = np.linalg.lstsq(parts.astype(np.float64), mix, rcond=None)
    assert 20 * np.log10(vocals / accompaniment) == pytest.approx(change_db, abs=0.05)


def test_lofi_has_no_treble_and_no_bass(
    song: Samples, rendered: dict[str, dict[str, StemOutput]]
) -> None:
    def band(audio: Samples, low: float, high: float) -> float:
        spectrum = np.abs(np.fft.rfft(audio[0])) ** 2
        hertz = np.fft.rfftfreq(audio.shape[1], 1 / RATE)
        return float(spectrum[(hertz > low) & (hertz < high)].sum() / spectrum.sum())

    lofi = read(rendered["lofi"]["lofi"])
    assert band(lofi, 10_000, 20_000) < 0.1 * band(song, 10_000, 20_000)
    assert band(lofi, 5, 35) < 0.3 * band(song, 5, 35)
