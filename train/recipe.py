"""Which configuration a design is trained with on a data set, where the user says nothing (docs/training.md).

Two presets have a protocol of their own, by which published figures were made. All else follows rules: each looks at
the data or at the design, and none knows a data set by name.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from ..model.design import Design
from .config import TrainConfig
from .data.datasets import SequenceDataset
from .layers.noise import PAPER_ADC, Noise

PROTOCOLS = {
    "vowels": TrainConfig(
        quantiser="lsq", input_noise=0.2, train_noise=Noise(adc=PAPER_ADC, weight=0.1, redraw="per_batch")
    ),
    "har": TrainConfig(epochs=20, batch=64, learning_rate=0.01, input_noise=0.2, learn_range=True, fast=True),
}  #: of the presets of these names on their data sets; chosen within the training sets, see docs/training.md
UPDATES, EPOCHS = 3000, 10  #: of a training, at least
BATCH = 16, 128  #: smallest and largest
SHORT = 100  #: steps: up to this mean length the learning rate is :data:`RATES`' first, else its second
RATES = 0.02, 0.01
NOISE = (5000, 0.4), (10000, 0.2)  #: sequences below which inputs get noise, and its size in a channel's deviations
REMEMBERED = 8  #: a new forget gate's memory is the longest sequence's steps over this
LONGEST = 3.5  #: forget bias that nearly spans an ADC's usual range of 4
NORMAL = {1: 0.8, 2: 1.2, 3: 2.0, 4: 2.5, 5: 2.9, 6: 3.3, 7: 3.7}  #: by DAC bits: range of least error, in deviations
WIDEST = 4.1  #: the same from 8 bits on


@dataclass(frozen=True)
class Rule:
    """What a rule gives one field of a :class:`TrainConfig`, and why."""

    field: str
    value: Any
    why: str


def usual_config(design: Design, dataset: SequenceDataset) -> TrainConfig:
    """The configuration of a design on a data set: a preset's protocol, else what :func:`rules` say."""
    if has_protocol(design, dataset):
        return PROTOCOLS[dataset.name]
    return TrainConfig(**{rule.field: rule.value for rule in rules(design, dataset)})


def has_protocol(design: Design, dataset: SequenceDataset) -> bool:
    """Is this a preset, in tiles or not, on the data set of its name that has a protocol of its own?"""
    whole = [replace(layer, input_tile_shift=0) if layer.hidden else layer for layer in design.layers]
    whole = tuple(replace(layer, tile_rows=0, tile_columns=0) for layer in whole)
    return dataset.name in PROTOCOLS and whole == Design.load(dataset.name).layers


def rules(design: Design, dataset: SequenceDataset) -> tuple[Rule, ...]:
    """What the rules say for a design and a data set, field by field."""
    bits = design.layers[0].input_bits
    count, steps, mean = len(dataset.train), int(dataset.train.lengths.max()), float(dataset.train.lengths.mean())
    batch = min(max(count // 8, BATCH[0]), BATCH[1])
    epochs = max(math.ceil(UPDATES / math.ceil(count / batch)), EPOCHS)
    bias = round(min(max(math.log(steps / REMEMBERED), 1.0), LONGEST), 2)
    found = [
        Rule("batch", batch, f"an eighth of {count} sequences, from {BATCH[0]} to {BATCH[1]}"),
        Rule("epochs", epochs, f"at least {UPDATES} updates of the whole set and {EPOCHS} epochs"),
        Rule("learning_rate", RATES[mean > SHORT], f"{mean:.0f} steps on average, up to {SHORT} or more"),
        Rule(
            "forget_bias", bias, f"{steps} steps: memory starts at an eighth of them, if that is from 1 to {LONGEST}"
        ),
        Rule("input_range", "error", f"inputs span what {bits}-bit DACs round with least error"),
        Rule("quantiser", "lsq", "weight ranges are learned"),
        Rule("learn_range", True, "so are ADC ranges"),
        Rule("fast", True, "the C++ kernel gives the same codes"),
    ]
    if dataset.has_values:
        return (*found, Rule("input_noise", 0.0, "it would blur values"))
    share = next((share for below, share in NOISE if count < below), 0.0)
    noise = round(share / NORMAL.get(bits, WIDEST), 3)
    return (*found, Rule("input_noise", noise, f"{share} of a channel's deviation, as there are {count} sequences"))
