"""Row tiles in training: each clips and rounds for itself, gradients follow, and what is evaluated is the reference."""

import math

import numpy as np
import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.calibrate import calibrate
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.config import FLOAT, QuantConfig
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.straight_through import gate_values
from ohmgate.train.layers.whole_model import set_noise
from ohmgate.train.usage import code_usage


def linear(inputs=10, outputs=5, **fields) -> LinearArray:
    torch.manual_seed(0)
    return LinearArray(inputs, outputs, QuantConfig(**fields))


def inputs_of(*shape) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def by_hand(module: LinearArray, x: torch.Tensor, tiles: list[slice]):
    """Codes of the rows (B, rows), voltages of each tile (R, B, outputs) and the ADC step, from the integers alone."""
    data, step = module.integers().data, float(module.real_steps()[0])
    rows = np.floor(x.double().numpy() * 7 + 0.5)
    rows = np.concatenate([rows, np.full((len(rows), 1), 7)], axis=1)
    gain = data.mult[0] / 2.0 ** data.shift[0]
    return rows, np.stack([rows[:, tile] @ data.weights[tile] for tile in tiles]) * gain, step


TILES = [slice(0, 4), slice(4, 8), slice(8, 11)]  # of ten inputs and a bias row


@pytest.mark.parametrize("training", [True, False])
def test_each_tile_clips_and_rounds(training):
    module = linear(tile_rows=4, adc_range=0.3).train(training)
    x = inputs_of(50, 10)
    _, voltages, step = by_hand(module, x, TILES)
    codes = np.clip(np.floor(voltages), -8, 7)
    assert (codes != np.floor(voltages)).mean() > 0.05, "some clip"
    expected = (codes.sum(0) + 1.5) * step
    assert module(x).detach().numpy() == pytest.approx(expected, rel=1e-6)


def test_a_tile_that_clips_passes_no_gradient():
    """z is the sum of x * cell over the rows, as far as their tile does not clip."""
    module, x = linear(tile_rows=4, adc_range=0.3), inputs_of(50, 10)
    rows, voltages, _ = by_hand(module, x, TILES)
    inside = (np.floor(voltages) >= -8) & (np.floor(voltages) <= 7)
    module.train()(x).sum().backward()
    expected = np.concatenate([(rows[:, tile] / 7).T @ inside[r] for r, tile in enumerate(TILES)])
    assert module.cells.grad.numpy() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert 0 < (~inside).mean() < 0.5


def test_a_step_is_learned_from_the_middles_of_all_tiles():
    """d z / d step is the sum of the codes and R/2 where nothing depends on the step; and what the voltages' do."""
    module = linear(tile_rows=4, learn_range=True, adc_range=0.3)
    x = inputs_of(50, 10)
    _, voltages, step = by_hand(module, x, TILES)
    codes = np.clip(np.floor(voltages), -8, 7)
    inside = codes == np.floor(voltages)
    module.train()(x).sum().backward()
    expected = (codes + 0.5).sum() - (voltages * inside).sum()  # of log step: a larger one makes voltages smaller
    assert float(module.log_step.grad[0]) == pytest.approx(expected * step, rel=1e-3)


def test_gates_learn_a_step_from_the_middle_of_a_sum():
    """With slopes of 1 the gradient of a gate's step is the sum of what its codes stand for."""
    voltages = 12 * inputs_of(3, 20, 8)  # three tiles, 20 sequences, four gates of two units
    step = torch.full((4,), 0.25, requires_grad=True)
    tables, slopes = torch.rand(4, 46), torch.ones(4, 46)
    gate_values(voltages, step, tables, 4, slopes).sum().backward()
    sums = voltages.numpy().clip(-8, 7.5)
    sums = np.floor(sums).sum(0).reshape(20, 4, 2)
    assert step.grad.numpy() == pytest.approx((sums + 1.5).sum((0, 2)), rel=1e-5)


