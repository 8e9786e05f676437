"""Training against an oracle that shares no code with it, as the kernel and the eager path do."""

import numpy as np
import pytest
import torch

from ohmgate.model.layers import LstmLayer
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.noise import Noise
from tests.train import oracle

#: formats whose every product is exact in float32, so that training computes the reference's integers
EXACT = {"activation_bits": 5, "cell_bits": 10, "cell_fraction": 9, "tanh_bits": 4, "tanh_fraction": 4}
PATHS = [
    pytest.param(True, id="kernel", marks=pytest.mark.skipif(kernel() is None, reason="no C++ compiler")),
    pytest.param(False, id="eager"),
]
CASES = [
    {"quantiser": "absmax"},
    {"quantiser": "absmax", "per_gate": True, "learn_range": True, "input_drive": 3},
    {"quantiser": "percentile", "per_gate": True, "bias_rows": 2, "output": "value"},
    {"quantiser": "sawb", "per_gate": True, "weight_bits": 2},
    {"quantiser": "sawb", "weight_bits": 3, "dac_bits": 3},
    {"quantiser": "sawb", "weight_bits": 1, "dac_bits": 1, "adc_bits": 2},
    {"quantiser": "lsq", "weight_bits": 3},
    {"quantiser": "lsq", "per_gate": True, "learn_range": True, "output": "value"},
    {"quantiser": "pact", "weight_bits": 2, "bias_rows": 0},
    {"quantiser": "pact", "per_gate": True, "learn_range": True, "input_drive": 2},
    {"quantiser": "absmax", "learn_tables": True},
    {"quantiser": "lsq", "learn_range": True, "learn_tables": True, "forget_ceiling": True, "adc_bits": 3},
    {"quantiser": "absmax", "forget_ceiling": True},
    {"quantiser": "absmax", "dac_bits": 3, "input_dac_bits": 6, "bias_rows": 2},
    {"quantiser": "absmax", "dac_bits": 5, "input_dac_bits": 2, "input_drive": 3, "learn_range": True},
    {"quantiser": "pact", "dac_bits": 1, "input_dac_bits": 4, "learn_range": True},
    {"quantiser": "absmax", "tile_rows": 2, "output": "value"},
    {"quantiser": "lsq", "tile_rows": 4, "learn_range": True, "input_drive": 2},
    {"quantiser": "pact", "tile_rows": 5, "learn_tables": True, "adc_bits": 2, "bias_rows": 2},
    {
        "quantiser": "absmax",
        "tile_rows": 5,
        "input_tile_shift": 1,
        "learn_range": True,
        "learn_tables": True,
        "adc_bits": 2,
    },
    {"quantiser": "lsq", "tile_rows": 3, "input_tile_shift": 2, "learn_range": True, "adc_bits": 3},
]


