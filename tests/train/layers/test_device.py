"""Arrays on another device than the CPU compute what the CPU's eager path does. The device is pretended."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from ohmgate.train.calibrate import calibrate
from ohmgate.train.convert import convert
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify, verify_export, verify_modules
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM, QuantRNN
from ohmgate.train.layers.noise import REDRAWS, Noise
from ohmgate.train.layers.quantisers import QUANTISERS
from ohmgate.train.layers.whole_model import arrays_of, set_noise
from ohmgate.train.network import DesignNetwork, evaluate_codes
from ohmgate.train.usage import code_usage
from tests.designs import random_design, random_inputs
from tests.pretended_device import PretendedDevice, There


class Tagger(nn.Module):
    """A stack of two directions with dropout, and a head, both as arrays."""

    def __init__(self, **fields):
        super().__init__()
        self.lstm = QuantLSTM(3, 5, 2, bidirectional=True, **fields)
        self.head = QuantLinear(10, 4, **fields)

    def forward(self, values, state=None):
        out, (hidden, cell) = self.lstm(values, state)
        return self.head(out), hidden, cell


def both(seed: int = 0, **fields) -> tuple[Tagger, Tagger]:
    """Two of the same: the first without the C++ kernel, the second with it, which it must not take elsewhere."""
    torch.manual_seed(seed)
    model = Tagger(**fields)
    other = copy.deepcopy(model)
    for array in arrays_of(model):
        array.fast = False
    return model, other


def moved(model: nn.Module) -> nn.Module:
    model.to("meta")
    assert all(isinstance(value, There) for value in model.state_dict().values())
    return model


def assert_same(results, others) -> None:
    for one, other in zip(results, others, strict=True):
        assert isinstance(other, There)
        assert torch.equal(one, other.cpu())


def test_a_model_converts_where_it_is():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 5))
    x = torch.rand(6, 2, 3)
    expected = convert(model, QuantConfig(quantiser="lsq"))[0].eval()(x)[0]
    with PretendedDevice():
        converted = convert(moved(model), QuantConfig(quantiser="lsq"))[0].eval()
        assert all(isinstance(value, There) for value in converted.state_dict().values())
        assert_same([expected], [converted(x.to("meta"))[0]])


def test_the_pretended_device_notices_a_tensor_of_the_other():
    with PretendedDevice():
        there = torch.arange(3.0).to("meta")
        assert (there.device.type, there.is_cpu, (there + 1).sum().item()) == ("meta", False, 6)
        with pytest.raises(RuntimeError, match="tensors of two devices"):
            there + torch.ones(3)
        with pytest.raises(Exception, match="numpy"):
            there.numpy()


NOISES = [Noise(), Noise(adc=0.3, dac=0.2), *(Noise(weight=0.1, redraw=each) for each in REDRAWS), Noise(drop=0.1)]


@pytest.mark.parametrize("noise", NOISES, ids=str)
@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_training_gives_the_same_codes_and_gradients(quantiser, noise):
    here, there = both(quantiser=quantiser, learn_range=noise.adc > 0, input_drive=2, per_gate=True)
    x, state = torch.rand(6, 4, 3) * 2 - 1, (torch.rand(4, 4, 5), torch.randn(4, 4, 5))
    for model in (here, there):
        set_noise(model, train=noise, seed=3)
    results = here(x, state)
    sum(part.sum() for part in results).backward()
    with PretendedDevice():
        moved(there)
        others = there(x.to("meta"), tuple(part.to("meta") for part in state))
        assert_same(results, others)
        sum(part.sum() for part in others).backward()
        for one, other in zip(here.parameters(), there.parameters(), strict=True):
            assert torch.allclose(one.grad, other.grad.cpu(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("bits", [1, 4, 12])
@pytest.mark.parametrize("output", ["codes", "value"])
def test_evaluation_gives_the_same_integers_after_calibration(bits, output):
    here, there = both(weight_bits=bits, dac_bits=bits, adc_bits=bits, output=output)
    sequences = [torch.randn(n, 3) for n in (5, 7, 2)]
    packed = pack_sequence(sequences, enforce_sorted=False)
    x = 2 * torch.randn(6, 4, 3)
    calibrate(here, lambda: here(x))
    noise = {"evaluate": Noise(adc=0.1, dac=0.1, weight=0.05), "seed": 1}
    set_noise(here, **noise)
    result, usage = here.eval()(x), code_usage(here, lambda: here(x))
    tagged, state = here.lstm(packed)
    with PretendedDevice():
        moved(there)
        calibrate(there, lambda: there(x.to("meta")))
        set_noise(there, **noise)
        assert_same(result, there.eval()(x.to("meta")))
        for one, other in zip(usage, code_usage(there, lambda: there(x.to("meta"))), strict=True):
            assert np.array_equal(one.adc, other.adc)
            assert np.array_equal(one.weights, other.weights)
        other, other_state = there.lstm(packed.to("meta"))
        assert_same((tagged.data, *state), (other.data, *other_state))
        set_noise(there, evaluate=Noise())
        report = verify_modules(there, x.to("meta"))
        assert (report.mismatches, report.integers > 2000) == (0, True)
        for one, other in zip(arrays_of(here), arrays_of(there)):
            assert one.layer_data() == other.layer_data()


def test_a_simple_recurrent_layer_is_the_same_there():
    """Training with its gradients, then evaluation."""
    torch.manual_seed(0)
    here = QuantRNN(3, 5, 2, bidirectional=True, learn_range=True, input_drive=2, tile_rows=4)
    there, x, state = copy.deepcopy(here), torch.rand(6, 4, 3) * 2 - 1, torch.rand(4, 4, 5) * 2 - 1
    for array in arrays_of(here):
        array.fast = False
    for model in (here, there):
        set_noise(model, train=Noise(adc=0.3, dac=0.2, weight=0.1, redraw="per_step"), seed=3)
    results = here(x, state)
    sum(part.sum() for part in results).backward()
    evaluated = here.eval()(x)
    with PretendedDevice():
        others = moved(there)(x.to("meta"), state.to("meta"))
        assert_same(results, others)
        sum(part.sum() for part in others).backward()
        for one, other in zip(here.parameters(), there.parameters(), strict=True):
            assert torch.allclose(one.grad, other.grad.cpu(), rtol=1e-6, atol=1e-7)
        assert_same(evaluated, there.eval()(x.to("meta")))


def test_export_runs_the_forward_where_the_model_is():
    torch.manual_seed(0)
    model = QuantLSTM(3, 5, 2)
    model.add_module("head", QuantLinear(5, 4))
    model.register_forward_hook(lambda module, arguments, output: module.head(output[0].data))
    packed = pack_sequence([torch.randn(n, 3) for n in (5, 7, 2)], enforce_sorted=False)
    network = export(model, packed)
    with PretendedDevice():
        moved(model)
        assert export(model, packed.to("meta")).layers == network.layers
        assert verify_export(model, packed.to("meta")).mismatches == 0


def test_what_was_programmed_and_confined_moves_along():
    here, there = both()
    x = torch.rand(6, 4, 3)
    for model in (here, there):
        set_noise(model, train=Noise(weight=0.1, redraw="per_programming"), seed=2)
        for array in arrays_of(model):
            array.confine(np.stack([np.full(array.cells.shape, -3), np.full(array.cells.shape, 2)]))
        model(x)
    with PretendedDevice():
        moved(there)
        assert_same(here(x), there(x.to("meta")))


def test_a_designs_network_is_evaluated_where_it_is():
    """Table outputs and a head at the end among its layers."""
    design = random_design(np.random.default_rng(5))
    assert {"lstm", "dense"} == {layer.kind for layer in design.layers}
    codes, lengths = random_inputs(design, np.random.default_rng(6))
    model = DesignNetwork(design).eval()
    with PretendedDevice():
        expected = evaluate_codes(model, codes, lengths)
        assert_same([expected], [evaluate_codes(moved(model), codes, lengths)])
        assert verify(model, codes, lengths).mismatches == 0


@pytest.mark.parametrize("shortened", ["cuda", "mkldnn"])
def test_products_are_exact_by_the_setting_of_the_device(shortened):
    here, there = both()
    backend = getattr(torch.backends, shortened).matmul
    before = backend.fp32_precision
    try:
        backend.fp32_precision = "tf32"
        types = [model.lstm.arrays[0].eval().prepare(1).weights.dtype for model in (here,)]
        with PretendedDevice():
            types.append(moved(there).lstm.arrays[0].eval().prepare(1).weights.dtype)
    finally:
        backend.fp32_precision = before
    exact, plain = torch.float64, torch.float32
    assert types == ([plain, exact] if shortened == "cuda" else [exact, plain])


def test_a_float_model_and_a_float_state_dict_load_on_the_device():
    theirs = nn.LSTM(3, 5)
    config = QuantConfig(weight_bits=32, dac_bits=32, adc_bits=32)
    x = torch.rand(6, 4, 3)
    with PretendedDevice():
        model = moved(QuantLSTM(3, 5, config=config))
        model.load_state_dict({name: value.to("meta") for name, value in theirs.state_dict().items()})
        assert torch.allclose(model(x.to("meta"))[0].cpu(), theirs(x)[0], atol=1e-6)
