"""Next-character and next-word prediction with one quantised LSTM layer (Ma et al., section IV.B).

As in the paper's Fig. 3(a) the LSTM's array and converters are quantised; embedding and softmax are the host's,
float, and the embedding's values become DAC codes. Protocols: docs/sweeps.md.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...model.formats import DesignError, check_boolean, check_integer
from ...model.records import from_table
from .. import checkpoint
from ..data.corpora import CHARACTERS, Names, Words
from ..layers.config import FLOAT, QuantConfig, check_config
from ..layers.modules import QuantLSTM
from ..layers.noise import Noise, NoiseSource, check_noise
from ..training import single_thread

Progress = Callable[[int, int, float], None]  #: finished epochs, of all epochs, the last one's training perplexity


@dataclass(frozen=True, kw_only=True)
class LanguageConfig:
    """Everything that decides a run besides the data. An epoch of names is ``epoch_steps`` iterations."""

    quant: QuantConfig
    seed: int = 0
    hidden: int = 256
    embedding: int = 0  #: width of a learned embedding; 0: one-hot inputs
    epochs: int = 8
    epoch_steps: int = 1000  #: of names; words take one pass over the text
    batch: int = 32
    window: int = 32  #: steps of truncated backpropagation
    start_every: int = 0  #: windows of words after which the state starts at zero again; 0: with an epoch alone
    learning_rate: float = 0.004  #: of Adam: highest, falls to 0 by a cosine
    clip_norm: float = 1.0
    dropout: float = 0.0  #: of the LSTM's outputs and, with ``drop_rows``, of its inputs
    drop_rows: bool = True  #: a dropped input's row is not driven
    cutoffs: tuple[int, ...] = ()  #: of an adaptive softmax (Grave et al., 2017); none: a plain one
    noise: Noise = field(default_factory=Noise)  #: in training and in evaluation

    def __post_init__(self) -> None:
        for name, high in (("hidden", 4096), ("epochs", 10**5), ("epoch_steps", 10**7), ("batch", 10**5)):
            check_integer(name.replace("_", " "), getattr(self, name), 1, high)
        check_integer("window", self.window, 1, 10**4)
        check_integer("seed", self.seed, 0, 2**31 - 1)
        check_integer("windows between starts", self.start_every, 0, 10**6)
        check_integer("embedding", self.embedding, 0, 4096)
        check_boolean("dropping of rows", self.drop_rows)
        check_noise(self.noise)
        if check_config(self.quant) is None:
            raise DesignError("a language model must have a QuantConfig, but has none")
        for name, high in (("learning_rate", 10), ("clip_norm", 10**6), ("dropout", 0.9)):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value <= high:
                raise DesignError(f"{name.replace('_', ' ')} must be a number from 0 to {high}, not {value!r}")


class LanguageModel(nn.Module):
    """Tokens (T, B) to hidden values (T, B, n) and the LSTM's state; ``state`` goes from window to window.

    :meth:`losses` and :meth:`predict` are the softmax's. Its adaptive form is a softmax over all tokens, too, that
    costs less: rare tokens sit in clusters with smaller projections.

    One-hot inputs: 0 and full scale, so that a row is driven or not. One bit has no code 0: there the rows are
    -full scale and +full scale, and the difference is a constant of each column that its bias can learn.
    """

    def __init__(self, tokens: int, config: LanguageConfig) -> None:
        super().__init__()
        self.config, self.tokens = config, tokens
        if config.embedding:
            self.embedding = nn.Embedding(tokens, config.embedding)
            nn.init.uniform_(self.embedding.weight, -0.5, 0.5)
        self.lstm = QuantLSTM(config.embedding or tokens, config.hidden, config=config.quant)
        self.dropout = nn.Dropout(config.dropout)
        if config.cutoffs:
            bounds = (0, *config.cutoffs, tokens)
            if list(bounds) != sorted(set(bounds)):
                raise DesignError(f"cutoffs must rise and lie between 0 and {tokens} tokens, not {config.cutoffs}")
            self.softmax = nn.AdaptiveLogSoftmaxWithLoss(config.hidden, tokens, list(config.cutoffs), div_value=2)
        else:
            self.softmax = nn.Linear(config.hidden, tokens)
        self.source = NoiseSource()
        for array in self.lstm.arrays:
            array.source, array.train_noise, array.eval_noise = self.source, config.noise, config.noise
            if config.drop_rows:
                array.input_dropout = config.dropout  # after the DAC, whose codes are those of evaluation then

    def forward(self, tokens: torch.Tensor, state=None):
        if self.config.embedding:
            inputs = self.embedding(tokens)
        else:
            inputs = functional.one_hot(tokens, self.tokens).float()
            if self.config.quant.dac_bits == 1:
                inputs = 2 * inputs - 1
        hidden, state = self.lstm(inputs, state)
        return self.dropout(hidden.float()), state

    @property
    def device(self) -> torch.device:
        return self.lstm.arrays[0].cells.device

    def losses(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """-log of the targets' probabilities in nats, (T, B)."""
        flat = hidden.flatten(0, 1)
        if self.config.cutoffs:
            return -self.softmax(flat, targets.flatten()).output.view_as(targets)
        return functional.cross_entropy(self.softmax(flat), targets.flatten(), reduction="none").view_as(targets)

    def predict(self, hidden: torch.Tensor) -> torch.Tensor:
        """The likeliest tokens (T, B)."""
        if self.config.cutoffs:
            return self.softmax.predict(hidden.flatten(0, 1)).view(hidden.shape[:2])
        return self.softmax(hidden).argmax(2)

    def save(self, path: str | Path) -> None:
        """Weights and configuration in one safetensors file, replaced whole."""
        checkpoint.write(path, self.state_dict(), {"tokens": self.tokens, "config": asdict(self.config)})


