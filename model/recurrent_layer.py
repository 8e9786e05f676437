"""What layers with feedback share: hidden units, whose DAC codes drive rows of the array in the next time step."""

from abc import ABC
from typing import ClassVar

from .array_layer import ArrayLayer
from .formats import DesignError, check_boolean, check_choice, check_integer, check_integer_or, full_scale

DIRECTIONS = ("forward", "reverse")
MAX_INPUT_DRIVE = 16  #: keeps the widest design's sums within reach of its gains
MAX_STEPS = 65535  #: of a sequence that a layer in reverse keeps


class RecurrentLayer(ArrayLayer, ABC):
    """Rows [x, h, bias], and outputs that are the hidden state. The fields are those of the kinds, in their order."""

    votes: ClassVar[int] = 1

    hidden: int  #: n  # pyright: ignore[reportUninitializedInstanceVariable]
    input_drive: int  # pyright: ignore[reportUninitializedInstanceVariable]
    input_dac_bits: int  # pyright: ignore[reportUninitializedInstanceVariable]
    input_tile_shift: int  # pyright: ignore[reportUninitializedInstanceVariable]
    direction: str  # pyright: ignore[reportUninitializedInstanceVariable]
    max_steps: int  # pyright: ignore[reportUninitializedInstanceVariable]
    joined: bool  # pyright: ignore[reportUninitializedInstanceVariable]

    def _check_recurrent(self, where: str) -> None:
        """Raise :class:`DesignError` for the first rule of rows, tiles and direction that is broken."""
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
        return self.gates * self.hidden

    @property
    def _driven(self) -> str:
        drive = f"v{self.input_drive}" if self.input_drive > 1 else ""
        return f"{self.inputs}{drive}p{self.hidden}"

    @property
    def lanes(self) -> int:
        """P: hidden units that one conversion delivers."""
        return self.adcs // self.gates

    @property
    def outputs(self) -> int:
        return self.hidden

    @property
    def output_bits(self) -> int:
        """Bits of what is handed on, to a host or to the DACs of the layer behind."""
        return self.dac_bits

    @property
    def result_bits(self) -> int:
        """Bits of all outputs of a time step, as the hardware hands them on."""
        return self.outputs * self.output_bits

    @property
    def output_unit(self) -> float:
        """The hidden value that 1 stands for in what is handed on."""
        return 1 / full_scale(self.dac_bits)

    @property
    def output_range(self) -> tuple[int, int]:
        """Lowest and highest code handed on."""
        return -full_scale(self.output_bits), full_scale(self.output_bits)

    @property
    def output_middle(self) -> float:
        """What is added to a code before its unit: codes handed on stand for whole units."""
        return 0.0
