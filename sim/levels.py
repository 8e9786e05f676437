"""The project's promise, checked on one network: every level gives the same integers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analog.inference import build_arrays, convert_through, predictions
from ..firmware.image import pack, unpack
from ..model import reference
from ..model.compare import Comparison, check_layers, compare
from ..model.metrics import ACCURACY, Metric, is_values, metric_of
from ..model.network import Network
from ..model.payloads import output_numbers
from ..model.reference import Result
from .cosim import DeviceResult
from .job import DeviceJob, DeviceRecord


@dataclass(frozen=True)
class Level:
    """One level: the test set's score there, and its integers against the reference's."""

    name: str
    what: str  #: one line for a reader who does not know the level
    score: float  #: by ``metric``
    comparison: Comparison | None = None  #: with the reference; None: it is the reference
    metric: Metric = ACCURACY

    @property
    def agrees(self) -> bool:
        return self.comparison is None or self.comparison.agrees

    def to_dict(self) -> dict[str, Any]:
        """For a results file."""
        content = {"name": self.name, "what": self.what, self.metric.key: self.score}
        if self.comparison is None:
            return content
        first = str(self.comparison.first or "")
        return content | {
            "integers": self.comparison.integers,
            "mismatches": self.comparison.mismatches,
            "first": first,
            "violations": list(self.comparison.violations),
        }


@dataclass(frozen=True)
class Sequences:
    """DAC codes (B, T, m), lengths (B,) and what is right of the test set: classes (B,), or values in their units."""

    codes: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray

    @property
    def metric(self) -> Metric:
        """What a level's score is."""
        return metric_of(self.labels)

    def score(self, results: np.ndarray) -> float:
        """Of classes or values; the worst possible where a chip lost or added results."""
        if len(results) != len(self.labels):
            return math.inf if self.metric.less_is_better else 0.0
        return self.metric.score(results, self.labels, self.lengths)

    def results(self, network: Network, result: Result) -> np.ndarray:
        """What a run of the reference gives of these sequences, in the labels' terms."""
        if is_values(self.labels):
            return network.decode(result.out)
        return predictions(network, result, self.lengths)


def software_levels(network: Network, data: Sequences) -> tuple[list[Level], Result]:
    """PyTorch's evaluation, the reference on the unpacked image, the noiseless array; and the reference's trace."""
    from ..train.export.verify import verify
    from ..train.layers.threads import single_thread
    from ..train.network import DesignNetwork, evaluate_codes

    model = DesignNetwork.from_network(network)
    with single_thread():
        comparison = verify(model, data.codes, data.lengths, network)
        outputs = evaluate_codes(model, data.codes, data.lengths).numpy()
    torch_level = Level(
        "PyTorch evaluation",
        "the trained network as PyTorch computes it, every intermediate value",
        data.score(outputs if is_values(data.labels) else outputs.argmax(1)),
        comparison,
        data.metric,
    )
    loaded = unpack(pack(network))
    result = reference.run(loaded, data.codes, data.lengths)
    reference_level = Level(
        "Integer reference",
        "numpy integers, on the programming image read back",
        data.score(data.results(loaded, result)),
        metric=data.metric,
    )
    seen = reference.run(network, data.codes, data.lengths, convert_through(build_arrays(network)))
    array_level = Level(
        "Noiseless array model",
        "the same periphery around the model of the memory arrays, without noise",
        data.score(data.results(network, seen)),
        compare_results(network, result, seen, data.lengths),
        data.metric,
    )
    return [torch_level, reference_level, array_level], result


def compare_results(network: Network, expected: Result, got: Result, lengths: np.ndarray) -> Comparison:
    """Every integer of two runs of the same sequences."""
    stages = [trace.stages() for trace in got.layers]
    return compare(check_layers(network.design.layers, expected.layers, stages, lengths))


def rtl_level(name: str, what: str, network: Network, data: Sequences, device: DeviceResult) -> Level:
    """What a co-simulation gave."""
    results = rtl_values(network, data, device) if is_values(data.labels) else rtl_classes(network, device)
    return Level(name, what, data.score(results), device.comparison, data.metric)


def rtl_values(network: Network, data: Sequences, device: DeviceResult) -> np.ndarray:
    """Values of the output stream as the labels have them; none where a chip lost or added results."""
    places, codes = chip_codes(DeviceJob(network, data.codes, data.lengths), device.record)
    values = np.zeros((*data.codes.shape[:2], network.design.layers[-1].outputs))
    expected = np.argwhere(reference.steps_read(network.design.layers[-1], data.lengths, data.codes.shape[1]))
    if not np.array_equal(np.array(places, dtype=np.int64).reshape(-1, 2), expected):
        return values[:0]
    values[tuple(expected.T)] = network.decode(codes)
    return values[np.arange(len(values)), data.lengths - 1] if data.labels.ndim == 2 else values


def chip_codes(job: DeviceJob, record: DeviceRecord) -> tuple[list[tuple[int, int]], np.ndarray]:
    """(sequence, step) of every result that the chip gave, and its codes (n, k)."""
    layer, sequences = job.network.design.layers[-1], iter(record.facts["sequences"])
    places, codes, sequence, step = [], [], None, 0
    for payload in record.out:
        *numbers, first, last = output_numbers(layer, payload)
        if first or sequence is None:
            sequence, step = next(sequences, None), 0
        if sequence is None:  # more results than sequences, which the comparison tells
            break
        places.append((int(sequence), int(job.lengths[sequence]) - 1 if layer.at_end else step))
        codes.append(numbers)
        sequence, step = (None if last else sequence), step + 1
    return places, np.array(codes, dtype=np.int64).reshape(len(places), layer.outputs)


def rtl_classes(network: Network, device: DeviceResult) -> np.ndarray:
    """Class of each sequence (B,) from the output stream of a chip with a classifying head."""
    layer = network.design.layers[-1]
    numbers = [output_numbers(layer, payload) for payload in device.record.out]
    ends = [values[:-2] for values in numbers if values[-1] == 1]
    return np.array([values[0] if layer.output == "argmax" else values.argmax() for values in ends], np.int64)
