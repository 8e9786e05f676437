"""Training on a few made-up utterances: what is learned, what a seed decides, which batches there are."""

import numpy as np
import pytest
import torch

from ohmgate.train.speech.an4 import Utterances
from ohmgate.train.speech.features import Augmentation, Units
from ohmgate.train.speech.model import FloatModel
from ohmgate.train.speech.training import (
    Descent,
    Optimiser,
    batches,
    ctc_loss,
    descend,
    frame_loss,
    read,
    rnnt_loss,
    schedule_of,
    scored,
)
from ohmgate.train.speech.transducer_model import FloatTransducer, Sizes


def spoken(seed: int, count: int) -> Utterances:
    """A and B, each a pattern of cepstra over six frames, with pauses between them."""
    rng = np.random.default_rng(seed)
    letters = np.sign(np.random.default_rng(9).normal(size=(2, 13)))
    frames, texts = [], []
    for _ in range(count):
        said = rng.integers(0, 2, rng.integers(1, 4))
        parts = [np.zeros((6, 13))]
        for letter in said:
            parts += [np.repeat(letters[letter][None], 6, axis=0), np.zeros((6, 13))]
        whole = np.concatenate(parts)
        frames.append((whole + rng.normal(0, 0.1, whole.shape)).astype(np.float32))
        texts.append("".join("AB"[letter] for letter in said))
    return Utterances(frames, texts, ["fash"] * count)


def trained(epochs: int, seed: int = 0, told=lambda epoch: None) -> FloatModel:
    data = spoken(0, 60)
    torch.manual_seed(3)
    model = FloatModel(12, 2, 0.1)
    augmentation = Augmentation(speed=0.1, tract=0.05, noise=0.1)
    descent = Descent(epochs, 0.03, batch=8, augmentation=augmentation)
    descend(model, data, Units.of(data, False), descent, seed, told)
    return model


def test_it_learns_to_read():
    losses = []
    model = trained(12, told=lambda epoch: losses.append(epoch["train_loss"]))
    assert len(losses) == 12
    assert losses[-1] < 0.2 < losses[0]
    test = spoken(1, 40)
    assert read(model, test, Units.of(spoken(0, 60), False)) == test.texts


def test_scores_are_of_each_utterance_alone():
    data, units = spoken(1, 40), Units.of(spoken(1, 40), False)
    torch.manual_seed(0)
    model = FloatModel(4, 1, 0.5)
    found = scored(model, data, units)
    model.eval()
    for frames, scores in zip(data.frames, found, strict=True):
        steps = torch.from_numpy(units.steps(frames))[None]
        with torch.no_grad():
            expected = model(steps, torch.tensor([steps.shape[1]]))[0].numpy()
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_a_seed_decides_all():
    first, again, other = (trained(1, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_loss_is_the_mean_of_nats_a_character():
    class Even(torch.nn.Module):
        def forward(self, values, lengths):
            return torch.zeros(*values.shape[:2], 28)

    codes = [torch.tensor([2]), torch.tensor([2, 3])]
    found = ctc_loss(Even(), np.zeros((2, 3, 78), np.float32), np.array([2, 3]), codes)
    # alignments of A in 2 steps: AA, A-, -A; of AB in 3: AAB, ABB, AB-, A-B, -AB
    expected = ((2 * np.log(28) - np.log(3)) + (3 * np.log(28) - np.log(5)) / 2) / 2
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_a_loss_of_frames_takes_each_step_s_symbol_where_it_is_now():
    """One utterance as it was aligned, one spoken twice as fast, one at two thirds of its speed."""
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 6, 28)))
    paths = [torch.tensor(path) for path in ([1, 2, 0, 3, 0], [1, 1, 2, 2, 0, 0], [4, 5, 5, 0])]

    class Given(torch.nn.Module):
        def forward(self, values, lengths):
            return scores

    found = frame_loss(Given(), np.zeros((3, 6, 78)), np.array([5, 3, 6]), paths)
    now = [[1, 2, 0, 3, 0], [1, 2, 0], [4, 5, 5, 5, 0, 0]]
    logs = scores.log_softmax(2).numpy()
    each = [-np.mean([logs[row, step, symbol] for step, symbol in enumerate(path)]) for row, path in enumerate(now)]
    assert found.item() == pytest.approx(np.mean(each), rel=1e-12)


def test_batches_take_every_utterance_once():
    lengths = list(np.random.default_rng(0).integers(1, 100, 71))
    found = list(batches(lengths, 8, np.random.default_rng(1)))
    assert sorted(np.concatenate(found)) == list(range(71))
    assert sorted(len(rows) for rows in found) == [7, *[8] * 8]
    spread = np.mean([np.ptp([lengths[row] for row in rows]) for rows in found])
    assert spread < 25, "of like length"


@pytest.mark.parametrize("loss", [ctc_loss, rnnt_loss])
def test_utterances_in_which_nothing_is_said_are_learned_from(loss):
    spoken_ones = spoken(0, 3)
    data = Utterances(spoken_ones.frames, ["", spoken_ones.texts[1], ""], spoken_ones.speakers)
    torch.manual_seed(0)
    model = FloatModel(4, 1, 0.0) if loss is ctc_loss else FloatTransducer(Sizes(3, 1, 3, 3, 3), 0.0)
    losses = []
    for batch in (1, 3):  # alone, and beside another one
        descend(model, data, Units.of(data, False), Descent(1, 0.01, batch=batch), 0, losses.append, loss)
    assert all(0 < each["train_loss"] < 500 for each in losses)


def test_an_utterance_is_another_one_in_each_epoch():
    data, seen = spoken(0, 8), []

    class Spy(FloatModel):
        def forward(self, values, lengths):
            seen.append((sorted(values.sum((1, 2)).tolist()), sorted(lengths.tolist())))
            return super().forward(values, lengths)

    model, units = Spy(4, 1, 0.0), Units.of(data, False)
    for augmentation, changes in ((Augmentation(noise=0.5), True), (Augmentation(), False)):
        seen.clear()
        descend(model, data, units, Descent(2, 0.001, batch=8, augmentation=augmentation), 0)
        (first, lengths), (second, others) = seen
        assert (first != pytest.approx(second, abs=1e-3)) == changes
        assert lengths == others == sorted(len(units.steps(frames)) for frames in data.frames)


def test_a_step_is_adam_s_with_a_decay_and_a_norm():
    """Its first is the rate, whatever the gradient; the weight falls by rate times decay besides."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    Optimiser(model, Descent(1, 0.5, decay=0.1, norm=0.01), 1).step(100 * model.weight.sum())
    assert model.weight.item() == pytest.approx(2 * (1 - 0.5 * 0.1) - 0.5, abs=1e-5)
    assert model.weight.grad is not None
    assert model.weight.grad.item() == pytest.approx(0.01, rel=1e-3)
    Optimiser(model, Descent(1, 0.5, norm=10.0), 1).step(3 * model.weight.sum())
    assert model.weight.grad.item() == pytest.approx(3), "gradients do not add up"


def test_the_rate_rises_over_a_tenth_and_falls_to_nothing():
    def rates(steps: int) -> list[float]:
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        schedule, found = schedule_of(optimiser, 0.5, steps), []
        for _ in range(steps):
            found.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step() if len(found) < steps else None
        return found

    for steps in (1, 5, 10):
        assert rates(steps) == [0.5] * steps
    found = rates(40)
    assert found[3] == max(found) == pytest.approx(0.5)
    assert found[0] == pytest.approx(0.02)
    assert found[-1] < 1e-4
    assert found[3:] == sorted(found[3:], reverse=True)
