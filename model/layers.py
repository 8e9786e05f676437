"""The layers of an accelerator: what each is made of, and the rules for its numbers.

An array of cells with DACs on its rows and ADCs on its columns, and the formats of what the periphery computes. All
of it is fixed when the hardware is made; weights, gains and tables are data (:mod:`.network`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from .formats import (
    DesignError,
    check_boolean,
    check_choice,
    check_integer,
    check_integer_or,
    full_scale,
)
from .tables import DENSE_FUNCTIONS
from .tiles import Tiles

GATES = ("f", "i", "o", "g")  #: forget, input, output, candidate: the order everywhere
LSTM_OUTPUTS = ("codes", "value")
DIRECTIONS = ("forward", "reverse")
PROGRAMMING = ("level", "pulse")
MAX_ADCS = 4096
MAX_SPARES = 16  #: of an ADC
MAX_INPUT_DRIVE = 16  #: keeps the widest design's sums within reach of its gains
MAX_STEPS = 65535  #: of a sequence that a layer in reverse keeps
HARDWARE_BITS = 8  #: widest codes of the RTL and of images; in numbers alone they may be wider


@dataclass(frozen=True, kw_only=True)
class ArrayLayer(Tiles, ABC):
    """What both layer kinds share: an array of cells with DACs on its rows and ADCs on its columns."""

    gates: ClassVar[int]  #: groups of columns, each with a gain and a table

    inputs: int  #: m, input rows
    adcs: int  #: K, converters that share the columns
    dac_bits: int = 4  #: D, of the rows; of an LSTM's inputs, its ``input_dac_bits`` where these are set
    weight_bits: int = 4  #: W, of a differential pair of cells
    adc_bits: int = 4  #: N
    bias_rows: int = 1  #: extra rows driven at full scale
    adc_range: float | int = 4.0  #: nominal: pre-activations of -range..range span the ADC
    tables: str = "loaded"  #: "loaded" with the image, or "constant" in the RTL
    conversion_cycles: int = 0  #: 0: the macro says when (done); else the fixed time of a conversion
    diagnostics: bool = False  #: a host can read the columns and trim the converters (docs/diagnostics.md)
    spares: int = 0  #: S, columns more behind every ADC, each to be read in place of one of its M
    tile_rows: int = 0  #: rows, at most, of an array with converters of its own (:mod:`.tiles`); 0: not cut
    tile_columns: int = 0  #: columns, at most, of an array with wires of its own; 0: not cut
    programming: str = "level"  #: the macro programs a "level" by itself, or takes a "pulse" of a closed loop

    def _check_array(self, where: str) -> None:
        check_integer(f"{where}: inputs", self.inputs, 1, 4096)
        check_integer(f"{where}: DAC bits", self.dac_bits, 1, 16)
        check_integer(f"{where}: weight bits", self.weight_bits, 1, 16)
        check_integer(f"{where}: ADC bits", self.adc_bits, 1, 16)
        check_integer(f"{where}: bias rows", self.bias_rows, 0, 64)
        check_integer(f"{where}: ADCs", self.adcs, 1, MAX_ADCS)
        check_choice(f"{where}: tables", self.tables, ("loaded", "constant"))
        check_integer_or(f"{where}: conversion cycles", self.conversion_cycles, 2, 4095, 0, "a done handshake")
        check_boolean(f"{where}: diagnostics", self.diagnostics)
        check_integer(f"{where}: spares", self.spares, 0, MAX_SPARES)
        if self.spares and not self.diagnostics:
            raise DesignError(f"{where}: spares need diagnostics = true, which find the columns that they replace")
        if self.diagnostics and 1 in (self.dac_bits, self.input_bits):
            raise DesignError(
                f"{where}: diagnostics need DAC codes of at least 2 bits, as a code of 1 bit is never 0"
            )
        self._check_programming(where)
        number = type(self.adc_range) in (int, float)
        if not number or not 0 < self.adc_range <= 1024:
            raise DesignError(f"{where}: ADC range must be a number above 0 and at most 1024, not {self.adc_range!r}")

    def _check_programming(self, where: str) -> None:
        check_choice(f"{where}: programming", self.programming, PROGRAMMING)
        if self.programming == "level":
            return
        if not self.diagnostics:
            raise DesignError(f"{where}: programming by pulses needs diagnostics = true, which read the cells")
        if self.weight_bits < 2:
            raise DesignError(f"{where}: programming by pulses needs weights of at least 2 bits, not 1")
        if self.adc_bits < self.weight_bits:
            raise DesignError(
                f"{where}: programming by pulses needs ADC bits of at least the {self.weight_bits} weight bits, "
                f"as fewer tell no levels apart, not {self.adc_bits}"
            )
        if self.bias_rows > 1:
            raise DesignError(
                f"{where}: programming by pulses needs at most 1 bias row, as more are read together, "
                f"not {self.bias_rows}"
            )

    @property
    @abstractmethod
    def table_bits(self) -> int:
        """Bits of a table's entry; 0 for a layer without tables."""

    @property
    @abstractmethod
    def _driven(self) -> str:
        """The rows before the bias, for the macro's name."""

    @property
    def input_bits(self) -> int:
        """Bits of the DAC codes on the input rows."""
        return self.dac_bits

    @property
    def own_input_bits(self) -> int:
        """Bits of the DAC codes on the input rows where they are not those of the other rows; else 0."""
        return self.input_bits if self.input_bits != self.dac_bits else 0

    @property
    def conversions(self) -> int:
        """M: conversions of one time step, the columns that share an ADC."""
        return self.columns // self.adcs

    @property
    def all_columns(self) -> int:
        """Columns and spares; spare s of ADC k has the number ``columns + k * spares + s``."""
        return self.columns + self.adcs * self.spares

    @property
    def reverse(self) -> bool:
        """Does it take a sequence from its last step to its first? It keeps whole sequences, then."""
        return getattr(self, "direction", "forward") == "reverse"

    @property
    def at_end(self) -> bool:
        """Is the array read on the last step of a sequence only?"""
        return getattr(self, "emit", "step") == "end"

    @property
    def loaded_table_bits(self) -> int:
        """Bits of an entry of the tables that the image carries; 0 where it carries none."""
        return self.table_bits if self.tables == "loaded" else 0

    @property
    def loaded_entries(self) -> int:
        """Entries of each gate's table that the image carries; 0 where it carries none."""
        return self.table_entries if self.loaded_table_bits else 0

    @property
    def code_bits(self) -> dict[str, int]:
        """Width of each kind of code by its name; those that :data:`HARDWARE_BITS` limits."""
        return {"DAC": self.dac_bits, "weight": self.weight_bits, "ADC": self.adc_bits}

    @property
    def adc_step(self) -> float:
        """Nominal ADC step in units of the pre-activation, from ``adc_range``."""
        return 2.0 * self.adc_range / 2**self.adc_bits

    @property
    def macro_name(self) -> str:
        """Name of the array macro; it holds every parameter, so two macros never share a name."""
        inputs = f"i{self.own_input_bits}" if self.own_input_bits else ""
        time = f"_t{self.conversion_cycles}" if self.conversion_cycles else ""
        time += f"_s{self.spares}" if self.diagnostics else ""
        time += "p" if self.programming == "pulse" else ""
        time += f"_r{self.row_tiles}c{self.column_tiles}" if self.tiled else ""
        return (
            f"ohmgate_array_{self._driven}b{self.bias_rows}x{self.columns}_k{self.adcs}"
            f"_d{self.dac_bits}{inputs}w{self.weight_bits}n{self.adc_bits}g{self.gates}{time}"
        )


