"""An independent reading of docs/training.md: ranges, integers and gradients of an LSTM array, in numpy and float64.

Nothing here is imported from ``train/``: a fault that kernel and eager path share shows against it.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.layers import LstmLayer
from ohmgate.model.network import LayerData, Network
from ohmgate.model.tables import cell_tanh_table


def top_code(bits: int) -> int:
    return 1 if bits == 1 else 2 ** (bits - 1) - 1


def symmetric(values, bits: int) -> np.ndarray:
    if bits == 1:
        return np.where(np.asarray(values) >= 0, 1, -1)
    top = top_code(bits)
    return np.clip(np.floor(np.asarray(values) * top + 0.5), -top, top).astype(int)


def percentile_range(weights) -> float:
    """99.5 % of the magnitudes lie within; between two of them, in proportion."""
    ascending = sorted(abs(float(w)) for w in np.ravel(weights))
    place = 0.995 * (len(ascending) - 1)
    below = int(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (place - below) * (ascending[above] - ascending[below])


def moment_range(weights, c1: float, c2: float) -> float:
    """sawb: c1 sqrt(E[w^2]) - c2 E[|w|], no more than the largest weight."""
    size = np.abs(np.ravel(weights)).astype(float)
    return min(c1 * np.sqrt((size**2).mean()) - c2 * size.mean(), size.max())


def squared_error(values, alpha: float, bits: int) -> float:
    """Mean squared error of ``values`` as codes of a range ``alpha``."""
    return float(((symmetric(values / alpha, bits) * alpha / top_code(bits) - values) ** 2).mean())


def least_error_range(values, bits: int) -> float:
    """The best of 400 ranges up to the largest magnitude."""
    return min(np.abs(values).max() * np.arange(1, 401) / 400, key=lambda alpha: squared_error(values, alpha, bits))


def fitted_moments(bits: int, noise: float) -> tuple[float, float]:
    """(c1, c2) over six laws of weights, each of power 1: the best ranges of all of them, by least squares."""
    share = (np.arange(500) + 0.5) / 500
    laws = (
        stats.norm,
        stats.uniform(-1, 2),
        stats.laplace,
        stats.logistic,
        stats.triang(0.5, -1, 2),
        stats.vonmises(1),
    )
    best, mean, top = [], [], top_code(bits)
    for law in laws:
        size = law.ppf(0.5 + share / 2)
        size = size / np.sqrt((size**2).mean())
        ranges = np.linspace(0.02, 8, 1500)[:, None]
        codes = np.minimum(np.floor(size / ranges * top + 0.5), top) if bits > 1 else 1
        error = ((codes * ranges / top - size) ** 2).mean(axis=1) + (2 * noise * ranges[:, 0]) ** 2
        best.append(ranges[error.argmin(), 0])
        mean.append(size.mean())
    return tuple(np.linalg.lstsq(np.stack([np.ones(6), -np.array(mean)], axis=1), best, rcond=None)[0])


def nearest_gain(gain: float) -> tuple[int, int]:
    """Of all 255 x 64 gains the nearest, then the one of the smallest shift."""
    return min(
        ((mult, shift) for shift in range(64) for mult in range(1, 256)),
        key=lambda pair: (abs(pair[0] * 2.0 ** -pair[1] - gain), pair[1]),
    )


@dataclass
class Integers:
    """What hardware gets of real ``cells`` (rows, 4n), and the reals that it stands for."""

    codes: np.ndarray  #: (rows, 4n)
    mult: np.ndarray
    shift: np.ndarray
    step: np.ndarray  #: (4,) in units of the pre-activation
    alpha: np.ndarray  #: (4,)
    moved: np.ndarray | float = 0.0  #: (4, entries) that learning has moved the points of the codes by
    ceiling: bool = False  #: does the forget gate's last code begin at the largest entry?

    @property
    def gain(self) -> np.ndarray:
        return self.mult * 2.0**-self.shift


def row_units(layer: LstmLayer) -> tuple[int, int]:
    """What a code of 1 on an input row and on any other adds to a column's sum, over a weight of 1."""
    more = layer.input_dac_bits - layer.dac_bits if layer.input_dac_bits else 0
    return layer.input_drive << max(-more, 0), 1 << max(more, 0)


