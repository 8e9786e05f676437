"""Accuracy with stuck cells, and what each cure brings: ``python benchmarks/faults.py vowels har --data FOLDER``.

Trains each data set's preset by its protocol (seed 0), puts it on chips whose cells are perfect but for the stuck
ones, half of them on and half off, and classifies the whole test set. The chips of all rows have the same faults,
except those with spare columns, which have more cells. ``--retrain`` also trains each chip's network again around
its faults, on top of remapping.
"""

import argparse
import hashlib
import os
import platform
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch

from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.inference import build_arrays, reachable
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.devices import Device
from ohmgate.analog.memory.repair import Repair
from ohmgate.analog.studies import montecarlo
from ohmgate.analog.studies.montecarlo import Study
from ohmgate.firmware import image
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.train.data.datasets import SequenceDataset, load_dataset
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.retrain import gentle, retrain
from ohmgate.train.training import TrainResult, train

DEVICE = Device(name="ideal", g_min=1e-6, g_max=50e-6, levels=16, read_voltage=0.2)
REMAPPED, RETRAINED = "partners and flips", "retrained on top"


def cures(spares: int) -> dict[str, Repair | None]:
    return {
        "no cure": None,
        "flips": Repair(partner=False),
        "partners": Repair(flip=False),
        REMAPPED: Repair(),
        f"{REMAPPED}, {spares} spare columns": Repair(spares=spares),
    }


def chips(trained: TrainResult, dataset: SequenceDataset, share: float, repair: Repair | None) -> Study:
    config = ArrayConfig(cells=Cells(device=DEVICE, stuck_on=share / 2, stuck_off=share / 2, repair=repair))
    test, network = dataset.test, trained.network
    return Study(network, network.encode(test.features), test.lengths, test.labels, config)


def retrained(trained: TrainResult, dataset: SequenceDataset, share: float, count: int) -> list[float]:
    """Accuracy of each chip with a network of its own, read through the chip."""
    accuracy = []
    for number in range(count):
        study = chips(trained, dataset, share, Repair())
        arrays = build_arrays(study.network, study.config, montecarlo.chip_seed(study, number))
        made = retrain(trained, dataset, reachable(arrays))
        study = chips(made, dataset, share, Repair())
        accuracy.append(montecarlo.Sampler(study).draw(number).score)
        if accuracy[-1] != made.accuracy:
            raise AssertionError(f"chip {number} must classify as its training does: {accuracy[-1]}, {made.accuracy}")
    return accuracy


def entry(accuracy: list[float]) -> dict:
    return {"mean": float(np.mean(accuracy)), "worst": min(accuracy), "accuracy": accuracy}


def show(name: str, found: dict) -> None:
    print(f"  {name:<38} mean {found['mean']:.2%}, worst {found['worst']:.2%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="+", choices=sorted(PROTOCOLS))
    parser.add_argument("--data", type=Path, help="data folder; default: $OHMGATE_DATA")
    parser.add_argument("--share", type=float, nargs="+", default=[0.01], help="of cells that are stuck")
    parser.add_argument("--chips", type=int, default=20)
    parser.add_argument("--spares", type=int, default=4, help="additional columns")
    parser.add_argument("--retrain", action="store_true")
    parser.add_argument("--folder", type=Path, help="checkpoints")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {}
    for name in arguments.dataset:
        dataset, config = load_dataset(name, arguments.data), PROTOCOLS[name]
        file = arguments.folder and arguments.folder / f"{name}_{config.seed}.safetensors"
        trained = train(Design.load(name), dataset, config, checkpoint=file)
        digest = hashlib.sha256(image.pack(trained.network)).hexdigest()
        results[name] = {"image": digest, "test sequences": len(dataset.test), "no faults": trained.accuracy}
        print(f"{name}: {trained.accuracy:.2%} without faults; {arguments.chips} chips")
        for share in arguments.share:
            print(f" {share:.1%} of the cells stuck")
            found = results[name][f"{share:g} stuck"] = {}
            for cure, repair in cures(arguments.spares).items():
                draws = montecarlo.run(chips(trained, dataset, share, repair), arguments.chips)
                found[cure] = entry([draw.score for draw in draws])
                show(cure, found[cure])
            if arguments.retrain:
                found[RETRAINED] = entry(retrained(trained, dataset, share, arguments.chips))
                show(f"{RETRAINED}, {gentle(config).epochs} epochs", found[RETRAINED])
            if arguments.json:
                write(arguments.json, arguments, results)


def write(path: Path, arguments: argparse.Namespace, results: dict) -> None:
    command = {key: value for key, value in vars(arguments).items() if key not in ("data", "folder", "json")}
    versions = {"Python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
    content = {"command": command, "results": results, "versions": versions}
    write_json(path, content)


if __name__ == "__main__":
    main()
