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


both_and_one = pytest.mark.parametrize("bidirectional", [True, False])


@both_and_one
def test_layers_are_torch_s(bidirectional):
    torch.manual_seed(0)
    ours = FloatLSTM(6, 4, 3, 0.0, bidirectional)
    theirs = nn.LSTM(6, 4, 3, batch_first=True, bidirectional=bidirectional)
    theirs.load_state_dict(ours.named_as_torch())
    values = torch.randn(4, 9, 6)
    packed = pack_padded_sequence(values, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(values, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        assert torch.allclose(found[row, :length], expected[row, :length], atol=1e-6)


@both_and_one
def test_arrays_without_quantisers_are_the_float_model(bidirectional):
    torch.manual_seed(0)
    config = QuantConfig(weight_bits=FLOAT, dac_bits=FLOAT, adc_bits=FLOAT)
    floating, quantised = FloatModel(4, 2, 0.5, bidirectional), QuantModel(4, 2, 0.0, config, config, bidirectional)
    quantised.load_state_dict(floating.named_as_torch(), strict=False)
    values = torch.rand(4, 9, 78) * 2 - 1
    with evaluating(floating), evaluating(quantised):
        expected, found = floating(values, LENGTHS), quantised(values, LENGTHS)
    assert found.shape == (4, 9, 28)
    for row, length in enumerate(LENGTHS.tolist()):
        assert torch.allclose(found[row, :length], expected[row, :length], atol=1e-5)


@both_and_one
def test_dropout_acts_in_training_alone(bidirectional):
    torch.manual_seed(0)
    values = torch.rand(4, 9, 78) * 2 - 1
    quantised = QuantModel(4, 2, 0.5, QuantConfig(), QuantConfig(adc_bits=8), bidirectional)
    for model in (FloatModel(4, 2, 0.5, bidirectional), quantised):
        assert not torch.equal(model(values, LENGTHS), model(values, LENGTHS))
        with evaluating(model):
            first = model(values, LENGTHS)
            assert torch.equal(first, model(values, LENGTHS))
            alone = model(values[2:3, :1], LENGTHS[2:3])
        assert alone[0, 0].numpy() == pytest.approx(np.asarray(first[2, 0]), abs=1e-6)


@both_and_one
def test_dropout_is_between_layers(bidirectional):
    """Where all is left out, the second layer hears 0."""
    torch.manual_seed(0)
    lstm, values = FloatLSTM(6, 4, 2, 1.0, bidirectional), torch.randn(4, 9, 6)
    nothing = torch.zeros(4, 9, lstm.outputs)
    second = FloatLSTM(lstm.outputs, 4, 1, 0.0, bidirectional)
    second.forwards, second.reverse = lstm.forwards[1:], lstm.reverse[1:]
    assert torch.equal(lstm(values, LENGTHS), second(nothing, LENGTHS))
    with evaluating(lstm):
        assert not torch.allclose(lstm(values, LENGTHS), second(nothing, LENGTHS), atol=1e-3)


@both_and_one
def test_one_direction_hears_while_someone_speaks(bidirectional):
    """What comes later changes nothing of what was heard before; in both directions it does."""
    torch.manual_seed(0)
    quantised = QuantModel(4, 2, 0.0, QuantConfig(), QuantConfig(adc_bits=8), bidirectional)
    values, whole = 2 * torch.rand(1, 9, 78) - 1, torch.tensor([9])
    for model in (FloatModel(4, 2, 0.0, bidirectional), quantised):
        with evaluating(model):
            expected = model(values, whole)
            for step in range(1, 9):
                cut = model(values[:, :step], torch.tensor([step]))
                later = model(torch.cat([values[:, :step], -values[:, step:]], dim=1), whole)[:, :step]
                same = [torch.allclose(found, expected[:, :step], atol=1e-6) for found in (cut, later)]
                assert same == [not bidirectional] * 2


@both_and_one
def test_the_quantised_model_is_a_network_of_integers(bidirectional):
    """Exported with its lengths, the integer reference gives the same codes; and the scores that the host reads."""
    torch.manual_seed(0)
    model = QuantModel(4, 2, 0.3, QuantConfig(input_drive=2), QuantConfig(adc_bits=8), bidirectional)
    values = 2 * torch.randn(4, 9, 78)
    calibrate(model, lambda: model(values, LENGTHS))
    network = export(model, values, LENGTHS, **({"max_steps": 12} if bidirectional else {}))
    directions = [layer.direction for layer in network.design.layers[:-1]]
    assert directions == (["forward", "reverse"] if bidirectional else ["forward"]) * 2
    compared = verify_export(model, values, LENGTHS, network=network)
    assert compared.mismatches == 0
    assert compared.integers > (1000 if bidirectional else 500)
    with evaluating(model):
        expected = model(values, LENGTHS)
    found = network.decode(reference.run(network, network.encode(values.numpy()), LENGTHS.numpy()).out)
    for row, length in enumerate(LENGTHS.tolist()):
        assert found[row, :length] == pytest.approx(expected[row, :length].numpy(), abs=1e-6)
