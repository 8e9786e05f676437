"""Test data as a chip gets them: DAC codes of sequences."""

from contextlib import suppress
from pathlib import Path

import numpy as np

from ..model.formats import DesignError
from ..model.network import Network
from . import runs

RANDOM = "random"  #: in place of a data set: random codes


def dataset_codes(
    network: Network, dataset: str, count: int, source: Path, data: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """DAC codes (B, T, m) and lengths (B,) of the first ``count`` test sequences; ``source`` is the network's."""
    from ..train.data.datasets import TEXTS, load_dataset

    if dataset in TEXTS:
        features, lengths = _text_inputs(network, dataset, count, source, data)
    else:
        test = load_dataset(dataset, data).test
        features, lengths = test.features[:count], test.lengths[:count]
    return network.encode(features), lengths


def _text_inputs(network: Network, dataset: str, count: int, source: Path, data: Path | None):
    from ..train.language.texts import Text

    text = Text.read(dataset, data)
    tokens, lengths = text.examples(count)
    if network.design.layers[0].inputs == text.tokens:
        return np.eye(text.tokens)[tokens], lengths
    return _model(network, dataset, source).inputs(tokens), lengths


def _model(network: Network, dataset: str, source: Path):
    """The language model, in a run folder, whose network this is: its embedding is not in the image."""
    from ..train.language.kept import trained_model

    for checkpoint in sorted((source / runs.CHECKPOINTS).glob("quantised_*.safetensors")):
        with suppress(DesignError):  # of a training that is not at its end, or of something else
            model = trained_model(checkpoint)
            if model.export() == network:
                return model
    raise DesignError(
        f"inputs from {dataset} must be embedded by the model that was trained, but {str(source)!r} is no run folder "
        "with its checkpoint"
    )
