"""Drop-in modules: :class:`QuantLSTM` for ``nn.LSTM``, :class:`QuantRNN` for ``nn.RNN``, :class:`QuantLinear` for
``nn.Linear``.

Same shapes, same state handling, same packed sequences; state dicts of the float modules load into them. All are
made of the arrays that a design's network is made of.
"""

import torch

from ...model.formats import DesignError
from .config import FLOAT, QuantConfig
from .eager import eager
from .float_state import bias_of, bias_rows_of, bits_of, complete, module_config
from .linear import LinearArray
from .lstm import LstmArray
from .read_only import read_only
from .recurrent_modules import QuantRecurrent
from .rnn import RnnArray


class QuantLSTM(QuantRecurrent):
    """``nn.LSTM`` whose layers are arrays; further keywords are those of :class:`QuantConfig`.

    Inputs lie within +-full_scale (1 until calibrated), outputs in [-1, 1]. With ``output="value"`` the last layer's
    outputs are h to activation bits, while h_n, as every hidden row, has its DAC codes. Without an initial state the
    hidden rows are not driven on the first step, which is nn.LSTM's zero state, also for one bit, which has no zero
    code. Dropout between layers leaves rows of the next array undriven.

    ``weight_ih_l0``, ``bias_hh_l0_reverse`` and so on can be read as ``nn.LSTM``'s. They are computed from the
    arrays' cells, with b_ih + b_hh in ``bias_ih``; changing one in place is refused.
    """

    GATE_ORDER = (1, 0, 3, 2)  #: f, i, o, g among nn.LSTM's i, f, g, o
    STATES = ("h_0", "c_0")

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
        sizes = input_size, hidden_size, num_layers
        super().__init__(*sizes, bias, batch_first, dropout, bidirectional, config, fast, fields)

    def _made(self, inputs: int, config: QuantConfig, fast: bool) -> LstmArray:
        return LstmArray(inputs, self.hidden_size, config, fast)

    def _parts(self, state) -> tuple[torch.Tensor, ...]:
        if len(state) != 2:
            raise DesignError(f"the initial state must be (h_0, c_0), not {len(state)} tensors")
        for part in state:
            if not isinstance(part, torch.Tensor):
                raise DesignError(f"the initial state must be (h_0, c_0), two tensors, not {part!r}")
        return tuple(state)

    def _joined(self, parts: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return parts


class QuantRNN(QuantRecurrent):
    """``nn.RNN`` whose layers are arrays; further keywords are those of :class:`QuantConfig`.

    Inputs lie within +-full_scale (1 until calibrated), outputs in [-1, 1]: the DAC codes that a table gives for each
    ADC code. The initial state, dropout and the names of weights are as in :class:`QuantLSTM`. ``nonlinearity`` must
    be "tanh": hidden codes end at 1, which those of a ReLU would leave.
    """

    FIXED = QuantRecurrent.FIXED | {"nonlinearity"}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        config: QuantConfig | None = None,
        fast: bool = True,
        **fields,
    ) -> None:
        if nonlinearity != "tanh":
            raise DesignError(f"nonlinearity must be 'tanh', as hidden codes end at 1, not {nonlinearity!r}")
        sizes = input_size, hidden_size, num_layers
        super().__init__(*sizes, bias, batch_first, dropout, bidirectional, config, fast, fields)
        self.nonlinearity = nonlinearity
        if self.config.output != "codes":
            raise DesignError(f"output of an RNN must be 'codes', as it has no other, not {self.config.output!r}")

    def _made(self, inputs: int, config: QuantConfig, fast: bool) -> RnnArray:
        return RnnArray(inputs, self.hidden_size, config, fast, function="tanh")

    def _parts(self, state) -> tuple[torch.Tensor, ...]:
        if not isinstance(state, torch.Tensor):
            raise DesignError(f"the initial state must be h_0, one tensor, not {state!r}")
        return (state,)

    def _joined(self, parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return parts[0]


class QuantLinear(LinearArray):
    """``nn.Linear`` as an array, whose outputs are the ADC codes' values.

    With a ``function`` ("identity", "relu" or "tanh") they are DAC codes of it to ``output_bits``, by a table. Inputs
    lie within +-full_scale (1 until calibrated). Keywords are those of :class:`QuantConfig`. ``weight`` and
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
        function: str | None = None,
        output_bits: int = FLOAT,
        **fields,
    ) -> None:
        own = module_config(config, fields, bias)
        super().__init__(in_features, out_features, own, fast, function=function, output_bits=output_bits)
        self.in_features, self.out_features = in_features, out_features

    @property
    def weight(self) -> torch.Tensor:
        """(outputs, inputs), read-only."""
        return read_only("weight", self.cells[: self.inputs].T)

    @property
    def bias(self) -> torch.Tensor | None:
        """(outputs,), read-only; None for a layer without."""
        return read_only("bias", bias_of(self, self.inputs)) if self.config.bias_rows else None

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
            complete(state_dict, prefix, self, torch.cat([weight.T, bias_rows_of(self, bias)]))
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def extra_repr(self) -> str:
        outputs = "float" if self.output_bits == FLOAT else f"{self.output_bits} bits"
        function = "" if self.function is None else f", {self.function} to {outputs}"
        return f"{self.inputs}, {self.outputs}, {bits_of(self.config)}{function}"
