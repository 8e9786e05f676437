"""Every entry of every table against rational bounds computed with 60 digits."""

import math

import mpmath
import pytest

from ohmgate.model.tables import cell_tanh_table, dense_table, gate_tables, midpoints

mpmath.mp.dps = 60


def half_up(value) -> int:
    return int(mpmath.floor(value + mpmath.mpf(1) / 2))


@pytest.mark.parametrize("adc_bits", range(1, 9))
@pytest.mark.parametrize("bits", [2, 5, 8, 16])
def test_gate_tables_over_all_codes(adc_bits, bits):
    steps = (0.5, 0.25, 1.0, 0.75)
    tables = gate_tables(adc_bits, bits, steps)
    assert tables.shape == (4, 2**adc_bits)
    for gate, step in enumerate(steps):
        for k in range(2**adc_bits):
            z = (mpmath.mpf(k - 2 ** (adc_bits - 1)) + mpmath.mpf(1) / 2) * mpmath.mpf(step)
            if gate < 3:
                expected = min(half_up(2**bits / (1 + mpmath.e ** (-z))), 2**bits - 1)
            else:
                expected = min(half_up(abs(mpmath.tanh(z)) * 2 ** (bits - 1)), 2 ** (bits - 1) - 1)
                expected = expected if z >= 0 else -expected
            assert tables[gate, k] == expected, (gate, k)


@pytest.mark.parametrize("index_bits, fraction", [(1, 0), (4, 2), (8, 5), (12, 8)])
def test_cell_tanh_is_odd_and_exact(index_bits, fraction):
    table = cell_tanh_table(index_bits, fraction, 8)
    half = 2 ** (index_bits - 1)
    assert len(table) == 2 * half
    assert table[::-1].tolist() == (-table).tolist()
    for t in range(half):
        z = (mpmath.mpf(t) + mpmath.mpf(1) / 2) / 2**fraction
        assert table[half + t] == min(half_up(mpmath.tanh(z) * 128), 127)


def test_dense_tables():
    assert midpoints(2, 0.5) == [-0.75, -0.25, 0.25, 0.75]
    assert dense_table("identity", 2, 0.5, 4).tolist() == [-5, -2, 2, 5]
    assert dense_table("relu", 2, 0.5, 4).tolist() == [0, 0, 2, 5]
    assert dense_table("tanh", 2, 2.0, 4).tolist() == [math.floor(math.tanh(z) * 7 + 0.5) for z in (-3, -1, 1, 3)]
    assert dense_table("relu", 2, 0.5, 1).tolist() == [1, 1, 1, 1], "one bit has no zero"
