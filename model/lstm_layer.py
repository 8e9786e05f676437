"""An LSTM layer."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .formats import DesignError, check_choice, check_integer
from .recurrent_layer import RecurrentLayer

GATES = ("f", "i", "o", "g")  #: forget, input, output, candidate: the order everywhere
LSTM_OUTPUTS = ("codes", "value")


@dataclass(frozen=True, kw_only=True)
class LstmLayer(RecurrentLayer):
    """An LSTM layer: rows [x, h, bias], columns of the gates f, i, o, g (Ma et al., equations 1 to 6)."""

    kind: ClassVar[Literal["lstm"]] = "lstm"
    gates: ClassVar[int] = 4  #: groups of columns, each with a gain and a table

    hidden: int  #: n
    activation_bits: int = 8  #: A, of the gate tables and of tanh(c)
    cell_bits: int = 32  #: C
    cell_fraction: int = 24  #: F
    tanh_bits: int = 8  #: T, of the index into tanh(c)
    tanh_fraction: int = 5  #: Ft
    output: str = "codes"  #: "codes" of the DACs, or the "value" of h to A bits, for a host
    input_drive: int = 1  #: V: the inputs' DACs have V times the other rows' reference voltage
    input_dac_bits: int = 0  #: Dx, of the inputs' DACs; 0: as the other rows'
    input_tile_shift: int = 0  #: codes of row tiles with inputs count 2^shift (:mod:`.tiles`)
    direction: str = "forward"  #: or "reverse": from a sequence's last step to its first
    max_steps: int = 0  #: of the longest sequence that a layer in reverse keeps
    joined: bool = False  #: takes the inputs of the forward LSTM before; the outputs follow that one's (.directions)

    def check(self, where: str) -> None:
        """Raise :class:`DesignError` for the first rule that this layer breaks."""
        self._check_array(where)
        check_integer(f"{where}: hidden units", self.hidden, 1, 4096)
        if self.adcs % 4 or self.hidden % (self.adcs // 4):
            raise DesignError(
                f"{where}: ADCs must be 4 times a divisor of the {self.hidden} hidden units, not {self.adcs}"
            )
        check_integer(f"{where}: activation bits", self.activation_bits, 2, 16)
        check_integer(f"{where}: cell bits", self.cell_bits, 4, 32)
        check_integer(f"{where}: cell fraction bits", self.cell_fraction, 0, self.cell_bits - 1)
        check_integer(f"{where}: tanh index bits", self.tanh_bits, 1, 12)
        check_integer(f"{where}: tanh fraction bits", self.tanh_fraction, 0, self.cell_fraction)
        check_choice(f"{where}: output", self.output, LSTM_OUTPUTS)
        self._check_recurrent(where)

    @property
    def table_bits(self) -> int:
        """Bits of a table's entry."""
        return self.activation_bits

    @property
    def output_bits(self) -> int:
        return self.activation_bits if self.output == "value" else self.dac_bits

    @property
    def output_unit(self) -> float:
        return 2.0 ** (1 - self.activation_bits) if self.output == "value" else super().output_unit
