"""Vowels on nonlinear cells, trained for linear ones and for their curve.

    python benchmarks/curve_training.py --json results/curve_training.json

Each network is trained by the preset's protocol, and judged by the array model: chips of the preset paper_cells,
whose cells get a curve. A curve is the read voltage over V0.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch

from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.studies import montecarlo
from ohmgate.analog.studies.montecarlo import Study
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.training import TrainResult, train

CURVES = (0.8, 2.0, 4.0)
PAPER = preset("paper_cells")


def bent(config: ArrayConfig, curve: float) -> ArrayConfig:
    """The same with cells that are read at ``curve`` V0."""
    assert config.cells is not None
    device = config.cells.device
    device = replace(device, sinh_voltage=device.read_voltage / curve)
    return replace(config, cells=replace(config.cells, device=device))


def scores(trained: TrainResult, test, config: ArrayConfig, chips: int) -> list[float]:
    network = trained.network
    assert network is not None
    study = Study(network, network.encode(test.features), test.lengths, test.labels, config)
    return [draw.score for draw in montecarlo.run(study, chips)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--chips", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    design, dataset, protocol = Design.load("vowels"), load_dataset("vowels"), PROTOCOLS["vowels"]
    found: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        plain = train(design, dataset, replace(protocol, seed=seed))
        found.append({"seed": seed, "trained for": 0.0, "linear": plain.accuracy})
        for curve in CURVES:
            trained = train(design, dataset, replace(protocol, seed=seed, curve=curve))
            for own, result in ((0.0, plain), (curve, trained)):
                entry: dict[str, Any] = {
                    "seed": seed,
                    "trained for": own,
                    "read at": curve,
                    "linear": result.accuracy,
                    "chips": scores(result, dataset.test, bent(PAPER, curve), options.chips),
                }
                found.append(entry)
                print(f"{seed} {own:g} {curve:g}: {np.mean(entry['chips']):.2%}", flush=True)
    summary = {}
    for curve in CURVES:
        for own in (0.0, curve):
            rows = [row for row in found if row.get("read at") == curve and row["trained for"] == own]
            chips = np.array([row["chips"] for row in rows])
            name = f"read at {curve:g} V0, trained for {'its curve' if own else 'linear cells'}"
            summary[name] = {
                "chips mean": float(chips.mean()),
                "chips worst": float(chips.min()),
                "on linear cells": float(np.mean([row["linear"] for row in rows])),
            }
            print(name, summary[name])
    if options.json:
        about = {"seeds": options.seeds, "chips": options.chips, "preset": "paper_cells"}
        write_json(
            options.json,
            {
                "command": about,
                "summary": summary,
                "runs": found,
                "versions": {"numpy": np.__version__, "torch": torch.__version__},
            },
        )


if __name__ == "__main__":
    main()
