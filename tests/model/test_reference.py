"""The vectorised reference against the scalar oracle, and its own promises."""

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError, full_scale, symmetric_codes
from ohmgate.model.layers import LstmLayer
from ohmgate.model.layout import row_drive, row_top
from ohmgate.model.network import LayerData, Network, nominal_tables
from ohmgate.model.reference import exact_codes, hidden_code, run
from tests.designs import perhaps_simple, perhaps_tiled, random_design, random_inputs, random_network, seeds
from tests.model import oracle


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_the_reference_equals_the_scalar_oracle(seed):
    rng = np.random.default_rng(seed)
    design = perhaps_simple(random_design(rng, max_bits=8), np.random.default_rng([1, seed]))
    network = random_network(perhaps_tiled(design, rng), rng)
    codes, lengths = random_inputs(network.design, rng, batch=2, steps=4)
    result = run(network, codes, lengths)
    at_end = getattr(network.design.layers[-1], "emit", "step") == "end"
    for k, length in enumerate(lengths):
        expected = oracle.run_sequence(network, codes[k, :length])
        got = result.out[k][None] if at_end else result.out[k, :length]
        assert got.tolist() == expected


def test_the_widest_design_is_exact_in_float64():
    """16-bit codes, 4096 inputs at full scale: float64 products must equal Python's integers."""
    design = Design.from_dict({"name": "wide", "layer": [{
        "kind": "dense", "inputs": 4096, "outputs": 1, "adcs": 1, "dac_bits": 16, "weight_bits": 16, "adc_bits": 16,
        "output": "codes",
    }]})  # fmt: skip
    top = full_scale(16)
    weights = np.full((4097, 1), top)
    weights[::2] = top - 1
    network = Network(design, (LayerData(weights, np.array([255]), np.array([35]), None),))
    drive = np.full((1, 4097), top)
    total = sum(int(w) * top for w in weights[:, 0])
    assert exact_codes(network)(0, drive, np.array([True])).item() == (total * 255) >> 35


def test_the_widest_dacs_beside_the_narrowest_are_exact_in_float64():
    """Hidden codes of 16 bits, one-bit inputs that are driven 16 times as hard: no sum is beyond 2^53."""
    layer = LstmLayer(
        inputs=4096, hidden=4096, adcs=4, bias_rows=64, dac_bits=16, input_dac_bits=1, weight_bits=16, adc_bits=16,
        input_drive=16,
    )  # fmt: skip
    rows = 4096 * 16 * 2**15 + 4160 * full_scale(16)
    assert row_drive(layer) @ row_top(layer) == rows
    assert rows * full_scale(16) < 2**53
    assert rows * full_scale(16) * 255 < 2**63


def vowels_network(rng):
    return random_network(Design.load("vowels"), rng)


def test_a_batch_gives_what_each_sequence_gives_alone():
    rng = np.random.default_rng(5)
    network = vowels_network(rng)
    codes, lengths = random_inputs(network.design, rng, batch=9, steps=7)
    whole = run(network, codes, lengths)
    for k, length in enumerate(lengths):
        alone = run(network, codes[k : k + 1, :length])
        assert alone.out.tolist() == whole.out[k : k + 1].tolist()
        assert np.array_equal(alone.layers[0].cell[0], whole.layers[0].cell[k, :length])
        assert not whole.layers[0].cell[k, length:].any()


def test_hidden_rows_are_not_driven_on_the_first_step():
    rng = np.random.default_rng(6)
    design = random_design(rng, layers=1, dac_bits=1, inputs=3)
    while design.layers[0].kind != "lstm":
        design = random_design(rng, layers=1, dac_bits=1, inputs=3)
    network = random_network(design, rng)
    layer = design.layers[0]
    codes, _ = random_inputs(design, rng, batch=3, steps=2)
    drive = run(network, codes).layers[0].drive
    hidden = slice(layer.inputs, layer.inputs + layer.hidden)
    assert (drive[:, 0, hidden] == 0).all()
    assert (np.abs(drive[:, 1, hidden]) == 1).all(), "one bit has no zero"


def test_saturations_are_counted():
    design = Design.from_dict({"name": "small", "layer": [
        {"kind": "lstm", "inputs": 1, "hidden": 1, "adcs": 4, "cell_bits": 8, "cell_fraction": 7, "tanh_fraction": 5}
    ]})  # fmt: skip
    layer = design.layers[0]
    weights = np.array([[7, 7, 7, 7], [0, 0, 0, 0], [7, 7, 7, 7]])
    network = Network(design, (LayerData(weights, np.full(4, 1), np.full(4, 1), nominal_tables(layer)),))
    result = run(network, np.full((1, 6, 1), 7))
    # f = i = 251/256, g = 127/128 (z = 3.75 on 16 codes): c = 125, then 248 > 127 saturates on every later step
    assert result.layers[0].cell[0, 1:, 0].tolist() == [127] * 5
    assert result.layers[0].saturations == 5


