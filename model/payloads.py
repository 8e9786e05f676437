"""Payloads of the streams ``x`` and ``y`` as long numbers: values first, then the marks ``first`` and ``last``.

Of a design with contexts the number of the context is above them.
"""

import numpy as np

from .bit_fields import pack, signed, unpack
from .formats import from_wire, to_wire
from .layers import INNER_OUTPUTS, Layer


def step_payload(layer: Layer, codes: np.ndarray, first: bool, last: bool, context: int = 0) -> int:
    """What ``x`` of a chip whose first layer is ``layer`` carries for the DAC codes (m,) of a time step."""
    bits = layer.input_bits
    return _marked(pack(to_wire(codes, bits), bits), bits * layer.inputs, first, last, context)


def result_payload(layer: Layer, values: np.ndarray, first: bool, last: bool, context: int = 0) -> int:
    """What ``y`` of a chip whose last layer is ``layer`` carries for the reference's ``out`` of a step."""
    if layer.output == "argmax":
        return _marked(int(values[0]), layer.result_bits, first, last, context)
    bits = layer.result_bits // layer.outputs
    patterns = to_wire(values, bits) if layer.output == INNER_OUTPUTS[layer.kind] else values
    return _marked(pack(patterns, bits), layer.result_bits, first, last, context)


def context_of(layer: Layer, payload: int) -> int:
    """The context of a payload of ``y``; 0 of a design without."""
    return payload >> layer.result_bits + 2


def output_numbers(layer: Layer, payload: int) -> np.ndarray:
    """Values of a payload of ``y``, then its ``first`` and ``last``: (values + 2,) int64."""
    width = layer.result_bits
    marks = [payload >> width & 1, payload >> width + 1 & 1]
    value = payload & ((1 << width) - 1)
    if layer.output == "argmax":
        return np.array([value, *marks], dtype=np.int64)
    bits = width // layer.outputs
    patterns = unpack(value, bits, layer.outputs)
    decode = from_wire if layer.output == INNER_OUTPUTS[layer.kind] else signed
    return np.concatenate([decode(patterns, bits), marks])


def _marked(payload: int, width: int, first: bool, last: bool, context: int) -> int:
    return payload | int(first) << width | int(last) << width + 1 | context << width + 2
