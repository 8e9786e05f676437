"""What a training does in each step is what its configuration says: data, noise, loss, rate and length of a step."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.corpora import END, WINDOW, Names, Words
from ohmgate.train.data.datasets import SequenceDataset, Sequences
from ohmgate.train.language.config import LanguageConfig
from ohmgate.train.language.model import LanguageModel
from ohmgate.train.language.names import train_names
from ohmgate.train.language.words import train_words
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.noise import Noise, NoiseSource
from ohmgate.train.network import DesignNetwork
from ohmgate.train.training import train

DESIGN = Design(
    "small",
    (
        LstmLayer(inputs=2, hidden=4, adcs=4),
        DenseLayer(inputs=4, outputs=3, adcs=3, adc_bits=8, output="codes", emit="end"),
    ),
)
LENGTHS = np.array([5, 2, 4, 4, 1, 3, 5, 2, 2, 3])


def dataset() -> SequenceDataset:
    rng = np.random.default_rng(0)
    features = rng.normal(3.0, 2.0, (10, 5, 2)).astype(np.float32) * (np.arange(5) < LENGTHS[:, None])[..., None]
    data = Sequences(features, LENGTHS, np.arange(10) % 3)
    return SequenceDataset("small", data, data, ("a", "b", "c"))


def config(**fields) -> TrainConfig:
    return TrainConfig(**{"epochs": 4, "batch": 4, "input_noise": 0.0, "seed": 3} | fields)


@pytest.fixture
def seen(monkeypatch):
    """Inputs and lengths of every step of training."""
    calls, forward = [], DesignNetwork.forward

    def spy(model, inputs, lengths=None):
        if model.training:
            calls.append((inputs.detach().clone(), lengths))
        return forward(model, inputs, lengths)

    monkeypatch.setattr(DesignNetwork, "forward", spy)
    return calls


@pytest.fixture
def steps(monkeypatch):
    """Learning rate and length of the gradient in every step of Adam."""
    taken, step = [], torch.optim.Adam.step

    def spy(optimiser, *arguments):
        (group,) = optimiser.param_groups
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in group["params"] if p.grad is not None))
        taken.append((group["lr"], norm))
        return step(optimiser, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    return taken


def scaled(data: SequenceDataset) -> np.ndarray:
    scale, offset = data.input_range(2.5)
    return (data.train.features * scale + offset).astype(np.float32)


def test_an_epoch_sees_every_sequence_once_and_each_in_another_order(seen):
    data = dataset()
    train(DESIGN, data, config())
    values = scaled(data)
    orders = []
    for epoch in range(4):
        batches = seen[3 * epoch : 3 * epoch + 3]
        assert [len(inputs) for inputs, _ in batches] == [4, 4, 2]
        order = []
        for inputs, lengths in batches:
            assert inputs.shape[1] == int(lengths.max()), "no step is computed that no sequence of the batch has"
            for row, length in zip(inputs, lengths):
                (index,) = np.flatnonzero((values[:, 0] == row[0].numpy()).all(axis=1))
                assert int(length) == LENGTHS[index]
                assert np.array_equal(row[:length], values[index, :length])
                order.append(int(index))
        assert sorted(order) == list(range(10))
        orders.append(tuple(order))
    assert len(seen) == 12
    assert len(set(orders)) == 4
    train(DESIGN, data, config(seed=4))
    assert not np.array_equal(seen[12][0][:1], seen[0][0][:1])


def test_noise_of_inputs_is_normal_and_new_in_every_step(seen):
    """About 1,800 numbers: 7 % more or less of a deviation is seen."""
    data = dataset()
    train(DESIGN, data, config(epochs=25, input_noise=0.3))
    noisy = list(seen)
    seen.clear()
    train(DESIGN, data, config(epochs=25))
    rest = np.concatenate([(a - b).numpy().ravel() for (a, _), (b, _) in zip(noisy, seen)])
    assert len(rest) > 1700
    assert stats.kstest(rest / 0.3, "norm").pvalue > 0.001
    assert rest.std() == pytest.approx(0.3, rel=4 / np.sqrt(2 * len(rest)))
    first, second = ((a - b).numpy()[:2, :2].ravel() for (a, _), (b, _) in zip(noisy[:2], seen[:2]))
    assert np.abs(first - second).min() > 1e-4


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_the_mean_over_sequences_of_the_smoothed_cross_entropy(smoothing, seen):
    """A share ``smoothing`` of the probability is spread over all classes. With a rate of 0 nothing moves."""
    data = dataset()
    result = train(DESIGN, data, config(learning_rate=0, label_smoothing=smoothing, epochs=2))
    model = result.model.train()
    with torch.no_grad():
        outputs = model(torch.from_numpy(scaled(data)), torch.from_numpy(LENGTHS)).double().numpy()
    logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    wanted = np.full((10, 3), smoothing / 3)
    wanted[np.arange(10), data.train.labels] += 1 - smoothing
    assert result.losses == pytest.approx([-(wanted * logs).sum(axis=1).mean()] * 2, rel=1e-5)


def test_rates_rise_over_a_fifth_of_the_steps_and_fall_by_a_cosine(steps):
    train(DESIGN, dataset(), config(learning_rate=0.01, epochs=5))
    done = np.arange(15) / 15
    rise, fall = 0.04 + 0.96 * done / 0.2, 0.5 + 0.5 * np.cos(np.pi * (done - 0.2) / 0.8)
    assert [rate for rate, _ in steps] == pytest.approx(np.where(done < 0.2, rise, fall) * 0.01)


@pytest.mark.parametrize("length", [1e-3, 1e6])
def test_gradients_are_no_longer_than_said(length, steps):
    train(DESIGN, dataset(), config(clip_norm=length, epochs=1))
    norms = [norm for _, norm in steps]
    if length == 1e-3:
        assert norms == pytest.approx([1e-3] * 3, rel=1e-3)
    else:
        assert min(norms) > 1e-2


def test_noise_of_arrays_is_new_in_every_step_and_repeats_by_the_seed_of_the_run(monkeypatch):
    runs, normal = [], NoiseSource.normal

    def spy(source, *shape):
        numbers = normal(source, *shape)
        runs[-1].append(tuple(numbers.flatten()[:4].tolist()))
        return numbers

    monkeypatch.setattr(NoiseSource, "normal", spy)
    for seed in (3, 3, 4):
        runs.append([])
        train(DESIGN, dataset(), config(train_noise=Noise(weight=0.1), epochs=2, seed=seed))
    assert runs[0] == runs[1] != runs[2]
    assert len(set(runs[0])) == len(runs[0]) == 2 * 2 * 3  # layers, epochs, batches


def language(**fields) -> LanguageConfig:
    quant = QuantConfig(weight_bits=32, dac_bits=32, adc_bits=32)
    return LanguageConfig(
        **{"quant": quant, "hidden": 4, "epochs": 2, "epoch_steps": 5, "batch": 3, "seed": 1} | fields
    )


@pytest.fixture
def read(monkeypatch):
    """Tokens that a language model gets, and the targets of its losses, in training."""
    tokens, targets = [], []
    forward, losses = LanguageModel.forward, LanguageModel.losses

    def spy_forward(model, given, state=None):
        if model.training:
            tokens.append(given.clone())
        return forward(model, given, state)

    def spy_losses(model, hidden, wanted):
        if model.training:
            targets.append(wanted.clone())
        return losses(model, hidden, wanted)

    monkeypatch.setattr(LanguageModel, "forward", spy_forward)
    monkeypatch.setattr(LanguageModel, "losses", spy_losses)
    return tokens, targets


def some_names() -> Names:
    windows = np.full((7, WINDOW + 1), END, dtype=np.uint8)
    for row, window in enumerate(windows):
        window[: row + 2] = row + np.arange(row + 2)
    return Names(windows, np.arange(7) + 2, "none", np.zeros(7, int))


def test_names_are_drawn_at_random_and_each_character_foretells_the_next(read, steps):
    data = some_names()
    train_names(data, language(learning_rate=0.02, clip_norm=1e-3))
    tokens, targets = read
    assert len(tokens) == len(targets) == 10
    drawn = []
    for given, wanted in zip(tokens, targets):
        assert given.shape == wanted.shape == (WINDOW, 3)
        for column in range(3):
            whole = np.append(given[:, column], wanted[-1, column])
            (row,) = np.flatnonzero((data.windows == whole).all(axis=1))
            assert np.array_equal(wanted[:, column], data.windows[row, 1:])
            drawn.append(int(row))
    assert len(set(drawn)) > 4
    assert drawn[:15] != drawn[15:]
    assert [rate for rate, _ in steps] == pytest.approx(0.01 * (1 + np.cos(np.pi * np.arange(10) / 10)))
    assert [norm for _, norm in steps] == pytest.approx([1e-3] * 10, rel=1e-3)


def test_words_are_read_in_streams_window_after_window(read, steps):
    """23 words in 2 streams of 11: windows of 4 steps, the last one shorter, each beginning where the last ended."""
    text = np.arange(23) % 19
    words = Words(text, np.arange(40) % 19, tuple(map(str, range(19))), "none")
    config = language(embedding=3, batch=2, window=4, learning_rate=0.02, epochs=2)
    result = train_words(words, config)
    tokens, targets = read
    streams = np.stack([text[:11], text[11:22]], axis=1)
    expected = [streams[0:4], streams[4:8], streams[8:10]] * 2
    assert [part.tolist() for part in tokens] == [part.tolist() for part in expected]
    assert [part.tolist() for part in targets] == [
        p.tolist() for p in [streams[1:5], streams[5:9], streams[9:11]] * 2
    ]
    assert [rate for rate, _ in steps] == pytest.approx(0.01 * (1 + np.cos(np.pi * np.arange(6) / 6)))
    assert len(result.epochs) == 2


def test_perplexity_of_training_is_over_all_words_alike():
    """A last window that is shorter counts by its words. With a rate of 0 it is the model's own."""
    text = np.arange(23) % 19
    words = Words(text, np.arange(40) % 19, tuple(map(str, range(19))), "none")
    result = train_words(words, language(embedding=3, batch=2, window=4, learning_rate=0, epochs=1))
    model = result.model.train()
    streams = torch.from_numpy(np.stack([text[:11], text[11:22]], axis=1))
    with torch.no_grad():
        loss = model.losses(model(streams[:-1])[0], streams[1:]).mean()
    assert result.epochs[0]["train_perplexity"] == pytest.approx(math.exp(float(loss)), rel=1e-5)
    one = Names(np.repeat(some_names().windows[-1:], 3, axis=0), np.full(3, 8), "none", np.zeros(3, int))
    result = train_names(one, language(learning_rate=0, epochs=1))
    window = torch.from_numpy(one.windows[0].astype(np.int64))[:, None]
    with torch.no_grad():
        loss = result.model.train().losses(result.model(window[:-1])[0], window[1:]).mean()
    assert result.epochs[0]["train_perplexity"] == pytest.approx(math.exp(float(loss)), rel=1e-5)
