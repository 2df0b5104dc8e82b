"""Make a preset in Python and write it as TOML: python make_preset.py FILE

Then: stemkit separate SONGS -o OUT --preset FILE
"""

import argparse
from pathlib import Path

from stemkit.effects.catalogue import Compressor, Delay, HighpassFilter, Mix, Reverb
from stemkit.effects.preset import MixSettings, OutputSettings, Preset, StemSettings, check_preset

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("file", type=Path)
file = parser.parse_args().file

dry_voice = Compressor(threshold_db=-20, ratio=3, attack_ms=10, release_ms=120)
echo = Delay(delay_seconds=0.375, feedback=0.3, mix=1.0)  # a dotted eighth at 120 beats a minute
hall = Reverb(room_size=0.7, wet_level=0.2, dry_level=0.0)

preset = Preset(
    version=1,
    summary="The voice in a hall, over a softer band",
    stems={
        "vocals": StemSettings(
            chain=(HighpassFilter(cutoff_frequency_hz=90), Mix(plugins=(dry_voice, echo, hall))),
        ),
        "accompaniment": StemSettings(gain_db=-3),
    },
    mix=MixSettings(name="in the hall", loudness_lufs=-14, true_peak_db=-1),
    output=OutputSettings(tail_seconds=3),  # what still rings after the last note
)
check_preset(preset)  # raises PresetError for whatever Pedalboard would refuse
try:
    file.write_text(preset.to_toml(), encoding="utf-8")
except OSError as error:
    raise SystemExit(f"error: can't write {file}: {error.strerror}") from None
