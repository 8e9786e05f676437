"""Errors of a trial's speakers, from its records, and their differences."""

import numpy as np
import pytest

from ohmgate.report.word_errors import counts_of, difference, metrics_of


def final(system: str, more: int) -> dict[str, float]:
    """Speaker k of ten has k + ``more`` errors in 20 + k words."""
    return {f"{system}_errors_{k}": float(k + more) for k in range(10)} | {
        f"{system}_words_{k}": 20.0 + k for k in range(10)
    }


def test_counts_are_of_each_speaker_and_all_seeds():
    found = counts_of([{"final": final("float", 0) | final("naive", 9)}, {"final": final("float", 2)}], "float")
    assert found.tolist() == [[2 * k + 2, 40 + 2 * k] for k in range(10)]


def test_a_difference_is_the_second_less_the_first_with_its_interval():
    """In points, of all words together; where the second has more errors of every speaker, so is all of its interval."""
    words = np.array([10, 30])
    first, second = np.column_stack([[1, 2], words]), np.column_stack([[2, 8], words])
    found, low, high = difference(first, second)
    assert found == pytest.approx(100 * (10 - 3) / 40)
    assert (low, high) == pytest.approx((10, 20)), "either speaker alone: 1 in 10, 6 in 30"
    assert difference(second, first) == pytest.approx((-found, -high, -low))


def test_metrics_have_a_name_for_every_number():
    found = metrics_of(["float", "naive"])
    assert len(found) == len(set(found)) == 2 * (2 + 2 * 10)
    assert found[:3] == ["float_wer", "float_cer", "float_errors_0"]
    assert {*final("naive", 0), "naive_wer", "naive_cer"} < set(found)
