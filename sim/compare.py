"""Compares what the Verilog did with the integer reference, integer by integer."""

from collections.abc import Iterator

import numpy as np

from ..analog.config import PRESETS
from ..model.compare import OUTPUT_STREAM, STAGES, Check, Comparison
from ..model.compare import compare as compare_checks
from ..model.layers import Layer
from ..model.layout import logical_columns
from ..model.payloads import output_numbers
from ..model.reference import Result, run, steps_read
from .job import DeviceJob, DeviceRecord, LayerRecord


def compare(job: DeviceJob, record: DeviceRecord, keep: bool = False) -> Comparison:
    """Every integer that was recorded, against the reference; the first to differ is the first in clock cycles.

    The reference is fed with the ADC codes that the array model gave, so a noisy run is compared as strictly as
    a noiseless one: rows (inputs and hidden codes), gates, cell and hidden state, outputs. Where the array is
    ideal, its ADC codes are compared with the reference's own too. ``keep`` collects every difference.
    """
    sequences = np.array(record.facts["sequences"], dtype=np.int64)
    if not len(sequences):  # the chip stood still before it was sent one
        return compare_checks([], keep, record.violations)
    codes, lengths = job.codes[sequences], job.lengths[sequences]
    result = run(job.network, codes, lengths, _replay(job, record, lengths, codes.shape[1]))
    own = run(job.network, codes, lengths) if job.array == PRESETS["ideal"] else None

    def read(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """Where a layer's array is read: (sequence of the run, step) as (2, steps), of the job as (steps, 2)."""
        at = _steps(layer, lengths, codes.shape[1])
        return at, np.stack([sequences[at[0]], at[1]], axis=1)

    def checks() -> Iterator[Check]:
        layers = job.network.design.layers
        for index, (layer, seen) in enumerate(zip(layers, record.layers)):
            at, places = read(layer)
            for name, got, cycles in _stages(layer, seen):
                trace = own.layers[index] if name == "adc" and own is not None else result.layers[index]
                if name != "adc" or own is not None:
                    want = getattr(trace, name)[tuple(at)].reshape(len(places), -1)
                    yield Check(index, layer, STAGES[name], places, want, got, cycles)
        sequence, step = np.argwhere(steps_read(layers[-1], lengths, codes.shape[1])).T
        at, places = np.stack([sequence, step]), np.stack([sequences[sequence], step], axis=1)
        expected, got = _output(layers[-1], record, result, lengths, at)
        cycles = np.array(record.out_cycles, dtype=np.int64)[:, None]
        yield Check(len(layers) - 1, layers[-1], OUTPUT_STREAM, places, expected, got, cycles)

    return compare_checks(checks(), keep, record.violations)


def _steps(layer: Layer, lengths: np.ndarray, longest: int) -> np.ndarray:
    """(sequence, step) of every time step in which a layer's array is read, in the order of reading: (2, steps)."""
    sequence, step = np.argwhere(steps_read(layer, lengths, longest)).T
    return np.stack([sequence, lengths[sequence] - 1 - step if layer.reverse else step])


def _stages(layer: Layer, seen: LayerRecord) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Everything that a layer showed: stage, numbers (steps, units), and the clock cycle of each."""
    first = seen.starts[:: layer.conversions, None]
    yield "drive", seen.drive, first[: len(seen.drive)]
    yield "adc", _logical(layer, seen.adc), _logical(layer, _columns(seen.adc_cycles, layer.codes_at_once))
    if layer.kind == "dense" or seen.gates is None or seen.gates_cycles is None:
        return
    yield "gates", _logical(layer, seen.gates), _logical(layer, _columns(seen.gates_cycles, layer.adcs))
    for name in ("cell", "hidden"):
        cycles = _columns(getattr(seen, f"{name}_cycles"), layer.lanes)
        yield name, _units(layer, getattr(seen, name)), _units(layer, cycles)


def _columns(cycles: np.ndarray, count: int) -> np.ndarray:
    """The cycle of each of ``count`` numbers of a conversion: (conversions, count)."""
    return np.repeat(cycles[:, None], count, axis=1)


def _logical(layer: Layer, adc: np.ndarray) -> np.ndarray:
    """Readings (steps * M, R * K) as the logical columns of each row tile (steps, R * columns), or of K alone.

    A broken-off last step is left out.
    """
    whole = adc[: len(adc) // layer.conversions * layer.conversions]
    whole = whole.reshape(-1, layer.conversions, adc.shape[1] // layer.adcs, layer.adcs).swapaxes(1, 2)
    out = np.empty((*whole.shape[:2], layer.columns), adc.dtype)
    out[..., logical_columns(layer).reshape(-1)] = whole.reshape(out.shape)
    return out.reshape(len(out), -1)


def _replay(job: DeviceJob, record: DeviceRecord, lengths: np.ndarray, longest: int):
    """A ``Convert`` that gives back the recorded ADC codes, a sequence's first reading first."""
    recorded, calls = [], [0] * len(record.layers)
    for index, layer in enumerate(job.network.design.layers):
        at, got = np.argwhere(steps_read(layer, lengths, longest)).T, _logical(layer, record.layers[index].adc)
        grid = np.zeros((len(lengths), longest, layer.all_codes), dtype=np.int64)
        count = min(len(got), at.shape[1])
        grid[tuple(at[:, :count])] = got[:count]
        recorded.append(grid)

    def convert(index, drive, fresh):
        step = calls[index]
        calls[index] += 1
        return recorded[index][:, step]

    return convert


def _units(layer: Layer, values: np.ndarray) -> np.ndarray:
    """Values of M conversions of P lanes as (steps, hidden units)."""
    return values[: len(values) // layer.conversions * layer.conversions].reshape(-1, layer.hidden)


def _output(layer: Layer, record: DeviceRecord, result: Result, lengths: np.ndarray, at: np.ndarray):
    """The output stream, expected and got: values, then the marks of a sequence's first and last step."""
    values = result.layers[-1].out[tuple(at)]
    marks = np.stack([at[1] == 0, at[1] == lengths[at[0]] - 1], axis=1)
    expected = np.concatenate([values, marks], axis=1).astype(np.int64)
    got = [output_numbers(layer, payload) for payload in record.out]
    got = np.array(got, np.int64).reshape(-1, expected.shape[1])
    return expected, got
