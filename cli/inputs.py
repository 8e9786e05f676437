"""Test data as a chip gets them: DAC codes of sequences."""

from contextlib import suppress
from pathlib import Path

import numpy as np

from ..model.formats import DesignError, check_integer, symmetric_codes
from ..model.network import Network
from ..model.reference import repeated
from . import runs

RANDOM = "random"  #: in place of a data set: random codes


def inputs_of(
    network: Network, dataset: str, count: int, seed: int, source: Path, data: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """DAC codes (B, T, m) and lengths (B,) of the first ``count`` test sequences, or of random ones."""
    check_integer("sequences", count, 1, 100_000)
    check_integer("seed", seed, 0, 2**31 - 1)
    if dataset == RANDOM:
        rng = np.random.default_rng(seed)
        layer, steps = network.design.layers[0], min(16, network.design.max_steps or 16)
        lengths = rng.integers(1, steps + 1, count)
        return rng.choice(symmetric_codes(layer.input_bits), (count, steps, layer.inputs)), lengths
    return dataset_codes(network, dataset, count, source, data)


def sent_of(network: Network, codes: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a host sends of sequences: each once, or as often as the head adds up its codes."""
    return repeated(network.design.votes, codes, lengths)


def dataset_of(network: Network, dataset: str | None, source: Path) -> str:
    """The data set that was given, else that of ``source`` if it is a run, else the one named like the design, else
    :data:`RANDOM`."""
    from ..train.data.datasets import DATASETS

    named = network.design.name if network.design.name in DATASETS else RANDOM
    return dataset or (runs.read_dataset(source) if source.is_dir() else None) or named


def labels_of(network: Network, dataset: str, count: int, data: Path | None) -> np.ndarray | None:
    """Classes (B,) or values of the first ``count`` test sequences; None for random codes and texts.

    Raises :class:`DesignError` for a data set that does not suit the design.
    """
    from ..train.data.datasets import DATASETS, is_file, load_dataset
    from ..train.training import check_fit

    if not (is_file(dataset) or dataset in DATASETS):
        return None
    loaded = load_dataset(dataset, data)
    check_fit(network.design, loaded)
    return loaded.test.labels[:count]


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
