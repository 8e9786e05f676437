"""A user's file: each layout as it is read, and each rule's sentence."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.data.datasets import load_dataset

X = np.arange(30.0).reshape(5, 3, 2)
Y = np.array([0, 1, 2, 1, 0])
V = np.array([0.5, 1.5, 2.5, 3.5, 4.5])


def written(folder, **arrays) -> str:
    np.savez(folder / "my.npz", **arrays)
    return str(folder / "my.npz")


def two_sets(**changes) -> dict:
    return {"x_train": X, "y_train": Y, "x_test": X[:2], "y_test": Y[:2]} | changes


def test_classes_in_two_sets(tmp_path):
    path = written(
        tmp_path, **two_sets(length_train=np.array([3, 1, 2, 3, 3], np.uint8), group_test=np.array(["a", "b"]))
    )
    data = load_dataset(path)
    assert (data.name, data.has_values, data.classes) == ("my.npz", False, ("class 0", "class 1", "class 2"))
    assert (data.train.features.dtype, data.train.labels.dtype) == (np.float32, np.int64)
    assert np.array_equal(data.train.features, X)
    assert np.array_equal(data.train.labels, Y)
    assert (data.train.lengths.tolist(), data.test.lengths.tolist()) == ([3, 1, 2, 3, 3], [3, 3])
    assert data.test.groups.tolist() == ["a", "b"]
    assert data.checksum == hashlib.sha256((tmp_path / "my.npz").read_bytes()).hexdigest()
    named = load_dataset(written(tmp_path, **two_sets(classes=np.array(["no", "yes", "both", "none"]))))
    assert named.classes == ("no", "yes", "both", "none")
    yes_or_no = load_dataset(written(tmp_path, **two_sets(y_train=Y > 0, y_test=Y[:2] > 0)))
    assert yes_or_no.train.labels.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("shape, kept", [((5,), (5, 1)), ((5, 4), (5, 4)), ((5, 3, 4), (5, 3, 4))])
def test_values_at_the_end_or_on_every_step(tmp_path, shape, kept):
    y = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    data = load_dataset(written(tmp_path, **two_sets(y_train=y, y_test=y[:2])))
    assert (data.has_values, data.classes, data.outputs) == (True, (), ())
    assert (data.train.labels.shape, data.train.labels.dtype) == (kept, np.float64)
    assert np.array_equal(data.train.labels.reshape(shape), y)


def test_units_of_values_are_those_of_the_steps_that_count(tmp_path):
    y = np.array([[[1.0], [2.0], [100.0]], [[3.0], [50.0], [50.0]]])
    path = written(tmp_path, **two_sets(x_train=X[:2], y_train=y, length_train=np.array([2, 1]), y_test=y))
    deviation, mean = load_dataset(path).output_range()
    assert (deviation[0], mean[0]) == (pytest.approx(np.std([1, 2, 3])), 2.0)


def test_one_set_is_split_and_its_last_fifth_is_the_test_set(tmp_path):
    data = load_dataset(written(tmp_path, x=X, y=V, outputs=np.array("heat in W")))
    assert (data.train.labels[:, 0].tolist(), data.test.labels[:, 0].tolist()) == ([0.5, 1.5, 2.5, 3.5], [4.5])
    assert data.outputs == ("heat in W",)
    labels = np.array([0] * 5 + [1] * 5)
    features = np.arange(10.0).reshape(10, 1, 1)
    data = load_dataset(written(tmp_path, x=features, y=labels))
    assert data.test.features.reshape(-1).tolist() == [4, 9], "of each class"
    data = load_dataset(written(tmp_path, x=features, y=labels * 0.5, group=np.array([1, 2, 3, 4, 5] * 2)))
    assert data.test.features.reshape(-1).tolist() == [4, 9], "of the groups"


TWO = "x_train and y_train and x_test and y_test, and may hold length_train, group_train, length_test, group_test, classes, outputs"
ONE = "x and y, and may hold length, group, classes, outputs"


@pytest.mark.parametrize(
    "arrays, sentence",
    [
        (two_sets(X_train=X), f"data file 'my.npz' must hold {TWO}, but has 'X_train'"),
        (two_sets(x=X), f"data file 'my.npz' must hold {TWO}, but has 'x'"),
        ({"x_train": X, "y_train": Y, "x_test": X}, f"data file 'my.npz' must hold {TWO}, but has no 'y_test'"),
        ({"x": X}, f"data file 'my.npz' must hold {ONE}, but has no 'y'"),
        ({}, f"data file 'my.npz' must hold {ONE}, but has no 'x'"),
        ({"x": X, "y": np.array([{}] * 5)}, "data file 'my.npz' must be arrays of numbers that numpy.savez wrote"),
        ({"x": X, "y": V, "classes": np.array(["a", "b"])}, "data file 'my.npz' must have no 'classes', as its y are values "
         "(floating-point numbers)"),
        ({"x": X, "y": Y, "outputs": np.array(["a"])}, "data file 'my.npz' must have no 'outputs', as its y are classes "
         "(integers)"),
        ({"x": X, "y": np.array(list("abcde"))}, "labels of the training set must be one integer for each of its 5 sequences, "
         "not <U1 of shape (5,)"),
        ({"x": X, "y": Y[:4]}, "labels of the training set must be one integer for each of its 5 sequences, not int64 of "
         "shape (4,)"),
        ({"x": X, "y": V[:4]}, "values of the training set must be floating-point numbers of shape (5, outputs) or (5, 3, "
         "outputs), not float64 of shape (4, 1)"),
        ({"x": X, "y": np.zeros((5, 2, 1))}, "values of the training set must be floating-point numbers of shape (5, outputs) "
         "or (5, 3, outputs), not float64 of shape (5, 2, 1)"),
        ({"x": X, "y": np.zeros((5, 0))}, "values of the training set must have an output for each of the 1 names, not 0"),
        ({"x": X, "y": V, "outputs": np.array(["a", "b"])}, "values of the training set must have an output for each of the 2 "
         "names, not 1"),
        ({"x": X, "y": np.where(V == 2.5, np.nan, V)}, "values of the training set must be finite, but sequence 2 has nan in "
         "output 0"),
        ({"x": X, "y": np.ones(5)}, "values of the training set must differ, but output 0 is 1.0 everywhere"),
        (two_sets(y_train=V, y_test=V[:2, None].repeat(2, 1)), "the test set must have the training set's values, 1 at the end, "
         "not 2 at the end"),
        (two_sets(y_train=V, y_test=np.zeros((2, 3, 1))), "the test set must have the training set's values, 1 at the end, not "
         "1 on every step"),
        (two_sets(y_train=V), "values of the test set must be floating-point numbers of shape (2, outputs) or (2, 3, outputs), "
         "not int64 of shape (2,)"),
        (two_sets(y_test=np.array([0, -1])), "labels of the test set must be integers from 0 to 2, but sequence 1 has -1"),
        ({"x": X[0], "y": Y}, "features of the training set must be numbers of shape (sequences, steps, channels), not float32 "
         "of shape (3, 2)"),
        ({"x": X * 1e40, "y": Y}, "features of the training set must be finite, but sequence 0 has inf in step 0, channel 1"),
        ({"x": X, "y": Y, "length": np.array([1, 2, 3, 4, 1])}, "lengths of the training set must be integers from 1 to 3, but "
         "sequence 3 has 4"),
        ({"x": X, "y": Y, "length": np.ones(5)}, "lengths of the training set must be one integer for each of its 5 sequences, "
         "not float64 of shape (5,)"),
        ({"x": X[:1], "y": V[:1]}, "values of the training set must differ, but output 0 is 0.5 everywhere"),
        ({"x": X, "y": np.array([0, 1, 2**64 - 1, 0, 1], np.uint64)}, "data file 'my.npz' must have labels from 0 to 16383, not "
         "18446744073709551615"),
        ({"x": X, "y": np.float64(3)}, "y must have a row for each sequence, not be a single number"),
        ({"x": X, "y": V[:, None].repeat(2, 1), "outputs": np.array(["a", "a"])}, "outputs must be different names, not ('a', 'a')"),
        ({"x": X, "y": V * 1e-200}, "values of the training set must have deviations from 1e-100 to 1e150, but output 0 has 0"),
        ({"x": X, "y": V * 1e200}, "values of the training set must have deviations from 1e-100 to 1e150, but output 0 has inf"),
        ({"x": np.arange(30.0).reshape(5, 3, 2) + np.array([0, 1e10]), "y": Y}, "x must keep its differences as 32-bit numbers, but channel 1 "
         "has a deviation of 8.64 around 1e+10: take an offset off"),
        ({"x": X, "y": np.array([0, 1, 16384, 0, 1])}, "data file 'my.npz' must have labels from 0 to 16383, not 16384"),
    ],
)  # fmt: skip
def test_each_rule_has_its_sentence(tmp_path, arrays, sentence):
    with pytest.raises(DesignError) as raised:
        load_dataset(written(tmp_path, **arrays))
    assert str(raised.value) == sentence


def test_a_value_past_a_sequences_end_is_finite_too(tmp_path):
    y = np.arange(15.0).reshape(5, 3, 1)
    y[1, 2, 0] = -np.inf
    with pytest.raises(DesignError) as raised:
        load_dataset(written(tmp_path, x=X, y=y, length=np.array([3, 1, 3, 3, 3])))
    assert str(raised.value) == (
        "values of the training set must be finite, but sequence 1 has -inf in step 2, output 0, past its 1 steps"
    )


def test_an_archive_with_a_password_is_refused(tmp_path):
    path = Path(written(tmp_path, x=X, y=Y))
    content = bytearray(path.read_bytes())
    for head, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := content.find(head, at + 1)) >= 0:
            content[at + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(DesignError, match=r"^data file 'my\.npz' must be arrays of numbers that numpy\.savez wrote$"):
        load_dataset(str(path))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 half an archive", None])
def test_what_is_no_archive_is_refused(tmp_path, content):
    if content is None:
        with (tmp_path / "my.npz").open("wb") as file:
            np.save(file, X)  # an array alone
    else:
        (tmp_path / "my.npz").write_bytes(content)
    with pytest.raises(DesignError, match=r"^data file 'my\.npz' must be arrays of numbers that numpy\.savez wrote$"):
        load_dataset(str(tmp_path / "my.npz"))
