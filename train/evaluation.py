"""What a trained network says of a data set, and how good that is."""

from typing import Any

import numpy as np
import torch

from ..model.metrics import accuracy, is_values, mae, rmse
from .data.sequences import Sequences
from .epochs import tensors_of
from .network import DesignNetwork, evaluate_codes


def predict(model: DesignNetwork, data: Sequences, host: dict[str, Any]) -> np.ndarray:
    """Classes (B,) int64 of ``data``, the largest output, the lowest index on a tie; or values in their units.

    A quantised network gets the DAC codes that the host would send (:meth:`Network.encode`), by the units ``host``.
    """
    model.eval()
    if model.floating:
        with torch.no_grad():
            inputs, lengths, _ = tensors_of(data, host)
            outputs = model(inputs, lengths).numpy()
    else:
        codes = model.export(**host).encode(data.features)
        parts = [slice(start, start + 512) for start in range(0, len(codes), 512)]
        outputs = np.concatenate([evaluate_codes(model, codes[part], data.lengths[part]).numpy() for part in parts])
    if not is_values(data.labels):
        return outputs.argmax(1)
    return outputs * np.array(host["output_scale"]) + host["output_offset"]


def scores_of(data: Sequences, predictions: np.ndarray) -> dict[str, float]:
    if not is_values(data.labels):
        return {"accuracy": accuracy(predictions, data.labels)}
    return {found.__name__: found(predictions, data.labels, data.lengths) for found in (rmse, mae)}
