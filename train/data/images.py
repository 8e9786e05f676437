"""Images of classes: MNIST's handwritten digits, and how training moves them about."""

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
    path = data_file("mnist.npz", folder)
    try:
        with np.load(path) as npz:
            parts = [
                Images(
                    torch.from_numpy(npz[f"x_{split}"].reshape(-1, 1, 28, 28).astype(np.float32) / 255),
                    torch.from_numpy(npz[f"y_{split}"].astype(np.int64)),
                )
                for split in ("train", "test")
            ]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise DesignError(f"file {path.name!r} must hold x and y of both splits, but cannot be read") from None
    return ImageDataset(*parts)


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
