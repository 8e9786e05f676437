"""Time and error of every way to solve an array with wires, side by side: ``python benchmarks/array_wires.py``.

Rounds are interleaved, so that a busy machine slows all methods alike, and the best round counts. The whole
effective matrix is timed, except for SciPy's sparse LU and the IR-drop map (one input) and the reads. Errors are the
largest deviation from the exact matrix relative to the largest conductance; for one input, from the currents that
the exact matrix gives, relative to the largest of them.
"""

import argparse
import logging
import os
import platform
import time
from pathlib import Path

import numpy as np
import scipy
from scipy import sparse
from scipy.sparse.linalg import splu

from ohmgate.analog.circuit.compensate import compensate_pair, pair_error
from ohmgate.analog.circuit.irdrop import ir_drop
from ohmgate.analog.circuit.tiles import tiled_matrix
from ohmgate.analog.circuit.wires import (
    WireConfig,
    approximate_matrix,
    column_loss,
    effective_matrix,
)

READS = 1024


def nodal_system(conductance: np.ndarray, wires: WireConfig):
    """Sparse nodal equations of an array with segments above 0 ohm: the textbook way, for SciPy's LU.

    Returns the matrix, a function from volts (rows,) to its right side, and one from node voltages to currents.
    """
    rows, columns = conductance.shape
    row = np.arange(rows * columns).reshape(rows, columns)
    column = row + rows * columns
    near, sense = 1 / (wires.row_segment + wires.driver), 1 / (wires.column_segment + wires.sense)
    diagonal = np.zeros(2 * rows * columns)
    driven = np.zeros_like(diagonal).reshape(2, rows, columns)
    driven[0, :, 0] += near
    driven[0, :, -1] += near * (wires.driver_ends - 1)
    diagonal += driven.ravel()
    diagonal[column[-1]] += sense
    branches = [
        (row, column, conductance),
        (row[:, 1:], row[:, :-1], np.full((rows, columns - 1), 1 / wires.row_segment)),
        (column[1:], column[:-1], np.full((rows - 1, columns), 1 / wires.column_segment)),
    ]
    a, b, siemens = (np.concatenate([branch[k].ravel() for branch in branches]) for k in range(3))
    off = sparse.coo_matrix((-siemens, (a, b)), shape=(diagonal.size, diagonal.size))
    off = off + off.T
    matrix = (off + sparse.diags(diagonal - np.asarray(off.sum(axis=1)).ravel())).tocsc()
    return matrix, lambda volts: (driven * volts[:, None]).ravel(), lambda nodes: sense * nodes[column[-1]]


def sparse_lu(conductance: np.ndarray, wires: WireConfig, volts: np.ndarray) -> np.ndarray:
    """Column currents for one input by SciPy's sparse LU, factorisation included."""
    matrix, right_side, currents = nodal_system(conductance, wires)
    return currents(splu(matrix).solve(right_side(volts)))


def badcrossbar_matrix(conductance: np.ndarray, wires: WireConfig) -> np.ndarray | None:
    """The peer from PyPI; None if it is not installed or cannot do these wires."""
    try:
        import badcrossbar
    except ImportError:
        return None
    if wires.driver or wires.sense or wires.driver_ends == 2:
        return None
    result = badcrossbar.compute(
        np.eye(len(conductance)),
        1 / conductance,
        r_i_word_line=wires.row_segment,
        r_i_bit_line=wires.column_segment,
    )
    return result.currents.output


def measure(rows: int, columns: int, ohm: float, ends: int, options: argparse.Namespace) -> list[dict]:
    """One row of results for each method: seconds (best of the rounds) and error."""
    wires = WireConfig(row_segment=options.segment, column_segment=options.segment, driver_ends=ends)
    rng = np.random.default_rng(0)
    conductance = (0.2 + 1.6 * rng.random((rows, columns))) / ohm
    volts = rng.random(rows)
    batch = rng.standard_normal((READS, rows), dtype=np.float32)
    exact = effective_matrix(conductance, wires)
    plain, wired = conductance.astype(np.float32), exact.astype(np.float32)
    methods = {
        "exact matrix": lambda: effective_matrix(conductance, wires),
        "approximate matrix, error 1e-5": lambda: approximate_matrix(conductance, wires, 1e-5),
        "approximate matrix, error 1e-4": lambda: approximate_matrix(conductance, wires, 1e-4),
        "approximate matrix, error 1e-3": lambda: approximate_matrix(conductance, wires, 1e-3),
        "IR-drop map, one input": lambda: ir_drop(conductance, wires, volts).column_current,
    }
    if rows * columns <= options.lu_cells:
        methods["SciPy sparse LU, one input"] = lambda: sparse_lu(conductance, wires, volts)
    if rows * columns <= options.peer_cells and badcrossbar_matrix(conductance[:2, :2], wires) is not None:
        methods["badcrossbar, whole matrix"] = lambda: badcrossbar_matrix(conductance, wires)
    methods[f"{READS} reads without wires"] = lambda: batch @ plain
    methods[f"{READS} reads with wires"] = lambda: batch @ wired
    best = dict.fromkeys(methods, np.inf)
    errors = {}
    for _ in range(options.rounds):
        for name, method in methods.items():
            start = time.perf_counter()
            found = method()
            best[name] = min(best[name], time.perf_counter() - start)
            if found.shape == exact.shape:
                errors[name] = np.abs(found - exact).max() / conductance.max()
            elif found.ndim == 1:
                errors[name] = np.abs(found - volts @ exact).max() / np.abs(found).max()
    common = {"rows": rows, "columns": columns, "cell_ohm": ohm, "driver_ends": ends}
    return [
        common | {"method": name, "seconds": best[name], "error": float(errors[name]) if name in errors else None}
        for name in methods
    ]


