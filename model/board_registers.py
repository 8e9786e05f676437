"""The registers that a board has beside its chip's: one source for gateware, host and docs/link.md.

32-bit registers at byte addresses from :data:`BOARD_BASE` on; those of :mod:`~ohmgate.model.registers` are below it.
"""

from .integer_noise import AMPLITUDE_BITS
from .registers import Field, Register

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
