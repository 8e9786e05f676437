"""What arrays of layers with feedback share: rows [x, h, bias], and inputs whose DACs may be their own."""

import torch

from ...model.formats import check_integer
from .array import ArrayModule
from .config import QuantConfig


class RecurrentArray(ArrayModule):
    """``gates`` groups of columns, one column of each for every one of ``hidden`` units."""

    def __init__(self, inputs: int, hidden: int, gates: int, config: QuantConfig, fast: bool) -> None:
        check_integer("inputs", inputs, 1, 2**20)
        check_integer("hidden units", hidden, 1, 2**20)
        super().__init__(inputs + hidden, gates * hidden, gates, config, fast)
        self.inputs, self.hidden = inputs, hidden
        # in state dicts, so that cells of another input drive, or of other DACs, are known when they are loaded
        self.register_buffer("input_drive", torch.tensor(config.input_gain, dtype=torch.float64))

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        """Cells of another input drive are scaled, and a learned range with them: the network stays what it is."""
        own = self.config.input_gain
        given = float(state_dict.get(prefix + "input_drive", own))
        cells = state_dict.get(prefix + "cells")
        if cells is not None and given != own:
            before, cells = cells, cells.clone()
            cells[: self.inputs] *= given / own
            state_dict[prefix + "cells"] = cells
            if hasattr(self, "log_alpha") and prefix + "log_alpha" in state_dict:
                state_dict[prefix + "log_alpha"] = state_dict[prefix + "log_alpha"] + self.widening(before, cells)
        device = (self.cells if cells is None else cells).device
        state_dict[prefix + "input_drive"] = torch.tensor(own, dtype=torch.float64).to(device)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    @property
    def input_bits(self) -> int:
        return self.config.input_bits

    @property
    def input_step(self) -> float:
        return self.config.input_step

    @property
    def code_step(self) -> int:
        return self.config.hidden_step

    @property
    def row_scale(self) -> torch.Tensor:
        """1, as hidden rows have no other: the inputs' full scale is in their cells."""
        return torch.ones_like(self.full_scale)
