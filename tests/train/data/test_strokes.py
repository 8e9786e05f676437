"""Pen strokes: the file's frames as padded sequences, and files that are not it."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.data.strokes import strokes


def write_strokes(folder: Path, **changes) -> None:
    """Three digits to train, of 3, 1 and 2 steps, and two to test, of 2 steps each."""
    arrays = {
        "seq_train": np.arange(24, dtype=np.int8).reshape(6, 4) - 9,
        "len_train": np.array([3, 1, 2], dtype=np.uint8),
        "y_train": np.array([7, 0, 9], dtype=np.uint8),
        "seq_test": np.arange(16, dtype=np.int8).reshape(4, 4),
        "len_test": np.array([2, 2], dtype=np.uint8),
        "y_test": np.array([1, 7], dtype=np.uint8),
    }
    kept = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(folder / "mnist_strokes.npz", **kept)


def test_frames_are_sequences_with_zeros_behind_them(tmp_path):
    write_strokes(tmp_path)
    found = strokes(tmp_path)
    assert found.train.features.shape == (3, 3, 4)
    assert found.train.features[0].tolist() == [[-9, -8, -7, -6], [-5, -4, -3, -2], [-1, 0, 1, 2]]
    assert found.train.features[1].tolist() == [[3, 4, 5, 6], [0] * 4, [0] * 4]
    assert found.train.features[2].tolist() == [[7, 8, 9, 10], [11, 12, 13, 14], [0] * 4]
    assert (found.train.lengths.tolist(), found.train.labels.tolist()) == ([3, 1, 2], [7, 0, 9])
    assert found.test.features[1].tolist() == [[8, 9, 10, 11], [12, 13, 14, 15]]
    assert found.classes == tuple("0123456789")


@pytest.mark.parametrize("changes", [{"y_test": None}, {"seq_train": np.zeros((5, 4), np.int8)}])
def test_another_file_is_refused(tmp_path, changes):
    write_strokes(tmp_path, **changes)
    sentence = "file 'mnist_strokes.npz' must hold seq, len and y of both splits, but cannot be read"
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        strokes(tmp_path)


DATA = Path(os.environ.get("OHMGATE_DATA", "none")) / "mnist_strokes.npz"


@pytest.mark.skipif(not DATA.exists(), reason="the data set is not here")
def test_the_digits_of_mnist():
    found = strokes(DATA.parent)
    assert (len(found.train), len(found.test)) == (60000, 10000)
    assert int(found.train.lengths.sum()) == 2377576
    assert (found.train.lengths.min(), found.train.lengths.max()) == (6, 90)
    assert np.bincount(found.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
