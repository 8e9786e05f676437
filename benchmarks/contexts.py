"""What interleaved sequences bring and cost: results/contexts.json.

    python benchmarks/contexts.py --pdk FOLDER

Area and clock in Nangate 45 and cells of an ECP5 of presets with 1, 2 and 4 contexts, and the rate that follows
beside the paper's. The share of all cycles in which the arrays convert, as a counter in the co-simulation's view of
each has it. What the results have already is not measured again.
"""

import argparse
import json
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ohmgate.hdl.accelerator import layer_latency
from ohmgate.hdl.flow.synthesis import map_chip, synthesise
from ohmgate.hdl.flow.timing import time_chip
from ohmgate.hdl.sequencer import time_step_cycles
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.programs import work_folder
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.interleaving import busy_share
from ohmgate.sim.job import DeviceJob, Timing
from ohmgate.sim.random_designs import random_inputs, random_network

RESULTS = Path(__file__).parents[1] / "results" / "contexts.json"
CONVERSION = 4  #: cycles: at 640 MHz the paper's 6.25 ns
STEPS = 12  #: of each of the sequences that are simulated, two for each context
PAPER_GOPS = {"one sequence": 3439, "never idle": 3645}  #: section VI.D; and of its array alone


def area(name: str, contexts: int, pdk: Path) -> dict[str, Any]:
    """Area and clock in standard cells, and the rate at it: a multiply-accumulate of the LSTM is one operation."""
    design = replace(Design.load(name), contexts=contexts)
    chip = map_chip(design, pdk / "nangate45_typ.lib.gz")
    timed = time_chip(chip)
    lstm = next(layer for layer in design.layers if layer.kind == "lstm")
    cycles = time_step_cycles(lstm.conversions, CONVERSION, layer_latency(lstm, contexts) - 1, contexts)
    operations = (lstm.inputs + lstm.hidden) * lstm.columns
    return {
        "area_um2": round(chip.report.area or 0.0, 1),
        "flip_flops": chip.report.flip_flops,
        "clock_ns": timed.shortest_clock_ns,
        "cycles_per_step": cycles,
        "gops_at_640_mhz": round(operations / cycles * 0.64, 1),
        "gops_at_its_clock": round(operations / cycles / timed.shortest_clock_ns, 1),
    }


def luts(name: str, contexts: int) -> dict[str, Any]:
    """Cells of an ECP5, without the arrays."""
    report = synthesise(replace(Design.load(name), contexts=contexts), "ecp5")
    return {"cells": {kind: report.cells.get(kind, 0) for kind in ("LUT4", "TRELLIS_FF", "TRELLIS_DPR16X4", "CCU2C")}}


def busy(names: tuple[str, ...], contexts: tuple[int, ...]) -> dict[str, Any]:
    """Of random networks and sequences, two for each context, that are sent without a gap and all of one length.

    From the first step of all to the last before a context ends: the first and last ``2 * B`` steps are left out.
    """
    rng, jobs = np.random.default_rng(0), []
    for name in names:
        for count in contexts:
            design = replace(Design.load(name), contexts=count)
            codes, _ = random_inputs(design, rng, 2 * count, STEPS)
            timing = Timing(conversion=(CONVERSION, CONVERSION))
            jobs.append(DeviceJob(random_network(design, rng), codes, np.full(2 * count, STEPS), timing=timing))
    found = {}
    with work_folder("ohmgate_contexts_") as folder:
        built = build([job.network.design for job in jobs], folder)
        for job, result in zip(jobs, simulate(built, jobs)):
            design = job.network.design
            shares = [
                busy_share(layer, record, 2 * design.contexts)
                for layer, record in zip(design.layers, result.record.layers)
                if not layer.at_end
            ]
            found[f"{design.name} {design.contexts}"] = {
                "busy_of_cycles": shares,
                "integers": result.comparison.integers,
                "mismatches": result.comparison.mismatches,
                "agrees": result.comparison.agrees,
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdk", type=Path, required=True)
    parser.add_argument("--designs", nargs="+", default=["vowels", "har", "names"])
    parser.add_argument("--contexts", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--parts", nargs="+", default=["busy", "area", "luts"])
    arguments = parser.parse_args()
    content = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    content |= {
        "command": "python benchmarks/contexts.py --pdk FOLDER",
        "versions": {name: version(name) for name in ("ohmgate", "amaranth", "pyosys")},
        "paper_gops": PAPER_GOPS,
    }
    for name in arguments.designs:
        for contexts in arguments.contexts:
            measures = {"area": partial(area, name, contexts, arguments.pdk), "luts": partial(luts, name, contexts)}
            for part, measure in measures.items():
                key = f"{name} {contexts}"
                if part in arguments.parts and key not in content.setdefault(part, {}):
                    content[part][key] = measure()
                    write_json(RESULTS, content)
                    print(part, key, content[part][key], flush=True)
        if "busy" in arguments.parts:
            left = tuple(c for c in arguments.contexts if f"{name} {c}" not in content.setdefault("busy", {}))
            content["busy"] |= busy((name,), left) if left else {}
            write_json(RESULTS, content)
            print({key: value for key, value in content["busy"].items() if key.startswith(name)}, flush=True)


if __name__ == "__main__":
    main()
