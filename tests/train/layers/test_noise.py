"""The noise has the paper's size, and weight noise is drawn again when it says."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import LstmLayer
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.gaussian import normals, stream_key
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.noise import PAPER_ADC, Noise, NoiseSource, adc_of_snr, dac_of_snr, weight_of_snr
from ohmgate.train.layers.whole_model import set_noise
from ohmgate.train.network import DesignNetwork, evaluate_codes

ROWS = 20


def voltages(module, *inputs) -> torch.Tensor:
    """Of all steps (T, B, columns) in a pass of an array."""
    seen = []
    module.recorder = lambda array, codes, trace: seen.append(trace.voltage)
    module(*inputs)
    module.recorder = None
    return seen[0]


def array(noise: Noise, columns: int = 50) -> LinearArray:
    """A dense array whose converter is wide and fine enough to show its voltage."""
    torch.manual_seed(3)
    module = LinearArray(ROWS, columns, QuantConfig(bias_rows=0, adc_bits=16, adc_range=64.0))
    module.eval_noise = noise
    return module.eval()


def test_adc_noise_has_the_papers_deviation():
    module = array(Noise(adc=900 * PAPER_ADC))  # so many steps that rounding to codes does not show
    x = torch.rand(2000, ROWS) * 2 - 1
    clean = array(Noise())(x)
    with torch.no_grad():
        steps = ((module(x) - clean) / module.converter(module.alpha()).step[0]).flatten().numpy()
    assert len(steps) == 100_000
    assert stats.kstest(steps / (900 / np.sqrt(12)), "norm").pvalue > 0.001


@pytest.mark.parametrize("redraw", ["per_step", "per_sequence", "per_batch", "per_programming"])
def test_weight_noise_has_the_papers_deviation(redraw):
    beta, module = 0.1, None
    errors = []
    x = torch.ones(1, ROWS)
    module = array(Noise(weight=beta, redraw=redraw), columns=500)
    clean = array(Noise(), columns=500)(x)
    for _ in range(20):
        module.program()
        with torch.no_grad():
            errors.append((module(x) - clean).flatten().numpy())
    span = 2 * float(module.alpha()[0].detach())
    errors = np.concatenate(errors) / (beta * span * np.sqrt(ROWS))
    assert stats.kstest(errors, "norm").pvalue > 0.001


PATHS = [
    pytest.param(True, id="kernel", marks=pytest.mark.skipif(kernel() is None, reason="no C++ compiler")),
    pytest.param(False, id="eager"),
]


@pytest.mark.parametrize("fast", PATHS)
@pytest.mark.parametrize("per_gate", [False, True])
def test_weight_noise_is_a_share_of_the_codes_range_in_every_gate(fast, per_gate):
    """beta * 2L in codes whatever the gate's range of weights, so by gate 1.4 codes at 4 bits; in training."""
    module = LstmArray(40, 25, QuantConfig(per_gate=per_gate, adc_range=2.0), fast)
    module.train_noise = Noise(weight=0.1)
    with torch.no_grad():
        module.cells *= torch.tensor([0.2, 0.5, 1.0, 3.0]).repeat_interleave(25)
    prepared = module.train().prepare(1)
    data = module.layer_data()
    rest = (prepared.weights / prepared.gain).detach().double().numpy() - data.weights
    assert prepared.gain.tolist() == pytest.approx(np.repeat(data.mult * 2.0**-data.shift, 25))
    for gate in np.split(rest, 4, axis=1):
        assert stats.kstest(gate.ravel() / 1.4, "norm").pvalue > 0.001
    assert not np.array_equal(
        rest, (module.prepare(1).weights / prepared.gain).detach().double().numpy() - data.weights
    )


def test_weight_noise_of_float_weights_is_a_share_of_their_own_range():
    """wmax - wmin is twice the largest magnitude."""
    for training in (True, False):
        module = LinearArray(50, 60, QuantConfig(weight_bits=32, dac_bits=32, adc_bits=32, bias_rows=0)).train(
            training
        )
        module.train_noise = module.eval_noise = Noise(weight=0.1)
        with torch.no_grad():
            module.cells.uniform_(-0.5, 0.25)
            rest = module.prepare(1).weights - module.cells
        span = 2 * float(module.cells.detach().abs().max())
        assert stats.kstest(rest.numpy().ravel() / (0.1 * span), "norm").pvalue > 0.001


