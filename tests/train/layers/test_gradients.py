"""Straight-through gradients: the masks, and agreement with plain autograd where quantisation is off or fine."""

import math

import pytest
import torch

from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.tables import gate_tables
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.straight_through import adc_code, cell_state, cell_tanh, gate_values, symmetric_code
from ohmgate.train.network import DesignNetwork


def test_codes_pass_gradients_inside_and_stop_them_outside():
    values = torch.tensor([-1.5, -1.0, -0.2, 0.0, 0.9, 1.0, 1.01], requires_grad=True)
    symmetric_code(values, 4).sum().backward()
    assert values.grad.tolist() == [0, 7, 7, 7, 7, 7, 0]


def test_converter_passes_gradients_inside_its_range():
    v = torch.tensor([-9.0, -8.0, 0.3, 7.99, 8.0], requires_grad=True)
    assert adc_code(v, 4).tolist() == [-8, -8, 0, 7, 7]
    adc_code(v, 4).sum().backward()
    assert v.grad.tolist() == [0, 1, 1, 1, 0]


def test_a_leak_lets_a_clipped_voltage_come_back_and_go_no_further():
    """Descent lowers a voltage whose gradient is above 0."""
    v = torch.tensor([-9.0, -9.0, -8.0, 7.99, 8.0, 8.0], requires_grad=True)
    grads = torch.tensor([2.0, -2.0, 2.0, -2.0, 2.0, -2.0])
    for leak, expected in ((0.0, [0, 0, 2, -2, 0, 0]), (0.25, [0, -0.5, 2, -2, 0.5, 0])):
        v.grad = None
        adc_code(v, 4, leak).backward(grads)
        assert v.grad.tolist() == expected


@pytest.mark.parametrize(
    "fast", [False, pytest.param(True, marks=pytest.mark.skipif(kernel() is None, reason="no compiler"))]
)
def test_a_leak_of_gates_is_that_share_of_the_gradient_inside(fast):
    """One unit that clips in every gate: with the table's value as it is, a gate's gradient is known by hand."""
    grads = {}
    for leak in (0.0, 0.5):
        for sign in (-1.0, 1.0):
            lstm = LstmArray(1, 1, QuantConfig(adc_bits=3, adc_range=0.5, dac_bits=8, leak=leak), fast).train()
            with torch.no_grad():
                lstm.cells.copy_(torch.tensor([[0.0] * 4, [0.0] * 4, [1.0] * 4]))
            (sign * lstm(torch.zeros(1, 1, 1))[2]).sum().backward()
            grads[leak, sign] = lstm.cells.grad[2].tolist()
    assert grads[0.0, 1.0] == grads[0.0, -1.0] == [0] * 4
    assert grads[0.5, -1.0] == [0] * 4, "descent would raise c, whose gates are at their tops"
    sigmoid, tanh = 1 / (1 + math.exp(-0.4375)), math.tanh(0.4375)  # the top code, 3.5 steps of 1/8
    by_i, by_g = tanh * sigmoid * (1 - sigmoid), sigmoid * (1 - tanh**2)
    assert grads[0.5, 1.0] == pytest.approx([0, by_i / 2, 0, by_g / 2], rel=0.02)


@pytest.mark.parametrize(
    "fast", [False, pytest.param(True, marks=pytest.mark.skipif(kernel() is None, reason="no compiler"))]
)
def test_a_one_hot_row_that_clips_a_tile_of_inputs_learns_with_a_leak_alone(fast):
    """A row of 9 steps in every gate and a bias of -3.6: together in the range, the row alone beyond it."""

    def gradient(**fields):
        lstm = LstmArray(2, 1, QuantConfig(dac_bits=8, weight_bits=8, **fields), fast).train()
        with torch.no_grad():
            lstm.cells.copy_(torch.tensor([[1.125], [0.0], [0.0], [-0.45]]).expand(4, 4))
            lstm.nominal_step.fill_(0.125)
        lstm(torch.tensor([[[1.0, 0.0]]]))[2].sum().backward()
        return lstm.cells.grad[0].tolist()

    def by_hand(z):  # of c = i * g; f sees c = 0, and o makes no c
        sigmoid, tanh = 1 / (1 + math.exp(-z)), math.tanh(z)
        return [0, tanh * sigmoid * (1 - sigmoid), 0, sigmoid * (1 - tanh**2)]

    assert gradient() == pytest.approx(by_hand(5.5 * 0.125), rel=0.02)
    assert gradient(tile_rows=2) == [0] * 4
    clipped = by_hand((7 - 4 + 1) * 0.125)  # the codes of both tiles, and their middles
    assert gradient(tile_rows=2, leak=0.25) == pytest.approx([0.25 * g for g in clipped], rel=0.02)


