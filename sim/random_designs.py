"""Random legal designs, networks and inputs: what a verification is made of where nobody says what.

Everything follows a numpy generator, so one seed gives one case:

>>> rng = np.random.default_rng(1)
>>> network = random_network(random_design(rng), rng)
>>> codes, lengths = random_inputs(network.design, rng, batch=2, steps=5)
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..model.design import Design
from ..model.directions import both_directions
from ..model.formats import symmetric_codes
from ..model.layers import LSTM_OUTPUTS, DenseLayer, Layer, LstmLayer, RecurrentLayer, RnnLayer
from ..model.layout import row_drive
from ..model.network import MULT_BITS, OUTPUT_UNITS, SHIFT_BITS, LayerData, Network, nominal_tables, table_range
from ..model.tables import DENSE_FUNCTIONS
from ..model.tiles import MAX_ROW_TILES, MAX_TILE_SHIFT

MOST_VOTES = 5  #: of a random design


def random_design(
    rng: np.random.Generator,
    *,
    layers: int | None = None,
    max_inputs: int = 6,
    max_outputs: int = 8,
    max_bits: int = 8,
    max_conversion: int = 9,
    name: str = "random",
    **fixed,
) -> Design:
    """A legal design of 1 to 3 layers (or exactly ``layers``) in every format that the RTL takes.

    ``max_outputs`` bounds hidden units and dense outputs, ``max_bits`` D, W and N. ``fixed`` holds field values
    that every layer with such a field gets, such as ``tables="constant"`` or ``conversion_cycles=0``.
    """
    count = int(rng.integers(1, 4)) if layers is None else layers
    inputs, bits = int(rng.integers(1, max_inputs + 1)), int(rng.integers(1, max_bits + 1))
    chain: list[Layer] = []
    for index in range(count):
        make = _lstm if rng.random() < 0.65 else _dense
        layer = make(rng, inputs, bits, max_outputs, max_bits, max_conversion, index == count - 1, fixed)
        chain.append(layer)
        inputs, bits = layer.outputs, layer.output_bits
    return Design(name, tuple(chain))


def perhaps_simple(design: Design, rng: np.random.Generator) -> Design:
    """``design``, by chance with simple recurrent layers in place of some or all LSTMs, of as many units and bits."""
    layers = (_rnn(rng, x) if isinstance(x, LstmLayer) and rng.random() < 0.4 else x for x in design.layers)
    return replace(design, layers=tuple(layers))


def _rnn(rng: np.random.Generator, lstm: LstmLayer) -> RnnLayer:
    names = [field.name for field in fields(RnnLayer) if hasattr(lstm, field.name)]
    shared: dict[str, Any] = {name: getattr(lstm, name) for name in names}
    function = str(rng.choice(list(DENSE_FUNCTIONS), p=[0.2, 0.2, 0.6]))
    shared |= {"adcs": _divisor(rng, lstm.hidden), "function": function}
    return RnnLayer(**shared)


def perhaps_tiled(design: Design, rng: np.random.Generator) -> Design:
    """``design``, by chance with layers on several tiles, of a stream of its own."""
    own = rng.spawn(1)[0]
    return replace(design, layers=tuple(_tiles(layer, own) for layer in design.layers))


def _tiles(layer: Layer, rng: np.random.Generator) -> Layer:
    fields = {}
    if layer.rows > 1 and rng.random() < 0.6:
        fields["tile_rows"] = int(rng.integers(-(-layer.rows // MAX_ROW_TILES), layer.rows))
    if rng.random() < 0.4:
        fields["tile_columns"] = layer.conversions * int(rng.integers(1, layer.adcs + 1))
    cut, own = replace(layer, **fields), rng.spawn(1)[0]
    mixed = 0 < sum(tile.start < layer.inputs for tile in cut.row_slices) < cut.row_tiles
    if mixed and layer.hidden and own.random() < 0.5:
        return replace(cut, input_tile_shift=int(own.integers(1, MAX_TILE_SHIFT + 1)))
    return cut


def perhaps_diagnosable(design: Design, rng: np.random.Generator) -> Design:
    """``design``, by chance with diagnostics and spares; without where DACs of 1 bit or row tiles forbid them."""
    possible = all(min(layer.input_bits, layer.dac_bits) > 1 and layer.row_tiles == 1 for layer in design.layers)
    if not possible or rng.random() < 0.4:
        return design
    spares = rng.choice([0, 1, 2, 3], size=len(design.layers)).tolist()
    layers = tuple(replace(x, diagnostics=True, spares=s) for x, s in zip(design.layers, spares))
    return replace(design, layers=layers)


def perhaps_shared(design: Design, rng: np.random.Generator) -> Design:
    """``design``, by chance with contexts."""
    return replace(design, contexts=int(rng.integers(2, 5))) if rng.random() < 0.5 else design


def perhaps_voted(design: Design, rng: np.random.Generator) -> Design:
    """``design``, by chance with a last dense layer that adds up the codes of sequences, if its last one is dense."""
    last = design.layers[-1]
    if not isinstance(last, DenseLayer) or rng.random() < 0.4:
        return design
    votes = int(rng.integers(2, MOST_VOTES + 1))
    head = replace(last, output="argmax", emit="end", votes=votes)
    return replace(design, layers=(*design.layers[:-1], head))


def perhaps_directed(design: Design, rng: np.random.Generator, steps: int) -> Design:
    """``design``, by chance with recurrent layers in reverse, or in both directions.

    They keep ``steps`` or a few more. Of a layer in both directions, the two may differ in all that does not have to
    be equal.
    """
    layers: list[Layer] = []
    inputs, max_steps = design.layers[0].inputs, steps + int(rng.integers(0, 4))
    for index, layer in enumerate(design.layers):
        layer, chance = replace(layer, inputs=inputs), rng.random()
        inputs = layer.outputs
        if not isinstance(layer, RecurrentLayer):
            layers.append(layer)
        elif chance < 0.35 and index < len(design.layers) - 1:
            pair = both_directions(layer, max_steps)
            hidden = int(rng.integers(1, 9)) if rng.random() < 0.5 else layer.hidden
            other = {"hidden": hidden, "adcs": layer.gates * _divisor(rng, hidden)}
            if isinstance(layer, LstmLayer):
                other["cell_bits"] = int(rng.integers(max(4, layer.cell_fraction + 1), 33))
            layers += [layer, replace(pair[1], **other)]
            inputs += hidden
        elif chance < 0.6:
            layers.append(replace(layer, direction="reverse", max_steps=max_steps))
        else:
            layers.append(layer)
    return replace(design, layers=tuple(layers))


def random_network(design: Design, rng: np.random.Generator, *, labels: bool | None = None) -> Network:
    """Random weights, gains that use the ADC's range without clipping most codes, and legal tables.

    ``labels`` says whether the network names its outputs and scales its inputs and outputs (default: by chance).
    """
    named = rng.random() < 0.5 if labels is None else labels
    inputs, outputs = design.layers[0].inputs, design.layers[-1].outputs
    units = {}
    if named and design.layers[-1].output != "argmax":
        own = rng.spawn(1)[0]  # a stream of its own, so that all else is as without units
        units = {n: tuple(own.normal(size=outputs).tolist()) for n in OUTPUT_UNITS if own.random() < 0.7}
    return Network(
        design,
        tuple(_data(rng, layer) for layer in design.layers),
        input_scale=tuple(rng.normal(size=inputs).tolist()) if named else (),
        input_offset=tuple(rng.normal(size=inputs).tolist()) if named else (),
        labels=tuple(f"label {k} é" for k in range(outputs)) if named else (),
        **units,
    )


def random_inputs(
    design: Design, rng: np.random.Generator, batch: int = 4, steps: int = 6
) -> tuple[np.ndarray, np.ndarray]:
    """Legal DAC codes (batch, steps, m), int64, and lengths (batch,) of 1..steps, or of what the design keeps."""
    first = design.layers[0]
    steps = min(steps, design.max_steps or steps)
    codes = rng.choice(symmetric_codes(first.input_bits), size=(batch, steps, first.inputs))
    return codes.astype(np.int64), rng.integers(1, steps + 1, size=batch)


def _divisor(rng: np.random.Generator, number: int) -> int:
    return int(rng.choice([d for d in range(1, number + 1) if number % d == 0]))


def _shared(rng, max_bits: int, max_conversion: int) -> dict[str, Any]:
    timed = max_conversion >= 2 and rng.random() < 0.5
    return {
        "weight_bits": int(rng.integers(1, max_bits + 1)),
        "adc_bits": int(rng.integers(1, max_bits + 1)),
        "bias_rows": int(rng.integers(0, 3)),
        "adc_range": float(rng.choice([1.0, 2.5, 4.0, 6.0])),
        "tables": str(rng.choice(["loaded", "constant"], p=[0.7, 0.3])),
        "conversion_cycles": int(rng.integers(2, max_conversion + 1)) if timed else 0,
    }


def _lstm(rng, inputs, bits, max_outputs, max_bits, max_conversion, last, fixed) -> LstmLayer:
    hidden = int(rng.integers(1, max_outputs + 1))
    cell_bits = int(rng.integers(4, 33))
    usual = rng.random() < 0.7  # else anything legal, however little sense it makes
    fraction = int(rng.integers(cell_bits // 2, cell_bits) if usual else rng.integers(0, cell_bits))
    tanh_bits = int(rng.integers(1, 13))
    tanh_fraction = min(max(tanh_bits - 3, 0), fraction) if usual else int(rng.integers(0, fraction + 1))
    values = _shared(rng, max_bits, max_conversion) | {
        "inputs": inputs,
        "hidden": hidden,
        "adcs": 4 * _divisor(rng, hidden),
        "dac_bits": bits,
        **({} if "dac_bits" in fixed else _own_bits(rng.spawn(1)[0], bits, max_bits)),
        "activation_bits": int(rng.integers(2, 17)),
        "cell_bits": cell_bits,
        "cell_fraction": fraction,
        "tanh_bits": tanh_bits,
        "tanh_fraction": tanh_fraction,
        "output": str(rng.choice(LSTM_OUTPUTS)) if last else "codes",
        "input_drive": int(rng.integers(2, 17)) if rng.random() < 0.5 else 1,
    }
    return LstmLayer(**_override(LstmLayer, values, fixed))


def _own_bits(rng, bits: int, max_bits: int) -> dict[str, int]:
    """Hidden units of any width behind inputs of ``bits``, of a stream of its own: all else is as without."""
    return {"dac_bits": int(rng.integers(1, max_bits + 1)), "input_dac_bits": bits} if rng.random() < 0.4 else {}


def _dense(rng, inputs, bits, max_outputs, max_bits, max_conversion, last, fixed) -> DenseLayer:
    outputs = int(rng.integers(1, max_outputs + 1))
    values = _shared(rng, max_bits, max_conversion) | {
        "inputs": inputs,
        "outputs": outputs,
        "adcs": _divisor(rng, outputs),
        "dac_bits": bits,
        "output": str(rng.choice(["table", "codes", "argmax"])) if last else "table",
        "output_bits": int(rng.integers(1, max_bits + 1)),
        "function": str(rng.choice(list(DENSE_FUNCTIONS))),
        "emit": str(rng.choice(["step", "end"])) if last else "step",
    }
    return DenseLayer(**_override(DenseLayer, values, fixed))


def _override(layer: type, values: dict[str, Any], fixed: dict[str, Any]) -> dict[str, Any]:
    return values | {k: v for k, v in fixed.items() if k in layer.__dataclass_fields__}


def _data(rng: np.random.Generator, layer: Layer) -> LayerData:
    weights = rng.choice(symmetric_codes(layer.weight_bits), size=(layer.rows, layer.columns))
    gains = [_gain(rng, layer) for _ in range(layer.gates)]
    mult, shift = np.array(gains, dtype=np.int64).T
    return LayerData(weights.astype(np.int64), mult, shift, _tables(rng, layer))


def _gain(rng: np.random.Generator, layer: Layer) -> tuple[int, int]:
    """mult, shift that bring the standard deviation of the column sum to a third to all of the ADC's half range."""
    power = {bits: np.mean(symmetric_codes(bits) ** 2.0) for bits in (layer.input_bits, layer.dac_bits)}
    squares = row_drive(layer) ** 2
    driven = squares[: layer.inputs].sum() * power[layer.input_bits]
    driven += squares[layer.inputs :].sum() * power[layer.dac_bits]
    deviation = np.sqrt(driven / layer.row_tiles * np.mean(symmetric_codes(layer.weight_bits) ** 2.0))
    gain = rng.uniform(0.35, 1.0) * 2 ** (layer.adc_bits - 1) / deviation
    top = 2**MULT_BITS - 1
    shift = int(np.clip(np.floor(np.log2(top / gain)), 0, 2**SHIFT_BITS - 1))
    shift = max(0, shift - int(rng.integers(0, 8) if rng.random() < 0.3 else 0))  # small factors too
    return int(np.clip(round(gain * 2.0**shift), 1, top)), shift


def _tables(rng: np.random.Generator, layer: Layer) -> np.ndarray | None:
    nominal = nominal_tables(layer)
    if nominal is None or layer.tables == "constant" or rng.random() < 0.4:
        return nominal
    if layer.kind != "lstm":
        return rng.choice(symmetric_codes(layer.output_bits), size=nominal.shape).astype(np.int64)
    ranges = [table_range(layer, gate) for gate in range(4)]
    return np.array([rng.integers(low, high + 1, size=nominal.shape[1]) for low, high in ranges])
