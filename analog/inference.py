"""Batches of sequences through arrays: the reference's periphery around the array model's codes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..model import reference
from ..model.formats import DesignError, check_integer
from ..model.layers import MAX_VOTES, DenseLayer
from ..model.layout import code_order, logical_order, physical_order
from ..model.metrics import vote
from ..model.network import Network
from ..model.seeds import Seed, child
from .array import Array
from .config import ArrayConfig, paced
from .gain_calibration import calibrate_gains
from .tiled_array import make_array

CHUNK = 2**24  #: numbers that a chunk of a batch may hold, about 130 MB


def build_arrays(network: Network, config: ArrayConfig | None = None, seed: Seed = 0, share: int = 1) -> list[Any]:
    """One programmed array for each layer, its gains set: a chip. Each layer has its own stream of ``seed``.

    Gains are the network's, or set anew where the configuration's ``gains`` say so.

    ``share`` is that of :class:`.array.Array`.
    """
    arrays = []
    config = paced(config or ArrayConfig(), network.design.layers)
    for index, (layer, data) in enumerate(zip(network.design.layers, network.layers)):
        array = make_array(layer, config, child(seed, index), share)
        array.program(data.weights[:, physical_order(layer)])
        for gate in range(layer.gates):
            array.set_gain(gate, int(data.mult[gate]), int(data.shift[gate]))
        arrays.append(array)
    if config.gains != "as_trained":
        calibrate_gains(network, arrays, config.gains)
    return arrays


def network_of_chip(network: Network, config: ArrayConfig, seed: Seed = 0) -> Network:
    """``network`` with the gains that :func:`build_arrays` gives this chip: those its registers are loaded with."""
    if config.gains == "as_trained":
        return network
    return calibrate_gains(network, build_arrays(network, replace(config, gains="as_trained"), seed), config.gains)


def convert_through(arrays: list[Array]) -> reference.Convert:
    """The ``convert`` of :func:`ohmgate.model.reference.run` that reads these arrays."""
    order = [code_order(array.layer) for array in arrays]

    def convert(index: int, drive: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        array = arrays[index]
        if fresh.any():
            array.new_sequence(fresh)
        return array.convert_all(drive)[:, order[index]]

    return convert


def reachable(arrays: list[Array]) -> list[np.ndarray]:
    """Lowest and highest code of each weight around a chip's stuck cells, by layer: (2, rows, columns).

    In logical order, for :func:`ohmgate.train.retrain.retrain`. Raises :class:`DesignError` where weights have no
    range each (:func:`.memory.repair.reach`).
    """
    for array in arrays:
        if not array.has_cells:
            raise DesignError("ranges of weights need arrays of cells, not of ideal weights")
    return [array.cell_array.reach(array.levels)[:, :, logical_order(array.layer)] for array in arrays]


def classifier(network: Network) -> DenseLayer:
    """The network's head; raises :class:`DesignError` unless it is one of classes."""
    last = network.design.layers[-1]
    if not isinstance(last, DenseLayer) or last.output == "table":
        raise DesignError("predictions need a dense head whose output is argmax or codes")
    return last


def forecaster(network: Network) -> DenseLayer:
    """The network's head; raises :class:`DesignError` unless it is one of values."""
    last = network.design.layers[-1]
    if not isinstance(last, DenseLayer) or last.output != "codes":
        raise DesignError("values need a dense head whose output is codes")
    return last


def predictions(network: Network, result: reference.Result, lengths) -> np.ndarray:
    """Class of each sequence (B,): the head's label, or its largest code, on the last step."""
    last, out = classifier(network), result.out
    if last.emit == "step":
        out = out[np.arange(len(lengths)), np.asarray(lengths) - 1]
    return out[:, 0] if last.output == "argmax" else out.argmax(axis=1)


