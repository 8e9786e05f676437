"""Noise-injected training and voting on MNIST's pen strokes: results/strokes_noise.json (docs/training.md).

    OHMGATE_DATA=FOLDER python benchmarks/strokes_noise.py [--designs lstm64 ...] [--seeds 0 1 2]

An LSTM and a head, in float and at 4/4/4 bits, are trained without noise first. The power of their signals is
measured then, and noise is added to all column sums, the head's too (or to all rows): 0 dB is noise as strong as the
clean network's signal. "naive" is the clean network in that noise, "trained" one that went on from it with the noise:
of the power that it began with ("fixed", in ADC or DAC steps), or of its own signal's ("relative"). Both read every
one of the 10,000 test digits 1 to 49 times; votes are the majority of the classes and the mean of the outputs. What
the file has is not made again.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from public_sets import strokes  # pyright: ignore[reportImplicitRelativeImport]

from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.metrics import accuracy, majority
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.sequences import SequenceDataset
from ohmgate.train.epochs import tensors_of
from ohmgate.train.evaluation import predict, reads_of
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.signal import noise_at_snr, signal_power, snr_of
from ohmgate.train.network import DesignNetwork
from ohmgate.train.recipe import usual_config
from ohmgate.train.training import TrainResult, host_units, train

RESULTS = Path(__file__).parents[1] / "results" / "strokes_noise.json"
VOTES = 1, 3, 9, 25, 49
MEASURED = 1000  #: training digits whose signals are measured after a training
DESIGNS = {
    f"lstm{hidden}": Design(
        f"strokes{hidden}",
        (
            LstmLayer(inputs=4, hidden=hidden, adcs=16),
            DenseLayer(inputs=hidden, outputs=10, adcs=10, adc_bits=bits, emit="end", output="codes"),
        ),
    )
    for hidden, bits in ((64, 8), (128, 8))
}


@dataclass(frozen=True)
class Cell:
    """One training with noise beside the clean one that it starts from."""

    design: str
    floating: bool
    site: str
    power: str
    snr: float  #: dB, of training and of evaluation
    noiseless: float  #: share of the batches that are trained without noise
    seed: int


def config_of(cell: Cell, data: SequenceDataset, epochs: int) -> TrainConfig:
    usual = usual_config(DESIGNS[cell.design], data)
    return replace(usual, seed=cell.seed, floating=cell.floating, epochs=epochs, input_noise=0.0)


def voted(model: DesignNetwork, result: TrainResult, data: SequenceDataset, host: dict[str, Any]) -> dict[str, Any]:
    """Accuracy in the model's noise by majority and by mean, for each number of votes."""
    model.set_noise(seed=1000 + result.config.seed)
    outputs = reads_of(model, data.test, host, max(VOTES))
    labels = data.test.labels
    return {
        "majority": {k: accuracy(majority(outputs[:k].argmax(2)), labels) for k in VOTES},
        "mean": {k: accuracy(outputs[:k].mean(0).argmax(1), labels) for k in VOTES},
    }


def measure(cell: Cell, clean: TrainResult, data: SequenceDataset, epochs: int) -> dict[str, Any]:
    host = host_units(clean.model.design, data, clean.config)
    before = powers_of(clean.model, data, host)
    began = time.process_time()
    config = replace(
        config_of(cell, data, epochs),
        snr=cell.snr,
        snr_site=cell.site,
        snr_power=cell.power,
        noiseless=cell.noiseless,
    )
    result = train(DESIGNS[cell.design], data, config, start=clean.model)
    seconds = time.process_time() - began
    after = powers_of(result.model, data, host)
    found: dict[str, Any] = {"clean": accuracy(predict(clean.model, data.test, host), data.test.labels)}
    noise = noise_at_snr(before, cell.snr, site=cell.site)
    clean.model.set_noise(evaluate=noise)
    found["naive"] = voted(clean.model, clean, data, host)
    clean.model.set_noise(evaluate=Noise())
    found["trained_clean"] = result.accuracy
    own = {array: array.train_noise for array in after}
    if cell.power == "relative":
        own = noise_at_snr(after, cell.snr, site=cell.site)
    result.model.set_noise(evaluate=own)
    found["trained"] = voted(result.model, result, data, host)
    found["snr_after_training_db"] = snr_of(after, own, site=cell.site)
    return found | {"training_seconds": seconds}


def powers_of(model: DesignNetwork, data: SequenceDataset, host: dict[str, Any]):
    some = data.train.take(np.linspace(0, len(data.train) - 1, MEASURED).astype(int))
    x, lengths, _ = tensors_of(some, host)
    return signal_power(model, lambda: model(x.clamp(-1, 1), lengths), lengths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--sites", nargs="+", choices=("rows", "sums"), default=["sums", "rows"])
    parser.add_argument("--powers", nargs="+", choices=("fixed", "relative"), default=["fixed", "relative"])
    parser.add_argument("--bits", nargs="+", choices=("float", "4"), default=["float", "4"])
    parser.add_argument("--snr", type=float, default=0.0, help="dB")
    parser.add_argument("--noiseless", type=float, default=0.25, help="share of the batches without noise")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=10, help="of the clean training, and again with noise")
    parser.add_argument("--digits", type=int, default=60000, help="of the training set")
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = strokes()
    if arguments.digits < len(data.train):
        data = replace(data, train=data.train.take(np.arange(arguments.digits)))
    provenance = {
        "command": "python benchmarks/strokes_noise.py",
        "epochs": arguments.epochs,
        "digits": len(data.train),
        "data": data.content,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    content = json.loads(arguments.json.read_text(encoding="utf-8")) if arguments.json.exists() else {}
    if content.setdefault("provenance", provenance) != provenance:
        raise SystemExit(f"{arguments.json} must be of the same run, but is of another")
    cells = content.setdefault("cells", [])
    for seed in arguments.seeds:
        for design in arguments.designs:
            for bits in arguments.bits:
                wanted = [
                    Cell(design, bits == "float", site, power, arguments.snr, arguments.noiseless, seed)
                    for site in arguments.sites
                    for power in arguments.powers
                ]
                wanted = [cell for cell in wanted if asdict(cell) not in [one["cell"] for one in cells]]
                if not wanted:
                    continue
                clean = train(DESIGNS[design], data, config_of(wanted[0], data, arguments.epochs))
                for cell in wanted:
                    cells.append({"cell": asdict(cell), **measure(cell, clean, data, arguments.epochs)})
                    print(cells[-1], flush=True)
                    write_json(arguments.json, content)


if __name__ == "__main__":
    main()
