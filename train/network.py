"""A design as a PyTorch network, and its way to and from the network description."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ..model.design import Design
from ..model.formats import DesignError, full_scale
from ..model.layers import Layer
from ..model.network import Network
from .layers.array import ArrayModule
from .layers.config import FLOAT, LSTM_FIELDS, RNN_FIELDS, QuantConfig
from .layers.linear import LinearArray
from .layers.lstm import LstmArray
from .layers.rnn import RnnArray
from .layers.turning import gather, reversal
from .layers.whole_model import GivenNoise, set_noise
from .units import described


class DesignNetwork(nn.Module):
    """The layers of ``design``, trained with its number formats and evaluated with its integers.

    ``floating`` makes the same network without any quantisation: the float baseline. ``fast`` trains with the C++
    kernel: codes are the same, gradients differ by rounding. The rest says how weight and ADC ranges are found
    (:class:`.layers.config.QuantConfig`). Input (B, T, m) in [-1, 1]
    and lengths (B,); output (B, k) where the last layer emits at the end, else (B, T, k): pre-activations of a
    head, values in [-1, 1] of other layers; in the units of a description that was loaded (:meth:`from_network`).
    """

    def __init__(
        self,
        design: Design,
        *,
        floating: bool = False,
        fast: bool = False,
        quantiser: str = "absmax",
        range_noise: float = 0.0,
        per_gate: bool = False,
        learn_range: bool = False,
        learn_input: bool = False,
        learn_tables: bool = False,
        forget_ceiling: bool = False,
        leak: float = 0.0,
    ) -> None:
        super().__init__()
        self.design, self.floating = design, floating
        self.loaded: Network | None = None  #: the description that :meth:`from_network` was given
        ranges = {
            "quantiser": quantiser,
            "range_noise": range_noise,
            "per_gate": per_gate,
            "learn_range": learn_range,
            "learn_tables": learn_tables,
            "forget_ceiling": forget_ceiling,
            "leak": leak,
        }
        first = design.groups[0]
        if learn_input and len(first) > 1:
            raise DesignError(
                f"an input range can be learned of one array that takes the inputs, not of {len(first)}"
            )
        self.layers = nn.ModuleList(_module(layer, floating, fast, ranges) for layer in design.layers)
        if learn_input and not floating:
            self.layers[0].learn_full_scale()
        set_noise(self)  # none, from one stream for all

    def set_noise(
        self, *, train: GivenNoise | None = None, evaluate: GivenNoise | None = None, seed: int | None = None
    ) -> None:
        """As :func:`.layers.whole_model.set_noise`."""
        set_noise(self, train=train, evaluate=evaluate, seed=seed)

    def forward(self, inputs: torch.Tensor, lengths=None) -> torch.Tensor:
        values, back = inputs.transpose(0, 1), None
        if self.design.max_steps:
            steps, batch = values.shape[:2]
            back = reversal(steps, batch, lengths, values.device)
        for group in self.design.groups:
            given = [self._layer(index, values, lengths, back) for index in group]
            values = given[0] if len(given) == 1 else torch.cat(given, dim=2)
        if self.loaded is not None:
            values = _decoded(self.loaded, values)
        return values if values.dim() == 2 else values.transpose(0, 1)

    def _layer(self, index: int, values: torch.Tensor, lengths, back: torch.Tensor | None) -> torch.Tensor:
        """Outputs of a layer for inputs (T, B, m); ``back`` (T, B) are the steps in the opposite order."""
        layer, module = self.design.layers[index], self.layers[index]
        if layer.reverse and back is not None:
            return gather(module(gather(values, back))[0], back)
        if layer.hidden:
            return module(values)[0]
        if layer.at_end:
            values = values[-1] if lengths is None else values[lengths - 1, torch.arange(values.shape[1])]
        return module(values)

    def export(self, *, labels=(), **units) -> Network:
        """The description of the current weights; raises :class:`DesignError` for a float network.

        ``units`` lie between the host's numbers and this module's (:func:`.units.described`).
        """
        if self.loaded is None:
            return described(self.design, self.layers, labels, **units)
        own = replace(self.loaded, input_scale=(), input_offset=(), labels=tuple(labels))
        return own.in_units(**units)

    @classmethod
    def from_network(cls, network: Network) -> "DesignNetwork":
        """A network that evaluates with a description's integers; it cannot be trained.

        Inputs are those in [-1, 1] that :meth:`Network.encode` rounds, outputs those that :meth:`Network.decode`
        gives, which are the exported model's. A head of labels has no unit: its outputs are in ADC steps.
        """
        model = cls(network.design)
        model.loaded = network
        for module, data in zip(model.layers, network.layers):
            module.load_data(data)
        return model.eval()


def evaluate_codes(model: DesignNetwork, codes, lengths=None) -> torch.Tensor:
    """Evaluate DAC codes (B, T, m) instead of real inputs: exact for every width. No gradients."""
    if model.floating:
        raise DesignError("a float network has no DAC codes to evaluate")
    codes = torch.from_numpy(np.asarray(codes)).to(model.layers[0].cells.device, torch.float64)
    lengths = None if lengths is None else torch.from_numpy(np.asarray(lengths))
    model.eval()
    values = codes / full_scale(model.design.layers[0].input_bits) * model.layers[0].full_scale.detach()
    with torch.no_grad():
        return model(values, lengths)


def _decoded(network: Network, values: torch.Tensor) -> torch.Tensor:
    """Outputs (..., k) of loaded layers, a head's in ADC steps, as :meth:`Network.decode` has them."""
    last = network.design.layers[-1]
    if last.output == "argmax" or not (last.output_middle or network.output_scale or network.output_offset):
        return values
    codes = values if last.output_middle else (values / last.output_unit).round()
    scale, offset = (
        torch.tensor(numbers, dtype=values.dtype, device=values.device)
        for numbers in (network.output_scale or last.output_unit, network.output_offset or 0.0)
    )
    return codes * scale + offset


