"""Diagnostic conversions a second of chips without Verilog, read cell by cell over their bus.

    OMP_NUM_THREADS=1 python benchmarks/simulated_chip.py    # some seconds

Each row that has a DAC is driven alone, and all steps are converted in a burst: 384 conversions of vowels, 562 of
HAR. The best of three rounds counts.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ohmgate.analog.config import preset
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import Burst, Steps, Transaction, Write, run, write
from ohmgate.model.design import Design
from ohmgate.model.diagnostic_registers import code_words
from ohmgate.model.registers import BY_NAME
from ohmgate.sim.random_designs import random_network
from ohmgate.sim.simulated_chip import SimulatedChip

ROUNDS = 3


def read_back(design: Design) -> Steps[None]:
    """Every cell but those of bias rows."""
    yield write("CONTROL", RESET=1)
    for index, layer in enumerate(design.layers):
        yield Write(BY_NAME["LAYER"], index)
        yield write("DIAG_CONTROL", ACTIVE=1, ADVANCE=1, CLEAR=1)
        for row in range(layer.inputs + layer.hidden):
            yield from drive(row)
            yield write("DIAG_CONVERT", STEP=0)
            yield Burst(BY_NAME["DIAG_RESULT"], layer.conversions * code_words(layer))


def drive(row: int) -> Iterator[Transaction]:
    """A row alone: the one before it is no longer driven."""
    yield Write(BY_NAME["DIAG_ROW"], max(row - 1, 0))
    if row:
        yield Write(BY_NAME["DIAG_CODE"], 0)
    yield Write(BY_NAME["DIAG_CODE"], 7)


def main() -> None:
    for name in ("vowels", "har"):
        design = Design.load(name)
        design = replace(design, layers=tuple(replace(layer, diagnostics=True, spares=1) for layer in design.layers))
        network = random_network(design, np.random.default_rng(0))
        for cells in ("ideal", "pcm", "reram"):
            chip, seconds = SimulatedChip(design, preset(cells), 1), []
            run(load(network), chip)
            for _ in range(ROUNDS):
                before, start = chip.conversions, time.perf_counter()
                run(read_back(design), chip)
                seconds.append((time.perf_counter() - start) / (chip.conversions - before))
            print(f"{name}, {cells}: {1 / min(seconds):,.0f} conversions a second")


if __name__ == "__main__":
    main()