def test_fine_converters_in_tiles_learn_as_one_array_does():
    """With 12 bits rounding hardly counts: outputs and all gradients of a sequence are those without tiles."""
    found = []
    for tile_rows in (0, 5):
        torch.manual_seed(0)
        module = LstmArray(
            6, 8, QuantConfig(dac_bits=8, adc_bits=12, adc_range=12.0, tile_rows=tile_rows), fast=False
        ).train()
        assert module.row_tiles == (3 if tile_rows else 1)
        out, _, cells = module(inputs_of(7, 4, 6))
        (out.square().sum() + cells.sum()).backward()
        found.append((cells.detach(), module.cells.grad))
    (cells, grad), (tiled_cells, tiled_grad) = found
    assert tiled_cells.numpy() == pytest.approx(cells.numpy(), abs=0.02)
    assert float((tiled_grad - grad).norm() / grad.norm()) < 0.05


def test_training_computes_what_evaluation_does():
    torch.manual_seed(2)
    module = LstmArray(6, 8, QuantConfig(tile_rows=4, adc_range=2.0))
    x = inputs_of(8, 16, 6)
    trained, evaluated = module.train()(x)[1].detach(), module.eval()(x)[1]
    assert (trained.double() - evaluated).abs().gt(1e-6).double().mean() < 0.02, "a cell at a rounding edge"


@pytest.mark.parametrize("redraw", ["per_batch", "per_step"])
def test_noise_of_weights_adds_up_over_the_tiles_as_in_one_array(redraw):
    """Of 8-bit converters, which round little: the deviation of z is that of an array that is not cut."""
    spread = []
    for tile_rows in (0, 4):
        module = linear(outputs=400, adc_bits=8, adc_range=6.0, tile_rows=tile_rows)
        set_noise(module, evaluate=Noise(weight=0.1, redraw=redraw), seed=3)
        x = inputs_of(1, 10).expand(200, 10)
        quiet = linear(outputs=400, adc_bits=8, adc_range=6.0, tile_rows=tile_rows).eval()(x)
        spread.append(float((module.eval()(x) - quiet).std()))
    assert spread[1] == pytest.approx(spread[0], rel=0.08)


def test_noise_of_converters_is_each_tiles_own():
    module = linear(outputs=400, adc_bits=8, adc_range=4.0, tile_rows=4)
    set_noise(module, evaluate=Noise(adc=2.0), seed=3)
    x = torch.zeros(200, 10)
    errors = (module.eval()(x) - linear(outputs=400, adc_bits=8, adc_range=4.0, tile_rows=4).eval()(x)) / float(
        module.real_steps()[0]
    )
    assert float(errors.std()) == pytest.approx(math.sqrt(3 * (4 + 1 / 12)), rel=0.02)


def test_step_noise_of_a_sequence_has_each_tiles_energy():
    """Voltages of a first step, whose hidden rows are not driven: deviations follow the rows of each tile."""
    torch.manual_seed(0)
    module = LstmArray(6, 300, QuantConfig(tile_rows=120, adc_bits=8, adc_range=50.0))
    set_noise(module, evaluate=Noise(weight=0.1, redraw="per_step"), seed=3)
    x, traces = inputs_of(1, 1, 6), []
    for evaluate in (Noise(), Noise(weight=0.1, redraw="per_step")):
        set_noise(module, evaluate=evaluate, seed=3)
        module.recorder = lambda array, codes, trace: traces.append(
            (codes, trace.voltage[0, 0].unflatten(0, (3, -1)))
        )
        module.eval()(x)
    (codes, quiet), (_, noisy) = traces
    gain = module.by_column(module.integers().gain(module.cells))
    deviations = ((noisy - quiet) / gain).std(1)
    energy = float(codes.square().sum()), 0.0, 49.0  # the inputs; hidden rows alone; the bias row
    for found, expected in zip(deviations.tolist(), energy):
        assert found == pytest.approx(1.4 * math.sqrt(expected), rel=0.1)


