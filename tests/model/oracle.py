"""An independent reading of docs/numerics.md: one value at a time, in rational arithmetic, no numpy products."""

import math
from fractions import Fraction

HALF = Fraction(1, 2)


def clip(value, low, high):
    return min(max(value, low), high)


def top_code(bits):
    return 1 if bits == 1 else 2 ** (bits - 1) - 1


def adc(total, mult, shift, bits):
    return clip(math.floor(Fraction(total * mult, 2**shift)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def tanh_entry(index, fraction, bits):
    z = (abs(index + 0.5)) / 2**fraction
    magnitude = min(math.floor(math.tanh(z) * 2 ** (bits - 1) + 0.5), 2 ** (bits - 1) - 1)
    return magnitude if index >= 0 else -magnitude


def run_sequence(network, codes):
    """All outputs of one sequence, a list of steps; for ``emit = "end"`` only the last one's."""
    steps = [[int(v) for v in step] for step in codes]
    for layer, data in zip(network.design.layers, network.layers):
        weights = data.weights.tolist()
        steps = {"lstm": lstm, "rnn": rnn, "dense": dense}[layer.kind](layer, data, weights, steps)
    return steps


def tiles(layer):
    """How many row tiles, and rows of each but the last."""
    if not layer.tile_rows:
        return 1, layer.rows
    count = math.ceil(Fraction(layer.rows, layer.tile_rows))
    return count, math.ceil(Fraction(layer.rows, count))


def units(layer):
    """What a code of each row tile counts: more where its first row is an input."""
    count, height = tiles(layer)
    return [2**layer.input_tile_shift if tile * height < layer.inputs else 1 for tile in range(count)]


def column_code(layer, data, gate, weights, column, drive):
    """Each row tile's sum goes to a converter of its own, whose step is its unit; their codes are added."""
    height, total = tiles(layer)[1], 0
    for tile, unit in enumerate(units(layer)):
        rows = [row for row in range(layer.rows) if row // height == tile]
        part = sum(drive[row] * weights[row][column] for row in rows)
        total += unit * adc(Fraction(part, unit), int(data.mult[gate]), int(data.shift[gate]), layer.adc_bits)
    return total


def entry(layer, table, code):
    return int(table[code + sum(units(layer)) * 2 ** (layer.adc_bits - 1)])


def driven(layer, x, hidden):
    """What each row of a layer with feedback adds to a sum, over its weight."""
    bits = layer.input_dac_bits or layer.dac_bits
    finest = min(Fraction(1, 2**bits), Fraction(1, 2**layer.dac_bits))  # a code's step, as a share of the reference
    step_in, step = int(Fraction(1, 2**bits) / finest), int(Fraction(1, 2**layer.dac_bits) / finest)
    bias = [top_code(layer.dac_bits)] * layer.bias_rows
    return [d * layer.input_drive * step_in for d in x] + [d * step for d in hidden + bias]


def rnn(layer, data, weights, steps):
    hidden, out = [0] * layer.hidden, []
    for x in steps:
        drive = driven(layer, x, hidden)
        codes = [column_code(layer, data, 0, weights, unit, drive) for unit in range(layer.hidden)]
        hidden = [entry(layer, data.tables[0], code) for code in codes]
        out.append(hidden)
    return out


def lstm(layer, data, weights, steps):
    n, a, f_bits = layer.hidden, layer.activation_bits, layer.cell_fraction
    top = top_code(layer.dac_bits)
    hidden, cell, out = [0] * n, [0] * n, []
    for x in steps:
        drive = driven(layer, x, hidden)
        new_hidden, new_values = [], []
        for unit in range(n):
            code = [column_code(layer, data, gate, weights, gate * n + unit, drive) for gate in range(4)]
            f, i, o, g = (entry(layer, data.tables[gate], code[gate]) for gate in range(4))
            kept = math.floor(Fraction(f, 2**a) * cell[unit] + HALF)
            added = math.floor(Fraction(i, 2**a) * Fraction(g, 2 ** (a - 1)) * 2**f_bits + HALF)
            limit = 2 ** (layer.cell_bits - 1)
            cell[unit] = clip(kept + added, -limit, limit - 1)
            t_limit = 2 ** (layer.tanh_bits - 1)
            index = clip(math.floor(Fraction(cell[unit], 2**f_bits) * 2**layer.tanh_fraction), -t_limit, t_limit - 1)
            value = Fraction(o, 2**a) * Fraction(tanh_entry(index, layer.tanh_fraction, a), 2 ** (a - 1))
            if layer.dac_bits == 1:
                new_hidden.append(1 if value >= 0 else -1)
            else:
                new_hidden.append(clip(math.floor(value * top + HALF), -top, top))
            new_values.append(math.floor(value * 2 ** (a - 1) + HALF))
        hidden = new_hidden
        out.append(new_values if layer.output == "value" else hidden)
    return out


def dense(layer, data, weights, steps):
    top = top_code(layer.dac_bits)
    out = []
    for x in steps if layer.emit == "step" else steps[-1:]:
        drive = x + [top] * layer.bias_rows
        codes = [column_code(layer, data, 0, weights, k, drive) for k in range(layer.outputs)]
        if layer.output == "argmax":
            out.append([codes.index(max(codes))])
        elif layer.output == "codes":
            out.append(codes)
        else:
            out.append([entry(layer, data.tables[0], c) for c in codes])
    return out
