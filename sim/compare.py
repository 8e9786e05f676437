"""Compares what the Verilog did with the integer reference, integer by integer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..analog.config import PRESETS
from ..model.compare import OUTPUT_STREAM, STAGES, Check, Comparison
from ..model.compare import compare as compare_checks
from ..model.directions import turned
from ..model.layers import Layer
from ..model.layout import logical_columns
from ..model.network import Network
from ..model.payloads import output_numbers
from ..model.reference import Convert, Result, last_codes, results_given, run, steps_read, voted
from .job import DeviceJob, DeviceRecord, LayerRecord


@dataclass(frozen=True)
class Seen:
    """What a chip showed of sequences that it ran one after the other, from whatever bench.

    ``sequences`` (B,) are their numbers, ``codes`` (B, T, m) and ``lengths`` (B,) what they are. ``out`` are the
    numbers of the output stream, as :func:`~..model.payloads.output_numbers` has them, taken in ``out_cycles``.
    """

    sequences: np.ndarray
    codes: np.ndarray
    lengths: np.ndarray
    layers: list[LayerRecord]
    out: np.ndarray
    out_cycles: np.ndarray
    violations: Sequence[str] = ()


def compare(job: DeviceJob, record: DeviceRecord, keep: bool = False) -> Comparison:
    """Every integer that was recorded, against the reference: see :func:`compare_seen`."""
    sequences = np.array(record.facts["sequences"], dtype=np.int64)
    if not len(sequences):  # the chip stood still before it was sent one
        return compare_checks([], keep, record.violations)
    out = [output_numbers(job.network.design.layers[-1], payload) for payload in record.out]
    seen = Seen(
        sequences,
        job.codes[sequences],
        job.lengths[sequences],
        record.layers,
        np.array(out, np.int64),
        np.array(record.out_cycles, dtype=np.int64),
        record.violations,
    )
    return compare_seen(job.network, seen, job.array == PRESETS["ideal"], keep)


def compare_seen(network: Network, seen: Seen, ideal: bool, keep: bool = False) -> Comparison:
    """Every integer that was seen, against the reference; the first to differ is the first in clock cycles.

    The reference is fed with the ADC codes that the arrays gave, so a noisy run is compared as strictly as
    a noiseless one: rows (inputs and hidden codes), gates, cell and hidden state, outputs. Where the arrays are
    ``ideal``, their ADC codes are compared with the reference's own too. ``keep`` collects every difference.
    """
    lengths, longest = seen.lengths, seen.codes.shape[1]
    own = run(network, seen.codes, lengths) if ideal else None
    recorded = _recorded(network.design.layers, seen.layers, lengths, longest)
    if own is not None and all(
        np.array_equal(grid, turned(trace.adc, lengths) if layer.reverse else trace.adc)
        for layer, grid, trace in zip(network.design.layers, recorded, own.layers)
    ):
        result = own  # what it would be fed with is what it has
    else:
        result = run(network, seen.codes, lengths, _replay(recorded))

    def read(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """Where a layer's array is read: (sequence of the run, step) as (2, steps), of the job as (steps, 2)."""
        at = reads(layer, lengths, longest)
        return at, np.stack([seen.sequences[at[0]], at[1]], axis=1)

    def checks() -> Iterator[Check]:
        layers = network.design.layers
        for index, (layer, showed) in enumerate(zip(layers, seen.layers)):
            at, places = read(layer)
            for name, got, cycles in _stages(layer, showed):
                trace = own.layers[index] if name == "adc" and own is not None else result.layers[index]
                if name != "adc" or own is not None:
                    want = getattr(trace, name)[tuple(at)].reshape(len(places), -1)
                    yield Check(index, layer, STAGES[name], places, want, got, cycles)
        sequence, step = np.argwhere(results_given(layers[-1], lengths, longest)).T
        at, places = np.stack([sequence, step]), np.stack([seen.sequences[sequence], step], axis=1)
        expected = _output(layers[-1], result, lengths, at)
        got = seen.out.reshape(-1, expected.shape[1])
        yield Check(len(layers) - 1, layers[-1], OUTPUT_STREAM, places, expected, got, seen.out_cycles[:, None])

    return compare_checks(checks(), keep, seen.violations)


def reads(layer: Layer, lengths: np.ndarray, longest: int) -> np.ndarray:
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
    return out.reshape(len(out), out.shape[1] * out.shape[2])  # also of no step


def _recorded(
    layers: Sequence[Layer], records: Sequence[LayerRecord], lengths: np.ndarray, longest: int
) -> list[np.ndarray]:
    """Each layer's ADC codes by sequence, reading and logical column of each row tile: (B, T, R * columns)."""
    grids = []
    for layer, record in zip(layers, records):
        at, got = np.argwhere(steps_read(layer, lengths, longest)).T, _logical(layer, record.adc)
        grid = np.zeros((len(lengths), longest, layer.all_codes), dtype=np.int64)
        count = min(len(got), at.shape[1])
        grid[tuple(at[:, :count])] = got[:count]
        grids.append(grid)
    return grids


def _replay(recorded: Sequence[np.ndarray]) -> Convert:
    """A ``Convert`` that gives back the recorded ADC codes."""
    calls = [0] * len(recorded)

    def convert(index, drive, fresh):
        step = calls[index]
        calls[index] += 1
        return recorded[index][:, step]

    return convert


def _units(layer: Layer, values: np.ndarray) -> np.ndarray:
    """Values of M conversions of P lanes as (steps, hidden units)."""
    return values[: len(values) // layer.conversions * layer.conversions].reshape(-1, layer.hidden)


def _output(head: Layer, result: Result, lengths: np.ndarray, at: np.ndarray) -> np.ndarray:
    """What the output stream must carry: values, then the marks of a sequence's first and last step."""
    trace = result.layers[-1]
    values = voted(head, last_codes(head, trace, lengths)) if head.votes > 1 else trace.out[tuple(at)]
    marks = np.stack([at[1] == 0, at[1] == lengths[at[0]] - 1], axis=1)
    return np.concatenate([values, marks], axis=1).astype(np.int64)