def load(path: str | Path) -> LanguageModel:
    """A model that :meth:`LanguageModel.save` wrote. Raises :class:`DesignError` for any other file."""
    content, tensors = checkpoint.read(path)
    if set(content) != {"tokens", "config"}:
        raise DesignError(f"network {Path(path).name!r} must be a language model of ohmgate, but is something else")
    model = LanguageModel(
        content["tokens"], from_table(LanguageConfig, content["config"], "configuration", "a language model")
    )
    model.load_state_dict(tensors)
    return model.eval()


@dataclass(frozen=True)
class LanguageResult:
    """Per epoch and at the end: perplexities per token, accuracies 0..1; and the trained model."""

    epochs: tuple[dict, ...]
    final: dict
    model: LanguageModel = field(compare=False)


def train_names(
    data: Names, config: LanguageConfig, progress: Progress | None = None, device: str = "cpu"
) -> LanguageResult:
    """Iterations on random names on a torch ``device``. In the end the whole training set is evaluated as in Table I.

    ``final``: ``accuracy`` and ``perplexity`` over all positions of the windows, END's included, and
    ``name_accuracy``, ``name_perplexity`` over each name's characters and the END after it alone.
    """
    if config.window + 1 != data.windows.shape[1]:
        raise DesignError(f"a window of names must have {data.windows.shape[1] - 1} steps, not {config.window}")
    windows = torch.from_numpy(data.windows.astype(np.int64)).to(device)
    with single_thread(), _own_random_numbers(device):
        model, optimiser, generator = _begin(len(CHARACTERS), config, device)
        total, epochs = config.epochs * config.epoch_steps, []
        for epoch in range(config.epochs):
            model.train()
            loss_sum = 0.0
            for step in range(config.epoch_steps):
                chosen = windows[torch.randint(len(windows), (config.batch,), generator=generator)].T
                loss = model.losses(model(chosen[:-1])[0], chosen[1:]).mean()
                _descend(model, optimiser, loss, (epoch * config.epoch_steps + step) / total)
                loss_sum += float(loss.detach())
            epochs.append({"train_perplexity": math.exp(loss_sum / config.epoch_steps)})
            if progress is not None:
                progress(epoch + 1, config.epochs, epochs[-1]["train_perplexity"])
        return LanguageResult(tuple(epochs), evaluate_names(model, data), model)


def evaluate_names(model: LanguageModel, data: Names, batch: int = 1024) -> dict:
    """Accuracies and perplexities of all ``data`` (see :func:`train_names`)."""
    model.eval()
    arrays = (data.windows.astype(np.int64), data.lengths, np.arange(data.windows.shape[1] - 1)[:, None])
    windows, lengths, positions = (torch.from_numpy(array).to(model.device) for array in arrays)
    sums = np.zeros((2, 3))  # all positions, names alone: losses, hits, count
    with torch.no_grad():
        for part, length in zip(windows.split(batch), lengths.split(batch)):
            tokens = part.T
            hidden, _ = model(tokens[:-1])
            losses = model.losses(hidden, tokens[1:]).double()
            hits = model.predict(hidden) == tokens[1:]
            for row, mask in enumerate((torch.ones_like(hits), positions < length)):
                sums[row] += [float((losses * mask).sum()), int((hits & mask).sum()), int(mask.sum())]
    (loss, accuracy, _), (name_loss, name_accuracy, _) = sums / sums[:, 2:]
    return {
        "accuracy": accuracy,
        "perplexity": math.exp(loss),
        "name_accuracy": name_accuracy,
        "name_perplexity": math.exp(name_loss),
    }


