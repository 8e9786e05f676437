"""Sequences with what is right for each: a class, or values to forecast; and a data set of them."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...model.formats import DesignError, quantise_symmetric
from ...model.metrics import is_values, valid_steps
from .check import check_classes, check_same_values, check_sequences, check_values
from .content import content_hash
from .input_range import code_range, constant_channels, spread_range


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

    @cached_property
    def content(self) -> str:
        """SHA-256 of all arrays of both sets and of the names of classes or outputs: what a checkpoint is of."""
        parts = [(data.features, data.lengths, data.labels, data.groups) for data in (self.train, self.test)]
        return content_hash([array for part in parts for array in part], (self.classes, self.outputs))

    def input_range(self, deviations: float = 2.5, *, bits: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Scale and offset (m,) that bring mean +- ``deviations`` standard deviations of each channel to -1..1.

        With ``bits`` it is the range of least error for such DACs instead (:mod:`.input_range`). It is found in the
        training set alone. Values beyond are clipped by the DAC. A channel that never changes gets code 0.
        """
        frames = self._frames()
        return spread_range(frames, deviations) if bits is None else code_range(frames, bits)

    def constant_channels(self) -> np.ndarray:
        """Numbers of the channels that never change in the training set."""
        return np.flatnonzero(constant_channels(self._frames()))

    def input_codes(self, scale: np.ndarray, offset: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
        """Shares (m,) of the training set's numbers that DACs of ``bits`` clip, and whose code is 0."""
        scaled = self._frames() * scale + offset
        return (np.abs(scaled) > 1).mean(axis=0), (quantise_symmetric(scaled, bits) == 0).mean(axis=0)

    def _frames(self) -> np.ndarray:
        """(n, m) float64 of the training set, without what is past a sequence's end."""
        used = np.arange(self.train.features.shape[1]) < self.train.lengths[:, None]
        return self.train.features[used].astype(np.float64)

    def output_range(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviation and mean (k,) of each value in the training set: the units of what is learned."""
        values = valid_steps(self.train.labels, self.train.lengths)
        return values.std(axis=0), values.mean(axis=0)

    def validation(self, fraction: float = 0.2) -> "SequenceDataset":
        """A data set whose test set is split off the training set: for choosing anything, the test set unseen.

        The last ``fraction`` of the groups where there are groups, else of each class, and of all where labels are
        values. A class with at least 2 sequences has at least one on either side, one with a single sequence stays in
        the training set. Where the last groups would part with a class, others take their place.
        """
        if not 0 < fraction < 1:
            raise DesignError(f"validation fraction must be a number between 0 and 1, not {fraction!r}")
        if self.train.groups is not None:
            held = np.isin(self.train.groups, self._last_groups(self.train.groups, fraction))
        else:
            labels = self.train.labels
            held = np.zeros(len(self.train), dtype=bool)
            for label in [None] if self.has_values else range(len(self.classes)):
                members = np.arange(len(held)) if label is None else np.flatnonzero(labels == label)
                held[members[len(members) - _held_back(len(members), fraction) :]] = True
        if not held.any():
            needed = "a group" if self.train.groups is not None else "a sequence"
            rest = "every class" if self.classes else "some"
            raise DesignError(
                f"{self.name} must have {needed} to hold back for validation that leaves {rest} to the training set, "
                "but has none"
            )
        train, test = np.flatnonzero(~held), np.flatnonzero(held)
        return replace(self, train=self.train.take(train), test=self.train.take(test))

    def _last_groups(self, groups: np.ndarray, fraction: float) -> list[Any]:
        """Those of ``groups`` (B,) to hold back: the last ones, but none without which the others lack a class.

        Then, for each class that they lack, the last other group that has it and may be held back, too.
        """
        names, index = np.unique(groups, return_inverse=True)
        labels = np.zeros(len(self.train), dtype=int) if self.has_values else self.train.labels
        counts = np.zeros((len(names), max(len(self.classes), 1)), dtype=int)  # sequences of each group and class
        np.add.at(counts, (index, labels), 1)
        kept, held = counts.sum(axis=0), []

        def hold(group: int) -> None:
            if group not in held and (kept > counts[group])[kept > 0].all():
                kept[:] -= counts[group]
                held.append(group)

        wanted = _held_back(len(names), fraction)
        for group in reversed(range(len(names))):
            if len(held) < wanted:
                hold(group)
        for label in range(counts.shape[1]):
            for group in reversed(np.flatnonzero(counts[:, label])):
                if not counts[held, label].any():
                    hold(group)
        return [names[group] for group in held]


def _held_back(count: int, fraction: float) -> int:
    """How many of ``count`` to hold back: at least one on either side, where there are 2."""
    return min(max(1, round(count * fraction)), count - 1)
