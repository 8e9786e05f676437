"""The project's promise, checked on one network: every level gives the same integers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analog.inference import build_arrays, convert_through, predictions
from ..firmware.image import pack, unpack
from ..model import reference
from ..model.compare import Comparison, check_layers, compare
from ..model.network import Network
from ..model.reference import Result
from .compare import output_numbers
from .cosim import DeviceResult


@dataclass(frozen=True)
class Level:
    """One level: its test accuracy (0..1), and its integers against the reference's."""

    name: str
    what: str  #: one line for a reader who does not know the level
    accuracy: float
    comparison: Comparison | None = None  #: with the reference; None: it is the reference

    @property
    def agrees(self) -> bool:
        return self.comparison is None or self.comparison.agrees

    def to_dict(self) -> dict[str, Any]:
        """For a results file."""
        content = {"name": self.name, "what": self.what, "accuracy": self.accuracy}
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
    """DAC codes (B, T, m), lengths (B,) and labels (B,) of the test set."""

    codes: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray

    def accuracy(self, classes: np.ndarray) -> float:
        """Share of the sequences whose class is right; 0 where a chip lost or added results."""
        return float((classes == self.labels).mean()) if len(classes) == len(self.labels) else 0.0


def software_levels(network: Network, data: Sequences) -> tuple[list[Level], Result]:
    """PyTorch's evaluation, the reference on the unpacked image, the noiseless array; and the reference's trace."""
    from ..train.export.verify import verify
    from ..train.network import DesignNetwork, evaluate_codes
    from ..train.training import single_thread

    model = DesignNetwork.from_network(network)
    with single_thread():
        comparison = verify(model, data.codes, data.lengths, network)
        classes = evaluate_codes(model, data.codes, data.lengths).numpy().argmax(1)
    torch_level = Level(
        "PyTorch evaluation",
        "the trained network as PyTorch computes it, every intermediate value",
        data.accuracy(classes),
        comparison,
    )
    loaded = unpack(pack(network))
    result = reference.run(loaded, data.codes, data.lengths)
    accuracy = data.accuracy(predictions(loaded, result, data.lengths))
    reference_level = Level("Integer reference", "numpy integers, on the programming image read back", accuracy)
    seen = reference.run(network, data.codes, data.lengths, convert_through(build_arrays(network)))
    array_level = Level(
        "Noiseless array model",
        "the same periphery around the model of the memory arrays, without noise",
        data.accuracy(predictions(network, seen, data.lengths)),
        compare_results(network, result, seen, data.lengths),
    )
    return [torch_level, reference_level, array_level], result


def compare_results(network: Network, expected: Result, got: Result, lengths: np.ndarray) -> Comparison:
    """Every integer of two runs of the same sequences."""
    stages = [trace.stages() for trace in got.layers]
    return compare(check_layers(network.design.layers, expected.layers, stages, lengths))


def rtl_level(name: str, what: str, network: Network, data: Sequences, device: DeviceResult) -> Level:
    """What a co-simulation gave."""
    return Level(name, what, data.accuracy(rtl_classes(network, device)), device.comparison)


def rtl_classes(network: Network, device: DeviceResult) -> np.ndarray:
    """Class of each sequence (B,) from the output stream of a chip with a classifying head."""
    layer = network.design.layers[-1]
    numbers = [output_numbers(layer, payload) for payload in device.record.out]
    ends = [values[:-2] for values in numbers if values[-1] == 1]
    return np.array([values[0] if layer.output == "argmax" else values.argmax() for values in ends], np.int64)
