"""Cures of amplifiers' offsets, and how each technology is written: figures of docs/array.md on a run's network.

    python benchmarks/offsets_writers.py runs/demo --json results/offsets_writers.json

Chips of a row have the same seeds whatever their cure. What a cure leaves is told in LSB rms, over a layer's columns
and all chips.
"""

import argparse
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from ohmgate.analog.array import Array
from ohmgate.analog.config import ADC, ArrayConfig, preset
from ohmgate.analog.inference import build_arrays, classify
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.memory.writers import WRITERS
from ohmgate.analog.offset_calibration import CURES, absorb_offsets, column_offsets
from ohmgate.analog.studies.sources import isolated
from ohmgate.cli import runs
from ohmgate.firmware import image
from ohmgate.model.files import write_json
from ohmgate.model.layout import physical_order
from ohmgate.model.seeds import child
from ohmgate.train.data.datasets import load_dataset

Cure = Callable[[list[Array]], list[np.ndarray]]  #: does something to a chip, and returns what is left of offsets
OFFSET = 5e-3  #: V
PULSES = (15e-9, 10e-9, 8e-9, 6e-9)  #: s, that switch a cell of MRAM
EXACT = replace(ADC, offset_sigma=0.0, gain_sigma=0.0, mismatch=0.0, comparator_sigma=0.0)  #: with trims, for a cure


def cells(config: ArrayConfig, **fields: Any) -> ArrayConfig:
    """The same with other fields of the cells."""
    assert config.cells is not None
    return replace(config, cells=replace(config.cells, **fields))


def uncured(arrays: list[Array]) -> list[np.ndarray]:
    return [column_offsets(array) for array in arrays]


def offset_rows() -> dict[str, tuple[ArrayConfig, Cure]]:
    """A configuration and what is done to its chips, by name."""
    found: dict[str, tuple[ArrayConfig, Cure]] = {}
    for name in ("paper_cells", "reram"):
        plain = cells(isolated(preset(name), None), amplifiers=Amplifiers(offset_sigma=OFFSET))
        zeroed = cells(plain, amplifiers=Amplifiers(offset_sigma=OFFSET, auto_zero=True))
        found[f"{name}, no cure"] = plain, uncured
        for cure in CURES:
            config = replace(plain, adc=EXACT) if cure == "trims" else plain
            found[f"{name}, {cure}"] = config, lambda arrays, cure=cure: absorb_offsets(arrays, cure)
        found[f"{name}, auto-zero"] = zeroed, uncured
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a classifier")
    parser.add_argument("--data", type=Path, help="data folder; default: $OHMGATE_DATA")
    parser.add_argument("--chips", type=int, default=50)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    network = runs.read_network(options.run)
    test = load_dataset(runs.read_dataset(options.run) or network.design.name, options.data).test
    codes = network.encode(test.features)

    def score(arrays: list[Array]) -> float:
        return float((classify(network, codes, test.lengths, arrays) == test.labels).mean())

    def accuracy(config: ArrayConfig, prepare: Cure | None = None) -> dict[str, Any]:
        scores, left = [], []
        for chip in range(options.chips):
            arrays = build_arrays(network, config, child(0, chip))
            left.append(prepare(arrays) if prepare else [])
            scores.append(score(arrays))
        told: dict[str, Any] = {"mean": float(np.mean(scores)), "worst": min(scores)}
        if prepare:
            told["left, LSB"] = [float(np.sqrt(np.mean(np.square(each)))) for each in zip(*left)]
        return told

    found: dict[str, Any] = {"offsets": {}, "switching": {}, "writers": {}}
    for name, (config, prepare) in offset_rows().items():
        found["offsets"][name] = accuracy(config, prepare)
        print(name, found["offsets"][name], flush=True)
    for seconds in PULSES:
        writer = WRITERS["mram"]()
        assert writer.switch is not None
        switch = replace(writer.switch, pulse_seconds=seconds)
        for verify, pulses in (("one pulse", 1), ("verified", writer.max_pulses)):
            own = replace(writer, switch=switch, max_pulses=pulses)
            name = f"{seconds * 1e9:g} ns, {verify}"
            found["switching"][name] = {
                "error rate": switch.error_rate,
                **accuracy(cells(preset("mram"), writer=own)),
            }
            print(name, found["switching"][name], flush=True)
    layer, data = network.design.layers[0], network.layers[0]
    for technology, make in WRITERS.items():
        array = Array(layer, cells(preset(technology), writer=make()))
        report = array.cell_array.program_report(data.weights[:, physical_order(layer)])
        count = report.pulses.size
        told = {"cells": count, "pulses a cell": report.pulses.mean(), "s": report.seconds, "J": report.energy}
        found["writers"][technology] = {key: float(value) for key, value in told.items()}
        print(technology, found["writers"][technology], flush=True)
    if options.json:
        digest = hashlib.sha256(image.pack(network)).hexdigest()
        write_json(options.json, {"image": digest, "chips": options.chips, "numpy": np.__version__, **found})


if __name__ == "__main__":
    main()
