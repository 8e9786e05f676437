"""Drop-in modules: :class:`QuantLSTM` for ``nn.LSTM``, :class:`QuantLinear` for ``nn.Linear``.

Same shapes, same state handling, same packed sequences; state dicts of the float modules load into them. Both are
made of the arrays that a design's network is made of.
"""

import re
from dataclasses import replace
from numbers import Real
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ...model.formats import DesignError, check_integer
from .array import ArrayModule
from .config import QuantConfig, check_config
from .eager import eager, refuse_graph
from .fixed import Fixed
from .linear import LinearArray
from .lstm import LstmArray
from .read_only import read_only
from .turning import gather, reversal
from .whole_model import set_noise

GATE_ORDER = (1, 0, 3, 2)  #: f, i, o, g among nn.LSTM's i, f, g, o


class QuantLSTM(Fixed, nn.Module):
    """``nn.LSTM`` whose layers are arrays; further keywords are those of :class:`QuantConfig`.

    Inputs lie within +-full_scale (1 until calibrated), outputs in [-1, 1]. With ``output="value"`` the last layer's
    outputs are h to activation bits, while h_n, as every hidden row, has its DAC codes. Without an initial state the
    hidden rows are not driven on the first step, which is nn.LSTM's zero state, also for one bit, which has no zero
    code. Dropout between layers leaves rows of the next array undriven.

    ``weight_ih_l0``, ``bias_hh_l0_reverse`` and so on can be read as ``nn.LSTM``'s. They are computed from the
    arrays' cells, with b_ih + b_hh in ``bias_ih``; changing one in place is refused.
    """

    FIXED = frozenset({"input_size", "hidden_size", "num_layers", "bidirectional", "directions", "config"})
    VIEWS = r"(weight|bias)_(ih|hh)(_l\d+(?:_reverse)?)"
    __prepare_scriptable__ = refuse_graph  #: what torch.jit.script calls first

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        config: QuantConfig | None = None,
        fast: bool = True,
        **fields,
    ) -> None:
        super().__init__()
        config = _config(config, fields, bias)
        check_integer("layers", num_layers, 1, 64)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.bidirectional, self.config = batch_first, bidirectional, config
        self.directions = 2 if bidirectional else 1
        self._dropout = dropout
        self.arrays = nn.ModuleList()  #: layer after layer, forward before reverse
        for index in range(num_layers * self.directions):
            inputs = input_size if index < self.directions else hidden_size * self.directions
            own = config
            if index < (num_layers - 1) * self.directions:  # its outputs go to DACs
                own = replace(own, output="codes")
            if index >= self.directions:  # its inputs are hidden codes as those that are fed back
                own = replace(own, input_drive=1, input_dac_bits=0)
            self.arrays.append(LstmArray(inputs, hidden_size, own, fast))
        self.dropout = dropout
        set_noise(self)  # none, from one stream for all

    @property
    def dropout(self) -> float:
        """Share of the rows between layers that training leaves undriven; may be assigned, as nn.LSTM's."""
        return self._dropout

    @dropout.setter
    def dropout(self, share: float) -> None:
        if not isinstance(share, Real) or isinstance(share, bool) or not 0 <= share < 1:
            raise DesignError(f"dropout must be a number from 0 up to but not 1, not {share!r}")
        self._dropout = share = float(share)
        for array in self.arrays[self.directions :]:
            array.input_dropout = share

    def reset_parameters(self) -> None:
        """Start anew: uniform within 1/sqrt(n), as ``nn.LSTM``."""
        for array in self.arrays:
            array.reset_parameters()

    def __getattr__(self, name: str):
        if found := re.fullmatch(self.VIEWS, name):
            array = self.by_suffix().get(found[3])
            if array is not None and (found[1] == "weight" or array.config.bias_rows):
                return read_only(name, _raw(array, found[1], found[2]))
        return super().__getattr__(name)

    @eager
    def forward(self, input, hx=None):
        """Output and (h_n, c_n), in the shapes of ``nn.LSTM``: (T, B, m), (B, T, m), (T, m) or packed.

        Of the weights' type; c_n of an evaluation is float64, which holds all bits of a cell.
        """
        inputs, state = input, hx  # nn.LSTM's names
        if isinstance(inputs, PackedSequence):
            return self._packed(inputs, state)
        if inputs.dim() not in (2, 3) or inputs.shape[-1] != self.input_size:
            raise DesignError(
                f"inputs must have 2 or 3 axes, the last of {self.input_size}, not shape {tuple(inputs.shape)}"
            )
        single = inputs.dim() == 2
        if inputs.shape[1 if self.batch_first and not single else 0] == 0:
            raise DesignError("a sequence must have at least 1 step, but it has none")
        values = inputs[:, None] if single else inputs.transpose(0, 1) if self.batch_first else inputs
        if single and state is not None:
            state = tuple(s[:, None] if isinstance(s, torch.Tensor) else s for s in state)
        values, hidden, cell = self._run(values, state, None)
        if single:
            return values[:, 0], (hidden[:, 0], cell[:, 0])
        return values.transpose(0, 1) if self.batch_first else values, (hidden, cell)

    def _packed(self, inputs: PackedSequence, state):
        values, lengths = pad_packed_sequence(inputs)
        values, hidden, cell = self._run(values, state, lengths)
        if inputs.sorted_indices is not None:  # else the sequences came sorted, and must not be sorted again
            values = values.index_select(1, inputs.sorted_indices)
            lengths = lengths.index_select(0, inputs.sorted_indices.to(lengths.device))
        packed = pack_padded_sequence(values, lengths, enforce_sorted=True)
        indices = inputs.sorted_indices, inputs.unsorted_indices
        return PackedSequence(packed.data, inputs.batch_sizes, *indices), (hidden, cell)

    def _run(self, values, state, lengths):
        """(T, B, m) through all layers: outputs (T, B, directions * n), h_n and c_n (arrays, B, n)."""
        steps, batch = values.shape[:2]
        if state is not None:
            expected = (len(self.arrays), batch, self.hidden_size)
            if len(state) != 2:
                raise DesignError(f"the initial state must be (h_0, c_0), not {len(state)} tensors")
            for part in state:
                if not isinstance(part, torch.Tensor):
                    raise DesignError(f"the initial state must be (h_0, c_0), two tensors, not {part!r}")
                if tuple(part.shape) != expected:
                    raise DesignError(f"the initial state must have shape {expected}, not {tuple(part.shape)}")
        back = reversal(steps, batch, lengths, values.device)
        last = (torch.full((batch,), steps) if lengths is None else lengths) - 1
        hiddens, cells = [], []
        for first in range(0, len(self.arrays), self.directions):
            outputs = []
            for direction in range(self.directions):
                index = first + direction
                given = values if direction == 0 else gather(values, back)
                start = None if state is None else (state[0][index], state[1][index])
                out, hidden, cell = self.arrays[index](given, start)
                rows = torch.arange(batch)
                hiddens.append(hidden[last, rows])
                cells.append(cell[last, rows])
                outputs.append(out if direction == 0 else gather(out, back))
            values = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
        dtype = self.arrays[0].cells.dtype
        return values.to(dtype), torch.stack(hiddens).to(dtype), torch.stack(cells)

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        if prefix + "weight_ih_l0" in state_dict:
            self._fold(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def _fold(self, state_dict, prefix: str) -> None:
        """Replace the tensors of an ``nn.LSTM`` in ``state_dict`` by the arrays', b_ih + b_hh folded."""
        for index, (suffix, array) in enumerate(self.by_suffix().items()):
            for name in ("weight_ih", "weight_hh"):
                if prefix + name + suffix not in state_dict:
                    raise DesignError(f"the state dict must have {name}{suffix}, but it is missing")
            w_ih, w_hh = (state_dict.pop(prefix + name + suffix) for name in ("weight_ih", "weight_hh"))
            biases = [state_dict.pop(prefix + name + suffix, None) for name in ("bias_ih", "bias_hh")]
            biases = [b for b in biases if b is not None]
            if any(b.shape != (4 * self.hidden_size,) for b in biases):
                raise DesignError(f"bias_ih{suffix} and bias_hh{suffix} must have {4 * self.hidden_size} numbers")
            bias = sum(biases) if biases else w_ih.new_zeros(len(w_ih))
            for name, weight, rows in (("ih", w_ih, array.inputs), ("hh", w_hh, self.hidden_size)):
                if weight.shape != (4 * self.hidden_size, rows):
                    raise DesignError(
                        f"weight_{name}{suffix} must have shape {(4 * self.hidden_size, rows)}, "
                        f"not {tuple(weight.shape)}"
                    )
            order = torch.cat([torch.arange(self.hidden_size) + k * self.hidden_size for k in GATE_ORDER])
            w_ih = w_ih * (float(array.full_scale) / array.config.input_gain)
            rows = torch.cat([w_ih.T, w_hh.T, _bias_rows(array, bias)])[:, order]
            _complete(state_dict, f"{prefix}arrays.{index}.", array, rows)

    def by_suffix(self) -> dict[str, LstmArray]:
        """The arrays by what the names of ``nn.LSTM``'s parameters end in: ``_l0``, ``_l0_reverse``, ..."""
        ends = ["", "_reverse"][: self.directions]
        names = [f"_l{layer}{end}" for layer in range(self.num_layers) for end in ends]
        return dict(zip(names, self.arrays))

    def forward_of(self) -> dict[ArrayModule, ArrayModule]:
        """Of every array in reverse the one that takes the same inputs forwards."""
        arrays: list[Any] = list(self.arrays)
        return dict(zip(arrays[1::2], arrays[::2])) if self.bidirectional else {}

    def flatten_parameters(self) -> None:
        """Nothing: ``nn.LSTM``'s layout of weights, which models ask for in their forward."""

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, {_bits(self.config)}"


class QuantLinear(LinearArray):
    """``nn.Linear`` as an array, whose outputs are the ADC codes' values.

    Inputs lie within +-full_scale (1 until calibrated). Keywords are those of :class:`QuantConfig`. ``weight`` and
    ``bias`` can be read as ``nn.Linear``'s; changing one in place is refused.
    """

    FIXED = LinearArray.FIXED | {"in_features", "out_features"}
    VIEWS = "weight|bias"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        config: QuantConfig | None = None,
        fast: bool = True,
        **fields,
    ) -> None:
        super().__init__(in_features, out_features, _config(config, fields, bias), fast)
        self.in_features, self.out_features = in_features, out_features

    @property
    def weight(self) -> torch.Tensor:
        """(outputs, inputs), read-only."""
        return read_only("weight", self.cells[: self.inputs].T)

    @property
    def bias(self) -> torch.Tensor | None:
        """(outputs,), read-only; None for a layer without."""
        return read_only("bias", _bias(self, self.inputs)) if self.config.bias_rows else None

    @eager
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` (..., m) to (..., outputs), of the weights' type."""
        if input.shape[-1:] != (self.inputs,):
            raise DesignError(f"inputs must have a last axis of {self.inputs}, not shape {tuple(input.shape)}")
        return super().forward(input).to(self.cells.dtype)

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        if prefix + "weight" in state_dict:
            weight = state_dict.pop(prefix + "weight")
            if weight.shape != (self.outputs, self.inputs):
                raise DesignError(f"weight must have shape {(self.outputs, self.inputs)}, not {tuple(weight.shape)}")
            bias = state_dict.pop(prefix + "bias", None)
            bias = weight.new_zeros(self.outputs) if bias is None else bias
            _complete(state_dict, prefix, self, torch.cat([weight.T, _bias_rows(self, bias)]))
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def extra_repr(self) -> str:
        return f"{self.inputs}, {self.outputs}, {_bits(self.config)}"


def _config(config: QuantConfig | None, fields: dict, bias: bool) -> QuantConfig:
    if config is not None and fields:
        raise DesignError(f"give either config or its fields, not both: {min(fields)}")
    unknown = sorted(fields.keys() - vars(QuantConfig()).keys())
    if unknown:
        raise DesignError(f"a quantised layer has no option {unknown[0]!r}")
    config = check_config(config) or QuantConfig(**fields)
    return config if bias else replace(config, bias_rows=0)


def _bits(config: QuantConfig) -> str:
    dacs = f"{config.input_bits} of inputs, {config.dac_bits}" if config.input_dac_bits else f"{config.dac_bits}"
    return f"weights {config.weight_bits}, DACs {dacs}, ADCs {config.adc_bits} bits"


def _bias_rows(array, bias: torch.Tensor) -> torch.Tensor:
    """The bias shared out to the array's bias rows, which are driven at full scale."""
    rows = array.config.bias_rows
    if not rows:
        if bias.abs().max() > 0:
            raise DesignError("a layer without bias rows must be given no bias, but the state dict has one")
        return bias.new_zeros(0, len(bias))
    return (bias / (rows * float(array.row_scale))).expand(rows, -1)


def _bias(array, driven: int) -> torch.Tensor:
    """What the bias rows of an array, behind its ``driven`` rows, add up to."""
    return array.cells[driven:].sum(0) * float(array.row_scale)


def _raw(array: LstmArray, kind: str, rows: str) -> torch.Tensor:
    """``nn.LSTM``'s tensor of an array: ``kind`` weight or bias, ``rows`` ih or hh."""
    driven = array.inputs + array.hidden
    if kind == "weight":
        cells = array.cells[: array.inputs] if rows == "ih" else array.cells[array.inputs : driven]
        values = cells.T * (array.config.input_gain / float(array.full_scale) if rows == "ih" else 1.0)
    else:
        values = _bias(array, driven) if rows == "ih" else array.cells.new_zeros(4 * array.hidden)
    return torch.cat([values[GATE_ORDER.index(k) * array.hidden :][: array.hidden] for k in range(4)])


def _complete(state_dict, prefix: str, array, cells: torch.Tensor) -> None:
    """Enter ``cells``, and what a float module does not have: ranges as they are, a learned one from the cells."""
    with torch.no_grad():
        array.cells.copy_(cells)
    array.start_ranges()
    for name, value in array.state_dict().items():
        state_dict.setdefault(prefix + name, value.clone())
