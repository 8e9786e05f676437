"""What ``ohmgate sweep aimc`` trains: data, networks of 8 bits, and how they learn in float and for their chips."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..analog.config import AIMC_OUTPUT, AIMC_PROGRAMMING, AIMC_READ, AIMC_STEPS
from ..model.design import Design
from ..model.layers import DenseLayer
from ..train.config import TrainConfig
from ..train.data.datasets import load_dataset
from ..train.data.sequences import SequenceDataset
from ..train.experiments import strokes
from ..train.layers.noise import Noise
from ..train.recipe import PROTOCOLS

TASKS = ("vowels", "har", "strokes")
WIDTH = 8  #: bits of weights and converters
ROWS = 512  #: of a tile, at most
DIGITS = 12_000, 2_000  #: of pen strokes, the first ones, for training and tests
STROKES = "lstm64"  #: the network that reads them
EPOCHS = 10  #: of its float training
#: of weights and outputs as the array has them; of programming, so many times the array's
HARDWARE = Noise(
    adc=AIMC_OUTPUT * AIMC_STEPS / 20,
    weight=AIMC_READ / 2,
    level=(3 * AIMC_PROGRAMMING[0], 3 * AIMC_PROGRAMMING[1], 3 * AIMC_PROGRAMMING[2]),
)


def dataset_of(task: str, folder: str | Path | None) -> SequenceDataset:
    """What the task learns."""
    return strokes.digits_of(folder, *DIGITS) if task == "strokes" else load_dataset(task, folder)


def design_of(task: str) -> Design:
    """The task's network with 8 bits everywhere and tiles of at most 512 rows."""
    layers = []
    for layer in (strokes.design_of(STROKES) if task == "strokes" else Design.load(task)).layers:
        fields: dict[str, Any] = {"weight_bits": WIDTH, "dac_bits": WIDTH, "adc_bits": WIDTH}
        if isinstance(layer, DenseLayer) and layer.has_table:
            fields["output_bits"] = WIDTH
        if layer.rows > ROWS:
            fields["tile_rows"] = ROWS
        layers.append(replace(layer, **fields))
    return Design(f"{task}8", tuple(layers))


def usual_of(task: str) -> TrainConfig:
    """The task's protocol."""
    return PROTOCOLS[task] if task in PROTOCOLS else strokes.clean_config(STROKES, 0, False, EPOCHS)


def floating_of(task: str, seed: int) -> TrainConfig:
    """The task's protocol without quantisation."""
    return replace(usual_of(task), seed=seed, floating=True, quantiser="absmax", train_noise=Noise())


def hardware_of(task: str, seed: int) -> TrainConfig:
    """Training for chips that goes on from the float network: half of its epochs at a quarter of its rate.

    Of pen strokes, which half learn so (82.8 % of 94.2 % without noise), all of its epochs at half of its rate.
    """
    usual = usual_of(task)
    epochs, rate = (1, 1 / 2) if task == "strokes" else (1 / 2, 1 / 4)
    return replace(
        usual,
        seed=seed,
        epochs=max(1, int(usual.epochs * epochs)),
        learning_rate=usual.learning_rate * rate,
        quantiser="absmax",
        learn_range=True,
        fast=True,
        noise_ramp=0.3,
        weight_clip=2.5,
        distil=0.5,
        train_noise=HARDWARE,
    )
