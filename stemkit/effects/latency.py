"""How far behind a run of native plugins is, which Pedalboard doesn't tell."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, cast

import numpy as np
import pedalboard

from stemkit.effects.calls import Form, Group, call_native, split_groups, start_frames, walk_native
from stemkit.effects.native import needs_whole

UNBOUNDED: Final = 2**63 - 1
"""The latency of what gives nothing before it has everything."""

_STEP_FRAMES = 16
_PATIENCE_SECONDS = 10  # of silence, for a plugin to give something


def measure_latency(plugins: Sequence[pedalboard.Plugin], form: Form) -> int:
    """Return the most samples that a stream of these plugins holds back after any block.

    BrickwallLimiter, MP3Compressor and Resample are measured, on a second instance with the same
    settings and silence; a VST3 or Audio Unit plugin is believed; the others have none.
    """
    if needs_whole(plugins):
        return UNBOUNDED
    return sum(_measure_group(group, form) for group in split_groups(plugins))


def _measure_group(group: Group, form: Form) -> int:
    if isinstance(group, pedalboard.Mix):
        return max(measure_latency([plugin], form) for plugin in group)
    held = sum(_measure_plugin(plugin, form.sample_rate) for plugin in walk_native(group))
    return max(held + form.shortest_block, start_frames(group, form)) - 1


def _measure_plugin(plugin: pedalboard.Plugin, sample_rate: int) -> int:
    kind: Callable[..., pedalboard.Plugin] = type(plugin)
    settings: tuple[object, ...]
    if isinstance(plugin, pedalboard.ExternalPlugin):
        return int(cast(pedalboard.VST3Plugin, plugin).reported_latency_samples)
    if isinstance(plugin, pedalboard.BrickwallLimiter):
        settings = (plugin.ceiling_db, plugin.release_ms, plugin.lookahead_ms, plugin.true_peak)
    elif isinstance(plugin, pedalboard.Resample):
        settings = (plugin.target_sample_rate, plugin.quality)
    elif isinstance(plugin, pedalboard.MP3Compressor):
        settings = (plugin.vbr_quality,)
    else:
        return 0
    return _measure_streamed(kind, settings, sample_rate)


@lru_cache
def _measure_streamed(
    kind: Callable[..., pedalboard.Plugin], settings: tuple[object, ...], sample_rate: int
) -> int:
    """Return the most samples that a new plugin of this kind has held back after any block."""
    plugin = kind(*settings)
    silence = np.zeros((1, _STEP_FRAMES), np.float32)
    pushed, given, held, first = 0, 0, 0, 0
    while pushed < min(2 * first or UNBOUNDED, _PATIENCE_SECONDS * sample_rate):
        pushed += _STEP_FRAMES
        given += call_native(plugin, silence, sample_rate, _STEP_FRAMES, reset=False).shape[1]
        held = max(held, pushed - given)
        first = first or (pushed if given else 0)
    return held + _STEP_FRAMES - 1
