"""Accuracy of a run's network on aged or warm cells, with gains as trained and set anew.

    python benchmarks/gain_calibration.py runs/demo --json results/gain_calibration.json

Chips of a row have the same seeds whatever their gains, and their age is all that differs from cell to cell, but for
the preset *pcm*, which is taken with all that it has.
"""

import argparse
import hashlib
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from ohmgate.analog.config import GAINS, ArrayConfig, preset
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.devices import Device
from ohmgate.analog.studies import montecarlo
from ohmgate.cli import runs
from ohmgate.firmware import image
from ohmgate.model.files import write_json
from ohmgate.train.data.datasets import load_dataset

IDEAL = Device(name="ideal", g_min=1e-6, g_max=50e-6, levels=16, read_voltage=0.2)
TIMES = {"a minute": 60.0, "a month": 2.6e6, "a year": 3.15e7}
HALF = {"retention": 1e8, "activation_energy": 0.0}  #: read at half of tau


def lasting(seconds: float = 0.0, kelvin: float = 300.0, **device: object) -> ArrayConfig:
    """Ideal cells with one law of age or temperature."""
    return ArrayConfig(cells=Cells(device=replace(IDEAL, **device), seconds=seconds, kelvin=kelvin))


def rows() -> dict[str, ArrayConfig]:
    """What there is to look at, by name."""
    pcm = preset("pcm")
    assert pcm.cells is not None
    found = {f"pcm, {n}": replace(pcm, cells=replace(pcm.cells, seconds=s)) for n, s in TIMES.items()}
    for sigma in (0.0, 0.5, 1.0, 2.0):
        found[f"half of the median tau, sigma {sigma:g}"] = lasting(0.5e8, retention_sigma=sigma, **HALF)
    for kelvin in (248.0, 358.0):
        found[f"{kelvin:g} K, 2e-3/K at each level"] = lasting(kelvin=kelvin, temperature_coefficient=2e-3)
        for energy in (0.03, 0.06, 0.2):
            found[f"{kelvin:g} K, {energy:g} eV at g_min"] = lasting(kelvin=kelvin, conduction_energy=(energy, 0.0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a classifier")
    parser.add_argument("--data", type=Path, help="data folder; default: $OHMGATE_DATA")
    parser.add_argument("--chips", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    network = runs.read_network(options.run)
    test = load_dataset(runs.read_dataset(options.run) or network.design.name, options.data).test
    plain = montecarlo.Study(network, network.encode(test.features), test.lengths, test.labels, ArrayConfig())
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name, config in rows().items():
        results[name] = {}
        for gains in GAINS:
            study = replace(plain, config=replace(config, gains=gains))
            scores = np.array([draw.score for draw in montecarlo.run(study, options.chips)])
            told = {"mean": scores.mean(), "deviation": scores.std(ddof=1), "worst": scores.min()}
            results[name][gains] = {key: round(float(value), 5) for key, value in told.items()}
        said = (f"{gains} {found['mean']:.2%}, worst {found['worst']:.2%}" for gains, found in results[name].items())
        print(f"{name}: {'; '.join(said)}", flush=True)
    if options.json:
        ideal = montecarlo.ideal_score(plain)
        digest = hashlib.sha256(image.pack(network)).hexdigest()
        about = {"image": digest, "chips": options.chips, "numpy": np.__version__, "without noise": ideal}
        write_json(options.json, about | {"accuracy": results})


if __name__ == "__main__":
    main()
