"""A sweep's results as reports read them, from its JSON files alone, and the paper's numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..model.formats import DesignError
from ..train.experiments.grid import Cell
from ..train.experiments.sweep import read_result
from ..train.layers.config import FLOAT

Results = dict[Cell, list[dict]]  #: by the cell of seed 0: the records of its seeds, none where it is missing

PAPER_NAMES = {(32, 32): (85.09, 1.52), (4, 4): (85.0, 1.55), (2, 2): (83.6, 1.58), (1, 1): (72.82, 2.27)}
PAPER_PTB = {(4, 2): 172, (2, 4): 182, (2, 1): 282, (1, 2): 327}  #: the numbers that the paper's text states
MISSING = "missing"
FIELDS = ("final", "epochs", "cpu_minutes", "data_sha256")  #: of a record, that reports read
METRICS = {
    "har": ("accuracy", 100, "test accuracy in %"),
    "ptb": ("perplexity", 1, "validation perplexity per word"),
    "names": ("perplexity", 1, "training perplexity per character"),
}  #: of a task: final metric, scale and name


def gather(cells: Sequence[Cell], out: Path) -> Results:
    """Records of all seeds by the cell of the first seed."""
    results: Results = {}
    first: dict[str, Cell] = {}
    for cell in cells:
        key = first.setdefault(cell.name.rpartition("_seed")[0], cell)
        records = results.setdefault(key, [])
        found = read_result(out, cell)
        if found is not None:
            lacking = [name for name in FIELDS if name not in found]
            if lacking:
                raise DesignError(f"result '{cell.name}.json' must hold {lacking[0]}, but does not")
            records.append(found)
    return results


def finals(records: list[dict], metric: str, scale: float = 1.0) -> list[float]:
    """A final metric of every seed that has run."""
    return [scale * record["final"][metric] for record in records]


def of_the_same_seeds(records: list[dict], others: list[dict]) -> tuple[list[dict], list[dict]]:
    """Those of both whose seeds have run in both."""
    seeds = {record["cell"]["seed"] for record in records} & {record["cell"]["seed"] for record in others}
    return tuple([record for record in found if record["cell"]["seed"] in seeds] for found in (records, others))


def mean_of(results: Results, cell: Cell) -> float:
    """Mean of the cell's metric over its seeds, NaN where none has run."""
    metric, scale, _ = METRICS[cell.task]
    values = finals(results.get(cell, []), metric, scale)
    return float(np.mean(values)) if values else np.nan


def float_cell(results: Results) -> Cell | None:
    """The float baseline among the cells."""
    return next((cell for cell in results if cell.weight_bits == FLOAT), None)


def noise_text(cell: Cell) -> str:
    """The cell's noise in words; empty without any."""
    parts = [f"ADC {cell.adc_noise:.3f} steps"] if cell.adc_noise else []
    return ", ".join(parts + ([f"weights {100 * cell.weight_noise:.0f} %"] if cell.weight_noise else []))
