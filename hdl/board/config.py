"""What a board's gateware is made for, beside the design."""

from dataclasses import dataclass

from ...model.design import Design
from ...model.flash import FlashLayout
from ...model.formats import DesignError, check_integer
from ...model.link import INFO, MAGIC, PROTOCOL, Info, result_bytes, step_bytes


@dataclass(frozen=True)
class BoardConfig:
    """Clock, serial line, memories, how many rows each array's twin adds in a cycle, noise, and flash.

    Raises :class:`~ohmgate.model.formats.DesignError` with one sentence for the first rule that is broken.
    """

    name: str  #: the board's, at most 16 letters
    clock_hz: int
    rows: tuple[int, ...]  #: rows a cycle of each layer's twin
    baud: int = 1_000_000
    window: int = 2  #: frames that may be on their way, a power of two
    queue_bytes: int = 512  #: of results that wait to be fetched
    buffer_bytes: int = 2048  #: of the sequence buffer
    noise: bool = False  #: of cells and converters, with the registers of :mod:`ohmgate.model.board_registers`
    flash: FlashLayout | None = None  #: where a network lies that the board starts with; None: it has no flash

    def __post_init__(self) -> None:
        if not (self.name.isascii() and 1 <= len(self.name) <= 16):
            raise DesignError(f"the board's name must be 1 to 16 ASCII letters, not {self.name!r}")
        check_integer("clock in Hz", self.clock_hz, 1_000_000, 400_000_000)
        check_integer("baud", self.baud, 9600, 4_000_000)
        if self.clock_hz < 8 * self.baud:
            raise DesignError(f"baud must be at most an eighth of the clock of {self.clock_hz} Hz, not {self.baud}")
        if abs(self.clock_hz / self.divisor / self.baud - 1) > 0.02:
            raise DesignError(
                f"the clock of {self.clock_hz} Hz must be a multiple of the baud within 2 %, "
                f"not {self.divisor} * {self.baud}"
            )
        if self.window not in (2, 4, 8):
            raise DesignError(f"the window must be 2, 4 or 8 frames, not {self.window!r}")
        check_integer("bytes of the result queue", self.queue_bytes, 16, 32768)
        if self.queue_bytes.bit_count() != 1:
            raise DesignError(f"bytes of the result queue must be a power of two, not {self.queue_bytes}")
        check_integer("bytes of the sequence buffer", self.buffer_bytes, 16, 65535)

    @property
    def divisor(self) -> int:
        """Clock cycles of a bit on the line."""
        return round(self.clock_hz / self.baud)

    def check(self, design: Design) -> None:
        """Raise :class:`DesignError` unless this suits ``design``."""
        if design.contexts > 1:
            raise DesignError(f"a board runs one sequence at a time: contexts must be 1, not {design.contexts}")
        if design.votes > 1:
            raise DesignError(f"a board has a result for each sequence: votes must be 1, not {design.votes}")
        for index, layer in enumerate(design.layers):
            if layer.reverse:
                raise DesignError(
                    f"layer {index}: the direction of a layer on a board must be 'forward', not 'reverse'"
                )
        if len(self.rows) != len(design.layers):
            raise DesignError(f"rows a cycle must be given for {len(design.layers)} layers, not {len(self.rows)}")
        for index, (rows, layer) in enumerate(zip(self.rows, design.layers)):
            check_integer(f"layer {index}: rows a cycle", rows, 1, layer.rows)

    def info(self, design: Design) -> bytes:
        """What HELLO answers."""
        info = Info(
            MAGIC,
            PROTOCOL,
            self.window,
            step_bytes(design),
            result_bytes(design),
            self.queue_bytes,
            self.buffer_bytes,
            self.clock_hz,
            self.baud,
            self.name.encode("ascii"),
        )
        return INFO.pack(*info)