class Case:
    """A layer with its oracle; cells differ in size from gate to gate, so that a gate's range is its own."""

    def __init__(self, fast: bool, **fields) -> None:
        self.config = QuantConfig(**EXACT, **{"adc_range": 2.0} | fields)
        m, n = 3, 5
        self.array = LstmArray(m, n, self.config, fast)
        rng = np.random.default_rng(3)
        rows = m + n + self.config.bias_rows
        self.cells = (rng.normal(size=(rows, 4 * n)) * np.repeat([0.3, 0.5, 0.9, 0.7], n)).astype(np.float32)
        self.x = rng.integers(-75, 76, (9, 4, m)) / 64  # some clip
        self.by_output, self.by_cell = rng.normal(size=(2, 9, 4, n))
        with torch.no_grad():
            self.array.cells.copy_(torch.from_numpy(self.cells))
            self.array.start_ranges()
            for name in ("log_alpha", "log_step"):
                if hasattr(self.array, name):  # not where they began
                    parameter = getattr(self.array, name)
                    parameter += torch.linspace(-0.5, 0.2, len(parameter))
            if self.config.learn_tables:
                shift = rng.normal(size=self.array.table_shift.shape) * 0.6
                self.array.table_shift.copy_(torch.from_numpy(shift))
        shared = (
            "dac_bits",
            "weight_bits",
            "adc_bits",
            "bias_rows",
            "output",
            "input_drive",
            "input_dac_bits",
            "tile_rows",
            "input_tile_shift",
        )
        fields = {name: getattr(self.config, name) for name in (*shared, *EXACT)}
        self.layer = LstmLayer(inputs=m, hidden=n, adcs=4, **fields)
        self.made = oracle.integers(self.layer, self.cells.astype(float), self.alpha(), self.steps())
        if self.config.learn_tables:
            self.made.moved = self.array.table_shift.detach().double().numpy()
        self.made.ceiling = self.config.forget_ceiling

    def alpha(self) -> np.ndarray:
        """(4,) by gate, from the cells by the definition of the quantiser."""
        gates = (
            np.split(self.cells.astype(float), 4, axis=1) if self.config.per_gate else [self.cells.astype(float)] * 4
        )
        if hasattr(self.array, "log_alpha"):
            return np.broadcast_to(np.exp(self.array.log_alpha.detach().double().numpy()), 4)
        measure = {
            ("absmax", 4): lambda w: np.abs(w).max(),
            ("percentile", 4): oracle.percentile_range,
            ("sawb", 1): lambda w: np.abs(w).mean(),
            ("sawb", 2): lambda w: oracle.moment_range(w, 2.546, 1.628),
            ("sawb", 3): lambda w: oracle.moment_range(w, 6.923, 6.283),
        }[self.config.quantiser, self.config.weight_bits]
        return np.array([measure(w) for w in gates])

    def steps(self) -> np.ndarray:
        """(4,) nominal: the range -2..2 in 2^N steps, of row tiles as much as makes the root of the sum of the
        squares of all of theirs; and by how much they have moved where they are learned."""
        nominal = np.full(4, 2 * 2.0 / 2**self.config.adc_bits) / np.sqrt((oracle.units(self.layer) ** 2).sum())
        return nominal * np.exp(np.linspace(-0.5, 0.2, 4)) if self.config.learn_range else nominal


@pytest.mark.parametrize("fast", PATHS)
@pytest.mark.parametrize("fields", CASES, ids=lambda fields: "-".join(str(v) for v in fields.values()))
def test_integers_outputs_and_gradients_of_training(fields, fast):
    case = Case(fast, **fields)
    array, layer, made = case.array, case.layer, case.made
    data = array.layer_data()
    assert np.array_equal(data.weights, made.codes)
    assert (data.mult.tolist(), data.shift.tolist()) == (made.mult.tolist(), made.shift.tolist())
    assert array.real_steps().numpy() == pytest.approx(made.step, rel=1e-6)
    assert np.array_equal(data.tables, oracle.network(layer, made).layers[0].tables)

    trace = oracle.forward(layer, made, case.x)
    x = torch.from_numpy(case.x).float().requires_grad_()
    outputs, hidden, cells = array.train()(x)
    top = oracle.top_code(layer.dac_bits)
    assert np.array_equal((hidden.detach() * top).round().numpy(), trace.hidden.swapaxes(0, 1))
    assert np.array_equal((cells.detach() * 2.0**9).numpy(), trace.cell.swapaxes(0, 1))
    unit = 2.0**4 if layer.output == "value" else top
    assert np.array_equal((outputs.detach() * unit).round().numpy(), trace.out.swapaxes(0, 1))

    ((outputs * torch.from_numpy(case.by_output)).sum() + (cells * torch.from_numpy(case.by_cell)).sum()).backward()
    want = oracle.backward(layer, made, case.x, case.by_output, case.by_cell)
    near = {"rel": 1e-4, "abs": 1e-4 * np.abs(want.cells).max()}
    assert x.grad.numpy() == pytest.approx(want.inputs, **near)
    learned = case.config.quantiser in ("lsq", "pact")
    alpha = np.repeat(made.alpha, layer.hidden)
    clips = np.abs(case.cells) > alpha
    assert not learned or 0.02 < clips.mean() < 0.8
    assert array.cells.grad.numpy() == pytest.approx(
        np.where(clips, 0, want.cells) if learned else want.cells, **near
    )
    if learned:
        scaled = made.codes * np.repeat(made.gain, layer.hidden)
        by_alpha = want.weights * scaled / alpha
        if case.config.quantiser == "lsq":
            by_alpha = by_alpha - np.where(clips, 0, want.cells * case.cells / alpha)
        else:
            by_alpha = np.where(clips, by_alpha, 0)
        groups = 4 if case.config.per_gate else 1
        size = case.cells.size // groups
        grad = by_alpha.reshape(len(case.cells), groups, -1).sum(axis=(0, 2))
        grad *= np.unique(made.alpha) if groups == 1 else made.alpha  # the parameter is the logarithm
        grad /= np.sqrt(size * oracle.top_code(layer.weight_bits))
        assert array.log_alpha.grad.numpy() == pytest.approx(grad, rel=2e-3, abs=1e-4)
    if case.config.learn_range:
        assert array.log_step.grad.numpy() == pytest.approx(want.log_step, rel=1e-3, abs=1e-3)
    if case.config.learn_tables:
        assert (want.shift != 0).mean() > 0.8
        assert array.table_shift.grad.numpy() == pytest.approx(want.shift, rel=1e-4, abs=1e-5)


