"""What the forget gate's ceiling costs on long sequences: its last entry as sigmoid has it, at its largest, learned.

Run: ``python benchmarks/long_memory.py [--tasks adding order] [--steps 150 300] [--seeds 0 1] [--json FILE]``,
20 s of processor time for each run of 150 steps. Runs that FILE has are not repeated.

Two tasks of Hochreiter and Schmidhuber (1997): ``adding``, the sum of the two marked values of a sequence (mean
squared error; 0.167 for who answers 1), and ``order``, in which order two symbols X and Y came (accuracy; 25 % by
chance). One LSTM layer and a head, 4-bit weights, DACs and ADCs (head: 8-bit ADC).
"""

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.sequences import SequenceDataset, Sequences
from ohmgate.train.training import train

CONFIG = TrainConfig(
    batch=32, learning_rate=0.01, label_smoothing=0.0, input_noise=0.0, deviations=1.75, quantiser="lsq",
    learn_range=True, fast=True,
)  # fmt: skip
TABLES = {
    "sigmoid": {},
    "ceiling": {"forget_ceiling": True},
    "learned": {"learn_tables": True},
    "learned from the ceiling": {"learn_tables": True, "forget_ceiling": True},
    "float": {"floating": True},
    "sigmoid, fixed range": {"learn_range": False},
    "ceiling, fixed range": {"learn_range": False, "forget_ceiling": True},
    "learned from the ceiling, fixed range": {"learn_range": False, "learn_tables": True, "forget_ceiling": True},
}
ACTIVATION_BITS = 8
CASE = ("task", "steps", "tables", "seed")  #: what a run is known by


def adding(count: int, steps: int, rng: np.random.Generator) -> Sequences:
    """A value of 0 to 1 and a marker on every step; one step of each half is marked."""
    x = np.zeros((count, steps, 2), np.float32)
    x[..., 0] = rng.random((count, steps))
    marked = np.stack([rng.integers(0, steps // 2, count), rng.integers(steps // 2, steps, count)], axis=1)
    x[np.arange(count)[:, None], marked, 1] = 1
    labels = (x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True).astype(np.float64)
    return Sequences(x, np.full(count, steps), labels)


def order(count: int, steps: int, rng: np.random.Generator) -> Sequences:
    """X or Y in the second tenth of the steps, and again in the sixth; one of four others on every other step."""
    symbols = rng.integers(2, 6, (count, steps))
    tenth = steps // 10
    places = np.stack([rng.integers(tenth, 2 * tenth, count), rng.integers(5 * tenth, 6 * tenth, count)], axis=1)
    said = rng.integers(0, 2, (count, 2))
    symbols[np.arange(count)[:, None], places] = said
    return Sequences(np.eye(6, dtype=np.float32)[symbols], np.full(count, steps), said @ [2, 1])


def dataset_of(task: str, steps: int, options: argparse.Namespace) -> SequenceDataset:
    rng = np.random.default_rng(0)
    make = {"adding": adding, "order": order}[task]
    training, test = make(options.sequences, steps, rng), make(2000, steps, rng)
    return SequenceDataset(task, training, test, () if task == "adding" else ("XX", "XY", "YX", "YY"))


def design_of(dataset: SequenceDataset, hidden: int) -> Design:
    channels, outputs = dataset.train.features.shape[2], len(dataset.classes) or dataset.train.labels.shape[1]
    lstm = LstmLayer(inputs=channels, hidden=hidden, adcs=4, activation_bits=ACTIVATION_BITS)
    head = DenseLayer(inputs=hidden, outputs=outputs, adcs=outputs, adc_bits=8, output="codes", emit="end")
    return Design(dataset.name, (lstm, head))


def run(dataset: SequenceDataset, tables: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training and its score, with the largest entry of the forget gate that came of it."""
    design = design_of(dataset, options.hidden)
    epochs = round(options.updates * CONFIG.batch / len(dataset.train))
    config = replace(CONFIG, seed=seed, epochs=epochs, **TABLES[tables])
    start = time.process_time()
    result = train(design, dataset, config)
    score = result.scores["rmse"] ** 2 if dataset.has_values else result.accuracy
    found = {"tables": tables, "seed": seed, "score": score, "seconds": round(time.process_time() - start, 1)}
    if result.network is not None:
        tables_found = result.network.layers[0].tables
        assert tables_found is not None, "an LSTM has tables"
        found["forget"] = int(tables_found[0].max()) / 2**ACTIVATION_BITS
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=("adding", "order"), default=["adding", "order"])
    parser.add_argument("--steps", type=int, nargs="+", default=[150, 300])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--updates", type=int, default=3000)
    parser.add_argument("--sequences", type=int, default=6400, help="of the training set")
    parser.add_argument("--json", type=Path, help="write the scores here, and go on from those that are there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = kept(options)
    done = {tuple(found[name] for name in CASE) for found in results}
    for task in options.tasks:
        for steps in options.steps:
            dataset = dataset_of(task, steps, options)
            for tables in options.tables:
                for seed in options.seeds:
                    if (task, steps, tables, seed) in done:
                        continue
                    found = {"task": task, "steps": steps} | run(dataset, tables, seed, options)
                    results.append(found)
                    print(", ".join(f"{name} {value}" for name, value in found.items()), flush=True)
                    if options.json:
                        write_json(options.json, {"provenance": provenance(options), "results": results})


def kept(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Runs of a file of the same protocol."""
    if options.json is None or not options.json.exists():
        return []
    content = json.loads(options.json.read_text(encoding="utf-8"))
    if content["provenance"] != json.loads(json.dumps(provenance(options))):
        raise SystemExit(f"{options.json} must be of the same protocol and machine, but is of another")
    return content["results"]


def provenance(options: argparse.Namespace) -> dict[str, Any]:
    sizes = {name: getattr(options, name) for name in ("hidden", "updates", "sequences")}
    versions = {"python": platform.python_version(), "torch": torch.__version__, "machine": platform.machine()}
    return versions | sizes | {"protocol": CONFIG.to_dict()}


if __name__ == "__main__":
    main()
