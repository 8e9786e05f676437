"""Codes of 1 to 8 bits packed without gaps, the first code in the lowest bits of the first byte."""

import numpy as np


def packed_size(count: int, bits: int) -> int:
    """Bytes that ``count`` codes of ``bits`` bits take."""
    return (count * bits + 7) // 8


def pack_bits(patterns: np.ndarray, bits: int) -> bytes:
    """Pack unsigned patterns below ``2^bits``; the last byte is filled with zeros.

    >>> pack_bits(np.array([1, 2, 3]), 4).hex()
    '2103'
    """
    columns = np.asarray(patterns, dtype=np.uint8).reshape(-1, 1)
    return np.packbits(np.unpackbits(columns, axis=1, count=bits, bitorder="little"), bitorder="little").tobytes()


def unpack_bits(data: bytes, count: int, bits: int) -> np.ndarray:
    """The ``count`` patterns (int64) of :func:`pack_bits`.

    Raises ``ValueError`` for a wrong length, or for filling bits that are not zero.
    """
    if len(data) != packed_size(count, bits):
        raise ValueError(f"{count} codes of {bits} bits take {packed_size(count, bits)} bytes, not {len(data)}")
    flat = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
    if flat[count * bits :].any():
        raise ValueError("the bits that fill the last byte must be zero")
    return np.packbits(flat[: count * bits].reshape(count, bits), axis=1, bitorder="little")[:, 0].astype(np.int64)
