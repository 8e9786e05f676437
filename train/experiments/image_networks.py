"""Small networks for images. Digits of 28 x 28 pixels: convolutions, dense layers, an LSTM over rows. Photographs of
32 x 32 in three colours: convolutions.

All are of arrays alone; what lies between them, a host or plain logic does: ReLU, the largest of four, the last step,
and for photographs a scale and an offset for each channel.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ..layers.config import QuantConfig
from ..layers.conv import QuantConv2d
from ..layers.modules import QuantLinear, QuantLSTM

CLASSES, EDGE = 10, 28


class ConvNetwork(nn.Module):
    """Two convolutions of 5 x 5, each with the largest of 2 x 2 behind it, a hidden layer and a head."""

    def __init__(self, size: int, config: QuantConfig, head: QuantConfig) -> None:
        super().__init__()
        self.first = QuantConv2d(1, size, 5, config=config)
        self.second = QuantConv2d(size, 2 * size, 5, config=config)
        self.hidden = QuantLinear(4 * 4 * 2 * size, 128, config=config)
        self.head = QuantLinear(128, CLASSES, config=head)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = functional.max_pool2d(self.first(images).relu(), 2)
        values = functional.max_pool2d(self.second(values).relu(), 2)
        return self.head(self.hidden(values.flatten(1)).relu())


class DenseNetwork(nn.Module):
    """Two hidden layers and a head over all pixels."""

    def __init__(self, size: int, config: QuantConfig, head: QuantConfig) -> None:
        super().__init__()
        self.first = QuantLinear(EDGE * EDGE, size, config=config)
        self.second = QuantLinear(size, size, config=config)
        self.head = QuantLinear(size, CLASSES, config=head)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(images.flatten(1)).relu()).relu())


class RowsNetwork(nn.Module):
    """An LSTM that takes a row of pixels in each of 28 steps, and a head at the end."""

    def __init__(self, size: int, config: QuantConfig, head: QuantConfig) -> None:
        super().__init__()
        self.lstm = QuantLSTM(EDGE, size, batch_first=True, config=config)
        self.head = QuantLinear(size, CLASSES, config=head)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(images[:, 0])[0][:, -1])


class PhotoNetwork(nn.Module):
    """Three convolutions of 3 x 3, each with batch normalisation, ReLU and the largest of 2 x 2 behind, and a head.

    In evaluation a normalisation is a scale and an offset for each channel (S. Ioffe, C. Szegedy, "Batch
    normalization", ICML 2015). Pixels of 0 to 1 drive the rows with -1 to 1.
    """

    def __init__(self, size: int, config: QuantConfig, head: QuantConfig) -> None:
        super().__init__()
        sizes = (3, size, 2 * size, 4 * size)
        self.arrays = nn.ModuleList(
            QuantConv2d(before, after, 3, padding=1, config=config) for before, after in pairwise(sizes)
        )
        self.scales = nn.ModuleList(nn.BatchNorm2d(after) for after in sizes[1:])
        self.head = QuantLinear(4 * 4 * sizes[-1], CLASSES, config=head)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = 2 * images - 1
        for array, scale in zip(self.arrays, self.scales):
            values = functional.max_pool2d(scale(array(values)).relu(), 2)
        return self.head(values.flatten(1))


NETWORKS = {"conv": ConvNetwork, "dense": DenseNetwork, "lstm": RowsNetwork, "photo": PhotoNetwork}
