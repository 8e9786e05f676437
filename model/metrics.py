"""What results are judged by: the share of right classes, or the error of values in their own units."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .formats import check_choice


@dataclass(frozen=True)
class Metric:
    """One number for the results of many sequences."""

    name: str  #: within a sentence
    key: str  #: in files
    meaning: str  #: beside the numbers in files, units included
    text: Callable[[float], str]  #: a number for people
    less_is_better: bool
    score: Callable[..., float]  #: of results, what is right, and lengths


def is_values(labels) -> bool:
    """Are these values to forecast, (B, k) or (B, T, k), and not the numbers of classes (B,)?"""
    labels = np.asarray(labels)
    return labels.dtype.kind == "f" and labels.ndim > 1


def accuracy(classes, labels, lengths=None) -> float:
    """Share (0..1) of the classes (B,) that are right; lengths do not count."""
    return float((classes == labels).mean())


def majority(classes) -> np.ndarray:
    """(B,) the class that most of several reads (k, B) say; on a tie the lowest of those that most say."""
    classes = np.asarray(classes)
    counts = np.zeros((classes.max() + 1, classes.shape[1]), dtype=np.int64)
    np.add.at(counts, (classes, np.arange(classes.shape[1])), 1)
    return counts.argmax(axis=0)


VOTES = ("mean", "majority")  #: of a head's codes, or of the classes


def vote(codes, how: str = "mean") -> np.ndarray:
    """(B,) the class that several reads of a head give together, by their codes (k, B, outputs).

    By the "mean" of the codes, or by the :func:`majority` of the reads' classes. On a tie the lowest class.
    """
    check_choice("vote", how, VOTES)
    codes = np.asarray(codes)
    return codes.sum(axis=0).argmax(axis=1) if how == "mean" else majority(codes.argmax(axis=2))


def confusion_counts(classes, labels, count: int) -> np.ndarray:
    """(k, k) for ``count`` classes: how often each true class (row) was given each label (column)."""
    return np.bincount(np.asarray(labels) * count + classes, minlength=count * count).reshape(count, count)


def recalls(counts: np.ndarray) -> np.ndarray:
    """(k,) share (0..1) of each true class that is right, by :func:`confusion_counts`; nan where it has none."""
    total = counts.sum(axis=1)
    return np.where(total > 0, counts.diagonal() / np.maximum(total, 1), np.nan)


def balanced_accuracy(classes, labels, lengths=None) -> float:
    """Mean of the recalls (0..1) of all classes that occur in ``labels`` (B,)."""
    return float(np.mean([(classes[labels == label] == label).mean() for label in np.unique(labels)]))


def softmax(outputs) -> np.ndarray:
    """Confidences (B, k) in 0..1, 1 in sum, of a network's outputs for classes."""
    shifted = np.asarray(outputs, dtype=np.float64)
    powers = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def rmse_by_output(values, wanted, lengths=None) -> np.ndarray:
    """(k,) :func:`rmse` of each output, in its own unit."""
    return np.sqrt(np.square(errors(values, wanted, lengths)).mean(axis=0))


def rmse(values, wanted, lengths=None) -> float:
    """Root of the mean squared error of values (B, k), or (B, T, k) up to ``lengths`` (B,), all outputs together."""
    return float(np.sqrt(np.square(errors(values, wanted, lengths)).mean()))


def mae(values, wanted, lengths=None) -> float:
    """Mean absolute error, as :func:`rmse`."""
    return float(np.abs(errors(values, wanted, lengths)).mean())


def errors(values, wanted, lengths=None) -> np.ndarray:
    """(n, k): of every sequence, or of every step that a sequence has."""
    return valid_steps(np.asarray(values, dtype=np.float64) - wanted, lengths)


def valid_steps(values: np.ndarray, lengths) -> np.ndarray:
    """(n, k): values (B, k), or those of (B, T, k) up to ``lengths`` (B,)."""
    if values.ndim == 2:
        return values
    return values[np.arange(values.shape[1]) < np.asarray(lengths)[:, None]]


ACCURACY = Metric(
    "accuracy",
    "accuracy",
    "share of the sequences that are classified rightly, 0 to 1",
    lambda value: f"{value:.2%}",
    False,
    accuracy,
)
RMSE = Metric(
    "RMSE",
    "rmse",
    "root of the mean squared error of the values, in their own units",
    lambda value: f"{value:.4g}",
    True,
    rmse,
)


def metric_of(labels) -> Metric:
    """By what is right for the sequences: classes or values."""
    return RMSE if is_values(labels) else ACCURACY
