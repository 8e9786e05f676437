"""Networks on chips of the preset *aimc*: their accuracy as cells age, and what each source may grow to alone.

A is the accuracy that is left: 1 - (err - err_reference) / (err_chance - err_reference). It is 1 at the reference's
error and 0 at that of a guess.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..analog.column_errors import ColumnErrors
from ..analog.config import AIMC_OUTPUT, ArrayConfig, preset
from ..analog.converters import DacErrors
from ..analog.fast_network import FastNetwork, why_not_network
from ..analog.inference import build_arrays, classify, convert_through
from ..model import reference
from ..model.network import Network
from ..model.seeds import child

PRESET = "aimc"
TIMES = {"1 s": 1.0, "1 h": 3600.0, "1 day": 86400.0, "1 year": 365.25 * 86400.0}
SHARE = 64  #: neighbouring sequences that see one course of noise that lasts
HOUR, YEAR = TIMES["1 h"], TIMES["1 year"]


def left(error: float, of_reference: float, of_chance: float) -> float:
    """A."""
    return 1 - (error - of_reference) / (of_chance - of_reference)


def aged(seconds: float) -> ArrayConfig:
    """The preset with cells of this age."""
    config = preset(PRESET)
    assert config.cells is not None
    return replace(config, cells=replace(config.cells, seconds=seconds))


@dataclass(frozen=True, eq=False)
class TestSet:
    """DAC codes (B, T, m), lengths (B,) and labels (B,) that chips are judged by."""

    __test__ = False

    codes: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray


def accuracy(network: Network, config: ArrayConfig, data: TestSet, seed: int, chip: int) -> float:
    """Share (0..1) of the test set that one chip has right; which one depends on ``seed`` and ``chip`` alone."""
    arrays = build_arrays(network, config, child(seed, chip), SHARE)
    if why_not_network(network, arrays):
        classes = classify(network, data.codes, data.lengths, arrays)
    else:
        classes = FastNetwork(network, arrays, seed=child(seed, chip, 1)).classify(data.codes, data.lengths)
    return float((classes == data.labels).mean())


def sum_error(network: Network, config: ArrayConfig, data: TestSet, seed: int, count: int = 16) -> float:
    """Root mean square of what column sums err by, over that of the sums; the mean of the arrays.

    Arrays get what the network without noise drives them with, in ``count`` sequences, all steps of all of them.
    """
    part = slice(0, count)
    exact, noisy = (build_arrays(network, each, child(seed, 0)) for each in (ArrayConfig(), config))
    ratios: list[list[float]] = [[0.0, 0.0] for _ in exact]
    ideal = convert_through(exact)

    def convert(index: int, drive: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        if fresh.any():
            noisy[index].new_sequence(fresh)
        sums = exact[index].analog(drive)
        ratios[index][0] += float(((noisy[index].analog(drive) - sums) ** 2).sum())
        ratios[index][1] += float((sums**2).sum())
        return ideal(index, drive, fresh)

    reference.run(network, data.codes[part], data.lengths[part], convert)
    return float(np.mean([math.sqrt(error / size) for error, size in ratios]))


# -- one source alone -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A source of error that can be of any size: ``made(scale)`` is an array that has nothing else."""

    name: str
    kind: str  #: what it disturbs: "input", "output" or "weight"
    unit: str  #: what a scale of 1 is
    made: Callable[[float], ArrayConfig]
    most: float = 1000.0  #: largest scale that an array may have


def _device(seconds: float, scale: float, *kept: str) -> ArrayConfig:
    """Cells of the preset whose errors of other fields than ``kept`` are taken away, those of ``kept`` scaled."""
    cells = preset(PRESET).cells
    assert cells is not None
    device = cells.device
    fields: dict[str, object] = {
        "program_sigma": tuple(scale * each for each in device.program_sigma) if "program" in kept else (0.0,) * 3,
        "read_sigma": scale * device.read_sigma if "read" in kept else 0.0,
        "read_limit": scale * device.read_limit if "read" in kept else device.read_limit,
        "drift_mean": device.drift_mean if "drift" in kept else (0.0,) * 4,
        "drift_sigma": tuple(scale * each for each in device.drift_sigma) if "drift" in kept else (0.0,) * 4,
    }
    held = replace(cells, device=replace(device, **fields), seconds=seconds)  # pyright: ignore[reportArgumentType]
    return ArrayConfig(cells=held, gains="array")


