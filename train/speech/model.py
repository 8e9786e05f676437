"""Acoustic models: LSTM layers of both directions, or of one, over padded utterances, and a head of symbols on every
step."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..layers.config import QuantConfig
from ..layers.modules import QuantLinear, QuantLSTM
from ..layers.turning import gather, reversal
from .characters import SYMBOLS
from .features import CHANNELS


class FloatLSTM(nn.Module):
    """``nn.LSTM`` of both directions, or forward alone, for padded sequences (B, T, m) with lengths.

    Made of layers of one direction, as torch's takes a quarter of the time for these that it takes for packed ones.
    Its outputs (B, T, ``outputs``) are of no use past a sequence's end.
    """

    def __init__(self, inputs: int, hidden: int, layers: int, dropout: float, bidirectional: bool = True) -> None:
        super().__init__()
        self.outputs = (1 + bidirectional) * hidden
        sizes = [inputs, *[self.outputs] * (layers - 1)]
        self.forwards = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.reverse = nn.ModuleList(
            nn.LSTM(size, hidden, batch_first=True) for size in (sizes if bidirectional else ())
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        if not self.reverse:
            for index, layer in enumerate(self.forwards):
                values = layer(self.dropout(values) if index else values)[0]
            return values
        back = reversal(values.shape[1], len(values), lengths, values.device)

        def turned(steps: torch.Tensor) -> torch.Tensor:
            return gather(steps.transpose(0, 1), back).transpose(0, 1)

        for index, (forwards, reverse) in enumerate(zip(self.forwards, self.reverse)):
            if index:
                values = self.dropout(values)
            values = torch.cat([forwards(values)[0], turned(reverse(turned(values))[0])], dim=2)
        return values

    def named_as_torch(self) -> dict[str, torch.Tensor]:
        """The state dict of an ``nn.LSTM`` that gives the same."""
        return {
            name.replace("_l0", f"_l{layer}") + ending: value
            for ending, layers in (("", self.forwards), ("_reverse", self.reverse))
            for layer, one in enumerate(layers)
            for name, value in one.state_dict().items()
        }


class FloatModel(nn.Module):
    """Steps (B, T, 78) and lengths to scores (B, T, symbols)."""

    def __init__(self, hidden: int, layers: int, dropout: float, bidirectional: bool = True) -> None:
        super().__init__()
        self.lstm = FloatLSTM(CHANNELS, hidden, layers, dropout, bidirectional)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.lstm.outputs, SYMBOLS)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.lstm(values, lengths)))

    def named_as_torch(self) -> dict[str, torch.Tensor]:
        """What :class:`QuantModel` loads."""
        parts: tuple[tuple[str, Mapping[str, torch.Tensor]], ...] = (
            ("lstm", self.lstm.named_as_torch()),
            ("head", self.head.state_dict()),
        )
        return {f"{prefix}.{name}": value for prefix, part in parts for name, value in part.items()}


class QuantModel(nn.Module):
    """The same of arrays alone; padding is 0 behind the head, too."""

    def __init__(
        self,
        hidden: int,
        layers: int,
        dropout: float,
        config: QuantConfig,
        head: QuantConfig,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        sizes = CHANNELS, hidden, layers
        self.lstm = QuantLSTM(*sizes, batch_first=True, dropout=dropout, bidirectional=bidirectional, config=config)
        self.head = QuantLinear((1 + bidirectional) * hidden, SYMBOLS, config=head)
        self.head.input_dropout = dropout

    def forward(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.head(hidden)
