"""Stream payloads: whole vectors of codes, with the first and last step of a sequence marked, and its context."""

from amaranth.hdl import signed
from amaranth.lib import data, stream
from amaranth.utils import bits_for

from ..model.layers import INNER_OUTPUTS, Layer


def step_layout(values, contexts: int = 1) -> data.StructLayout:
    """One time step: ``values``, whether it is the first or last of its sequence, and whose where there are more."""
    context = {"context": range(contexts)} if contexts > 1 else {}
    return data.StructLayout({"values": values, "first": 1, "last": 1, **context})


def input_layout(layer: Layer, contexts: int = 1) -> data.StructLayout:
    """DAC codes that a layer takes, one step a transfer."""
    return step_layout(data.ArrayLayout(layer.input_bits, layer.inputs), contexts)


def output_layout(layer: Layer, contexts: int = 1) -> data.StructLayout:
    """What a layer hands on: DAC codes; hidden values, ADC codes or a label of a last layer."""
    if layer.output == INNER_OUTPUTS[layer.kind]:
        return step_layout(data.ArrayLayout(layer.output_bits, layer.outputs), contexts)
    if layer.output == "value":
        return step_layout(data.ArrayLayout(signed(layer.output_bits), layer.outputs), contexts)
    if layer.output == "codes":
        return step_layout(data.ArrayLayout(signed(layer.sum_bits), layer.outputs), contexts)
    return step_layout(bits_for(max(layer.outputs - 1, 1)), contexts)


def input_stream(layer: Layer, contexts: int = 1) -> stream.Signature:
    return stream.Signature(input_layout(layer, contexts))


def output_stream(layer: Layer, contexts: int = 1) -> stream.Signature:
    return stream.Signature(output_layout(layer, contexts))
