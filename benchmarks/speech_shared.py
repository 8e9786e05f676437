"""What the measurements of speech networks share: sizes, a network through its Verilog, ranges of costs."""

import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ohmgate.cost.estimate import Cost
from ohmgate.cost.figures import Span
from ohmgate.model.network import Network
from ohmgate.sim.native.build import build
from ohmgate.sim.native.pieces import Sequences, programs
from ohmgate.sim.native.regression import run, summary
from ohmgate.train.speech.features import STACK

ADCS, HEAD_ADCS = 16, 28
FRAME_NS = 10e6  #: of speech
STEP_NS = STACK * FRAME_NS
LONGEST = 213  #: steps of the longest training utterance, 6.4 s, which the stores of layers in reverse hold
UTTERANCE = 90  #: steps, 2.7 s
UNSELECTED = ("grounded", "cut_off")
CYCLES = 4  #: of a conversion, to reckon with


def provenance() -> dict[str, str]:
    return {"python": platform.python_version(), "torch": torch.__version__, "machine": platform.machine()}


def through_verilog(network: Network, codes: np.ndarray, lengths: np.ndarray) -> dict[str, Any]:
    """Sequences (B, T, m) of DAC codes at native speed, with noiseless arrays; every integer is compared.

    The simulation stays in the user's cache, as those of ``ohmgate regress``.
    """
    cycles = CYCLES * int(lengths.sum()) * sum(layer.conversions for layer in network.design.layers)
    work = Sequences(network, codes, lengths, program=build(network.design, programs(), cycles).program)
    with tempfile.TemporaryDirectory() as folder:
        ran = summary(list(run(work, Path(folder))))
    return {
        "utterances": ran.sequences,
        "steps": ran.steps,
        "integers": ran.integers,
        "mismatches": ran.mismatches,
        "violations": list(ran.violations),
        "cycles": ran.cycles,
        "cycles of a step": ran.step_cycles,
    }


def spread(span: Span, factor: float = 1.0) -> list[float]:
    """Value, lowest, highest, to five digits."""
    return [float(f"{factor * each:.5g}") for each in (span.value, span.low, span.high)]


def chain_latency(cost: Cost) -> float:
    """ns from a step to its result, through all layers."""
    return sum(layer.latency for layer in cost.times.layers)


def text_latency(cost: Cost) -> float:
    """ns from the last step of an utterance to the result of that step.

    Layers in one direction have taken all steps before as they came. With layers in reverse, all passes but the first
    come then.
    """
    return cost.times.waits * UTTERANCE * cost.times.step + chain_latency(cost)
