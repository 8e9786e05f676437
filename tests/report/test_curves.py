"""Curves of a training show its numbers."""

from ohmgate.report.curves import training_curves


def epoch(loss: float, *judged: float) -> dict[str, float | None]:
    validation_loss, validation_score = judged or (None, None)
    return {
        "loss": loss, "learning_rate": 0.1, "validation_loss": validation_loss, "validation_score": validation_score,
    }  # fmt: skip


def test_curves_have_a_point_for_each_epoch():
    (axes,) = training_curves([epoch(2.0), epoch(1.5), epoch(1.25)], "accuracy").axes
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[1, 2.0], [2, 1.5], [3, 1.25]]
    losses, scores = training_curves([epoch(2.0, 1.0, 0.5), epoch(1.5, 1.2, 0.75)], "accuracy").axes
    assert [line.get_ydata().tolist() for line in losses.lines] == [[2.0, 1.5], [1.0, 1.2]]
    assert scores.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.75]]
    assert scores.get_ylabel() == "validation accuracy"
