"""What a native simulation is told, and what it leaves, as files; simulator.cpp has the other side of each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...firmware.loader import load
from ...firmware.transactions import Write
from ...hdl.chip import chip_ports
from ...hdl.ports import Port
from ...hdl.register_twin import RegisterTwin
from ...model.files import whole, write_text
from ...model.formats import to_wire
from ...model.layers import INNER_OUTPUTS, Layer
from ...model.layout import physical_order, row_drive
from ...model.network import Network
from ...model.registers import BY_NAME
from ..job import LayerRecord
from .array_view import WORD, seen_fields
from .build import trace_names

UNSIGNED, SIGNED, WIRE = "u", "s", "w"  #: how numbers lie on wires; ``w`` is model.formats.to_wire
RESULT = "result"  #: name of the output stream's recording
SEEN_FIELDS = ("row_codes", "select", "hidden_drive", "bias_drive", "mult", "shift")
Fields = Sequence[tuple[int, int, int, str]]  #: lowest bit, width, how many, decoding


def write_job(folder: Path, network: Network, conversion: tuple[int, int], back_door: bool, trace: bool) -> None:
    """Put a chip's description and the host's accesses that load it into ``folder``.

    ``conversion``: least and most cycles, where the macro itself says when. ``back_door``: the cells and their seals
    are there from the start, and the host loads all else; not of cells that take pulses, which have no such state.
    """
    design = network.design
    lines = [f"{len(design.layers)} {design.contexts}"]
    lines += [" ".join(map(str, _array_line(layer, conversion))) for layer in design.layers]
    ports = {port.name: port for port in chip_ports(design, trace)}
    traces = trace_names(design, trace)
    widest = max((ports[name].width for name in traces), default=0)
    words = [-(-width // WORD) for width in (ports["x__payload"].width, ports["y__payload"].width, widest)]
    lines.append(" ".join(map(str, (*words, len(traces)))))
    lines += [_recorded(name, _trace_fields(name, ports[name])) for name in traces]
    lines.append(_recorded(RESULT, _result_fields(design.layers[-1], ports["y__payload"])))
    write_text(folder / "job.txt", "\n".join(lines) + "\n")
    for index, (layer, data) in enumerate(zip(design.layers, network.layers)):
        (folder / f"layer{index}.levels").unlink(missing_ok=True)  # of another chip, which was here before
        if back_door:
            levels = np.asarray(data.weights)[:, physical_order(layer)]
            write_numbers(folder / f"layer{index}.levels", levels.astype(np.int8))
    write_numbers(folder / "transactions.bin", accesses(network, weights=not back_door))


def write_numbers(path: Path, numbers: np.ndarray) -> None:
    """The bytes of ``numbers``, whole or not at all."""
    with whole(path) as part:
        part.write_bytes(numbers.tobytes())


def _array_line(layer: Layer, conversion: tuple[int, int]) -> list[int]:
    inner, drive, seen = layer.hidden, row_drive(layer), seen_fields(layer)
    places = [number for name in SEEN_FIELDS for number in seen.get(name, (0, 0))]
    sizes = [layer.inputs, inner, layer.bias_rows, layer.columns, layer.all_columns, layer.adcs, layer.conversions]
    bits = [layer.gates, layer.input_bits, layer.dac_bits, layer.weight_bits, layer.adc_bits]
    times = [layer.conversion_cycles, *conversion, int(layer.programming == "pulse")]
    tiles = [layer.row_tiles, layer.row_slices[0].stop]
    coarser = [sum(shift > 0 for shift in layer.tile_shifts), layer.input_tile_shift]
    return [*sizes, *bits, int(drive[0]), int(drive[-1]), *times, *tiles, *coarser, *places]


def _recorded(name: str, fields: Fields) -> str:
    return " ".join([name, str(len(fields)), *(str(value) for field in fields for value in field)])


def _trace_fields(name: str, port: Port) -> Fields:
    [field] = port.fields
    width, elements = int(field["element_width"]), int(field["elements"])
    match name.rpartition("__")[2]:
        case "gates":  # the last group, g, is signed
            tanh = 3 * elements // 4
            return [(0, width, tanh, UNSIGNED), (tanh * width, width, elements - tanh, SIGNED)]
        case "cell":
            return [(0, width, elements, SIGNED)]
        case _:
            return [(0, width, elements, WIRE)]


def _result_fields(layer: Layer, port: Port) -> Fields:
    values, *marks = port.fields
    kind = SIGNED if layer.output != INNER_OUTPUTS[layer.kind] else WIRE
    if layer.output == "argmax":
        kind = UNSIGNED
    width, elements = int(values.get("element_width", values["width"])), int(values.get("elements", 1))
    fields = [(int(values["lsb"]), width, elements, kind)]
    return fields + [(int(mark["lsb"]), int(mark["width"]), 1, UNSIGNED) for mark in marks]


def accesses(network: Network, weights: bool = True) -> np.ndarray:
    """The host's accesses that load a chip, as the loader makes them: (n, 4) uint32.

    0 for a write or 1 for a read, address, word, and a mask whose bits a read waits for to be 0. What is read comes
    from the twin of the chip's registers, whose cells take no time.
    """
    device, made, answer = RegisterTwin(network.design), [], None
    if not weights:
        device.seals = [1] * len(network.design.layers)
    busy = BY_NAME["STATUS"].pack(PROGRAMMING=1)
    steps = load(network, weights=weights)
    while True:
        try:
            transaction = steps.send(answer)
        except StopIteration:
            return np.array(made, dtype=np.uint32).reshape(-1, 4)
        register, answer = transaction.register, None
        if isinstance(transaction, Write):
            device.access(register.address, transaction.value)
            made.append((0, register.address, transaction.value, 0))
        else:
            answer = device.access(register.address)
            made.append((1, register.address, answer, busy if register.name == "STATUS" else 0))


def stream_words(
    layer: Layer, codes: np.ndarray, lengths: np.ndarray, sent: np.ndarray, contexts: int = 1
) -> np.ndarray:
    """Payloads of time steps of sequences (B, T, m): (steps, words) uint32.

    ``sent`` (steps, 3) has the sequence, context and step of each (:func:`~..interleaving.in_turns`).
    """
    sequence, context, step = sent.T
    patterns = to_wire(codes[sequence, step], layer.input_bits)
    bits = (patterns[:, :, None] >> np.arange(layer.input_bits) & 1).astype(np.uint8).reshape(len(patterns), -1)
    marks = np.stack([step == 0, step == lengths[sequence] - 1], axis=1)
    whose = context[:, None] >> np.arange((contexts - 1).bit_length()) & 1
    bits = np.concatenate([bits, marks, whose.astype(np.uint8)], axis=1)
    bits = np.pad(bits, ((0, 0), (0, -bits.shape[1] % WORD)))
    return np.packbits(bits, axis=1, bitorder="little").view("<u4")


def read_layer(folder: Path, index: int, layer: Layer) -> tuple[LayerRecord, np.ndarray]:
    """What was seen of a layer, in the order of time, and the context of each step: (steps,)."""
    steps, starts = read_recording(folder / f"layer{index}_drive", layer.rows + 2)
    drive, context, busy = steps[:, :-2], steps[:, -2], steps[:, -1]
    adc, ends = read_recording(folder / f"layer{index}_adc", layer.codes_at_once)
    record = LayerRecord(drive, adc, np.repeat(starts, layer.conversions), ends, busy=busy)
    if layer.kind != "lstm":
        return record, context
    for name, count in (("gates", layer.adcs), ("cell", layer.lanes), ("hidden", layer.lanes)):
        path = folder / f"trace_{index}__{name}"
        if path.with_suffix(".numbers").exists():
            numbers, cycles = read_recording(path, count)
            setattr(record, name, numbers)
            setattr(record, f"{name}_cycles", cycles)
    return record, context


def read_recording(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n, count) and their clock cycles (n,) of one recording, int32."""
    numbers = np.fromfile(path.with_suffix(".numbers"), dtype="<i4")
    return numbers.reshape(-1, count), np.fromfile(path.with_suffix(".cycles"), dtype="<i4")
