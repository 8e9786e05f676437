"""The bit-exact integer reference: whole batches of sequences, every intermediate returned.

Implements docs/numerics.md in int64. Matrix products go through float64, which is exact here (every partial
sum is an integer below 2^53), because numpy's integer product does not use BLAS.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from .design import Design
from .directions import turned
from .formats import DesignError, full_scale, is_symmetric, round_shift, saturate
from .layers import DenseLayer, Layer, LstmLayer, RnnLayer
from .layout import gate_of_column, row_drive
from .network import LayerData, Network
from .tables import cell_tanh_table
from .threads import one_blas_thread

#: Reads an array: (layer index, drive (B, rows) with 0 for undriven rows, fresh (B,) bool: first step of a
#: sequence) -> ADC codes (B, R * columns): of each row tile, in logical order. The default is exact; ohmgate.analog
#: has noisy ones.
Convert = Callable[[int, np.ndarray, np.ndarray], np.ndarray]


@dataclass
class LayerTrace:
    """Every integer of one layer; steps past a sequence's length are 0. Arrays are int64.

    ``drive`` (B, T, rows) and ``adc`` (B, T, R * columns; each row tile's in logical order) for every layer;
    ``gates`` (B, T, 4, n) in the order f, i, o, g, ``cell`` (B, T, n), ``hidden`` (B, T, n) for an LSTM; ``out``
    (B, T, outputs) are the codes handed on, of an RNN the hidden ones, or (B, T, 1) labels. Steps are in the order of
    time, also of a layer in reverse, which computes a sequence's last one first.
    """

    drive: np.ndarray
    adc: np.ndarray
    out: np.ndarray
    gates: np.ndarray | None = None
    cell: np.ndarray | None = None
    hidden: np.ndarray | None = None
    saturations: int = 0  #: cell updates that saturated

    def stages(self) -> dict[str, np.ndarray]:
        """The arrays that this layer has, by field name, on the way of the data."""
        names = ("drive", "adc", "gates", "cell", "hidden", "out")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def turned(self, lengths: np.ndarray) -> "LayerTrace":
        """Each sequence's steps in the opposite order; ``lengths`` (B,)."""
        return replace(self, **{name: turned(values, lengths) for name, values in self.stages().items()})


@dataclass
class Result:
    """``out`` is (B, T, k) where the last layer emits on every step, (B, k) where at the end.

    It is of each sequence by itself; what a head makes of several, :func:`voted` says.
    """

    out: np.ndarray
    layers: list[LayerTrace]


def adc_codes(sums: np.ndarray, mult: np.ndarray, shift: np.ndarray, bits: int) -> np.ndarray:
    """``clip(floor(S * mult / 2^shift))`` element-wise, exact: the ideal mid-rise converter."""
    return saturate((sums * mult) >> shift, bits)


def exact_codes(network: Network) -> Convert:
    """The noiseless array: exact sums and the ideal converter."""
    prepared = []
    for layer, data in zip(network.design.layers, network.layers):
        gate = gate_of_column(layer)
        weights = np.asarray(data.weights, dtype=np.float64) * row_drive(layer)[:, None]
        prepared.append((weights, data.mult.astype(np.int64)[gate], data.shift.astype(np.int64)[gate], layer))

    def convert(index: int, drive: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        weights, mult, shift, layer = prepared[index]
        rows = drive.astype(np.float64)
        codes = []
        for tile, coarser in zip(layer.row_slices, layer.tile_shifts):
            sums = (rows[:, tile] @ weights[tile]).astype(np.int64)
            codes.append(adc_codes(sums, mult, shift + coarser, layer.adc_bits))
        return np.concatenate(codes, axis=1)

    return convert


def column_codes(layer: Layer, adc: np.ndarray) -> np.ndarray:
    """Codes (..., columns) of the columns, of the ADC codes (..., R * columns) of the row tiles."""
    if layer.row_tiles == 1:
        return adc
    return layer.summed(adc.reshape(*adc.shape[:-1], layer.row_tiles, layer.columns))


def cell_update(layer: LstmLayer, gates: np.ndarray, cell: np.ndarray):
    """One element-wise step: ``gates`` (..., 4, n) entries f, i, o, g and ``cell`` (..., n).

    Returns the new cell state, the hidden codes, what is handed on and the mask of saturated cells.
    """
    f, i, o, g = (gates[..., k, :] for k in range(4))
    a, fraction = layer.activation_bits, layer.cell_fraction
    exact = round_shift(f * cell, a) + round_shift(i * g, 2 * a - 1 - fraction)
    new = saturate(exact, layer.cell_bits)
    index = saturate(new >> (fraction - layer.tanh_fraction), layer.tanh_bits)
    tanh = _cell_tanh(layer.tanh_bits, layer.tanh_fraction, a)[index + 2 ** (layer.tanh_bits - 1)]
    hidden = hidden_code(layer, o * tanh)
    out = round_shift(o * tanh, a) if layer.output == "value" else hidden
    return new, hidden, out, new != exact


#: A step would take longer to make the table than for all the rest.
_cell_tanh = lru_cache(maxsize=64)(cell_tanh_table)


def hidden_code(layer: LstmLayer, product: np.ndarray) -> np.ndarray:
    """DAC code of ``o*tanh(c)`` with 2A - 1 fraction bits: round half up; the sign for one bit."""
    if layer.dac_bits == 1:
        return np.where(product >= 0, 1, -1)
    top = full_scale(layer.dac_bits)
    return np.clip(round_shift(product * top, 2 * layer.activation_bits - 1), -top, top)


@one_blas_thread()
def run(network: Network, codes: np.ndarray, lengths=None, convert: Convert | None = None) -> Result:
    """Run a batch of sequences.

    ``codes`` (B, T, m) are DAC codes; ``lengths`` (B,) the sequences' lengths (default: all T). Codes past a
    length are ignored. Raises :class:`DesignError` for codes or lengths that the design does not allow.
    """
    codes, lengths = check_inputs(network, codes, lengths)
    convert = convert or exact_codes(network)
    traces = []
    for group in network.design.groups:
        for index in group:
            layer, data = network.design.layers[index], network.layers[index]
            read = steps_read(layer, lengths, codes.shape[1])
            given = turned(codes, lengths) if layer.reverse else codes
            if isinstance(layer, LstmLayer):
                trace = _run_lstm(index, layer, data, given, read, convert)
            else:
                trace = _run_single(index, layer, data, given, read, convert)
            traces.append(trace.turned(lengths) if layer.reverse else trace)
        codes = np.concatenate([traces[index].out for index in group], axis=2)
    if network.design.layers[-1].at_end:
        codes = codes[np.arange(len(lengths)), lengths - 1]
    return Result(codes, traces)


def steps_read(layer: Layer, lengths: np.ndarray, steps: int) -> np.ndarray:
    """The time steps in which a layer's array is read: all of a sequence, or the last one. (B, ``steps``) bool."""
    at, lengths = np.arange(steps), np.asarray(lengths)[:, None]
    return at == lengths - 1 if layer.at_end else at < lengths


def results_given(layer: Layer, lengths: np.ndarray, steps: int) -> np.ndarray:
    """The time steps with a result of a last layer: of those read, with votes each v-th one. (B, ``steps``) bool."""
    read = steps_read(layer, lengths, steps)
    if layer.votes > 1:
        read[np.arange(len(read)) % layer.votes < layer.votes - 1] = False
    return read


def last_codes(layer: Layer, trace: LayerTrace, lengths: np.ndarray) -> np.ndarray:
    """(B, columns) codes of the columns on each sequence's last step."""
    return column_codes(layer, trace.adc[np.arange(len(lengths)), np.asarray(lengths) - 1])


def repeated(votes: int, codes: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each sequence ``votes`` times, side by side: what a host sends to a head that adds up so many."""
    return np.repeat(codes, votes, axis=0), np.repeat(lengths, votes)


def check_votes(design: Design, sequences: int) -> None:
    """Raise :class:`DesignError` unless each result of a head that adds up sequences has all of its own."""
    if sequences % design.votes:
        raise DesignError(
            f"the head adds up the codes of {design.votes} sequences, so the number of sequences must be a multiple "
            f"of {design.votes}, not {sequences}"
        )


def voted(layer: Layer, codes: np.ndarray) -> np.ndarray:
    """What a head hands on that adds up the codes (B, outputs) of each v sequences, its votes: (B // v, 1) labels.

    Sequences behind the last whole v have no label. The lowest index wins a tie.
    """
    whole = len(codes) // layer.votes
    sums = codes[: whole * layer.votes].reshape(whole, layer.votes, codes.shape[1]).sum(axis=1)
    return sums.argmax(axis=1)[:, None]


def check_inputs(network: Network, codes, lengths) -> tuple[np.ndarray, np.ndarray]:
    """Validated int64 ``codes`` (B, T, m) and ``lengths`` (B,)."""
    first = network.design.layers[0]
    codes = np.asarray(codes)
    if codes.ndim != 3 or codes.shape[2] != first.inputs or codes.dtype.kind not in "iu":
        raise DesignError(
            f"input codes must be integers of shape (batch, steps, {first.inputs}), "
            f"not {codes.dtype} of {codes.shape}"
        )
    lengths = np.full(len(codes), codes.shape[1]) if lengths is None else np.asarray(lengths)
    if lengths.shape != codes.shape[:1] or not ((lengths >= 1) & (lengths <= codes.shape[1])).all():
        raise DesignError(f"lengths must be one integer from 1 to {codes.shape[1]} for each sequence")
    most = network.design.max_steps
    if most and lengths.max(initial=0) > most:
        raise DesignError(
            f"a sequence must have at most the {most} steps that the layers in reverse keep, not {lengths.max()}"
        )
    used = np.arange(codes.shape[1]) < lengths[:, None]
    if not is_symmetric(codes[used], first.input_bits).all():
        raise DesignError(f"input codes must be symmetric {first.input_bits}-bit codes")
    return np.where(used[:, :, None], codes, 0).astype(np.int64), lengths.astype(np.int64)


def _bias(layer, batch: int) -> np.ndarray:
    return np.full((batch, layer.bias_rows), full_scale(layer.dac_bits), dtype=np.int64)


def look_up(layer: Layer, data: LayerData, codes: np.ndarray) -> np.ndarray:
    """Table entries of the columns' codes (B, columns): (B, gates, columns / gates)."""
    assert data.tables is not None  # the network has checked that they are there
    grouped = codes.reshape(len(codes), layer.gates, -1) - layer.sum_range[0]
    return data.tables.astype(np.int64)[np.arange(layer.gates)[:, None], grouped]


def _run_lstm(index: int, layer: LstmLayer, data: LayerData, codes, read, convert: Convert) -> LayerTrace:
    batch, steps, n = *codes.shape[:2], layer.hidden
    drive = np.zeros((batch, steps, layer.rows), dtype=np.int64)
    adc = np.zeros((batch, steps, layer.all_codes), dtype=np.int64)
    gates = np.zeros((batch, steps, 4, n), dtype=np.int64)
    cell = np.zeros((batch, steps, n), dtype=np.int64)
    hidden = np.zeros((batch, steps, n), dtype=np.int64)
    out = np.zeros((batch, steps, n), dtype=np.int64)
    h = np.zeros((batch, n), dtype=np.int64)  # 0: on the first step the hidden rows are not driven
    c = np.zeros((batch, n), dtype=np.int64)
    saturations = 0
    for t in range(steps):
        live = read[:, t]
        drive[live, t] = np.concatenate([codes[:, t], h, _bias(layer, batch)], axis=1)[live]
        adc[live, t] = convert(index, drive[:, t], np.full(batch, t == 0))[live]
        gates[live, t] = look_up(layer, data, column_codes(layer, adc[:, t]))[live]
        c, h, value, saturated = cell_update(layer, gates[:, t], c)
        cell[live, t], hidden[live, t], out[live, t] = c[live], h[live], value[live]
        saturations += int(saturated.sum())  # none past a sequence's end: all gates are 0 there
    return LayerTrace(drive, adc, out, gates, cell, hidden, saturations)


def _run_single(
    index: int, layer: RnnLayer | DenseLayer, data: LayerData, codes, read, convert: Convert
) -> LayerTrace:
    """A layer with a single column for each output; the outputs of an RNN are the next step's hidden codes."""
    batch, steps = codes.shape[:2]
    drive = np.zeros((batch, steps, layer.rows), dtype=np.int64)
    adc = np.zeros((batch, steps, layer.all_codes), dtype=np.int64)
    out = np.zeros((batch, steps, 1 if layer.output == "argmax" else layer.outputs), dtype=np.int64)
    h = np.zeros((batch, layer.hidden), dtype=np.int64)  # 0: on the first step the hidden rows are not driven
    for t in range(steps):
        live = read[:, t]
        drive[live, t] = np.concatenate([codes[:, t], h, _bias(layer, batch)], axis=1)[live]
        adc[live, t] = convert(index, drive[:, t], np.full(batch, t == 0))[live]
        out[live, t] = _single_output(layer, data, column_codes(layer, adc[:, t]))[live]
        h = out[:, t] if layer.hidden else h
    return LayerTrace(drive, adc, out)


def _single_output(layer: RnnLayer | DenseLayer, data: LayerData, codes: np.ndarray) -> np.ndarray:
    if layer.kind == "rnn":
        return look_up(layer, data, codes)[:, 0]
    if layer.output == "argmax":
        return codes.argmax(axis=1)[:, None]  # numpy returns the first, so the lowest index wins
    if layer.output == "codes":
        return codes
    return look_up(layer, data, codes)[:, 0]
