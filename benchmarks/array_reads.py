"""Reads of a 64 x 128 array a second: fast reads beside a plain PyTorch loop, taken in turns on one thread.

    OMP_NUM_THREADS=1 python benchmarks/array_reads.py               # a minute
    OMP_NUM_THREADS=1 python benchmarks/array_reads.py --chips 100   # and the HAR-size network on 100 chips
    OMP_NUM_THREADS=1 python benchmarks/array_reads.py --rounds 0 --chips 100 --image runs/har/har.image
    OMP_NUM_THREADS=1 python benchmarks/array_reads.py --json results/array_reads.json

Every contestant makes 4-bit codes of the same batch with the paper's noise: ADC noise in every step, and weight
noise of 10 % per programming or fresh in every read. aihwkit takes part where it is installed. With
``--image`` the network is a trained one on its test set, and its accuracy is told.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from training_step import processor  # pyright: ignore[reportImplicitRelativeImport]

from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.fast import BLOCK, NORMALS, FastReader
from ohmgate.analog.fast_network import FastNetwork
from ohmgate.analog.inference import build_arrays
from ohmgate.firmware import image
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.layers import LstmLayer
from ohmgate.model.network import LayerData, Network, nominal_tables
from ohmgate.train.data.datasets import load_dataset

LAYER = LstmLayer(inputs=32, hidden=32, adcs=16, bias_rows=0)
MULT, SHIFT = 12, 9
SIGMA_WEIGHT, SIGMA_ADC = 0.1 * 14, 12**-0.5
LEVELS = np.random.default_rng(0).integers(-7, 8, (LAYER.rows, LAYER.columns))
DRIVE = np.random.default_rng(1).integers(-7, 8, (BLOCK, LAYER.rows))


def ours(redraw: str, normals: str):
    array = Array(LAYER, ArrayConfig(weight_noise=0.1, redraw=redraw, adc_noise="paper"), 1)
    array.program(LEVELS)
    for gate in range(4):
        array.set_gain(gate, MULT, SHIFT)
    reader = FastReader(array, normals)
    drive = DRIVE.astype(reader.dtype)
    return lambda: reader.offset_codes(drive)


def array_model(redraw: str):
    array = Array(LAYER, ArrayConfig(weight_noise=0.1, redraw=redraw, adc_noise="paper"), 1)
    array.program(LEVELS)
    for gate in range(4):
        array.set_gain(gate, MULT, SHIFT)
    return lambda: array.convert_all(DRIVE)


def product():
    weights, drive = LEVELS.astype(np.float32), DRIVE.astype(np.float32)
    out = np.empty((BLOCK, LAYER.columns), np.float32)
    return lambda: np.matmul(drive, weights, out=out)


def pytorch(fresh: str = ""):
    """The loop that one would write; ``fresh`` weight noise is drawn for every "cell" of a read or its "column"."""
    weights, drive = torch.tensor(LEVELS, dtype=torch.float32), torch.tensor(DRIVE, dtype=torch.float32)
    noisy = weights + SIGMA_WEIGHT * torch.randn_like(weights)
    scale = MULT / 2**SHIFT

    def read():
        if fresh == "cell":
            noise = SIGMA_WEIGHT * torch.randn(len(drive), *weights.shape)
            sums = torch.einsum("br,brc->bc", drive, weights + noise)
        else:
            sums = drive @ (weights if fresh else noisy)
        sigma = SIGMA_ADC
        if fresh == "column":
            sigma = ((drive**2).sum(1, keepdim=True) * (SIGMA_WEIGHT * scale) ** 2 + SIGMA_ADC**2).sqrt()
        return torch.clamp(torch.floor(sums * scale + sigma * torch.randn_like(sums)), -8, 7)

    return read


def aihwkit():
    """A noisy, quantised tile of IBM's kit: 4-bit inputs and outputs, output noise in every read."""
    try:
        from aihwkit.nn import AnalogLinear  # pyright: ignore[reportMissingImports]
        from aihwkit.simulator.configs import InferenceRPUConfig  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    config = InferenceRPUConfig()
    config.forward.inp_res, config.forward.out_res, config.forward.out_noise = 1 / 14, 1 / 14, 0.04
    layer = AnalogLinear(LAYER.rows, LAYER.columns, bias=False, rpu_config=config).eval()
    drive = torch.tensor(DRIVE, dtype=torch.float32) / 7

    def read():
        with torch.no_grad():
            return layer(drive)

    return read


