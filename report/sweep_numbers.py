"""Metrics of the experiments of Ma et al., and the paper's numbers."""

import numpy as np

from ..train.experiments.paper import Trial
from ..train.layers.config import FLOAT
from .sweep_results import Results, finals

PAPER_NAMES = {(32, 32): (85.09, 1.52), (4, 4): (85.0, 1.55), (2, 2): (83.6, 1.58), (1, 1): (72.82, 2.27)}
PAPER_PTB = {(4, 2): 172, (2, 4): 182, (2, 1): 282, (1, 2): 327}  #: the numbers that the paper's text states
METRICS = {
    "har": ("accuracy", 100, "test accuracy in %"),
    "ptb": ("perplexity", 1, "validation perplexity per word"),
    "names": ("perplexity", 1, "training perplexity per character"),
}  #: of a task: final metric, scale and name


def mean_of(results: Results, trial: Trial | None) -> float:
    """Mean of the trial's metric over its seeds; NaN where none has run, or there is no such trial."""
    if trial is None:
        return np.nan
    metric, scale, _ = METRICS[trial.task]
    values = finals(results.get(trial, []), metric, scale)
    return float(np.mean(values)) if values else np.nan


def float_trial(results: Results) -> Trial | None:
    """The float baseline among the trials."""
    return next((trial for trial in results if trial.weight_bits == FLOAT), None)


def noise_text(trial: Trial) -> str:
    """The trial's noise in words; empty without any."""
    parts = [f"ADC {trial.adc_noise:.3f} steps"] if trial.adc_noise else []
    return ", ".join(parts + ([f"weights {100 * trial.weight_noise:.0f} %"] if trial.weight_noise else []))
