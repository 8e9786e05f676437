"""What a trained network says of a data set, and how good that is."""

from typing import Any

import numpy as np
import torch

from ..model.metrics import accuracy, balanced_accuracy, is_values, mae, rmse
from .data.sequences import Sequences
from .epochs import tensors_of
from .network import DesignNetwork, evaluate_codes


def predict(model: DesignNetwork, data: Sequences, host: dict[str, Any]) -> np.ndarray:
    """Classes (B,) int64 of ``data``, the largest output, the lowest index on a tie; or values in their units."""
    return predictions_of(outputs_of(model, data, host), data, host)


def outputs_of(model: DesignNetwork, data: Sequences, host: dict[str, Any]) -> np.ndarray:
    """Outputs (B, k) or (B, T, k) of the model in its own units: of classes, what a softmax takes.

    A quantised network gets the DAC codes that the host would send (:meth:`Network.encode`), by the units ``host``.
    """
    model.eval()
    if model.floating:
        with torch.no_grad():
            inputs, lengths, _ = tensors_of(data, host)
            return model(inputs, lengths).numpy()
    codes = model.export(**host).encode(data.features)
    parts = [slice(start, start + 512) for start in range(0, len(codes), 512)]
    return np.concatenate([evaluate_codes(model, codes[part], data.lengths[part]).numpy() for part in parts])


def predictions_of(outputs: np.ndarray, data: Sequences, host: dict[str, Any]) -> np.ndarray:
    """What ``outputs`` say, as :func:`predict`."""
    if not is_values(data.labels):
        return outputs.argmax(1)
    return outputs * np.array(host["output_scale"]) + host["output_offset"]


def scores_of(data: Sequences, predictions: np.ndarray) -> dict[str, float]:
    found = (rmse, mae) if is_values(data.labels) else (accuracy, balanced_accuracy)
    return {score.__name__: score(predictions, data.labels, data.lengths) for score in found}
