"""The data that come with the package, and what is derived from them."""

import os
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.data.datasets import CONTENTS, load_dataset, padded
from ohmgate.train.data.sequences import SequenceDataset, Sequences


def test_vowels_are_the_uci_set():
    data = load_dataset("vowels")
    assert data.train.features.shape == (270, 26, 12)
    assert data.test.features.shape == (370, 29, 12)
    assert data.train.features.dtype == np.float32
    assert np.bincount(data.train.labels).tolist() == [30] * 9
    assert np.bincount(data.test.labels).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert (data.train.lengths.min(), data.test.lengths.max()) == (7, 29)
    assert data.train.features[0, :3, 0] == pytest.approx([1.860936, 1.891651, 1.939205])  # the file's first values
    past = np.arange(29) >= data.test.lengths[:, None]
    assert (data.test.features[past] == 0).all()
    assert len(data.classes) == 9


def test_input_range_is_of_the_training_set_alone():
    data = load_dataset("vowels")
    scale, offset = data.input_range(2.0)
    frames = np.concatenate([f[:n] for f, n in zip(data.train.features, data.train.lengths)]).astype(np.float64)
    scaled = frames * scale + offset
    assert scaled.mean(axis=0) == pytest.approx(np.zeros(12), abs=1e-9)
    assert scaled.std(axis=0) == pytest.approx(np.full(12, 0.5))


def test_validation_holds_out_training_data_of_every_class():
    data = load_dataset("vowels")
    held = data.validation(0.2)
    assert np.bincount(held.train.labels).tolist() == [24] * 9
    assert np.bincount(held.test.labels).tolist() == [6] * 9
    rows = {f.tobytes() for f in data.train.features}
    assert {f.tobytes() for f in held.train.features} | {f.tobytes() for f in held.test.features} == rows


def labelled(labels, groups=None) -> SequenceDataset:
    """Each sequence's only value is its place."""
    count = len(labels)
    features = np.arange(count, dtype=np.float32).reshape(count, 1, 1)
    groups = None if groups is None else np.array(groups)
    data = Sequences(features, np.ones(count, int), np.array(labels), groups)
    classes = tuple("abcd"[: max(labels) + 1]) if data.labels.dtype.kind == "i" else ()
    return SequenceDataset("own", data, data, classes)


def places(data: Sequences) -> list[int]:
    return data.features[:, 0, 0].astype(int).tolist()


@pytest.mark.parametrize(
    "labels, fraction, held",
    [
        ([0, 0, 1, 1, 1, 1, 1], 0.2, [1, 6]),  # a fifth of two is none
        ([0, 0, 1, 1, 1], 0.9, [1, 3, 4]),  # nine tenths of them are all
        ([0, 1, 1, 1], 0.5, [2, 3]),  # half of one and of three; a single one stays
        ([0, 2, 2, 0], 0.5, [2, 3]),  # a class without any
    ],
)
def test_a_class_of_two_or_more_is_on_both_sides_of_a_split(labels, fraction, held):
    split = labelled(labels).validation(fraction)
    assert places(split.test) == held
    assert places(split.train) == [place for place in range(len(labels)) if place not in held]


@pytest.mark.parametrize(
    "labels, groups, fraction, held",
    [
        ([0, 1, 0, 1, 0, 1], [1, 1, 2, 2, 3, 3], 0.2, {3}),  # the last ones, as ever
        ([0, 1, 0, 0, 1, 1], [1, 1, 2, 2, 3, 3], 0.2, {3, 2}),  # the last alone would lack class 0
        ([0, 0, 0, 1, 1, 2], [1, 2, 3, 1, 2, 4], 0.3, {3, 2}),  # class 2 is of the last group alone
        ([0, 0, 1, 1, 1, 0], [1, 2, 3, 3, 3, 3], 0.9, {2, 1}),  # all of class 1 is of group 3
        ([0, 1, 0, 1], ["b", "b", "a", "a"], 0.5, {"b"}),
    ],
)
def test_groups_are_held_back_so_that_both_sides_have_every_class_that_can_be(labels, groups, fraction, held):
    split = labelled(labels, groups).validation(fraction)
    assert set(split.test.groups) == held
    assert set(split.train.groups) == set(groups) - held


@pytest.mark.parametrize(
    "labels, groups, sentence",
    [
        ([0, 1], None, "a sequence to hold back for validation that leaves every class"),
        ([0, 1, 1], [1, 1, 1], "a group to hold back for validation that leaves every class"),
        ([0, 0, 1], [1, 1, 2], "a group to hold back for validation that leaves every class"),
    ],
)
def test_a_set_that_cannot_be_split_is_refused(labels, groups, sentence):
    with pytest.raises(DesignError) as raised:
        labelled(labels, groups).validation()
    assert str(raised.value) == f"own must have {sentence} to the training set, but has none"


