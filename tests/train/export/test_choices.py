"""What a model does not say of its hardware: ADCs, when a head is read, and what it gives."""

import numpy as np
import pytest
import torch
from torch import nn

from ohmgate.model import reference
from ohmgate.model.formats import DesignError
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export, verify_modules
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM

T, B = 5, 7
X = torch.rand(B, T, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Net(nn.Module):
    def __init__(self, last: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.fc, self.last = QuantLSTM(3, 12, batch_first=True), QuantLinear(12, 6), last

    def forward(self, x):
        out = self.lstm(x)[0]
        return self.fc(out[:, -1] if self.last else out)


def adcs(network) -> list[int]:
    return [layer.adcs for layer in network.design.layers]


@pytest.mark.parametrize(
    "model, expected",
    [
        (lambda: QuantLSTM(8, 1024), 4096),  # one for each column
        (lambda: QuantLSTM(8, 1100), 2200),  # 4 times 550: 1100 are more than 1024
        (lambda: QuantLSTM(1, 1031), 4),  # 1031 is a prime number
        (lambda: QuantLinear(8, 4096), 4096),
        (lambda: QuantLinear(8, 10000), 2500),
        (lambda: QuantLinear(1, 4099), 1),  # a prime number
    ],
)
def test_default_adcs_divide_the_columns_and_stay_within_the_limit(model, expected):
    assert adcs(export(model())) == [expected]


def test_large_models_are_verified_without_anybody_setting_a_number():
    layer, x = QuantLinear(8, 10000), torch.rand(2, 8)
    assert verify_export(layer, x).integers == 2 * 10000
    assert verify_modules(layer, x).integers == 2 * 10000
    lstm, x = QuantLSTM(2, 1100), torch.rand(2, 1, 2)
    assert str(verify_export(lstm, x)) == f"{2 * (4 * 1100 * 2 + 2 * 1100)} integers compared, 0 differ"


@pytest.mark.parametrize(
    "given, expected",
    [(None, [48, 6]), (48, [48, 6]), (47, [24, 6]), (17, [16, 6]), (5, [4, 3]), (4, [4, 3]), ([16, 2], [16, 2]), ((8, 1), [8, 1])],
)  # fmt: skip
def test_a_number_is_the_most_and_a_list_is_exact(given, expected):
    model = Net(True)
    network = export(model, X, adcs=given)
    assert adcs(network) == expected
    assert network.layers == export(model, X).layers
    assert verify_export(model, X, network=network).mismatches == 0
    assert adcs(export([model.lstm.arrays[0], model.fc], adcs=given)) == expected


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("emit", [None, "end"])
@pytest.mark.parametrize("output", [None, "codes", "argmax"])
def test_a_head_gives_what_is_asked_for(last, emit, output):
    model = Net(last).eval()
    network = export(model, X, emit=emit, output=output)
    head = network.design.layers[-1]
    assert (head.emit, head.output) == ("end" if last or emit else "step", output or "codes")
    result = reference.run(network, network.encode(X.numpy()), np.full(B, T))
    values = model(X).detach()
    values = values if last or head.emit == "step" else values[:, -1]
    if output == "argmax":
        assert (result.out[..., 0] == values.argmax(-1).numpy()).all()
    else:
        np.testing.assert_allclose(network.decode(result.out), values.numpy(), rtol=1e-6)
    assert verify_export(model, X, network=network).mismatches == 0
    network.layers[1].weights[:] = -network.layers[1].weights
    different = verify_export(model, X, network=network)
    assert (different.first.layer, different.first.stage) == (1, "ADC code")


LSTM = "emit must be left out where the last layer is an LSTM, which has no choice, not 'end'"


@pytest.mark.parametrize(
    "make, choices, sentence",
    [
        (lambda: Net(True), {"emit": "step"}, "emit must be 'end', or left out, as the model reads its head there alone"),
        (lambda: Net(True), {"emit": "now"}, "emit must be one of step, end, not 'now'"),
        (lambda: QuantLSTM(3, 4, batch_first=True), {"emit": "end"}, LSTM),
        (lambda: Net(True), {"output": "value"}, "output must be one of codes, argmax, not 'value'"),
        (lambda: QuantLSTM(3, 4, batch_first=True), {"output": "argmax"}, "output must be left out where the last layer is no head, not 'argmax'"),
        (lambda: LinearArray(3, 4, QuantConfig(), function="tanh", output_bits=4), {"output": "codes"}, "output must be left out where the last layer is no head, not 'codes'"),
        (lambda: Net(True), {"adcs": 3}, "adcs must be 4 or more for an LSTM, one for each gate, not 3"),
        (lambda: Net(True), {"adcs": 0}, "adcs must be an integer from 1 to 4096, not 0"),
        (lambda: Net(True), {"adcs": 4097}, "adcs must be an integer from 1 to 4096, not 4097"),
        (lambda: Net(True), {"adcs": [4]}, "adcs must be a number, or one for each of the 2 arrays, not [4]"),
        (lambda: Net(True), {"adcs": "16"}, "adcs must be a number, or one for each of the 2 arrays, not '16'"),
        (lambda: Net(True), {"adcs": [20, 6]}, "layer 0: ADCs must be 4 times a divisor of the 12 hidden units, not 20"),
        (lambda: Net(True), {"adcs": [4, 5]}, "layer 1: ADCs must be a divisor of the 6 outputs, not 5"),
        (lambda: Net(True), {"output": "argmax", "output_scale": 2.0}, "output_scale must be empty for a head with output 'argmax', which gives no values"),
    ],
)  # fmt: skip
def test_sentences(make, choices, sentence):
    with pytest.raises(DesignError) as error:
        export(make(), X, **choices)
    assert str(error.value) == sentence
