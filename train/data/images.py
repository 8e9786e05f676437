"""Images of classes: MNIST's handwritten digits, CIFAR-10's photographs, and how training moves them about."""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from ...model.formats import DesignError
from .content import content_hash
from .datasets import data_file


@dataclass(frozen=True, eq=False)
class Images:
    """Values (B, channels, height, width) float32 from 0 to 1, and classes (B,) int64."""

    values: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images to train with, and others to test with."""

    train: Images
    test: Images

    @property
    def content(self) -> str:
        """SHA-256 of all values and labels."""
        parts = [part.numpy() for split in (self.train, self.test) for part in (split.values, split.labels)]
        return content_hash(parts, [])


def mnist(folder: str | Path | None = None) -> ImageDataset:
    """MNIST (LeCun, Cortes, Burges): 60,000 and 10,000 digits of 28 x 28, in their original order.

    From ``mnist.npz`` with x (B, 28, 28) uint8 and y of _train and _test. Raises :class:`DesignError` where it is
    not there or another file.
    """
    return _images("mnist.npz", folder)


def cifar10(folder: str | Path | None = None) -> ImageDataset:
    """CIFAR-10 (Krizhevsky, 2009): 50,000 and 10,000 photographs of 32 x 32 in three colours, of ten classes.

    From ``cifar10.npz`` with x (B, 32, 32, 3) uint8 and y of _train and _test, or the original, fetched. Raises
    :class:`DesignError` where it is another file.
    """
    return _images("cifar10.npz", folder)


SPLITS = ("train", "test")
CLASSES = 10
SHAPES = {"mnist.npz": (28, 28, 1), "cifar10.npz": (32, 32, 3)}  #: of an image in a file: height, width, channels


def _images(name: str, folder: str | Path | None) -> ImageDataset:
    path = data_file(name, folder)
    try:
        with np.load(path) as npz:
            parts = [_split(npz[f"x_{split}"], npz[f"y_{split}"], SHAPES[name]) for split in SPLITS]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        raise DesignError(f"file {path.name!r} must hold x and y of both splits, but cannot be read") from None
    return ImageDataset(*parts)


def _split(pixels: np.ndarray, labels: np.ndarray, shape: tuple[int, int, int]) -> Images:
    if pixels.dtype != np.uint8 or pixels.shape not in ((len(labels), *shape), (len(labels), *shape[:2])):
        raise ValueError
    if labels.ndim != 1 or labels.dtype.kind not in "ui" or not np.isin(labels, range(CLASSES)).all():
        raise ValueError
    planes = np.ascontiguousarray(pixels.reshape(-1, *shape).transpose(0, 3, 1, 2))
    return Images(torch.from_numpy(planes / np.float32(255)), torch.from_numpy(labels.astype(np.int64)))


def moved(
    values: torch.Tensor, generator: torch.Generator, *, turn: float, scale: float, shift: float
) -> torch.Tensor:
    """Images (B, channels, height, width), each turned, scaled and shifted by chance, 0 where nothing was.

    Evenly up to ``turn`` degrees, to 1 +- ``scale`` of their size and by ``shift`` of it, between pixels bilinearly.
    """
    angle, size, across, down = torch.rand(4, len(values), generator=generator) * 2 - 1
    angle, size = angle * math.radians(turn), 1 / (1 + size * scale)
    cos, sin = angle.cos() * size, angle.sin() * size
    rows = torch.stack([cos, -sin, 2 * shift * across, sin, cos, 2 * shift * down], dim=1)
    grid = functional.affine_grid(rows.view(-1, 2, 3), list(values.shape), align_corners=False)
    return functional.grid_sample(values, grid, align_corners=False)