@pytest.mark.parametrize("fast", PATHS)
def test_noise_before_the_converter_is_in_its_steps_in_every_step_and_column(fast):
    """Of an LSTM in training; 32 numbers in a row are as independent as any."""
    module = LstmArray(2, 8, QuantConfig(adc_bits=8, adc_range=4.0), fast)
    module.train_noise = Noise(adc=3.0)
    module.source.seed(5)
    with torch.no_grad():
        module.cells.zero_()
        voltage = voltages(module.train(), torch.zeros(20, 30, 2)).numpy() / 3
    assert stats.kstest(voltage.ravel(), "norm").pvalue > 0.001
    for axis in range(3):
        moved = np.roll(voltage, 1, axis)
        assert abs(np.corrcoef(voltage.ravel(), moved.ravel())[0, 1]) < 4 / np.sqrt(voltage.size)


def test_dac_noise_reaches_the_columns_of_all_rows():
    """Over 2000 steps a column's deviation is that of the rows, weighted: zero inputs count, bias rows, too."""
    torch.manual_seed(3)
    module = LinearArray(ROWS, 50, QuantConfig(bias_rows=2, adc_bits=16, adc_range=64.0)).eval()
    module.eval_noise = Noise(dac=5.0)
    x = torch.rand(ROWS) * 2 - 1
    x[0] = 0
    with torch.no_grad():
        noisy = module(x.expand(2000, ROWS))
        module.eval_noise = Noise()
        errors = (noisy - module(x)) / module.converter(module.alpha()).step[0]
    data = module.layer_data()
    deviations = 5 * np.sqrt((data.weights.astype(float) ** 2).sum(0)) * data.mult[0] * 2.0 ** -data.shift[0]
    assert deviations.min() > 50  # so many ADC steps that rounding to codes does not show
    assert stats.kstest((errors.numpy() / deviations).ravel(), "norm").pvalue > 0.001


def test_dac_noise_is_new_on_every_step_and_not_on_rows_that_are_not_driven():
    torch.manual_seed(3)
    module = LstmArray(2, 8, QuantConfig(bias_rows=0, dac_bits=8, adc_bits=12)).eval()
    with torch.no_grad():
        module.cells[:2] = 0  # only hidden rows matter
    x, state = torch.zeros(3, 1, 2), (torch.zeros(1, 8), torch.zeros(1, 8))

    def noisy_voltages(noise, state):
        module.eval_noise = noise
        with torch.no_grad():
            return voltages(module, x, state)

    clean, noisy = noisy_voltages(Noise(), None), noisy_voltages(Noise(dac=0.5), None)
    assert torch.equal(noisy[0], clean[0])
    assert not torch.equal(noisy[1], clean[1])
    driven = noisy_voltages(Noise(dac=0.5), state)
    assert not torch.equal(driven[0], clean[0])
    assert not torch.equal(driven[0], driven[1])


def test_dac_noise_adds_to_the_deviation_of_weights_drawn_per_step():
    """With rows at 0 the product of both noises is left, dac * beta * range * sqrt(rows)."""
    bias = 127**2
    for drive in (1, 3):  # that of the inputs counts squared
        module = LstmArray(4, 8, QuantConfig(bias_rows=1, dac_bits=8, input_drive=drive))
        module.train_noise = Noise(weight=0.1, dac=0.5, redraw="per_step")
        noise = module._step_noise(torch.ones(32), torch.zeros(2, 3, 4), False)
        inputs = 4 * drive**2
        assert noise.squares.tolist() == [[bias + 0.25 * (inputs + 1)] * 3, [bias + 0.25 * (inputs + 9)] * 3]
        noise = module._step_noise(torch.ones(32), torch.full((1, 3, 4), 5.0), True)
        assert noise.squares.tolist() == [[25 * inputs + bias + 0.25 * (inputs + 9)] * 3]