def integers(layer: LstmLayer, cells, alpha, steps) -> Integers:
    """``alpha`` and nominal ADC ``steps`` (4,) by gate; the range that is left over by the gain goes to the step."""
    n = cells.shape[1] // 4
    codes = symmetric(cells / np.repeat(alpha, n), layer.weight_bits)
    ideal = alpha / (row_units(layer)[1] * top_code(layer.dac_bits) * top_code(layer.weight_bits) * steps)
    mult, shift = np.array([nearest_gain(g) for g in ideal]).T
    return Integers(codes, mult, shift, steps * ideal / (mult * 2.0**-shift), alpha)


def logistic(z) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def cuts(layer: LstmLayer) -> list[slice]:
    """Rows of each row tile."""
    rows = layer.inputs + layer.hidden + layer.bias_rows
    count = int(np.ceil(rows / layer.tile_rows)) if layer.tile_rows else 1
    height = int(np.ceil(rows / count))
    return [slice(height * k, min(height * (k + 1), rows)) for k in range(count)]


def units(layer: LstmLayer) -> np.ndarray:
    """What a code of each row tile counts."""
    return np.array([2.0**layer.input_tile_shift if tile.start < layer.inputs else 1.0 for tile in cuts(layer)])


def code_range(layer: LstmLayer) -> tuple[int, int]:
    """Lowest and highest sum of all row tiles' codes."""
    half, count = 2 ** (layer.adc_bits - 1), int(units(layer).sum())
    return -half * count, (half - 1) * count


def middles(layer: LstmLayer, made: Integers) -> np.ndarray:
    """(4, entries): the pre-activation in the middle of each code's step, or what those of row tiles add up to."""
    low, high = code_range(layer)
    return np.outer(made.step, np.arange(low, high + 1) + 0.5 * units(layer).sum())


def points(layer: LstmLayer, made: Integers) -> np.ndarray:
    """(4, entries): the pre-activation whose sigmoid or tanh is each code's entry."""
    begin = middles(layer, made)
    if made.ceiling:
        top = 1 - 2.0**-layer.activation_bits
        begin[0, -1] = max(begin[0, -1], np.log(top / (1 - top)))
    return begin + made.moved


def network(layer: LstmLayer, made: Integers) -> Network:
    z, a = points(layer, made), layer.activation_bits
    unsigned = np.minimum(np.floor(logistic(z[:3]) * 2**a + 0.5), 2**a - 1)
    signed = np.sign(z[3:]) * np.minimum(np.floor(np.tanh(abs(z[3:])) * 2 ** (a - 1) + 0.5), 2 ** (a - 1) - 1)
    tables = np.concatenate([unsigned, signed]).astype(int)
    return Network(Design("oracle", (layer,)), (LayerData(made.codes, made.mult, made.shift, tables),))


@dataclass
class Gradients:
    """Of ``sum(by_output * outputs) + sum(by_cell * cells)`` (T, B, n)."""

    inputs: np.ndarray
    cells: np.ndarray
    weights: np.ndarray  #: of the scaled weights code * gain
    log_step: np.ndarray  #: (4,)
    shift: np.ndarray  #: (4, entries)


def forward(layer: LstmLayer, made: Integers, x: np.ndarray) -> reference.LayerTrace:
    """The reference's integers for real inputs (T, B, m)."""
    return reference.run(
        network(layer, made), symmetric(x, layer.input_dac_bits or layer.dac_bits).transpose(1, 0, 2)
    ).layers[0]


