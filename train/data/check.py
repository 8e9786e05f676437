"""What a data set must be, checked at the border: one sentence names split, sequence, rule and value."""

import numpy as np

from ...model.formats import DesignError


def check_sequences(split: str, features, lengths, labels, groups, classes: int) -> None:
    """Raise :class:`DesignError` for arrays that cannot be a split: shapes, counts, values, labels, lengths."""
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
    _integers(split, "labels", labels, count, 0, classes - 1)
    if groups is not None and np.shape(groups) != (count,):
        raise DesignError(f"{split} must have a group for each of its {count} sequences, not {np.shape(groups)}")
    finite = np.isfinite(features)  # past a sequence's end, too: gradients of nan are nan, even times 0
    if not finite.all():
        sequence, step, channel = np.argwhere(~finite)[0]
        past = f", past its {lengths[sequence]} steps" if step >= lengths[sequence] else ""
        raise DesignError(
            f"features of {split} must be finite, but sequence {sequence} has {features[sequence, step, channel]} "
            f"in step {step}, channel {channel}{past}"
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