@pytest.mark.parametrize("dead, leak", [(True, 0.0), (True, 0.1), (False, 0.0), (False, 0.1)])
def test_a_dead_head_learns_with_a_leak_alone(dead, leak):
    """All logits beyond the top code: the gradient is exactly 0. Four classes of points near four centres."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (200,), generator=draw)
    inputs = torch.rand(4, 16, generator=draw)[labels] + 0.15 * torch.randn(200, 16, generator=draw)
    torch.manual_seed(0)
    head = LinearArray(16, 4, QuantConfig(adc_range=0.25 if dead else 4.0, leak=leak))
    with torch.no_grad():
        head.cells += 0.2 + head.cells.abs() if dead else 0
    before = head.cells.detach().clone()
    optimiser = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(inputs.clamp(0, 1)), labels).backward()
        optimiser.step()
    right = float((head.eval()(inputs.clamp(0, 1)).argmax(1) == labels).float().mean())
    assert torch.equal(head.cells, before) == (dead and not leak)
    assert right < 0.4 if dead and not leak else right > 0.9


def test_gates_have_the_slope_of_their_function_at_the_tables_value():
    step = torch.tensor([0.5, 0.25, 0.5, 0.5])
    tables = torch.from_numpy(gate_tables(3, 8, tuple(step.tolist()))).float()
    tables /= torch.tensor([256.0, 256, 256, 128])[:, None]
    v = torch.tensor([[0.4, -5.0, 3.5, 1.2]], requires_grad=True)  # f, i (clipped), o, g
    gates = gate_values(v, step, tables, 3)
    gates.sum().backward()
    f, _, o, g = gates.detach().flatten()
    assert gates[0, 1, 0] == tables[1, 0]
    expected = [0.5 * f * (1 - f), 0.0, 0.5 * o * (1 - o), 0.5 * (1 - g * g)]
    assert torch.allclose(v.grad, torch.tensor([expected]))


def test_slopes_of_their_own_and_the_gradient_of_every_entry():
    """Two units a gate: f has one code twice, i a clipped voltage; by hand."""
    tables, slopes = torch.rand(4, 4).requires_grad_(), torch.arange(1.0, 17.0).view(4, 4)
    v = torch.tensor([[0.4, 0.7, -5.0, 1.2, -0.1, -1.3, 1.0, 0.2]], requires_grad=True)
    step = torch.tensor([0.5, 0.25, 2.0, 1.0], requires_grad=True)
    gates = gate_values(v, step, tables, 2, slopes)
    entries = [[0, 2], [0, 2], [1, 0], [1, 3], [2, 1], [2, 0], [3, 3], [3, 2]]
    assert gates.flatten().tolist() == [tables[gate, entry].item() for gate, entry in entries[:1] * 2 + entries[2:]]
    by_gate = torch.tensor([1.0, 2, 4, 8, 16, 32, 64, 128])
    (gates.flatten() * by_gate).sum().backward()
    assert tables.grad.tolist() == [[0, 0, 3, 0], [4, 0, 0, 8], [32, 16, 0, 0], [0, 0, 128, 64]]
    assert v.grad.tolist() == [
        [1 * 3 * 0.5, 2 * 3 * 0.5, 0, 8 * 8 * 0.25, 16 * 10 * 2, 32 * 9 * 2, 64 * 16, 128 * 15]
    ]
    middle = [0.5 * 3 * 3, 5 * 4 * -1.5 + 8 * 8 * 1.5, 10 * 16 * -0.5 + 9 * 32 * -1.5, 16 * 64 * 1.5 + 15 * 128 * 0.5]
    assert step.grad.tolist() == middle


def test_cell_stops_gradients_where_it_saturates():
    f, c, i, g = (torch.tensor(v, requires_grad=True) for v in ([0.5, 1.0], [0.25, 0.9], [0.5, 0.9], [0.5, 0.9]))
    new = cell_state(f, c, i, g, 8, 7)
    assert new.tolist() == [0.375, 127 / 128]
    new.sum().backward()
    assert [t.grad.tolist() for t in (f, c, i, g)] == [[0.25, 0], [0.5, 0], [0.5, 0], [0.5, 0]]


def test_cell_tanh_stops_gradients_outside_its_index():
    table = torch.tensor([-0.75, -0.25, 0.25, 0.75])
    c = torch.tensor([-3.0, -0.1, 0.6, 5.0], requires_grad=True)
    out = cell_tanh(c, table, 2, 1)
    assert out.tolist() == [-0.75, -0.25, 0.75 - 0.0, 0.75]
    out.sum().backward()
    assert c.grad.tolist() == pytest.approx([0, 1 - 0.0625, 1 - 0.5625, 0])


def test_float_layer_is_nn_lstm():
    torch.manual_seed(0)
    ours = LstmArray(5, 6, QuantConfig(weight_bits=32, dac_bits=32, adc_bits=32)).double()
    theirs = torch.nn.LSTM(5, 6).double()
    order = torch.cat([torch.arange(k * 6, k * 6 + 6) for k in (1, 0, 3, 2)])  # f, i, o, g from i, f, g, o
    with torch.no_grad():
        theirs.weight_ih_l0[order] = ours.cells[:5].T
        theirs.weight_hh_l0[order] = ours.cells[5:11].T
        theirs.bias_ih_l0[order] = ours.cells[11]
        theirs.bias_hh_l0.zero_()
    x = torch.randn(7, 3, 5, dtype=torch.float64)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    ha, _, ca = ours(a)
    hb, (_, cb) = theirs(b)
    assert torch.allclose(ha, hb, atol=1e-12)
    assert torch.allclose(ca[-1], cb[0], atol=1e-12)
    ha.square().sum().backward()
    hb.square().sum().backward()
    assert torch.allclose(a.grad, b.grad, atol=1e-12)
    assert torch.allclose(ours.cells.grad[5:11].T, theirs.weight_hh_l0.grad[order], atol=1e-12)
    assert torch.allclose(ours.cells.grad[11], theirs.bias_ih_l0.grad[order], atol=1e-12)


def test_fine_quantisation_has_the_float_gradients():
    """At 16 bits straight-through gradients approach those of the float network."""
    lstm = LstmLayer(
        inputs=4, hidden=5, adcs=4, dac_bits=16, weight_bits=16, adc_bits=16, activation_bits=16, tanh_bits=12,
        tanh_fraction=9,
    )  # fmt: skip
    head = DenseLayer(inputs=5, outputs=3, adcs=3, dac_bits=16, weight_bits=16, adc_bits=16, output="codes")
    design = Design("fine", (lstm, head))
    fine, real = DesignNetwork(design), DesignNetwork(design, floating=True)
    real.load_state_dict(fine.state_dict())
    x = torch.rand(6, 9, 4) * 2 - 1
    grads = []
    for model in (fine, real):
        model.train()
        model(x).square().sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert (grads[0] - grads[1]).norm() < 0.01 * grads[1].norm()
    assert grads[1].norm() > 0.1


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_gradients_are_finite_and_reach_every_weight(bits):
    torch.manual_seed(bits)
    widths = {"dac_bits": bits, "weight_bits": bits}
    layers = (
        LstmLayer(inputs=4, hidden=6, adcs=4, adc_bits=bits, **widths),
        LstmLayer(inputs=6, hidden=6, adcs=4, adc_bits=bits, **widths),
        DenseLayer(inputs=6, outputs=3, adcs=3, adc_bits=8, output="codes", emit="end", **widths),
    )
    model = DesignNetwork(Design("three", layers)).train()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    model(torch.rand(16, 12, 4) * 2 - 1, torch.full((16,), 12)).square().sum().backward()
    for parameter in model.parameters():
        assert torch.isfinite(parameter.grad).all()
        assert (parameter.grad != 0).float().mean() > 0.5
