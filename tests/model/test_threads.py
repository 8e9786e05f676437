"""Small products are not shared out among BLAS's threads, whatever the user's setting, which comes back."""

import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ohmgate.analog.array import Array
from ohmgate.analog.fast import FastReader
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from ohmgate.model.threads import one_blas_thread
from tests.designs import random_network

LAYER = DenseLayer(inputs=3, outputs=2, adcs=2)
DRIVE = np.zeros((2, LAYER.rows), np.int64)


def run_the_reference() -> None:
    network = random_network(Design("one", (LAYER,)), np.random.default_rng(0))
    reference.run(network, np.zeros((1, 1, 3), np.int64))


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_what_is_called_within_has_one_thread():
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == before


def test_a_library_that_is_loaded_later_has_one_thread_too():
    """scipy brings a BLAS of its own."""
    code = """
from ohmgate.model.threads import one_blas_thread
from threadpoolctl import threadpool_info, threadpool_limits
with one_blas_thread():
    pass
import scipy.linalg
threadpool_limits(2, user_api="blas")
with one_blas_thread():
    print({library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "{1}\n"


def test_contexts_that_overlap_give_the_users_setting_back():
    with threadpool_limits(2, user_api="blas"):
        before, one, other = threads(), one_blas_thread(), one_blas_thread()
        one.__enter__()
        other.__enter__()
        one.__exit__(None, None, None)
        assert threads() == {1}
        other.__exit__(None, None, None)
        assert threads() == before


@pytest.mark.parametrize(
    "work, place, name",
    [
        (lambda: Array(LAYER).analog(DRIVE), Array, "_read_sigma"),
        (lambda: FastReader(Array(LAYER)).read(DRIVE), FastReader, "offset_codes"),
        (run_the_reference, reference, "adc_codes"),
    ],
)
def test_reads_have_one_thread(monkeypatch, work, place, name):
    found, usual = [], getattr(place, name)
    monkeypatch.setattr(place, name, lambda *given: (found.append(threads()), usual(*given))[1])
    with threadpool_limits(2, user_api="blas"):
        work()
    assert found == [{1}]