def backward(layer: LstmLayer, made: Integers, x, by_output, by_cell) -> Gradients:
    """Straight-through gradients by backpropagation in time, as if no weight clipped."""
    n, input_bits = layer.hidden, layer.input_dac_bits or layer.dac_bits
    top, input_top = top_code(layer.dac_bits), top_code(input_bits)
    drive, unit = row_units(layer)
    trace = forward(layer, made, x)
    adc, gates, cell, hidden = (
        a.swapaxes(0, 1).astype(float) for a in (trace.adc, trace.gates, trace.cell, trace.hidden)
    )
    a, fraction = layer.activation_bits, layer.cell_fraction
    values = gates / np.array([2.0**a] * 3 + [2.0 ** (a - 1)])[:, None]
    steps, batch = x.shape[:2]
    gain = np.repeat(made.gain, n)
    scaled = made.codes * gain
    d = symmetric(x, input_bits).astype(float)
    rows = np.concatenate(
        [drive * d, unit * np.concatenate([np.zeros((1, batch, n)), hidden[:-1]]),
         np.full((steps, batch, layer.bias_rows), unit * top)],
        axis=2,
    )  # fmt: skip
    tiles, half = cuts(layer), 2 ** (layer.adc_bits - 1)
    each_unit = units(layer)
    code = np.stack([np.floor(rows[..., t] @ scaled[t] / u) for t, u in zip(tiles, each_unit)], axis=2)
    each = np.clip(code, -half, half - 1)
    assert np.array_equal(each.reshape(adc.shape), adc)
    inside, sums, low = (code == each), np.einsum("tbrc,r->tbc", each, each_unit), code_range(layer)[0]
    tanh = cell_tanh_table(layer.tanh_bits, layer.tanh_fraction, a) / 2.0 ** (a - 1)
    real = cell / 2.0**fraction
    before = np.concatenate([np.zeros((1, batch, n)), real[:-1]])
    f, i, o, g = (values[:, :, k] for k in range(4))
    exact = np.floor(f * before * 2.0**fraction + 0.5) + np.floor(i * g * 2.0**fraction + 0.5)
    assert np.array_equal(np.clip(exact, -(2 ** (layer.cell_bits - 1)), 2 ** (layer.cell_bits - 1) - 1), cell)
    held = exact == cell
    index = np.floor(real * 2.0**layer.tanh_fraction)
    t_low, t_high = -(2 ** (layer.tanh_bits - 1)), 2 ** (layer.tanh_bits - 1) - 1
    th = tanh[(np.clip(index, t_low, t_high) - t_low).astype(int)]
    seen = (index >= t_low) & (index <= t_high)

    dv, drow = np.zeros((steps, batch, len(tiles), 4 * n)), np.zeros((steps + 1, batch, len(scaled)))
    at = middles(layer, made)
    dstep, dcell, dentry = np.zeros(4), np.zeros((batch, n)), np.zeros_like(at)
    nominal = np.concatenate([logistic(at[:3]) * logistic(-at[:3]), np.cosh(at[3:]) ** -2])
    own = np.any(made.moved) or made.ceiling
    z = points(layer, made)
    for t in reversed(range(steps)):
        fed_back = drow[t + 1, :, layer.inputs : layer.inputs + n]
        dproduct = fed_back * unit * top + by_output[t]  # outputs are codes / top, or the product itself
        dcell = (dcell + by_cell[t] + dproduct * o[t] * (1 - th[t] ** 2) * seen[t]) * held[t]
        dgate = np.stack([dcell * before[t], dcell * g[t], dproduct * th[t], dcell * i[t]], axis=1)
        codes = sums[t].reshape(batch, 4, n)
        if own:
            slope = np.stack([nominal[k][(codes[:, k] - low).astype(int)] for k in range(4)], axis=1)
        else:
            slope = np.stack([f[t] * (1 - f[t]), i[t] * (1 - i[t]), o[t] * (1 - o[t]), 1 - g[t] ** 2], axis=1)
        dz = dgate * slope
        for k in range(4):
            for entry in range(at.shape[1]):
                dentry[k, entry] += dgate[:, k][codes[:, k] == entry + low].sum()
        dstep += (dz * (codes + 0.5 * each_unit.sum())).sum(axis=(0, 2))
        dv[t] = (dz * made.step[:, None]).reshape(batch, 1, 4 * n) * inside[t]
        for r, tile in enumerate(tiles):
            drow[t, :, tile] = dv[t, :, r] @ scaled[tile].T
        dcell = dcell * f[t]
    weights = np.concatenate([np.einsum("tbr,tbc->rc", rows[..., tile], dv[:, :, r]) for r, tile in enumerate(tiles)])
    dinputs = drive * drow[:steps, :, : layer.inputs] * input_top * (np.abs(x) <= 1)
    alpha = np.repeat(made.alpha, n)
    return Gradients(
        inputs=dinputs,
        cells=weights * gain * top_code(layer.weight_bits) / alpha,
        weights=weights,
        log_step=dstep * made.step - (weights * scaled).reshape(-1, 4, n).sum(axis=(0, 2)),
        shift=dentry * np.concatenate([logistic(z[:3]) * logistic(-z[:3]), np.cosh(z[3:]) ** -2]),
    )