def test_saturations_of_padded_steps_are_not_counted():
    """Ragged lengths: of each sequence what it counts alone. Its padding is no input, or it would saturate as well."""
    design = Design.from_dict({"name": "small", "layer": [
        {"kind": "lstm", "inputs": 1, "hidden": 2, "adcs": 4, "cell_bits": 8, "cell_fraction": 7, "tanh_fraction": 5}
    ]})  # fmt: skip
    layer = design.layers[0]
    weights = np.full((4, 8), 7)
    weights[1:3] = 0
    weights[:, 7] = -7  # g of the second unit: its cell saturates below
    network = Network(design, (LayerData(weights, np.full(4, 1), np.full(4, 1), nominal_tables(layer)),))
    codes, lengths = np.full((4, 6, 1), 7), np.array([6, 1, 3, 2])
    alone = [run(network, codes[k : k + 1, :length]).layers[0].saturations for k, length in enumerate(lengths)]
    assert alone == [10, 0, 4, 2]
    result = run(network, codes, lengths).layers[0]
    assert result.saturations == sum(alone)
    assert result.cell[0, -1].tolist() == [127, -128]


def test_weights_and_inputs_of_one_bit_have_no_zero():
    """A drive of 0 is a row that is not driven; as a code of one bit it is refused, as is a weight of 0."""
    content = {
        "kind": "dense",
        "inputs": 2,
        "outputs": 1,
        "adcs": 1,
        "dac_bits": 1,
        "weight_bits": 1,
        "output": "codes",
    }
    design = Design.from_dict({"name": "signs", "layer": [content]})
    one = np.array([1])
    network = Network(design, (LayerData(np.array([[1], [-1], [1]]), one, 0 * one, None),))
    assert run(network, np.array([[[1, 1]], [[-1, 1]], [[1, -1]]])).out.ravel().tolist() == [1, -1, 3]
    assert network.encode([[[0.0, -0.0], [-1e-9, 0.0]]]).tolist() == [[[1, 1], [-1, 1]]]
    with pytest.raises(DesignError, match="^input codes must be symmetric 1-bit codes$"):
        run(network, np.array([[[0, 1]]]))
    with pytest.raises(DesignError, match=r"^layer 0: weights must be symmetric 1-bit codes, not 0 at \(1, 0\)$"):
        Network(design, (LayerData(np.array([[1], [0], [1]]), one, 0 * one, None),))


def test_inputs_have_the_codes_of_their_own_dacs():
    """8 bits before hidden codes of one: a code of the latter counts 128 times."""
    layer = LstmLayer(inputs=1, hidden=1, adcs=4, dac_bits=1, input_dac_bits=8, weight_bits=1, adc_bits=8)
    one = np.ones(4, dtype=int)
    network = Network(
        Design("own", (layer,)), (LayerData(np.array([one, -one, one]), one, 2 * one, np.zeros((4, 256), int)),)
    )
    assert network.encode([[1.0], [0.5], [-2.0]]).tolist() == [[127], [64], [-127]]
    trace = run(network, np.array([[[127], [-127]]])).layers[0]
    assert trace.drive.tolist() == [[[127, 0, 1], [-127, 1, 1]]], "tables of 0 make h 0, whose sign is +1"
    assert trace.adc[0, :, 0].tolist() == [(127 + 128) // 4, (-127 - 128 + 128) // 4]
    with pytest.raises(DesignError, match="^input codes must be symmetric 8-bit codes$"):
        run(network, np.array([[[-128]]]))


def test_the_product_zero_is_the_hidden_code_plus_one_for_one_bit():
    layer = Design.from_dict(
        {"name": "one", "layer": [{"kind": "lstm", "inputs": 1, "hidden": 1, "adcs": 4, "dac_bits": 1}]}
    ).layers[0]
    assert hidden_code(layer, np.array([-1, 0, 1])).tolist() == [-1, 1, 1]


@pytest.mark.parametrize(
    "codes, lengths, sentence",
    [
        (np.zeros((2, 3, 5), int), None,
         r"input codes must be integers of shape \(batch, steps, 12\), not int64 of \(2, 3, 5\)"),
        (np.zeros((2, 3, 12)), None,
         r"input codes must be integers of shape \(batch, steps, 12\), not float64 of \(2, 3, 12\)"),
        (np.zeros((2, 3, 12), int), [3], "lengths must be one integer from 1 to 3 for each sequence"),
        (np.zeros((2, 3, 12), int), [0, 3], "lengths must be one integer from 1 to 3 for each sequence"),
        (np.zeros((2, 3, 12), int), [4, 3], "lengths must be one integer from 1 to 3 for each sequence"),
        (np.zeros((3, 12), int), None,
         r"input codes must be integers of shape \(batch, steps, 12\), not int64 of \(3, 12\)"),
        (np.full((2, 3, 12), 8), None, "input codes must be symmetric 4-bit codes"),
        (np.full((2, 3, 12), -8), None, "input codes must be symmetric 4-bit codes"),
    ],
)  # fmt: skip
def test_wrong_inputs_are_named(codes, lengths, sentence):
    network = vowels_network(np.random.default_rng(0))
    with pytest.raises(DesignError, match=f"^{sentence}$"):
        run(network, codes, lengths)


def test_codes_past_a_length_are_ignored():
    rng = np.random.default_rng(1)
    network = vowels_network(rng)
    codes = rng.choice(symmetric_codes(4), size=(1, 4, 12))
    dirty = codes.copy()
    dirty[0, 2:] = 99
    assert run(network, codes, [2]).out.tolist() == run(network, dirty, [2]).out.tolist()
