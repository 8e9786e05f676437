"""Programs weights by pulses over the register bus, and takes the list of those that failed."""

from dataclasses import dataclass

import numpy as np

from ...model.layers import Layer
from ...model.pulses import FAILED_KEPT
from ...model.registers import BY_NAME
from ..transactions import Steps, Write, read, read_fields
from .cells import program_row


@dataclass(frozen=True)
class Pulsed:
    """What programming did: pulses that were given, and weights (n, 2: row, physical column) that failed."""

    pulses: int
    failed: np.ndarray


def program_by_pulses(layer: Layer, levels: np.ndarray) -> Steps[Pulsed]:
    """Program ``levels`` (rows, columns) of the selected layer of a chip that takes pulses.

    The chip lists the first :data:`~ohmgate.model.pulses.FAILED_KEPT` weights that fail. So that none is missed, as
    many are programmed at a time. Spares must not be read in the place of columns.
    """
    pulses, failed = 0, []
    for row, values in enumerate(levels):
        for start in range(0, len(values), FAILED_KEPT):
            yield Write(BY_NAME["PULSES"], 0)
            yield from program_row(layer, row, values[start : start + FAILED_KEPT], start)
            while (yield from read_fields("STATUS"))["PROGRAMMING"]:
                pass
            pulses += yield from read("PULSES")
            for entry in range((yield from read("FAILURES"))):
                yield Write(BY_NAME["FAILED_AT"], entry)
                fields = yield from read_fields("FAILED")
                failed.append((fields["ROW"], fields["COLUMN"]))
    return Pulsed(pulses, np.array(failed, dtype=np.int64).reshape(-1, 2))