@pytest.mark.parametrize("bits, step", [(8, 1 / 16), (2, 4)])
def test_noise_of_inputs_with_dacs_of_their_own_is_in_their_steps(bits, step):
    """Noise of rows and of weights, over a hidden code, of which all else is."""
    module = LstmArray(4, 8, QuantConfig(bias_rows=1, dac_bits=4, input_dac_bits=bits))
    module.train_noise = Noise(weight=0.1, dac=0.5, redraw="per_step")
    noise = module._step_noise(torch.ones(32), torch.full((1, 3, 4), 5.0), True)
    assert noise.squares.tolist() == [[25 * 4 * step**2 + 49 + 0.25 * (4 * step**2 + 9)] * 3]
    weights = torch.ones(13, 32)
    module.source.seed(1)
    drawn = module._row_voltages((4, 1), weights, True)
    module.source.seed(1)
    expected = module.drive_noise(4, 1) * torch.tensor([step] * 4 + [1.0] * 9)
    assert torch.allclose(drawn, expected.sum(2, keepdim=True).expand(4, 1, 32), atol=1e-5)


def test_noise_of_an_inputs_dac_grows_with_its_reference():
    torch.manual_seed(4)
    deviations = {}
    for drive in (1, 4):
        module = LstmArray(4, 8, QuantConfig(bias_rows=0, dac_bits=4, input_drive=drive)).train()
        module.train_noise = Noise(dac=0.5)
        module.source.seed(1)
        weights = torch.zeros(12, 32)
        weights[:4], weights[4:] = 1.0, 0.0
        deviations[drive] = module._row_voltages((500, 3), weights, True)
    assert torch.equal(deviations[4], 4 * deviations[1])
    assert float(deviations[1].std()) == pytest.approx(0.5 * 2, rel=0.05)


def test_noise_of_rows_is_new_in_every_step_sequence_and_row():
    module = LstmArray(4, 6, QuantConfig(bias_rows=2))
    module.train_noise = Noise(dac=0.5)
    drawn = module.train().drive_noise(200, 30).numpy() / 0.5
    assert drawn.shape == (200, 30, 12)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.001
    for axis in range(3):
        moved = np.roll(drawn, 1, axis)
        assert abs(np.corrcoef(drawn.ravel(), moved.ravel())[0, 1]) < 4 / np.sqrt(drawn.size)


@pytest.mark.parametrize("driven", [False, True])
def test_noise_of_rows_that_are_driven_on_the_first_step(driven):
    """All but the hidden ones where there is no state: bias rows and inputs have it from the beginning."""
    module = LstmArray(2, 3, QuantConfig(bias_rows=2, input_drive=3)).train()
    module.train_noise = Noise(dac=0.5)
    seen = []
    for row in range(7):
        weights = torch.zeros(7, 12)
        weights[row] = 1.0
        module.source.seed(1)
        seen.append(module._row_voltages((4, 1), weights, driven)[:, 0, 0])
    module.source.seed(1)
    expected = module.drive_noise(4, 1)[:, 0].T * torch.tensor([3.0, 3, 1, 1, 1, 1, 1])[:, None]
    if not driven:
        expected[2:5, 0] = 0
    assert torch.allclose(torch.stack(seen), expected)


def test_weight_noise_per_step_of_a_linear_layer_counts_every_row():
    """beta * 2L * sqrt(sum of d^2 + bias rows * L^2 + dac^2 * rows), in codes times the gain; by sequence its own d."""
    module = LinearArray(
        6, 4000, QuantConfig(bias_rows=2, weight_bits=4, dac_bits=4, adc_bits=16, adc_range=16.0)
    ).eval()
    x = torch.tensor([[1.0, 0, 0, 0, 0, 0], [1, -1, 1, -1, 0, 0], [0, 0, 0, 0, 0, 0]])
    for dac in (0.0, 2.0):
        module.eval_noise = Noise(dac=dac)
        with torch.no_grad():
            module.source.seed(1)
            clean = module(x)
            module.eval_noise = Noise(weight=0.1, redraw="per_step", dac=dac)
            module.source.seed(1)
            steps = (module(x) - clean) / module.real_steps()[0]
        data = module.layer_data()
        energy = np.array([49, 4 * 49, 0]) + 2 * 49 + dac**2 * 8
        deviation = 0.1 * 14 * np.sqrt(energy) * data.mult[0] * 2.0 ** -data.shift[0]
        assert deviation.min() > 100, "so many steps that rounding to codes does not show"
        for row, sigma in zip(steps.numpy(), deviation):
            assert stats.kstest(row / sigma, "norm").pvalue > 0.001


