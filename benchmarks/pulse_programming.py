"""Programming by pulses in a closed loop: a chip's array of vowels, over its bus, beside the array model's own loop.

    python benchmarks/pulse_programming.py --json results/pulse_programming.json    # some minutes for each case

One array of 45 x 128 random weights of 4 bits, in pairs of ReRAM cells, of which some are stuck. The chip has no
Verilog; ``tests/sim/test_pulses.py`` holds it against the Verilog, pulse for pulse. A case of :data:`CASES` is the
preset ``reram`` with its real converters, or ideal ones, of so many bits.
"""

import argparse
import json
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.memory.writers import reram
from ohmgate.firmware.chip.pulses import Pulsed, program_by_pulses
from ohmgate.firmware.loader import stop
from ohmgate.firmware.transactions import Steps, run
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.formats import full_scale, symmetric_codes
from ohmgate.sim.simulated_chip import SimulatedChip

HALF = 0.5  #: of a level
CASES = {"4 bits, ideal": (4, False), "4 bits, real": (4, True), "5 bits, real": (5, True)}


def configuration(stuck: float, real: bool) -> ArrayConfig:
    """ReRAM with its writer; ``stuck`` is the share of cells, half of them on."""
    config = preset("reram")
    cells = config.cells and replace(config.cells, writer=reram(), stuck_on=stuck / 2, stuck_off=stuck / 2)
    return replace(config, cells=cells, adc=config.adc if real else None, dac=config.dac if real else None)


def reachable(levels: np.ndarray, stuck: np.ndarray, top: int) -> np.ndarray:
    """Which weights the loop can bring to their levels: (rows, columns); ``stuck`` is 1, -1 or 0 of both cells.

    The cell of the level's sign (the positive one of a level of 0) is pulsed, the other one is erased.
    """
    mine = np.where(levels < 0, stuck[1], stuck[0])
    other = np.where(levels < 0, stuck[0], stuck[1])
    highest = np.where(mine < 0, 0, top) - np.where(other > 0, top, 0)
    lowest = np.where(mine > 0, top, 0) - np.where(other > 0, top, 0)
    return (lowest <= np.abs(levels)) & (np.abs(levels) <= highest)


def by_chip(
    design: Design, config: ArrayConfig, levels: np.ndarray, seed: int, rows: int | None
) -> tuple[dict[str, Any], Array]:
    chip = SimulatedChip(design, config, seed)

    def steps() -> Steps[Pulsed]:
        yield from stop(design)
        return (yield from program_by_pulses(design.layers[0], levels[:rows]))

    done = run(steps(), chip)
    array, writer, levels = chip.arrays[0], reram(), levels[:rows]
    cells = array.cell_array.pulsed
    assert cells is not None
    healthy = ~(array.cell_array.stuck != 0).any(axis=0)[:rows]
    error = np.abs(array.effective()[:rows] - levels)
    hopeless = np.argwhere(
        ~reachable(levels, array.cell_array.stuck[:, :rows], full_scale(design.layers[0].weight_bits))
    )
    found = {tuple(at) for at in done.failed.tolist()}
    expected = {tuple(at) for at in hopeless.tolist()}
    return {
        "healthy weights": int(healthy.sum()),
        "of them within half a level": float((error[healthy] <= HALF).mean()),
        "their rms error in levels": float(np.sqrt((error[healthy] ** 2).mean())),
        "their largest error in levels": float(error[healthy].max()),
        "healthy weights that failed": sum(bool(healthy[at]) for at in found),
        "weights with stuck cells": int((~healthy).sum()),
        "of them out of reach": len(expected),
        "failed": len(found),
        "failed, within reach": sorted(found - expected),
        "not failed, out of reach": sorted(expected - found),
        "pulses": done.pulses,
        "pulses a weight": done.pulses / levels.size,
        "readings a weight": chip.verifies / levels.size,
        "energy in uJ": cells.energy * 1e6,
        "time in ms, one cell at a time": (cells.seconds + chip.verifies * writer.verify_seconds) * 1e3,
    }, array


def by_array_model(array: Array, levels: np.ndarray) -> dict[str, Any]:
    """The same cells by ``analog/memory/programming.py``, whose pulses have any strength."""
    report = array.cell_array.program_report(levels)
    healthy = array.cell_array.stuck == 0
    return {
        "healthy cells": int(healthy.sum()),
        "of them within half a level": float((np.abs(report.error[healthy]) <= HALF).mean()),
        "their rms error in levels": float(np.sqrt((report.error[healthy] ** 2).mean())),
        "healthy cells that failed": int(report.failed[healthy].sum()),
        "failed": int(report.failed.sum()),
        "pulses": int(report.pulses.sum()),
        "pulses a weight": float(report.pulses.sum() / levels.size),
        "energy in uJ": report.energy * 1e6,
        "time in ms, one cell at a time": report.seconds * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, help="default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stuck", type=float, default=0.01)
    parser.add_argument("--case", choices=CASES, help="default: all")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cases = {arguments.case: CASES[arguments.case]} if arguments.case else CASES
    for name, (bits, real) in cases.items():
        start = time.perf_counter()
        design = Design.load("vowels")
        layers = (replace(layer, adc_bits=bits, diagnostics=True, programming="pulse") for layer in design.layers)
        design = replace(design, layers=tuple(layers))
        layer, rng = design.layers[0], np.random.default_rng(arguments.seed)
        levels = rng.choice(symmetric_codes(layer.weight_bits), (layer.rows, layer.columns))
        config = configuration(arguments.stuck, real)
        chip, array = by_chip(design, config, levels, arguments.seed, arguments.rows)
        sides = {"chip": chip, "array model": by_array_model(array, levels)}
        results = {name: {"rows": arguments.rows or layer.rows, **sides}}
        print(f"converters of {name}, {time.perf_counter() - start:.0f} s")
        for side, found in sides.items():
            print(f"  {side}: " + ", ".join(f"{key} {value}" for key, value in found.items()), flush=True)
        if arguments.json:
            write(arguments, results)


def write(arguments: argparse.Namespace, results: dict[str, Any]) -> None:
    """Add ``results`` to those of other cases in the file."""
    path = arguments.json
    before = json.loads(path.read_text())["results"] if path.exists() else {}
    versions = {"Python": platform.python_version(), "numpy": np.__version__}
    command = {"seed": arguments.seed, "stuck": arguments.stuck}
    write_json(path, {"command": command, "results": before | results, "versions": versions})


if __name__ == "__main__":
    main()
