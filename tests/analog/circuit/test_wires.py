"""The exact solver against exact fractions, an independent solution and badcrossbar; approximations."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmgate.analog.circuit.irdrop import ir_drop
from ohmgate.analog.circuit.wires import (
    WireConfig,
    approximate_matrix,
    approximation_stride,
    column_loss,
    effective_matrix,
)
from ohmgate.model.formats import DesignError

ONE_OHM = WireConfig(row_segment=1.0, column_segment=1.0)
BOTH_ENDS = WireConfig(row_segment=1.0, column_segment=1.0, driver_ends=2)


def random_cells(rows: int, columns: int, ohm: float, seed: int = 0) -> np.ndarray:
    """Conductances of 0.2 to 1.8 times 1 / ohm."""
    return (0.2 + 1.6 * np.random.default_rng(seed).random((rows, columns))) / ohm


def fractions_matrix(conductance: np.ndarray, wires: WireConfig) -> np.ndarray:
    """The effective matrix by nodal analysis in exact fractions; nodes without resistance between them are merged."""
    rows, columns = conductance.shape
    branches = []  # node, node, ohm
    for i in range(rows):
        nodes = [("in", i), ("drive", i), *(("r", i, j) for j in range(columns))]
        ohms = [wires.driver] + [wires.row_segment] * columns
        if wires.driver_ends == 2:
            nodes += [("far", i), ("in", i)]
            ohms += [wires.row_segment, wires.driver]
        branches += zip(nodes, nodes[1:], ohms)
    for j in range(columns):
        nodes = [*(("c", i, j) for i in range(rows)), ("sense", j), ("out", j)]
        branches += zip(nodes, nodes[1:], [wires.column_segment] * rows + [wires.sense])
    root = {}

    def find(node):
        while node in root:
            node = root[node]
        return node

    for a, b, ohm in branches:
        a, b = sorted((find(a), find(b)), key=lambda node: node[0] in ("in", "out"))
        if ohm == 0 and a != b:
            root[a] = b
    wired = [(find(a), find(b), 1 / Fraction(ohm)) for a, b, ohm in branches if ohm]
    wired += [
        (find(("r", i, j)), find(("c", i, j)), Fraction(conductance[i, j]))
        for i in range(rows)
        for j in range(columns)
    ]
    inner = sorted({n for a, b, _ in wired for n in (a, b) if n[0] not in ("in", "out")})
    place = {node: k for k, node in enumerate(inner)}
    system = [[Fraction(0)] * (len(inner) + rows) for _ in inner]  # admittances, then a right side for each row
    for a, b, siemens in wired:
        for near, far in ((a, b), (b, a)):
            if near in place:
                system[place[near]][place[near]] += siemens
                if far in place:
                    system[place[near]][place[far]] -= siemens
                elif far[0] == "in":
                    system[place[near]][len(inner) + far[1]] += siemens
    for k, pivot in enumerate(system):
        for other in system:
            if other is not pivot and other[k]:
                factor = other[k] / pivot[k]
                other[:] = [x - factor * y for x, y in zip(other, pivot)]
    volt = {node: [x / system[k][k] for x in system[k][len(inner) :]] for node, k in place.items()}
    for i in range(rows):
        volt["in", i] = [Fraction(i == k) for k in range(rows)]
    for j in range(columns):
        volt["out", j] = [Fraction(0)] * rows
    result = [[Fraction(0)] * columns for _ in range(rows)]
    for a, b, siemens in wired:
        for near, far in ((a, b), (b, a)):
            if near[0] == "out":
                for i in range(rows):
                    result[i][near[1]] += siemens * (volt[far][i] - volt[near][i])
    return np.array([[float(x) for x in row] for row in result])


ohms = st.sampled_from([0.0, 0.5, 1.0, 3.0, 40.0])
configs = st.builds(
    WireConfig, row_segment=ohms, column_segment=ohms, driver=ohms, sense=ohms, driver_ends=st.integers(1, 2)
)


@settings(max_examples=60, deadline=None)
@given(configs, st.integers(1, 4), st.integers(1, 4), st.sampled_from([1e6, 1e4, 10.0]), st.integers(0, 1000))
def test_exact_solver_equals_exact_fractions(wires, rows, columns, ohm, seed):
    conductance = random_cells(rows, columns, ohm, seed)
    assert effective_matrix(conductance, wires) == pytest.approx(fractions_matrix(conductance, wires), rel=1e-12)


def test_cells_of_no_conductance_are_legal():
    conductance = random_cells(3, 4, 100.0)
    conductance[1, :] = 0
    conductance[:, 2] = 0
    for wires in (ONE_OHM, BOTH_ENDS):
        exact = fractions_matrix(conductance, wires)
        assert effective_matrix(conductance, wires) == pytest.approx(exact, rel=1e-12, abs=1e-20)


@pytest.mark.parametrize("ohm", [1e6, 1e5, 1e4])
@pytest.mark.parametrize("shape", [(64, 128), (128, 64), (40, 300)])
@pytest.mark.parametrize(
    "wires",
    [
        ONE_OHM,
        BOTH_ENDS,
        WireConfig(row_segment=1.0, driver=100.0, sense=50.0),
        WireConfig(column_segment=1.0, driver=100.0, sense=50.0, driver_ends=2),
        WireConfig(row_segment=2.0, column_segment=0.5, driver=1000.0, sense=200.0, driver_ends=2),
    ],
)
def test_one_input_agrees_with_the_independent_solution(shape, wires, ohm):
    conductance = random_cells(*shape, ohm)
    volts = np.random.default_rng(1).uniform(-1, 1, shape[0])
    solution = ir_drop(conductance, wires, volts)
    assert solution.residual < 1e-11
    expected = volts @ effective_matrix(conductance, wires)
    assert np.abs(solution.column_current - expected).max() < 1e-10 * np.abs(expected).max()


@pytest.mark.full
@pytest.mark.parametrize("ohm", [1e6, 1e5, 1e4])
def test_large_array_agrees_with_the_independent_solution(ohm):
    conductance = random_cells(356, 1024, ohm)
    volts = np.random.default_rng(1).random(356)
    expected = ir_drop(conductance, ONE_OHM, volts).column_current
    assert volts @ effective_matrix(conductance, ONE_OHM) == pytest.approx(expected, rel=1e-9)


def test_exact_solver_agrees_with_badcrossbar():
    badcrossbar = pytest.importorskip("badcrossbar", reason="badcrossbar is not installed: see docs/wires.md")
    conductance = random_cells(64, 128, 1e6)
    wires = WireConfig(row_segment=1.0, column_segment=2.0)
    peer = badcrossbar.compute(np.eye(64), 1 / conductance, r_i_word_line=1.0, r_i_bit_line=2.0).currents.output
    assert effective_matrix(conductance, wires) == pytest.approx(peer, rel=1e-9)


def test_without_wires_the_matrix_is_the_conductances():
    conductance = random_cells(5, 7, 1e6)
    for ends in (1, 2):
        wires = WireConfig(driver_ends=ends)
        assert np.array_equal(effective_matrix(conductance, wires), conductance)
        assert np.array_equal(approximate_matrix(conductance, wires), conductance)


def test_the_matrix_is_the_same_on_every_call():
    conductance = random_cells(30, 50, 1e4)
    assert np.array_equal(effective_matrix(conductance, BOTH_ENDS), effective_matrix(conductance, BOTH_ENDS))


@pytest.mark.parametrize("wires, worst, column", [(ONE_OHM, 0.00957, 127), (BOTH_ENDS, 0.00347, 64)])
def test_loss_of_the_worst_column_at_one_megohm(wires, worst, column):
    conductance = np.full((64, 128), 1e-6)
    loss = column_loss(conductance, effective_matrix(conductance, wires))
    assert loss.max() == pytest.approx(worst, rel=0.01)
    assert abs(loss.argmax() - column) <= 1  # farthest from the drivers


def test_loss_of_an_empty_column_is_zero():
    conductance = np.array([[1e-3, 0.0], [1e-3, 0.0]])
    loss = column_loss(conductance, effective_matrix(conductance, ONE_OHM))
    assert loss[1] == 0
    assert 0.001 < loss[0] < 0.01


def test_ir_drop_map_falls_from_driver_to_far_end():
    solution = ir_drop(np.full((20, 40), 1e-5), ONE_OHM, np.ones(20))
    assert (np.diff(solution.row, axis=1) < 0).all()
    assert (np.diff(solution.column, axis=0) < 0).all()
    assert (solution.row < 1).all()
    assert (solution.column > 0).all()
    both = ir_drop(np.full((20, 40), 1e-5), BOTH_ENDS, np.ones(20))
    assert np.allclose(both.row, both.row[:, ::-1], rtol=0, atol=1e-12)
    assert (both.row > solution.row).all()


def test_ir_drop_of_an_array_that_is_off():
    solution = ir_drop(np.full((3, 4), 1e-6), ONE_OHM, np.zeros(3))
    assert not solution.row.any()
    assert not solution.column_current.any()
    assert solution.residual == 0


large = st.tuples(st.integers(1, 40), st.integers(1, 120))


@settings(max_examples=60, deadline=None)
@given(configs, large, st.floats(2, 6), st.sampled_from([1e-6, 1e-4, 1e-2]), st.integers(0, 1000))
def test_approximation_keeps_the_error_it_is_given(wires, shape, decade, error, seed):
    conductance = np.random.default_rng(seed).random(shape) * 10**-decade
    exact = effective_matrix(conductance, wires)
    found = approximate_matrix(conductance, wires, error)
    assert np.abs(found - exact).max() <= (error + 1e-11) * conductance.max()


def test_approximation_really_leaves_nodes_out():
    conductance = random_cells(64, 128, 1e6)
    assert approximation_stride(conductance, ONE_OHM, 1e-4) == 21
    assert approximation_stride(conductance, ONE_OHM, 1e-9) == 1
    exact, fast = effective_matrix(conductance, ONE_OHM), approximate_matrix(conductance, ONE_OHM, 1e-4)
    assert 1e-6 < np.abs(fast - exact).max() / conductance.max() < 1e-4
    assert np.array_equal(approximate_matrix(conductance, ONE_OHM, 1e-9), exact)


CELL = np.full((2, 3), 1e-6)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: WireConfig(row_segment=-1.0), "row segment in ohm must be a number from 0 to 1e+09, not -1.0"),
        (lambda: WireConfig(column_segment="x"), "column segment in ohm must be a number from 0 to 1e+09, not 'x'"),
        (
            lambda: WireConfig(driver=float("nan")),
            "driver resistance in ohm must be a number from 0 to 1e+09, not nan",
        ),
        (lambda: WireConfig(sense=1e10), "sense resistance in ohm must be a number from 0 to 1e+09, not 1"),
        (lambda: WireConfig(driver_ends=3), "driver ends must be an integer from 1 to 2, not 3"),
        (
            lambda: effective_matrix(np.ones(3), ONE_OHM),
            "conductance must be a matrix of rows and columns, not of shape",
        ),
        (
            lambda: effective_matrix([[1.0, -1.0]], ONE_OHM),
            r"conductance at \(0, 1\) must be finite and not negative",
        ),
        (lambda: effective_matrix([[np.nan]], ONE_OHM), r"conductance at \(0, 0\) must be finite and not negative"),
        (
            lambda: effective_matrix(np.ones((500, 600)), WireConfig(row_segment=10.0, column_segment=10.0)),
            r"wires must attenuate by less than exp\(600\), but 10 ohm a segment",
        ),
        (lambda: approximate_matrix(CELL, ONE_OHM, 1.0), "error must be a number from 1e-12 to 0.1, not 1.0"),
        (lambda: ir_drop(CELL, ONE_OHM, np.ones(3)), r"volts must be 2 finite numbers, one a row, not shape \(3,\)"),
        (lambda: ir_drop(CELL, ONE_OHM, [1.0, np.inf]), "volts must be 2 finite numbers, one a row"),
    ],
)
def test_error_sentences(call, sentence):
    with pytest.raises(DesignError, match=sentence.replace("+", r"\+")):
        call()
