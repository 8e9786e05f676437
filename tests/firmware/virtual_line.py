"""A line with a clock of its own: bytes take their time, no one waits for it, and faults and cuts happen on it."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from ohmgate.firmware.line import LinkError


@dataclass(frozen=True)
class Faults:
    """Shares of bytes that are lost, have a bit flipped, or come twice."""

    drop: float = 0.0
    flip: float = 0.0
    repeat: float = 0.0


NO_FAULTS = Faults()


class Damage:
    """Puts ``faults`` on the bytes of one way."""

    def __init__(self, faults: Faults, seed: int):
        self.faults, self.rng = faults, np.random.default_rng(seed)
        self.done = 0  #: faults so far

    def __call__(self, data: bytes) -> bytes:
        faults, bits = self.faults, np.frombuffer(data, np.uint8).copy()
        flipped, dropped, repeated = (
            self.rng.random(len(bits)) < share for share in (faults.flip, faults.drop, faults.repeat)
        )
        self.done += int((flipped | dropped | repeated).sum())
        bits[flipped] ^= (1 << self.rng.integers(0, 8, flipped.sum())).astype(np.uint8)
        return np.repeat(bits, np.where(dropped, 0, 1 + repeated)).tobytes()


class VirtualLine:
    """The line to a device whose ``receive`` takes bytes and gives its answer's.

    ``latency`` is that of each way, in seconds. After ``cut`` bytes, of both ways together, the line is gone.
    """

    def __init__(self, receive, faults=NO_FAULTS, *, baud=1_000_000, latency=0.0, slow=1.0, seed=0, cut=None):
        self.name, self.baud = "desk", baud
        self.receive, self.latency, self.cut = receive, latency, cut
        self.byte_time = slow * 10 / baud
        self.out, self.back = Damage(faults, 2 * seed), Damage(faults, 2 * seed + 1)
        self.now = self.out_free = self.back_free = 0.0
        self.sent = self.came = 0  #: bytes
        self.arriving: deque[tuple[float, bytes]] = deque()
        self.closed = False

    def set_faults(self, faults: Faults) -> None:
        self.out.faults = self.back.faults = faults

    def time(self) -> float:
        return self.now

    def write(self, data: bytes) -> None:
        data = data[: self._left(len(data))]
        self.sent += len(data)
        self.out_free = max(self.now, self.out_free) + len(data) * self.byte_time
        answer = self.receive(self.out(data))
        if answer:
            self.back_free = max(self.out_free + self.latency, self.back_free) + len(answer) * self.byte_time
            self.arriving.append((self.back_free + self.latency, answer))
        self._check()

    def read(self, timeout: float) -> bytes:
        self._check()
        if not self.arriving or self.arriving[0][0] > self.now + timeout:
            self.now += timeout
            return b""
        self.now = max(self.now, self.arriving[0][0])
        data = b""
        while self.arriving and self.arriving[0][0] <= self.now:
            data += self.arriving.popleft()[1]
        self.came += len(data)
        return self.back(data)

    def close(self) -> None:
        self.closed = True

    def _left(self, wanted: int) -> int | None:
        return None if self.cut is None else max(min(wanted, self.cut - self.sent - self.came), 0)

    def _check(self) -> None:
        if self.cut is not None and self.sent + self.came >= self.cut:
            raise LinkError("the board on 'desk' was unplugged")