@pytest.mark.parametrize("groups", [None, np.array([7])])
def test_values_of_one_sequence_cannot_be_split(groups):
    data = Sequences(np.zeros((1, 2, 1), np.float32), np.array([2]), np.array([[[1.0], [2.0]]]), groups)
    part = "a sequence" if groups is None else "a group"
    with pytest.raises(
        DesignError, match=f"^own must have {part} to hold back for validation that leaves some to the training set, "
    ):
        SequenceDataset("own", data, data, ()).validation()


def test_content_is_all_that_a_training_sees_and_nothing_else():
    data = labelled([0, 1, 0, 1], ["p", "q", "q", "p"])
    content, part = data.content, data.train
    assert len(content) == 64
    for same in (
        replace(data, name="moved", checksum="ff"),
        replace(
            data, train=replace(part, features=part.features.astype(">f4"), labels=np.asfortranarray(part.labels))
        ),
        replace(data, train=replace(part, groups=np.array(["p", "q", "q", "p"], dtype=object))),
    ):
        assert same.content == content
    changed = [replace(data, classes=("a", "c")), data.validation(0.5)]
    for change in (
        {"features": part.features + np.float32([[[0]], [[0]], [[1e-6]], [[0]]])},
        {"features": part.features.astype(np.float64)},
        {"labels": part.labels[::-1].copy()},
        {"groups": np.array(["p", "q", "q", "q"])},
        {"groups": None},
    ):
        changed += [replace(data, train=replace(part, **change)), replace(data, test=replace(part, **change))]
    assert len({content, *(other.content for other in changed)}) == 1 + len(changed)
    longer = Sequences(np.zeros((2, 3, 1), np.float32), np.array([3, 3]), np.array([0, 1]))
    other = replace(longer, lengths=np.array([3, 2]))
    wider = replace(longer, features=np.zeros((2, 1, 3), np.float32), lengths=np.array([1, 1]))
    sets = [SequenceDataset("own", one, one, ("a", "b")) for one in (longer, other, wider)]
    assert len({one.content for one in sets}) == 3


def test_contents_of_the_packages_data_are_known():
    """By which a checkpoint that knows them by name is accepted."""
    assert load_dataset("vowels").content == CONTENTS["vowels"]
    if "OHMGATE_DATA" in os.environ:
        assert load_dataset("har").content == CONTENTS["har"]


def test_padding():
    frames = np.arange(6.0).reshape(3, 2)
    assert padded(frames, np.array([1, 2], dtype=np.uint8)).tolist() == [[[0, 1], [0, 0]], [[2, 3], [4, 5]]]


def test_sentences():
    with pytest.raises(
        DesignError, match=r"^data set must be one of vowels, har, names, ptb or a .npz file, not 'iris'$"
    ):
        load_dataset("iris")
    with pytest.raises(DesignError, match=r"^validation fraction must be a number between 0 and 1, not 1$"):
        load_dataset("vowels").validation(1)


def write_har(folder, **changes):
    rng = np.random.default_rng(0)
    arrays = {"classes": np.array(["WALKING", "LAYING"])}
    for split, subjects in (("train", [1, 1, 3, 3, 5, 7]), ("test", [2, 4])):
        arrays[f"x_{split}"] = rng.normal(size=(len(subjects), 128, 9)).astype(np.float32)
        arrays[f"y_{split}"] = np.arange(len(subjects), dtype=np.uint8) % 2
        arrays[f"subject_{split}"] = np.array(subjects, dtype=np.uint8)
    arrays |= changes
    np.savez(folder / "har.npz", **{k: v for k, v in arrays.items() if v is not None})
    return arrays


def test_har_is_split_by_subject(tmp_path, monkeypatch):
    arrays = write_har(tmp_path)
    data = load_dataset("har", tmp_path)
    assert np.array_equal(data.train.features, arrays["x_train"])
    assert data.classes == ("walking", "laying")
    assert data.test.lengths.tolist() == [128, 128]
    held = data.validation(0.5)
    assert held.train.groups.tolist() == [1, 1, 3, 3]
    assert held.test.groups.tolist() == [5, 7]
    monkeypatch.setenv("OHMGATE_DATA", str(tmp_path))
    assert np.array_equal(load_dataset("har").train.labels, data.train.labels)


def test_data_that_are_missing_or_broken(tmp_path):
    with pytest.raises(DesignError, match=r"^the data folder must have the file 'har.npz', but .* has none$"):
        load_dataset("har", tmp_path)
    sentence = r"^file 'har.npz' must hold x, y and subject of both splits, but cannot be read$"
    write_har(tmp_path, y_test=None)
    with pytest.raises(DesignError, match=sentence):
        load_dataset("har", tmp_path)
    (tmp_path / "har.npz").write_bytes(b"PK\x03\x04nonsense")
    with pytest.raises(DesignError, match=sentence):
        load_dataset("har", tmp_path)
