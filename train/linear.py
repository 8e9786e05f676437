"""A quantised fully connected layer: an array, then a table to DAC codes, or a head's ADC codes."""

import math

import numpy as np
import torch
from torch import nn

from ..model.tables import dense_table
from .array import ArrayModule, code_scale
from .sequence import FLOAT
from .straight_through import adc_code, symmetric_code

FUNCTIONS = {"identity": lambda z: z, "relu": torch.relu, "tanh": torch.tanh}


class LinearArray(ArrayModule):
    """Rows [x, bias]. ``output`` is "table" (DAC codes of ``output_bits``), or "codes": the ADC codes' values.

    Input (..., m) in [-1, 1], output (..., outputs).
    """

    def __init__(
        self, inputs: int, outputs: int, *, weight_bits=4, dac_bits=4, adc_bits=8, bias_rows=1, adc_range=4.0,
        tables="loaded", output="codes", output_bits=FLOAT, function="identity",
    ):  # fmt: skip
        super().__init__(
            inputs, outputs, 1, weight_bits=weight_bits, dac_bits=dac_bits, adc_bits=adc_bits,
            bias_rows=bias_rows, adc_range=adc_range, tables=tables if output == "table" else "loaded",
        )  # fmt: skip
        self.inputs, self.outputs = inputs, outputs
        self.output, self.output_bits, self.function = output, output_bits, function
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform within 1/sqrt(m) as ``nn.Linear``."""
        bound = 1 / math.sqrt(self.inputs)
        nn.init.uniform_(self.weight, -bound, bound)

    def tables_of(self, steps) -> np.ndarray | None:
        if self.output != "table":
            return None
        return dense_table(self.function, self.adc_bits, steps[0], self.output_bits)[None]

    def forward(self, inputs: torch.Tensor, trace=None) -> torch.Tensor:
        """``inputs`` (..., m) to (..., outputs) in [-1, 1] for a table, else pre-activations at the ADC's codes."""
        flat = inputs.reshape(-1, self.inputs)
        batch = inputs.shape[-2] if inputs.dim() > 1 else 1
        weights, step, scale = self.prepare(batch)
        codes = self.drive(flat).to(weights.dtype)
        if weights.dim() == 2:
            v = codes @ weights[: self.inputs]
        else:
            v = (codes.view(-1, batch, self.inputs).transpose(0, 1) @ weights[:, : self.inputs]).transpose(0, 1)
        if self.bias_rows:
            v = v + weights[..., self.inputs :, :].sum(-2) * code_scale(self.dac_bits)
        v = v.reshape(-1, self.outputs)
        if scale is not None:
            energy = codes.detach().square().sum(1) + self.bias_rows * code_scale(self.dac_bits) ** 2
            v = v + self.step_normals(*v.shape) * scale * energy.sqrt()[:, None]
        noise = self.converter_noise(*v.shape)
        if noise is not None:
            v = v + noise
        out = self._activate(v, step, trace, inputs.shape[:-1])
        return out.reshape(*inputs.shape[:-1], self.outputs)

    def _activate(self, v, step, trace, shape):
        if self.adc_bits == FLOAT:
            z = v * step
        else:
            adc = adc_code(v, self.adc_bits)
            if trace is not None:
                trace.adc.append(adc.detach().reshape(*shape, self.outputs))
            z = (adc + 0.5) * step
        if self.output != "table":
            return z
        if self.training or self.is_float:
            y = FUNCTIONS[self.function](z)
            if self.output_bits == FLOAT:
                return y
            return symmetric_code(y, self.output_bits) / code_scale(self.output_bits)
        table = torch.from_numpy(np.asarray(self.layer_data().tables[0]))
        codes = table[adc.long() + 2 ** (self.adc_bits - 1)]
        if trace is not None:
            trace.out.append(codes.reshape(*shape, self.outputs))
        return codes.double() / code_scale(self.output_bits)
