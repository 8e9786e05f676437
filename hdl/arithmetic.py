"""Rounding and saturation, shared by all components: the hardware twins of ``model.formats``."""

from amaranth.hdl import Cat, Const, Mux, Value


def round_shift(value: Value, shift: int) -> Value:
    """``value / 2^shift`` rounded half up; a negative ``shift`` multiplies."""
    if shift <= 0:
        return value << -shift
    halves = value >> (shift - 1)  # the last bit that is dropped decides
    return (halves >> 1) + halves[0]


def fits(value: Value, bits: int) -> Value:
    """Is a signed ``value`` within the two's complement range of ``bits`` bits?"""
    above = value[bits - 1 :]  # the sign and its copies
    return above.all() | ~above.any() if len(value) > bits else Const(1)


def saturate(value: Value, bits: int) -> Value:
    """A signed ``value`` limited to the two's complement range of ``bits`` bits."""
    if len(value) <= bits:
        return value
    sign = value[-1]
    return Mux(fits(value, bits), value[:bits], Cat((~sign).replicate(bits - 1), sign)).as_signed()


def times_full_scale(value: Value, bits: int) -> Value:
    """``value`` times the full scale, 2^(bits - 1) - 1, of codes of 2 or more bits, without a multiplier."""
    return (value << (bits - 1)) - value if bits > 2 else value
