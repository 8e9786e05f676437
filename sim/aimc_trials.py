"""Trials of ``ohmgate sweep aimc`` and ``aimc-sensitivity``: networks mapped directly or trained for their chips."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..analog.config import ArrayConfig
from ..model.formats import check_choice, check_integer
from ..model.network import Network
from ..train.config import TrainConfig
from ..train.data.sequences import SequenceDataset
from ..train.epochs import Epoch, tensors_of
from ..train.experiments.trial import Outcome, Told
from ..train.layers.threads import single_thread
from ..train.network import DesignNetwork
from ..train.training import TrainResult, host_units, initial, train
from ..train.warm import start_from, typical
from . import aimc
from .aimc import BY_NAME, SOURCES, TIMES, Point, TestSet
from .aimc_tasks import TASKS, dataset_of, design_of, floating_of, hardware_of

MAPPINGS = ("direct", "hwa")
CHIPS = 8
ENOUGH = 0.99  #: A of a source's largest scale
ENDLESS = 1e9  #: stands for an infinite scale in a record
STEPS = 4  #: of bisection within a factor of 2
WINDOWS = 500  #: of the test set, spread evenly, that chips are judged by, at most


@dataclass(frozen=True, kw_only=True)
class AimcProtocol:
    """Everything that decides a trial besides the data."""

    design: str  #: fingerprint
    floating: TrainConfig
    hardware: TrainConfig | None  #: of a training for the chips; None: the float network's weights as they are
    array: ArrayConfig
    chips: int = CHIPS
    windows: int = WINDOWS
    steps: int = 0  #: of a bisection


def protocol_of(data: str, mapping: str, seed: int, array: ArrayConfig, steps: int = 0) -> AimcProtocol:
    """That of a data set's network in ``array``."""
    return AimcProtocol(
        design=design_of(data).fingerprint,
        floating=floating_of(data, seed),
        hardware=hardware_of(data, seed) if mapping == "hwa" else None,
        array=array,
        steps=steps,
    )


@dataclass(frozen=True, kw_only=True)
class _OfDataSet:
    """What trials of a data set's network share."""

    data: str

    is_language = False

    def check_data(self, folder: str | Path | None) -> None:
        """Read the data set, fetching what is not there."""
        dataset_of(self.data, folder)


@dataclass(frozen=True, kw_only=True)
class AimcTrial(_OfDataSet):
    """A network of a data set on eight chips, 1 s to 1 year after they were programmed."""

    mapping: str
    seed: int = 0

    task = "aimc"

    def __post_init__(self) -> None:
        check_choice("data set", self.data, TASKS)
        check_choice("mapping", self.mapping, MAPPINGS)
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def name(self) -> str:
        return f"aimc_{self.data}_{self.mapping}_seed{self.seed}"

    def protocol(self) -> AimcProtocol:
        return protocol_of(self.data, self.mapping, self.seed, aimc.aged(aimc.HOUR))

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        made = _networks(self.data, self.mapping, self.seed, folder, told)
        points: list[dict[str, float]] = []
        final = {"float": made.floating, "chance": made.chance, "quiet": made.quiet}
        for when, seconds in TIMES.items():
            config = aimc.aged(seconds)
            for chip in range(CHIPS):
                right = aimc.accuracy(made.network, config, made.data, self.seed, chip)
                points.append({"seconds": seconds, "chip": chip, "accuracy": right})
                told(len(points), len(TIMES) * CHIPS, f"{when} accuracy {right:.4f}")
            final[when] = float(np.mean([each["accuracy"] for each in points[-CHIPS:]]))
        return Outcome(made.checksum, points, final)


