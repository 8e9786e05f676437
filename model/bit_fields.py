"""Fields of equal width in one long number: how vectors travel on ports."""

import numpy as np


def unpack(value: int, bits: int, count: int) -> np.ndarray:
    """``count`` fields of ``bits`` bits, lowest first: (count,) int64."""
    raw = np.frombuffer(value.to_bytes((bits * count + 7) // 8, "little"), dtype=np.uint8)
    fields = np.unpackbits(raw, bitorder="little")[: bits * count].reshape(count, bits)
    return fields @ (1 << np.arange(bits, dtype=np.int64))


def pack(patterns: np.ndarray, bits: int) -> int:
    """The inverse of :func:`unpack`; negative numbers are cut to two's complement."""
    fields = (np.asarray(patterns, dtype=np.int64)[:, None] >> np.arange(bits)) & 1
    return int.from_bytes(np.packbits(fields.astype(np.uint8), bitorder="little").tobytes(), "little")


def signed(patterns: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement numbers of unsigned patterns."""
    return patterns - ((patterns >> (bits - 1)) << bits)
