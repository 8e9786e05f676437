"""A trained network: a design and the data that the image carries (weights, gains, tables).

All data are integers in the formats of docs/numerics.md; the float scales and offsets belong to the host, which turns
measurements into DAC codes (:meth:`Network.encode`) and the last layer's codes into values (:meth:`Network.decode`).
"""

from dataclasses import dataclass, field, replace

import numpy as np

from .design import Design
from .formats import DesignError, is_symmetric, quantise_symmetric, signed_range, to_wire
from .layers import Layer, LstmLayer
from .tables import dense_table, gate_tables

MULT_BITS, SHIFT_BITS = 8, 6  #: of a gain, mult / 2^shift
INPUT_UNITS = ("input_scale", "input_offset")  #: fields of a network: from the host's units to -1..1
OUTPUT_UNITS = ("output_scale", "output_offset")  #: from the last layer's codes to the host's units


@dataclass(frozen=True, eq=False)
class LayerData:
    """Data of one layer, in logical column order (:mod:`.layout`)."""

    weights: np.ndarray  #: (rows, columns) symmetric codes; rows are [x, h, bias]
    mult: np.ndarray  #: (gates,) 1..255
    shift: np.ndarray  #: (gates,) 0..63
    tables: np.ndarray | None  #: (gates, 2^N, or as row tiles make it): activations, or DAC codes; None for a head

    def __eq__(self, other) -> bool:
        if not isinstance(other, LayerData):
            return NotImplemented
        pairs = [(getattr(self, n), getattr(other, n)) for n in ("weights", "mult", "shift", "tables")]
        return all((a is None) == (b is None) and (a is None or np.array_equal(a, b)) for a, b in pairs)


@dataclass(frozen=True)
class Network:
    """A design with its data. Raises :class:`DesignError` for the first entry that breaks a rule."""

    design: Design
    layers: tuple[LayerData, ...]
    input_scale: tuple[float, ...] = field(default=())  #: (m,) or empty: to -1..1, before the offset
    input_offset: tuple[float, ...] = field(default=())
    labels: tuple[str, ...] = field(default=())  #: names of the head's outputs, or empty
    output_scale: tuple[float, ...] = field(default=())  #: (k,) real values of a code's 1, or empty: the nominal unit
    output_offset: tuple[float, ...] = field(default=())  #: (k,) or empty: added to them

    def __post_init__(self) -> None:
        if len(self.layers) != len(self.design.layers):
            raise DesignError(
                f"a network of design {self.design.name!r} must have data of {len(self.design.layers)} "
                f"layers, not {len(self.layers)}"
            )
        for index, (layer, data) in enumerate(zip(self.design.layers, self.layers)):
            _check_layer(f"layer {index}", layer, data)
        last = self.design.layers[-1]
        inputs, outputs = self.design.layers[0].inputs, last.outputs
        for name, count in zip(INPUT_UNITS + OUTPUT_UNITS, (inputs, inputs, outputs, outputs)):
            values = getattr(self, name)
            if values and name in OUTPUT_UNITS and last.output == "argmax":
                raise DesignError(f"{name} must be empty for a head with output 'argmax', which gives no values")
            if values and (len(values) != count or not np.isfinite(values).all()):
                raise DesignError(f"{name} must be {count} finite numbers, not {values!r}")
        if 0 in self.output_scale:
            raise DesignError(f"output_scale must be numbers other than 0, not {self.output_scale!r}")
        if self.labels and len(self.labels) != outputs:
            raise DesignError(f"labels must name the {outputs} outputs, not {len(self.labels)}")

    def encode(self, measurements: np.ndarray) -> np.ndarray:
        """DAC codes of measurements of shape (..., m): scale, offset, quantise. Same shape, int64."""
        values = np.asarray(measurements, dtype=np.float64)
        inputs = self.design.layers[0].inputs
        if values.shape[-1:] != (inputs,):
            raise DesignError(f"inputs must have {inputs} channels in their last axis, not {values.shape}")
        if self.input_scale:
            values = values * np.asarray(self.input_scale)
        if self.input_offset:
            values = values + np.asarray(self.input_offset)
        return quantise_symmetric(values, self.design.layers[0].input_bits)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Real values float64 (..., k) of what the last layer gives: codes (..., k) of the reference or the device.

        ``(code + middle) * scale + offset``: ``middle`` is 1/2 for a head's ADC codes, which are mid-rise, else 0.
        Without an ``output_scale`` a code's 1 is the layer's nominal unit (``output_unit``). Raises
        :class:`DesignError` for what the last layer cannot have given, and for a head of labels.
        """
        last, codes = self.design.layers[-1], np.asarray(codes)
        if last.output == "argmax":
            raise DesignError("a head with output 'argmax' gives the number of an output, and no value to decode")
        if codes.dtype.kind not in "iu" or codes.shape[-1:] != (last.outputs,):
            raise DesignError(
                f"output codes must be integers with {last.outputs} outputs in their last axis, "
                f"not {codes.dtype} of {codes.shape}"
            )
        low, high = last.output_range
        if codes.size and not low <= codes.min() <= codes.max() <= high:
            outside = codes[(codes < low) | (codes > high)][0]
            raise DesignError(f"output codes must be from {low} to {high}, not {int(outside)}")
        values = (codes + last.output_middle) * np.asarray(self.output_scale or last.output_unit)
        return values + np.asarray(self.output_offset) if self.output_offset else values

    def in_units(self, *, input_scale=(), input_offset=(), output_scale=(), output_offset=()) -> "Network":
        """The same network for a host with other units, say degrees.

        ``u * input_scale + input_offset`` is what the network took for an input, and what it gave for an output
        becomes ``v * output_scale + output_offset``. Each is a number for all channels, one for each, or empty:
        as it was. So the mean and deviation of training data go in as they were used there.
        """
        first, last = self.design.layers[0], self.design.layers[-1]
        inputs = [_channels(n, v, first.inputs) for n, v in zip(INPUT_UNITS, (input_scale, input_offset))]
        outputs = [_channels(n, v, last.outputs) for n, v in zip(OUTPUT_UNITS, (output_scale, output_offset))]
        own = self.output_scale
        if outputs[0] and not own:
            own = (last.output_unit,) * last.outputs
        inputs = _chained(inputs, (self.input_scale, self.input_offset))
        outputs = _chained((own, self.output_offset), outputs)
        return replace(self, **dict(zip(INPUT_UNITS + OUTPUT_UNITS, inputs + outputs)))


def _channels(name: str, values, count: int) -> tuple[float, ...]:
    """``values`` as a number for each of ``count`` channels, or none."""
    numbers = np.asarray(values)
    if numbers.size and (numbers.dtype.kind not in "iuf" or numbers.shape not in ((), (1,), (count,))):
        raise DesignError(f"{name} must be a number or {count} of them, not {values!r}")
    return tuple(np.broadcast_to(numbers.astype(np.float64), (count,)).tolist()) if numbers.size else ()


def _chained(first, second) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and offset that do what ``first`` and then ``second`` do; an empty one does nothing."""
    (scale, offset), (factor, shift) = first, second
    if scale and factor:
        scale = tuple(s * f for s, f in zip(scale, factor))
    if offset and factor:
        offset = tuple(o * f for o, f in zip(offset, factor))
    if offset and shift:
        offset = tuple(o + s for o, s in zip(offset, shift))
    return scale or factor, offset or shift


