"""A simple recurrent layer."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .formats import DesignError, check_choice, check_integer
from .recurrent_layer import RecurrentLayer
from .tables import DENSE_FUNCTIONS


@dataclass(frozen=True, kw_only=True)
class RnnLayer(RecurrentLayer):
    """A layer whose hidden state is the table's DAC codes: rows [x, h, bias], a column for each hidden unit.

    Without a cell state and gates; nominally h' = tanh(W [x, h, 1]), as Elman's (1990) and PyTorch's ``nn.RNN``.
    """

    kind: ClassVar[Literal["rnn"]] = "rnn"
    gates: ClassVar[int] = 1
    output: ClassVar[str] = "codes"  #: of the DACs
    has_table: ClassVar[bool] = True

    hidden: int  #: n
    function: str = "tanh"  #: of a default or constant table
    input_drive: int = 1  #: V: the inputs' DACs have V times the other rows' reference voltage
    input_dac_bits: int = 0  #: Dx, of the inputs' DACs; 0: as the other rows'
    input_tile_shift: int = 0  #: codes of row tiles with inputs count 2^shift (:mod:`.tiles`)
    direction: str = "forward"  #: or "reverse": from a sequence's last step to its first
    max_steps: int = 0  #: of the longest sequence that a layer in reverse keeps
    joined: bool = False  #: takes the inputs of the forward RNN before; the outputs follow that one's (.directions)

    def check(self, where: str) -> None:
        """Raise :class:`DesignError` for the first rule that this layer breaks."""
        self._check_array(where)
        check_integer(f"{where}: hidden units", self.hidden, 1, 4096)
        if self.hidden % self.adcs:
            raise DesignError(f"{where}: ADCs must be a divisor of the {self.hidden} hidden units, not {self.adcs}")
        check_choice(f"{where}: function", self.function, tuple(DENSE_FUNCTIONS))
        self._check_recurrent(where)

    @property
    def table_bits(self) -> int:
        """Bits of a table's entry: a DAC code."""
        return self.dac_bits
