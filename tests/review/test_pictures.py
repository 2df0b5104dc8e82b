from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from stemkit.review.pictures import (
    SPECTROGRAM_SIZE,
    THUMBNAIL_SIZE,
    WAVEFORM_SIZE,
    draw_spectrogram,
    draw_thumbnail,
    draw_waveform,
)
from stemkit.review.scan import Scan
from stemkit.tracks.colours import colour_of
from tests.review.sounds import RATE, Sound, play_chords, play_hi_hat, scan_sound, sing

Pixels = npt.NDArray[np.uint8]
RED = colour_of("vocals")


def decode(data: bytes) -> Pixels:
    with Image.open(BytesIO(data)) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGBA"))


def make_click(seconds: float, at_seconds: float) -> Scan:
    sound = np.zeros(round(seconds * RATE))
    start = round(at_seconds * RATE)
    sound[start : start + 20] = 0.9
    return scan_sound(sound)


def find_middle(heat: npt.NDArray[np.int64]) -> float:
    """Return where the bright columns are, in pixels from the left edge."""
    return float(np.flatnonzero(heat > heat.max() / 2).mean() + 0.5)


@pytest.fixture(scope="module")
def song() -> Scan:
    return scan_sound(*[sing(20, seed) + 0.5 * play_hi_hat(20) for seed in range(3)])


def test_pictures_have_their_sizes_and_are_small(song: Scan) -> None:
    stems = {"vocals": song, "drums": song, "bass": song, "other": song}
    for data, (width, height), most_bytes in (
        (draw_waveform(song, RED), WAVEFORM_SIZE, 25_000),
        (draw_spectrogram(song), SPECTROGRAM_SIZE, 60_000),
        (draw_thumbnail(stems), THUMBNAIL_SIZE, 4_000),
    ):
        assert decode(data).shape == (height, width, 4)
        assert len(data) <= most_bytes


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        *((1.7, share) for share in (0.02, 0.31, 0.97)),
        *((47.3, share) for share in (0.02, 0.97)),
        pytest.param(1.7, 0.5, marks=pytest.mark.slow),
        *(pytest.param(47.3, share, marks=pytest.mark.slow) for share in (0.31, 0.5)),
    ],
)
def test_time_is_linear_from_edge_to_edge(seconds: float, share: float) -> None:
    scan = make_click(seconds, share * seconds)
    waveform = decode(draw_waveform(scan, RED))[..., 3].astype(int)
    spectrogram = decode(draw_spectrogram(scan))[..., :3].astype(int)
    columns_of_a_column = WAVEFORM_SIZE[0] * scan.envelope.column_frames / scan.frames
    assert find_middle(waveform[:40].sum(axis=0)) == pytest.approx(
        share * WAVEFORM_SIZE[0], abs=1 + columns_of_a_column
    )
    columns_of_a_window = SPECTROGRAM_SIZE[0] * 0.093 / seconds
    assert find_middle(spectrogram.sum(axis=(0, 2))) == pytest.approx(
        share * SPECTROGRAM_SIZE[0], abs=2 + columns_of_a_window / 2
    )


def test_a_waveform_is_as_high_as_its_sound_and_of_the_colour_of_its_stem() -> None:
    sound: Sound = np.concatenate([np.zeros(RATE), np.full(RATE, 0.5), np.full(RATE, -0.25)])
    pixels = decode(draw_waveform(scan_sound(sound), RED)).astype(int)
    width, height = WAVEFORM_SIZE
    strong = pixels[..., 3] > 100
    rows = [strong[:, round(width * share)].nonzero()[0] for share in (0.2, 0.5, 0.8)]
    middle = height / 2
    assert len(rows[0]) <= 2
    assert rows[1].min() == pytest.approx(middle - 0.5 * middle, abs=1)
    assert rows[2].max() == pytest.approx(middle + 0.25 * middle, abs=1)
    assert pixels[0, width // 2, 3] == 0
    np.testing.assert_array_equal(
        pixels[round(middle) - 3, width // 2], [RED.red, RED.green, RED.blue, 255]
    )


def test_heights_compare_between_stems_of_one_scale() -> None:
    scan = scan_sound(np.full(RATE, 0.25))
    high, low = (
        (decode(draw_waveform(scan, RED, full_scale=scale))[..., 3] > 100).sum()
        for scale in (0.25, 1.0)
    )
    assert high == pytest.approx(4 * low, rel=0.1)


def test_low_is_at_the_bottom_of_a_spectrogram_and_loud_is_bright() -> None:
    low, high = play_chords(2.4, (200.0,)), play_chords(2.4, (2000.0,))
    pixels = decode(draw_spectrogram(scan_sound(low, high, 0.03 * high))).astype(int)
    light = pixels[..., :3].sum(axis=2)
    third = SPECTROGRAM_SIZE[0] // 3
    first, second, last = (light[:, part : part + third] for part in (0, third, 2 * third))
    assert first.mean(axis=1)[-40:].mean() > 4 * second.mean(axis=1)[-40:].mean()
    assert second.mean() > 1.2 * last.mean()


def test_a_thumbnail_has_a_lane_for_each_stem() -> None:
    half = RATE * 5
    first = scan_sound(np.concatenate([np.full(half, 0.5), np.zeros(half)]))
    second = scan_sound(np.concatenate([np.zeros(half), np.full(half, 0.5)]))
    pixels = decode(draw_thumbnail({"vocals": first, "bass": second})).astype(int)
    width, height = THUMBNAIL_SIZE
    for lane, stem, left in ((0, "vocals", True), (1, "bass", False)):
        part = pixels[lane * height // 2 : (lane + 1) * height // 2]
        full = part[part[..., 3] == 255]
        colour = colour_of(stem)
        np.testing.assert_array_equal(np.unique(full[:, :3], axis=0),
                                      [[colour.red, colour.green, colour.blue]])  # fmt: skip
        columns = (part[..., 3] > 0).sum(axis=0) > 3
        assert columns[: width // 2 - 4].all() == left
        assert columns[width // 2 + 4 :].any() != left


def test_silence_is_drawn_without_complaint() -> None:
    silent = scan_sound(np.zeros(1000))
    assert decode(draw_waveform(silent, RED, full_scale=silent.peak)).any()
    assert decode(draw_spectrogram(silent))[..., :3].max() < 20
    decode(draw_thumbnail({"vocals": silent}))


def test_the_same_scan_gives_the_same_bytes_in_any_thread(song: Scan) -> None:
    def draw(_: int) -> tuple[bytes, bytes, bytes]:
        return (
            draw_waveform(song, RED),
            draw_spectrogram(song),
            draw_thumbnail({"vocals": song, "drums": song}),
        )

    with ThreadPoolExecutor(4) as pool:
        assert len({draw(0), *pool.map(draw, range(4))}) == 1
