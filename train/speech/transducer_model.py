"""RNN transducers: an encoder of both directions, a prediction network of the symbols so far, and a joint one.

A. Graves, A. Mohamed, G. Hinton, "Speech recognition with deep recurrent neural networks", 2013: the joint network is
a layer of tanh on [encoded, predicted], and one that scores the symbols. It is gone through for every pair of a step
and a number of symbols so far, but what a step, or the symbols, add to the first layer's sums is the same in all of
theirs, and is found once. The encoder ends in a layer of tanh, too, which takes both directions: each of the three
parts is a network that hardware has.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ...model.formats import DesignError
from ..layers.array import column_sums
from ..layers.config import QuantConfig
from ..layers.modules import QuantLinear, QuantLSTM
from .characters import BLANK, SYMBOLS
from .features import CHANNELS
from .model import FloatLSTM


@dataclass(frozen=True)
class Sizes:
    """Units of the parts."""

    hidden: int = 128  #: of each direction of the encoder's LSTM layers
    layers: int = 2
    encoded: int = 128  #: of the layer that they end in
    predicted: int = 128  #: of the prediction network's LSTM layer
    joined: int = 128


SIZES = Sizes()


class FloatJoint:
    """See :class:`QuantJoint`."""

    def __init__(self, model: "FloatTransducer") -> None:
        self._model, self._encoded = model, model.sizes.encoded

    def heard(self, encoded: torch.Tensor) -> torch.Tensor:
        return encoded @ self._model.joint.weight[:, : self._encoded].T

    def said(self, predicted: torch.Tensor) -> torch.Tensor:
        return functional.linear(predicted, self._model.joint.weight[:, self._encoded :], self._model.joint.bias)

    def scores(self, sums: torch.Tensor) -> torch.Tensor:
        return self._model.head(torch.tanh(sums))


class QuantJoint:
    """A joint network with its weights of one pass, or of one evaluation.

    ``heard`` (..., joined) of encoded steps and ``said`` (..., joined) of predictions are their shares of the first
    layer's sums. ``scores`` takes what two of them add up to, (pairs, joined), to scores (pairs, symbols). In
    evaluation all sums are exact: the result is that of the rows driven together.
    """

    def __init__(self, model: "QuantTransducer") -> None:
        self._joint, self._head = model.joint, model.head
        self._weights, self._head_weights = model.joint.prepare(1), model.head.prepare(1)
        self._encoded = model.sizes.encoded
        if model.joint.needs_codes(self._weights):
            raise DesignError(
                "a joint network driven in two parts must have no listener, and no noise of weights on every step"
            )
        if any(each.weights.dim() > 2 for each in (self._weights, self._head_weights)):
            raise DesignError("a joint network must have the same weights for all pairs, not new ones per_sequence")

    def heard(self, encoded: torch.Tensor) -> torch.Tensor:
        return self._share(encoded, slice(0, self._encoded))

    def said(self, predicted: torch.Tensor) -> torch.Tensor:
        rows = slice(self._encoded, self._joint.inputs)
        return self._share(predicted, rows) + self._joint.bias_sums(self._weights)

    def _share(self, values: torch.Tensor, rows: slice) -> torch.Tensor:
        weights = self._weights.weights
        return column_sums(self._joint.drive_inputs(values).to(weights.dtype), weights[rows])

    def scores(self, sums: torch.Tensor) -> torch.Tensor:
        joined = self._joint.read(None, sums[None], self._weights)
        codes = self._head.drive_inputs(joined).to(self._head_weights.weights.dtype)
        return self._head.read(codes, self._head.sums(codes, self._head_weights), self._head_weights)[0]


class TransducerModel(nn.Module):
    """Steps (B, T, 78), lengths (B,), symbols (B, U) and how many (B,) to scores (B, T, U + 1, symbols), 0 beyond."""

    def __init__(self, sizes: Sizes, encoder: nn.Module, prediction: nn.Module) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = encoder  #: steps and lengths to (B, T, encoded), without meaning past the lengths
        self.prediction = prediction

    def forward(
        self, values: torch.Tensor, lengths: torch.Tensor, symbols: torch.Tensor, counts: torch.Tensor
    ) -> torch.Tensor:
        joint = self.joined()
        heard = joint.heard(self.encoder(values, lengths))
        said = joint.said(self.predict(functional.pad(symbols, (1, 0), value=BLANK))[0])
        sizes = [(int(steps), int(count) + 1) for steps, count in zip(lengths, counts, strict=True)]
        sums = [
            (steps[:t, None] + places[None, :u]).flatten(0, 1) for steps, places, (t, u) in zip(heard, said, sizes)
        ]
        scores = joint.scores(torch.cat(sums)).split([t * u for t, u in sizes])
        shape = heard.shape[1], said.shape[1]
        return torch.stack(
            [
                functional.pad(part.unflatten(0, size), (0, 0, 0, shape[1] - size[1], 0, shape[0] - size[0]))
                for part, size in zip(scores, sizes)
            ]
        )

    def predict(self, symbols: torch.Tensor, state=None) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """(B, U, predicted) after each of ``symbols`` (B, U), the first of which is the blank, and the state."""
        return self.prediction(functional.one_hot(symbols, SYMBOLS).float(), state)

    def joined(self) -> FloatJoint | QuantJoint:
        """The joint network as it is now."""
        raise NotImplementedError


class FloatEncoder(nn.Module):
    """Of torch's layers, with dropout between them."""

    def __init__(self, sizes: Sizes, dropout: float) -> None:
        super().__init__()
        self.lstm = FloatLSTM(CHANNELS, sizes.hidden, sizes.layers, dropout)
        self.projection = nn.Linear(2 * sizes.hidden, sizes.encoded)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.projection(self.dropout(self.lstm(values, lengths))))


