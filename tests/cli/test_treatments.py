"""`separate --preset` and `apply`, as their users run them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.cli.main import run
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.samples import Samples
from tests.separation.networks import make_least

RATE = 44100
HEAD = 'version = 1\nsummary = "test"\n'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(make_least(), path)
    return path


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    (folder / "album").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, channels in (("song.wav", 2), ("album/mono.flac", 1)):
        soundfile.write(folder / name, random.uniform(-0.3, 0.3, (2 * RATE, channels)), RATE)
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (folder / "empty.wav").touch()
    return folder


def write_preset(folder: Path, text: str, name: str = "mine") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(HEAD + text)
    return path


def separate(*arguments: str | Path) -> int:
    return run(["separate", *map(str, arguments), "--precision", "float32"])


def apply(*arguments: str | Path) -> int:
    return run(["apply", *map(str, arguments)])


def list_files(folder: Path) -> list[str]:
    """Return the names of all files but the ledger's and the records."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    songs = (path for path in files if path.suffix != ".json")
    return sorted(str(path) for path in songs if path.parts[0] != ".stemkit")


def read(path: Path) -> Samples:
    audio, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(audio.T)


def test_what_is_no_number_is_the_songs_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = write_preset(tmp_path, '[mix]\nchain = [{ effect = "Gain", gain_db = 3 }]')
    audio = np.zeros((RATE, 2), np.float32)
    audio[441, 1] = np.nan
    soundfile.write(tmp_path / "song.wav", audio, RATE, "FLOAT")
    assert apply(preset, tmp_path / "song.wav", "-o", tmp_path / "out") == 1
    assert "song.wav: NaN or infinity at 0.010 s (frame 441)" in capsys.readouterr().err


def test_a_guard_of_what_has_no_vocals_is_found_by_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    effect = '{ effect = "Separator", stem = "drums", model = "stemkit-small-4", guard = true }'
    preset = write_preset(tmp_path, f"[mix]\nchain = [{effect}]")
    assert run(["presets", "check", str(preset)]) == 1
    assert "mix.chain[0]: no vocals to guard, only drums" in capsys.readouterr().out


def test_stems_of_an_unset_variable_are_not_all_stems(
    library: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(library, "-m", model, "-o", tmp_path / "out", "--stems", "") == 2
    assert "this model has no stem ''" in capsys.readouterr().err


def test_a_neutral_preset_writes_the_bytes_of_no_preset(
    library: Path, model: Path, tmp_path: Path
) -> None:
    preset = write_preset(tmp_path, "[stems.vocals]\n[stems.accompaniment]")
    plain: list[str | Path] = [library, "-m", model, "--no-tags"]
    assert separate(*plain, "-o", tmp_path / "plain") == 1
    assert separate(*plain, "-o", tmp_path / "preset", "--preset", preset) == 1
    files = list_files(tmp_path / "plain")
    assert files == list_files(tmp_path / "preset")
    assert len(files) == 4
    for name in files:
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "preset" / name).read_bytes()


def test_a_mix_comes_out_under_its_name_in_the_presets_format(
    library: Path, model: Path, tmp_path: Path
) -> None:
    text = (
        '[stems.accompaniment]\n[mix]\nname = "sing"\n[output]\nformat = "flac"\nbit_depth = "16"'
    )
    preset = write_preset(tmp_path, text)
    assert separate(library, "-o", tmp_path / "out", "-m", model, "-p", preset) == 1
    assert list_files(tmp_path / "out") == ["album/mono/sing.flac", "song/sing.flac"]
    assert soundfile.info(tmp_path / "out/song/sing.flac").subtype == "PCM_16"
    assert read(tmp_path / "out/album/mono/sing.flac").shape == (1, 2 * RATE)