@dataclass(frozen=True, kw_only=True)
class SensitivityTrial(_OfDataSet):
    """How large one source may grow, alone, before A of a network against itself without noise falls to 99 %."""

    source: str
    mapping: str = "hwa"
    seed: int = 0

    task = "aimc-sensitivity"

    def __post_init__(self) -> None:
        check_choice("data set", self.data, TASKS)
        check_choice("source", self.source, tuple(BY_NAME))
        check_choice("mapping", self.mapping, MAPPINGS)
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def name(self) -> str:
        source = self.source.replace(",", "").replace(" ", "-")
        return f"sensitivity_{self.data}_{self.mapping}_{source}_seed{self.seed}"

    def protocol(self) -> AimcProtocol:
        return protocol_of(self.data, self.mapping, self.seed, BY_NAME[self.source].made(1.0), STEPS)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        made = _networks(self.data, self.mapping, self.seed, folder, told)
        source = BY_NAME[self.source]
        data, quiet = made.data, made.quiet
        enough = quiet - (1 - ENOUGH) * (quiet - made.chance)

        def measure(scale: float) -> Point:
            config = source.made(scale)
            found = [aimc.accuracy(made.network, config, data, self.seed, chip) for chip in range(CHIPS)]
            told(0, 1, f"{source.name} x {scale:.3g}: accuracy {np.mean(found):.4f} of {enough:.4f}")
            return Point(scale, tuple(found))

        points = aimc.bisect(measure, enough, STEPS, source.most)
        scale = aimc.crossing(points, enough, range(CHIPS))
        low, high = aimc.interval(points, enough)
        reached = max(min(scale, max(point.scale for point in points)), min(point.scale for point in points))
        error = aimc.sum_error(made.network, source.made(reached), data, self.seed)
        final = {"scale": scale, "low": low, "high": high, "error": error, "quiet": quiet, "chance": made.chance}
        bounded = {name: min(value, ENDLESS) for name, value in final.items()}
        return Outcome(made.checksum, [_told(point) for point in points], bounded)


def _told(point: Point) -> dict[str, float]:
    return {"scale": point.scale} | {f"chip{number}": right for number, right in enumerate(point.accuracies)}


AIMC = [AimcTrial(data=data, mapping=mapping) for data in TASKS for mapping in MAPPINGS]
SENSITIVITY = [SensitivityTrial(data=data, source=source.name) for data in TASKS for source in SOURCES]


@dataclass(frozen=True, eq=False)
class _Made:
    """A quantised network, and what it is judged by."""

    network: Network
    data: TestSet
    checksum: str
    floating: float  #: accuracy of the float network that it comes from
    chance: float  #: that of a guess

    @property
    def quiet(self) -> float:
        """Accuracy without noise."""
        return aimc.accuracy(self.network, ArrayConfig(), self.data, 0, 0)


def _made(network: Network, dataset: SequenceDataset, floating: TrainResult) -> _Made:
    test = dataset.test
    chosen = np.linspace(0, len(test) - 1, min(WINDOWS, len(test))).round().astype(int)
    part = test.take(chosen)
    data = TestSet(network.encode(part.features), part.lengths, part.labels)
    right = float((floating.predictions[chosen] == part.labels).mean())
    return _Made(network, data, dataset.content, right, 1 / len(dataset.classes))


#: network, data set and float training of what this process has trained, which its next trials begin with
_last: dict[Sequence[object], tuple[Network, SequenceDataset, TrainResult]] = {}


def _networks(data: str, mapping: str, seed: int, folder: str | Path | None, told: Told) -> _Made:
    key = data, mapping, seed, folder
    if key not in _last:
        dataset, design = dataset_of(data, folder), design_of(data)
        floating = _float(data, seed, folder, told)
        config = hardware_of(data, seed)
        if mapping == "hwa":
            network = train(design, dataset, config, start=floating.model, progress=_progress(told)).network
            assert network is not None
        else:
            network = as_mapped(floating.model, dataset, config)
        _last[key] = network, dataset, floating
    network, dataset, floating = _last[key]
    return _made(network, dataset, floating)


def as_mapped(floating: DesignNetwork, dataset: SequenceDataset, config: TrainConfig) -> Network:
    """A float network's weights as they are, with ranges calibrated on training data and ``config``'s quantisers."""
    with single_thread():
        model, host = initial(floating.design, config), host_units(floating.design, dataset, config)
        start_from(model, floating, *typical(*tensors_of(dataset.train, host)[:2]))
        return model.export(**host)


@lru_cache(maxsize=2)
def _trained(data: str, seed: int, folder: str | Path | None) -> dict[str, TrainResult]:
    return {}


def _float(data: str, seed: int, folder: str | Path | None, told: Told) -> TrainResult:
    """The float network that both mappings begin with."""
    found = _trained(data, seed, folder)
    if not found:
        config = floating_of(data, seed)
        found["float"] = train(design_of(data), dataset_of(data, folder), config, progress=_progress(told))
    return found["float"]


def _progress(told: Told):
    def tell(done: int, total: int, epoch: Epoch) -> None:
        told(done, total, f"loss {epoch.loss:.4f} nats")

    return tell
