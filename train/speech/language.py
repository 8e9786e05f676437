"""Language models of characters: one LSTM over the symbols of a transcript, in float and at a few bits.

Index 0, the blank of CTC and transducers, which no text has, begins and ends a text. A search asks them through
:mod:`.language_steps`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...model.formats import DesignError, check_integer, check_number
from ..calibrate import calibrate
from ..layers.config import QuantConfig
from ..layers.modules import QuantLinear, QuantLSTM
from ..layers.whole_model import evaluating
from .characters import SYMBOLS, codes_of
from .few_bits import evenly, head_of, trained_at
from .training import Descent, Optimiser, batches

END = 0  #: begins and ends a text
PADDING = -100  #: of targets: what torch's cross entropy leaves out
TOGETHER = 64  #: texts of like length that are judged at a time


@dataclass(frozen=True)
class LanguageProtocol:
    """What decides language models besides their texts, bits and seed."""

    floating: Descent
    quantised: Descent  #: from the float model on
    hidden: int = 128
    dropout: float = 0.3  #: before the head, in float; none at few bits
    others: float = 2.0  #: of the target: further texts of an epoch for each transcript
    head_bits: int = 8  #: of the head's ADCs, which a host reads
    input_drive: int = 2  #: of the arrays
    measured: int = 200  #: training texts that ranges are measured on

    def __post_init__(self) -> None:
        check_number("further texts for each transcript", self.others, 0, 1000)
        check_integer("texts to measure ranges on", self.measured, 1, 10**6)


PROTOCOL = LanguageProtocol(Descent(20, 0.02, decay=0.01), Descent(5, 0.004, decay=0.01))


class FloatLanguage(nn.Module):
    """Symbols (B, T) int64 to scores (B, T, symbols) of the next ones; softmax makes them probabilities."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(SYMBOLS, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, SYMBOLS)

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.lstm(one_hot(symbols))[0]))


class QuantLanguage(nn.Module):
    """The same of arrays alone: of each step one input row is driven."""

    def __init__(self, hidden: int, config: QuantConfig, head: QuantConfig) -> None:
        super().__init__()
        self.lstm = QuantLSTM(SYMBOLS, hidden, batch_first=True, config=config)
        self.head = QuantLinear(hidden, SYMBOLS, config=head)

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(one_hot(symbols))[0])


Language = FloatLanguage | QuantLanguage


def one_hot(symbols: torch.Tensor) -> torch.Tensor:
    """(..., symbols) float32."""
    return functional.one_hot(symbols, SYMBOLS).float()


def padded_symbols(texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """What a model takes of each text, END first, and what comes next, END last: (B, T) int64 each.

    END pads the first, PADDING the second.
    """
    size = max(map(len, texts)) + 1
    taken, following = torch.full((len(texts), size), END), torch.full((len(texts), size), PADDING)
    for row, text in enumerate(texts):
        codes = torch.tensor(codes_of(text), dtype=torch.int64)
        taken[row, 1 : len(text) + 1] = following[row, : len(text)] = codes
        following[row, len(text)] = END
    return taken, following


def _check_some(texts: Sequence[str], purpose: str) -> None:
    if not texts:
        raise DesignError(f"texts to {purpose} must be 1 or more, but there are none")


def total_nats(model: nn.Module, texts: Sequence[str]) -> tuple[torch.Tensor, int]:
    """-log of the probability of all texts together, in nats, and their symbols, each one's END included."""
    taken, following = padded_symbols(texts)
    found = functional.cross_entropy(model(taken).flatten(0, 1), following.flatten(), reduction="sum")
    return found, int((following != PADDING).sum())


def nats_a_symbol(model: nn.Module, texts: Sequence[str]) -> float:
    """-log of a symbol's probability in an evaluation, its mean over all symbols and ENDs. The perplexity is its exp.

    Raises :class:`DesignError` where there are no texts.
    """
    _check_some(texts, "judge")
    ordered = sorted(texts, key=len)
    with evaluating(model):
        parts = [total_nats(model, ordered[first : first + TOGETHER]) for first in range(0, len(texts), TOGETHER)]
    return sum(float(nats) for nats, _ in parts) / sum(count for _, count in parts)


def learn(
    model: nn.Module, texts: Sequence[str], others: Sequence[str], share: float, descent: Descent, seed: int
) -> None:
    """Train ``model`` to predict each next symbol; the same seed gives the same weights.

    An epoch has all ``texts``, and for each of them ``share`` of ``others``, drawn anew. Raises :class:`DesignError`
    where there are no texts.
    """
    _check_some(texts, "learn")
    count = min(round(share * len(texts)), len(others))
    optimiser = Optimiser(model, descent, descent.epochs * -(-(len(texts) + count) // descent.batch))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout
        model.train()
        for epoch in range(descent.epochs):
            generator = np.random.default_rng([seed, epoch])
            drawn = generator.choice(len(others), count, replace=False) if count else []
            read = [*texts, *(others[index] for index in drawn)]
            for rows in batches([len(text) for text in read], descent.batch, generator):
                nats, symbols = total_nats(model, [read[row] for row in rows])
                optimiser.step(nats / symbols)


def quantised_language(
    floating: FloatLanguage, texts: Sequence[str], bits: int, protocol: LanguageProtocol
) -> QuantLanguage:
    """``floating`` at ``bits`` (2 to 8), its ranges measured on ``texts`` and ready to be trained with them.

    One bit has no code for a row that is not driven.
    """
    check_integer("bits of a language model", bits, 2, 8)
    config = trained_at(bits, protocol.input_drive)
    model = QuantLanguage(protocol.hidden, config, head_of(config, protocol.head_bits))
    model.load_state_dict(floating.state_dict())
    alike: dict[int, list[str]] = {}  # by length: steps of padding are not typical
    for row in map(int, evenly(len(texts), protocol.measured)):
        alike.setdefault(len(texts[row]), []).append(texts[row])
    parts = [padded_symbols(part)[0] for part in alike.values()]
    calibrate(model, lambda: [model(part) for part in parts])
    return model


def language_models(
    texts: Sequence[str], others: Sequence[str], bits: int, seed: int, protocol: LanguageProtocol = PROTOCOL
) -> dict[str, tuple[Language, Language]]:
    """``float`` and ``quantised`` models, of each the source's and the target's; a seed gives the same weights.

    The source is trained with ``texts`` alone, the transcripts of a transducer's training. The target has some of
    ``others`` in each epoch, too. Quantised models begin as the float ones, at ``bits``, and are trained on.
    """
    found: dict[str, list[Language]] = {"float": [], "quantised": []}
    for share in (0.0, protocol.others):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            floating = FloatLanguage(protocol.hidden, protocol.dropout)
        learn(floating, texts, others, share, protocol.floating, seed)
        quantised = quantised_language(floating, texts, bits, protocol)
        learn(quantised, texts, others, share, protocol.quantised, seed + 1)
        found["float"].append(floating)
        found["quantised"].append(quantised)
    return {name: (source, target) for name, (source, target) in found.items()}
