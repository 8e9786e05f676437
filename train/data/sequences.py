"""Sequences with what is right for each: a class, or values to forecast; and a data set of them."""

from dataclasses import dataclass, replace

import numpy as np

from ...model.formats import DesignError
from ...model.metrics import is_values, valid_steps
from .check import check_classes, check_same_values, check_sequences, check_values


@dataclass(frozen=True, eq=False)
class Sequences:
    """``features`` (B, T, m) float32, 0 past the ``lengths`` (B,) int64; ``labels`` (B,) int64 of classes.

    Or ``labels`` are values to forecast, float64 in their own units: (B, k) at the end of each sequence, (B, T, k) on
    every step. ``groups`` (B,) says who was measured, where sequences of one group must not be split.
    """

    features: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: np.ndarray) -> "Sequences":
        """The sequences at ``index``."""
        groups = None if self.groups is None else self.groups[index]
        return Sequences(self.features[index], self.lengths[index], self.labels[index], groups)


@dataclass(frozen=True, eq=False)
class SequenceDataset:
    """A training and a test set, and the names of the classes or, of values, of the ``outputs``.

    Checked when it is made (:mod:`.check`).
    """

    name: str
    train: Sequences
    test: Sequences
    classes: tuple[str, ...]  #: none where the labels are values
    outputs: tuple[str, ...] = ()  #: of values: what each is, unit included; or empty
    checksum: str = ""  #: SHA-256 of a user's file

    def __post_init__(self) -> None:
        if not self.has_values and (len(self.classes) < 2 or len(set(self.classes)) != len(self.classes)):
            raise DesignError(f"classes must be at least 2 different names, not {tuple(self.classes)!r}")
        for split, data in (("the training set", self.train), ("the test set", self.test)):
            check_sequences(split, data.features, data.lengths, data.groups)
            if self.has_values:
                check_values(split, data.labels, data.features.shape, data.lengths, self.outputs)
            else:
                check_classes(split, data.labels, len(data.features), len(self.classes))
        channels = [data.features.shape[2] for data in (self.train, self.test)]
        if channels[0] != channels[1]:
            raise DesignError(f"the test set must have the training set's {channels[0]} channels, not {channels[1]}")
        if self.has_values:
            check_same_values(self.train.labels, self.test.labels, self.train.lengths)

    @property
    def has_values(self) -> bool:
        """Are the labels values to forecast?"""
        return not self.classes and is_values(self.train.labels)

    def input_range(self, deviations: float = 2.5) -> tuple[np.ndarray, np.ndarray]:
        """Scale and offset (m,) that bring mean +- ``deviations`` standard deviations of each channel to -1..1.

        From the training set alone. Values beyond are clipped by the DAC.
        """
        used = np.arange(self.train.features.shape[1]) < self.train.lengths[:, None]
        frames = self.train.features[used].astype(np.float64)
        mean, spread = frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-12) * deviations
        return 1 / spread, -mean / spread

    def output_range(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviation and mean (k,) of each value in the training set: the units of what is learned."""
        values = valid_steps(self.train.labels, self.train.lengths)
        return values.std(axis=0), values.mean(axis=0)

    def validation(self, fraction: float = 0.2) -> "SequenceDataset":
        """A data set whose test set is split off the training set: for choosing anything, the test set unseen.

        The last ``fraction`` of the groups where there are groups, else of each class, and of all where labels are
        values.
        """
        if not 0 < fraction < 1:
            raise DesignError(f"validation fraction must be a number between 0 and 1, not {fraction!r}")
        held = np.zeros(len(self.train), dtype=bool)
        if self.train.groups is not None:
            names = np.unique(self.train.groups)
            held = np.isin(self.train.groups, names[len(names) - max(1, round(len(names) * fraction)) :])
        elif self.has_values:
            held[len(held) - max(1, round(len(held) * fraction)) :] = True
        for label in range(len(self.classes) if self.train.groups is None else 0):
            members = np.flatnonzero(self.train.labels == label)
            held[members[len(members) - round(len(members) * fraction) :]] = True
        train, test = np.flatnonzero(~held), np.flatnonzero(held)
        return replace(self, train=self.train.take(train), test=self.train.take(test))