@dataclass(frozen=True, kw_only=True)
class LstmLayer(ArrayLayer):
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
        check_integer(f"{where}: input drive", self.input_drive, 1, MAX_INPUT_DRIVE)
        check_integer_or(f"{where}: input DAC bits", self.input_dac_bits, 1, 16, 0, "those of the other rows")
        self.check_tiles(where)
        check_choice(f"{where}: direction", self.direction, DIRECTIONS)
        check_boolean(f"{where}: joined", self.joined)
        if self.reverse:
            check_integer(f"{where}: max steps of a layer in reverse", self.max_steps, 1, MAX_STEPS)
        elif self.joined:
            raise DesignError(f"{where}: a joined layer must have the direction 'reverse', not {self.direction!r}")
        elif self.max_steps != 0:
            raise DesignError(
                f"{where}: max steps must be 0 unless the direction is 'reverse', not {self.max_steps!r}"
            )

    @property
    def input_bits(self) -> int:
        return self.input_dac_bits or self.dac_bits

    @property
    def code_bits(self) -> dict[str, int]:
        return super().code_bits | ({"input DAC": self.input_dac_bits} if self.input_dac_bits else {})

    @property
    def rows(self) -> int:
        return self.inputs + self.hidden + self.bias_rows

    @property
    def columns(self) -> int:
        return 4 * self.hidden

    @property
    def table_bits(self) -> int:
        """Bits of a table's entry."""
        return self.activation_bits

    @property
    def _driven(self) -> str:
        drive = f"v{self.input_drive}" if self.input_drive > 1 else ""
        return f"{self.inputs}{drive}p{self.hidden}"

    @property
    def lanes(self) -> int:
        """P: element-wise lanes, the hidden units that one conversion delivers."""
        return self.adcs // 4

    @property
    def outputs(self) -> int:
        return self.hidden

    @property
    def output_bits(self) -> int:
        """Bits of what is handed on, to a host or to the DACs of the layer behind."""
        return self.activation_bits if self.output == "value" else self.dac_bits

    @property
    def result_bits(self) -> int:
        """Bits of all outputs of a time step, as the hardware hands them on."""
        return self.outputs * self.output_bits

    @property
    def output_unit(self) -> float:
        """The hidden value that 1 stands for in what is handed on."""
        return 2.0 ** (1 - self.activation_bits) if self.output == "value" else 1 / full_scale(self.dac_bits)

    @property
    def output_range(self) -> tuple[int, int]:
        """Lowest and highest code handed on."""
        return -full_scale(self.output_bits), full_scale(self.output_bits)

    @property
    def output_middle(self) -> float:
        """What is added to a code before its unit: codes handed on stand for whole units."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class DenseLayer(ArrayLayer):
    """A fully connected layer: table to DAC codes, or the network's head."""

    kind: ClassVar[Literal["dense"]] = "dense"
    gates: ClassVar[int] = 1
    hidden: ClassVar[int] = 0
    input_drive: ClassVar[int] = 1
    joined: ClassVar[bool] = False
    max_steps: ClassVar[int] = 0

    outputs: int
    output: str = "table"  #: "table" to DAC codes, "codes" of the ADC, or "argmax" (lowest index wins)
    output_bits: int = 4  #: of the DAC codes that "table" makes
    function: str = "identity"  #: of a default or constant table
    emit: str = "step"  #: a result on every "step", or one at the "end" of a sequence

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


Layer = LstmLayer | DenseLayer
INNER_OUTPUTS = {"lstm": "codes", "dense": "table"}  #: DAC codes, which another layer takes
KINDS = {"lstm": LstmLayer, "dense": DenseLayer}