def test_every_mask_is_met():
    """Cells that saturate, indices beyond the table of tanh, codes at both ends, inputs and weights that clip."""
    met = np.zeros(4)
    for fields in CASES:
        case = Case(False, **fields)
        trace = oracle.forward(case.layer, case.made, case.x)
        low = -(2 ** (case.layer.adc_bits - 1))
        met += [
            trace.saturations,
            (np.abs(trace.cell) > 2**8).sum(),
            (trace.adc == low).sum(),
            (trace.adc == -low - 1).sum(),
        ]
    assert met.min() > 50
    assert (np.abs(case.x) > 1).sum() > 5


@pytest.mark.parametrize("fast", PATHS)
def test_a_hidden_value_of_zero_is_the_code_plus_one_at_one_bit(fast):
    """o is 0 in the table's lowest entries; the product is 0 or -0.0 by the sign of tanh(c)."""
    array = LstmArray(1, 6, QuantConfig(dac_bits=1, activation_bits=2, adc_range=16.0), fast).train()
    with torch.no_grad():
        array.cells.zero_()
        array.cells[-1, 12:18] = -20.0  # o
        array.cells[-1, 18:] = torch.tensor([3.0, -3.0]).repeat(3)  # g
    outputs, hidden, cells = array(torch.zeros(2, 1, 1))
    assert sorted(set(cells[0, 0].sign().tolist())) == [-1, 1]
    assert (outputs == 1).all()
    assert (hidden == 1).all()


@pytest.mark.parametrize("fast", PATHS)
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_weight_of_zero_is_the_code_plus_one_at_one_bit(fast, noise):
    """Also -0.0: in training, with and without noise, in an evaluation and in the exported integers."""
    array = LstmArray(2, 4, QuantConfig(weight_bits=1, dac_bits=1, adc_bits=4), fast)
    array.train_noise = Noise(weight=noise)
    with torch.no_grad():
        array.cells.fill_(-0.5)
        array.cells[0], array.cells[1], array.cells[3] = 0.0, -0.0, 0.25
    signs = np.where(np.isin(np.arange(7), [0, 1, 3]), 1, -1)[:, None].repeat(16, axis=1)
    data = array.layer_data()
    assert np.array_equal(data.weights, signs)
    prepared = array.train().prepare(1)
    codes = (prepared.weights / prepared.gain).detach().numpy()
    assert np.abs(codes - signs).mean() == pytest.approx(2 * noise * np.sqrt(2 / np.pi), abs=0.02)
    assert np.array_equal(np.sign(codes), signs)
    prepared.weights.sum().backward()
    assert (array.cells.grad != 0).all(), "and it learns"
    evaluated = array.eval().prepare(1)
    assert np.array_equal((evaluated.weights / evaluated.gain).numpy(), signs)


def test_an_input_of_zero_is_the_code_plus_one_at_one_bit():
    array = LstmArray(3, 4, QuantConfig(dac_bits=1))
    for training in (True, False):
        codes = array.train(training).drive(torch.tensor([0.0, -0.0, -1e-9]), 1)
        assert codes.tolist() == [1, 1, -1]