def _driven_alike(config: QuantConfig) -> QuantConfig:
    return replace(config, input_drive=1)


def tanh_layer(inputs: int, outputs: int, config: QuantConfig) -> QuantLinear:
    """An array that gives DAC codes of tanh for another one."""
    return QuantLinear(inputs, outputs, config=_driven_alike(config), function="tanh", output_bits=config.dac_bits)


class QuantEncoder(nn.Module):
    """The same of arrays alone."""

    def __init__(self, sizes: Sizes, config: QuantConfig) -> None:
        super().__init__()
        self.lstm = QuantLSTM(
            CHANNELS, sizes.hidden, sizes.layers, batch_first=True, bidirectional=True, config=config
        )
        self.projection = tanh_layer(2 * sizes.hidden, sizes.encoded, config)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        return self.projection(pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0])


class FloatTransducer(TransducerModel):
    """Of torch's layers, with dropout in the encoder and behind the prediction."""

    def __init__(self, sizes: Sizes, dropout: float) -> None:
        prediction = nn.LSTM(SYMBOLS, sizes.predicted, batch_first=True)
        super().__init__(sizes, FloatEncoder(sizes, dropout), prediction)
        self.joint = nn.Linear(sizes.encoded + sizes.predicted, sizes.joined)
        self.head = nn.Linear(sizes.joined, SYMBOLS)
        self.dropout = nn.Dropout(dropout)

    def predict(self, symbols: torch.Tensor, state=None) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        predicted, state = super().predict(symbols, state)
        return self.dropout(predicted), state

    def joined(self) -> FloatJoint:
        return FloatJoint(self)

    @property
    def _lstm(self) -> FloatLSTM:
        assert isinstance(self.encoder, FloatEncoder)
        return self.encoder.lstm

    def begin_with(self, lstm: FloatLSTM) -> None:
        """Take over what another network's layers of the same sizes have learned."""
        self._lstm.load_state_dict(lstm.state_dict())

    def named_as_torch(self) -> dict[str, torch.Tensor]:
        """What :class:`QuantTransducer` loads."""
        lstm = "encoder.lstm."
        own = {name: value for name, value in self.state_dict().items() if not name.startswith(lstm)}
        return own | {lstm + name: value for name, value in self._lstm.named_as_torch().items()}


class QuantTransducer(TransducerModel):
    """Of arrays alone. Rows of the joint network's first one are [encoded, predicted, bias]."""

    def __init__(self, sizes: Sizes, config: QuantConfig, head: QuantConfig) -> None:
        if config.tile_rows:
            raise DesignError(f"a transducer's arrays must be whole, not in tiles of {config.tile_rows} rows")
        prediction = QuantLSTM(SYMBOLS, sizes.predicted, batch_first=True, config=_driven_alike(config))
        super().__init__(sizes, QuantEncoder(sizes, config), prediction)
        self.joint = tanh_layer(sizes.encoded + sizes.predicted, sizes.joined, config)
        self.head = QuantLinear(sizes.joined, SYMBOLS, config=head)

    def joined(self) -> QuantJoint:
        return QuantJoint(self)

    def together(self, values: torch.Tensor, lengths: torch.Tensor, symbols: torch.Tensor) -> torch.Tensor:
        """As :meth:`forward`, but every pair drives all rows at once, as it does in the hardware, (B, T, U + 1,
        symbols). In evaluation it gives the same numbers, from more work. What listens to arrays, a calibration among
        them, hears them all.
        """
        encoded = self.encoder(values, lengths)[:, :, None]
        predicted = self.predict(functional.pad(symbols, (1, 0), value=BLANK))[0][:, None]
        shape = torch.broadcast_shapes(encoded.shape[:3], predicted.shape[:3])
        pairs = torch.cat([encoded.expand(*shape, -1), predicted.expand(*shape, -1)], dim=3)
        return self.head(self.joint(pairs))
