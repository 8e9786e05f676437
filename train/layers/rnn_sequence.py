"""A simple recurrent layer over a whole sequence, in units of ADC steps, and its table.

:func:`eager_rnn` is the plain form of the loop, the kernel's (:mod:`.rnn_kernel`) has the same codes.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from ...model.formats import signed_range
from .config import FLOAT, code_scale
from .gate_tables import middles
from .linear import FUNCTIONS
from .sequence import Loop, eager_steps, in_own_steps, tiles_joined
from .straight_through import gate_values, symmetric_code

SLOPES = {
    "identity": torch.ones_like,
    "relu": lambda y: (y > 0).to(y.dtype),
    "tanh": lambda y: 1 - y * y,
}  #: of each function, by its value


@dataclass(frozen=True, eq=False)
class RnnLoop(Loop):
    """Its table (1, entries) has DAC codes, values where DACs are float; its slopes are of these."""

    function: str  #: of the table: "tanh", "relu" or "identity"


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # or a training after an inference could not use it
def codes_and_slopes(
    function: str, step: float, adc_bits: int, units: int, dac_bits: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """(1, entries) each: the table for an ADC step, and what the gradient of an entry is multiplied with.

    An entry that clips passes none.
    """
    y = FUNCTIONS[function](middles(torch.tensor([step], dtype=torch.float64), adc_bits, units))
    slopes = SLOPES[function](y) * code_scale(dac_bits)
    if dac_bits != FLOAT:
        slopes, y = slopes * (y.abs() <= 1), symmetric_code(y, dac_bits)
    return y.to(dtype), slopes.to(dtype)


def eager_rnn(
    voltages: torch.Tensor,
    recurrent: torch.Tensor,
    loop: RnnLoop,
    stages: list[dict[str, torch.Tensor]] | None = None,
) -> torch.Tensor:
    """Hidden codes of all steps (T, B, n); arguments as in :func:`.lstm_sequence.eager_lstm`."""
    config = loop.config

    def step(v: torch.Tensor) -> torch.Tensor:
        v = in_own_steps(v, loop.shifts)
        seen = {"voltage": v if v.dim() == 2 else tiles_joined(v)}
        if loop.tables is None:
            y = FUNCTIONS[loop.function](v * loop.step)
            hidden = y if config.dac_bits == FLOAT else symmetric_code(y, config.dac_bits)
        else:
            given = loop.tables, config.adc_bits, loop.slopes, config.leak, loop.shifts
            hidden = gate_values(v, loop.step, *given).squeeze(-2)
            seen["adc"] = seen["voltage"].floor().clamp(*signed_range(config.adc_bits))
        if stages is not None:
            stages.append(seen | {"hidden": hidden})
        return hidden

    return eager_steps(voltages, recurrent, loop, step)
