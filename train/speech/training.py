"""Training of a speech network, by CTC or as a transducer, and greedy decoding of one by CTC."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..layers.whole_model import evaluating
from .an4 import Utterances
from .characters import BLANK, codes_of, text_of
from .ctc import greedy
from .features import NONE, Augmentation, Units, padded_steps
from .transducer import transducer_loss

Loss = Callable[[nn.Module, np.ndarray, np.ndarray, list[torch.Tensor]], torch.Tensor]
#: of a model for steps (B, T, 78), their lengths (B,) and the targets of each utterance: a mean over the utterances
TOGETHER = 32  #: utterances of like length that are read at a time
POOL = 8  #: batches whose utterances are sorted by length together


@dataclass(frozen=True)
class Descent:
    """How a stage of training goes: AdamW, with the rate by :func:`schedule_of`."""

    epochs: int
    rate: float
    batch: int = 16
    decay: float = 0.0  #: of the weights, as AdamW has it
    norm: float = 1.0  #: of the gradient, at most
    augmentation: Augmentation = NONE


def ctc_loss(model: nn.Module, values: np.ndarray, lengths: np.ndarray, codes: list[torch.Tensor]) -> torch.Tensor:
    """Mean over the utterances of nats a character."""
    steps, sizes = torch.from_numpy(lengths), torch.tensor([len(each) for each in codes])
    scores = model(torch.from_numpy(values), steps).log_softmax(2).transpose(0, 1)
    return functional.ctc_loss(scores, torch.cat(codes), steps, sizes, blank=BLANK, zero_infinity=True)


def rnnt_loss(model: nn.Module, values: np.ndarray, lengths: np.ndarray, codes: list[torch.Tensor]) -> torch.Tensor:
    """As :func:`ctc_loss`, of a :class:`.transducer_model.TransducerModel`."""
    steps, sizes = torch.from_numpy(lengths), torch.tensor([len(each) for each in codes])
    targets = nn.utils.rnn.pad_sequence(codes, batch_first=True)
    scores = model(torch.from_numpy(values), steps, targets, sizes)
    losses = transducer_loss(scores, targets, steps, sizes)
    return (losses / sizes.clamp_min(1)).mean()


def frame_loss(model: nn.Module, values: np.ndarray, lengths: np.ndarray, paths: list[torch.Tensor]) -> torch.Tensor:
    """Mean over the utterances of nats a step, where each step's symbol is given.

    ``paths`` are symbols (T,) of the utterances as they were aligned. One that is spoken faster or slower now has its
    symbols at the same share of its time.
    """
    scores = model(torch.from_numpy(values), torch.from_numpy(lengths))
    losses = []
    for each, length, path in zip(scores, lengths, paths, strict=True):
        places = (2 * torch.arange(length) + 1) * len(path) // (2 * length)
        losses.append(functional.cross_entropy(each[:length], path[places]))
    return torch.stack(losses).mean()


def descend(
    model: nn.Module,
    data: Utterances,
    units: Units,
    descent: Descent,
    seed: int,
    tell: Callable[[dict[str, float]], object] = lambda epoch: None,
    loss_of: Loss = ctc_loss,
    targets: Sequence[Sequence[int] | np.ndarray] | None = None,
) -> None:
    """Train ``model`` by ``loss_of``; the same seed gives the same weights.

    ``tell`` is called after every epoch with its mean ``train_loss``, nats a character. ``targets`` of the loss are
    the codes of each transcript if they are not given.
    """
    codes = [
        torch.tensor(each, dtype=torch.int64) for each in (map(codes_of, data.texts) if targets is None else targets)
    ]
    optimiser = Optimiser(model, descent, descent.epochs * -(-len(data) // descent.batch))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout
        for epoch in range(descent.epochs):
            generator = np.random.default_rng([seed, epoch])
            steps = [units.steps(frames, descent.augmentation, generator) for frames in data.frames]
            model.train()
            total = 0.0
            for rows in batches([len(each) for each in steps], descent.batch, generator):
                values, lengths = padded_steps([steps[row] for row in rows])
                loss = loss_of(model, values, lengths, [codes[row] for row in rows])
                optimiser.step(loss)
                total += loss.item() * len(rows)
            tell({"train_loss": total / len(data)})


class Optimiser:
    """AdamW of a model, as ``descent`` says, for ``steps`` in all."""

    def __init__(self, model: nn.Module, descent: Descent, steps: int) -> None:
        self._parameters, self._norm = list(model.parameters()), descent.norm
        self._adam = torch.optim.AdamW(self._parameters, lr=descent.rate, weight_decay=descent.decay)
        self._schedule = schedule_of(self._adam, descent.rate, steps)

    def step(self, loss: torch.Tensor) -> None:
        """Down the gradient of ``loss``."""
        self._adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, self._norm)
        self._adam.step()
        self._schedule.step()


def schedule_of(optimiser: torch.optim.Optimizer, rate: float, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """The rate rises to ``rate`` over a tenth of the steps and falls to nothing; of 10 steps or fewer it stays."""
    if steps <= 10:
        return torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps, pct_start=0.1, cycle_momentum=False
    )


def batches(lengths: list[int], size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of batches by chance, each of utterances of like length; the last ones may be smaller."""
    order = generator.permutation(len(lengths))
    found = []
    for first in range(0, len(order), POOL * size):
        pool = order[first : first + POOL * size]
        pool = pool[np.argsort(np.asarray(lengths)[pool], kind="stable")]
        found += [pool[start : start + size] for start in range(0, len(pool), size)]
    for index in generator.permutation(len(found)):
        yield found[index]


def scored(model: nn.Module, data: Utterances, units: Units) -> list[np.ndarray]:
    """Scores (T, symbols) of each utterance, of an evaluation."""
    steps = [units.steps(frames) for frames in data.frames]
    order = np.argsort([len(each) for each in steps], kind="stable")
    found = [np.empty(0)] * len(data)
    with evaluating(model):
        for first in range(0, len(order), TOGETHER):
            rows = order[first : first + TOGETHER]
            values, lengths = padded_steps([steps[row] for row in rows])
            scores = model(torch.from_numpy(values), torch.from_numpy(lengths)).numpy()
            for row, each, length in zip(rows, scores, lengths):
                found[row] = each[:length]
    return found


def read(model: nn.Module, data: Utterances, units: Units) -> list[str]:
    """Text of each utterance by greedy decoding, of an evaluation."""
    return [text_of(greedy(each[None], np.array([len(each)]))[0]) for each in scored(model, data, units)]
