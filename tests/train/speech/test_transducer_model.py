"""Transducers: the lattice of scores pair by pair, the quantised one against the float one and as networks."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from ohmgate.model import reference
from ohmgate.model.formats import DesignError, full_scale
from ohmgate.train.calibrate import calibrate
from ohmgate.train.export import export
from ohmgate.train.layers.config import FLOAT, QuantConfig
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.whole_model import arrays_of, evaluating, set_noise
from ohmgate.train.speech.transducer_model import FloatTransducer, QuantTransducer, Sizes

SIZES = Sizes(hidden=4, layers=2, encoded=7, predicted=5, joined=6)
LENGTHS, COUNTS = torch.tensor([5, 9, 1]), torch.tensor([3, 0, 2])
SYMBOLS = torch.tensor([[4, 1, 27], [0, 0, 0], [9, 9, 0]])


def values(seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(3, 9, 78, generator=torch.Generator().manual_seed(seed))


def arguments() -> tuple[torch.Tensor, ...]:
    return values(), LENGTHS, SYMBOLS, COUNTS


def quantised(config: QuantConfig | None = None) -> QuantTransducer:
    torch.manual_seed(1)
    config = QuantConfig(input_drive=2) if config is None else config
    model = QuantTransducer(SIZES, config, QuantConfig(adc_bits=8))
    calibrate(model, lambda: model.together(*arguments()[:3]))
    return model


def test_scores_are_those_of_each_pair_alone():
    """Of a step and of the symbols so far, each from the layers as a textbook has them; 0 beyond."""
    torch.manual_seed(0)
    model = FloatTransducer(SIZES, 0.0)
    found = model(*arguments())
    assert found.shape == (3, 9, 4, 28)
    encoded = model.encoder(values(), LENGTHS)
    for b, (steps, count) in enumerate(zip(LENGTHS.tolist(), COUNTS.tolist())):
        for u in range(count + 1):
            begun = torch.cat([torch.zeros(1, dtype=torch.int64), SYMBOLS[b, :u]])
            predicted = model.prediction(functional.one_hot(begun, 28).float())[0][-1]
            for t in range(steps):
                joined = torch.tanh(model.joint(torch.cat([encoded[b, t], predicted])))
                assert torch.allclose(found[b, t, u], model.head(joined), atol=1e-5)
        assert not found[b, steps:].any()
        assert not found[b, :, count + 1 :].any()


def test_the_encoder_ends_in_a_tanh_of_both_directions():
    torch.manual_seed(0)
    encoder = FloatTransducer(SIZES, 0.0).encoder
    weight, bias = encoder.projection.weight, encoder.projection.bias
    lstm = encoder.lstm(values(), LENGTHS)
    assert lstm.shape == (3, 9, 2 * SIZES.hidden)
    assert torch.allclose(encoder(values(), LENGTHS), torch.tanh(lstm @ weight.T + bias), atol=1e-6)


def test_dropout_is_behind_the_lstm_layers_in_training_alone():
    """Where all is left out, the encoder gives what its bias does, and no symbol is predicted by another."""
    torch.manual_seed(0)
    model = FloatTransducer(SIZES, 1.0)
    nothing = torch.tanh(model.encoder.projection.bias)
    assert torch.equal(model.encoder(values(), LENGTHS), nothing.expand(3, 9, SIZES.encoded))
    assert not model.predict(SYMBOLS)[0].any()
    with evaluating(model):
        assert not torch.allclose(model.encoder(values(), LENGTHS), nothing, atol=1e-3)
        assert model.predict(SYMBOLS)[0].any()


def test_arrays_without_quantisers_are_the_float_model():
    torch.manual_seed(0)
    floating = FloatTransducer(SIZES, 0.5)
    config = QuantConfig(weight_bits=FLOAT, dac_bits=FLOAT, adc_bits=FLOAT)
    model = QuantTransducer(SIZES, config, config)
    model.load_state_dict(floating.named_as_torch(), strict=False)
    with evaluating(floating), evaluating(model):
        assert torch.allclose(model(*arguments()), floating(*arguments()), atol=1e-5)


def test_every_weight_learns():
    for model in (FloatTransducer(SIZES, 0.5), quantised(QuantConfig(quantiser="lsq", learn_range=True))):
        model(*arguments()).square().sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            if not name.endswith("full_scale"):
                assert parameter.grad.abs().sum() > 0, name


def test_rows_driven_together_give_the_same_numbers():
    model = quantised()
    with evaluating(model):
        apart, together = model(*arguments()).float(), model.together(*arguments()[:3])
    seen = 0
    for b, (steps, count) in enumerate(zip(LENGTHS.tolist(), COUNTS.tolist())):
        assert torch.equal(apart[b, :steps, : count + 1], together[b, :steps, : count + 1])
        seen += len(apart[b, :steps, : count + 1].unique())
    assert seen > 50


def test_its_three_parts_are_networks_of_integers():
    """Encoder, prediction and joint network, exported, by the integer reference: the same scores."""
    model = quantised()
    encoder = export(model.encoder, values(), LENGTHS)
    prediction = export(model.prediction)
    joint = export([model.joint, model.head])
    top = full_scale(4)
    heard = reference.run(encoder, encoder.encode(values().numpy()), LENGTHS.numpy()).out
    begun = functional.pad(SYMBOLS, (1, 0))
    said = reference.run(prediction, functional.one_hot(begun, 28).numpy() * top).out
    with evaluating(model):
        expected = model(*arguments()).numpy()
    for b, (steps, count) in enumerate(zip(LENGTHS.tolist(), COUNTS.tolist())):
        pairs = [np.concatenate([heard[b, t], said[b, u]]) for t in range(steps) for u in range(count + 1)]
        found = joint.decode(reference.run(joint, np.array(pairs)[None]).out)[0]
        assert found == pytest.approx(expected[b, :steps, : count + 1].reshape(-1, 28), abs=1e-6)
        assert np.unique(found).size > 10


def test_noise_is_drawn_and_what_would_be_silently_wrong_refused():
    model = quantised()
    with evaluating(model):
        clean = model(*arguments())
        set_noise(model, evaluate=Noise(adc=0.5), seed=3)
        assert not torch.equal(model(*arguments()), clean)
        set_noise(model, evaluate=Noise(weight=0.1, redraw="per_step"), seed=3)
        with pytest.raises(
            DesignError,
            match=r"^a joint network driven in two parts must have no listener, and no noise of weights on every step$",
        ):
            model(*arguments())
    set_noise(model, evaluate=Noise(weight=0.1, redraw="per_sequence"), seed=3)
    with (
        evaluating(model),
        pytest.raises(
            DesignError, match=r"^a joint network must have the same weights for all pairs, not new ones per_seq"
        ),
    ):
        model(*arguments())
    with pytest.raises(DesignError, match=r"^a transducer's arrays must be whole, not in tiles of 8 rows$"):
        QuantTransducer(SIZES, QuantConfig(tile_rows=8), QuantConfig())
    assert len(arrays_of(model)) == 4 + 1 + 1 + 2
