"""What a data set must be, checked at the border: one sentence names split, sequence, rule and value."""

import numpy as np

from ...model.formats import DesignError
from ...model.metrics import is_values, valid_steps


def check_sequences(split: str, features, lengths, groups) -> None:
    """Raise :class:`DesignError` for arrays that cannot be a split: shapes, counts, values, lengths."""
    if not isinstance(features, np.ndarray) or features.ndim != 3 or features.dtype.kind not in "fiu":
        raise DesignError(
            f"features of {split} must be numbers of shape (sequences, steps, channels), not {_kind(features)}"
        )
    count, steps, channels = features.shape
    if 0 in features.shape:
        raise DesignError(
            f"{split} must have at least 1 sequence, 1 step and 1 channel, not {count}, {steps} and {channels}"
        )
    _integers(split, "lengths", lengths, count, 1, steps)
    if groups is not None and np.shape(groups) != (count,):
        raise DesignError(f"{split} must have a group for each of its {count} sequences, not {np.shape(groups)}")
    _finite(split, "features", "channel", features, lengths)


def check_classes(split: str, labels, count: int, classes: int) -> None:
    """Raise :class:`DesignError` for labels that are not the number of a class for each of ``count`` sequences."""
    _integers(split, "labels", labels, count, 0, classes - 1)


def check_values(split: str, values, shape: tuple[int, ...], lengths, outputs: tuple[str, ...]) -> None:
    """Raise :class:`DesignError` for ``values`` that nothing can forecast from features of ``shape``."""
    count, steps, _ = shape
    if not is_values(values) or values.ndim not in (2, 3) or values.shape[:-1] != (count, steps)[: values.ndim - 1]:
        raise DesignError(
            f"values of {split} must be floating-point numbers of shape ({count}, outputs) or ({count}, {steps}, "
            f"outputs), not {_kind(values)}"
        )
    if len(set(outputs)) != len(outputs):
        raise DesignError(f"outputs must be different names, not {outputs!r}")
    if values.shape[-1] != len(outputs or range(max(1, values.shape[-1]))):
        raise DesignError(
            f"values of {split} must have an output for each of the {max(1, len(outputs))} names, not "
            f"{values.shape[-1]}"
        )
    _finite(split, "values", "output", values, lengths)


def check_same_values(train: np.ndarray, test: np.ndarray, lengths) -> None:
    """Raise :class:`DesignError` where the test set's values are of another kind, or the training set's all alike."""
    if (train.ndim, train.shape[-1]) != (test.ndim, test.shape[-1]):
        said = [f"{data.shape[-1]} {'at the end' if data.ndim == 2 else 'on every step'}" for data in (train, test)]
        raise DesignError(f"the test set must have the training set's values, {said[0]}, not {said[1]}")
    values = valid_steps(train, lengths)
    with np.errstate(all="ignore"):
        spread = values.std(axis=0)
    for output, alike in enumerate((values == values[0]).all(axis=0)):
        if alike:
            raise DesignError(
                f"values of the training set must differ, but output {output} is {values[0, output]} everywhere"
            )
        if not 1e-100 < spread[output] < 1e150:
            raise DesignError(
                f"values of the training set must have deviations from 1e-100 to 1e150, but output {output} has "
                f"{spread[output]:.3g}"
            )


def _finite(split: str, name: str, axis: str, numbers: np.ndarray, lengths) -> None:
    """Past a sequence's end, too: gradients of nan are nan, even times 0."""
    finite = np.isfinite(numbers)
    if finite.all():
        return
    sequence, *step, channel = np.argwhere(~finite)[0]
    past = f", past its {lengths[sequence]} steps" if step and step[0] >= lengths[sequence] else ""
    where = f"step {step[0]}, " if step else ""
    raise DesignError(
        f"{name} of {split} must be finite, but sequence {sequence} has {numbers[(sequence, *step, channel)]} "
        f"in {where}{axis} {channel}{past}"
    )


def _integers(split: str, name: str, values: np.ndarray, count: int, low: int, high: int) -> None:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu" or values.shape != (count,):
        raise DesignError(
            f"{name} of {split} must be one integer for each of its {count} sequences, not {_kind(values)}"
        )
    outside = (values < low) | (values > high)
    if outside.any():
        sequence = int(outside.argmax())
        raise DesignError(
            f"{name} of {split} must be integers from {low} to {high}, but sequence {sequence} has {values[sequence]}"
        )


def _kind(values) -> str:
    return f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
