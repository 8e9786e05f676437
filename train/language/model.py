"""The model: an embedding, a quantised LSTM layer, a softmax.

As in the paper's Fig. 3(a) the LSTM's array and converters are quantised; embedding and softmax are the host's,
float, and the embedding's values become DAC codes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...model.design import Design
from ...model.formats import DesignError
from ...model.network import Network
from ...model.records import from_table
from .. import checkpoint
from ..layers.array import ArrayModule
from ..layers.modules import QuantLinear, QuantLSTM
from ..layers.noise import NoiseSource
from ..network import quant_config
from ..units import described
from .config import LanguageConfig


class LanguageModel(nn.Module):
    """Tokens (T, B) to hidden values (T, B, n) and the LSTM's state; ``state`` goes from window to window.

    :meth:`losses` and :meth:`predict` are the softmax's. Its adaptive form is a softmax over all tokens, too, that
    costs less: rare tokens sit in clusters with smaller projections.

    One-hot inputs: 0 and full scale, so that a row is driven or not. One bit has no code 0: there the rows are
    -full scale and +full scale, and the difference is a constant of each column that its bias can learn.

    With a ``design`` the LSTM is its first layer, of the same numbers as ``config.quant``. Its second layer, if there
    is one, is the softmax's: its ADC codes are the host's logits.
    """

    def __init__(self, tokens: int, config: LanguageConfig, design: Design | None = None) -> None:
        super().__init__()
        self.config, self.tokens, self.design = config, tokens, design
        if config.embedding:
            self.embedding = nn.Embedding(tokens, config.embedding)
            nn.init.uniform_(self.embedding.weight, -0.5, 0.5)
        self.lstm = QuantLSTM(config.embedding or tokens, config.hidden, config=config.quant)
        head_layer = design.layers[-1] if design is not None and len(design.layers) > 1 else None
        self.dropout = nn.Dropout(config.dropout if head_layer is None else 0.0)
        if head_layer is not None:
            quant = config.quant
            ranges = {name: getattr(quant, name) for name in ("quantiser", "range_noise", "learn_range")}
            head = quant_config(head_layer, quant.is_float, **ranges)
            self.softmax = QuantLinear(config.hidden, tokens, config=head)
        elif config.cutoffs:
            bounds = (0, *config.cutoffs, tokens)
            if list(bounds) != sorted(set(bounds)):
                raise DesignError(f"cutoffs must rise and lie between 0 and {tokens} tokens, not {config.cutoffs}")
            self.softmax = nn.AdaptiveLogSoftmaxWithLoss(config.hidden, tokens, list(config.cutoffs), div_value=2)
        else:
            self.softmax = nn.Linear(config.hidden, tokens)
        self.source = NoiseSource()
        for array in self.arrays:
            array.source, array.train_noise, array.eval_noise = self.source, config.noise, config.noise
            if config.drop_rows:
                array.input_dropout = config.dropout  # after the DAC, whose codes are those of evaluation then

    def forward(self, tokens: torch.Tensor, state=None):
        if self.config.embedding:
            inputs = self.embedding(tokens)
        else:
            inputs = functional.one_hot(tokens, self.tokens).float()
            if self.config.quant.input_bits == 1:
                inputs = 2 * inputs - 1
        hidden, state = self.lstm(inputs, state)
        return self.dropout(hidden.float()), state

    @property
    def arrays(self) -> list[ArrayModule]:
        """The LSTM's array, and the head's if the design has one."""
        return [*self.lstm.arrays, *([self.softmax] if isinstance(self.softmax, QuantLinear) else [])]

    @property
    def device(self) -> torch.device:
        return self.lstm.arrays[0].cells.device

    def losses(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """-log of the targets' probabilities in nats, (T, B)."""
        flat = hidden.flatten(0, 1)
        if self.config.cutoffs:
            return -self.softmax(flat, targets.flatten()).output.view_as(targets)
        return functional.cross_entropy(self.softmax(flat), targets.flatten(), reduction="none").view_as(targets)

    def log_shares(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logarithms of probabilities (T, B, k): of all tokens; of an adaptive softmax of the frequent ones, and of
        each cluster of rare ones as a whole."""
        softmax = self.softmax
        head = softmax.head if isinstance(softmax, nn.AdaptiveLogSoftmaxWithLoss) else softmax
        return functional.log_softmax(head(hidden), dim=-1)

    def predict(self, hidden: torch.Tensor) -> torch.Tensor:
        """The likeliest tokens (T, B)."""
        if self.config.cutoffs:
            return self.softmax.predict(hidden.flatten(0, 1)).view(hidden.shape[:2])
        return self.softmax(hidden).argmax(2)

    def evaluate(self, tokens: np.ndarray) -> torch.Tensor:
        """Hidden values (T, B, n) of sequences of token indices (B, T), from a state of zero; the head runs, too."""
        self.eval()
        with torch.no_grad():
            hidden, _ = self(torch.from_numpy(tokens.T.copy()).to(self.device))
            if isinstance(self.softmax, QuantLinear):
                self.softmax(hidden)
        return hidden

    def inputs(self, tokens: np.ndarray) -> np.ndarray:
        """What a host gives the network of :meth:`export` for tokens (...): embedded, or one-hot of 0 and 1."""
        if self.config.embedding:
            return self.embedding.weight.detach().cpu().numpy()[tokens]
        return np.eye(self.tokens, dtype=np.float32)[tokens]

    @property
    def units(self) -> dict[str, Any]:
        """Of the host, which gives :meth:`inputs`, as :meth:`Network.in_units` takes them."""
        signs = not self.config.embedding and self.config.quant.input_bits == 1
        return {"input_scale": 2.0, "input_offset": -1.0} if signs else {}

    def export(self) -> Network:
        """The description of the design's arrays. Raises :class:`DesignError` for a float model."""
        assert self.design is not None
        return described(self.design, self.arrays, **self.units)

    def save(self, path: str | Path) -> None:
        """Weights and configuration in one safetensors file, replaced whole."""
        checkpoint.write(path, self.state_dict(), {"tokens": self.tokens, "config": self.config.to_dict()})


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
