"""What wires do to trained networks, and what each cure brings: ``python benchmarks/wires_accuracy.py IMAGE ...``.

Every layer of each image is put into pairs of the paper's cells (1 Mohm on average) behind 1 ohm (``--ohm``) from
cell to cell, without any noise, and the test set is classified through the solved matrices. Language networks
(``.safetensors``, kept by ``ohmgate sweep``) are judged by their perplexity on a part of the names or of the Penn
Treebank's validation text: the LSTM's array is read through the wires, embedding and softmax are the host's.
``DESIGN``s (names, ptb) have random Gaussian weights and inputs and are judged by their ADC codes alone.

A sum without wires is an integer and may lie exactly on a threshold of the converter, where any error would change
the code; converters here have an offset of half the finest step of such a sum, which changes no exact code.
"""

import argparse
import hashlib
import math
import os
import platform
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import scipy
import torch

from ohmgate.analog.array import Array
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import preset
from ohmgate.analog.inference import build_arrays, predictions
from ohmgate.analog.studies.cures import Outcome, outcomes
from ohmgate.analog.studies.datasheet import fitting_shift
from ohmgate.firmware import image
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.formats import full_scale, signed_range
from ohmgate.model.layout import logical_order
from ohmgate.model.network import Network
from ohmgate.train.data import corpora
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.export import export
from ohmgate.train.language.model import load

CELLS = preset("paper_cells")
STREAMS = 20  #: of the validation text
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
    """Accuracy and ADC codes of a trained classifier."""
    network = image.read(path)
    test = load_dataset(network.design.name, data).test

    def judge(result: reference.Result) -> dict[str, float]:
        return {"accuracy": float((predictions(network, result, test.lengths) == test.labels).mean())}

    return of_network(path, network, network.encode(test.features), test.lengths, judge, ohm, tile)


def of_language(path: Path, data: Path | None, ohm: float, tile: int, names: int, words: int) -> dict:
    """Perplexity and ADC codes of a language model on the first ``names`` names of a shuffled list, each with its
    END; or on the first ``words`` words of each of 20 streams of the validation text."""
    model = load(path)
    lstm = model.lstm.arrays[0]
    if model.tokens == len(corpora.CHARACTERS):
        texts = corpora.names(data)
        chosen = np.random.default_rng(0).permutation(len(texts.windows))[:names]
        tokens, lengths = texts.windows[chosen].astype(np.int64), texts.lengths[chosen]
    else:
        text = corpora.penn_treebank(data).valid
        tokens = text[: len(text) // STREAMS * STREAMS].reshape(STREAMS, -1)[:, : words + 1]
        lengths = np.full(STREAMS, tokens.shape[1] - 1)
    tokens = torch.from_numpy(tokens).T
    codes = []
    lstm.recorder = lambda array, driven, trace: codes.append(driven.transpose(0, 1).numpy().astype(np.int64))
    with torch.no_grad():
        model(tokens[:-1])
    targets = tokens[1:]
    read = torch.arange(len(targets))[:, None] < torch.from_numpy(lengths)

    network = export([lstm])

    def judge(result: reference.Result) -> dict[str, float]:
        hidden = torch.from_numpy(network.decode(result.out)).transpose(0, 1).float()
        with torch.no_grad():
            losses, hits = model.losses(hidden, targets)[read].double(), model.predict(hidden)[read] == targets[read]
        return {"accuracy": float(hits.double().mean()), "perplexity": math.exp(losses.mean())}

    return of_network(path, network, codes[0], lengths, judge, ohm, tile)


def of_network(path: Path, network: Network, codes, lengths, judge: Callable, ohm: float, tile: int) -> dict:
    """What ``judge`` says of the results without wires, behind them, and with each cure; and ADC codes."""
    arrays = build_arrays(network, CELLS)
    exact = reference.run(network, codes, lengths)
    choices = [candidates(array, ohm, tile) for array in arrays]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = {"file": digest, "sequences": len(codes), "steps": int(np.sum(lengths))}
    entry |= {"without wires": judge(exact), "cures": {}}
    valid = np.arange(codes.shape[1]) < lengths[:, None]
    for name in choices[0]:

        def through(index, drive, fresh, name=name):
            array = arrays[index]
            return convert(array, drive, choices[index][name][0])[:, logical_order(array.layer)]

        result = reference.run(network, codes, lengths, through)
        layers = []
        for index, trace in enumerate(exact.layers):
            read = valid
            if getattr(network.design.layers[index], "emit", "") == "end":
                read = valid & ~np.pad(valid[:, 1:], ((0, 0), (0, 1)))
            drive = trace.drive[read]
            layers.append(measures(arrays[index], choices[index][name], drive))
        entry["cures"][name] = judge(result) | {"layers": layers}
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
    parser.add_argument("source", nargs="+", help="images, language networks, or designs for random weights")
    parser.add_argument("--data", type=Path, help="data folder; default: $OHMGATE_DATA")
    parser.add_argument("--ohm", type=float, nargs="+", default=[1.0])
    parser.add_argument("--tile", type=int, default=64, help="rows and columns of a tile")
    parser.add_argument("--names", type=int, default=500, help="names to read")
    parser.add_argument("--words", type=int, default=400, help="words to read of each of 20 streams")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for ohm in arguments.ohm:
        for source in arguments.source:
            path = Path(source)
            if path.suffix == ".safetensors":
                counts = arguments.names, arguments.words
                entry = of_language(path, arguments.data, ohm, arguments.tile, *counts)
            elif path.is_file():
                entry = of_image(path, arguments.data, ohm, arguments.tile)
            else:
                entry = of_design(source, ohm, arguments.tile)
            found[f"{path.stem}, {ohm:g} ohm"] = entry
            show(f"{path.stem}, {ohm:g} ohm a segment", entry)
    if arguments.json:
        content = {"command": vars(arguments) | {"json": None, "data": None}, "results": found}
        content["command"]["source"] = [Path(source).name for source in arguments.source]
        content["versions"] = {
            "Python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "torch": torch.__version__,
        }
        write_json(arguments.json, content)


def judged(entry: dict) -> str:
    accuracy = f"accuracy {entry['accuracy']:.2%}, " if "accuracy" in entry else ""
    return accuracy + (f"perplexity {entry['perplexity']:.3f}, " if "perplexity" in entry else "")


def show(title: str, entry: dict) -> None:
    """A table of one network."""
    print(f"\n{title}")
    if "without wires" in entry:
        print(f"{'no wires':<46} {judged(entry['without wires'])}")
    for name, cure in entry["cures"].items():
        layers = [f"{layer['codes that differ']:.2%}" for layer in cure["layers"]]
        errors = [f"{layer['LSB rms']:.2g}" for layer in cure["layers"]]
        print(
            f"{name:<46} {judged(cure)}codes that differ {', '.join(layers)}; LSB rms {', '.join(errors)}", flush=True
        )
    for index, layer in enumerate(entry["cures"]["no cure"]["layers"]):
        print(f"layer {index}: worst column loses {layer['worst column loses']:.2%}")


if __name__ == "__main__":
    main()