def effects(rows: int, columns: int, ohm: float, options: argparse.Namespace) -> dict:
    """What wires do to the worst column of an array of one polarity and to the weights of a pair, and each cure."""
    one, two = (
        WireConfig(row_segment=options.segment, column_segment=options.segment, driver_ends=ends) for ends in (1, 2)
    )
    high = 2 / ohm
    low = high / 100
    rng = np.random.default_rng(0)
    codes = rng.integers(-7, 8, (rows, columns))
    positive, negative = (low + (high - low) * np.maximum(sign * codes, 0) / 7 for sign in (1, -1))
    uniform = rng.random((rows, columns)) * high

    def solve(plane, wires):
        return approximate_matrix(plane, wires, 1e-4)

    def tiled(plane, wires):
        return tiled_matrix(plane, wires, options.tile, options.tile, 1e-4)

    result = {"rows": rows, "columns": columns, "mean_ohm": ohm}
    for name, way, wires in (("plain", solve, one), ("both_ends", solve, two), ("tiles", tiled, one)):
        sensed = way(positive, wires) - way(negative, wires)
        result[f"worst_column_loss_{name}"] = float(column_loss(uniform, way(uniform, wires)).max())
        result[f"weight_error_{name}"] = pair_error(positive - negative, sensed)[1]
    cured = compensate_pair(positive, negative, one, low, high, steps=3, solve=solve)
    sensed = solve(cured.positive, one) - solve(cured.negative, one)
    result |= {"weight_error_compensated": pair_error(positive - negative, sensed)[1], "scale": cured.scale}
    return result


def provenance(options: argparse.Namespace) -> dict:
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or "all"
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, BLAS threads: {threads}",
        "options": {name: value for name, value in vars(options).items() if name != "json"},
    }


def size(text: str) -> tuple[int, int]:
    rows, columns = text.split("x")
    return int(rows), int(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=size, default=[(64, 128), (356, 1024)], metavar="RxC")
    parser.add_argument("--ohm", nargs="+", type=float, default=[1e6], help="mean cell resistance")
    parser.add_argument("--ends", nargs="+", type=int, default=[1], choices=(1, 2), help="driver ends")
    parser.add_argument("--segment", type=float, default=1.0, help="ohm of a wire segment")
    parser.add_argument("--tile", type=int, default=128, help="rows and columns of a tile")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lu-cells", type=int, default=400_000, help="largest array for SciPy's LU")
    parser.add_argument("--peer-cells", type=int, default=10_000, help="largest array for badcrossbar")
    parser.add_argument("--effects", action="store_true", help="what wires and cures do, in place of timings")
    parser.add_argument("--json", type=Path, help="write the results and where they come from, e.g. under results/")
    options = parser.parse_args()
    logging.disable(logging.INFO)  # badcrossbar's progress
    cases = [(rows, columns, ohm) for rows, columns in options.sizes for ohm in options.ohm]
    if options.effects:
        results = [effects(*case, options) for case in cases]
        for result in results:
            print("\n".join(f"{key:32} {value:.4g}" for key, value in result.items()), end="\n\n")
    else:
        results = []
        for rows, columns, ohm in cases:
            for ends in options.ends:
                print(f"{rows}x{columns}, cells of {ohm:g} ohm, drivers at {ends} end(s)")
                for result in measure(rows, columns, ohm, ends, options):
                    error = "" if result["error"] is None else f"error {result['error']:.1e}"
                    print(f"  {result['method']:34} {result['seconds']:10.4f} s   {error}")
                    results.append(result)
    if options.json:
        content = {"provenance": provenance(options), "results": results}
        from ohmgate.model.files import write_json

        write_json(options.json, content)


if __name__ == "__main__":
    main()
