"""Standard normal numbers from a key and a position: the same bits with and without the C++ kernel.

Position p of a stream is hashed to two uniform numbers, which Box and Muller's transform turns into a pair;
polynomials in float32 (Cephes) stand for logarithm, sine and cosine, so that no library's rounding matters. Numbers
made this way need no state, and the kernel makes them where it uses them.
"""

import numpy as np
import torch

LANES = 16  #: pairs made together: a block holds LANES cosines, then LANES sines
MASK = 2**64 - 1
LARGEST = 5.77  #: no number is larger: sqrt(-2 log(2^-24)), of the smallest uniform number

LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)


def stream_key(seed: int, index: int) -> list[int]:
    """Three 32-bit words for draw ``index`` of ``seed`` (SplitMix64)."""
    words, state = [], (seed * 0x9E3779B97F4A7C15 + index * 0xD1B54A32D192ED03) & MASK
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        words.append((z ^ (z >> 31)) >> 32)
    return words


def normals(key: list[int], rows: int, size: int, kernel=None) -> torch.Tensor:
    """Standard normal float32 (rows, size); a row's numbers do not depend on the number of rows."""
    if kernel is not None:
        return kernel.gaussian(key, rows, size)
    blocks = -(-size // (2 * LANES))
    pairs = np.arange(rows * blocks * LANES, dtype=np.uint32).reshape(rows, blocks, LANES)
    return torch.from_numpy(np.concatenate(_pairs(key, pairs), axis=2).reshape(rows, -1)[:, :size].copy())


def _pairs(key: list[int], pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k0, k1, k2 = (np.uint32(k) for k in key)
    h = _mix(pair ^ k0)
    a, b = _mix(h + k1), _mix(h ^ k2)
    u = ((a >> np.uint32(8)) + np.uint32(1)).astype(np.float32) * np.float32(5.9604645e-8)
    r = np.sqrt(np.float32(-2) * _log(u))
    q = (b + np.uint32(0x20000000)) >> np.uint32(30)
    x = (b - (q << np.uint32(30))).view(np.int32).astype(np.float32) * np.float32(1.4629181e-9)
    z = x * x
    s = _polynomial((-1.9515296e-4, 8.3321609e-3, -0.16666655), z) * z * x + x
    c = _polynomial((2.4433157e-5, -1.3887316e-3, 4.1666646e-2), z) * z * z + (np.float32(1) - np.float32(0.5) * z)
    odd = (q & np.uint32(1)).astype(bool)
    cosine, sine = np.where(odd, s, c), np.where(odd, c, s)
    return r * np.where((q == 1) | (q == 2), -cosine, cosine), r * np.where(q >= 2, -sine, sine)


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def _polynomial(coefficients, x: np.ndarray) -> np.ndarray:
    value = np.float32(coefficients[0])
    for c in coefficients[1:]:
        value = value * x + np.float32(c)
    return value


def _log(u: np.ndarray) -> np.ndarray:
    bits = u.view(np.uint32)
    exponent = (bits >> np.uint32(23)).astype(np.int32) - 126
    m = ((bits & np.uint32(0x007FFFFF)) | np.uint32(0x3F000000)).view(np.float32)
    low = m < np.float32(0.70710677)
    x = np.where(low, m + m, m) - np.float32(1)
    e = (exponent - low).astype(np.float32)
    z = x * x
    y = _polynomial(LOG, x) * x * z + np.float32(-0.5) * z
    return x + y + e * np.float32(0.6931471806)
