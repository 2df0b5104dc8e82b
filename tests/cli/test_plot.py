import subprocess
import sys
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from PIL import Image

from stemkit.cli.plot import plot
from stemkit.errors import NotAudioError, OptionError, StemkitError
from stemkit.review.sheet import FORMATS, format_time
from stemkit.tracks.record import MarkerRecord, TagsRecord
from tests.tracks.making import make_track

IMAGES = [ending for ending in FORMATS if ending not in ("pdf", "svg")]
STRANGE = "a $\\nonsense{$ <b>&\"'`\n\u202e 日本 🎵 \x07"
NOT_UTF8 = STRANGE + "\udcff"


def run(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(plot, [str(argument) for argument in arguments])


def draw(*arguments: str | Path | int) -> None:
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    assert result.output == ""


def refuse(*arguments: str | Path | int) -> StemkitError:
    error = run(*arguments).exception
    assert isinstance(error, StemkitError)
    assert len(str(error).splitlines()) == 1
    return error


def write_sound(path: Path, seconds: float = 0.5) -> Path:
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * 44100))
    soundfile.write(path, noise, 44100, "PCM_16", format="WAV")
    return path


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(ending, marks=pytest.mark.slow if ending in ("jpeg", "tiff") else ())
        for ending in IMAGES
    ],
)
def test_a_file_is_drawn_as_its_ending_says(ending: str, tmp_path: Path) -> None:
    output = tmp_path / f"new/out.{ending.upper()}"
    draw(write_sound(tmp_path / "a.wav"), "-o", output)
    with Image.open(output) as image:
        assert image.size == (1600, 400)
        assert image.format is not None
        assert image.format.lower() in {ending, ending.replace("jpg", "jpeg"), f"{ending}f"}


