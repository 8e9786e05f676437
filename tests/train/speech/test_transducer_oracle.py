"""Random transducers of arrays against integers one value at a time, which share no code with them."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch

from ohmgate.train.calibrate import calibrate
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.whole_model import evaluating
from ohmgate.train.speech.transducer_model import QuantTransducer, Sizes
from ohmgate.train.speech.transducer_networks import IntegerTransducer, networks_of
from tests.model import oracle


def random_config(rng: np.random.Generator) -> QuantConfig:
    fraction = int(rng.integers(6, 24))
    return QuantConfig(
        weight_bits=int(rng.integers(1, 9)),
        dac_bits=int(rng.integers(1, 9)),
        adc_bits=int(rng.integers(1, 9)),
        input_dac_bits=int(rng.choice([0, 0, *range(1, 9)])),
        bias_rows=int(rng.integers(0, 3)),
        tables=str(rng.choice(["loaded", "loaded", "constant"])),
        quantiser=str(rng.choice(["lsq", "absmax", "sawb"])),
        per_gate=bool(rng.integers(2)),
        input_drive=int(rng.integers(1, 5)),
        activation_bits=int(rng.integers(3, 12)),
        cell_fraction=fraction,
        cell_bits=fraction + int(rng.integers(1, 8)),
        tanh_bits=int(rng.integers(2, 9)),
        tanh_fraction=int(rng.integers(0, 6)),
    )


def chained(network, codes: np.ndarray) -> np.ndarray:
    """(T, outputs) of codes (T, inputs): each layer by the oracle, in its own direction."""
    steps = codes.tolist()
    for group in network.design.groups:
        parts = []
        for index in group:
            layer, data = network.design.layers[index], network.layers[index]
            run = {"lstm": oracle.lstm, "dense": oracle.dense}[layer.kind]
            found = run(layer, data, data.weights.tolist(), steps[::-1] if layer.reverse else steps)
            parts.append(found[::-1] if layer.reverse else found)
        steps = [[*chain.from_iterable(step)] for step in zip(*parts, strict=True)]
    return np.array(steps)


def seeds(default: int, full: int):
    return [pytest.param(seed, marks=() if seed < default else pytest.mark.full) for seed in range(full)]


@pytest.mark.filterwarnings("ignore:.*of the inputs of layer")
@pytest.mark.parametrize("seed", seeds(2, 60))
def test_a_transducers_scores_are_those_of_the_oracles_integers(seed):
    """Pairs of padded utterances, one of a single step and one in which nothing is said among them; also driven
    together, and by a search's own integers."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    config = random_config(rng)
    head = replace(config, adc_bits=int(rng.integers(2, 9)), input_drive=1, input_dac_bits=0)
    model = QuantTransducer(Sizes(*rng.integers(1, [5, 3, 6, 6, 6]).tolist()), config, head)
    lengths, counts = torch.tensor([1, 4, 2]), torch.tensor([2, 0, 1])
    values = float(rng.choice([0.3, 1, 3])) * torch.randn(3, 4, 78)
    symbols = torch.from_numpy(rng.integers(1, 28, (3, 2)))
    calibrate(model, lambda: model.together(values, lengths, symbols))
    with evaluating(model):
        apart, together = model(values, lengths, symbols, counts).float(), model.together(values, lengths, symbols)
        networks = networks_of(model, values, lengths)
    integers = IntegerTransducer(networks)
    frames = integers.frames(values.numpy(), lengths.numpy())
    for b, (steps, count) in enumerate(zip(lengths.tolist(), counts.tolist())):
        heard = chained(networks.encoder, networks.encoder.encode(values[b, :steps].numpy()))
        said = chained(networks.prediction, networks.symbol_codes(symbols[b, :count].tolist()))
        pairs = np.array([[*heard[t], *said[u]] for t in range(steps) for u in range(count + 1)])
        found = networks.joint.decode(chained(networks.joint, pairs)).astype(np.float32).reshape(steps, count + 1, -1)
        assert np.array_equal(heard, frames[b])
        assert np.array_equal(said[-1], integers.predicted(tuple(symbols[b, :count].tolist())))
        assert np.array_equal(found, apart[b, :steps, : count + 1].numpy())
        assert np.array_equal(found, together[b, :steps, : count + 1].numpy())
