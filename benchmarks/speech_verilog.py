"""A speech network at 4 bits through the Verilog, and its real-time factor (docs/speech.md).

    python benchmarks/speech_verilog.py --data DIR [--network NAME] [--held-out] [--weights FILE] [--utterances 10]

A trained network of ``ohmgate sweep asr-ctc`` of seed 0, 2x128 if NAME is not given. It is read from FILE
(safetensors), or trained in some minutes, and kept there. ``--held-out`` holds ten of the training speakers out, who
then speak. It is exported with 16 ADCs for each array. Test utterances go through the generated Verilog at native
speed, with a noiseless array, and every integer is compared.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from speech_shared import (  # pyright: ignore[reportImplicitRelativeImport]
    ADCS,
    HEAD_ADCS,
    STEP_NS,
    provenance,
    through_verilog,
)

from ohmgate.cost.times import paper_times
from ohmgate.model.files import write_json
from ohmgate.model.network import Network
from ohmgate.train.experiments.asr_ctc import NETWORKS, AsrCtcTrial, networks_of, quantised
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.speech.an4 import SpeechDataset, an4
from ohmgate.train.speech.features import Units, padded_steps
from ohmgate.train.speech.model import FloatModel, QuantModel

RESULTS = Path(__file__).parents[1] / "results" / "speech_verilog.json"


def trained(trial: AsrCtcTrial, data: SpeechDataset, units: Units, weights: Path | None) -> QuantModel:
    protocol, (layers, hidden, bidirectional) = trial.protocol(), trial.size
    if weights is not None and weights.exists():
        floating = FloatModel(hidden, layers, 0.0, bidirectional)
        model = quantised(floating, trial, data.train, units, protocol)
        model.load_state_dict(load_file(weights))
        return model
    model = networks_of(trial, data, units, protocol, print)[2]
    assert isinstance(model, QuantModel)
    if weights is not None:
        save_file(model.state_dict(), weights)
    return model


def real_time(network: Network, lengths: np.ndarray) -> dict[str, float]:
    """By the paper's nanoseconds: the arrays' time over that of speech, of utterances of these steps; and sizes."""
    times = paper_times(network.design)
    whole = sum(times.sequence(int(steps)) for steps in lengths)
    return {
        "step ns": times.step,
        "conversions of a step": max(layer.conversions for layer in network.design.layers),
        "real-time factor": whole / (STEP_NS * float(lengths.sum())),
        "pairs of cells": sum(layer.rows * layer.columns for layer in network.design.layers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--network", choices=tuple(NETWORKS), default="2x128")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--utterances", type=int, default=10, help="the first ones of the test set")
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = an4(arguments.data)
    if arguments.held_out:
        data = data.validation()
    trial = AsrCtcTrial(network=arguments.network)
    units = Units.of(data.train, trial.protocol().centred)
    model = trained(trial, data, units, arguments.weights)
    test = data.test.take(range(arguments.utterances))
    values, lengths = padded_steps([units.steps(frames) for frames in test.frames])
    given = torch.from_numpy(values), torch.from_numpy(lengths)
    layers, _, bidirectional = trial.size
    adcs = [ADCS] * (layers * (1 + bidirectional)) + [HEAD_ADCS]
    network = export(model, *given, adcs=adcs, max_steps=int(lengths.max()) if bidirectional else None)
    checked = verify_export(model, *given, network=network)
    print(f"training and reference: {checked}", flush=True)
    found = {
        "provenance": provenance(),
        "network": trial.name,
        "speakers held out": arguments.held_out,
        "reference": {"integers": checked.integers, "mismatches": checked.mismatches},
        "verilog": through_verilog(network, network.encode(values), lengths),
        "time": real_time(network, lengths),
    }
    print(found, flush=True)
    write_json(arguments.json, found)


if __name__ == "__main__":
    main()