def test_a_vector_drawing_is_whole(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "a.wav")
    draw(sound, "-o", tmp_path / "out.svg", "--width", 800)
    draw(sound, "-o", tmp_path / "out.pdf")
    root = ElementTree.parse(tmp_path / "out.svg").getroot()
    assert root.tag.endswith("svg")
    assert root.attrib["width"] == "576pt"  # 8 inches of 72 points
    data = (tmp_path / "out.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert data.endswith(b"%%EOF\n")


@pytest.mark.slow
def test_the_same_sound_gives_the_same_bytes(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "a.wav")
    code = (
        "import sys; from stemkit.cli.plot import plot\n"
        "for ending in sys.argv[2:]:\n"
        "    plot.main([sys.argv[1], '-o', f'b.{ending}'], standalone_mode=False)"
    )
    endings = ("png", "webp", "svg", "pdf")
    subprocess.run([sys.executable, "-c", code, sound, *endings], check=True, cwd=tmp_path)
    for ending in endings:
        draw(sound, "-o", tmp_path / f"a.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_a_dash_writes_png_to_standard_output(tmp_path: Path) -> None:
    result = run(write_sound(tmp_path / "a.wav"), "-o", "-", "--width", 640, "--height", 300)
    with Image.open(BytesIO(result.stdout_bytes)) as image:
        assert (image.format, image.size) == ("PNG", (640, 300))
        assert "Software" not in image.info


def test_a_track_is_drawn_with_its_song_and_each_stem(tmp_path: Path) -> None:
    for name, original, lanes in (("a", True, 3), ("b", False, 2)):
        make_track(tmp_path / name, frames=22050, original=original)
        draw(tmp_path / name, "-o", tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.size == (1600, 80 + 320 * lanes)


@pytest.mark.slow
def test_markers_and_titles_are_drawn(tmp_path: Path) -> None:
    def draw_marked(title: str, *marks: tuple[int, str]) -> bytes:
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "song"
        markers = [MarkerRecord(frame=frame, label=label) for frame, label in marks]
        tags = TagsRecord(title=title)
        make_track(folder, frames=22050, tags=tags, markers=markers, original=False)
        draw(folder, "-o", tmp_path / "out.png")
        return (tmp_path / "out.png").read_bytes()

    plain = draw_marked("T")
    assert draw_marked("U") != plain
    long = (5000, "x" * 500)
    assert draw_marked("T", long, (90000, "beyond the end")) == draw_marked("T", long) != plain
    marked = draw_marked("T", (5000, STRANGE), (11000, ""), (11001, "near"))
    assert marked not in (plain, draw_marked("T", (5000, ""), (11000, ""), (11001, "near")))
    assert marked == draw_marked("T", (5000, STRANGE), (11000, "no room"), (11001, "near"))


@pytest.mark.slow
def test_any_name_and_title_can_be_drawn(tmp_path: Path) -> None:
    name = NOT_UTF8.replace("/", "")
    draw(write_sound(tmp_path / "a.wav").rename(tmp_path / f"{name}.wav"), "-o", tmp_path / "a.png")
    make_track(tmp_path / "b", (STRANGE.replace("/", ""), "x" * 200), frames=4410)
    draw(tmp_path / "b", "-o", tmp_path / "b.png", "--title", NOT_UTF8 + "x" * 5000)


@pytest.mark.parametrize("name", ["out.xyz", "out", ".png", "out.pgf", "out.png."])
def test_an_unknown_ending_is_refused_with_those_that_are_known(name: str, tmp_path: Path) -> None:
    error = refuse(write_sound(tmp_path / "a.wav"), "-o", tmp_path / name)
    assert isinstance(error, OptionError)
    assert f"can't draw {name!r}" in str(error)
    assert ", ".join(FORMATS) in str(error)
    assert not (tmp_path / name).exists()


def test_an_existing_drawing_is_replaced_or_left_as_it_was(tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    output.write_bytes(b"old")
    (tmp_path / "text").write_text("words")
    assert isinstance(refuse(tmp_path / "text", "-o", output), NotAudioError)
    assert output.read_bytes() == b"old"
    draw(write_sound(tmp_path / "a.wav"), "-o", output)
    assert output.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "out.png", "text"]


def test_an_output_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "a.wav")
    error = refuse(sound, "-o", sound / "out.png")
    assert isinstance(error, OptionError)
    assert str(error).startswith(f"can't write {sound / 'out.png'}: ")


def test_a_folder_needs_one_track(tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    (tmp_path / "empty").mkdir()
    assert "has no track: it needs the stems" in str(refuse(tmp_path / "empty", "-o", output))
    for number in range(7):
        make_track(tmp_path / f"many/song {number}", frames=441)
    error = refuse(tmp_path / "many", "-o", output)
    assert isinstance(error, OptionError)
    assert "has 7 tracks" in str(error)
    assert "song 0, song 1, song 2, song 3, song 4 and 2 more" in str(error)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/provenance.json").write_text('{"format": "stemkit track"')
    assert "isn't a record" in str(refuse(tmp_path / "broken", "-o", output))
    assert not output.exists()


def test_what_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert run(tmp_path / "none.wav", "-o", tmp_path / "out.png").exit_code == 2
    assert run(write_sound(tmp_path / "a.wav")).exit_code == 2


@pytest.mark.parametrize(
    ("second", "digits", "text"),
    [(0, 0, "0:00"), (59.6, 0, "1:00"), (245, 0, "4:05"), (3600, 0, "1:00:00"),
     (36061, 0, "10:01:01"), (0.2, 1, "0:00.2"), (59.96, 1, "1:00.0"), (61.05, 2, "1:01.05")],
)  # fmt: skip
def test_times_are_minutes_and_seconds(second: float, digits: int, text: str) -> None:
    assert format_time(second, digits) == text


def test_help_needs_no_library_for_plots() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from stemkit.cli.plot import plot;"
        "assert 'FILE|TRACK_DIR' in CliRunner().invoke(plot, ['--help']).output;"
        "assert not {'matplotlib', 'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
