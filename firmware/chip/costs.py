"""What a host's steps cost: conversions, accesses, and the time that a bus or a serial line takes for them."""

from dataclasses import dataclass
from typing import Any

from ...model.layers import Layer
from ...model.link import CRC_BYTES, HEADER, PAYLOAD_BYTES
from ..transactions import Burst, Read, Steps, Write
from .cells import BIAS_DITHER, Reading, read_levels, reading
from .diagnosis import Diagnosis

FRAME = HEADER.size + CRC_BYTES + 3  #: bytes of a request or an answer without payload: its body, COBS, two zeros
LINE_WORDS = PAYLOAD_BYTES // 4  #: of a request or an answer at most
ACCESS_CYCLES = 2  #: of the register bus
LINE_BITS = 10  #: of a byte, with start and stop


@dataclass(frozen=True)
class Cost:
    """``up`` and ``down`` are bytes on a serial line, requests and answers (docs/link.md)."""

    conversions: int
    reads: int
    writes: int
    up: int
    down: int

    def bus_seconds(self, hertz: float, conversion_cycles: int) -> float:
        """On a bus at this clock, which waits for each conversion."""
        accesses = ACCESS_CYCLES * (self.reads + self.writes)
        return (accesses + conversion_cycles * self.conversions) / hertz

    def line_seconds(self, baud: float) -> float:
        """Over a serial line whose requests never wait for answers; the longer way counts."""
        return LINE_BITS * max(self.up, self.down) / baud


def cost(steps: Steps[Any], conversions: int) -> Cost:
    """Of steps that read 0 everywhere and convert so often.

    On a line, neighbouring writes to one register are one request, and so are the words of a burst, up to its length.
    """
    reads = writes = up = down = together = 0
    value, last = None, None
    while True:
        try:
            transaction = steps.send(value)
        except StopIteration:
            return Cost(conversions, reads, writes, up, down)
        match transaction:
            case Write():
                writes, value = writes + 1, None
                if transaction.register != last or together == LINE_WORDS:
                    up, down, together = up + FRAME, down + FRAME, 0
                up, together, last = up + 4, together + 1, transaction.register
            case Read() | Burst():
                words = transaction.words if isinstance(transaction, Burst) else 1
                value = [0] * words if isinstance(transaction, Burst) else 0
                requests = -(-words // LINE_WORDS)
                reads, last = reads + words, None
                up, down = up + requests * (FRAME + 1), down + requests * FRAME + 4 * words


def reading_cost(layer: Layer, how: Reading | None = None) -> Cost:
    """Of reading all cells of a layer once, as :func:`.cells.read_levels` does."""
    chip = Diagnosis(layer, 0)
    mine = how or reading(chip)
    bias = 2 * max(mine.dither, BIAS_DITHER) if layer.bias_rows == 1 else 0
    settings = 2 * mine.dither * (layer.inputs + layer.hidden) + bias
    return cost(read_levels(chip, mine), settings * (layer.conversions + layer.spares))
