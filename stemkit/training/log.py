"""What is kept of a run: log.csv, which any program reads, and log.png, its curves.

A CSV and not TensorBoard's files: it needs no other program, and a resumed run can cut off what
its state doesn't know of.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

from stemkit.errors import TrainingError
from stemkit.files import replace_content, replace_file, writing

LOG = "log.csv"
FIELDS = ("step", "seconds", "learning_rate", "loss", "gradient_norm")
"""Columns before the scores; loss and norm are means since the line before."""


@dataclass(frozen=True)
class Line:
    """One line: of the last steps, or, with scores in dB by stem, of a validation."""

    step: int
    seconds: float
    learning_rate: float
    loss: float | None = None
    gradient_norm: float | None = None
    scores: dict[str, float] = field(default_factory=dict)


class TrainingLog:
    """The log of a run in its output folder; lines after `step` are cut off when it's opened.

    At step 0 nothing is kept: what was scored before may have begun with other weights.
    """

    def __init__(self, folder: Path, stems: tuple[str, ...], step: int) -> None:
        self.path = folder / LOG
        self._stems = stems
        kept = [line for line in read_log(self.path) if line.step <= step and step]
        with writing(self.path, TrainingError):
            replace_file(self.path, lambda temporary: self._write(temporary, "w", kept))

    def add(self, line: Line) -> None:
        """Append a line."""
        with writing(self.path, TrainingError):
            self._write(self.path, "a", [line])

    def _write(self, path: Path, mode: str, lines: list[Line]) -> None:
        with path.open(mode, newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if mode == "w":
                writer.writerow((*FIELDS, *(f"{stem}_db" for stem in self._stems)))
            for line in lines:
                values = (getattr(line, name) for name in FIELDS)
                writer.writerow((*values, *(line.scores.get(stem) for stem in self._stems)))

    def draw(self) -> None:
        """Draw log.png anew."""
        from stemkit.training.curves import draw_curves

        data = draw_curves(read_log(self.path))
        picture = self.path.with_suffix(".png")
        with writing(picture, TrainingError):
            replace_content(picture, data)


def read_log(path: Path) -> list[Line]:
    """Return the lines of a log; none where there is no file, and not one that was cut."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    return [line for row in rows if (line := _parse(row)) is not None]


def is_own_log(path: Path) -> bool:
    """Return whether a file is a log of a training, or isn't there."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith(",".join(FIELDS)) or not path.stat().st_size
    except FileNotFoundError:
        return True


def _parse(row: dict[str, str | None]) -> Line | None:
    try:
        numbers = {name: float(value) for name, value in row.items() if value}
        scores = {name[:-3]: score for name, score in numbers.items() if name.endswith("_db")}
        step, seconds, rate = int(numbers["step"]), numbers["seconds"], numbers["learning_rate"]
    except (ValueError, KeyError, TypeError):
        return None
    return Line(step, seconds, rate, numbers.get("loss"), numbers.get("gradient_norm"), scores)
