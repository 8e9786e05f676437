"""How weight ranges are found, under weight noise: test accuracy on the vowels, noise in training and in evaluation.

Run: ``python benchmarks/weight_ranges.py [--noise 0.1 0.2] [--seeds 10]``, about a minute and a half.
"""

import argparse
from dataclasses import replace

import numpy as np

from ohmgate.model.design import Design
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.layers.noise import PAPER_ADC, Noise
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.training import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.1, 0.2], help="beta, a share of the range")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    design, dataset = Design.load("vowels"), load_dataset("vowels")
    for beta in arguments.noise:
        noise = Noise(adc=PAPER_ADC, weight=beta)
        for quantiser, reckoned in (("absmax", 0.0), ("sawb", 0.0), ("lsq", 0.0), ("sawb", beta)):
            fields = {"quantiser": quantiser, "range_noise": reckoned, "train_noise": noise, "eval_noise": noise}
            configs = [replace(PROTOCOLS["vowels"], seed=s, fast=True, **fields) for s in range(arguments.seeds)]
            found = 100 * np.array([train(design, dataset, config).accuracy for config in configs])
            name = f"{quantiser} that reckons with noise" if reckoned else quantiser
            print(f"{100 * beta:g} %  {name:<30} {found.mean():6.2f} +- {found.std(ddof=1):.2f} %", flush=True)


if __name__ == "__main__":
    main()
