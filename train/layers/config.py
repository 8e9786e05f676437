"""How layers are quantised: one frozen description for a layer, a module or a whole converted model."""

from dataclasses import dataclass

from ...model.formats import (
    DesignError,
    check_boolean,
    check_choice,
    check_integer,
    check_integer_or,
    check_number,
    full_scale,
)
from ...model.layers import LSTM_OUTPUTS, MAX_INPUT_DRIVE
from ...model.tiles import MAX_TILE_SHIFT, row_slices, tile_shifts
from .quantisers import QUANTISERS

FLOAT = 32  #: bits that switch a quantiser off
LSTM_FIELDS = (
    "activation_bits",
    "cell_bits",
    "cell_fraction",
    "tanh_bits",
    "tanh_fraction",
    "output",
    "input_drive",
    "input_dac_bits",
    "input_tile_shift",
)  #: of :class:`QuantConfig` and of a description's LSTM layer alike


RNN_FIELDS = ("input_drive", "input_dac_bits", "input_tile_shift")  #: likewise of an RNN layer


def check_bits(name: str, bits) -> int:
    """``bits`` if it is 1 to 16, or 32 for float; else :class:`DesignError`."""
    if bits == FLOAT and not isinstance(bits, bool):
        return FLOAT
    try:
        return check_integer(name, bits, 1, 16)
    except DesignError as error:
        raise DesignError(f"{error} (or {FLOAT} for float)") from None


def code_scale(bits: int) -> int:
    """L of a format, and 1 for float: a value times it is its code."""
    return 1 if bits == FLOAT else full_scale(bits)


def check_config(config):
    """``config`` if it is a :class:`QuantConfig` or None; else :class:`DesignError`."""
    if config is not None and not isinstance(config, QuantConfig):
        raise DesignError(f"a layer's configuration must be a QuantConfig, not {config!r}")
    return config