def train_words(
    data: Words,
    config: LanguageConfig,
    progress: Progress | None = None,
    steps: int | None = None,
    device: str = "cpu",
) -> LanguageResult:
    """Passes over the text in ``batch`` parallel streams on a torch ``device``, states kept from window to window.

    After each epoch the validation perplexity per word; ``final`` is the last one's. ``steps`` cuts an epoch short.
    """
    stream = _streams(data.train, config.batch).to(device)
    starts = range(0, len(stream) - 1, config.window)[:steps]
    with single_thread(), _own_random_numbers(device):
        model, optimiser, _ = _begin(len(data.vocabulary), config, device)
        epochs = []
        for epoch in range(config.epochs):
            model.train()
            state, loss_sum, count = None, 0.0, 0
            for number, start in enumerate(starts):
                tokens = stream[start : start + config.window + 1]
                again = config.start_every and number % config.start_every == 0
                state = None if state is None or again else tuple(part.detach() for part in state)
                hidden, state = model(tokens[:-1], state)
                loss = model.losses(hidden, tokens[1:]).mean()
                _descend(model, optimiser, loss, (epoch + number / len(starts)) / config.epochs)
                loss_sum, count = loss_sum + float(loss.detach()) * (len(tokens) - 1), count + len(tokens) - 1
            valid = evaluate_words(model, data.valid)
            epochs.append({"train_perplexity": math.exp(loss_sum / count), "valid_perplexity": valid})
            if progress is not None:
                progress(epoch + 1, config.epochs, epochs[-1]["train_perplexity"])
    return LanguageResult(tuple(epochs), {"perplexity": epochs[-1]["valid_perplexity"]}, model)


def evaluate_words(model: LanguageModel, words: np.ndarray, batch: int = 20, window: int = 35) -> float:
    """Perplexity per word of a text, read as ``batch`` streams with their states kept."""
    model.eval()
    stream = _streams(words, batch).to(model.device)
    state, loss, count = None, 0.0, 0
    with torch.no_grad():
        for start in range(0, len(stream) - 1, window):
            tokens = stream[start : start + window + 1]
            hidden, state = model(tokens[:-1], state)
            loss += float(model.losses(hidden, tokens[1:]).double().sum())
            count += tokens[1:].numel()
    return math.exp(loss / count)


def _own_random_numbers(device: str):
    """A context in which random numbers of the CPU and of ``device`` are drawn apart from the caller's."""
    return torch.random.fork_rng(devices=[device] if torch.device(device).type == "cuda" else [])


def _begin(tokens: int, config: LanguageConfig, device: str):
    """Model and optimiser; every random number of the run follows from the seed."""
    torch.manual_seed(config.seed)
    model = LanguageModel(tokens, config).to(device)
    model.source.seed(config.seed)
    fused = model.device.type in ("cpu", "cuda")
    return (
        model,
        torch.optim.Adam(model.parameters(), config.learning_rate, fused=fused),
        torch.Generator().manual_seed(config.seed),
    )


def _descend(model: LanguageModel, optimiser, loss: torch.Tensor, done: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = model.config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), model.config.clip_norm)
    optimiser.step()


def _streams(words: np.ndarray, batch: int) -> torch.Tensor:
    """(n // batch, batch): column k is the k-th part of the text."""
    length = len(words) // batch
    if length < 2:
        raise DesignError(f"a text must have at least 2 words for each of {batch} streams, not {len(words)} in all")
    return torch.from_numpy(words[: length * batch].reshape(batch, length).T.copy())


def protocol(task: str, bits: tuple[int, int], seed: int, noise: Noise) -> LanguageConfig:
    """The full protocol of ``names`` or ``ptb`` at (weight, converter) bits; (32, 32) is the float baseline."""
    weight, converter = bits
    floating = FLOAT in bits
    quant = QuantConfig(
        weight_bits=weight,
        dac_bits=converter,
        adc_bits=converter,
        bias_rows=4,
        learn_range=not floating,
        output="codes" if floating else "value",  # as in the paper: DACs round what the rows get, not the host's h
        quantiser="sawb",
        range_noise=noise.weight,
    )
    if task == "names":
        quant = replace(quant, input_drive=8)  # one row of a one-hot input stands against all hidden rows
        return LanguageConfig(quant=quant, seed=seed, noise=noise, epochs=16, epoch_steps=500, batch=2)
    return LanguageConfig(
        quant=quant,
        seed=seed,
        noise=noise,
        hidden=300,
        embedding=300,
        epochs=10,
        batch=20,
        window=35,
        learning_rate=0.003,
        clip_norm=0.25,
        dropout=0.2,
        cutoffs=(1000, 4000),
        # One bit latches: its state depends on where it began, and evaluation begins at zero. And no code of one bit
        # leaves a row undriven, so none may be in training.
        start_every=20 * (converter == 1),
        drop_rows=converter != 1,
    )
