"""Gains of a converter: the nearest ``mult / 2^shift`` that the hardware has."""

import math

from .network import MULT_BITS, SHIFT_BITS

TOP_MULT, TOP_SHIFT = 2**MULT_BITS - 1, 2**SHIFT_BITS - 1


def nearest_gain(gain: float) -> tuple[int, int]:
    """(mult, shift) of the legal gain nearest to ``gain`` > 0, with the smallest shift that reaches it.

    >>> nearest_gain(0.5)
    (1, 1)
    """
    exponent = math.frexp(gain)[1]  # gain = fraction * 2^exponent, fraction in [1/2, 1)
    shift = min(max(MULT_BITS - exponent, 0), TOP_SHIFT)
    mult = math.floor(math.ldexp(gain, shift) + 0.5)
    if mult > TOP_MULT and shift > 0:  # rounded up to 256
        mult, shift = mult // 2, shift - 1
    mult = min(max(mult, 1), TOP_MULT)
    while mult % 2 == 0 and shift > 0:
        mult, shift = mult // 2, shift - 1
    return mult, shift