@dataclass(frozen=True, kw_only=True)
class QuantConfig:
    """Number formats (docs/numerics.md) and how their ranges are found. 32 bits switch a part off."""

    weight_bits: int = 4
    dac_bits: int = 4
    adc_bits: int = 4  #: 32: the whole element-wise part is float
    bias_rows: int = 1
    adc_range: float = 4.0  #: pre-activations of -range..range span the ADC, before calibration or learning
    tables: str = "loaded"
    quantiser: str = "absmax"  #: of weights, see :mod:`.quantisers`
    range_noise: float = 0.0  #: weight noise, as a share of the range, that a ``sawb`` range reckons with
    per_gate: bool = False  #: a weight range for each gate instead of one for the layer
    learn_range: bool = False  #: train the ADC's range too, one for each gate
    learn_tables: bool = False  #: of an LSTM: train the entries of its gates' tables, too
    forget_ceiling: bool = False  #: of an LSTM: the forget gate's last entry is the largest there is
    leak: float = 0.0  #: share of its gradient that a clipped conversion passes, where that leads back into the range
    activation_bits: int = 8
    cell_bits: int = 32
    cell_fraction: int = 24
    tanh_bits: int = 8
    tanh_fraction: int = 5
    output: str = "codes"  #: what an LSTM hands on: DAC "codes" of h, or its "value" for what follows on the host
    input_drive: int = 1  #: of an LSTM or RNN: how many times as hard as the hidden rows its inputs' rows are driven
    input_dac_bits: int = 0  #: of the inputs' rows of an LSTM or RNN; 0: as the other rows
    tile_rows: int = 0  #: rows, at most, that share converters, whose codes are added; 0, or without ADCs: all
    input_tile_shift: int = 0  #: of an LSTM or RNN: codes of row tiles with inputs count 2^shift

    def __post_init__(self) -> None:
        check_bits("weight bits", self.weight_bits)
        check_bits("DAC bits", self.dac_bits)
        check_bits("ADC bits", self.adc_bits)
        check_integer("bias rows", self.bias_rows, 0, 64)
        if type(self.adc_range) not in (int, float) or not 0 < self.adc_range <= 1024:
            raise DesignError(f"ADC range must be a number above 0 and at most 1024, not {self.adc_range!r}")
        check_choice("tables", self.tables, ("loaded", "constant"))
        check_choice("weight quantiser", self.quantiser, QUANTISERS)
        if type(self.range_noise) not in (int, float) or not 0 <= self.range_noise <= 1000:
            raise DesignError(f"noise of a weight range must be a number from 0 to 1000, not {self.range_noise!r}")
        if self.range_noise and self.quantiser != "sawb":
            raise DesignError(f"quantiser must be sawb where a weight range reckons with noise, not {self.quantiser}")
        check_boolean("a range per gate", self.per_gate)
        check_boolean("learning of ADC ranges", self.learn_range)
        check_boolean("learning of gate tables", self.learn_tables)
        check_boolean("the forget gate's ceiling", self.forget_ceiling)
        check_number("leak", self.leak, 0, 1)
        check_integer("activation bits", self.activation_bits, 2, 16)
        check_integer("cell bits", self.cell_bits, 4, 32)
        check_integer("cell fraction bits", self.cell_fraction, 0, self.cell_bits - 1)
        check_integer("tanh index bits", self.tanh_bits, 1, 12)
        check_integer("tanh fraction bits", self.tanh_fraction, 0, self.cell_fraction)
        check_choice("LSTM output", self.output, LSTM_OUTPUTS)
        check_integer("input drive", self.input_drive, 1, MAX_INPUT_DRIVE)
        check_integer_or("input DAC bits", self.input_dac_bits, 1, 16, 0, "those of the other rows")
        check_integer("tile rows", self.tile_rows, 0, 65536)
        check_integer("input tile shift", self.input_tile_shift, 0, MAX_TILE_SHIFT)
        if self.input_dac_bits and self.dac_bits == FLOAT:
            raise DesignError(f"input DAC bits must be 0 where the DACs are float, not {self.input_dac_bits}")
        if self.learn_range and self.tables == "constant":
            raise DesignError("an ADC range can be learned only where tables are loaded, not constant")
        for name, asked in (("learned", self.learn_tables), ("given a ceiling", self.forget_ceiling)):
            if asked and self.tables == "constant":
                raise DesignError(f"gate tables can be {name} only where they are loaded, not constant")
            if asked and self.adc_bits == FLOAT:
                raise DesignError(f"gate tables can be {name} only where ADCs have codes, not where they are float")

    def row_slices(self, rows: int) -> tuple[slice, ...]:
        """Rows of each row tile of an array; float sums have no tiles."""
        return row_slices(rows, 0 if self.adc_bits == FLOAT else self.tile_rows)

    def tile_shifts(self, rows: int, inputs: int) -> tuple[int, ...]:
        """Of each row tile of an array whose first rows are of inputs (:func:`ohmgate.model.tiles.tile_shifts`)."""
        shift = 0 if self.adc_bits == FLOAT else self.input_tile_shift
        return tile_shifts(self.row_slices(rows), inputs, shift)

    @property
    def has_own_tables(self) -> bool:
        """Are an LSTM's gate tables others than sigmoid and tanh in the middle of the ADC's steps?"""
        return self.learn_tables or self.forget_ceiling

    @property
    def is_float(self) -> bool:
        """Is any part float? Such a layer has no integers: it computes the same in evaluation as in training."""
        return FLOAT in (self.weight_bits, self.dac_bits, self.adc_bits)

    @property
    def input_bits(self) -> int:
        """Bits of an LSTM's input rows."""
        return self.input_dac_bits or self.dac_bits

    @property
    def input_step(self) -> float:
        """Voltage of 1 in an LSTM's input code over that of 1 in a hidden code: an exact multiple of a power of 2."""
        return self.input_drive * 2.0 ** (self.dac_bits - self.input_bits)

    @property
    def input_gain(self) -> float:
        """Voltage of an LSTM's inputs at full scale over that of its hidden rows."""
        return self.input_step * code_scale(self.input_bits) / code_scale(self.dac_bits)

    @property
    def hidden_step(self) -> int:
        """What 1 in a hidden code of an LSTM counts in the column sums."""
        return 2 ** max(self.input_bits - self.dac_bits, 0)