@pytest.mark.parametrize("make", [lambda: LinearArray(3, 40, QuantConfig()), lambda: LstmArray(3, 10, QuantConfig())])
def test_noise_of_a_converter_is_new_in_every_step_and_pass(make):
    module = make().eval()
    module.eval_noise = Noise(adc=1.0)
    passes = []
    for seed in (1, None, 1, 2):
        if seed is not None:
            module.source.seed(seed)
        with torch.no_grad():
            passes.append(voltages(module, torch.zeros(2, 3, 3)))
    assert torch.equal(passes[0], passes[2])
    assert not torch.equal(passes[0], passes[1])
    assert not torch.equal(passes[0], passes[3])
    if isinstance(module, LinearArray):  # the same weights and inputs in all steps
        assert not torch.equal(passes[0][0], passes[0][1])
        assert not torch.equal(passes[0][:, 0], passes[0][:, 1])


@pytest.mark.parametrize("fast", PATHS)
@pytest.mark.parametrize(
    "noise", [Noise(weight=0.1, redraw="per_step"), Noise(weight=0.1), Noise(adc=1.0), Noise(dac=1.0)]
)
def test_each_noise_of_a_training_is_new_in_every_pass_and_repeats_by_its_seed(noise, fast):
    torch.manual_seed(0)
    module = LstmArray(3, 20, QuantConfig(), fast).train()
    module.train_noise = noise
    cells = []
    for seed in (1, None, 1, 2):
        if seed is not None:
            module.source.seed(seed)
        cells.append(module(torch.ones(4, 2, 3))[2].detach())
    assert torch.equal(cells[0], cells[2])
    assert not torch.equal(cells[0], cells[1])
    assert not torch.equal(cells[0], cells[3])
    assert not torch.equal(cells[0][:, 0], cells[0][:, 1]) or (noise.weight and noise.redraw == "per_batch")


def test_keys_are_splitmix64s():
    """Against the numbers that are published for it, from the state 1234567; a seed gives the same noise for ever."""
    words = [number >> 32 for number in (6457827717110365317, 3203168211198807973, 9817491932198370423)]
    by_seed, by_draw = (1234567 * pow(odd, -1, 2**64) for odd in (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03))
    assert stream_key(by_seed, 0) == stream_key(0, by_draw) == words
    source = NoiseSource(5)
    assert [source.key() for _ in range(3)] == [stream_key(5, draw) for draw in (1, 2, 3)]
    source.seed(6)
    assert source.key() == stream_key(6, 1)


def mixed(x: int) -> int:
    """lowbias32 (C. Wellons' search)."""
    x = (x ^ x >> 16) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ x >> 15) * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def test_normal_numbers_are_box_and_mullers():
    """Of a position's two hashed numbers, with the library's functions; 16 cosines, then 16 sines."""
    key = [123456789, 987654321, 192837465]
    for built in (None, kernel()):
        drawn = normals(key, 3, 70, built).double()
        for row, at in ((0, 0), (0, 15), (0, 69), (1, 3), (2, 31), (2, 64)):
            block, lane = divmod(at, 32)
            pair = (row * 3 + block) * 16 + lane % 16
            hashed = mixed(pair ^ key[0])
            u = ((mixed((hashed + key[1]) % 2**32) >> 8) + 1) / 2**24
            angle = 2 * math.pi * mixed(hashed ^ key[2]) / 2**32
            wanted = math.sqrt(-2 * math.log(u)) * (math.cos(angle) if lane < 16 else math.sin(angle))
            assert float(drawn[row, at]) == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_noise_on_rows_is_in_the_weights_gradient():
    module = LinearArray(3, 2, QuantConfig(weight_bits=32, adc_bits=32, dac_bits=4, bias_rows=1)).train()
    module.train_noise = Noise(dac=0.5)
    module.source.seed(1)
    module(torch.tensor([[1.0, -1.0, 0.0]])).sum().backward()
    module.source.seed(1)
    driven = torch.tensor([7.0, -7.0, 0.0, 7.0]) + module.drive_noise(1, 1)[0, 0]
    assert torch.allclose(module.cells.grad, (driven / 7)[:, None].expand(4, 2))


