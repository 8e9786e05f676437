"""A trained network: a design and the data that the image carries (weights, gains, tables).

All data are integers in the formats of docs/numerics.md; the float scale and offset of the inputs belong to
the host, which turns measurements into DAC codes.
"""

from dataclasses import dataclass, field

import numpy as np

from .design import Design
from .formats import DesignError, is_symmetric, quantise_symmetric, signed_range
from .layers import Layer, LstmLayer
from .tables import dense_table, gate_tables

MULT_BITS, SHIFT_BITS = 8, 6  #: of a gain, mult / 2^shift


@dataclass(frozen=True, eq=False)
class LayerData:
    """Data of one layer, in logical column order (:mod:`.layout`)."""

    weights: np.ndarray  #: (rows, columns) symmetric codes; rows are [x, h, bias]
    mult: np.ndarray  #: (gates,) 1..255
    shift: np.ndarray  #: (gates,) 0..63
    tables: np.ndarray | None  #: (gates, 2^N): activations, or DAC codes; None for a head

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

    def __post_init__(self) -> None:
        if len(self.layers) != len(self.design.layers):
            raise DesignError(
                f"a network of design {self.design.name!r} must have data of {len(self.design.layers)} "
                f"layers, not {len(self.layers)}"
            )
        for index, (layer, data) in enumerate(zip(self.design.layers, self.layers)):
            _check_layer(f"layer {index}", layer, data)
        inputs = self.design.layers[0].inputs
        for name in ("input_scale", "input_offset"):
            values = getattr(self, name)
            if values and (len(values) != inputs or not np.isfinite(values).all()):
                raise DesignError(f"{name} must be {inputs} finite numbers, not {values!r}")
        outputs = self.design.layers[-1].outputs
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
        return quantise_symmetric(values, self.design.layers[0].dac_bits)


def table_range(layer: LstmLayer, gate: int) -> tuple[int, int]:
    """Lowest and highest entry of an LSTM gate's table: unsigned for f, i and o, signed for g."""
    if gate < 3:
        return 0, 2**layer.activation_bits - 1
    return signed_range(layer.activation_bits)


def nominal_tables(layer: Layer) -> np.ndarray | None:
    """Tables of ideal functions over the design's ADC range: (gates, 2^N), or None for a head."""
    if layer.kind == "lstm":
        return gate_tables(layer.adc_bits, layer.activation_bits, (layer.adc_step,) * 4)
    if layer.has_table:
        return dense_table(layer.function, layer.adc_bits, layer.adc_step, layer.output_bits)[None]
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
        "weights", data.weights, (layer.rows, layer.columns), lambda v: is_symmetric(v, bits),
        f"symmetric {bits}-bit codes",
    )  # fmt: skip
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
    if layer.kind == "dense":
        out = layer.output_bits
        rule = f"symmetric {out}-bit codes"
        check("tables", data.tables, nominal.shape, lambda v: is_symmetric(v, out), rule)
    else:
        low, high = np.array([table_range(layer, g) for g in range(4)]).T[:, :, None]
        check("tables", data.tables, nominal.shape, lambda v: (v >= low) & (v <= high),
              f"activations of {layer.activation_bits} bits")  # fmt: skip
    if layer.tables == "constant" and not np.array_equal(data.tables, nominal):
        raise DesignError(f"{where}: tables must be the design's constant ones")
