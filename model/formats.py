"""Integer formats of the numeric contract: symmetric codes, converter codes, rounding, saturation.

``docs/numerics.md`` is the written form of the rules in this module. All functions work on Python integers
and on numpy integer arrays alike and are exact.
"""

from typing import Any

import numpy as np


class DesignError(ValueError):
    """A description, a network or an input breaks a rule; the message is one sentence for the user."""


def check_integer(name: str, value, low: int, high: int) -> int:
    """Return ``value`` if it is an integer within ``low..high``, else raise :class:`DesignError`.

    >>> check_integer("ADC bits", 4, 1, 16)
    4
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise DesignError(f"{name} must be an integer from {low} to {high}, not {value!r}")
    return int(value)


def check_integer_or(name: str, value, low: int, high: int, other: int, meaning: str) -> int:
    """As :func:`check_integer`, but ``value`` may also be ``other``, which stands for ``meaning``.

    >>> check_integer_or("conversion cycles", 0, 2, 4095, 0, "a done handshake")
    0
    """
    if value == other and not isinstance(value, bool | float):
        return other
    try:
        return check_integer(name, value, low, high)
    except DesignError as error:
        raise DesignError(f"{error} (or {other} for {meaning})") from None


def is_number(value) -> bool:
    """Is ``value`` a real number, Python's or numpy's?"""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def check_number(name: str, value, low: float, high: float) -> float:
    """Return ``value``, Python's or numpy's, as a float if it is a number within ``low..high``.

    Else raise :class:`DesignError`.
    """
    number: Any = (
        value.item() if isinstance(value, np.generic) else value
    )  # 1e6 is no number of 16 bits to compare with
    if not is_number(number) or not low <= number <= high:
        raise DesignError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
    return float(number)


def check_boolean(name: str, value) -> None:
    """Raise :class:`DesignError` unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise DesignError(f"{name} must be true or false, not {value!r}")


def check_choice(name: str, value, choices) -> None:
    if value not in choices:
        raise DesignError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def full_scale(bits: int) -> int:
    """Largest symmetric code L of a DAC or weight: 2^(bits-1) - 1, and 1 for one bit."""
    return max(1, 2 ** (bits - 1) - 1)


def symmetric_codes(bits: int) -> np.ndarray:
    """All legal symmetric codes in ascending order: -L..L, and -1, +1 for one bit (which has no zero)."""
    if bits == 1:
        return np.array([-1, 1])
    return np.arange(-full_scale(bits), full_scale(bits) + 1)


def is_symmetric(codes: np.ndarray, bits: int) -> np.ndarray:
    """Element-wise: is this a legal symmetric code of ``bits`` bits?"""
    codes = np.asarray(codes)
    legal = np.abs(codes) <= full_scale(bits)
    return legal & (codes != 0) if bits == 1 else legal


def signed_range(bits: int) -> tuple[int, int]:
    """Lowest and highest two's complement integer of ``bits`` bits; also the codes of an ADC."""
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def to_wire(codes, bits: int):
    """Bit pattern (unsigned) of symmetric codes on ``bits`` wires.

    Two's complement, except that one bit has no zero and its pattern is the sign: 0 for +1, 1 for -1. So the
    top wire is the sign at every width.
    """
    codes = np.asarray(codes, dtype=np.int64)
    if bits == 1:
        return (codes < 0).astype(np.int64)
    return codes & (2**bits - 1)


def from_wire(patterns, bits: int):
    """Symmetric codes of unsigned bit patterns: the inverse of :func:`to_wire`."""
    patterns = np.asarray(patterns, dtype=np.int64)
    if bits == 1:
        return 1 - 2 * patterns
    return patterns - ((patterns >> (bits - 1)) << bits)


def round_shift(value, shift: int):
    """``value / 2^shift`` rounded half up to an integer; a negative ``shift`` multiplies, exactly."""
    if shift <= 0:
        return value << -shift
    return (value + (1 << (shift - 1))) >> shift


def saturate(value, bits: int):
    """Clip to the two's complement range of ``bits`` bits."""
    return np.clip(value, *signed_range(bits))


def quantise_symmetric(values, bits: int) -> np.ndarray:
    """DAC codes of real numbers in [-1, 1]: ``clip(floor(v*L + 1/2))``; for one bit, the sign with 0 as +1.

    Host-side encoding of a network's inputs (shape kept, int64). NaN raises :class:`DesignError`.
    """
    values = np.asarray(values, dtype=np.float64)
    if np.isnan(values).any():
        raise DesignError("inputs must be numbers, but some are NaN")
    if bits == 1:
        return np.where(values >= 0, 1, -1).astype(np.int64)
    top = full_scale(bits)
    return np.clip(np.floor(values * top + 0.5), -top, top).astype(np.int64)
