"""Time, energy and area of the speech networks, by the cost model (docs/speech.md).

    python benchmarks/speech_cost.py [--network NAME ...] [--measured FILE ...] [--json FILE]

The networks of ``ohmgate sweep asr-ctc`` with random weights, as a cost depends on the design alone. Exported as by
benchmarks/speech_verilog.py, with 16 ADCs for each array of an LSTM and 28 for the head's. ``--measured`` are figures
of a network's digital part (JSON, docs/cost.md), found by their fingerprint.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from speech_shared import (  # pyright: ignore[reportImplicitRelativeImport]
    ADCS,
    FRAME_NS,
    HEAD_ADCS,
    LONGEST,
    STEP_NS,
    UNSELECTED,
    UTTERANCE,
    provenance,
    spread,
    text_latency,
)

from ohmgate.cost.estimate import Cost, estimate
from ohmgate.cost.figures import total
from ohmgate.cost.measured import Measured, read_measured
from ohmgate.hdl.accelerator import layer_latency
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.train.experiments.asr_ctc import NETWORKS, AsrCtcTrial, quantised
from ohmgate.train.export import export
from ohmgate.train.speech.an4 import CEPSTRA, Utterances
from ohmgate.train.speech.features import REACH, STACK, Units
from ohmgate.train.speech.model import FloatModel

RESULTS = Path(__file__).parents[1] / "results" / "speech_cost.json"


def design_of(name: str) -> Design:
    """Of the trained network at 4 bits; made-up frames stand for speech."""
    generator = np.random.default_rng(0)
    frames = [generator.normal(size=(STACK * steps, CEPSTRA)).astype(np.float32) for steps in (8, 5)]
    data = Utterances(frames, ["NO"] * 2, ["fash"] * 2)
    trial, (layers, hidden, bidirectional) = AsrCtcTrial(network=name), NETWORKS[name]
    protocol = trial.protocol()
    units = Units.of(data, protocol.centred)
    torch.manual_seed(0)
    floating = FloatModel(hidden, layers, 0.0, bidirectional)
    model = quantised(floating, trial, data, units, protocol)
    values = torch.from_numpy(units.steps(frames[0]))[None]
    adcs = [ADCS] * (layers * (1 + bidirectional)) + [HEAD_ADCS]
    given, longest = (values, torch.tensor([values.shape[1]])), LONGEST if bidirectional else None
    return export(model, *given, name=f"speech_{name}", adcs=adcs, max_steps=longest).design


def figures(cost: Cost) -> dict[str, Any]:
    """Of a tier. ``passes``: how often a sequence is gone through, one after the other, with layers in reverse."""
    passes, step_ns = cost.times.waits + 1, cost.times.step
    shares = {}
    for component in dict.fromkeys(row.component for row in cost.rows):
        found = [row for row in cost.rows if row.component == component]
        shares[component] = {
            "nJ a step": spread(total(row.energy for row in found), 1e-3),
            "mm2": spread(total(row.area for row in found), 1e-6),
        }
    return {
        "step ns": step_ns,
        "clock MHz": cost.times.clock_mhz,
        "cycles of a step": cost.times.cycles,
        "passes": passes,
        "real-time factor": passes * step_ns / STEP_NS,
        "us to the text": text_latency(cost) / 1000,
        "nJ a step": spread(cost.step_energy, 1e-3),
        "uJ a second of speech": spread(cost.step_energy, 1e-6 * 1e9 / STEP_NS),
        "mm2": spread(cost.area, 1e-6),
        "components": shares,
    }


def costs_of(name: str, measured: list[Measured]) -> dict[str, Any]:
    design = design_of(name)
    latencies = [layer_latency(layer) for layer in design.layers]
    mine = [each for each in measured if each.fingerprint == design.fingerprint]
    tiers: dict[str, Any] = {"paper": figures(estimate(design, "paper", latencies))}
    for waiting in UNSELECTED:
        label = f"literature, columns that wait {waiting.replace('_', ' ')}"
        tiers[label] = figures(estimate(design, "literature", latencies, unselected=waiting))
    for each in mine:
        tiers["measured"] = figures(estimate(design, "measured", latencies, measured=each)) | {
            "provenance": each.provenance
        }
    layers = design.layers
    return {
        "fingerprint": design.fingerprint,
        "arrays": [
            f"{layer.rows} x {layer.columns}, {layer.adcs} ADCs{', in reverse' if layer.reverse else ''}"
            for layer in layers
        ],
        "pairs of cells": sum(layer.rows * layer.columns for layer in layers),
        "conversions of a step": max(layer.conversions for layer in layers),
        "steps of an utterance": UTTERANCE,
        "ms that the features look ahead": REACH * FRAME_NS / 1e6,
        "tiers": tiers,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="+", choices=tuple(NETWORKS), default=["2x128", "streaming_2x256"])
    parser.add_argument("--measured", type=Path, nargs="*", default=[])
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measured = [read_measured(path) for path in arguments.measured]
    found = {name: costs_of(name, measured) for name in arguments.network}
    for name, network in found.items():
        for tier, values in network["tiers"].items():
            shown = {key: value for key, value in values.items() if key != "components"}
            print(name, tier, shown, sep=": ", flush=True)
    write_json(arguments.json, {"provenance": provenance(), "networks": found})


if __name__ == "__main__":
    main()
