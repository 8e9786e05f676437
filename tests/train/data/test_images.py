"""MNIST is read as it is, and images are moved as an independent interpolation moves them."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from ohmgate.model.formats import DesignError
from ohmgate.train.data.images import ImageDataset, Images, cifar10, mnist, moved


def write(folder, **changes):
    rng = np.random.default_rng(0)
    parts = {
        "x_train": rng.integers(0, 256, (4, 28, 28), dtype=np.uint8),
        "y_train": np.array([3, 1, 4, 1], dtype=np.uint8),
        "x_test": rng.integers(0, 256, (2, 28, 28), dtype=np.uint8),
        "y_test": np.array([5, 9], dtype=np.uint8),
    } | changes
    np.savez(folder / "mnist.npz", **{name: part for name, part in parts.items() if part is not None})
    return parts


def test_mnist_is_read_in_its_order(tmp_path):
    parts = write(tmp_path)
    data = mnist(tmp_path)
    assert data.train.values.shape == (4, 1, 28, 28)
    assert data.train.values.dtype == torch.float32
    assert np.array_equal(data.test.values[1, 0].numpy() * 255, parts["x_test"][1].astype(np.float32))
    assert data.train.labels.tolist() == [3, 1, 4, 1]
    assert data.test.labels.dtype == torch.int64
    assert (len(data.train), len(data.test)) == (4, 2)


def test_content_is_of_all_values_and_labels(tmp_path):
    write(tmp_path)
    one, other = mnist(tmp_path), mnist(tmp_path)
    assert one.content == other.content
    changed = Images(one.test.values, one.test.labels + 1)
    assert ImageDataset(one.train, changed).content != one.content


def test_cifar_is_read_by_channels(tmp_path):
    rng = np.random.default_rng(0)
    parts = {f"x_{split}": rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8) for split in ("train", "test")}
    parts |= {f"y_{split}": np.array([7, 0, 9], dtype=np.uint8) for split in ("train", "test")}
    np.savez(tmp_path / "cifar10.npz", **parts)
    data = cifar10(tmp_path)
    assert data.train.values.shape == (3, 3, 32, 32)
    assert data.train.values.dtype == torch.float32
    assert float(data.test.values[2, 1, 30, 4]) == np.float32(parts["x_test"][2, 30, 4, 1]) / np.float32(255)
    assert data.train.labels.tolist() == [7, 0, 9]


@pytest.mark.parametrize("changes", [
    {"x_test": None},
    {"x_train": np.zeros((2, 5), dtype=np.uint8)},
    {"x_train": np.zeros((4, 1, 28, 28), dtype=np.uint8)},
    {"x_train": np.zeros((4, 28, 28))},
    {"y_train": np.array([3, 1, 4])},
    {"y_train": np.array([3, 1, 4, 10])},
    {"y_train": np.array([3.0, 1.0, 4.0, 1.0])},
])  # fmt: skip
def test_another_file_is_refused(tmp_path, changes):
    write(tmp_path, **changes)
    with pytest.raises(DesignError, match=r"^file 'mnist.npz' must hold x and y of both splits, but cannot be read$"):
        mnist(tmp_path)
    with open(tmp_path / "mnist.npz", "wb") as file:
        np.save(file, np.zeros(3))  # a plain array under that name
    with pytest.raises(DesignError, match=r"^file 'mnist.npz' must hold x and y"):
        mnist(tmp_path)
    (tmp_path / "mnist.npz").unlink()
    with pytest.raises(DesignError, match=r"^the data folder must have the file 'mnist.npz', but .* has none$"):
        mnist(tmp_path)


def test_images_are_moved_as_scipy_moves_them():
    values = torch.rand(6, 2, 20, 20, generator=torch.Generator().manual_seed(1))
    ways = {"turn": 30.0, "scale": 0.25, "shift": 0.2}
    found = moved(values, torch.Generator().manual_seed(7), **ways)
    draws = torch.rand(4, 6, generator=torch.Generator().manual_seed(7)).double() * 2 - 1
    places = (np.arange(20) + 0.5) * 2 / 20 - 1
    y, x = np.meshgrid(places, places, indexing="ij")
    for image, (angle, size, across, down) in enumerate(draws.T.tolist()):
        turn, zoom = math.radians(30 * angle), 1 / (1 + 0.25 * size)
        from_x = zoom * (math.cos(turn) * x - math.sin(turn) * y) + 0.4 * across
        from_y = zoom * (math.sin(turn) * x + math.cos(turn) * y) + 0.4 * down
        pixels = [((each + 1) * 20 - 1) / 2 for each in (from_y, from_x)]
        for channel in range(2):
            plane = values[image, channel].numpy()
            expected = ndimage.map_coordinates(plane, pixels, order=1, mode="grid-constant")
            assert np.allclose(found[image, channel].numpy(), expected, atol=1e-4)


def test_images_that_are_not_moved_stay():
    values = torch.rand(3, 1, 28, 28)
    found = moved(values, torch.Generator(), turn=0.0, scale=0.0, shift=0.0)
    assert torch.allclose(found, values, atol=1e-5)
