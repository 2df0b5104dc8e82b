"""A config is checked whole, and what is wrong with it is one line that says where."""

from pathlib import Path

import pytest

from stemkit.errors import OptionError
from stemkit.training.config import load_config
from tests.training.making import NETWORK, POOLS, SONGS, make_config, write_toml


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"hours": -1}, "hours"),
        ({"hour": 1}, "hour: "),
        ({"hours": "'long'"}, "hours"),
        ({"output": '"a\\u0000b"'}, "output: no path can hold a NUL"),
        ({"batch_size": "'2'"}, "batch_size: Input should be a valid integer"),
        ({"remix": 3}, "remix 3 would mix a batch_size of 2 the same way twice"),
        ({"network.n_fft": "'512'"}, "network.n_fft: '512' isn't a number"),
        ({"network.stage_channels": "[4, '6']"}, "network.stage_channels: '6' isn't a number"),
        ({"network.hop": "true"}, "network.hop: True isn't a number"),
        ({"workers": "true"}, "workers: Input should be a valid integer"),
        ({"hours": ""}, "give hours or max_steps"),
        ({"hours": "= not toml"}, "can't read"),
        ({"architecture": "'x'"}, "choose one of: resunet143-subband"),
        ({"sources": "['vocals', 'vocals']"}, "distinct sources"),
        ({"sources": "['../x']"}, "sources.0: '../x' can't name a source"),
        ({"loss": "'l2'"}, "loss: Input should be 'spectrum_l1', 'spectrum_rms' or 'waveform_l1'"),
        ({"segment_seconds": 0.11, "network.n_fft": 32768}, "too short for n_fft 32768"),
        ({"network.hopp": 3}, "unknown network parameter 'hopp'"),
        ({"network.channels": 1}, "channels must be 2, not 1"),
        ({"network.above_hz": -1}, "above_hz must be from 0 to half of 44100, not -1"),
        ({"network.above_hz": "nan"}, "above_hz must be from 0 to half of 44100, not nan"),
        ({"network.above_hz": 400, "loss": "'waveform_l1'"}, "waveform_l1 has no frequencies"),
        ({"network.sources": "['drums']"}, "sources stand at the top"),
        ({"mixing.speed": "[2, 1]"}, "mixing.speed: the first of"),
        ({"mixing.sources.vocals.second": 2}, "mixing.sources.vocals.second"),
        ({"seed": 2**63}, "seed: Input should be less than 9223372036854775808"),
        ({"learning_rate": "inf"}, "learning_rate: Input should be a finite number"),
        (
            {"mixing.sources.vocal.second": 1},
            "has 'vocal', which nothing is called; choose of: acc",
        ),
        ({"mixing.unsplit": 0.5}, "unsplit is for sources that begin with vocals and split"),
        (
            {"mixing.unsplit": 0.5, "sources": "['drums', 'vocals', 'bass']"},
            "unsplit is for sources that begin with vocals and split",
        ),
    ],
)
def test_a_config_that_is_wrong_is_one_line_with_its_place(
    tmp_path: Path, keys: dict[str, object], place: str
) -> None:
    path = write_toml(tmp_path, POOLS, **keys)
    with pytest.raises(OptionError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)


def test_no_pool_outweighs_all(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"pool\.0\.weight: Input should be a finite number"):
        make_config(tmp_path, POOLS.replace("[[pool]]", "[[pool]]\nweight = inf", 1))
    assert make_config(tmp_path, POOLS, gradient_norm="inf").gradient_norm > 1e300


def test_a_whole_accompaniment_is_drawn_from_somewhere(tmp_path: Path) -> None:
    keys = {"mixing.unsplit": 0.5, "sources": "['vocals', 'drums', 'bass']"}
    with pytest.raises(OptionError, match=r"unsplit needs a \[\[pool\]\] of accompaniment"):
        make_config(tmp_path, POOLS.replace("accompaniment", "bass"), **keys)


def test_a_config_without_audio_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"give a .*pool"):
        make_config(tmp_path, "")


def test_paths_start_at_the_file_and_a_name_is_no_path(tmp_path: Path) -> None:
    config = make_config(tmp_path, POOLS + SONGS, validation="'v'", init="'a/b.safetensors'")
    assert config.pool[0].folders == [tmp_path / "voice"]
    assert config.songs[0].folders == [tmp_path / "songs"]
    assert config.validation == tmp_path / "v"
    assert config.cache == tmp_path / "out" / "cache"
    assert config.init == str(tmp_path / "a" / "b.safetensors")
    assert make_config(tmp_path, POOLS, init="'stemkit-small'").init == "stemkit-small"
    assert load_config(write_toml(tmp_path, POOLS), "other").init == "other"


def test_the_network_table_changes_the_architecture(tmp_path: Path) -> None:
    network = make_config(tmp_path, NETWORK + POOLS, sources="['drums', 'bass']").network_config()
    assert (network.n_fft, network.stage_channels) == (512, (4, 6))
    assert network.sources == ("drums", "bass")
    assert network.bands == "fold"  # as the architecture has it


def test_what_is_done_to_a_source_has_defaults_by_its_name(tmp_path: Path) -> None:
    mixing = make_config(tmp_path, "[mixing.sources.vocals]\nsecond = 1\n" + POOLS).mixing
    assert mixing.of("vocals").second == 1
    assert mixing.of("vocals").gain_db == (-12, 6)
    assert mixing.of("accompaniment").gain_db == (0, 0)
    assert mixing.of("drums").gain_db == (-9, 3)
