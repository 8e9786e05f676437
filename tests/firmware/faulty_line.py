"""A serial line that damages bytes, and a device behind it that serves any bus by docs/link.md."""

from collections import deque
from collections.abc import Callable

import numpy as np

from ohmgate.firmware.transactions import BusError
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.board.link_twin import LinkTwin
from ohmgate.model.design import Design


def link_device(design: Design, bus) -> LinkTwin:
    """A device of this design whose registers are those of ``bus``."""

    def access(address: int, value: int | None) -> int | None:
        try:
            return bus.read(address) if value is None else bus.write(address, value) or 0
        except BusError:
            return None

    config = BoardConfig("words", 25_000_000, tuple(1 for _ in design.layers))
    return LinkTwin(design, config, access, take=lambda step: None)


class FaultyLine:
    """Host's end of a line to ``device(bytes)`` that drops, flips and repeats bytes, each at ``rate``, both ways.

    Without an answer a byte is waited for in vain, at once. ``frames`` is the share of what is sent or answered that
    comes twice as a whole, or not at all. ``cut`` lets nothing through.
    """

    def __init__(self, device: Callable[[bytes], bytes], rate: float = 0, frames: float = 0, seed: int = 0):
        self.device, self.rate, self.frames = device, rate, frames
        self.sent = self.received = self.waits = 0
        self.cut = False
        self._rng, self._queue = np.random.default_rng(seed), deque()

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        self._queue += self.exchange(data)

    def exchange(self, data: bytes) -> bytes:
        """What comes back for these bytes."""
        return b"" if self.cut else self._damaged(self.device(self._damaged(data)))

    def receive(self) -> int | None:
        if not self._queue:
            self.waits += 1
            return None
        self.received += 1
        return self._queue.popleft()

    def _damaged(self, data: bytes) -> bytes:
        data *= int(self._rng.choice([0, 1, 2], p=[self.frames / 2, 1 - self.frames, self.frames / 2]))
        if not self.rate:
            return data
        came = bytearray()
        for byte, fault in zip(data, self._rng.random(len(data)) // self.rate):
            if fault == 0:
                continue
            came.append(byte ^ 1 << int(self._rng.integers(8)) if fault == 1 else byte)
            if fault == 2:
                came.append(byte)
        return bytes(came)
