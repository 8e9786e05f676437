"""Learned gate tables: legal whatever is learned, the image's in every evaluation, and no more than asked for."""

import numpy as np
import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.convert import convert
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM


def tables_of(array: LstmArray) -> np.ndarray:
    tables = array.layer_data().tables
    assert tables is not None
    return tables


def first_tables(**fields) -> np.ndarray:
    torch.manual_seed(0)
    return tables_of(LstmArray(2, 3, QuantConfig(**fields))).copy()


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_every_entry_is_legal_whatever_is_learned(bits):
    array = LstmArray(2, 3, QuantConfig(learn_tables=True, activation_bits=bits))
    for shift, unsigned, signed in ((1e4, 2**bits - 1, 2 ** (bits - 1) - 1), (-1e4, 0, 1 - 2 ** (bits - 1))):
        with torch.no_grad():
            array.table_shift.fill_(shift)
        assert (tables_of(array) == np.array([unsigned] * 3 + [signed])[:, None]).all()
        values = array.train()(torch.zeros(1, 1, 2))[2].detach().numpy()
        top = unsigned / 2**bits * signed / 2 ** (bits - 1)
        assert values == pytest.approx(top if shift > 0 else 0, abs=1e-6)


def test_a_table_is_sigmoid_until_it_has_learned():
    assert np.array_equal(first_tables(learn_tables=True), first_tables())
    torch.manual_seed(0)
    array = LstmArray(2, 3, QuantConfig(learn_tables=True))
    with torch.no_grad():
        array.table_shift[1, 8] = 1.0  # of i, in the middle of the step from 0 to 0.5 (range 4, 16 codes)
        array.table_shift[3, 7] = -0.5
    found, before = tables_of(array), first_tables()
    step = float(array.real_steps()[1])
    assert found[1, 8] == round(256 / (1 + np.exp(-step / 2 - 1)))
    assert found[3, 7] == round(128 * np.tanh(-float(array.real_steps()[3]) / 2 - 0.5))
    assert np.argwhere(found != before).tolist() == [[1, 8], [3, 7]]
    array.reset_parameters()
    assert not array.table_shift.any()


def test_weights_without_learned_tables_load_with_tables_that_learned_nothing():
    plain, learning = LstmArray(2, 3, QuantConfig()), LstmArray(2, 3, QuantConfig(learn_tables=True))
    with torch.no_grad():
        learning.table_shift.fill_(0.5)
    learning.load_state_dict(plain.state_dict())
    assert not learning.table_shift.any()
    assert np.array_equal(tables_of(learning), tables_of(plain))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("bits", [2, 8, 16])
def test_the_ceiling_is_the_last_entry_of_the_forget_gate_alone(bits, learned):
    found = first_tables(forget_ceiling=True, learn_tables=learned, activation_bits=bits)
    expected = first_tables(activation_bits=bits)
    assert found[0, -1] == 2**bits - 1
    assert bits == 2 or expected[0, -1] < 0.98 * 2**bits
    expected[0, -1] = 2**bits - 1
    assert np.array_equal(found, expected)
    wide = {"adc_range": 64.0, "activation_bits": bits}
    assert np.array_equal(first_tables(forget_ceiling=True, **wide), first_tables(**wide)), "it is there already"


def test_an_entry_at_its_end_can_come_back():
    array = LstmArray(1, 2, QuantConfig(learn_tables=True, bias_rows=1)).train()
    with torch.no_grad():
        array.cells.fill_(4.0)
        array.table_shift[2, -1] = 4.0
    assert tables_of(array)[2, -1] == 255
    array(torch.ones(3, 1, 1))[0].sum().backward()
    assert array.table_shift.grad[2, -1] > 0
    assert array.cells.grad.isfinite().all()


def test_a_gate_at_its_ceiling_keeps_the_slope_of_its_middle():
    """Both layers are in the last code of f; v - v^2 would be 1/256 with the ceiling, a sixth of sigmoid's."""
    grads = []
    for ceiling in (False, True):
        array = LstmArray(1, 1, QuantConfig(forget_ceiling=ceiling, learn_tables=True), fast=False).train()
        with torch.no_grad():
            array.cells.fill_(0.5)
            array.cells[-1, 0] = 3.5
        state = torch.zeros(1, 1), torch.ones(1, 1)
        array(torch.zeros(1, 1, 1), state)[2].sum().backward()
        grads.append(array.cells.grad[-1, 0].item())
    assert grads[0] == grads[1] > 0.01


def learned_lstm(**fields) -> QuantLSTM:
    torch.manual_seed(0)
    module = QuantLSTM(3, 5, 2, learn_tables=True, **fields)
    for array in module.arrays:
        torch.nn.init.normal_(array.table_shift, std=0.7)
    return module.eval()


@pytest.mark.parametrize(
    "fields", [{}, {"adc_bits": 1}, {"adc_bits": 8, "learn_range": True, "forget_ceiling": True}]
)
def test_the_images_tables_are_the_learned_ones(fields):
    module, x = learned_lstm(**fields), torch.rand(7, 4, 3) * 2 - 1
    network = export(module, x)
    for data, array in zip(network.layers, module.arrays):
        assert np.array_equal(data.tables, tables_of(array))
        assert not np.array_equal(data.tables, first_tables(adc_bits=array.config.adc_bits))
    report = verify_export(module, x, network=network)
    assert report.integers > 1000
    assert report.mismatches == 0
    other = QuantLSTM(3, 5, 2, learn_tables=True, **fields)
    other.load_state_dict(module.state_dict())
    assert export(other.eval(), x) == network


def test_training_computes_with_the_tables_of_the_image():
    module, x = learned_lstm(adc_bits=3, activation_bits=5, cell_fraction=9, cell_bits=10), torch.rand(7, 4, 3)
    outputs, (_, cells) = module(x)
    trained, (_, other) = module.train()(x)
    assert torch.equal(outputs, trained)
    assert torch.equal(cells, other.double())


def test_a_converted_head_has_no_gate_tables():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3))
    made, _ = convert(model, QuantConfig(learn_tables=True, forget_ceiling=True))
    assert [name for name, _ in made.named_parameters()] == ["0.cells"]
    assert isinstance(made[0], QuantLinear)


@pytest.mark.parametrize("training", [False, True])
def test_what_is_learned_must_be_finite(training):
    array = LstmArray(2, 3, QuantConfig(learn_tables=True)).train(training)
    with torch.no_grad():
        array.table_shift[2, 3] = float("nan")
    with pytest.raises(DesignError, match=r"^learned tables must be finite numbers, but some are not$"):
        array(torch.zeros(1, 1, 2))
