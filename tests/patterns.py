"""Images of ten made-up patterns, for experiments that take MNIST's place."""

import torch

from ohmgate.train.data.images import ImageDataset, Images


def patterns(train: int = 200, test: int = 100) -> ImageDataset:
    """Of 28 x 28 pixels, disturbed."""
    generator = torch.Generator().manual_seed(0)
    plain = (torch.rand(10, 1, 4, 4, generator=generator) > 0.5).float().repeat_interleave(7, 2)
    plain = plain.repeat_interleave(7, 3)

    def images(count: int) -> Images:
        labels = torch.arange(count) % 10
        return Images(plain[labels] * torch.rand(count, 1, 28, 28, generator=generator), labels)

    return ImageDataset(images(train), images(test))
