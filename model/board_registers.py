"""The registers that a board has beside its chip's: one source for gateware, host and docs/link.md.

32-bit registers at byte addresses from :data:`BOARD_BASE` on; those of :mod:`~ohmgate.model.registers` are below it.
"""

from .integer_noise import AMPLITUDE_BITS
from .register import Field, Register

BOARD_BASE = 0x400
NOISE_SEED = Register(
    "NOISE_SEED",
    BOARD_BASE,
    "rw",
    "Seed of the arrays' noise. Writing begins the count of time steps anew.",
)
NOISE_AMPLITUDES = Register(
    "NOISE_AMPLITUDES",
    BOARD_BASE + 4,
    "rw",
    "How large the noise is; 0: there is none.",
    (
        Field("PROGRAMMING", 0, AMPLITUDE_BITS, "Of a cell, drawn when it is programmed."),
        Field("ADC", AMPLITUDE_BITS, AMPLITUDE_BITS, "Of a conversion."),
    ),
)
NOISE_REGISTERS = (NOISE_SEED, NOISE_AMPLITUDES)  #: of a board with noise in its gateware
FLASH_BASE = BOARD_BASE + 0x20
FLASH_STATUS = Register(
    "FLASH_STATUS",
    FLASH_BASE,
    "ro",
    "Where the slots are, and which of them the board has started with.",
    (
        Field("FIRST", 0, 8, "Address of slot A, in sectors of 64 KiB."),
        Field("SLOT", 8, 8, "Size of a slot, in sectors."),
        Field("STARTED", 16, 2, "0: neither slot is valid; 1: A; 2: B."),
    ),
)
FLASH_COMMAND = Register(
    "FLASH_COMMAND",
    FLASH_BASE + 4,
    "wo",
    "Sends bits 7..0 as a command of one byte: selects the flash, and leaves it as SELECT says.",
)
FLASH_SELECT = Register(
    "FLASH_SELECT",
    FLASH_BASE + 8,
    "rw",
    "1: the flash is selected.",
    (Field("SELECT", 0, 1, "Its 0 ends a command."),),
)
FLASH_DATA = Register(
    "FLASH_DATA",
    FLASH_BASE + 12,
    "rw",
    "A write sends four bytes to the flash, the lowest first; a read fetches four.",
)
FLASH_REGISTERS = (FLASH_STATUS, FLASH_COMMAND, FLASH_SELECT, FLASH_DATA)  #: of a board that starts from its flash
