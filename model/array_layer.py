"""What a layer of any kind is made of: an array of cells with DACs on its rows and ADCs on its columns."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from .formats import DesignError, check_boolean, check_choice, check_integer, check_integer_or
from .tiles import Tiles

PROGRAMMING = ("level", "pulse")
MAX_ADCS = 4096
MAX_SPARES = 16  #: of an ADC


@dataclass(frozen=True, kw_only=True)
class ArrayLayer(Tiles, ABC):
    """What all kinds of layers share: an array of cells with DACs on its rows and ADCs on its columns."""

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
        time += f"h{self.input_tile_shift}" if self.input_tile_shift else ""
        return (
            f"ohmgate_array_{self._driven}b{self.bias_rows}x{self.columns}_k{self.adcs}"
            f"_d{self.dac_bits}{inputs}w{self.weight_bits}n{self.adc_bits}g{self.gates}{time}"
        )