def _noise(scale: float) -> ArrayConfig:
    config = preset(PRESET)
    return ArrayConfig(weight_noise=scale * config.weight_noise, redraw=config.redraw)


def _output(scale: float) -> ArrayConfig:
    return ArrayConfig(adc_noise="physical", adc_sigma=scale * preset(PRESET).adc_sigma)


SOURCES = (
    Source("input noise", "input", "1 LSB of the DACs", lambda s: ArrayConfig(dac=DacErrors(noise_sigma=s))),
    Source("output noise", "output", f"{AIMC_OUTPUT} of a full input at a full weight", _output),
    Source(
        "column offset", "output", "1 LSB of the ADCs", lambda s: ArrayConfig(columns=ColumnErrors(offset_sigma=s))
    ),
    Source("column gain", "output", "1 %", lambda s: ArrayConfig(columns=ColumnErrors(gain_sigma=0.01 * s)), 25.0),
    Source("S-shape", "output", "n = 0.01", lambda s: ArrayConfig(columns=ColumnErrors(s_shape=0.01 * s))),
    Source("programming", "weight", "the preset's", lambda s: _device(0.0, s, "program")),
    Source("read noise of the cells, 1 h", "weight", "the preset's", lambda s: _device(HOUR, s, "read"), 50.0),
    Source("spread of drift, 1 year", "weight", "the preset's", lambda s: _device(YEAR, s, "drift"), 20.0),
    Source("read noise in each step", "weight", "the preset's", _noise, 100.0),
)
BY_NAME = {source.name: source for source in SOURCES}


@dataclass(frozen=True)
class Point:
    """Accuracies of all chips at a scale."""

    scale: float
    accuracies: tuple[float, ...]


def crossing(points: Sequence[Point], enough: float, chips: Sequence[int]) -> float:
    """Largest scale up to which the mean accuracy of ``chips`` is ``enough``: between points linear in log scale.

    Infinite where it is enough at the last point, 0 where it is not at the first.
    """
    before: tuple[float, float] | None = None
    for point in sorted(points, key=lambda point: point.scale):
        mean = float(np.mean([point.accuracies[chip] for chip in chips]))
        if mean < enough:
            if before is None:
                return 0.0
            scale, found = before
            share = (found - enough) / (found - mean)
            return scale * (point.scale / scale) ** share
        before = point.scale, mean
    return math.inf


LIMIT = 10  #: doublings and halvings of a scale, at most


def bisect(measure: Callable[[float], Point], enough: float, steps: int, most: float = math.inf) -> list[Point]:
    """Points around where the mean accuracy falls below ``enough``: by factors of 2, then ``steps`` between two."""

    def holds(point: Point) -> bool:
        return float(np.mean(point.accuracies)) >= enough

    points = [measure(1.0)]
    up = holds(points[0])
    for _ in range(LIMIT):
        if holds(points[-1]) != up:
            break
        if points[-1].scale >= most:
            break
        points.append(measure(min(points[-1].scale * (2.0 if up else 0.5), most)))
    if holds(points[-1]) == up:
        return points
    low, high = sorted(point.scale for point in points[-2:])
    for _ in range(steps):
        points.append(measure(math.sqrt(low * high)))
        low, high = (points[-1].scale, high) if holds(points[-1]) else (low, points[-1].scale)
    return points


def interval(points: Sequence[Point], enough: float, draws: int = 400, seed: int = 0) -> tuple[float, float]:
    """95 % of :func:`crossing` over chips drawn with replacement."""
    rng, count = np.random.default_rng(seed), len(points[0].accuracies)
    found = sorted(crossing(points, enough, rng.integers(count, size=count).tolist()) for _ in range(draws))
    return found[round(0.025 * (draws - 1))], found[round(0.975 * (draws - 1))]
