"""A quantised convolution: one array, whose rows are an image's patches in turn.

Every position of the kernel is a step of the array: ``in_channels * kh * kw`` rows take the patch there, and each of
``out_channels`` columns gives that position's value of one channel ("im2col": K. Chellapilla, S. Puri, P. Simard,
"High performance convolutional neural networks for document processing", 2006). So noise that is drawn on every step
is drawn at every position, and weights that are drawn per sequence are each image's own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...model.formats import DesignError, check_choice, check_integer
from .config import QuantConfig
from .eager import eager
from .modules import QuantLinear
from .read_only import read_only
from .sums import Prepared

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class QuantConv2d(QuantLinear):
    """``nn.Conv2d`` as an array, whose outputs are the ADC codes' values.

    Inputs lie within +-full_scale (1 until calibrated). Padding with zeros drives rows with code 0. Keywords are
    those of :class:`.config.QuantConfig`. ``weight`` and ``bias`` can be read as ``nn.Conv2d``'s; changing one in
    place is refused. It is for training and the array model: no design has it, so an export refuses models with it.
    """

    SHAPE = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    FIXED = QuantLinear.FIXED | frozenset(SHAPE)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        config: QuantConfig | None = None,
        fast: bool = True,
        **fields,
    ) -> None:
        check_integer("input channels", in_channels, 1, 2**20)
        kernel = _pair("kernel size", kernel_size, 1)
        if groups != 1:
            raise DesignError(f"groups must be 1, as the rows of an array reach all of its columns, not {groups!r}")
        super().__init__(in_channels * kernel[0] * kernel[1], out_channels, bias, config=config, fast=fast, **fields)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel
        self.stride, self.dilation, self.groups = _pair("stride", stride, 1), _pair("dilation", dilation, 1), groups
        self.padding = padding if isinstance(padding, str) else _pair("padding", padding, 0)
        check_choice("padding mode", padding_mode, PADDING_MODES)
        self.padding_mode = padding_mode
        self._sides = self._padded_sides()
        if self.config.dac_bits == 1 and padding_mode == "zeros" and any(self._sides):
            raise DesignError(f"padding must be 0 where DACs have one bit, whose codes have no zero, not {padding!r}")

    def _padded_sides(self) -> tuple[int, ...]:
        """Left, right, top, bottom: as ``nn.Conv2d``, with "same" more at the end where it is odd."""
        if not isinstance(self.padding, str):
            top, left = self.padding
            return left, left, top, top
        check_choice("padding", self.padding, ("valid", "same"))
        if self.padding == "valid":
            return 0, 0, 0, 0
        if self.stride != (1, 1):
            raise DesignError(f"padding can be 'same' only where the stride is 1, not {self.stride}")
        high, wide = (step * (size - 1) for step, size in zip(self.dilation, self.kernel_size))
        return wide // 2, wide - wide // 2, high // 2, high - high // 2

    @property
    def weight(self) -> torch.Tensor:
        """(outputs, channels, kh, kw), read-only."""
        return read_only("weight", self._kernels(self.cells))

    @eager
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` (B, channels, height, width) or without B to (B, outputs, ...), of the weights' type."""
        images = self._images(input)
        array = self.prepare(len(images))
        codes = self._padded(self.drive_inputs(images).to(array.weights.dtype))
        direct = self._convolves(array)
        patches = None if direct and not self.needs_codes(array) else self._patches(codes)
        if direct:
            kernels = self._kernels(array.weights).contiguous()
            v = torch.mkldnn_convolution(codes, kernels, None, (0, 0), self.stride, self.dilation, 1)
            v = v.flatten(2).permute(2, 0, 1) + self.bias_sums(array)
        else:
            assert patches is not None
            v = self.sums(patches, array)
        out = self.read(patches, v, array).permute(1, 2, 0).unflatten(2, self._positions(codes))
        return (out if input.dim() == 4 else out[0]).to(self.cells.dtype)

    def patches(self, input: torch.Tensor) -> np.ndarray:
        """DAC codes (B, positions, rows of inputs) int64 that an evaluation drives the array with, row after row.

        These are a dense layer's sequences: ``export([conv])`` is the network that takes them.
        """
        training, self.training = self.training, False
        try:
            codes = self._patches(self._padded(self.drive_inputs(self._images(input))))
        finally:
            self.training = training
        return codes.transpose(0, 1).round().to(torch.int64).cpu().numpy()

    def _images(self, input: torch.Tensor) -> torch.Tensor:
        """(B, channels, height, width), or :class:`DesignError`."""
        if input.dim() not in (3, 4) or input.shape[-3] != self.in_channels:
            raise DesignError(
                f"inputs must have shape (batch, {self.in_channels}, height, width), with or without the batch, "
                f"not {tuple(input.shape)}"
            )
        left, right, top, bottom = self._sides
        size = input.shape[-2] + top + bottom, input.shape[-1] + left + right
        if min(self._positions(size)) < 1:
            raise DesignError(f"images with their padding must be as large as the kernel, but have {size}")
        return input if input.dim() == 4 else input[None]

    def _padded(self, codes: torch.Tensor) -> torch.Tensor:
        if not any(self._sides):
            return codes
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return functional.pad(codes, self._sides, mode)

    def _positions(self, padded: torch.Tensor | tuple[int, int]) -> tuple[int, int]:
        """Of the kernel in ``padded`` images, or images of that height and width: down and across."""
        sizes = padded.shape[-2:] if isinstance(padded, torch.Tensor) else padded
        high, wide = (
            (size - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, dilation in zip(sizes, self.kernel_size, self.stride, self.dilation)
        )
        return high, wide

    def _patches(self, codes: torch.Tensor) -> torch.Tensor:
        """(positions, B, rows of inputs) of padded images: channel by channel, each row by row."""
        return functional.unfold(codes, self.kernel_size, self.dilation, 0, self.stride).permute(2, 0, 1)

    def _kernels(self, weights: torch.Tensor) -> torch.Tensor:
        """(outputs, channels, kh, kw) of weights (rows, outputs)."""
        return weights[: self.inputs].T.unflatten(1, (self.in_channels, *self.kernel_size))

    def _convolves(self, array: Prepared) -> bool:
        """May oneDNN convolve without patches? Where sums are exact, or parts float, its order of summing is free.

        It is asked by name, as other backends of ``conv2d`` transform the numbers (Winograd), which is not exact.
        """
        alike = array.weights.dim() == 2 and self.row_tiles == 1 and not self.curve
        exact = self.config.is_float or self.sums_are_exact(array.unit)
        there = self.fast and self.cells.is_cpu and torch.backends.mkldnn.is_available()
        float32 = array.weights.dtype == self._sum_type() == torch.float32
        return there and alike and exact and float32

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments):
        weight = state_dict.get(prefix + "weight")
        if weight is not None:
            shape = (self.out_channels, self.in_channels, *self.kernel_size)
            if weight.shape != shape:
                raise DesignError(f"weight must have shape {shape}, not {tuple(weight.shape)}")
            state_dict[prefix + "weight"] = weight.flatten(1)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def extra_repr(self) -> str:
        shape = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{shape}, padding={self.padding!r}, dilation={self.dilation}, rows {super().extra_repr()}"


def _pair(name: str, value: int | Sequence[int], least: int) -> tuple[int, int]:
    """Down and across."""
    parts = (value, value) if isinstance(value, int) else tuple(value)
    if len(parts) != 2:
        raise DesignError(f"{name} must be one integer or two, not {value!r}")
    down, across = (check_integer(name, part, least, 2**16) for part in parts)
    return down, across
