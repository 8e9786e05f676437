"""Layers in both directions: torch's own LSTM in float, and every integer of a quantised network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ohmgate.firmware.image import pack, unpack
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train.data.datasets import vowels
from ohmgate.train.export.verify import verify
from ohmgate.train.layers.modules import QuantLSTM
from ohmgate.train.network import DesignNetwork
from ohmgate.train.training import check_fit
from tests.designs import random_inputs, random_network

FIRST, SECOND = LstmLayer(inputs=3, hidden=4, adcs=8), LstmLayer(inputs=8, hidden=2, adcs=4)
HEAD = DenseLayer(inputs=4, outputs=2, adcs=2, output="codes", emit="end")
DESIGN = Design("both", (*both_directions(FIRST, 9), *both_directions(SECOND, 9), HEAD))


def give(arrays, theirs: torch.nn.LSTM) -> None:
    """Put the weights of torch's layer into ``arrays``, forward and reverse."""
    ours = QuantLSTM(theirs.input_size, theirs.hidden_size, bidirectional=True, config=arrays[0].config).double()
    ours.load_state_dict(theirs.state_dict())
    for array, other in zip(arrays, ours.arrays):
        array.load_state_dict(other.state_dict())


@pytest.mark.parametrize("emit", ["end", "step"])
def test_a_float_network_is_torchs_stacked_bidirectional_lstm(emit):
    """Packed sequences, of all lengths: order, joins, and the last step of both directions."""
    torch.manual_seed(0)
    model = DesignNetwork(replace(DESIGN, layers=(*DESIGN.layers[:4], replace(HEAD, emit=emit))), floating=True)
    model = model.double().eval()
    first = torch.nn.LSTM(3, 4, bidirectional=True, batch_first=True).double()
    second = torch.nn.LSTM(8, 2, bidirectional=True, batch_first=True).double()
    head = torch.nn.Linear(4, 2).double()
    give(model.layers[:2], first)
    give(model.layers[2:4], second)
    with torch.no_grad():
        model.layers[4].cells.copy_(torch.cat([head.weight.T, head.bias[None]]))
    inputs, lengths = torch.rand(5, 9, 3).double() * 2 - 1, torch.tensor([9, 3, 1, 7, 5])
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    hidden, _ = pad_packed_sequence(second(first(packed)[0])[0], batch_first=True)
    want, got = head(hidden), model(inputs, lengths)
    for b, length in enumerate(lengths):
        one, other = (got[b], want[b, length - 1]) if emit == "end" else (got[b, :length], want[b, :length])
        assert torch.allclose(one, other, atol=1e-12)
    whole = model(inputs)
    assert torch.allclose(whole[0], got[0])
    assert not torch.allclose(whole[1], got[1]), "lengths count"


@pytest.mark.parametrize("seed", range(3))
def test_every_integer_of_a_quantised_network(seed):
    network = random_network(DESIGN, np.random.default_rng(seed))
    codes, lengths = random_inputs(DESIGN, np.random.default_rng(seed), batch=6, steps=9)
    found = verify(DesignNetwork.from_network(unpack(pack(network))), codes, lengths, network, batch=4)
    assert found.agrees, str(found)
    assert {layer for layer, _ in found.stages} == set(range(5))


def test_the_first_difference_is_the_first_that_is_computed():
    """Another weight of layer 1, in reverse: its last step differs first, and layer 0 not at all."""
    network = random_network(DESIGN, np.random.default_rng(0))
    codes, lengths = random_inputs(DESIGN, np.random.default_rng(0), batch=3, steps=9)
    data = network.layers[1]
    other = replace(network, layers=(network.layers[0], replace(data, mult=data.mult // 2 + 1), *network.layers[2:]))
    found = verify(DesignNetwork.from_network(other), codes, lengths, network)
    assert found.first is not None
    assert (found.first.layer, found.first.sequence, found.first.step) == (1, 0, lengths[0] - 1)
    assert found.stages[0, "ADC code"][1] == 0


def test_data_of_longer_sequences_are_refused():
    pair, head = (
        both_directions(LstmLayer(inputs=12, hidden=4, adcs=4), 28),
        replace(HEAD, inputs=8, outputs=9, adcs=9),
    )
    with pytest.raises(DesignError, match=r"^a design for vowels must keep its 29 steps in layers in reverse \(max_"):
        check_fit(Design("short", (*pair, head)), vowels())
    check_fit(Design("long", (pair[0], replace(pair[1], max_steps=29), head)), vowels())
