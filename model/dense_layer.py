"""A fully connected layer."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .array_layer import ArrayLayer
from .formats import DesignError, check_choice, check_integer, full_scale
from .tables import DENSE_FUNCTIONS

MAX_VOTES = 256  #: sequences whose codes a head adds up


@dataclass(frozen=True, kw_only=True)
class DenseLayer(ArrayLayer):
    """A fully connected layer: table to DAC codes, or the network's head."""

    kind: ClassVar[Literal["dense"]] = "dense"
    gates: ClassVar[int] = 1
    hidden: ClassVar[int] = 0
    input_drive: ClassVar[int] = 1
    input_tile_shift: ClassVar[int] = 0  # pyright: ignore[reportIncompatibleVariableOverride]
    joined: ClassVar[bool] = False
    max_steps: ClassVar[int] = 0

    outputs: int
    output: str = "table"  #: "table" to DAC codes, "codes" of the ADC, or "argmax" (lowest index wins)
    output_bits: int = 4  #: of the DAC codes that "table" makes
    function: str = "identity"  #: of a default or constant table
    emit: str = "step"  #: a result on every "step", or one at the "end" of a sequence
    votes: int = 1  #: v, sequences whose codes "argmax" adds up before it decides; 1: each by itself

    def check(self, where: str) -> None:
        """Raise :class:`DesignError` for the first rule that this layer breaks."""
        self._check_array(where)
        check_integer(f"{where}: outputs", self.outputs, 1, 16384)
        if self.outputs % self.adcs:
            raise DesignError(f"{where}: ADCs must be a divisor of the {self.outputs} outputs, not {self.adcs!r}")
        check_choice(f"{where}: output", self.output, ("table", "codes", "argmax"))
        check_choice(f"{where}: function", self.function, tuple(DENSE_FUNCTIONS))
        check_choice(f"{where}: emit", self.emit, ("step", "end"))
        check_integer(f"{where}: output bits", self.output_bits, 1, 16)
        check_integer(f"{where}: votes", self.votes, 1, MAX_VOTES)
        if self.votes > 1 and not (self.output == "argmax" and self.at_end):
            raise DesignError(
                f"{where}: votes must be 1 unless output is 'argmax' and emit is 'end', not {self.votes} "
                f"with output {self.output!r} and emit {self.emit!r}"
            )
        self.check_tiles(where)

    @property
    def rows(self) -> int:
        return self.inputs + self.bias_rows

    @property
    def columns(self) -> int:
        return self.outputs

    @property
    def _driven(self) -> str:
        return f"{self.inputs}"

    @property
    def has_table(self) -> bool:
        return self.output == "table"

    @property
    def table_bits(self) -> int:
        """Bits of a table's entry; 0 for a head, which has no table."""
        return self.output_bits if self.has_table else 0

    @property
    def code_bits(self) -> dict[str, int]:
        return super().code_bits | ({"output": self.output_bits} if self.has_table else {})

    @property
    def result_bits(self) -> int:
        """Bits of all outputs of a time step, as the hardware hands them on: codes, or the number of one output."""
        if self.output == "argmax":
            return max((self.outputs - 1).bit_length(), 1)
        return self.outputs * (self.output_bits if self.has_table else self.sum_bits)

    @property
    def vote_bits(self) -> int:
        """Bits of a column's code, or of the sum of its codes in all votes."""
        return self.sum_bits + (self.votes - 1).bit_length()

    @property
    def output_unit(self) -> float:
        """The real value that 1 stands for in what is handed on; of ADC codes nominal, as gains are rounded."""
        return 1 / full_scale(self.output_bits) if self.has_table else self.adc_step

    @property
    def output_range(self) -> tuple[int, int]:
        """Lowest and highest code handed on; of ADC codes, also where a head gives the number of the largest."""
        if self.has_table:
            return -full_scale(self.output_bits), full_scale(self.output_bits)
        return self.sum_range

    @property
    def output_middle(self) -> float:
        """What is added to a code before its unit: an ADC code stands for the middle of its step."""
        return 0.0 if self.has_table else self.code_middle
