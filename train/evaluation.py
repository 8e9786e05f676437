"""What a trained network says of a data set, and how good that is."""

from typing import Any

import numpy as np
import torch

from ..model.formats import check_integer
from ..model.metrics import accuracy, balanced_accuracy, is_values, mae, rmse
from .data.sequences import Sequences
from .epochs import tensors_of
from .layers.whole_model import arrays_of
from .network import DesignNetwork, evaluate_codes

TOGETHER = 512  #: sequences of one pass


def predict(model: DesignNetwork, data: Sequences, host: dict[str, Any]) -> np.ndarray:
    """Classes (B,) int64 of ``data``, the largest output, the lowest index on a tie; or values in their units."""
    return predictions_of(outputs_of(model, data, host), data, host)


def outputs_of(model: DesignNetwork, data: Sequences, host: dict[str, Any]) -> np.ndarray:
    """Outputs (B, k) or (B, T, k) of the model in its own units: of classes, what a softmax takes.

    A quantised network gets the DAC codes that the host would send (:meth:`Network.encode`), by the units ``host``.
    """
    model.eval()
    parts = [slice(start, start + TOGETHER) for start in range(0, len(data), TOGETHER)]
    if model.floating:
        with torch.no_grad():
            inputs, lengths, _ = tensors_of(data, host)
            return np.concatenate([model(inputs[part], lengths[part]).numpy() for part in parts])
    codes = model.export(**host).encode(data.features)
    return np.concatenate([evaluate_codes(model, codes[part], data.lengths[part]).numpy() for part in parts])


def reads_of(
    model: DesignNetwork, data: Sequences, host: dict[str, Any], reads: int, *, chips: bool = False
) -> np.ndarray:
    """(reads, B, k): :func:`outputs_of` again and again with the model's noise of evaluation, for votes.

    Of one chip, whose weights stay as they were programmed; ``chips``: of as many, each programmed anew. (Only weight
    noise ``per_programming`` tells the two apart.) :func:`.metrics.majority` and a mean over reads are the votes.
    """
    check_integer("reads", reads, 1, 10000)
    found = []
    for _ in range(reads):
        if chips:
            for array in arrays_of(model):
                array.program()
        found.append(outputs_of(model, data, host))
    return np.stack(found)


def predictions_of(outputs: np.ndarray, data: Sequences, host: dict[str, Any]) -> np.ndarray:
    """What ``outputs`` say, as :func:`predict`."""
    if not is_values(data.labels):
        return outputs.argmax(1)
    return outputs * np.array(host["output_scale"]) + host["output_offset"]


def scores_of(data: Sequences, predictions: np.ndarray) -> dict[str, float]:
    found = (rmse, mae) if is_values(data.labels) else (accuracy, balanced_accuracy)
    return {score.__name__: score(predictions, data.labels, data.lengths) for score in found}