def chunk_size(network: Network, arrays: list[Array], steps: int) -> int:
    """Sequences that are run at once: a function of design and configuration, so that draws are the same anywhere."""
    layers = network.design.layers
    numbers = steps * sum(layer.rows + 4 * layer.columns for layer in layers)
    return max(1, CHUNK // (numbers + max(array.numbers_per_sequence for array in arrays)))


def classify(
    network: Network, codes, lengths, arrays: list[Array], votes: int | None = None, how: str = "mean"
) -> np.ndarray:
    """Class of each sequence (B,) as the arrays see it, in chunks of a bounded size.

    Of so many ``votes``, reads of each sequence with noise of their own, by the rule ``how`` of
    :func:`~ohmgate.model.metrics.vote`; None: as many as the design's head adds up.
    """
    votes = network.design.votes if votes is None else check_integer("votes", votes, 1, MAX_VOTES)
    if votes > 1:
        return vote(head_codes(network, codes, lengths, arrays, votes), how)
    return np.concatenate([predictions(network, *part) for part in run_in_chunks(network, codes, lengths, arrays)])


def head_codes(network: Network, codes, lengths, arrays: list[Array], reads: int) -> np.ndarray:
    """Codes (reads, B, outputs) of the head's columns on the last step, in so many reads of all sequences."""
    head = classifier(network)
    found = []
    for _ in range(reads):
        parts = run_in_chunks(network, codes, lengths, arrays)
        found.append([reference.last_codes(head, result.layers[-1], steps) for result, steps in parts])
    return np.stack([np.concatenate(each) for each in found])


def forecast(network: Network, codes, lengths, arrays: list[Array]) -> np.ndarray:
    """ADC codes of a head, (B, k) or (B, T, k), as the arrays see the sequences; for :meth:`Network.decode`."""
    forecaster(network)
    return np.concatenate([result.out for result, _ in run_in_chunks(network, codes, lengths, arrays)])


def run_in_chunks(
    network: Network, codes, lengths, arrays: list[Array]
) -> Iterator[tuple[reference.Result, np.ndarray]]:
    """Result and lengths of parts of the sequences, one after the other, of a bounded size."""
    codes, lengths = reference.check_inputs(network, codes, lengths)
    convert = convert_through(arrays)
    size = chunk_size(network, arrays, codes.shape[1])
    for start in range(0, len(codes), size):
        part = slice(start, start + size)
        yield reference.run(network, codes[part], lengths[part], convert), lengths[part]


def check_labels(network: Network, labels, count: int) -> np.ndarray:
    """``labels`` (count,) as an array; raises :class:`DesignError` where they are no classes of ``network``."""
    labels, classes = np.asarray(labels), network.design.layers[-1].outputs
    if labels.shape != (count,):
        raise DesignError(f"labels must be one for each of the {count} sequences, not of shape {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise DesignError(f"labels must be integers, not {labels.dtype}")
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        where = int(outside.argmax())
        raise DesignError(f"labels must be from 0 to {classes - 1}, but sequence {where} has {labels[where]}")
    return labels


def check_values(network: Network, values: np.ndarray, lengths, steps: int) -> None:
    """Raise :class:`DesignError` where ``values`` are none that the network could give for sequences of ``steps``."""
    last = forecaster(network)
    shape = (len(lengths), last.outputs) if last.emit == "end" else (len(lengths), steps, last.outputs)
    if np.shape(values) != shape:
        raise DesignError(f"values to forecast must have shape {shape}, not {np.shape(values)}")
    if not np.isfinite(values).all():
        raise DesignError("values to forecast must be finite numbers, but some are not")


def accuracy_draws(network: Network, codes, lengths, labels, config: ArrayConfig, draws: int, seed: int = 0):
    """Accuracy (draws,) of ``draws`` chips on sequences ``codes`` (B, T, m) with ``labels`` (B,).

    Each draw programs its own chip and has its own read noise. Draw i depends on ``seed`` and i only.
    """
    check_integer("draws", draws, 1, 1_000_000)
    labels = check_labels(network, labels, len(codes))
    accuracy = np.zeros(draws)
    for draw in range(draws):
        arrays = build_arrays(network, config, child(seed, draw))
        accuracy[draw] = (classify(network, codes, lengths, arrays) == labels).mean()
    return accuracy
