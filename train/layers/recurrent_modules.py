"""What drop-in modules of layers with feedback share: stacks and directions of arrays in the shapes of PyTorch's."""

import re
from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ...model.formats import DesignError, check_integer
from .array import ArrayModule
from .config import QuantConfig
from .eager import eager, refuse_graph
from .fixed import Fixed
from .float_state import bias_of, bias_rows_of, bits_of, complete, module_config
from .read_only import read_only
from .recurrent import RecurrentArray
from .turning import gather, reversal
from .whole_model import set_noise


class QuantRecurrent(Fixed, nn.Module):
    """A module of the shapes of ``nn.RNNBase`` whose layers are arrays.

    A kind of module says how its arrays are made, what its initial state is called, and in which order the float
    module has its gates.
    """

    FIXED = frozenset({"input_size", "hidden_size", "num_layers", "bidirectional", "directions", "config"})
    VIEWS = r"(weight|bias)_(ih|hh)(_l\d+(?:_reverse)?)"
    GATE_ORDER: ClassVar[tuple[int, ...]] = (
        0,
    )  #: of each group of an array's columns, its place in the float module
    STATES: ClassVar[tuple[str, ...]] = ("h_0",)  #: tensors of an initial state
    __prepare_scriptable__ = refuse_graph  #: what torch.jit.script calls first

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        config: QuantConfig | None,
        fast: bool,
        fields: dict[str, Any],
    ) -> None:
        super().__init__()
        config = module_config(config, fields, bias)
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
                own = replace(own, input_drive=1, input_dac_bits=0, input_tile_shift=0)
            self.arrays.append(self._made(inputs, own, fast))
        self.dropout = dropout
        set_noise(self)  # none, from one stream for all

    def _made(self, inputs: int, config: QuantConfig, fast: bool) -> RecurrentArray:
        raise NotImplementedError

    def _parts(self, state) -> tuple[torch.Tensor, ...]:
        """Tensors of an initial state, one for each of ``STATES``; else :class:`DesignError`."""
        raise NotImplementedError

    def _joined(self, parts: tuple[torch.Tensor, ...]):
        """Tensors of a state as PyTorch has them, for a module as for a layer."""
        raise NotImplementedError

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
        """Start anew: uniform within 1/sqrt(n), as the float module."""
        for array in self.arrays:
            array.reset_parameters()

    def __getattr__(self, name: str):
        if found := re.fullmatch(self.VIEWS, name):
            array = self.by_suffix().get(found[3])
            if array is not None and (found[1] == "weight" or array.config.bias_rows):
                return read_only(name, self._raw(array, found[1], found[2]))
        return super().__getattr__(name)

    @eager
    def forward(self, input, hx=None):
        """Output and last state, in the shapes of PyTorch's module: (T, B, m), (B, T, m), (T, m) or packed.

        Of the weights' type; c_n of an evaluation is float64, which holds all bits of a cell.
        """
        inputs, state = input, hx  # PyTorch's names
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
        parts = None if state is None else self._parts(state)
        if single and parts is not None:
            parts = tuple(part[:, None] for part in parts)
        values, parts = self._run(values, parts, None)
        if single:
            return values[:, 0], self._joined(tuple(part[:, 0] for part in parts))
        return values.transpose(0, 1) if self.batch_first else values, self._joined(parts)

    def _packed(self, inputs: PackedSequence, state):
        values, lengths = pad_packed_sequence(inputs)
        values, parts = self._run(values, None if state is None else self._parts(state), lengths)
        if inputs.sorted_indices is not None:  # else the sequences came sorted, and must not be sorted again
            values = values.index_select(1, inputs.sorted_indices)
            lengths = lengths.index_select(0, inputs.sorted_indices.to(lengths.device))
        packed = pack_padded_sequence(values, lengths, enforce_sorted=True)
        indices = inputs.sorted_indices, inputs.unsorted_indices
        return PackedSequence(packed.data, inputs.batch_sizes, *indices), self._joined(parts)

    def _run(self, values, state: tuple[torch.Tensor, ...] | None, lengths):
        """(T, B, m) through all layers: outputs (T, B, directions * n), and the last state's parts (arrays, B, n)."""
        steps, batch = values.shape[:2]
        expected = (len(self.arrays), batch, self.hidden_size)
        for part in state or ():
            if tuple(part.shape) != expected:
                raise DesignError(f"the initial state must have shape {expected}, not {tuple(part.shape)}")
        back = reversal(steps, batch, lengths, values.device)
        last = (torch.full((batch,), steps) if lengths is None else lengths) - 1
        ends = [[] for _ in self.STATES]
        for first in range(0, len(self.arrays), self.directions):
            outputs = []
            for direction in range(self.directions):
                index = first + direction
                given = values if direction == 0 else gather(values, back)
                start = None if state is None else self._joined(tuple(part[index] for part in state))
                out, *parts = self.arrays[index](given, start)
                rows = torch.arange(batch)
                for end, part in zip(ends, parts):
                    end.append(part[last, rows])
                outputs.append(out if direction == 0 else gather(out, back))
            values = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
        dtype = self.arrays[0].cells.dtype
        hidden, *others = (torch.stack(end) for end in ends)
        return values.to(dtype), (hidden.to(dtype), *others)

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        if prefix + "weight_ih_l0" in state_dict:
            self._fold(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def _fold(self, state_dict, prefix: str) -> None:
        """Replace the tensors of a float module in ``state_dict`` by the arrays', b_ih + b_hh folded."""
        columns = len(self.GATE_ORDER) * self.hidden_size
        for index, (suffix, array) in enumerate(self.by_suffix().items()):
            for name in ("weight_ih", "weight_hh"):
                if prefix + name + suffix not in state_dict:
                    raise DesignError(f"the state dict must have {name}{suffix}, but it is missing")
            w_ih, w_hh = (state_dict.pop(prefix + name + suffix) for name in ("weight_ih", "weight_hh"))
            biases = [state_dict.pop(prefix + name + suffix, None) for name in ("bias_ih", "bias_hh")]
            biases = [b for b in biases if b is not None]
            if any(b.shape != (columns,) for b in biases):
                raise DesignError(f"bias_ih{suffix} and bias_hh{suffix} must have {columns} numbers")
            bias = sum(biases) if biases else w_ih.new_zeros(len(w_ih))
            for name, weight, rows in (("ih", w_ih, array.inputs), ("hh", w_hh, self.hidden_size)):
                if weight.shape != (columns, rows):
                    raise DesignError(
                        f"weight_{name}{suffix} must have shape {(columns, rows)}, not {tuple(weight.shape)}"
                    )
            order = torch.cat([torch.arange(self.hidden_size) + k * self.hidden_size for k in self.GATE_ORDER])
            w_ih = w_ih * (float(array.full_scale) / array.config.input_gain)
            rows = torch.cat([w_ih.T, w_hh.T, bias_rows_of(array, bias)])[:, order]
            complete(state_dict, f"{prefix}arrays.{index}.", array, rows)

    def _raw(self, array: RecurrentArray, kind: str, rows: str) -> torch.Tensor:
        """The float module's tensor of an array: ``kind`` weight or bias, ``rows`` ih or hh."""
        driven = array.inputs + array.hidden
        if kind == "weight":
            cells = array.cells[: array.inputs] if rows == "ih" else array.cells[array.inputs : driven]
            values = cells.T * (array.config.input_gain / float(array.full_scale) if rows == "ih" else 1.0)
        else:
            values = bias_of(array, driven) if rows == "ih" else array.cells.new_zeros(array.cells.shape[1])
        places = range(len(self.GATE_ORDER))
        return torch.cat([values[self.GATE_ORDER.index(k) * array.hidden :][: array.hidden] for k in places])

    def by_suffix(self) -> Mapping[str, RecurrentArray]:
        """The arrays by what the names of the float module's parameters end in: ``_l0``, ``_l0_reverse``, ..."""
        ends = ["", "_reverse"][: self.directions]
        names = [f"_l{layer}{end}" for layer in range(self.num_layers) for end in ends]
        arrays: list[Any] = list(self.arrays)
        return dict(zip(names, arrays))

    def forward_of(self) -> dict[ArrayModule, ArrayModule]:
        """Of every array in reverse the one that takes the same inputs forwards."""
        arrays: list[Any] = list(self.arrays)
        return dict(zip(arrays[1::2], arrays[::2])) if self.bidirectional else {}

    def flatten_parameters(self) -> None:
        """Nothing: PyTorch's layout of weights, which models ask for in their forward."""

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, {bits_of(self.config)}"