def test_a_song_with_a_very_long_name_is_applied_and_found_again(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (library / "empty.wav").unlink()
    song = library / f"{'歌' * 83}.wav"
    (library / "song.wav").rename(song)
    preset, out = write_preset(tmp_path, "[mix]"), tmp_path / "out"
    assert apply(preset, library, "-o", out, "-q") == 0
    assert list_files(out) == ["album/mono.wav", song.name]
    assert run(["handoff", str(out), "--to", "audacity", "-q"]) == 0
    assert sorted(path.name for path in out.rglob("*.lof")) == ["mono.lof", f"{song.stem}.lof"]
    assert apply(preset, library, "-o", out, "-q") == 3
    assert capsys.readouterr().err == ""


def test_the_command_line_overrules_the_presets_format(
    library: Path, model: Path, tmp_path: Path
) -> None:
    text = '[stems.vocals]\n[output]\nformat = "wav"\nbit_depth = "32f"'
    preset = write_preset(tmp_path, text)
    song = library / "song.wav"
    for options, name, subtype in (
        (["--format", "flac"], "vocals.flac", "PCM_24"),
        (["--format", "wav"], "vocals.wav", "FLOAT"),
        (["--bit-depth", "16"], "vocals.wav", "PCM_16"),
        ([], "vocals.wav", "FLOAT"),
    ):
        out = tmp_path / "out"
        assert separate(song, "-o", out, "-m", model, "-p", preset, "--overwrite", *options) == 0
        assert soundfile.info(tmp_path / "out/song" / name).subtype == subtype


def test_the_presets_model_is_taken_unless_another_is_named(
    library: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = write_preset(tmp_path, "[stems.vocals]")
    preset.write_text(preset.read_text().replace("[stems", f'model = "{model}"\n[stems'))
    song = library / "song.wav"
    assert separate(song, "-o", tmp_path / "own", "-p", preset, "--no-tags") == 0
    named_model = ["-m", str(model), "--stems", "vocals", "--no-tags"]
    assert separate(song, "-o", tmp_path / "named", *named_model) == 0
    own, named = (tmp_path / name / "song" / "vocals.wav" for name in ("own", "named"))
    assert own.read_bytes() == named.read_bytes()


def test_apply_treats_songs_without_a_model(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[mix]\n[[mix.chain]]\neffect = "Gain"\ngain_db = -6\n[output]\nbit_depth = "32f"'
    preset = write_preset(tmp_path, text + '\nformat = "wav"')
    assert apply(preset, library, "-o", tmp_path / "out", "--json") == 1
    assert list_files(tmp_path / "out") == ["album/mono.wav", "song.wav"]
    quieter = read(library / "song.wav") * 10 ** (-6 / 20)
    np.testing.assert_allclose(read(tmp_path / "out/song.wav"), quieter, atol=1e-6)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    summary = events[-1]
    assert (summary["done"], summary["failed"], summary["skipped_not_audio"]) == (2, 1, 1)


def test_loudness_is_reported_with_what_was_done(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = write_preset(tmp_path, "[mix]\nloudness_lufs = -23\ntrue_peak_db = -1")
    song = library / "song.wav"
    assert apply(preset, song, "-o", tmp_path / "out", "--json") == 0
    (done,) = (
        event
        for line in capsys.readouterr().out.splitlines()
        if (event := json.loads(line))["event"] == "done"
    )
    (output,) = done["outputs"]
    assert output["loudness_lufs"] == pytest.approx(-23, abs=0.1)
    assert output["true_peak_db"] < -1
    assert apply(preset, song, "-o", tmp_path / "out", "--overwrite", "-v") == 0
    assert "-23.0 LUFS" in capsys.readouterr().out


def test_a_tail_makes_files_longer(library: Path, tmp_path: Path) -> None:
    text = '[mix]\n[[mix.chain]]\neffect = "Reverb"\n[output]\ntail_seconds = 0.25'
    preset = write_preset(tmp_path, text)
    assert apply(preset, library / "song.wav", "-o", tmp_path / "out") == 0
    assert read(tmp_path / "out/song.wav").shape == (2, 2 * RATE + RATE // 4)


def test_presets_are_found_by_name(
    library: Path, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = library / "song.wav"
    write_preset(home / "presets", '[mix]\nname = "home"\ngain_db = -20', "quiet")
    assert apply("quiet", song, "-o", tmp_path / "a") == 0
    write_preset(tmp_path / "dir", '[mix]\nname = "dir"\ngain_db = -40', "quiet")
    assert apply("quiet", song, "-o", tmp_path / "b", "--preset-dir", tmp_path / "dir") == 0
    levels = [np.abs(read(tmp_path / out / "song.wav")).max() for out in ("a", "b")]
    assert levels[0] == pytest.approx(10 * levels[1], rel=1e-3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[stems.vocalz]", "vocals"),
        ('[[stems.vocals.chain]]\neffect = "Compresor"', "Compressor"),
        ("[stems.vocals]\ngain = 3", "gain_db"),
        ("[mix]", "stemkit apply"),
        ("this isn't TOML", "not TOML"),
    ],
)
def test_a_bad_preset_is_found_before_any_work(
    library: Path,
    model: Path,
    tmp_path: Path,
    text: str,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    preset = write_preset(tmp_path, text)
    assert separate(library, "-o", tmp_path / "out", "-m", model, "-p", preset) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["apply", "karaoke"], "stemkit separate --preset karaoke"),
        (["apply", "karaokee"], "karaoke"),
        (["separate", "--preset", "karaoke", "--stems", "vocals"], "leave out --stems"),
        (["separate", "--preset", "lofi"], "stemkit apply lofi"),
        (["separate", "--preset", "nothing-like-it"], "nothing-like-it"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(
    library: Path,
    tmp_path: Path,
    command: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([*command, str(library), "-o", str(tmp_path / "out")]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_plugins_are_not_loaded_unless_allowed(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "Some.vst3"
    text = f'[mix]\n[[mix.chain]]\neffect = "VST3Plugin"\npath_to_plugin_file = "{plugin}"'
    preset = write_preset(tmp_path, text)
    song = library / "song.wav"
    assert apply(preset, song, "-o", tmp_path / "out") == 2
    assert "--allow-plugins" in capsys.readouterr().err
    assert apply(preset, song, "-o", tmp_path / "out", "--dry-run", "--json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{preset}: mix.chain[0]: VST3Plugin loads the program" in told.err
    assert apply(preset, song, "-o", tmp_path / "out", "--allow-plugins") == 2
    assert f"{preset}: mix.chain[0]: no plugin" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_song_at_a_rate_that_an_effect_cannot_take_fails_alone(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(library / "low.wav", np.full((8000, 1), 0.1), 8000)
    text = '[mix]\n[[mix.chain]]\neffect = "LowpassFilter"\ncutoff_frequency_hz = 9000'
    (library / "empty.wav").unlink()
    assert apply(write_preset(tmp_path, text), library, "-o", tmp_path / "out") == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert "low.wav" in errors[0]
    assert "mix.chain[0]" in errors[0]
    assert list_files(tmp_path / "out") == ["album/mono.wav", "song.wav"]


def test_a_dry_run_with_a_preset_imports_no_torch(library: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom stemkit.cli.main import run\n"
        f"code = run(['separate', {str(library)!r}, '-o', {str(tmp_path / 'out')!r}, "
        "'--preset', 'karaoke', '--dry-run', '-q'])\n"
        "print(code, 'torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["0", "False"]


def test_names_that_are_too_long_and_links_in_a_circle_are_one_line(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a" * 300
    folder = tmp_path / "presets"
    chain = '[mix]\n[[mix.chain]]\neffect = "Convolution"\nimpulse_response_filename = '
    write_preset(folder, f'{chain}"{long}.wav"', "long")
    write_preset(folder, f'{chain}"circle.wav"', "circle")
    write_preset(folder, "[mix]", "right")
    (folder / "circle.wav").symlink_to("circle.wav")
    assert run(["presets", "list", "--preset-dir", str(folder)]) == 1
    told = capsys.readouterr()
    assert "right" in told.out
    assert len(told.err.splitlines()) == 2
    for command in (
        ["presets", "check", f"{long}.toml"],
        ["apply", "lofi", str(library / f"{long}.wav"), "-o", str(tmp_path / "out")],
    ):
        assert run(command) in (1, 2)
        told = capsys.readouterr()
        assert len((told.out + told.err).splitlines()) == 1
