"""Programming in a closed loop: its registers, and the numbers of its comparison.

An ADC is mid-rise: its code is floor(v), so its transitions lie at whole numbers. A weight is read with its row alone
at full scale and a gain at which a level is :func:`codes_a_level` codes wide. Then each level lies on a transition,
and the loop stops where a weak pulse that made the weight larger has crossed it: within one weak step of the level.
"""

from .gain import nearest_gain
from .layers import Layer
from .layout import row_drive, row_top
from .register import Field, Register

PULSE_BASE = 0x180  #: first address of the registers of a design whose cells are programmed by pulses
FAILED_KEPT = 16  #: weights that the list of the failed ones holds
RAISED = 1 / 128  #: of the gain, so that levels that are whole lie beyond their transitions
RAISED_FULL = 1 / 32  #: for weights at full scale, whose cells need not come to their very end, to which they creep
MOST_PULSES, ERASE_PULSES, STRONG_LEVELS = 500, 24, 3  #: what PULSE_LIMITS holds after a reset; the last in levels
PULSE_REGISTERS = (
    Register(
        "PULSE_LIMITS",
        0x180,
        "rw",
        "How weights are programmed. Writes are refused while STATUS.PROGRAMMING.",
        (
            Field("MOST", 0, 16, "Pulses of a weight, at most, those that erase it aside; then it has failed."),
            Field("ERASE", 16, 8, "Pulses that erase each of its two cells first."),
            Field("STRONG", 24, 8, "Pulses are strong while this many levels or more are missing."),
        ),
    ),
    Register(
        "PULSES",
        0x184,
        "rw",
        "Pulses since it was cleared; stops at 0xFFFFFFFF. Writing any word clears it, FAILURES and the list. Writes "
        "are refused while STATUS.PROGRAMMING.",
    ),
    Register("FAILURES", 0x188, "ro", "Weights that have failed; stops at 0xFFFFFFFF."),
    Register("FAILED_AT", 0x18C, "rw", "Entry of the list of failed weights, 0..15, that FAILED shows."),
    Register(
        "FAILED",
        0x190,
        "ro",
        "One of the first 16 weights that have failed. Refused where there is no such entry.",
        (Field("ROW", 0, 16, "Its row."), Field("COLUMN", 16, 16, "Its physical column.")),
    ),
)


def codes_a_level(layer: Layer) -> int:
    """ADC codes from one level to the next while weights are programmed: as many as fit, 2^(N - W)."""
    return 2 ** (layer.adc_bits - layer.weight_bits)


def verify_gain(layer: Layer, row: int, full: bool) -> tuple[int, int]:
    """(mult, shift) of the gain at which a weight of ``row`` is read while it is programmed, one at ``full`` scale or
    another."""
    reach = int((row_drive(layer) * row_top(layer))[row])
    return nearest_gain((1 + (RAISED_FULL if full else RAISED)) * codes_a_level(layer) / reach)