def table_range(layer: LstmLayer, gate: int) -> tuple[int, int]:
    """Lowest and highest entry of an LSTM gate's table: unsigned for f, i and o, signed for g."""
    if gate < 3:
        return 0, 2**layer.activation_bits - 1
    return signed_range(layer.activation_bits)


def table_patterns(layer: Layer, tables: np.ndarray | None) -> np.ndarray:
    """Bit patterns of table entries as images, registers and memories hold them; same shape, int64."""
    assert tables is not None, "a layer that loads tables has some"
    return to_wire(tables, layer.table_bits)


def nominal_tables(layer: Layer) -> np.ndarray | None:
    """Tables of ideal functions over the design's ADC range: (gates, entries), or None for a head."""
    if layer.kind == "lstm":
        return gate_tables(layer.adc_bits, layer.activation_bits, (layer.adc_step,) * 4, layer.code_units)
    if layer.has_table:
        shape = layer.adc_bits, layer.adc_step, layer.output_bits, layer.code_units
        return dense_table(layer.function, *shape)[None]
    return None


def _check_layer(where: str, layer: Layer, data: LayerData) -> None:
    def check(name, values, shape, legal, rule):
        values = np.asarray(values)
        if values.dtype.kind not in "iu":
            raise DesignError(f"{where}: {name} must be integers, not {values.dtype}")
        if values.shape != shape:
            raise DesignError(f"{where}: {name} must have shape {shape}, not {values.shape}")
        bad = np.argwhere(~legal(values))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            raise DesignError(f"{where}: {name} must be {rule}, not {int(values[at])} at {at}")

    bits = layer.weight_bits
    check(
        "weights",
        data.weights,
        (layer.rows, layer.columns),
        lambda v: is_symmetric(v, bits),
        f"symmetric {bits}-bit codes",
    )
    top_mult, top_shift = 2**MULT_BITS - 1, 2**SHIFT_BITS - 1
    gains = (layer.gates,)
    check("mult", data.mult, gains, lambda v: (v >= 1) & (v <= top_mult), f"from 1 to {top_mult}")
    check("shift", data.shift, gains, lambda v: (v >= 0) & (v <= top_shift), f"from 0 to {top_shift}")
    nominal = nominal_tables(layer)
    if nominal is None:
        if data.tables is not None:
            raise DesignError(f"{where}: a head with output {layer.output!r} must have no table")
        return
    if data.tables is None:
        raise DesignError(f"{where}: tables of {nominal.shape[0]} x {nominal.shape[1]} entries are missing")
    if layer.kind != "lstm":
        out = layer.output_bits
        rule = f"symmetric {out}-bit codes"
        check("tables", data.tables, nominal.shape, lambda v: is_symmetric(v, out), rule)
    else:
        low, high = np.array([table_range(layer, g) for g in range(4)]).T[:, :, None]
        check(
            "tables",
            data.tables,
            nominal.shape,
            lambda v: (v >= low) & (v <= high),
            f"activations of {layer.activation_bits} bits",
        )
    if layer.tables == "constant" and not np.array_equal(data.tables, nominal):
        raise DesignError(f"{where}: tables must be the design's constant ones")
