"""Metrics against loops over every number."""

import math

import numpy as np
import pytest

from ohmgate.model.metrics import (
    ACCURACY,
    RMSE,
    accuracy,
    balanced_accuracy,
    confusion_counts,
    errors,
    is_values,
    mae,
    majority,
    metric_of,
    recalls,
    rmse,
    rmse_by_output,
    softmax,
)


def test_a_majority_is_what_most_say_and_of_ties_the_lowest():
    rng = np.random.default_rng(0)
    for _ in range(50):
        classes = rng.integers(0, 4, size=(rng.integers(1, 8), 5))
        wanted = []
        for column in classes.T.tolist():
            most = max(column.count(value) for value in column)
            wanted.append(min(value for value in column if column.count(value) == most))
        assert majority(classes).tolist() == wanted


def test_accuracy_counts_classes():
    assert accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.75
    assert ACCURACY.score(np.array([0, 1]), np.array([1, 1]), np.array([3, 3])) == 0.5
    assert ACCURACY.text(0.97628) == "97.63%"


def test_classes_are_judged_one_by_one():
    """Class 2 has no sequence: it is never right, never wrong, and no part of the mean."""
    labels, classes = np.array([0, 0, 0, 0, 1, 3]), np.array([0, 0, 0, 2, 3, 3])
    counts = confusion_counts(classes, labels, 4)
    assert counts.tolist() == [[3, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert recalls(counts).tolist() == pytest.approx([0.75, 0, math.nan, 1], nan_ok=True)
    assert balanced_accuracy(classes, labels) == pytest.approx(1.75 / 3)


def test_confidences_are_positive_and_one_in_sum():
    found = softmax(np.array([[0.0, math.log(3)], [1000.0, 1000.0]], dtype=np.float32))
    assert found == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]), rel=1e-6)


def test_each_output_has_an_error_of_its_own():
    got, lengths = np.zeros((2, 2, 2)), np.array([2, 1])
    wanted = np.array([[[3.0, 1.0], [0.0, 1.0]], [[4.0, 1.0], [99.0, 99.0]]])
    assert rmse_by_output(got, wanted, lengths) == pytest.approx([math.sqrt(25 / 3), 1])
    assert rmse_by_output(got[0], wanted[0]) == pytest.approx([math.sqrt(4.5), 1])


@pytest.mark.parametrize("steps", [0, 5])
def test_errors_of_values_are_those_of_every_step_that_a_sequence_has(steps):
    rng, lengths = np.random.default_rng(1), np.array([5, 2, 1])
    shape = (3, steps, 2) if steps else (3, 2)
    got, wanted = rng.normal(size=shape), rng.normal(size=shape)
    found = [
        float(got[place] - wanted[place]) for place in np.ndindex(shape) if not steps or place[1] < lengths[place[0]]
    ]
    assert len(found) == (16 if steps else 6)
    assert rmse(got, wanted, lengths) == pytest.approx(math.sqrt(sum(e * e for e in found) / len(found)), rel=1e-12)
    assert mae(got, wanted, lengths) == pytest.approx(sum(map(abs, found)) / len(found), rel=1e-12)
    assert RMSE.score(got, wanted, lengths) == rmse(got, wanted, lengths)
    assert errors(got, wanted, lengths).shape == (len(found) // 2, 2)
    assert RMSE.text(12.3456) == "12.35"


def test_floating_point_numbers_with_outputs_are_values():
    assert metric_of(np.zeros((3, 1))) is metric_of(np.zeros((3, 5, 1), np.float32)) is RMSE
    assert metric_of(np.zeros(3, int)) is metric_of(np.zeros(3)) is metric_of([1, 2]) is ACCURACY
    assert not is_values(np.zeros((3, 2), int))
