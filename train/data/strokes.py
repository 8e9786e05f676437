"""MNIST's digits as a pen would write them."""

import zipfile
from pathlib import Path

import numpy as np

from ...model.formats import DesignError
from .datasets import data_file, padded
from .sequences import SequenceDataset, Sequences


def strokes(folder: str | Path | None = None) -> SequenceDataset:
    """60,000 and 10,000 digits of 6 to 90 steps (mean 39.6), each dx, dy, end of stroke and end of digit.

    From ``mnist_strokes.npz`` (E. de Jong, "MNIST digits stroke sequence data"): frames seq (sum of lengths, 4), len
    and y of _train and _test. Raises :class:`DesignError` where it is not there or another file.
    """
    path = data_file("mnist_strokes.npz", folder)
    try:
        with np.load(path) as npz:
            train, test = (
                Sequences(
                    padded(npz[f"seq_{split}"].astype(np.float32), npz[f"len_{split}"]),
                    npz[f"len_{split}"].astype(np.int64),
                    npz[f"y_{split}"].astype(np.int64),
                )
                for split in ("train", "test")
            )
            return SequenceDataset("strokes", train, test, tuple("0123456789"))
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile):
        raise DesignError(f"file {path.name!r} must hold seq, len and y of both splits, but cannot be read") from None
