"""The random cases that other tests rely on cover what they promise."""

import numpy as np

from ohmgate.model import reference
from tests.designs import perhaps_simple, random_design, random_inputs, random_network


def test_a_seed_gives_one_case():
    for seed in range(20):
        first, second = (np.random.default_rng(seed) for _ in range(2))
        networks = [random_network(random_design(rng), rng) for rng in (first, second)]
        assert networks[0] == networks[1]
        assert np.array_equal(*(random_inputs(networks[0].design, rng)[0] for rng in (first, second)))


def test_every_format_and_choice_occurs():
    layers = [x for seed in range(400) for x in random_design(np.random.default_rng(seed)).layers]
    for field in ("dac_bits", "weight_bits", "adc_bits"):
        assert {getattr(x, field) for x in layers} == set(range(1, 9)), field
    assert {x.tables for x in layers} == {"loaded", "constant"}
    assert {0, 2} < {x.conversion_cycles for x in layers}
    lstm, dense = ([x for x in layers if x.kind == kind] for kind in ("lstm", "dense"))
    assert {x.activation_bits for x in lstm} == set(range(2, 17))
    assert {x.cell_bits for x in lstm} == set(range(4, 33))
    assert {x.tanh_bits for x in lstm} == set(range(1, 13))
    assert {1, 2} < {x.conversions for x in lstm}
    widths = {(x.own_input_bits, x.dac_bits) for x in lstm}
    assert {(0, bits) for bits in range(1, 9)} < widths
    for narrow, wide in ((1, 8), (8, 1), (2, 4), (4, 2)):
        assert (narrow, wide) in widths
    assert {x.output for x in dense} == {"table", "codes", "argmax"}
    assert {x.emit for x in dense} == {"step", "end"}


def test_rnns_take_the_places_of_some_lstms_and_all_else_is_the_same():
    designs = [random_design(np.random.default_rng(seed)) for seed in range(150)]
    changed = [perhaps_simple(design, np.random.default_rng([3, k])) for k, design in enumerate(designs)]
    pairs = [pair for one, other in zip(designs, changed) for pair in zip(one.layers, other.layers)]
    kinds = {(one.kind, other.kind) for one, other in pairs}
    assert kinds == {("lstm", "lstm"), ("lstm", "rnn"), ("dense", "dense")}
    assert all(one == other for one, other in pairs if other.kind != "rnn")
    rnn = [other for _, other in pairs if other.kind == "rnn"]
    assert {x.function for x in rnn} == {"identity", "relu", "tanh"}
    assert {x.dac_bits for x in rnn} == set(range(1, 9))
    assert {1, 2} < {x.conversions for x in rnn}


def test_most_codes_are_not_clipped_and_most_are_not_one_value():
    """Of ADCs with at least 3 bits, over 200 networks."""
    clipped, spread = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        network = random_network(random_design(rng), rng)
        codes, lengths = random_inputs(network.design, rng, batch=8, steps=6)
        result = reference.run(network, codes, lengths)
        for layer, trace in zip(network.design.layers, result.layers):
            top = 2 ** (layer.adc_bits - 1)
            live = trace.adc[trace.drive.any(axis=2)]
            if layer.adc_bits >= 3 and live.size:
                clipped.append(((live == -top) | (live == top - 1)).mean())
                spread.append(len(np.unique(live)) / min(2 * top, live.size))
    assert len(clipped) > 150
    assert np.mean(clipped) < 0.25
    assert np.mean(spread) > 0.3
