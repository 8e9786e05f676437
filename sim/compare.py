"""Compares what the Verilog did with the integer reference, integer by integer."""

from dataclasses import dataclass

import numpy as np

from ..analog.config import PRESETS
from ..hdl.streams import output_layout
from ..model.formats import from_wire
from ..model.layers import INNER_OUTPUTS, Layer
from ..model.layout import logical_columns
from ..model.reference import Result, run
from .bit_fields import signed, unpack
from .job import DeviceJob, DeviceRecord, LayerRecord


@dataclass(frozen=True)
class Mismatch:
    """The first integer that differs: where, what was expected and what was got."""

    layer: int  #: -1: the output stream
    sequence: int
    step: int
    unit: int
    stage: str
    expected: int
    got: int

    def __str__(self) -> str:
        where = f"layer {self.layer}" if self.layer >= 0 else "output"
        return (
            f"{where}, sequence {self.sequence}, step {self.step}, unit {self.unit}, {self.stage}: "
            f"expected {self.expected}, got {self.got}"
        )


@dataclass(frozen=True)
class Comparison:
    """``integers`` compared, ``mismatches`` among them, and the first one."""

    integers: int
    mismatches: int
    first: Mismatch | None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.integers} integers compared, 0 mismatches"
        return f"{self.integers} integers compared, {self.mismatches} mismatches; first: {self.first}"


def compare(job: DeviceJob, record: DeviceRecord) -> Comparison:
    """Every integer that was recorded, against the reference.

    The reference is fed with the ADC codes that the array model gave, so a noisy run is compared as strictly as
    a noiseless one: rows (inputs and hidden codes), gates, cell and hidden state, outputs. Where the array is
    ideal, its ADC codes are compared with the reference's own too.
    """
    sequences = np.array(record.facts["sequences"], dtype=np.int64)
    codes, lengths = job.codes[sequences], job.lengths[sequences]
    result = run(job.network, codes, lengths, _replay(job, record, lengths, codes.shape[1]))
    checks = list(_layer_checks(job, record, result, lengths))
    if job.array == PRESETS["ideal"]:
        own = run(job.network, codes, lengths)
        for index, layer in enumerate(job.network.design.layers):
            at = _steps(layer, lengths, codes.shape[1])
            expected, got = own.layers[index].adc[tuple(at)], _logical(layer, record.layers[index].adc)
            checks.append((index, "ADC code", at, expected, got))
    checks.append(_output_check(job, record, result, lengths, codes.shape[1]))
    integers = mismatches = 0
    first = None
    for index, stage, at, expected, got in checks:
        count, wrong, found = _difference(index, stage, at, expected, got, sequences)
        integers, mismatches, first = integers + count, mismatches + wrong, first or found
    return Comparison(integers, mismatches, first)


def _steps(layer: Layer, lengths: np.ndarray, longest: int) -> np.ndarray:
    """(sequence, step) of every time step in which a layer's array is read, in order: (2, steps)."""
    valid = np.arange(longest) < lengths[:, None]
    if layer.kind == "dense" and layer.emit == "end":
        valid &= np.arange(longest) == lengths[:, None] - 1
    return np.argwhere(valid).T


def _logical(layer: Layer, adc: np.ndarray) -> np.ndarray:
    """Readings (steps * M, K) as logical columns (steps, columns); a broken-off last step is left out."""
    whole = adc[: len(adc) // layer.steps * layer.steps].reshape(-1, layer.columns)
    out = np.empty_like(whole)
    out[:, logical_columns(layer).reshape(-1)] = whole
    return out


def _replay(job: DeviceJob, record: DeviceRecord, lengths: np.ndarray, longest: int):
    """A ``Convert`` that gives back the recorded ADC codes."""
    recorded, calls = [], [0] * len(record.layers)
    for index, layer in enumerate(job.network.design.layers):
        at, got = _steps(layer, lengths, longest), _logical(layer, record.layers[index].adc)
        grid = np.zeros((len(lengths), longest, layer.columns), dtype=np.int64)
        count = min(len(got), at.shape[1])
        grid[tuple(at[:, :count])] = got[:count]
        recorded.append(grid)

    def convert(index, drive, fresh):
        step = calls[index]
        calls[index] += 1
        return recorded[index][:, step]

    return convert


def _layer_checks(job: DeviceJob, record: DeviceRecord, result: Result, lengths: np.ndarray):
    """(layer, stage, (2, steps) places, expected, got) for everything that a layer showed."""
    for index, (layer, seen) in enumerate(zip(job.network.design.layers, record.layers)):
        trace = result.layers[index]
        at = _steps(layer, lengths, trace.drive.shape[1])
        yield index, "row", at, trace.drive[tuple(at)], seen.drive
        if seen.cell is not None:
            gates = trace.gates[tuple(at)].reshape(at.shape[1], -1)
            yield index, "gate activation", at, gates, _logical(layer, seen.gates)
            yield index, "cell state", at, trace.cell[tuple(at)], _units(layer, seen, "cell")
            yield index, "hidden code", at, trace.hidden[tuple(at)], _units(layer, seen, "hidden")


def _units(layer: Layer, seen: LayerRecord, name: str) -> np.ndarray:
    """Values of M conversions of P lanes as (steps, hidden units)."""
    values = getattr(seen, name)
    return values[: len(values) // layer.steps * layer.steps].reshape(-1, layer.hidden)


def _output_check(job: DeviceJob, record: DeviceRecord, result: Result, lengths: np.ndarray, longest: int):
    """The output stream: values, then the marks of a sequence's first and last step."""
    layer = job.network.design.layers[-1]
    at = _steps(layer, lengths, longest)
    values = result.layers[-1].out[tuple(at)]
    marks = np.stack([at[1] == 0, at[1] == lengths[at[0]] - 1], axis=1)
    expected = np.concatenate([values, marks], axis=1).astype(np.int64)
    got = np.array([output_numbers(layer, payload) for payload in record.out]).reshape(-1, expected.shape[1])
    return -1, "output stream", at, expected, got


def output_numbers(layer: Layer, payload: int) -> np.ndarray:
    """Values of an output payload, then its ``first`` and ``last``: (values + 2,) int64."""
    width = output_layout(layer).size - 2
    marks = [payload >> width & 1, payload >> width + 1 & 1]
    value = payload & ((1 << width) - 1)
    if layer.output == "argmax":
        return np.array([value, *marks], dtype=np.int64)
    bits = width // layer.outputs
    patterns = unpack(value, bits, layer.outputs)
    decode = from_wire if layer.output == INNER_OUTPUTS[layer.kind] else signed
    return np.concatenate([decode(patterns, bits), marks])


def _difference(index, stage, at, expected, got, sequences) -> tuple[int, int, Mismatch | None]:
    """Integers compared, how many differ, and the first. Missing or surplus steps count as differing."""
    common = min(len(expected), len(got))
    wrong = np.argwhere(expected[:common] != got[:common])
    missing = abs(len(expected) - len(got)) * expected.shape[1]
    first = None
    if len(wrong):
        step, unit = (int(v) for v in wrong[0])
        first = Mismatch(index, int(sequences[at[0, step]]), int(at[1, step]), unit, stage,
                         int(expected[step, unit]), int(got[step, unit]))  # fmt: skip
    elif missing:
        first = Mismatch(index, -1, common, 0, f"number of steps seen ({stage})", len(expected), len(got))
    return expected.size, len(wrong) + missing, first