def rates(contestants: dict, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Reads a processor second of each in every round; they take turns, so that a busy machine is unfair to none."""
    found = {name: [] for name in contestants}
    for read in contestants.values():
        read()
    for _ in range(rounds):
        for name, read in contestants.items():
            count, start = 0, time.process_time()
            while time.process_time() - start < seconds:
                read()
                count += 1
            found[name].append(count * BLOCK / (time.process_time() - start))
    return found


def har_network() -> Network:
    """The HAR preset with random weights: speed does not depend on them."""
    design, rng = Design.load("har"), np.random.default_rng(0)
    data = []
    for layer in design.layers:
        weights = rng.integers(-7, 8, (layer.rows, layer.columns))
        gain = np.full(layer.gates, 12), np.full(layer.gates, 9)
        data.append(LayerData(weights, *gain, nominal_tables(layer)))
    return Network(design, tuple(data))


def har(chips: int, path: Path | None, data: Path | None) -> None:
    """``chips`` of the HAR-size network with random weights and inputs; or of the image at ``path``."""
    name, network, labels = "HAR-size network", har_network(), None
    codes, lengths = np.random.default_rng(1).integers(-7, 8, (2947, 128, 9)), np.full(2947, 128)
    if path:
        name, network = path.name, image.read(path)
        test = load_dataset(network.design.name, data).test
        codes, lengths, labels = network.encode(test.features), test.lengths, test.labels
    config = ArrayConfig(weight_noise=0.1, adc_noise="paper")
    start, busy = time.perf_counter(), time.process_time()
    classes = []
    for chip in range(chips):
        made = FastNetwork(network, build_arrays(network, config, chip), seed=chip)
        classes.append(made.classify(codes, lengths))
    spent, busy = time.perf_counter() - start, time.process_time() - busy
    steps = chips * int(lengths.sum())
    print(
        f"{name}, {chips} chips x {len(codes):,} sequences, {steps:,} steps: {spent / 60:.2f} minutes "
        f"({busy / 60:.2f} of processor time), "
        f"{steps / busy / 1e6:.2f} million steps a processor second, all else of the network included"
    )
    if labels is not None:
        accuracy = (np.array(classes) == labels).mean(axis=1)
        ideal = (FastNetwork(network, build_arrays(network)).classify(codes, lengths) == labels).mean()
        print(
            f"accuracy {accuracy.mean():.2%}, from {accuracy.min():.2%} to {accuracy.max():.2%}; "
            f"{ideal:.2%} without noise"
        )


def compete(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Rates of all contestants; also told."""
    contestants = {"float32 product alone": product()}
    for redraw in ("per_programming", "per_step"):
        for normals in NORMALS:
            contestants[f"fast reads, {redraw}, {normals}"] = ours(redraw, normals)
        contestants[f"array model, {redraw}"] = array_model(redraw)
    contestants["PyTorch, per_programming"] = pytorch()
    contestants["PyTorch, per_step at the column"] = pytorch("column")
    contestants["PyTorch, per_step cell by cell"] = pytorch("cell")
    if aihwkit() is not None:
        contestants["aihwkit, output noise"] = aihwkit()
    results = rates(contestants, rounds, seconds)
    for name, found in results.items():
        print(
            f"{name:38s} {statistics.median(found) / 1e6:7.3f} million reads a second "
            f"({min(found) / 1e6:.3f} to {max(found) / 1e6:.3f})"
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="of the contestants; 0 leaves them out")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each contestant in a round")
    parser.add_argument("--chips", type=int, default=0, help="chips of the HAR-size network")
    parser.add_argument("--image", type=Path, help="of a trained classifier, in place of the HAR-size network")
    parser.add_argument("--data", type=Path, help="data folder of its test set; default: $OHMGATE_DATA")
    parser.add_argument("--json", type=Path, help="write the contestants' rates here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.rounds:
        results = compete(arguments.rounds, arguments.seconds)
        if arguments.json:
            versions = {"Python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
            provenance = {"versions": versions, "processor": processor(), "rounds": arguments.rounds}
            provenance |= {"seconds": arguments.seconds, "unit": "reads of a 64 x 128 array a processor second"}
            write_json(arguments.json, {"provenance": provenance, "results": results})
    if arguments.chips:
        har(arguments.chips, arguments.image, arguments.data)


if __name__ == "__main__":
    main()