def test_drop_connect():
    """A share of the cells is open. In training the others make up for it, so the mean stays; later they do not."""
    module = LinearArray(400, 50, QuantConfig(bias_rows=0, weight_bits=32, adc_bits=32, dac_bits=4), fast=False)
    with torch.no_grad():
        module.cells.fill_(1.0)
    noise = Noise(drop=0.2)
    module.train_noise = module.eval_noise = noise
    weights = module.train().prepare(1).weights.detach() * 7
    counts = weights.count_nonzero(0).numpy()
    assert set(weights.unique().tolist()) == {0.0, 1.25}
    assert stats.kstest(stats.binom(400, 0.8).cdf(counts + 0.5), "uniform").pvalue > 0.001
    assert weights.mean() == pytest.approx(1, abs=4 * np.sqrt(0.25 / 20_000))
    assert set((module.eval().prepare(1).weights.detach() * 7).unique().tolist()) == {0.0, 1.0}
    module.train()(torch.ones(1, 400)).sum().backward()
    assert set((module.cells.grad * 7).round().unique().tolist()) <= {0.0, 9.0}  # 7 * 1.25, of connected cells alone


def test_drop_connect_of_codes_leaves_codes():
    module = array(Noise(drop=0.5))
    codes = module.prepare(1).weights * 2.0 ** module.layer_data().shift[0] / module.layer_data().mult[0]
    dropped = codes == 0
    assert torch.equal(codes, torch.where(dropped, 0, torch.from_numpy(module.layer_data().weights)))
    assert 0.3 < float(dropped.double().mean()) < 0.7


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_snr_of_converters_is_of_a_full_scale_sine(bits):
    phase = np.arange(1000) * 2 * np.pi / 1000
    noise = 10 ** (-37 / 10)
    adc, dac = (2 ** (bits - 1) * np.sin(phase), max(1, 2 ** (bits - 1) - 1) * np.sin(phase))  # in steps
    assert adc_of_snr(37, bits) == pytest.approx(np.sqrt(noise * np.mean(adc**2)))
    assert dac_of_snr(37, bits) == pytest.approx(np.sqrt(noise * np.mean(dac**2)))
    assert adc_of_snr(6.0206 * bits + 1.7609, bits) == pytest.approx(PAPER_ADC, rel=1e-4)  # Kester's 6.02 N + 1.76


def test_snr_of_weights_is_of_a_uniform_spread():
    weights = np.linspace(-3, 3, 100_001)
    noise = weight_of_snr(20) * (weights[-1] - weights[0])
    assert 10 * np.log10(np.mean(weights**2) / noise**2) == pytest.approx(20, abs=1e-3)


def test_redraws():
    """Which results are equal says when weights were drawn: the same inputs at all steps, sequences and passes."""
    x = torch.ones(2, 3, ROWS)  # (T, B, m)
    expected = {  # equal between steps, between sequences, between passes, after programming again
        "per_step": (False, False, False, False),
        "per_sequence": (True, False, False, False),
        "per_batch": (True, True, False, False),
        "per_programming": (True, True, True, False),
    }
    cases = [
        ({kind: 0.1, "redraw": redraw}, want) for redraw, want in expected.items() for kind in ("weight", "drop")
    ]
    for fields, want in cases:
        if fields == {"drop": 0.1, "redraw": "per_step"}:
            continue
        module = array(Noise(**fields))
        with torch.no_grad():
            first, second = module(x), module(x)
            module.program()
            third = module(x)
        same = torch.equal
        got = (same(first[0], first[1]), same(first[:, 0], first[:, 1]), same(first, second), same(second, third))
        assert got == want, fields


