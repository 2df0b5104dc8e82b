"""The log is read as it was written, and drawn."""

from pathlib import Path

from stemkit.training.curves import draw_curves
from stemkit.training.log import Line, TrainingLog, read_log

LINES = [Line(step, step * 2.0, 1e-3, 0.5 / step, 2.0) for step in (1, 2, 3)]
SCORED = Line(3, 6.0, 1e-3, scores={"vocals": 4.5, "mix": -1.0})


def test_a_log_forgets_what_came_after_the_state(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, ("vocals", "mix"), 0)
    for line in (*LINES, SCORED):
        log.add(line)
    assert read_log(log.path) == [*LINES, SCORED]
    with log.path.open("a") as file:
        file.write("4,8.0,1e-")  # cut by a full disk
    assert read_log(TrainingLog(tmp_path, ("vocals", "mix"), 2).path) == LINES[:2]


def test_curves_are_drawn_with_scores_and_without() -> None:
    pictures = [draw_curves(lines) for lines in ([], LINES, [*LINES, SCORED])]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert len(set(pictures)) == 3
