"""HAR at several widths against float: test accuracy of official test subjects, and every integer verified.

Run: ``python benchmarks/training_har.py --data FOLDER [--bits 4 16] [--seeds 3] [--folder RUNS] [--json FILE]``.
Each run is kept in RUNS and not repeated; widths other than 4 set weights, DACs and ADCs of all layers alike.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.export.verify import verify
from ohmgate.train.network import DesignNetwork
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.training import train


def at_bits(design: Design, bits: int) -> Design:
    """``design`` with every layer at ``bits``; at 4 the preset as it is, whose head has an 8-bit ADC."""
    if bits == 4:
        return design
    fields = {"dac_bits": bits, "weight_bits": bits, "adc_bits": bits}
    layers = (
        replace(layer, **fields, **({"output_bits": bits} if layer.kind == "dense" and layer.has_table else {}))
        for layer in design.layers
    )
    return Design(design.name, tuple(layers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with har.npz; default: $OHMGATE_DATA")
    parser.add_argument("--bits", type=int, nargs="+", default=[4], help="widths beside float (default 4)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="checkpoints")
    parser.add_argument("--json", type=Path, help="write the accuracies here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset("har", arguments.data)
    results: dict[str, list[float]] = {}
    for seed in range(arguments.seeds):
        for bits in (32, *arguments.bits):
            design = Design.load("har") if bits == 32 else at_bits(Design.load("har"), bits)
            config = replace(PROTOCOLS["har"], seed=seed, floating=bits == 32)
            name = "float" if bits == 32 else f"{bits} bits"
            file = arguments.folder and arguments.folder / f"har_{bits}_{seed}.safetensors"
            result = train(design, dataset, config, checkpoint=file)
            results.setdefault(name, []).append(result.accuracy)
            text = f"seed {seed}, {name}: {100 * result.accuracy:.2f} %"
            if result.network is not None and seed == 0:
                codes = result.network.encode(dataset.test.features)
                model = DesignNetwork.from_network(result.network)
                text += f"; {verify(model, codes, dataset.test.lengths, result.network)}"
            print(text, flush=True)
            if arguments.json:
                write_json(arguments.json, results)
    for name, values in results.items():
        print(f"{name}: mean {100 * sum(values) / len(values):.2f} %")


if __name__ == "__main__":
    main()
