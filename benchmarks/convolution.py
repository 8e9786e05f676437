"""Forward and backward of QuantConv2d beside nn.Conv2d, in turns: results/convolution.json (docs/training.md).

    python benchmarks/convolution.py [--rounds 21] [--json FILE]

4/4/4 bits, one thread, 100 images: the direct convolution, the one over patches, and the direct one with ADC noise.
"""

import argparse
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn

from ohmgate.model.files import write_json
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.conv import QuantConv2d
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.whole_model import set_noise

RESULTS = Path(__file__).parents[1] / "results" / "convolution.json"
SHAPES = {  # input channels, height and width, output channels, kernel
    "1x28x28, 16 of 5x5": (1, 28, 16, 5),
    "16x12x12, 32 of 5x5": (16, 12, 32, 5),
    "32x16x16, 64 of 3x3": (32, 16, 64, 3),
}


def milliseconds(module: nn.Module, x: torch.Tensor) -> float:
    began = time.perf_counter()
    module(x).square().sum().backward()
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kernel()  # noise is drawn by it once it is there
    found = {}
    for name, (channels, size, outputs, edge) in SHAPES.items():
        torch.manual_seed(0)
        x = torch.rand(100, channels, size, size) * 2 - 1
        modules = {
            "nn.Conv2d": nn.Conv2d(channels, outputs, edge),
            "direct": QuantConv2d(channels, outputs, edge),
            "patches": QuantConv2d(channels, outputs, edge, fast=False),
            "direct, ADC noise": QuantConv2d(channels, outputs, edge),
        }
        set_noise(modules["direct, ADC noise"], train=Noise(adc=0.29))
        times = [{key: milliseconds(module, x) for key, module in modules.items()} for _ in range(arguments.rounds)]
        medians = {key: float(np.median([each[key] for each in times])) for key in modules}
        ratios = {
            key: float(np.median([each[key] / each["nn.Conv2d"] for each in times[1:]])) for key in list(modules)[1:]
        }
        found[name] = {"milliseconds": medians, "over nn.Conv2d": ratios}
        print(name, found[name])
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    write_json(arguments.json, {"rounds": arguments.rounds, "versions": versions, "shapes": found})


if __name__ == "__main__":
    main()
