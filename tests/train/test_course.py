"""What every epoch gave, sequences held back, early stopping, the best epoch, weights of classes, starts."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train import checkpoint
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.sequences import SequenceDataset, Sequences
from ohmgate.train.epochs import Epoch, best_of, class_weights, loss_of, schedule, stopped_early
from ohmgate.train.network import DesignNetwork
from ohmgate.train.training import float_network, train, trained_network

DESIGN = Design(
    "small",
    (
        LstmLayer(inputs=2, hidden=4, adcs=4),
        DenseLayer(inputs=4, outputs=3, adcs=3, adc_bits=8, output="codes", emit="end"),
    ),
)
LENGTHS = np.array([5, 2, 4, 4, 1, 3, 5, 2, 2, 3, 4, 1])


def dataset(labels=None) -> SequenceDataset:
    rng = np.random.default_rng(0)
    features = rng.normal(3.0, 2.0, (12, 5, 2)).astype(np.float32)
    data = Sequences(features, LENGTHS, np.arange(12) % 3 if labels is None else np.array(labels))
    return SequenceDataset("small", data, data, ("a", "b", "c"))


def values() -> SequenceDataset:
    data = dataset().train
    data = replace(data, labels=data.features.sum(axis=1).astype(np.float64) @ np.ones((2, 3)) * [1.0, 50.0, -3.0])
    return SequenceDataset("values", data, data, ())


def config(**fields) -> TrainConfig:
    return TrainConfig(**{"epochs": 4, "batch": 4, "input_noise": 0.1, "seed": 3} | fields)


def test_every_epoch_is_told_and_the_sequences_held_back_are_not_trained():
    """The part that is trained alone, as a data set of its own, gives the same losses and weights."""
    data, settings = dataset(), config(validation=0.3)
    found = train(DESIGN, data, settings)
    alone = train(DESIGN, data.validation(0.3), replace(settings, validation=0.0))
    assert found.losses == alone.losses == tuple(epoch.loss for epoch in found.epochs)
    assert found.network == alone.network
    assert found.epochs[-1].validation_score == alone.accuracy
    assert {epoch.validation_score for epoch in alone.epochs} == {None}
    logits = alone.outputs - np.log(np.exp(alone.outputs).sum(axis=1, keepdims=True))
    right = np.arange(len(logits)), data.validation(0.3).test.labels
    wanted = -0.9 * logits[right].mean() - 0.1 * logits.mean()
    assert found.epochs[-1].validation_loss == pytest.approx(wanted, rel=1e-5)
    rates = [settings.learning_rate * schedule((3 * epoch + 2) / 12) for epoch in range(4)]
    assert [epoch.learning_rate for epoch in found.epochs] == pytest.approx(rates)


def test_values_are_judged_by_their_error_in_their_own_units():
    settings = TrainConfig(epochs=2, batch=4, validation=0.25, input_noise=0.0, quantiser="lsq", learn_range=True)
    found = train(DESIGN, values(), settings)
    alone = train(DESIGN, values().validation(0.25), replace(settings, validation=0.0))
    assert found.epochs[-1].validation_score == alone.scores["rmse"]
    errors = (alone.predictions - values().validation(0.25).test.labels) / values().validation(0.25).output_range()[0]
    assert found.epochs[-1].validation_loss == pytest.approx(np.square(errors).mean(), rel=1e-4)
    with pytest.raises(DesignError, match="^confidences are of classes, not of values to forecast$"):
        found.confidences  # noqa: B018


def told(*judged: tuple[float, float]) -> list[Epoch]:
    return [Epoch(1.0, 0.1, loss, score) for score, loss in judged]


def test_the_best_epoch_has_the_best_score_then_the_least_loss_then_comes_first():
    epochs = told((0.9, 0.1), (0.5, 0.3), (0.7, 0.4), (0.7, 0.2), (0.7, 0.2), (0.6, 0.1))
    settings = config(epochs=9, float_epochs=0.12, validation=0.2, patience=3)
    assert settings.floats == 1
    assert best_of(epochs, settings, False) == 3, "the float one does not count"
    assert best_of(epochs, settings, True) == 1, "of errors the least"
    assert best_of([Epoch(1.0, 0.1)], settings, False) is None
    assert not stopped_early(epochs, settings, False)
    assert stopped_early([*epochs, *told((0.1, 0.1))], settings, False)
    assert not stopped_early([*epochs, *told((0.1, 0.1))], replace(settings, patience=4), False)
    assert not stopped_early(told((0.9, 0.1)), settings, False), "after float epochs alone"


class Killed(Exception):
    pass


@pytest.mark.parametrize("fields", [{"patience": 2}, {"keep": "best", "float_epochs": 0.5}])
def test_a_run_keeps_its_best_epoch_wherever_it_was_killed(tmp_path, fields):
    data, settings = dataset(), config(epochs=8, validation=0.4, learning_rate=0.1, **fields)
    whole = train(DESIGN, data, settings, checkpoint=tmp_path / "whole")
    best = best_of(whole.epochs, settings, False)
    assert best is not None
    if "patience" in fields:
        assert len(whole.epochs) == min(8, best + 3)
    states = []

    def see(done, total, epoch):
        states.append(checkpoint.read_state(tmp_path / "seen").tensors)

    train(DESIGN, data, settings, checkpoint=tmp_path / "seen", progress=see)
    for name, value in whole.model.named_parameters():
        assert torch.equal(value, states[best][f"model.{name}"]), "the weights after the best epoch"
    for last in (1, 5):
        file = tmp_path / f"cut{last}"

        def kill(done, total, epoch, last=last):
            if done == last:
                raise Killed

        if last >= len(whole.epochs):
            continue
        with pytest.raises(Killed):
            train(DESIGN, data, settings, checkpoint=file, progress=kill)
        rest = train(DESIGN, data, settings, checkpoint=file)
        assert file.read_bytes() == (tmp_path / "whole").read_bytes()
        assert rest.epochs == whole.epochs
        assert rest.losses == whole.losses[last:]
        assert trained_network(file) == rest.network == whole.network
    assert train(DESIGN, data, settings, checkpoint=tmp_path / "whole").losses == ()


def test_confidences_are_the_softmax_of_the_outputs():
    found = train(DESIGN, dataset(), config(epochs=1))
    assert found.outputs.shape == (12, 3)
    assert np.array_equal(found.outputs.argmax(axis=1), found.predictions)
    wanted = torch.softmax(torch.from_numpy(found.outputs).double(), 1).numpy()
    assert np.allclose(found.confidences, wanted, rtol=1e-12)


def test_balanced_weights_make_every_class_count_the_same():
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 2, 2, 2])  # of class 1 there is none
    assert class_weights(labels, config()) is None
    weights = class_weights(labels, config(class_weights="balanced"))
    assert weights.tolist() == pytest.approx([9 / (2 * 6), 9 / 2, 9 / (2 * 3)])
    outputs = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    settings = config(label_smoothing=0.0)
    loss = loss_of(outputs, labels, torch.ones(9), settings, weights)
    logs = torch.log_softmax(outputs, 1)[torch.arange(9), labels]
    assert float(loss) == pytest.approx(-float(logs[:6].mean() + logs[6:].mean()) / 2, rel=1e-5)
    smoothed = loss_of(outputs, labels, torch.ones(9), config(label_smoothing=0.3), weights)
    spread = 0.7 * logs + 0.3 * torch.log_softmax(outputs, 1).mean(1)
    assert float(smoothed) == pytest.approx(-float(spread[:6].mean() + spread[6:].mean()) / 2, rel=1e-5)


def test_weights_of_classes_reach_the_training():
    data = dataset([0] * 9 + [1, 1, 2])
    plain, balanced = (
        train(DESIGN, data, config(class_weights=kind, learning_rate=0)).losses for kind in ("none", "balanced")
    )
    assert plain != balanced
    even = dataset()
    assert train(DESIGN, even, config(class_weights="balanced", epochs=1, batch=12)).losses == pytest.approx(
        train(DESIGN, even, config(epochs=1, batch=12)).losses, rel=1e-4
    )


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(DesignError) as raised:
        train(DESIGN, dataset([1] * 12), config())
    assert str(raised.value) == ("the training set must have sequences of at least 2 classes, but all 12 are of 'b'")
    with pytest.raises(DesignError, match="^class weights must be 'none' for values to forecast, not 'balanced'$"):
        train(DESIGN, values(), TrainConfig(class_weights="balanced"))
    sentence = "^validation must be above 0 where a run stops early or keeps its best epoch, not 0.0$"
    for fields in ({"patience": 1}, {"keep": "best"}):
        with pytest.raises(DesignError, match=sentence):
            config(**fields)
    with pytest.raises(DesignError, match="^keep must be one of last, best, not 'first'$"):
        config(keep="first")
    with pytest.raises(DesignError, match="^class weights must be one of none, balanced, not 'x'$"):
        config(class_weights="x")


def test_a_run_of_before_is_known_by_the_same_fields():
    later = {"validation", "patience", "keep", "class_weights", "float_epochs", "noise_ramp"}
    assert not later & set(config().to_dict())
    chosen = config(validation=0.2, patience=3, keep="best", class_weights="balanced")
    assert TrainConfig.from_dict(chosen.to_dict()) == chosen
    assert chosen.to_dict()["keep"] == "best"


@pytest.mark.parametrize("floating", [False, True])
def test_a_start_gives_its_weights_and_is_part_of_the_run(tmp_path, floating):
    first = train(DESIGN, dataset(), config(floating=floating), checkpoint=tmp_path / "first")
    still = config(epochs=1, learning_rate=0, seed=9)
    for start in (tmp_path / "first", first.model):
        found = train(DESIGN, dataset(), still, start=start)
        for layer, other in zip(found.model.layers, first.model.layers):
            assert torch.equal(layer.cells, other.cells)
    plain = train(DESIGN, dataset(), replace(still, floating=True), start=tmp_path / "first")
    assert torch.equal(plain.model.layers[0].cells, first.model.layers[0].cells)
    kept = tmp_path / "kept"
    more = train(DESIGN, dataset(), config(seed=9), start=tmp_path / "first", checkpoint=kept)
    again = train(DESIGN, dataset(), config(seed=9), start=first.model, checkpoint=kept)
    assert again.losses == ()
    assert again.network == more.network == trained_network(kept)
    for other in (None, train(DESIGN, dataset(), config(seed=4)).model):
        with pytest.raises(DesignError, match="^checkpoint 'kept' must belong to this run, but its configuration"):
            train(DESIGN, dataset(), config(seed=9), start=other, checkpoint=kept)


def test_a_start_of_another_drive_keeps_the_real_weights_of_the_inputs():
    hard = Design("hard", (replace(DESIGN.layers[0], input_drive=4), DESIGN.layers[1]))
    source = DesignNetwork(hard)
    model = train(DESIGN, dataset(), config(epochs=1, learning_rate=0), start=source).model
    assert torch.allclose(model.layers[0].cells[:2], source.layers[0].cells[:2] * 4)
    assert torch.equal(model.layers[0].cells[2:], source.layers[0].cells[2:])


def test_starts_that_do_not_fit_are_refused(tmp_path):
    wide = Design("wide", (LstmLayer(inputs=2, hidden=8, adcs=4), replace(DESIGN.layers[1], inputs=8)))
    with pytest.raises(DesignError) as raised:
        train(DESIGN, dataset(), config(), start=DesignNetwork(wide))
    assert str(raised.value) == (
        "a start must have the layers of the design, lstm 7 x 16, dense 5 x 3, not lstm 11 x 32, dense 9 x 3"
    )
    loaded = DesignNetwork.from_network(train(DESIGN, dataset(), config(epochs=1)).network)
    with pytest.raises(DesignError, match="^a start must have real weights, not the integers of a description$"):
        train(DESIGN, dataset(), config(), start=loaded)
    file = tmp_path / "text"
    run = {"design": {}, "dataset": "names", "config": {}}
    checkpoint.write(file, {}, {"run": run, "epoch": 1, "host": {"tokens": 3}})
    with pytest.raises(DesignError, match="^checkpoint 'text' must be of sequences, but is of a language model$"):
        float_network(file)


def test_epochs_are_plain_numbers():
    assert asdict(Epoch(0.5, 0.01)) == {
        "loss": 0.5, "learning_rate": 0.01, "validation_loss": None, "validation_score": None,
    }  # fmt: skip
