"""What ``ohmgate sweep aimc`` trains: data, networks of 8 bits, and how they learn in float and for their chips."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..analog.config import AIMC_OUTPUT, AIMC_PROGRAMMING, AIMC_READ, AIMC_STEPS
from ..model.design import Design
from ..model.layers import DenseLayer, Layer
from ..train.config import TrainConfig
from ..train.data.datasets import load_dataset
from ..train.data.sequences import SequenceDataset, Sequences
from ..train.experiments import strokes
from ..train.layers.noise import Noise
from ..train.recipe import PROTOCOLS

TASKS = ("vowels", "har", "har_dense", "strokes")
FEED_FORWARD = {"har_dense": "har"}  #: tasks without feedback, and those with it that learn the same data
WIDTH = 8  #: bits of weights and converters
ROWS = 512  #: of a tile, at most
DIGITS = 12_000, 2_000  #: of pen strokes, the first ones, for training and tests
STROKES = "lstm64"  #: the network that reads them
DRIVE, BIAS_ROWS = 8, 4  #: of its inputs, and of its bias: what fits their cells into the hidden rows' range
EPOCHS = 10  #: of its float training
UNITS = 64  #: of the network without feedback
#: of weights and outputs as the array has them; of programming, so many times the array's
HARDWARE = Noise(
    adc=AIMC_OUTPUT * AIMC_STEPS / 20,
    weight=AIMC_READ / 2,
    level=(3 * AIMC_PROGRAMMING[0], 3 * AIMC_PROGRAMMING[1], 3 * AIMC_PROGRAMMING[2]),
)


def dataset_of(task: str, folder: str | Path | None) -> SequenceDataset:
    """What the task learns."""
    if task == "strokes":
        return strokes.digits_of(folder, *DIGITS)
    if task not in FEED_FORWARD:
        return load_dataset(task, folder)
    found = load_dataset(FEED_FORWARD[task], folder)
    return replace(found, train=at_once(found.train), test=at_once(found.test))


def at_once(data: Sequences) -> Sequences:
    """Sequences of one length T and m features as single steps of T * m features, step after step."""
    return replace(data, features=data.features.reshape(len(data), 1, -1), lengths=np.ones_like(data.lengths))


def design_of(task: str) -> Design:
    """The task's network with 8 bits everywhere and tiles of at most 512 rows."""
    layers = []
    for layer in _layers_of(task):
        fields: dict[str, Any] = {"weight_bits": WIDTH, "dac_bits": WIDTH, "adc_bits": WIDTH}
        if isinstance(layer, DenseLayer) and layer.has_table:
            fields["output_bits"] = WIDTH
        if layer.rows > ROWS:
            fields["tile_rows"] = ROWS
        layers.append(replace(layer, **fields))
    return Design(f"{task}8", tuple(layers))


def _layers_of(task: str) -> tuple[Layer, ...]:
    if task == "strokes":
        first, head = strokes.design_of(STROKES).layers
        return replace(first, input_drive=DRIVE, bias_rows=BIAS_ROWS), head  # pyright: ignore[reportCallIssue]
    if task not in FEED_FORWARD:
        return Design.load(task).layers
    inputs = 128 * 9  # HAR's steps and channels
    first = DenseLayer(inputs=inputs, outputs=UNITS, adcs=16, function="relu")
    return first, replace(Design.load(FEED_FORWARD[task]).layers[-1], inputs=UNITS)


def usual_of(task: str) -> TrainConfig:
    """The task's protocol."""
    if task == "strokes":
        return strokes.clean_config(STROKES, 0, False, EPOCHS)
    return PROTOCOLS[FEED_FORWARD.get(task, task)]


def floating_of(task: str, seed: int) -> TrainConfig:
    """The task's protocol without quantisation."""
    return replace(usual_of(task), seed=seed, floating=True, quantiser="absmax", train_noise=Noise())


def hardware_of(task: str, seed: int) -> TrainConfig:
    """Training for chips that goes on from the float network: all of its epochs at half of its rate."""
    usual = usual_of(task)
    return replace(
        usual,
        seed=seed,
        learning_rate=usual.learning_rate / 2,
        quantiser="absmax",
        learn_range=True,
        fast=True,
        noise_ramp=0.3,
        weight_clip=2.5,
        distil=0.5,
        train_noise=HARDWARE,
    )
