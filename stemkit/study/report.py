"""A study as files: Markdown to read, CSV and JSON to go on with, pictures."""

import csv
import dataclasses
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from stemkit.files import replace_content, writing
from stemkit.study.conditions import BAND_DB, GRADED
from stemkit.study.leakage import FLOOR_DB
from stemkit.study.names import escape_name
from stemkit.study.output import EVERYTHING, LEAKAGE, PAGE, SDR, TABLE
from stemkit.study.pictures import draw_leakage, draw_sdr
from stemkit.study.run import Study
from stemkit.study.summary import (
    MEASURES,
    Spread,
    Summary,
    format_level,
    list_measures,
    summarize,
    tabulate_leakage,
)

DEFINITIONS = f"""\
Each condition is a set of mixes of excerpts; levels are those of the parts that sound, 0 dB being
the voice's, and the band is {BAND_DB:g} dB above it. Example 3 of all conditions has the same
singer and the same band.

SDR counts all samples of both channels alike and allows no filter (the Sound Demixing Challenge's);
SI-SDR allows one gain. Numbers are medians, in brackets the quartiles. "Mix" is what the mix itself
scores, taken for the stem; "gain" is how much more the model does. Where the mix is the target, the
vocals' SDR says how far below it that is which is lost.

Leakage is how much of an instrument's energy is in "vocals": 0 dB is all of it, -10 dB a tenth.
Alone, it is the ratio of the energies. In a mix, the estimated vocals are projected by least
squares on the spectrograms of all parts, each 0.19 s and sixth of an octave by itself;
{FLOOR_DB:g} dB is that much or less.
"""


def write_report(study: Study, folder: Path) -> list[Path]:
    """Write all files of a study into `folder` and return their paths.

    Raises OptionError where they can't be written.
    """
    written = []
    for name, data in _make_files(study):
        with writing(folder / name):
            replace_content(folder / name, data)
        written.append(folder / name)
    return written


def _make_files(study: Study) -> Iterator[tuple[str, bytes]]:
    summaries = summarize(study.scores)
    yield PAGE, describe_study(study, summaries).encode()
    yield TABLE, _tabulate(study).encode()
    yield EVERYTHING, _list_all(study, summaries).encode()
    yield SDR, draw_sdr(summaries)
    yield LEAKAGE, draw_leakage(summaries)


def describe_study(study: Study, summaries: Sequence[Summary]) -> str:
    """Return the study as a Markdown page."""
    options = study.options
    counts = ", ".join(f"{kind} {count}" for kind, count in study.files.items())
    lines = [
        "# Where separators fail",
        "",
        f"Examples of each condition: {options.songs}, of {options.seconds:g} s, seed "
        f"{options.seed}. Files: {counts}.",
        "",
        *DEFINITIONS.splitlines(),
    ]
    for model in dict.fromkeys(one.model for one in summaries):
        own = {one.condition: one for one in summaries if one.model == model}
        lines += ["", f"## {model}", "", *_tabulate_sdr(own), "", *_tabulate_parts(own)]
    lines += ["", "## Leakage matrix", "", *_tabulate_matrix(summaries)]
    lines += ["", f"![SDR by condition]({SDR})", "", f"![Leakage]({LEAKAGE})"]
    if study.left_out:
        lines += ["", "## Left out", ""]
        lines += [f"- {name}: {reason}" for name, reason in study.left_out.items()]
    if study.faults:
        lines += ["", "## Files that could not be used", ""]
        lines += [f"- {path}: {reason}" for path, reason in _list_faults(study).items()]
    return "\n".join(lines) + "\n"


def _tabulate_sdr(summaries: dict[str, Summary]) -> Iterator[str]:
    yield _make_row(
        "condition", "“vocals” should hold", "vocals: mix", "SDR", "gain", "SI-SDR",
        "accompaniment: mix", "SDR",
    )  # fmt: skip
    yield _make_row("---", "---", *["---:"] * 6)
    for condition in GRADED:
        if one := summaries.get(condition.name):
            get = one.measures.get
            cells = (
                _median(get("vocals_mix_sdr_db")), _quartiles(get("vocals_sdr_db")),
                _median(get("vocals_gain_db")), _median(get("vocals_si_sdr_db")),
                _median(get("accompaniment_mix_sdr_db")), _quartiles(get("accompaniment_sdr_db")),
            )  # fmt: skip
            yield _make_row(condition.title, condition.target, *cells)


def _tabulate_parts(summaries: dict[str, Summary]) -> Iterator[str]:
    shown = [(one, summaries[one.name]) for one in GRADED if one.name in summaries]
    parts = list(dict.fromkeys(part for _, summary in shown for part in summary.leakage_db))
    yield _make_row("of its energy in “vocals”, dB", *parts)
    yield _make_row("---", *["---:"] * len(parts))
    for condition, summary in shown:
        cells = [_median(summary.leakage_db.get(part)) for part in parts]
        yield _make_row(condition.title, *cells)


def _tabulate_matrix(summaries: Sequence[Summary]) -> Iterator[str]:
    matrix = tabulate_leakage(summaries)
    models = list(next(iter(matrix.values()), {}))
    heads = [f"{model}, {how}" for model in models for how in ("alone", "with voice + band")]
    yield _make_row("of its energy in “vocals”, dB", *heads)
    yield _make_row("---", *["---:"] * len(heads))
    for kind, row in matrix.items():
        levels = [level for leak in row.values() for level in (leak.alone_db, leak.mixed_db)]
        cells = ["" if level is None else format_level(level) for level in levels]
        yield _make_row(kind, *cells)


def _make_row(*cells: str) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _median(spread: Spread | None) -> str:
    return "" if spread is None else format_level(spread.median)


def _quartiles(spread: Spread | None) -> str:
    if spread is None:
        return ""
    low, median, high = map(format_level, dataclasses.astuple(spread))
    return f"**{median}** ({low}, {high})"


def _tabulate(study: Study) -> str:
    """Return a row for each model and example: its measures, and what leaked of each part."""
    parts = list(dict.fromkeys(part for score in study.scores for part in score.leakage_db))
    leaks = {part: f"{part}_in_vocals_db" for part in parts}
    file = io.StringIO()
    names = ["model", "condition", "example", *MEASURES, *leaks.values()]
    table = csv.DictWriter(file, names, lineterminator="\n")
    table.writeheader()
    for score in study.scores:
        leaked = {leaks[part]: level for part, level in score.leakage_db.items()}
        numbers = {name: f"{level:.3f}" for name, level in (list_measures(score) | leaked).items()}
        where = {"model": score.model, "condition": score.condition, "example": score.number + 1}
        table.writerow(where | numbers)
    return file.getvalue()


def _list_faults(study: Study) -> dict[str, str]:
    return {escape_name(path): escape_name(reason) for path, reason in sorted(study.faults.items())}


def _list_all(study: Study, summaries: Sequence[Summary]) -> str:
    matrix = {
        kind: {model: dataclasses.asdict(leak) for model, leak in row.items()}
        for kind, row in tabulate_leakage(summaries).items()
    }
    everything = {
        "version": 1,
        **dataclasses.asdict(study.options),
        "files": dict(study.files),
        "conditions": [dataclasses.asdict(one) for one in GRADED],
        "left_out": dict(study.left_out),
        "faults": _list_faults(study),
        "summaries": [dataclasses.asdict(one) for one in summaries],
        "leakage": matrix,
        "examples": [dataclasses.asdict(score) for score in study.scores],
    }
    return json.dumps(everything, indent=1) + "\n"
