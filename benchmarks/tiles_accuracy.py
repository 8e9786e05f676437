"""What tiles cost in accuracy, and what they save behind wires: ``python benchmarks/tiles_accuracy.py --out FOLDER``.

HAR and names in tiles of 64 rows, the Penn Treebank's 300 units in tiles of 128 x 128, each trained beside the same
design untiled: the same seed, data and steps. Every run is kept in the folder, so that what was stopped goes on
with the next run. Then each language network is read through its array in pairs of the paper's cells behind 1 ohm
from cell to cell: one array of 604 x 1200 untiled, and in tiles each with wires of its own.
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch

from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.train.data import corpora
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.language.names import train_names
from ohmgate.train.language.protocols import language_protocol
from ohmgate.train.language.words import train_words
from ohmgate.train.layers.noise import Noise
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.training import train

TILES = {"har": 64, "names": 64, "ptb": 128}  #: rows of a tile


def trained(task: str, tile: int, seed: int, epochs: int, steps: int | None, out: Path) -> dict[str, Any]:
    """A run's scores, from its file where there is one."""
    name = (
        f"{task}_{f'tiles{tile}' if tile else 'untiled'}_{epochs or 'all'}{f'x{steps}' if steps else ''}_seed{seed}"
    )
    file = out / f"{name}.json"
    if file.exists():
        return json.loads(file.read_text())
    begun = time.perf_counter()
    told = [0.0]

    def progress(done: int, total: int, what: object) -> None:
        if time.perf_counter() > told[0] + 60:
            told[0] = time.perf_counter()
            print(f"{name}: {done} of {total}, {what}", flush=True)

    if task == "har":
        design, config = Design.load("har"), replace(PROTOCOLS["har"], seed=seed)
        design = replace(design, layers=tuple(replace(layer, tile_rows=tile) for layer in design.layers))
        config = replace(config, epochs=epochs or config.epochs)
        result = train(design, load_dataset("har"), config, checkpoint=out / f"{name}.safetensors", progress=progress)
        found = {"accuracy": result.accuracy, "epochs": config.epochs}
    else:
        config = language_protocol(task, (4, 4), seed, Noise())
        config = replace(config, quant=replace(config.quant, tile_rows=tile), epochs=epochs or config.epochs)
        if task == "names":
            result = train_names(corpora.names(None), config, progress)
        else:
            result = train_words(corpora.penn_treebank(None), config, progress, steps)
        result.model.save(out / f"{name}.safetensors")
        found = {**result.final, "epochs": config.epochs, "by epoch": list(result.epochs)}
    found |= {
        "task": task,
        "tile rows": tile,
        "seed": seed,
        "steps": steps,
        "minutes": round((time.perf_counter() - begun) / 60, 1),
    }
    write_json(file, found)
    print(name, {key: value for key, value in found.items() if key != "by epoch"}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--task", nargs="+", choices=tuple(TILES), default=list(TILES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=0, help="0: as the protocol has them")
    parser.add_argument("--steps", type=int, help="of an epoch of ptb; default: all of its text")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for task in arguments.task:
        for seed in range(arguments.seeds):
            for tile in (0, TILES[task]):
                trained(task, tile, seed, arguments.epochs, arguments.steps, arguments.out)


if __name__ == "__main__":
    main()
