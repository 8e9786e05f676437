"""Values to forecast: what is learned, in which units, and which designs are for it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import SequenceDataset, Sequences
from ohmgate.train.network import DesignNetwork
from ohmgate.train.seeds import train_seeds
from ohmgate.train.training import check_fit, train, trained_network

LENGTHS = np.array([5, 2, 4, 4, 1, 3, 5, 2])
HEAD = DenseLayer(inputs=4, outputs=2, adcs=2, adc_bits=8, output="codes", emit="end")

CONFIG = TrainConfig(batch=32, learning_rate=0.01, input_noise=0.0, quantiser="lsq", learn_range=True)


def design(emit: str) -> Design:
    return Design("forecast", (LstmLayer(inputs=1, hidden=4, adcs=4), replace(HEAD, emit=emit)))


def dataset(emit: str, seed=0, **fields) -> SequenceDataset:
    """The second output is in the thousands."""
    rng = np.random.default_rng(seed)
    features = rng.normal(3.0, 2.0, (8, 5, 1)).astype(np.float32)
    values = np.concatenate([features.cumsum(axis=1), 1000 - 300 * features], axis=2).astype(np.float64)
    if emit == "end":
        values = values[np.arange(8), LENGTHS - 1]
    data = Sequences(features, LENGTHS, values)
    return SequenceDataset("own.npz", data, data.take(np.arange(3)), (), ("sum in m", "height in m"), **fields)


def valid(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(n, k) by a loop over the sequences."""
    if values.ndim == 2:
        return values
    return np.concatenate([values[b, :length] for b, length in enumerate(lengths)])


@pytest.mark.parametrize("emit", ["end", "step"])
@pytest.mark.parametrize("floating", [False, True])
def test_the_loss_is_of_standardised_values_and_the_scores_in_their_own_units(emit, floating):
    data = dataset(emit)
    config = TrainConfig(epochs=1, batch=8, learning_rate=0.0, input_noise=0.0, floating=floating)
    result = train(design(emit), data, config)
    wanted = valid(data.train.labels, LENGTHS)
    deviation, mean = wanted.std(axis=0), wanted.mean(axis=0)
    scale, offset = data.input_range(config.deviations)
    model = result.model.train()
    with torch.no_grad():
        outputs = model(
            torch.from_numpy((data.train.features * scale + offset).astype(np.float32)), torch.from_numpy(LENGTHS)
        )
    errors = valid(outputs.numpy(), LENGTHS) - (wanted - mean) / deviation
    assert result.losses[0] == pytest.approx(np.mean(errors**2), rel=1e-4)
    got, right, lengths = result.predictions, data.test.labels, data.test.lengths
    assert got.shape == right.shape
    errors = valid(got, lengths) - valid(right, lengths)
    assert result.scores == {
        "rmse": pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-9),
        "mae": pytest.approx(np.mean(np.abs(errors)), rel=1e-9),
    }
    assert 10 < result.scores["mae"] < 1000, "of heights in the hundreds"
    if floating:
        assert np.allclose(valid(got, lengths), (valid(outputs.numpy(), LENGTHS)[: lengths.sum()] if emit == "step" else
                           outputs.numpy()[:3]) * deviation + mean, rtol=1e-5)  # fmt: skip
        assert result.network is None


@pytest.mark.parametrize("emit", ["end", "step"])
def test_predictions_are_what_the_network_decodes(emit, tmp_path):
    data = dataset(emit)
    config = replace(CONFIG, epochs=3, batch=4)
    result = train(design(emit), data, config, checkpoint=tmp_path / "kept")
    network = result.network
    assert network.labels == ("sum in m", "height in m")
    codes = network.encode(data.test.features)
    decoded = network.decode(reference.run(network, codes, data.test.lengths).out)
    assert np.allclose(
        valid(result.predictions, data.test.lengths), valid(decoded, data.test.lengths), rtol=1e-12, atol=0
    )
    inputs = torch.from_numpy(data.test.features * network.input_scale + network.input_offset)
    loaded = DesignNetwork.from_network(network)(inputs, torch.from_numpy(data.test.lengths)).numpy()
    assert np.array_equal(valid(loaded, data.test.lengths), valid(decoded, data.test.lengths))
    assert trained_network(tmp_path / "kept") == network, "the checkpoint alone has the units"


def test_values_are_learned_and_repeat_to_the_bit():
    data, config = dataset("end"), replace(CONFIG, epochs=60, batch=4)
    result = train(design("end"), data, config)
    assert result.losses[-1] < 0.8 * result.losses[0]
    assert np.array_equal(train(design("end"), data, config).predictions, result.predictions)


def test_a_checkpoint_belongs_to_the_content_of_the_data(tmp_path):
    config = replace(CONFIG, epochs=1)
    train(design("end"), dataset("end"), config, checkpoint=tmp_path / "kept")
    moved = replace(dataset("end", checksum="aa"), name="moved.npz")
    assert train(design("end"), moved, config, checkpoint=tmp_path / "kept").losses == ()
    for other in (dataset("end", seed=1), replace(dataset("end"), outputs=("sum in m", "depth in m"))):
        with pytest.raises(
            DesignError, match="^checkpoint 'kept' must belong to these data, but was trained on others$"
        ):
            train(design("end"), other, config, checkpoint=tmp_path / "kept")


@pytest.mark.parametrize(
    "kind, head, found",
    [
        ("end", {"emit": "step"}, "dense layer with output 'codes', 2 outputs and emit 'step'"),
        ("step", {"emit": "end"}, "dense layer with output 'codes', 2 outputs and emit 'end'"),
        ("end", {"output": "argmax"}, "dense layer with output 'argmax', 2 outputs and emit 'end'"),
        ("end", {"output": "table"}, "dense layer with output 'table', 2 outputs and emit 'end'"),
        ("end", {"outputs": 3, "adcs": 3}, "dense layer with output 'codes', 3 outputs and emit 'end'"),
        ("step", None, "lstm layer with output 'codes', 4 outputs and emit 'step'"),
    ],
)
def test_a_design_that_is_not_for_the_values_is_refused(kind, head, found):
    layers = (LstmLayer(inputs=1, hidden=4, adcs=4),) + (() if head is None else (replace(HEAD, **head),))
    with pytest.raises(DesignError) as raised:
        check_fit(Design("other", layers), dataset(kind))
    assert str(raised.value) == (
        f"a design for the values of own.npz must end in a dense layer with output 'codes', 2 outputs and emit {kind!r}, "
        f"not in a {found}"
    )


def test_seeds_are_told_by_their_errors():
    said = []
    config = replace(CONFIG, epochs=1)
    found = train_seeds(
        design("end"), dataset("end"), config, seeds=[3], workers=1, progress=lambda *given: said.append(given)
    )
    alone = [
        train(design("end"), dataset("end"), replace(config, seed=3, floating=f)).scores["rmse"]
        for f in (False, True)
    ]
    assert (found.quantised, found.floating) == ((alone[0],), (alone[1],))
    assert found.difference == pytest.approx(alone[0] - alone[1])
    assert [given[:2] for given in said] == [(1, 2), (2, 2)]
    assert {text for _, _, text in said} == {
        f"seed 3 quantised: RMSE {alone[0]:.4g}", f"seed 3 float: RMSE {alone[1]:.4g}"
    }  # fmt: skip


def test_the_last_values_are_held_out_for_choosing():
    data = dataset("step").validation(0.25)
    assert (len(data.train), len(data.test), data.outputs) == (6, 2, ("sum in m", "height in m"))
    assert np.array_equal(data.test.labels, dataset("step").train.labels[6:])
