"""The float model against torch's own layer on packed sequences, the quantised one against the float one."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ohmgate.model import reference
from ohmgate.train.calibrate import calibrate
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.config import FLOAT, QuantConfig
from ohmgate.train.layers.whole_model import evaluating
from ohmgate.train.speech.model import FloatLSTM, FloatModel, QuantModel

LENGTHS = torch.tensor([5, 9, 1, 7])


def test_two_directions_are_torch_s():
    torch.manual_seed(0)
    ours, theirs = FloatLSTM(6, 4, 3, 0.0), nn.LSTM(6, 4, 3, batch_first=True, bidirectional=True)
    theirs.load_state_dict(ours.named_as_torch())
    values = torch.randn(4, 9, 6)
    packed = pack_padded_sequence(values, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(values, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        assert torch.allclose(found[row, :length], expected[row, :length], atol=1e-6)


def test_arrays_without_quantisers_are_the_float_model():
    torch.manual_seed(0)
    floating, config = FloatModel(4, 2, 0.5), QuantConfig(weight_bits=FLOAT, dac_bits=FLOAT, adc_bits=FLOAT)
    quantised = QuantModel(4, 2, 0.0, config, config)
    quantised.load_state_dict(floating.named_as_torch(), strict=False)
    values = torch.rand(4, 9, 78) * 2 - 1
    with evaluating(floating), evaluating(quantised):
        expected, found = floating(values, LENGTHS), quantised(values, LENGTHS)
    assert found.shape == (4, 9, 28)
    for row, length in enumerate(LENGTHS.tolist()):
        assert torch.allclose(found[row, :length], expected[row, :length], atol=1e-5)


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    values = torch.rand(4, 9, 78) * 2 - 1
    for model in (FloatModel(4, 2, 0.5), QuantModel(4, 2, 0.5, QuantConfig(), QuantConfig(adc_bits=8))):
        assert not torch.equal(model(values, LENGTHS), model(values, LENGTHS))
        with evaluating(model):
            first = model(values, LENGTHS)
            assert torch.equal(first, model(values, LENGTHS))
            alone = model(values[2:3, :1], LENGTHS[2:3])
        assert alone[0, 0].numpy() == pytest.approx(np.asarray(first[2, 0]), abs=1e-6)


def test_the_quantised_model_is_a_network_of_integers():
    """Exported with its lengths, the integer reference gives the same codes; and the scores that the host reads."""
    torch.manual_seed(0)
    model = QuantModel(4, 2, 0.3, QuantConfig(input_drive=2), QuantConfig(adc_bits=8))
    values = 2 * torch.randn(4, 9, 78)
    calibrate(model, lambda: model(values, LENGTHS))
    network = export(model, values, LENGTHS, max_steps=12)
    assert [layer.direction for layer in network.design.layers[:4]] == ["forward", "reverse"] * 2
    compared = verify_export(model, values, LENGTHS, network=network)
    assert compared.mismatches == 0
    assert compared.integers > 1000
    with evaluating(model):
        expected = model(values, LENGTHS)
    found = network.decode(reference.run(network, network.encode(values.numpy()), LENGTHS.numpy()).out)
    for row, length in enumerate(LENGTHS.tolist()):
        assert found[row, :length] == pytest.approx(expected[row, :length].numpy(), abs=1e-6)
