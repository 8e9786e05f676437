"""What drop-in modules and float ones have to do with each other: options, and state dicts of the float modules."""

from dataclasses import replace
from typing import Any

import torch

from ...model.formats import DesignError
from .config import QuantConfig, check_config


def module_config(config: QuantConfig | None, fields: dict[str, Any], bias: bool) -> QuantConfig:
    """The configuration of a module that was given one, or its fields; without bias rows where it has no bias."""
    if config is not None and fields:
        raise DesignError(f"give either config or its fields, not both: {min(fields)}")
    unknown = sorted(fields.keys() - vars(QuantConfig()).keys())
    if unknown:
        raise DesignError(f"a quantised layer has no option {unknown[0]!r}")
    config = check_config(config) or QuantConfig(**fields)
    return config if bias else replace(config, bias_rows=0)


def bits_of(config: QuantConfig) -> str:
    """A configuration's widths, for a module's ``repr``."""
    dacs = f"{config.input_bits} of inputs, {config.dac_bits}" if config.input_dac_bits else f"{config.dac_bits}"
    return f"weights {config.weight_bits}, DACs {dacs}, ADCs {config.adc_bits} bits"


def bias_rows_of(array, bias: torch.Tensor) -> torch.Tensor:
    """The bias shared out to the array's bias rows, which are driven at full scale."""
    rows = array.config.bias_rows
    if not rows:
        if bias.abs().max() > 0:
            raise DesignError("a layer without bias rows must be given no bias, but the state dict has one")
        return bias.new_zeros(0, len(bias))
    return (bias / (rows * float(array.row_scale))).expand(rows, -1)


def bias_of(array, driven: int) -> torch.Tensor:
    """What the bias rows of an array, behind its ``driven`` rows, add up to."""
    return array.cells[driven:].sum(0) * float(array.row_scale)


def complete(state_dict, prefix: str, array, cells: torch.Tensor) -> None:
    """Enter ``cells``, and what a float module does not have: ranges as they are, a learned one from the cells."""
    with torch.no_grad():
        array.cells.copy_(cells)
    array.start_ranges()
    for name, value in array.state_dict().items():
        state_dict.setdefault(prefix + name, value.clone())