@pytest.mark.parametrize("redraw", ["per_step", "per_sequence", "per_batch", "per_programming"])
def test_lstm_noise_is_repeated_by_its_seed(redraw):
    model = DesignNetwork(Design("one", (LstmLayer(inputs=4, hidden=8, adcs=4),)))
    model.set_noise(evaluate=Noise(adc=PAPER_ADC, weight=0.05, redraw=redraw))
    codes = np.random.default_rng(0).integers(-7, 8, (3, 5, 4))
    runs = []
    for seed in (1, 1, 2):
        model.set_noise(seed=seed)
        runs.append(evaluate_codes(model, codes))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_per_step_noise_of_an_lstm_counts_only_driven_rows():
    """Inputs, bias and hidden codes of 0 leave nothing to multiply weight noise."""
    module = LstmArray(4, 8, QuantConfig(bias_rows=0)).eval()
    module.eval_noise = Noise(weight=0.2, redraw="per_step")
    with torch.no_grad():
        clean = LstmArray(4, 8, QuantConfig(bias_rows=0)).eval()
        clean.load_state_dict(module.state_dict())
        zeros = torch.zeros(1, 2, 4)
        assert torch.equal(module(zeros)[0], clean(zeros)[0])
        ones = torch.ones(1, 2, 4)
        assert not torch.equal(module(ones)[0], clean(ones)[0])


def test_noise_of_any_model_comes_from_one_stream():
    """Two directions with the same weights must not have the same noise."""
    torch.manual_seed(0)
    x = torch.randn(3, 50, 4)  # so many that two noises cannot give the same codes by chance
    model = torch.nn.ModuleDict({"lstm": QuantLSTM(4, 4, bidirectional=True), "head": QuantLinear(8, 2)})
    forward, backward = model["lstm"].arrays
    backward.load_state_dict(forward.state_dict())
    forward.train_noise = backward.train_noise = Noise(weight=0.1)
    assert not torch.equal(forward.prepare(1).weights, backward.prepare(1).weights)
    noise = Noise(weight=0.2, redraw="per_programming")
    drawn = []
    for seed in (1, 1, 2):
        set_noise(model, evaluate=noise, seed=seed)
        with torch.no_grad():
            drawn.append(model["head"].eval()(model["lstm"].eval()(x)[0]))
    assert forward.train_noise == Noise(weight=0.1)
    assert forward.eval_noise == model["head"].eval_noise == noise
    assert forward.source is model["head"].source
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    with pytest.raises(
        DesignError, match=r"^a model with noise must have at least one quantised layer, but it has none$"
    ):
        set_noise(torch.nn.Linear(2, 2))


def test_training_and_evaluation_noise_are_apart():
    module = array(Noise())
    module.train_noise = Noise(adc=1.0)
    x = torch.ones(1, ROWS)
    assert torch.equal(module(x), module(x))
    module.train()
    assert not torch.equal(module(x), module(x))


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"adc": -1}, "ADC noise must be a number from 0 to 1000, not -1"),
        ({"weight": "much"}, "weight noise must be a number from 0 to 1000, not 'much'"),
        (
            {"redraw": "often"},
            "weight noise redraw must be one of per_step, per_sequence, per_batch, per_programming, not 'often'",
        ),
        ({"dac": None}, "DAC noise must be a number from 0 to 1000, not None"),
        ({"drop": 1}, "drop-connect must be a number from 0 up to but not 1, not 1"),
        (
            {"drop": 0.1, "redraw": "per_step"},
            "drop-connect must be redrawn per_sequence, per_batch or per_programming, not 'per_step'",
        ),
    ],
)
def test_sentences(fields, sentence):
    with pytest.raises(DesignError) as error:
        Noise(**fields)
    assert str(error.value) == sentence


def test_sentences_of_snr():
    for call in (weight_of_snr, lambda snr: adc_of_snr(snr, 4), lambda snr: dac_of_snr(snr, 4)):
        with pytest.raises(DesignError, match=r"^SNR in dB must be a number from -100 to 300, not 'loud'$"):
            call("loud")
    with pytest.raises(DesignError, match=r"^ADC bits must be an integer from 1 to 16, not 32$"):
        adc_of_snr(30, 32)
    with pytest.raises(DesignError, match=r"^DAC bits must be an integer from 1 to 16, not 0$"):
        dac_of_snr(30, 0)
