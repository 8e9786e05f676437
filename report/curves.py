"""Curves of a training: its losses and, where sequences were held back, how good it was on them, epoch by epoch."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from .style import BLUE, GREEN, ORANGE


def training_curves(epochs: Sequence[dict[str, Any]], score: str) -> Figure:
    """Of ``epochs`` as ``results.json`` has them; ``score`` names the validation score."""
    numbers = range(1, len(epochs) + 1)
    judged = [number for number, epoch in zip(numbers, epochs) if epoch["validation_score"] is not None]
    figure = Figure(figsize=(9.6 if judged else 4.8, 3.4), layout="constrained")
    panels = figure.subplots(1, 2 if judged else 1, squeeze=False)[0]
    panels[0].plot(numbers, [epoch["loss"] for epoch in epochs], color=BLUE, label="training")
    if judged:
        held = [epochs[number - 1] for number in judged]
        panels[0].plot(judged, [epoch["validation_loss"] for epoch in held], color=ORANGE, label="validation")
        panels[1].plot(judged, [epoch["validation_score"] for epoch in held], color=GREEN)
        panels[1].set_ylabel(f"validation {score}")
    panels[0].set_ylabel("loss")
    panels[0].legend(fontsize="small")
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    return figure
