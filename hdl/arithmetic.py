"""Rounding and saturation, shared by all components: the hardware twins of ``model.formats``."""

from amaranth.hdl import Const, Mux, ShapeLike, Value, signed

from ..model.formats import signed_range


def round_shift(value: Value, shift: int) -> Value:
    """``value / 2^shift`` rounded half up; a negative ``shift`` multiplies."""
    if shift <= 0:
        return value << -shift
    return (value + Const(1 << (shift - 1), signed(shift + 1))) >> shift


def clip(value: Value, low: int, high: int, shape: ShapeLike) -> Value:
    """``value`` limited to ``low..high``, as ``shape``."""
    limited = Mux(value < low, Const(low, shape), Mux(value > high, Const(high, shape), value))
    return limited[: Const(0, shape).shape().width].as_signed()


def saturate(value: Value, bits: int) -> Value:
    """``value`` limited to the two's complement range of ``bits`` bits."""
    return clip(value, *signed_range(bits), signed(bits))
