"""Counts of codes are those of the integer reference's traces; what clips is what its sums say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import full_scale, quantise_symmetric, signed_range
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import row_drive
from ohmgate.train.data.datasets import Sequences
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.network import DesignNetwork
from ohmgate.train.usage import code_usage, summary, usage_of_sequences
from tests.designs import seeds


def counts(codes: np.ndarray, low: int, size: int) -> list[int]:
    return [int((codes == low + k).sum()) for k in range(size)]


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_counts_are_the_references(seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    bits = {name: int(rng.integers(1, 6)) for name in ("dac_bits", "weight_bits", "adc_bits")}
    layers = (
        LstmLayer(
            inputs=3,
            hidden=4,
            adcs=4,
            adc_range=float(rng.choice([0.25, 1.0, 4.0])),
            input_dac_bits=int(rng.integers(0, 6)),
            **bits,
        ),
        DenseLayer(inputs=4, outputs=2, adcs=2, output="codes", emit="end", adc_range=0.5, **bits),
    )
    model = DesignNetwork(Design("two", layers))
    features = rng.normal(size=(7, 6, 3)).astype(np.float32)
    data = Sequences(features, rng.integers(1, 7, 7), np.zeros(7, dtype=np.int64))
    scale, offset = np.array([0.5, 1.0, 2.0]), np.array([0.0, 0.1, -0.1])
    usages = usage_of_sequences(model, data, scale, offset, batch=2)

    network = model.export(input_scale=scale, input_offset=offset)
    result = reference.run(network, network.encode(features), data.lengths)
    live = np.arange(6) < data.lengths[:, None]
    for index, (usage, layer, trace) in enumerate(zip(usages, layers, result.layers)):
        assert usage.name == f"layers.{index}"
        if index:
            live = live & ~np.pad(live[:, 1:], ((0, 0), (0, 1)))
        top, (low, high) = full_scale(layer.dac_bits), signed_range(layer.adc_bits)
        drive, adc = trace.drive[live], trace.adc[live].reshape(live.sum(), len(usage.adc), -1)
        weights, data_of = network.layers[index].weights, network.layers[index]
        input_top = full_scale(layer.input_bits)
        assert usage.inputs.tolist() == counts(drive[:, : layer.inputs], -input_top, 2 * input_top + 1)
        weight_top = full_scale(layer.weight_bits)
        assert usage.weights.tolist() == counts(weights, -weight_top, 2 * weight_top + 1)
        if index:
            assert usage.hidden is None
        else:
            assert usage.hidden.tolist() == counts(trace.hidden[live], -top, 2 * top + 1)
        sums = (drive * row_drive(layer) @ weights).reshape(adc.shape)
        for group in range(len(usage.adc)):
            assert usage.adc[group].tolist() == counts(adc[:, group], low, 2**layer.adc_bits)
            steps = (sums[:, group] * int(data_of.mult[group])) >> int(data_of.shift[group])
            assert usage.adc_clipped[group] == pytest.approx(((steps < low) | (steps > high)).mean())
    values = (features * scale + offset)[np.arange(6) < data.lengths[:, None]]
    assert usages[0].inputs_clipped == pytest.approx((np.abs(values) > 1).mean())
    assert usages[1].inputs_clipped == 0


def test_any_model_and_its_directions_are_counted():
    torch.manual_seed(0)
    model = QuantLSTM(3, 4, num_layers=2, bidirectional=True, dac_bits=4).train()
    x = torch.rand(5, 2, 3) * 3 - 1.5
    usages = code_usage(model, lambda: [model(x) for _ in range(2)])
    assert [usage.name for usage in usages] == [f"arrays.{k}" for k in range(4)]
    assert [usage.inputs.sum() for usage in usages] == [2 * 30, 2 * 30, 2 * 80, 2 * 80]
    assert usages[0].inputs.tolist() == usages[1].inputs.tolist()
    assert usages[0].inputs.tolist() == [2 * n for n in counts(quantise_symmetric(x.double().numpy(), 4), -7, 15)]
    assert usages[0].inputs_clipped == pytest.approx(float((x.abs() > 1).float().mean()))
    assert all(usage.adc.sum(1).tolist() == [2 * 5 * 2 * 4] * 4 for usage in usages)
    assert model.training
    assert all(array.recorder is None for array in model.arrays)


def test_float_arrays_have_no_codes():
    model = DesignNetwork(Design.load("vowels"), floating=True)
    assert code_usage(model, lambda: model(torch.zeros(1, 2, 12))) == []


def test_a_run_that_fails_leaves_the_model_as_it_was():
    model = DesignNetwork(Design.load("vowels")).train()
    with pytest.raises(ZeroDivisionError):
        code_usage(model, lambda: 1 // 0)
    assert model.training
    assert all(array.recorder is None and not array._forward_pre_hooks for array in model.layers)


def test_what_is_dead_clipped_and_unused_in_numbers():
    """A head of 4 columns: one always above its range, one that never changes its code, one at 0 and 1, one at all."""
    head = QuantLinear(1, 4, dac_bits=3, weight_bits=3, adc_bits=2, adc_range=1.0, bias_rows=1)
    with torch.no_grad():
        head.cells.copy_(torch.tensor([[0.0, 0.0, 0.1, 1.0], [1.0, 1 / 3, 0.0, 0.0]]))
        head.nominal_step.fill_(0.4)
    x = torch.tensor([[-1.0], [-1 / 3], [0.0], [0.0], [1 / 3], [1.0], [2.0], [2.0]])
    (usage,) = code_usage(head, lambda: head(x))
    (found,) = summary([usage])
    assert usage.dead.tolist() == [True, True, True, False], "weight code 0 in the third: a tenth of the range"
    assert (found.name, found.columns, found.dead) == ("", 4, 3)
    assert found.inputs_clipped == 2 / 8
    assert found.inputs_zero == 2 / 8
    assert found.used["inputs"] == 5 / 7
    shares = np.array([1, 1, 2, 1, 3]) / 8
    assert found.entropy["inputs"] == pytest.approx(-(shares * np.log2(shares)).sum())
    assert found.used["weights"] == 3 / 7, "0 five times, 1 once, 3 twice"
    assert found.entropy["weights"] == pytest.approx(5 / 8 * np.log2(8 / 5) + 3 / 8 + 4 / 8)
    assert set(found.used) == {"weights", "inputs", "adc"}
    assert found.adc_clipped == pytest.approx(float(usage.adc_clipped[0]))


def test_one_bit_codes_have_no_zero_to_leave_unused():
    torch.manual_seed(0)
    lstm = QuantLSTM(2, 3, dac_bits=1, weight_bits=1, adc_bits=4)
    (found,) = summary(code_usage(lstm, lambda: lstm(torch.randn(20, 4, 2))))
    assert [found.used[kind] for kind in ("weights", "inputs", "hidden")] == [1, 1, 1]
    assert found.entropy["inputs"] <= 1
    assert found.inputs_zero == 0
