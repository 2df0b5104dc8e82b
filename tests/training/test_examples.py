"""The configs under examples/ are ones that the trainer takes."""

import sys
import tomllib
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from stemkit.nn.checkpoints import load_checkpoint, save_checkpoint
from stemkit.training.config import load_config
from tests.nn.seeded import tiny_network

EXAMPLES = Path(__file__).parents[2] / "examples"


def is_training(path: Path) -> bool:
    return bool({"pool", "songs"} & tomllib.loads(path.read_text(encoding="utf-8")).keys())


CONFIGS = [path for path in sorted(EXAMPLES.rglob("*.toml")) if is_training(path)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_is_whole(path: Path) -> None:
    config = load_config(path)
    folders = [folder for pool in config.pool for folder in pool.folders]
    folders += [folder for songs in config.songs for folder in songs.folders]
    assert all(folder.is_relative_to(path.parent) for folder in folders)
    assert config.output.parent == path.parent


def test_each_kind_has_one() -> None:
    kinds = {path.parent.name for path in CONFIGS}
    assert kinds >= {"train_small", "train_paper", "fine_tune"}


def run_script(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what a script beside the small models' configs defines."""
    folder = EXAMPLES / "train_small"
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return run_path(str(folder / name))


@pytest.fixture
def gather(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return run_script("gather_audio.py", monkeypatch)


def test_what_is_short_or_unreadable_is_not_gathered(
    gather: dict[str, Any], tmp_path: Path
) -> None:
    for name, seconds in (("a.wav", 2.0), ("short.wav", 0.9), ("b.mp3", 2.0)):
        soundfile.write(tmp_path / name, np.zeros(round(seconds * 8000)), 8000)
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    (tmp_path / "link.wav").symlink_to("a.wav")
    package = gather["Package"]("", "", ("*.*",), minimum_seconds=1)
    found = gather["find_kept"](package, tmp_path)
    assert {path.name: round(seconds) for path, seconds in found} == {
        "a.wav": 2,
        "b.mp3": 2,
    }


def test_files_whose_licence_is_not_known_or_not_ours_are_not_gathered(
    gather: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("af/a/x.ogg", "af/a/unnamed.ogg", "fr/fdl.ogg", "fr/y.ogg", "sv/z.ogg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "LICENSE").write_text(
        "./af/a:\nx.ogg   Hermien 2011 / GPL\n\n./fr:\nfdl.ogg  Baptiste / FDL\n"
        "y.ogg  Public Domain\nunnamed.ogg  GPL\n\n./sv:\nz.ogg  GPL\n",
        encoding="utf-8",
    )
    repository = gather["Repository"](
        "", "", "", ("**/*.ogg",), drop={"sv/*": "noise"}, licences="LICENSE"
    )
    found = gather["find_free"](repository, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["af/a/x.ogg", "fr/y.ogg"]


@pytest.fixture
def album(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return run_script("mix_album.py", monkeypatch)


def test_a_smaller_version_of_a_stem_is_taken_where_there_is_no_other(
    album: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("1_Stem_HATS", "1_Stem_HATS_mobile", "1_Stem_VOX LEAD_mobile", "1_Master"):
        (tmp_path / f"{name}.m4a").touch()
    found = [path.stem for path in album["choose_stems"](tmp_path)]
    assert found == ["1_Stem_HATS", "1_Stem_VOX LEAD_mobile"]


def test_a_song_whose_mixing_was_stopped_is_mixed_again(
    album: dict[str, Any], tmp_path: Path
) -> None:
    song = tmp_path / "stems" / "1.One"
    song.mkdir(parents=True)
    for name, frames in (("VOX DOUBLE", 9000), ("HATS", 44100)):  # a song without a lead
        audio = np.full((frames, 2), 0.1)
        soundfile.write(song / f"1.One_Stem_{name}.m4a", audio, 44100, format="WAV")
    made = tmp_path / "songs" / "1.One"
    made.mkdir(parents=True)
    (made / "accompaniment.flac").touch()
    album["mix_song"](song, tmp_path)
    assert {path.name for path in made.iterdir()} == {"accompaniment.flac", "vocals.flac"}
    assert soundfile.info(made / "accompaniment.flac").frames == 44100
    assert soundfile.info(made / "vocals.flac").frames == 44100
    assert not (tmp_path / "voice").exists()


def test_a_voice_keeps_all_that_is_heard_and_short_rests(album: dict[str, Any]) -> None:
    rate = 44100
    sung = np.sin(np.arange(2 * rate) / 20)[:, None].repeat(2, axis=1) * 0.1
    rest = np.zeros((5 * rate, 2))
    cut = album["shorten_rests"](np.concatenate([rest, sung, rest, sung, rest]))
    assert np.square(cut).sum() == pytest.approx(2 * np.square(sung).sum(), rel=1e-6)
    assert 2 * 2 + 3 * 0.4 <= len(cut) / rate <= 2 * 2 + 3 * 1


def test_words_become_speech_without_their_silence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    strings = run_script("string_words.py", monkeypatch)
    word = np.concatenate([np.zeros(22050), np.sin(np.arange(22050) / 20), np.zeros(22050)])
    for number, ending in enumerate(("wav", "flac", "ogg")):
        path = tmp_path / "words" / f"{number}.{ending}"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, word * 0.1, 22050)
    strings["string_folder"](tmp_path / "words", tmp_path / "strung", 2)
    (made,) = (tmp_path / "strung").iterdir()
    audio, rate = soundfile.read(made)
    assert rate == 44100
    assert 3 + 3 * 0.05 < len(audio) / rate < 3 + 3 * 0.4 + 0.1
    assert abs(audio).max() == pytest.approx(0.7, abs=0.01)


def test_networks_are_averaged_by_source(tmp_path: Path) -> None:
    pack = run_path(str(EXAMPLES / "train_small" / "pack_model.py"))["pack"]
    one = tiny_network("stemkit-small", "vocals")
    two = tiny_network("stemkit-small", "drums", "vocals", seed=1)
    for name, network in (("one", one), ("two", two)):
        save_checkpoint(network, tmp_path / f"{name}.safetensors")
    models = [str(tmp_path / f"{name}.safetensors") for name in ("one", "two")]
    pack(models, tmp_path / "mean.safetensors")
    mean = load_checkpoint(tmp_path / "mean.safetensors")
    assert mean.sources == ("vocals",)
    first, second, found = (network.state_dict() for network in (one, two, mean))
    second["unet.head.weight"] = second["unet.head.weight"].chunk(2)[1]  # that of the vocals
    for key in ("unet.head.weight", "unet.bottleneck.0.conv1.weight"):
        middle = (first[key] + second[key]) / 2
        torch.testing.assert_close(found[key], middle, rtol=0, atol=0.01)
    with pytest.raises(SystemExit, match="more sources than the first"):
        pack(models[::-1], tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()
