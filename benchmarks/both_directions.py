"""Layers in both directions on vowels: accuracy beside that of one direction, and every integer through the Verilog.

Run: ``python benchmarks/both_directions.py [--seeds 0 1 2] [--simulate] [--json FILE]``, a minute of processor time
for each training. Runs that FILE has are not repeated. ``--simulate`` sends all test sequences of seed 0's network of
both directions through the generated Verilog (Verilator, some minutes), with a noiseless array and a noisy one.

Three designs, 4 bits, each trained as the rules of docs/training.md say: two layers of 16 units in each direction,
two layers of 32 units forwards, and the one of the preset.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from ohmgate.analog.config import PRESETS
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.files import write_json
from ohmgate.model.layers import LstmLayer
from ohmgate.model.network import Network
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.job import DeviceJob
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import vowels
from ohmgate.train.recipe import rules
from ohmgate.train.training import train

STEPS = 29  #: of the longest sequence
HALF = LstmLayer(inputs=12, hidden=16, adcs=16)
WHOLE = LstmLayer(inputs=12, hidden=32, adcs=16)
HEAD = Design.load("vowels").layers[-1]


def designs() -> dict[str, Design]:
    both = (*both_directions(HALF, STEPS), *both_directions(replace(HALF, inputs=32), STEPS), HEAD)
    return {
        "both directions, 2 layers of 16 + 16": Design("vowels_both", both),
        "forwards, 2 layers of 32": Design("vowels_two", (WHOLE, replace(WHOLE, inputs=32), HEAD)),
        "forwards, 1 layer of 32": Design.load("vowels"),
    }


def through_verilog(network: Network, array: str) -> dict[str, Any]:
    """All test sequences through the Verilog: integers compared and their verdict, cycles."""
    test = vowels().test
    codes = network.encode(test.features)
    job = DeviceJob(network, codes, test.lengths, array=PRESETS[array])
    with tempfile.TemporaryDirectory() as folder:
        [result] = simulate(build([network.design], Path(folder)), [job])
    cells = sum(layer.rows * layer.columns for layer in network.design.layers)
    return {
        "array": array,
        "sequences": len(test),
        "steps": int(test.lengths.sum()),
        "integers": result.comparison.integers,
        "mismatches": result.comparison.mismatches,
        "violations": list(result.comparison.violations),
        "busy_cycles": result.record.registers["CYCLES"],
        "cells": cells,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures here, and go on from those that are there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {"provenance": provenance(), "trainings": [], "verilog": []}
    if options.json and options.json.exists():
        found = json.loads(options.json.read_text(encoding="utf-8"))
        if found["provenance"] != provenance():
            raise SystemExit(f"{options.json} must be of the same versions, but is of others")
    done = {(one["design"], one["seed"]) for one in found["trainings"]}
    for name, design in designs().items():
        for seed in options.seeds:
            verilog = (
                options.simulate and seed == 0 and len(design.groups) < len(design.layers) and not found["verilog"]
            )
            if (name, seed) in done and not verilog:
                continue
            start, dataset = time.process_time(), vowels()
            config = TrainConfig(seed=seed, **{rule.field: rule.value for rule in rules(design, dataset)})
            result = train(design, dataset, config)
            if (name, seed) not in done:
                one = {
                    "design": name,
                    "seed": seed,
                    "accuracy": result.accuracy,
                    "seconds": time.process_time() - start,
                }
                found["trainings"].append(one)
                print(one, flush=True)
            if verilog and result.network is not None:
                found["verilog"] = [through_verilog(result.network, array) for array in ("ideal", "paper")]
                print(found["verilog"], flush=True)
            if options.json:
                write_json(options.json, found)


def provenance() -> dict[str, Any]:
    return {"python": platform.python_version(), "torch": torch.__version__, "machine": platform.machine()}


if __name__ == "__main__":
    main()