def test_ranges_of_tiles_are_smaller():
    """They start a sqrt(R)-th as large, and a calibration measures the tiles' own shares."""
    assert float(linear(tile_rows=4).nominal_step[0]) == pytest.approx(0.5 / math.sqrt(3))
    assert float(linear(tile_rows=4, tables="constant").nominal_step[0]) == 0.5, "as the tables in the RTL have it"
    steps = []
    for tile_rows in (0, 4):
        module = linear(inputs=63, outputs=100, tile_rows=tile_rows)
        calibrate(module, lambda module=module: module(inputs_of(500, 63)))
        steps.append(float(module.nominal_step[0]))
    assert steps[1] == pytest.approx(steps[0] / 4, rel=0.15), "of 16 tiles of as many rows"


def test_usage_counts_the_codes_of_all_tiles():
    module = linear(outputs=30, tile_rows=4)
    [usage] = code_usage(module, lambda: module.eval()(inputs_of(50, 10)))
    assert usage.adc.sum() == 50 * 3 * 30
    assert usage.dead.shape == (90,)


def test_float_sums_have_no_tiles():
    assert linear(tile_rows=4, adc_bits=FLOAT).row_tiles == 1


def test_stacked_modules_in_tiles_are_exported_and_verified():
    torch.manual_seed(4)
    model = torch.nn.Sequential(QuantLSTM(5, 6, num_layers=2, batch_first=True, tile_rows=5), First(),
                                QuantLinear(6, 3, tile_rows=3))  # fmt: skip
    x = inputs_of(3, 4, 5)
    network = export(model, x)
    assert [layer.row_tiles for layer in network.design.layers] == [3, 3, 3]
    found = verify_export(model, x)
    assert found.agrees, str(found)
    assert network.layers[0].tables.shape == (4, 46)
    values = network.decode(np.array([[0, -24, 21]]))
    assert values == pytest.approx((np.array([[0, -24, 21]]) + 1.5) * float(model[2].real_steps()[0]))


class First(torch.nn.Module):
    """The outputs of an LSTM without its state."""

    def forward(self, given):
        return given[0]


def test_tile_rows_are_checked():
    with pytest.raises(DesignError, match=r"^tile rows must be an integer from 0 to 65536, not -1$"):
        QuantConfig(tile_rows=-1)


def test_an_input_tile_shift_is_checked():
    with pytest.raises(DesignError, match=r"^input tile shift must be an integer from 0 to 4, not 5$"):
        QuantConfig(input_tile_shift=5)
    words = r"^an input tile shift of 1 needs row tiles with inputs and row tiles without, not 1 and 0$"
    with pytest.raises(DesignError, match=words):
        LstmArray(3, 4, QuantConfig(input_tile_shift=1))


def test_stacked_modules_shift_in_their_first_layer_and_are_exported_and_verified():
    torch.manual_seed(4)
    model = torch.nn.Sequential(QuantLSTM(5, 6, num_layers=2, batch_first=True, tile_rows=5, input_tile_shift=2))
    x = inputs_of(3, 4, 5)
    network = export(model, x)
    assert [layer.tile_shifts for layer in network.design.layers] == [(2, 2, 0), (0, 0, 0)]
    assert network.layers[0].tables.shape == (4, 15 * 9 + 1)
    found = verify_export(model, x)
    assert found.agrees, str(found)


def test_energy_of_a_tile_is_of_its_rows_and_their_noise():
    """What weight noise of each step grows with: squares of codes, bias rows and DAC noise, row by row."""
    layer = QuantLinear(5, 3, bias_rows=2, tile_rows=3).eval()
    set_noise(layer, evaluate=Noise(dac=0.5))
    codes = torch.tensor([[[1.0, 2.0, 3.0, -4.0, 5.0]]])
    expected = [1 + 4 + 9 + 3 * 0.25, 16 + 25 + 49 + 3 * 0.25, 49 + 0.25]
    assert layer._energy(codes).flatten().tolist() == expected
