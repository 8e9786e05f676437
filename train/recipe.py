"""Which configuration a data set is trained with, where the user says nothing (docs/training.md)."""

from .config import TrainConfig
from .data.datasets import SequenceDataset
from .layers.noise import PAPER_ADC, Noise

PROTOCOLS = {
    "vowels": TrainConfig(
        quantiser="lsq", input_noise=0.2, train_noise=Noise(adc=PAPER_ADC, weight=0.1, redraw="per_batch")
    ),
    "har": TrainConfig(epochs=20, batch=64, learning_rate=0.01, input_noise=0.2, learn_range=True, fast=True),
}  #: chosen within the training sets, see docs/training.md
FORECAST = TrainConfig(
    batch=32, learning_rate=0.01, input_noise=0.0, deviations=3.0, quantiser="lsq", learn_range=True
)  #: for values, which noise on the inputs would blur


def usual_config(dataset: SequenceDataset) -> TrainConfig:
    """The protocol of a data set: its own, else that of its kind."""
    return PROTOCOLS.get(dataset.name, FORECAST if dataset.has_values else TrainConfig())
