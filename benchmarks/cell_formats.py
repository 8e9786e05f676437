"""What narrower cell states cost in accuracy; what they save in standard cells: results/cell_formats.json.

    python benchmarks/cell_formats.py --data FOLDER --networks vowels.image har.image [--pdk FOLDER]

The networks are as they were trained, with 32 bits: only the format of the cell state is another. Accuracies are the
integer reference's, over the whole test set. --pdk adds area, clock and energy of the vowels chip on Nangate 45.
Its netlist must give the RTL's labels in the RTL's cycles.
"""

import argparse
import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ohmgate.firmware import image
from ohmgate.hdl.flow.synthesis import map_chip
from ohmgate.hdl.flow.timing import time_chip
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.network import Network
from ohmgate.model.reference import run
from ohmgate.sim.power import power_of
from ohmgate.train.data.datasets import load_dataset

FORMATS = ((32, 24), (24, 18), (16, 11), (12, 8), (8, 5))  #: bits of a cell state, and its bits behind the point
LIBRARY = "nangate45_typ"
PART = 256  #: sequences that the reference runs at a time
SEQUENCES = 4  #: of the energy


def with_cells(design: Design, bits: int, fraction: int) -> Design:
    """``design`` with another format of its cell states."""
    layers = (
        replace(layer, cell_bits=bits, cell_fraction=fraction) if layer.kind == "lstm" else layer
        for layer in design.layers
    )
    return replace(design, layers=tuple(layers))


def results(network: Network, codes: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, int]:
    """What the network gives for all sequences, and how many cell states were limited."""
    outs, limited = [], 0
    for start in range(0, len(codes), PART):
        found = run(network, codes[start : start + PART], lengths[start : start + PART])
        outs.append(found.out)
        limited += sum(layer.saturations for layer in found.layers)
    return np.concatenate(outs), limited


def of_labels(network: Network, data: Path | None) -> dict[str, Any]:
    """Accuracy by format over the test set, and the labels that are others than with the first format."""
    test = load_dataset(network.design.name, data).test
    codes, before, rows = network.encode(test.features), None, {}
    for bits, fraction in FORMATS:
        found, limited = results(
            replace(network, design=with_cells(network.design, bits, fraction)), codes, test.lengths
        )
        label = found[:, 0]
        before = label if before is None else before
        rows[f"{bits}/{fraction}"] = {
            "accuracy": round(float((label == test.labels).mean()), 5),
            "changed": int((label != before).sum()),
            "limited": limited,
        }
    return {"predictions": len(codes), "formats": rows}


def of_gates(network: Network, library: Path, data: Path | None) -> dict[str, Any]:
    """Area and shortest clock by format, and the energy of the first test sequences."""
    test = load_dataset(network.design.name, data).test
    rows = {}
    for bits, fraction in FORMATS:
        other = replace(network, design=with_cells(network.design, bits, fraction))
        chip = map_chip(other.design, library)
        timed = time_chip(chip)
        found = power_of(chip, other, other.encode(test.features[:SEQUENCES]), test.lengths[:SEQUENCES])
        rows[f"{bits}/{fraction}"] = {
            "area_um2": round(chip.report.area or 0.0, 1),
            "clock_ns": timed.shortest_clock_ns,
            "energy_pj_per_cycle": round(found.total_pj_per_cycle, 2),
        }
        print(bits, fraction, rows[f"{bits}/{fraction}"], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdk", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--networks", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path("results/cell_formats.json"))
    args = parser.parse_args()
    designs = {}
    for path in args.networks:
        network = image.read(path)
        name = network.design.name
        found = of_labels(network, args.data)
        print(name, found, flush=True)
        if name == "vowels" and args.pdk is not None:
            gates = of_gates(network, args.pdk / f"{LIBRARY}.lib.gz", args.data)
            found["formats"] = {key: row | gates[key] for key, row in found["formats"].items()}
        designs[name] = {"fingerprint": network.design.fingerprint} | found
    versions = {name: importlib.metadata.version(name) for name in ("ohmgate", "amaranth", "pyosys")}
    files = " ".join(path.name for path in args.networks)
    files += " --pdk FOLDER" if args.pdk is not None else ""
    command = f"python benchmarks/cell_formats.py --data FOLDER --networks {files}"
    write_json(args.out, {"command": command, "versions": versions, "designs": designs})


if __name__ == "__main__":
    main()
