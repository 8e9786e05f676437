"""A simple recurrent array in training against an independent reading of docs/training.md, in numpy and float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.layers import RnnLayer
from ohmgate.model.network import LayerData, Network
from ohmgate.train.layers.rnn import RnnArray
from ohmgate.train.network import quant_config
from tests.train.oracle import cuts, nearest_gain, row_units, symmetric, top_code

STEPS, BATCH = 7, 5
LAYER = RnnLayer(inputs=4, hidden=9, adcs=9, bias_rows=2, adc_range=1.5)
FORMATS = [
    {},
    {"tile_rows": 4},
    {"input_dac_bits": 6, "input_drive": 3},
    {"dac_bits": 1},
    {"adc_bits": 6, "dac_bits": 3},
]
VALUES = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0), "identity": lambda z: z}
SLOPES = {"tanh": lambda z: np.cosh(z) ** -2, "relu": lambda z: (z > 0) * 1.0, "identity": np.ones_like}


class Reading:
    """Integers, forward and backward pass of ``layer`` with real ``cells`` (rows, n)."""

    def __init__(self, layer: RnnLayer, cells: np.ndarray) -> None:
        self.layer, alpha = layer, np.abs(cells).max()
        self.tiles, self.half = cuts(layer), 2 ** (layer.adc_bits - 1)
        step = layer.adc_range / np.sqrt(len(self.tiles)) / self.half
        self.codes = symmetric(cells / alpha, layer.weight_bits)
        ideal = alpha / (row_units(layer)[1] * top_code(layer.dac_bits) * top_code(layer.weight_bits) * step)
        self.mult, self.shift = nearest_gain(ideal)
        self.gain = self.mult * 2.0**-self.shift
        self.step = step * ideal / self.gain
        self.of_cells = self.gain * top_code(layer.weight_bits) / alpha
        low, high = -self.half * len(self.tiles), (self.half - 1) * len(self.tiles)
        self.low, self.z = low, (np.arange(low, high + 1) + 0.5 * len(self.tiles)) * self.step

    def hidden(self, x: np.ndarray) -> np.ndarray:
        """(T, B, n) by the reference."""
        layer, table = self.layer, symmetric(VALUES[self.layer.function](self.z), self.layer.dac_bits)
        data = LayerData(self.codes, np.array([self.mult]), np.array([self.shift]), table[None])
        codes = symmetric(x, layer.input_dac_bits or layer.dac_bits)
        return reference.run(Network(Design("x", (layer,)), (data,)), codes.swapaxes(0, 1)).out.swapaxes(0, 1)

    def gradients(self, x: np.ndarray, by_output: np.ndarray):
        """Of sum(by_output * hidden / L): those of the cells, of x, and of the step as the ADC reads it."""
        layer, scaled = self.layer, self.codes * self.gain
        m, n, (drive, unit) = layer.inputs, layer.hidden, row_units(layer)
        hidden, top, input_bits = self.hidden(x), top_code(layer.dac_bits), layer.input_dac_bits or layer.dac_bits
        before = np.concatenate([np.zeros((1, BATCH, n)), hidden[:-1]])
        bias = np.full((STEPS, BATCH, layer.bias_rows), top)
        rows = np.concatenate([drive * symmetric(x, input_bits), unit * before, unit * bias], axis=2)
        of_rows, of_cells, of_step = np.zeros((STEPS + 1, *rows.shape[1:])), np.zeros(scaled.shape), 0.0
        y = VALUES[layer.function](self.z)
        slope = SLOPES[layer.function](self.z) * top * (np.abs(y) <= 1)
        for t in reversed(range(STEPS)):
            raw = np.stack([np.floor(rows[t][:, tile] @ scaled[tile]) for tile in self.tiles])
            codes = np.clip(raw, -self.half, self.half - 1)
            sums = codes.sum(0).astype(int)
            assert np.array_equal(symmetric(y, layer.dac_bits)[sums - self.low], hidden[t])
            dz = (by_output[t] / top + of_rows[t + 1, :, m : m + n] * unit) * slope[sums - self.low]
            of_step += (dz * (sums + 0.5 * len(self.tiles))).sum()
            for r, tile in enumerate(self.tiles):
                dv = dz * self.step * (codes[r] == raw[r])
                of_rows[t][:, tile] = dv @ scaled[tile].T
                of_cells[tile] += rows[t][:, tile].T @ dv
        of_x = drive * of_rows[:STEPS, :, :m] * top_code(input_bits) * (np.abs(x) <= 1)
        return of_cells * self.of_cells, of_x, of_step * self.step - (of_cells * scaled).sum()


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("function", VALUES)
@pytest.mark.parametrize("fields", FORMATS)
def test_integers_and_gradients(fields, function, fast):
    layer = replace(LAYER, function=function, **fields)
    torch.manual_seed(5)
    array = RnnArray(layer.inputs, layer.hidden, quant_config(layer, learn_range=True), fast, function=function)
    reading = Reading(layer, array.cells.detach().double().numpy())
    x = torch.rand(STEPS, BATCH, layer.inputs) * 2.2 - 1.1
    by_output = np.random.default_rng(6).normal(size=(STEPS, BATCH, layer.hidden))
    given = x.clone().requires_grad_()
    out = array(given)[0]
    expected = reading.hidden(x.double().numpy())
    assert np.array_equal(np.round(out.detach().double().numpy() * top_code(layer.dac_bits)), expected)
    assert len(np.unique(expected)) > 1 or (function, layer.dac_bits) == ("relu", 1)  # which is never negative
    (out * torch.tensor(by_output, dtype=torch.float32)).sum().backward()
    found = array.cells.grad, given.grad, array.log_step.grad
    for ours, theirs in zip(found, reading.gradients(x.double().numpy(), by_output)):
        assert np.linalg.norm(ours.numpy() - theirs) <= 1e-4 * np.linalg.norm(theirs) + 1e-4
