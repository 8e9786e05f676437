"""Layers in reverse, and joined ones: descriptions, groups, and one sentence for each broken rule."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions, groups_of, step_times, turned
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer, RnnLayer
from ohmgate.model.reference import run
from tests.designs import random_inputs, random_network
from tests.model import oracle

LSTM = LstmLayer(inputs=3, hidden=2, adcs=4)
RNN = RnnLayer(inputs=3, hidden=2, adcs=2)
HEAD = DenseLayer(inputs=4, outputs=3, adcs=3, output="codes")
TOML = """name = "my"

[[layer]]
kind = "lstm"
inputs = 3
hidden = 2
adcs = 4
direction = "both"
max_steps = 7

[[layer]]
kind = "dense"
inputs = 4
outputs = 3
adcs = 3
output = "codes"
"""


def test_both_directions_of_a_file_are_two_layers(tmp_path):
    (tmp_path / "my.toml").write_text(TOML)
    design = Design.load(tmp_path / "my.toml")
    forward, reverse, head = design.layers
    assert (
        (forward, reverse)
        == both_directions(LSTM, 7)
        == (LSTM, replace(LSTM, direction="reverse", max_steps=7, joined=True))
    )
    assert (design.groups, design.max_steps, head) == (((0, 1), (2,)), 7, HEAD)
    design.save(tmp_path / "again.toml")
    assert Design.load(tmp_path / "again.toml") == design
    assert Design.from_dict(design.to_dict()) == design
    entries = design.to_dict()["layer"]
    fields = ("direction", "max_steps", "joined")
    assert [{k: e[k] for k in fields if k in e} for e in entries] == [
        {}, {"direction": "reverse", "max_steps": 7, "joined": True}, {}
    ]  # fmt: skip


def test_directions_and_what_is_kept_are_in_the_fingerprint():
    alone = replace(LSTM, direction="reverse", max_steps=7)
    designs = [Design("d", (x,)) for x in (LSTM, alone, replace(alone, max_steps=8))]
    designs += [Design("d", (*both_directions(LSTM, 7), HEAD)), Design("d", (LSTM, replace(HEAD, inputs=2)))]
    assert len({d.fingerprint for d in designs}) == len(designs)
    assert Design("d", (replace(LSTM, direction="forward"),)).fingerprint == designs[0].fingerprint


def test_groups_are_layers_of_the_same_inputs():
    pair = both_directions(LSTM, 7)
    assert groups_of((LSTM, *pair, HEAD)) == ((0,), (1, 2), (3,))
    assert Design("d", (LSTM,)).max_steps == 0


@pytest.mark.parametrize(
    "layers, said",
    [
        ((replace(LSTM, direction="back"),), "layer 0: direction must be one of forward, reverse, not 'back'"),
        ((replace(LSTM, direction="reverse"),), "layer 0: max steps of a layer in reverse must be an integer from 1 to 65535, not 0"),
        ((replace(LSTM, max_steps=3),), "layer 0: max steps must be 0 unless the direction is 'reverse', not 3"),
        ((replace(LSTM, joined=1),), "layer 0: joined must be true or false, not 1"),
        ((replace(LSTM, joined=True),), "layer 0: a joined layer must have the direction 'reverse', not 'forward'"),
        ((both_directions(LSTM, 3)[1],), "layer 0: a joined layer must follow an LSTM of direction 'forward'"),
        ((replace(LSTM, direction="reverse", max_steps=3), replace(both_directions(LSTM, 3)[1], inputs=3)),
         "layer 1: a joined layer must follow an LSTM of direction 'forward'"),
        ((RNN, both_directions(LSTM, 3)[1], HEAD),
         "layer 1: a joined layer must follow an LSTM of direction 'forward'"),
        ((LSTM, both_directions(RNN, 3)[1], HEAD),
         "layer 1: a joined layer must follow an RNN of direction 'forward'"),
        (both_directions(LSTM, 3), "layer 1: a layer must follow, which takes the joined outputs of both directions"),
        ((LSTM, replace(both_directions(LSTM, 3)[1], inputs=5), HEAD),
         "layer 1: inputs must be the 3 of layer 0, to which it is joined, not 5"),
        ((LSTM, replace(both_directions(LSTM, 3)[1], input_dac_bits=5), HEAD),
         "layer 1: bits of the inputs' DACs must be the 4 of layer 0, to which it is joined, not 5"),
        ((LSTM, replace(both_directions(LSTM, 3)[1], dac_bits=3, input_dac_bits=4), HEAD),
         "layer 1: output bits must be the 4 of layer 0, to which it is joined, not 3"),
        ((*both_directions(LSTM, 3), replace(HEAD, inputs=2)),
         "layer 2: inputs must be the 4 outputs of layers 0 and 1, not 2"),
        ((*both_directions(LSTM, 3), replace(HEAD, dac_bits=5)),
         "layer 2: DAC bits must be the 4 output bits of layers 0 and 1, not 5"),
        ((*both_directions(LSTM, 3), replace(LSTM, inputs=4, direction="reverse", max_steps=4)),
         "layer 2: max steps must be the 3 of layer 1, as sequences are as long in all layers, not 4"),
    ],
)  # fmt: skip
def test_each_broken_rule_has_a_sentence(layers, said):
    with pytest.raises(DesignError) as found:
        Design("d", layers)
    assert str(found.value) == said


def test_data_registers_are_refused():
    with pytest.raises(
        DesignError, match=r"^data_registers must be false with layers in reverse, whose results come "
    ):
        Design("d", (replace(LSTM, direction="reverse", max_steps=3),), data_registers=True)


def test_turning_keeps_what_is_past_a_length():
    values = np.arange(8).reshape(2, 4)
    assert turned(values, np.array([4, 3])).tolist() == [[3, 2, 1, 0], [6, 5, 4, 7]]
    assert turned(values[..., None], np.array([1, 2])).tolist() == [[[0], [1], [2], [3]], [[5], [4], [6], [7]]]


def test_when_steps_are_computed():
    """Forward, reverse when that sequence is whole, what is behind when the outputs are; then the next sequence."""
    layers = (*both_directions(LSTM, 3), HEAD)
    forward, reverse, head = step_times(layers, np.array([3, 2]), 3)
    assert forward.tolist() == [[0, 1, 2], [9, 10, 11]]
    assert reverse.tolist() == [[5, 4, 3], [13, 12, 14]]
    assert head.tolist() == [[6, 7, 8], [15, 16, 17]]
    assert step_times(layers, np.array([2]), 3, first_sequence=1)[1].tolist() == reverse[1:].tolist()


def test_the_reference_of_a_layer_in_reverse_is_the_forward_one_on_flipped_sequences():
    """Each sequence by itself, without its padding: a second way to the same integers."""
    rng = np.random.default_rng(0)
    design = Design(
        "d",
        (
            *both_directions(LSTM, 6),
            *both_directions(replace(LSTM, inputs=4, hidden=3), 6),
            replace(HEAD, inputs=6, emit="end"),
        ),
    )
    network = random_network(design, rng)
    codes, lengths = random_inputs(design, rng, batch=5, steps=6)
    result = run(network, codes, lengths)
    for b, length in enumerate(lengths):
        values = codes[b : b + 1, :length]
        for pair in (0, 2):
            alone = [
                Design("d", (replace(design.layers[pair + k], direction="forward", max_steps=0, joined=False),))
                for k in (0, 1)
            ]
            nets = [
                replace(
                    network,
                    design=d,
                    layers=(network.layers[pair + k],),
                    input_scale=(),
                    input_offset=(),
                    labels=(),
                    output_scale=(),
                    output_offset=(),
                )
                for k, d in enumerate(alone)
            ]
            forward = run(nets[0], values).layers[0]
            reverse = run(nets[1], values[:, ::-1]).layers[0]
            for name, stage in reverse.stages().items():
                assert np.array_equal(getattr(result.layers[pair + 1], name)[b, :length], stage[0, ::-1]), name
            assert np.array_equal(result.layers[pair].cell[b, :length], forward.cell[0])
            values = np.concatenate([forward.out, reverse.out[:, ::-1]], axis=2)
        assert np.array_equal(result.layers[4].drive[b, length - 1, :6], values[0, -1])
    assert result.layers[1].saturations == 0
    assert result.out.shape == (5, 3)


def test_both_directions_of_an_rnn_are_the_oracles_on_flipped_sequences():
    rng = np.random.default_rng(1)
    design = Design("d", (*both_directions(RNN, 5), replace(HEAD, inputs=4)))
    network = random_network(design, rng, labels=False)
    codes, lengths = random_inputs(design, rng, batch=4, steps=5)
    result = run(network, codes, lengths)
    one, other = ((layer, data, data.weights.tolist()) for layer, data in zip(design.layers[:2], network.layers))
    for b, length in enumerate(lengths):
        steps = codes[b, :length].tolist()
        forward, reverse = oracle.rnn(*one, steps), oracle.rnn(*other, steps[::-1])[::-1]
        joined = [first + second for first, second in zip(forward, reverse)]
        assert result.layers[2].drive[b, :length, :4].tolist() == joined
        assert result.layers[1].drive[b, length - 1, 3:5].tolist() == [0, 0], "its first step"


def test_a_file_has_both_directions_of_an_rnn(tmp_path):
    (tmp_path / "my.toml").write_text(TOML.replace("lstm", "rnn").replace("adcs = 4", "adcs = 2"))
    assert Design.load(str(tmp_path / "my.toml")).layers[:2] == both_directions(RNN, 7)


def test_a_sequence_that_is_too_long_is_refused():
    rng = np.random.default_rng(0)
    network = random_network(Design("d", (replace(LSTM, direction="reverse", max_steps=4),)), rng)
    codes, _ = random_inputs(network.design, rng, batch=1, steps=4)
    assert run(network, codes).out.shape == (1, 4, 2)
    longer = np.concatenate([codes, codes], axis=1)
    assert run(network, longer, [4]).out.shape == (1, 8, 2)
    with pytest.raises(
        DesignError, match=r"^a sequence must have at most the 4 steps that the layers in reverse keep, not 5$"
    ):
        run(network, longer, [5])
