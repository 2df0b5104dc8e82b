"""A config says what a network is; what can't be one is refused in one line."""

import dataclasses
import json

import pytest

from stemkit.errors import CheckpointError
from stemkit.nn.config import ARCHITECTURES, NetworkConfig, parse_config


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_config_comes_back_from_json(architecture: str) -> None:
    config = ARCHITECTURES[architecture]
    assert parse_config(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("architecture", "frame", "grid"),
    [
        ("resunet143-subband", 4 * 110, 32 * 4 * 110),
        ("resunet143-ismir2021", 441, 32 * 441),
        ("mobilenet-subband", 4 * 110, 32 * 4 * 110),
        ("stemkit-small", 1024, 32 * 1024),
    ],
)
def test_frame_and_grid_are_in_samples_of_the_mix(architecture: str, frame: int, grid: int) -> None:
    config = ARCHITECTURES[architecture]
    assert (config.frame_samples, config.grid_samples) == (frame, grid)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": ()}, "distinct sources"),
        ({"sources": ("vocals", "vocals")}, "distinct sources"),
        ({"sample_rate": 0}, "sample_rate must be from 1"),
        ({"channels": -1}, "channels must be from 1"),
        ({"band_count": 0}, "band_count must be from 1"),
        ({"hop": 0}, "hop must be from 1"),
        ({"hop": 129}, "hop 129 is above a quarter of n_fft 512"),
        ({"n_fft": 0}, "n_fft must be from 1"),
        ({"n_fft": 2**40}, "n_fft must be from 1"),
        ({"n_fft": 500}, "n_fft 500 .* halved 6 times"),
        ({"n_fft": 513}, "n_fft 513 .* halved 6 times"),
        ({"bands": "fold", "n_fft": 256}, "n_fft 256 doesn't give 4 bands"),
        ({"bands": "none"}, "'none' means band_count 1, not 4"),
        ({"band_count": 3}, "'pqmf' means band_count 2 or 4, not 3"),
        ({"stage_channels": ()}, "halved 0 times"),
        ({"stage_channels": (8, 0)}, "stage_channels must be from 1"),
        ({"stage_channels": (8, 10**12)}, "stage_channels must be from 1"),
        ({"stage_blocks": 0}, "stage_blocks must be from 1"),
        ({"stage_blocks": 10**9}, "stage_blocks must be from 1"),
        ({"bottleneck_blocks": -1}, "bottleneck_blocks must be from 0"),
        ({"after_blocks": -1}, "after_blocks must be from 0"),
    ],
)
def test_impossible_config_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        dataclasses.replace(NetworkConfig(), **changes)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match=words):
        parse_config(NetworkConfig().to_dict() | changes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], "must be a table, not \\[\\]"),
        (None, "must be a table, not None"),
        ({"depth": 3}, "unknown network parameter 'depth'"),
        ({"hop": "many"}, "network parameter hop: "),
        ({"hop": 110.5}, "network parameter hop: "),
        ({"bands": "mel"}, "network parameter bands: "),
        ({"stage_channels": 32}, "network parameter stage_channels: "),
        ({"stage_channels": [32, None]}, "network parameter stage_channels.1: "),
        ({"sources": [1]}, "network parameter sources.0: "),
    ],
)
def test_what_is_no_config_is_refused(fields: object, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        parse_config(fields)


def test_bottleneck_and_last_blocks_may_be_none() -> None:
    assert NetworkConfig(bottleneck_blocks=0, after_blocks=0).after_blocks == 0
