"""All stems or none, never clipped, and nothing left lying about."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.audio.encode import BLOCK_FRAMES, OutputFormat
from stemkit.audio.stems import StemOutput, StemsWriter
from stemkit.errors import EncodeError, OptionError
from stemkit.files import PARTIAL_PATTERN
from stemkit.samples import Samples
from tests.audio.test_encode import ALL, each_format, largest_file, noise, read, snr_db

STEMS = ("vocals", "accompaniment")
FLOAT_WAV = OutputFormat("wav", "32f")
FLAC = OutputFormat("flac", "24")


def stems_of(frames: int, peak: float = 0.5, channels: int = 2) -> dict[str, Samples]:
    """Return two stems; the peak of the first is `peak`, of the second a third less."""
    vocals, accompaniment = (noise(frames, channels, band=0.1, seed=seed) for seed in (1, 2))
    return {
        "vocals": (vocals * peak / np.abs(vocals).max()).astype(np.float32),
        "accompaniment": (accompaniment * (peak / 1.5) / np.abs(accompaniment).max()).astype(
            np.float32
        ),
    }


def targets_in(folder: Path, output_format: OutputFormat) -> dict[str, Path]:
    return {stem: folder / f"{stem}{output_format.extension}" for stem in STEMS}


def write_stems(
    folder: Path,
    stems: dict[str, Samples],
    output_format: OutputFormat,
    block_frames: int = 4096,
) -> dict[str, StemOutput]:
    channels, frames = stems["vocals"].shape
    with StemsWriter(targets_in(folder, output_format), 48000, channels, output_format) as writer:
        for start in range(0, frames, block_frames):
            writer.write({s: x[:, start : start + block_frames] for s, x in stems.items()})
        return writer.finish()


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


@each_format
@pytest.mark.parametrize("frames", [1, 4095, 4096, 4097, 40_000])
def test_stems_are_written_whole(tmp_path: Path, output_format: OutputFormat, frames: int) -> None:
    stems = stems_of(frames)
    outputs = write_stems(tmp_path / "a" / "b", stems, output_format)
    assert files_in(tmp_path) == {output.path for output in outputs.values()}
    for stem, output in outputs.items():
        assert output.stem == stem
        assert output.path == tmp_path / "a" / "b" / f"{stem}{output_format.extension}"
        assert output.frames == frames
        assert output.peak == np.abs(stems[stem]).max()
        assert output.gain_db == 0
        decoded, rate = read(output.path)
        assert rate == 48000
        assert decoded.shape == stems[stem].shape
        assert frames < 40_000 or snr_db(stems[stem], decoded) > 12


def test_no_frames_at_all(tmp_path: Path) -> None:
    nothing = dict.fromkeys(STEMS, np.zeros((2, 0), np.float32))
    outputs = write_stems(tmp_path, nothing, OutputFormat("wav", "24"))
    assert [soundfile.info(output.path).frames for output in outputs.values()] == [0, 0]
    with pytest.raises(EncodeError, match="no samples to write"):
        write_stems(tmp_path / "b", nothing, FLAC)
    assert not files_in(tmp_path / "b")


def test_floats_are_kept_beyond_full_scale(tmp_path: Path) -> None:
    stems = stems_of(10_000, peak=3.0)
    outputs = write_stems(tmp_path, stems, FLOAT_WAV)
    for stem, output in outputs.items():
        assert read(output.path)[0].tobytes() == stems[stem].tobytes()
        assert output.gain_db == 0
        assert output.peak == np.abs(stems[stem]).max()


@pytest.mark.parametrize("output_format", [f for f in ALL if not f.holds_floats], ids=str)
def test_one_gain_for_all_takes_the_highest_peak_to_full_scale(
    tmp_path: Path, output_format: OutputFormat
) -> None:
    stems = stems_of(40_000, peak=2.5)
    outputs = write_stems(tmp_path, stems, output_format)
    gains = {output.gain_db for output in outputs.values()}
    assert len(gains) == 1
    gain_db = gains.pop()
    assert gain_db == pytest.approx(-20 * np.log10(2.5))
    assert outputs["vocals"].peak == pytest.approx(2.5)
    decoded = {stem: read(output.path)[0] for stem, output in outputs.items()}
    gain = 10 ** (gain_db / 20)
    mix = (stems["vocals"] + stems["accompaniment"]) * np.float32(gain)
    total = decoded["vocals"] + decoded["accompaniment"]
    if output_format.container in ("wav", "flac"):
        step = 2.0**-15 if output_format.bit_depth == "16" else 2.0**-23
        assert np.abs(total - mix).max() <= 3 * step
        assert np.abs(decoded["vocals"]).max() == pytest.approx(1, abs=2 * step)
    else:
        assert snr_db(mix, total) > 12


@pytest.mark.parametrize("peak", [1.0, 1.0 + 2**-22])
def test_full_scale_itself_is_not_turned_down(tmp_path: Path, peak: float) -> None:
    stems = {stem: np.full((1, 10), -peak, np.float32) for stem in STEMS}
    outputs = write_stems(tmp_path, stems, OutputFormat("wav", "24"))
    assert (outputs["vocals"].gain_db < 0) == (peak > 1)
    assert np.array_equal(read(outputs["vocals"].path)[0], np.full((1, 10), -1))


def test_stems_get_independent_dither_that_their_names_decide(tmp_path: Path) -> None:
    samples = noise(100_000)
    sixteen = OutputFormat("wav", "16")
    outputs = write_stems(tmp_path, dict.fromkeys(STEMS, samples), sixteen)
    one, other = (read(output.path)[0] - samples for output in outputs.values())
    assert np.var(one + other) == pytest.approx(np.var(one) + np.var(other), rel=0.02)
    alone = tmp_path / "alone.wav"
    with StemsWriter({"accompaniment": alone}, 48000, 2, sixteen) as writer:
        writer.write({"accompaniment": samples})
        writer.finish()
    assert alone.read_bytes() == outputs["accompaniment"].path.read_bytes()


@each_format
def test_where_blocks_are_cut_does_not_show(tmp_path: Path, output_format: OutputFormat) -> None:
    stems = stems_of(20_000, peak=1.5)
    one = write_stems(tmp_path / "one", stems, output_format, block_frames=20_000)
    two = write_stems(tmp_path / "two", stems, output_format, block_frames=777)
    for stem in STEMS:
        assert one[stem].path.read_bytes() == two[stem].path.read_bytes()


@each_format
def test_nothing_has_its_name_before_all_is_whole(
    tmp_path: Path, output_format: OutputFormat
) -> None:
    targets = targets_in(tmp_path, output_format)
    for target in targets.values():
        target.write_text("old")
    with StemsWriter(targets, 48000, 2, output_format) as writer:
        writer.write(stems_of(5000))
        partial = files_in(tmp_path) - set(targets.values())
        assert partial == set(tmp_path.glob(PARTIAL_PATTERN))
        assert len(partial) == len(STEMS)
        assert all(target.read_text() == "old" for target in targets.values())
        writer.finish()
        assert files_in(tmp_path) == set(targets.values())
    assert all(read(target)[0].shape == (2, 5000) for target in targets.values())


@pytest.mark.parametrize("output_format", [FLOAT_WAV, FLAC], ids=str)
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_without_finish_nothing_stays(
    tmp_path: Path, output_format: OutputFormat, error: type[BaseException] | None
) -> None:
    targets = targets_in(tmp_path, output_format)
    targets["vocals"].write_text("old")

    def leave_early() -> None:
        with StemsWriter(targets, 48000, 2, output_format) as writer:
            writer.write(stems_of(5000))
            if error is not None:
                raise error

    if error is None:
        leave_early()
    else:
        with pytest.raises(error):
            leave_early()
    assert files_in(tmp_path) == {targets["vocals"]}
    assert targets["vocals"].read_text() == "old"


@each_format
def test_a_disk_that_fills_while_stems_come_in(tmp_path: Path, output_format: OutputFormat) -> None:
    targets = targets_in(tmp_path, output_format)
    targets["vocals"].write_text("old")
    with (
        largest_file(20_000),
        pytest.raises(EncodeError, match=r"can't write .*/vocals\..*: File too large"),
    ):
        write_stems(tmp_path, stems_of(20_000), output_format)
    assert files_in(tmp_path) == {targets["vocals"]}
    assert targets["vocals"].read_text() == "old"


def test_a_disk_that_fills_while_the_second_stem_is_encoded(tmp_path: Path) -> None:
    targets = targets_in(tmp_path, FLAC)
    targets["vocals"].write_text("old")
    stems = stems_of(20_000)
    stems["vocals"][:] = 0
    with StemsWriter(targets, 48000, 2, FLAC) as writer:
        writer.write(stems)
        with (
            largest_file(20_000),
            pytest.raises(EncodeError, match=r"/accompaniment.flac: File too large"),
        ):
            writer.finish()
    assert files_in(tmp_path) == {targets["vocals"]}
    assert targets["vocals"].read_text() == "old"


def test_a_stop_is_heeded_while_stems_are_encoded(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked > 4:
            raise StopError

    with StemsWriter(targets_in(tmp_path, FLAC), 48000, 2, FLAC) as writer:
        writer.write(stems_of(20 * BLOCK_FRAMES))
        with pytest.raises(StopError):
            writer.finish(check)
    assert asked < 10
    assert not files_in(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    stems = stems_of(1000)
    stems["accompaniment"][1, 500] = bad
    with pytest.raises(EncodeError, match="'accompaniment' came out with NaN or infinity"):
        write_stems(tmp_path, stems, FLOAT_WAV)
    assert not files_in(tmp_path)


@each_format
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file/vocals", "Not a directory"),
        ("file/below/vocals", "Not a directory"),
        ("folder", "Is a directory"),
        ("n" * 256, "File name too long"),
    ],
)
def test_targets_that_cannot_be_written(
    tmp_path: Path, output_format: OutputFormat, place: str, reason: str
) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    good, bad = tmp_path / "good", tmp_path / place
    with (
        pytest.raises(EncodeError) as refused,
        StemsWriter({"accompaniment": good, "vocals": bad}, 48000, 2, output_format),
    ):
        pytest.fail("it should not have opened")
    assert str(refused.value) == f"can't write {bad}: {reason}; choose another place"
    assert files_in(tmp_path) == {tmp_path / "file"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EncodeError, match="Permission denied"):
        write_stems(tmp_path, stems_of(10), FLAC)
    tmp_path.chmod(0o700)


def test_what_the_format_cannot_hold_is_refused_first(tmp_path: Path) -> None:
    mp3 = OutputFormat("mp3")
    with pytest.raises(OptionError, match="mp3 holds 1 to 2 channels, not 6"):
        StemsWriter(targets_in(tmp_path / "new", mp3), 48000, 6, mp3)
    assert not list(tmp_path.iterdir())


@each_format
def test_long_and_odd_names(tmp_path: Path, output_format: OutputFormat) -> None:
    names = ["n" * 255, os.fsdecode(b"caf\xe9"), "*?[a] %s", "日本語"]
    targets = {str(number): tmp_path / name for number, name in enumerate(names)}
    with StemsWriter(targets, 44100, 1, output_format) as writer:
        writer.write(dict.fromkeys(targets, noise(100, channels=1)))
        writer.finish()
    assert files_in(tmp_path) == set(targets.values())


@each_format
def test_files_get_the_usual_permissions(tmp_path: Path, output_format: OutputFormat) -> None:
    outputs = write_stems(tmp_path, stems_of(100), output_format)
    usual = tmp_path / "usual"
    usual.touch()
    assert all(o.path.stat().st_mode == usual.stat().st_mode for o in outputs.values())


@pytest.mark.parametrize("output_format", [FLOAT_WAV, FLAC, OutputFormat("opus")], ids=str)
def test_memory_does_not_grow_with_the_length(tmp_path: Path, output_format: OutputFormat) -> None:
    block = stems_of(65_536, peak=1.2)
    peaks = []
    for blocks in (2, 4):
        tracemalloc.start()
        with StemsWriter(targets_in(tmp_path, output_format), 44100, 2, output_format) as writer:
            for _ in range(blocks):
                writer.write(block)
            writer.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from stemkit.audio.encode import OutputFormat
from stemkit.audio.stems import StemsWriter
with StemsWriter({"vocals": Path(sys.argv[1]) / "vocals.wav"}, 44100, 1, OutputFormat()) as writer:
    writer.write({"vocals": np.ones((1, 1000), np.float32)})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_only_what_the_pattern_finds(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert killed.returncode != 0
    left = files_in(tmp_path)
    assert len(left) == 1
    assert left == set(tmp_path.glob(PARTIAL_PATTERN))
