"""The project's promise, checked on one network: every level gives the same integers."""

from dataclasses import dataclass

import numpy as np

from ..analog.inference import build_arrays, convert_through, predictions
from ..firmware.image import pack, unpack
from ..model import reference
from ..model.network import Network
from ..model.reference import Result
from ..sim.compare import output_numbers
from ..sim.cosim import DeviceResult

STAGES = ("drive", "adc", "gates", "cell", "hidden", "out")


@dataclass(frozen=True)
class Level:
    """One level: its test accuracy (0..1), and its integers against the reference's."""

    name: str
    what: str  #: one line for a reader who does not know the level
    accuracy: float
    integers: int
    mismatches: int
    first: str = ""  #: the first integer that differs


@dataclass(frozen=True)
class Sequences:
    """DAC codes (B, T, m), lengths (B,) and labels (B,) of the test set."""

    codes: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray

    def accuracy(self, classes: np.ndarray) -> float:
        return float((classes == self.labels).mean())


def software_levels(network: Network, data: Sequences) -> tuple[list[Level], Result]:
    """PyTorch's evaluation, the reference on the unpacked image, the noiseless array; and the reference's trace."""
    from ..train.network import DesignNetwork, evaluate_codes
    from ..train.training import single_thread
    from ..train.verify import verify

    model = DesignNetwork.from_network(network)
    with single_thread():
        report = verify(model, data.codes, data.lengths, network)
        classes = evaluate_codes(model, data.codes, data.lengths).numpy().argmax(1)
    torch_level = Level(
        "PyTorch evaluation", "the trained network as PyTorch computes it, every intermediate value",
        data.accuracy(classes),
        report.compared, report.mismatches, str(report) if report.mismatches else "",
    )  # fmt: skip
    loaded = unpack(pack(network))
    result = reference.run(loaded, data.codes, data.lengths)
    accuracy = data.accuracy(predictions(loaded, result, data.lengths))
    reference_level = Level("Integer reference", "numpy integers, on the programming image read back", accuracy, 0, 0)
    seen = reference.run(network, data.codes, data.lengths, convert_through(build_arrays(network)))
    array_level = Level(
        "Noiseless array model", "the same periphery around the model of the memory arrays, without noise",
        data.accuracy(predictions(network, seen, data.lengths)), *compare_results(result, seen, data.lengths),
    )  # fmt: skip
    return [torch_level, reference_level, array_level], result


def compare_results(expected: Result, got: Result, lengths: np.ndarray) -> tuple[int, int, str]:
    """Integers compared within the sequences' lengths, how many differ, and where the first does."""
    integers = mismatches = 0
    first = ""
    for index, (a, b) in enumerate(zip(expected.layers, got.layers)):
        valid = np.arange(a.drive.shape[1]) < lengths[:, None]
        for stage in STAGES:
            want, have = getattr(a, stage), getattr(b, stage)
            if want is None:
                continue
            want, have = want[valid].reshape(valid.sum(), -1), have[valid].reshape(valid.sum(), -1)
            integers += want.size
            wrong = np.argwhere(want != have)
            mismatches += len(wrong)
            if len(wrong) and not first:
                row, unit = wrong[0]
                sequence, step = np.argwhere(valid)[row]
                first = (
                    f"layer {index}, sequence {sequence}, step {step}, unit {unit}, {stage}: "
                    f"expected {want[row, unit]}, got {have[row, unit]}"
                )
    return integers, mismatches, first


def rtl_level(name: str, what: str, network: Network, data: Sequences, device: DeviceResult) -> Level:
    """What a co-simulation gave."""
    compared = device.comparison
    return Level(
        name, what, data.accuracy(rtl_classes(network, device)), compared.integers, compared.mismatches,
        str(compared.first or ""),
    )  # fmt: skip


def rtl_classes(network: Network, device: DeviceResult) -> np.ndarray:
    """Class of each sequence (B,) from the output stream of a chip with a classifying head."""
    layer = network.design.layers[-1]
    numbers = np.array([output_numbers(layer, payload) for payload in device.record.out])
    values = numbers[numbers[:, -1] == 1, :-2]
    return values[:, 0] if layer.output == "argmax" else values.argmax(axis=1)
