"""What flows need to know of the chip itself: its macros' instances, and the settings that a user gives."""

from dataclasses import dataclass

from ...model.design import Design
from ...model.formats import DesignError

DEFAULT_PERIOD = 10.0  #: ns: a placeholder, as the clock is the user's
IO_SHARE = 0.2  #: of the clock's period, that the outside takes before inputs and behind outputs: a placeholder


@dataclass(frozen=True)
class Clock:
    """The clock's period in ns."""

    period: float
    placeholder: bool


def clock_of(period: float | None) -> Clock:
    """The clock that a user gives, or a placeholder. Raises :class:`DesignError` for a period that no clock has."""
    if period is not None and not 0.01 <= period <= 1e6:
        raise DesignError(f"the clock's period must be from 0.01 to 1000000 ns, not {period!r}")
    return Clock(DEFAULT_PERIOD if period is None else period, period is None)


def instances(design: Design) -> dict[str, list[str]]:
    """Names of each macro's instances in the flattened netlist, where the chip's hierarchy has become dots."""
    found: dict[str, list[str]] = {}
    for index, layer in enumerate(design.layers):
        found.setdefault(layer.macro_name, []).append(f"array_{index}.macro")
    return found
