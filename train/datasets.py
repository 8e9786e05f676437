"""Data sets of sequences with one label each."""

from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

from ..model.design import check_choice
from ..model.formats import DesignError


@dataclass(frozen=True, eq=False)
class Sequences:
    """``features`` (B, T, m) float32, 0 past the ``lengths`` (B,) int64; ``labels`` (B,) int64."""

    features: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: np.ndarray) -> "Sequences":
        """The sequences at ``index``."""
        return Sequences(self.features[index], self.lengths[index], self.labels[index])


@dataclass(frozen=True, eq=False)
class SequenceDataset:
    """A training and a test set, and the names of the classes."""

    name: str
    train: Sequences
    test: Sequences
    classes: tuple[str, ...]

    def input_range(self, deviations: float = 2.5) -> tuple[np.ndarray, np.ndarray]:
        """Scale and offset (m,) that bring mean +- ``deviations`` standard deviations of each channel to -1..1.

        From the training set alone. Values beyond are clipped by the DAC.
        """
        used = np.arange(self.train.features.shape[1]) < self.train.lengths[:, None]
        frames = self.train.features[used].astype(np.float64)
        mean, spread = frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-12) * deviations
        return 1 / spread, -mean / spread

    def validation(self, fraction: float = 0.2) -> "SequenceDataset":
        """A data set whose test set is the last ``fraction`` of each class of the training set.

        For choosing anything: the real test set stays unseen.
        """
        if not 0 < fraction < 1:
            raise DesignError(f"validation fraction must be a number between 0 and 1, not {fraction!r}")
        held = np.zeros(len(self.train), dtype=bool)
        for label in range(len(self.classes)):
            members = np.flatnonzero(self.train.labels == label)
            held[members[len(members) - round(len(members) * fraction) :]] = True
        train, test = np.flatnonzero(~held), np.flatnonzero(held)
        return replace(self, train=self.train.take(train), test=self.train.take(test))


DATASETS = ("vowels",)


def load_dataset(name: str) -> SequenceDataset:
    """A data set by name; raises :class:`DesignError` for a name that is not known."""
    check_choice("data set", name, DATASETS)
    return vowels()


def vowels() -> SequenceDataset:
    """UCI Japanese Vowels, which comes with the package (train/data/README.md): 12 channels, 9 speakers."""
    with (resources.files("ohmgate.train") / "data" / "japanese_vowels.npz").open("rb") as file, np.load(file) as npz:
        parts = {
            split: Sequences(
                padded(npz[f"x_{split}"] / 1e6, npz[f"len_{split}"]),
                npz[f"len_{split}"].astype(np.int64),
                npz[f"y_{split}"].astype(np.int64),
            )
            for split in ("train", "test")
        }
    return SequenceDataset("vowels", parts["train"], parts["test"], tuple(f"speaker {k}" for k in range(1, 10)))


def padded(frames: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenated ``frames`` (sum of lengths, m) as (B, T, m) float32, 0 past each length."""
    lengths = lengths.astype(np.int64)
    features = np.zeros((len(lengths), lengths.max(), frames.shape[1]), dtype=np.float32)
    features[np.arange(lengths.max()) < lengths[:, None]] = frames
    return features
