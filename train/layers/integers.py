"""The integers of an array: what goes into the image, and what an evaluation computes with."""

from dataclasses import dataclass

import numpy as np
import torch

from ...model.network import LayerData


@dataclass(frozen=True, eq=False)
class Integers:
    """A layer's data and the real values of its ADC steps, made once for a pass."""

    data: LayerData
    step: torch.Tensor  #: (groups,) float64 ADC steps in units of the pre-activation

    @classmethod
    def loaded(cls, data: LayerData) -> "Integers":
        """Those of a description. They know no unit: pre-activations are in ADC steps."""
        return cls(data, torch.ones(len(data.mult), dtype=torch.float64))

    def weights(self, like: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Weight codes (rows, columns) on the device of ``like``."""
        return torch.from_numpy(self.data.weights).to(like.device, dtype)

    def gain(self, like: torch.Tensor) -> torch.Tensor:
        """(groups,) ADC steps per product of a DAC code and a weight code, of the type of ``like``."""
        return torch.from_numpy(self.data.mult * 2.0**-self.data.shift).to(like)

    def tables(self) -> torch.Tensor:
        """(groups, 2^N) entries of the tables."""
        return torch.from_numpy(np.asarray(self.data.tables))
