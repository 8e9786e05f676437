"""How an array's twin cuts its work into clock cycles: rows into groups, codes into bits, sums into codes."""

from dataclasses import dataclass
from functools import cached_property

from ...model.formats import DesignError, check_integer
from ...model.integer_noise import ROUNDS, cell_bits
from ...model.layers import Layer
from ...model.layout import row_drive
from ...model.network import MULT_BITS
from .compressor_tree import stages

BLOCK_WORDS = 512  #: of a block RAM at its widest
BLOCK_BITS = 36  #: of such a word
LUT_WORDS = 32  #: deeper memories are block RAM
BLOCK_ADCS = 8  #: of a twin with compressor trees, that get their rows' bits from one register
DIGITS = (1, 2, 4, 8)  #: bits of a gain that are multiplied in a cycle


@dataclass(frozen=True)
class Segment:
    """Rows with one kind of DAC."""

    first: int  #: row
    rows: int
    bits: int  #: of a code on the wires
    drive: int  #: what a code of 1 counts in the column sums
    groups: int  #: of rows whose cells are read in one cycle

    @property
    def planes(self) -> int:
        """Bits of a code in two's complement: a one-bit code, -1 or +1, takes two."""
        return _planes(self.bits)


@dataclass(frozen=True)
class TwinPlan:
    """A twin of ``layer`` that adds P numbers in a cycle, P being ``rows``: each is a row's cell or 0.

    In a cycle count Q bits (``parallel``) of the codes of a group of P / Q rows. So a column's sum takes ``slots``
    cycles: one for each group and each Q bits of its codes. Raises
    :class:`~ohmgate.model.formats.DesignError` for rows that the layer does not have, for pulses, spares and row
    tiles, and where a fixed time of conversion is too short.
    """

    layer: Layer
    rows: int
    noisy: bool = False  #: with the noise of :mod:`ohmgate.model.integer_noise`

    def __post_init__(self) -> None:
        if self.layer.programming == "pulse":
            raise DesignError(f"programming of {self.layer.macro_name} must be by level for a twin, not by pulse")
        if self.layer.spares:
            raise DesignError(f"spares of {self.layer.macro_name} must be 0 for a twin, not {self.layer.spares}")
        if self.layer.row_tiles > 1:
            raise DesignError(
                f"rows of {self.layer.macro_name} must be in one tile for a twin, not in {self.layer.row_tiles}"
            )
        check_integer("rows a cycle", self.rows, 1, self.layer.rows)
        fixed = self.layer.conversion_cycles
        if fixed and fixed < self.conversion:
            raise DesignError(
                f"conversion cycles of {self.layer.macro_name} must be at least {self.conversion} for a twin that "
                f"adds {self.rows} rows a cycle, not {fixed}"
            )

    @property
    def cell_bits(self) -> int:
        """Bits of a cell."""
        return cell_bits(self.layer) if self.noisy else self.layer.weight_bits

    @property
    def _kinds(self) -> list[tuple[int, int, int, int]]:
        """First row, rows, bits and drive of inputs and of other rows; one kind where their DACs are alike."""
        layer, drive = self.layer, row_drive(self.layer).tolist()
        others = layer.rows - layer.inputs
        kinds = [(0, layer.inputs, layer.input_bits, drive[0]), (layer.inputs, others, layer.dac_bits, drive[-1])]
        if not others or kinds[0][2:] == kinds[1][2:]:
            kinds = [(0, layer.rows, *kinds[0][2:])]
        return kinds

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Of inputs and of other rows; one where their DACs are alike."""
        return tuple(Segment(*kind, groups=-(-kind[1] // self.word_rows)) for kind in self._kinds)

    @cached_property
    def groups(self) -> int:
        """Words of the memory for a column."""
        return sum(segment.groups for segment in self.segments)

    @cached_property
    def slots(self) -> int:
        """Cycles from one column to the next."""
        return sum(segment.groups * segment.planes for segment in self.segments) // self.parallel

    @cached_property
    def parallel(self) -> int:
        """Bits of a row's code that count in a cycle (Q): more than one where fewer block RAMs hold the cells so.

        A power of two that divides the bits of all codes.
        """
        count = 1
        while (
            self.rows % (2 * count) == 0
            and self.rows // count * self.cell_bits > BLOCK_BITS
            and all(_planes(bits) % (2 * count) == 0 for _first, _rows, bits, _drive in self._kinds)
            and sum(-(-kind[1] * 2 * count // self.rows) for kind in self._kinds) << self.step_bits <= BLOCK_WORDS
        ):
            count *= 2
        return count

    @property
    def whole(self) -> bool:
        """Do all bits of a code count at once, its sign in every cycle?"""
        return all(segment.planes == self.parallel for segment in self.segments)

    @property
    def word_rows(self) -> int:
        """Rows of a group: each has its cell in the same word of the memory."""
        return self.rows // self.parallel

    @property
    def step_bits(self) -> int:
        """Address bits of the columns that share an ADC."""
        return (self.layer.conversions - 1).bit_length()

    @property
    def depth(self) -> int:
        """Words of each ADC's memory."""
        return self.groups << self.step_bits

    @property
    def in_blocks(self) -> bool:
        """Are the cells in block RAM?"""
        return self.depth > LUT_WORDS

    @property
    def rewrites(self) -> bool:
        """Is a cell's word read and written whole? Else the memory has write enables for each cell."""
        return self.in_blocks and self.word_rows * self.cell_bits > BLOCK_BITS

    @cached_property
    def units(self) -> int:
        """Gain units: as few as make all codes in time, a divisor of the ADCs."""
        adcs = self.layer.adcs
        return next(units for units in range(1, adcs + 1) if adcs % units == 0 and adcs // units <= self._in_time)

    @property
    def block(self) -> int:
        """ADCs that share a gain unit."""
        return self.layer.adcs // self.units

    @cached_property
    def digit_bits(self) -> int:
        """Bits of a gain that a unit multiplies in a cycle: as few as make all codes in time."""
        return next(bits for bits in DIGITS if self.block * MULT_BITS // bits <= self._in_time)

    @property
    def _in_time(self) -> int:
        """Cycles for the codes of a sum: before the next sum; in a large twin half that, as a step ends sooner so."""
        return max(self.slots // 2, 1) if self.blocks > 1 else self.slots

    @property
    def digits(self) -> int:
        """Cycles in which a unit makes one code."""
        return MULT_BITS // self.digit_bits

    @property
    def scaled(self) -> bool:
        """Are the rows' codes worth more than 1, so that a group's sum is multiplied?"""
        return any(segment.drive > 1 for segment in self.segments)

    @property
    def tree_stages(self) -> int:
        """Registers from the cells that count to the sum of a cycle.

        One bit of the codes has a tree of adders with a register behind each. More have a compressor tree, and blocks
        of ADCs that work one after the other.
        """
        return (self.word_rows - 1).bit_length() if self.parallel == 1 else stages(self.heights) + self.blocks - 1

    @property
    def block_adcs(self) -> int:
        """ADCs that get bits of the rows from one register: all, or some of a twin that is large."""
        return self.layer.adcs if self.parallel == 1 else BLOCK_ADCS

    @property
    def blocks(self) -> int:
        """Blocks of such ADCs. Each works a cycle behind the one before."""
        return -(-self.layer.adcs // self.block_adcs)

    @property
    def level_bits(self) -> int:
        """Bits of a cell's number: a one-bit level, -1 or +1, takes two."""
        return max(self.cell_bits, 2)

    @cached_property
    def heights(self) -> tuple[int, ...]:
        """Bits of each weight that a compressor tree adds in a cycle."""
        heights = [0] * (self.parallel + self.level_bits - 1)
        for weight in (plane + bit for plane in range(self.parallel) for bit in range(self.level_bits)):
            heights[weight] += self.word_rows
        return tuple(heights)

    @property
    def conversion(self) -> int:
        """Cycles of a time step's first conversion, those of ``convert`` and of ``done`` included."""
        pipeline = 7 + self.tree_stages + self.scaled + ROUNDS * self.noisy
        return pipeline + self.slots + self.block * self.digits

    def step_cycles(self, tail: int) -> int:
        """Cycles from a time step's first ``convert`` to the next one's, when nothing waits."""
        return self.conversion + (self.layer.conversions - 1) * self.slots + tail

    def place(self, row: int) -> tuple[int, int]:
        """Word of a column, and position in it, of a row's cell."""
        segment = next(s for s in self.segments if row < s.first + s.rows)
        return divmod(row + self.padding * (segment is not self.segments[0]), self.word_rows)

    @property
    def padding(self) -> int:
        """Places without a cell behind the first segment's rows: every segment begins with a group."""
        first = self.segments[0]
        return first.groups * self.word_rows - first.rows


def _planes(bits: int) -> int:
    """Bits of a code in two's complement: a one-bit code, -1 or +1, takes two."""
    return max(bits, 2)