FIELDS = {"lstm": LSTM_FIELDS, "rnn": RNN_FIELDS, "dense": ()}  #: of a configuration, that only such layers have


def quant_config(
    layer: Layer,
    floating: bool = False,
    *,
    learn_range: bool = False,
    learn_tables: bool = False,
    forget_ceiling: bool = False,
    **ranges,
) -> QuantConfig:
    """A design's layer as arrays know it; ADC ranges are learned where tables are loaded.

    ``ranges`` are fields that say how the weights' ranges are found. Raises :class:`DesignError` for an LSTM of
    constant tables that are to be learned or to have a ceiling; a float layer has none.
    """
    fields = ("bias_rows", "adc_range", "tables", "tile_rows", *FIELDS[layer.kind])
    shared: dict[str, Any] = {name: getattr(layer, name) for name in fields}
    shared["learn_range"] = learn_range and layer.tables == "loaded"
    if layer.kind == "lstm" and not floating:
        shared |= {"learn_tables": learn_tables, "forget_ceiling": forget_ceiling}
    if layer.kind == "dense" and not layer.has_table:
        shared["tables"] = "loaded"
    bits = {name: FLOAT if floating else getattr(layer, name) for name in ("weight_bits", "dac_bits", "adc_bits")}
    if floating:
        shared["input_dac_bits"] = 0
    return QuantConfig(**shared, **bits, **ranges)


def _module(layer: Layer, floating: bool, fast: bool, ranges: dict[str, Any]) -> ArrayModule:
    config = quant_config(layer, floating, **ranges)
    if layer.kind == "lstm":
        return LstmArray(layer.inputs, layer.hidden, config, fast)
    if layer.kind == "rnn":
        return RnnArray(layer.inputs, layer.hidden, config, fast, function=layer.function)
    if not layer.has_table:
        return LinearArray(layer.inputs, layer.outputs, config, fast)
    output_bits = FLOAT if floating else layer.output_bits
    return LinearArray(layer.inputs, layer.outputs, config, fast, function=layer.function, output_bits=output_bits)
