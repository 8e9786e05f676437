"""What wires do to trained networks, and what each cure brings: ``python benchmarks/wires_accuracy.py IMAGE ...``.

Every layer of each image is put into pairs of the paper's cells (1 Mohm on average) behind 1 ohm (``--ohm``) from
cell to cell, without any noise, and the test set is classified through the solved matrices. ``DESIGN``s (names, ptb)
are judged with random Gaussian weights and inputs, by their ADC codes alone. A sum without wires is an integer and
may lie exactly on a threshold of the converter, where any error would change the code; converters here have an offset
of half the finest step of such a sum, which changes no exact code.
"""

import argparse
import hashlib
import json
import os
import platform
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import scipy

from ohmgate.analog.array import Array
from ohmgate.analog.array_study import fitting_shift
from ohmgate.analog.config import preset
from ohmgate.analog.cures import Outcome, outcomes
from ohmgate.analog.inference import build_arrays, predictions
from ohmgate.analog.wires import WireConfig
from ohmgate.firmware import image
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import full_scale, signed_range
from ohmgate.model.layout import logical_order
from ohmgate.train.datasets import load_dataset

CELLS = preset("paper_cells")
ADJUSTED = "reference voltages adjusted"


def candidates(array: Array, ohm: float, tile: int) -> dict[str, tuple[np.ndarray, Outcome]]:
    """Weights (rows, columns) that the converters see, by name of the cure, with their outcome."""
    found = outcomes(array, WireConfig(row_segment=ohm, column_segment=ohm), tile)
    result = {"no cure": (found[0].weights, found[0]), ADJUSTED: (found[0].weights / found[0].factor, found[0])}
    return result | {o.name: (o.weights / o.factor, o) for o in found[1:]}


def convert(array: Array, drive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """ADC codes (B, columns) in physical order."""
    offset = np.array([0.5 / float(scale).as_integer_ratio()[1] for scale in array.scale])
    codes = np.floor(drive @ weights * array.scale + offset)
    return np.clip(codes, *signed_range(array.layer.adc_bits)).astype(np.int64)


def of_image(path: Path, data: Path | None, ohm: float, tile: int) -> dict:
    """Accuracy and ADC codes of a trained network."""
    network = image.read(path)
    test = load_dataset(network.design.name, data).test
    codes = network.encode(test.features)
    arrays = build_arrays(network, CELLS)
    exact = reference.run(network, codes, test.lengths)
    accuracy = float((predictions(network, exact, test.lengths) == test.labels).mean())
    choices = [candidates(array, ohm, tile) for array in arrays]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = {"image": digest, "sequences": len(test.labels), "accuracy without wires": accuracy, "cures": {}}
    valid = np.arange(codes.shape[1]) < test.lengths[:, None]
    for name in choices[0]:

        def through(index, drive, fresh, name=name):
            array = arrays[index]
            return convert(array, drive, choices[index][name][0])[:, logical_order(array.layer)]

        result = reference.run(network, codes, test.lengths, through)
        classes = predictions(network, result, test.lengths)
        layers = []
        for index, trace in enumerate(exact.layers):
            read = valid
            if getattr(network.design.layers[index], "emit", "") == "end":
                read = valid & ~np.pad(valid[:, 1:], ((0, 0), (0, 1)))
            drive = trace.drive[read]
            layers.append(measures(arrays[index], choices[index][name], drive))
        entry["cures"][name] = {"accuracy": float((classes == test.labels).mean()), "layers": layers}
    return entry


def measures(array: Array, choice: tuple[np.ndarray, Outcome], drive: np.ndarray) -> dict:
    """What one cure leaves of the wires' effect on a layer, on rows ``drive`` (B, rows) as without wires."""
    weights, outcome = choice
    error = drive @ (weights - array.levels) * array.scale
    codes = (convert(array, drive, w) for w in (weights, array.levels))
    return {
        "codes that differ": float(np.not_equal(*codes).mean()),
        "LSB rms": float(np.sqrt((error**2).mean())),
        "worst column loses": outcome.loss,
        "largest error of a weight": outcome.error,
    }


def of_design(name: str, ohm: float, tile: int) -> dict:
    """ADC codes of a design's first array with Gaussian weights (a third of full scale) and inputs likewise."""
    layer = Design.load(name).layers[0]
    rng = np.random.default_rng(0)

    def gaussian(shape: tuple[int, int], bits: int) -> np.ndarray:
        top = full_scale(bits)
        return np.clip(np.rint(rng.normal(0, top / 3, shape)), -top, top).astype(np.int64)

    array = Array(layer, CELLS, 0)
    array.program(gaussian((layer.rows, layer.columns), layer.weight_bits))
    for gate in range(layer.gates):
        array.set_gain(gate, 1, fitting_shift(layer, 1 / 9))
    drive = gaussian((500, layer.rows), layer.dac_bits)
    choices = candidates(array, ohm, tile)
    return {"cures": {choice: {"layers": [measures(array, choices[choice], drive)]} for choice in choices}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="+", help="images of trained networks, or designs for random weights")
    parser.add_argument("--data", type=Path, help="data folder; default: $OHMGATE_DATA")
    parser.add_argument("--ohm", type=float, nargs="+", default=[1.0])
    parser.add_argument("--tile", type=int, default=64, help="rows and columns of a tile")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for ohm in arguments.ohm:
        for source in arguments.source:
            path = Path(source)
            entry = (
                of_image(path, arguments.data, ohm, arguments.tile)
                if path.is_file()
                else of_design(source, ohm, arguments.tile)
            )
            found[f"{path.stem}, {ohm:g} ohm"] = entry
            show(f"{path.stem}, {ohm:g} ohm a segment", entry)
    if arguments.json:
        content = {"command": vars(arguments) | {"json": None, "data": None}, "results": found}
        content["command"]["source"] = [Path(source).name for source in arguments.source]
        content["versions"] = {
            "Python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def show(title: str, entry: dict) -> None:
    """A table of one network."""
    print(f"\n{title}")
    if "accuracy without wires" in entry:
        print(f"{'no wires':<46} accuracy {entry['accuracy without wires']:.2%}")
    for name, cure in entry["cures"].items():
        accuracy = f"accuracy {cure['accuracy']:.2%}, " if "accuracy" in cure else ""
        layers = [f"{layer['codes that differ']:.2%}" for layer in cure["layers"]]
        errors = [f"{layer['LSB rms']:.2g}" for layer in cure["layers"]]
        print(f"{name:<46} {accuracy}codes that differ {', '.join(layers)}; LSB rms {', '.join(errors)}", flush=True)
    for index, layer in enumerate(entry["cures"]["no cure"]["layers"]):
        print(f"layer {index}: worst column loses {layer['worst column loses']:.2%}")


if __name__ == "__main__":
    main()
