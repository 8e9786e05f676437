"""Images for people: what one holds, and how two differ."""

import zlib

import numpy as np

from ..model.design import Design
from ..model.formats import full_scale, symmetric_codes
from ..model.layers import Layer
from ..model.network import INPUT_UNITS, OUTPUT_UNITS, LayerData, Network
from .format import GATE_ORDER, section_name
from .frame import split
from .image import decode
from .signing import key_id, signer

BAR = 40  #: characters of a histogram's longest bar


def inspect(data: bytes) -> str:
    """What an image holds, as lines of text. Raises :class:`ImageError` for a bad image."""
    frame = split(data)
    network = decode(frame)
    design = network.design
    lines = [
        f"design         {design.name}",
        f"fingerprint    {design.fingerprint}",
        f"size           {len(data)} bytes, {len(frame.sections)} sections, format version {frame.version}",
        f"SHA-256        {frame.digest.hex()}",
        f"signature      {_signature(signer(frame))}",
        f"labels         {', '.join(network.labels) or 'none'}",
        f"input code     {_input_code(network)}",
        f"input scale    {_numbers(network.input_scale)}",
        f"input offset   {_numbers(network.input_offset)}",
        *_outputs(network),
        "",
        "section             bytes  CRC-32",
    ]
    for s in frame.sections:
        name = section_name(s.tag, s.layer).removeprefix("section ")
        lines.append(f"{name:<15} {len(s.payload):>9}  {zlib.crc32(s.content()):08x}")
    for index, (layer, layer_data) in enumerate(zip(design.layers, network.layers)):
        lines += ["", *_layer(index, layer, layer_data)]
    return "\n".join(lines) + "\n"


def describe(design: Design) -> str:
    """A design's fingerprint and the geometry of its layers, as lines of text."""
    lines = [f"design         {design.name}", f"fingerprint    {design.fingerprint}"]
    for index, layer in enumerate(design.layers):
        lines += ["", *_geometry(index, layer)]
    return "\n".join(lines) + "\n"


def diff(a: bytes | Network, b: bytes | Network) -> str:
    """How two images or networks differ, a line for each difference; empty if they are the same.

    Layers are compared where both have the same geometry. Raises :class:`ImageError` for a bad image.
    """
    a, b = (x if isinstance(x, Network) else decode(split(x)) for x in (a, b))
    lines = _diff_design(a.design, b.design)
    for name in ("labels", *INPUT_UNITS, *OUTPUT_UNITS):
        lines += _diff_lists(name.replace("_", " "), getattr(a, name), getattr(b, name))
    for index, (data_a, data_b) in enumerate(zip(a.layers, b.layers)):
        for name in ("weights", "mult", "shift", "tables"):
            lines += _diff_arrays(f"layer {index}: {name}", getattr(data_a, name), getattr(data_b, name))
    return "".join(line + "\n" for line in lines)


def _geometry(index: int, layer: Layer) -> list[str]:
    inputs = "inputs" if layer.input_drive == 1 else f"inputs at {layer.input_drive} times the voltage"
    dacs = f"{layer.input_bits} of inputs, {layer.dac_bits}" if layer.own_input_bits else f"{layer.dac_bits}"
    rows = " + ".join(
        f"{count} {name}"
        for count, name in ((layer.inputs, inputs), (layer.hidden, "hidden"), (layer.bias_rows, "bias"))
        if count
    )
    return [
        f"layer {index}: {layer.kind}, {layer.rows} rows ({rows}) x {layer.columns} columns, "
        f"{layer.adcs} ADCs x {layer.conversions} conversions",
        *_tiles(layer),
        f"  bits     DAC {dacs}, weight {layer.weight_bits}, ADC {layer.adc_bits}",
        f"  output   {_output(layer)}",
    ]


def _tiles(layer: Layer) -> list[str]:
    if not layer.tiled:
        return []
    sizes = (max(part.stop - part.start for part in parts) for parts in (layer.row_slices, layer.column_slices))
    line = (
        f"  tiles    {layer.row_tiles} of rows x {layer.column_tiles} of columns, {' x '.join(map(str, sizes))} each"
    )
    if layer.input_tile_shift:
        count = sum(shift > 0 for shift in layer.tile_shifts)
        line += f"; codes of the {count} with inputs count {2**layer.input_tile_shift}"
    return [line]


def _layer(index: int, layer: Layer, data: LayerData) -> list[str]:
    lines = _geometry(index, layer)
    names = GATE_ORDER[layer.kind].decode().rstrip("\0")
    for gate, name in enumerate(names):
        mult, shift = int(data.mult[gate]), int(data.shift[gate])
        lines.append(f"  gain {name}   {mult} / 2^{shift} = {mult / 2**shift:.6g} ADC steps per product of codes")
    for name, entries in zip(names, () if data.tables is None else data.tables):
        origin = "loaded" if layer.loaded_table_bits else "constant"
        lines.append(f"  table {name}  {origin}, {_ends(entries)}, in 1/{_entry_scale(layer, name)}")
    return lines + _histogram(layer, data)


HANDED_ON = {
    ("lstm", "codes"): "hidden DAC codes",
    ("lstm", "value"): "hidden values",
    ("rnn", "codes"): "hidden DAC codes",
    ("dense", "table"): "DAC codes",
    ("dense", "codes"): "ADC codes",
}


def _output(layer: Layer) -> str:
    """What the layer hands on."""
    when = "at a sequence's end" if layer.at_end else "on every step"
    if layer.output == "argmax":
        if layer.votes > 1:
            return f"number of the largest of {layer.outputs} sums of ADC codes, after {layer.votes} sequences"
        return f"number of the largest of {layer.outputs} ADC codes, {when}"
    what = HANDED_ON[layer.kind, layer.output]
    bits = layer.sum_bits if what == "ADC codes" else layer.output_bits
    sums = f"sums of {layer.row_tiles} " if what == "ADC codes" and layer.row_tiles > 1 else ""
    found = f"{layer.outputs} {sums}{what} of {bits} bits, {when}"
    if layer.reverse:
        found += f", from the last of at most {layer.max_steps} to the first"
        found += "; behind those of the layer before" * layer.joined
    return found


def _entry_scale(layer: Layer, gate: str) -> int:
    """The entry that stands for 1."""
    if layer.kind != "lstm":
        return full_scale(layer.output_bits)
    return 2 ** (layer.activation_bits - (gate == "g"))


def _ends(entries: np.ndarray) -> str:
    values = [str(int(v)) for v in entries]
    shown = values if len(values) <= 8 else [*values[:4], "...", *values[-4:]]
    return f"{len(values)} entries: {' '.join(shown)}"


def _histogram(layer: Layer, data: LayerData) -> list[str]:
    """Cells at each level; levels in at most 16 groups of equal width."""
    levels = symmetric_codes(layer.weight_bits)
    width = -(-len(levels) // 16)
    groups = [levels[k : k + width] for k in range(0, len(levels), width)]
    counts = [int(np.isin(data.weights, group).sum()) for group in groups]
    lines = [f"  weights  {data.weights.size} cells, by code"]
    for group, count in zip(groups, counts):
        name = f"{group[0]}" if len(group) == 1 else f"{group[0]}..{group[-1]}"
        lines.append(f"  {name:>10} {count:>8} {'#' * round(BAR * count / max(counts))}".rstrip())
    return lines


def _input_code(network: Network) -> str:
    """How the host encodes a measurement, in words."""
    bits = network.design.layers[0].input_bits
    terms = "measurement" + " * scale" * bool(network.input_scale) + " + offset" * bool(network.input_offset)
    if bits == 1:
        return f"sign of {terms}, -1 or 1"
    top = full_scale(bits)
    return f"({terms}) * {top}, rounded half up, from -{top} to {top}"


def _outputs(network: Network) -> list[str]:
    """How the host decodes a result, in words."""
    last = network.design.layers[-1]
    if last.output == "argmax":
        return ["output value   none: the head gives the number of an output"]
    code = f"(code + {'1/2' if last.row_tiles == 1 else f'{last.output_middle:g}'})" if last.output_middle else "code"
    scale = _numbers(network.output_scale)
    if not network.output_scale:
        scale = f"1/{round(1 / last.output_unit)} = {last.output_unit:.6g}"
        if last.output_middle and last.row_tiles > 1:
            scale = f"{last.output_unit:.6g}, nominal: the ADC step"
        elif last.output_middle:
            reach = f"-{last.adc_range:g} to {last.adc_range:g} in {2**last.adc_bits} ADC steps"
            scale = f"{last.output_unit:.6g}, nominal: {reach}"
    return [
        f"output value   {code} * scale{' + offset' * bool(network.output_offset)}",
        f"output scale   {scale}",
        f"output offset  {_numbers(network.output_offset)}",
    ]


def _signature(key: bytes | None) -> str:
    return "none" if key is None else f"by key {key_id(key)}"


def _numbers(values: tuple[float, ...]) -> str:
    if len(values) > 1 and len(set(values)) == 1:
        return f"{values[0]:.6g} for all {len(values)}"
    return " ".join(f"{v:.6g}" for v in values) or "none"


def _diff_design(a: Design, b: Design) -> list[str]:
    lines = []
    if a.name != b.name:
        lines.append(f"design: name {a.name} -> {b.name}")
    if len(a.layers) != len(b.layers):
        lines.append(f"design: {len(a.layers)} -> {len(b.layers)} layers")
    for index, (x, y) in enumerate(zip(a.to_dict()["layer"], b.to_dict()["layer"])):
        for key in dict.fromkeys([*x, *y]):
            if x.get(key) != y.get(key):
                lines.append(f"layer {index}: {key} {x.get(key, 'none')} -> {y.get(key, 'none')}")
    return lines


def _diff_lists(name: str, a: tuple[object, ...], b: tuple[object, ...]) -> list[str]:
    if len(a) != len(b):
        return [f"{name}: {len(a)} -> {len(b)} entries"]
    changed = [k for k in range(len(a)) if a[k] != b[k]]
    if not changed:
        return []
    k = changed[0]
    return [f"{name}: {len(changed)} of {len(a)} differ, first {k}: {a[k]} -> {b[k]}"]


def _diff_arrays(name: str, a: np.ndarray | None, b: np.ndarray | None) -> list[str]:
    if a is None or b is None:
        return (
            []
            if a is b
            else [f"{name}: {'none' if a is None else 'present'} -> {'none' if b is None else 'present'}"]
        )
    if a.shape != b.shape:
        return [f"{name}: shape {_shape(a)} -> {_shape(b)}"]
    change = np.abs(np.asarray(a, dtype=np.int64) - b)
    if not change.any():
        return []
    what = {"weights": "codes", "tables": "entries"}.get(name.split()[-1], "gates")
    return [f"{name}: {np.count_nonzero(change)} of {change.size} {what} differ, by at most {int(change.max())}"]


def _shape(array: np.ndarray) -> str:
    return " x ".join(str(n) for n in array.shape)
