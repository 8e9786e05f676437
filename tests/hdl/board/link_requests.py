"""Random requests of every op, right and wrong, and a device of a few words that both the gateware and its twin get."""

import struct

import numpy as np

from tests.hdl.board.frames import frame

HELLO, READ, READ_NEXT, WRITE, WRITE_NEXT, LEVELS, STREAM, FLUSH, FILL, REPLAY, REPLAYED, DIGEST = range(1, 13)
SESSION = 0x1234


class Words:
    """Words below 0x400 but for one that refuses; word 0 enables a network that doubles the values of a step.

    Steps have 12 bits of values and results 9, each with two marks, as :data:`tests.hdl.board.test_link_twin.DESIGN`.
    """

    def __init__(self):
        self.words: dict[int, int] = {0: 1}
        self.log: list[tuple[int, int | None]] = []
        self.steps: list[int] = []

    def access(self, address: int, value: int | None) -> int | None:
        self.log.append((address, value))
        if address >= 0x400 or address == 0x20:
            return None
        if value is not None:
            self.words[address] = value
        return self.words.get(address, 0x01000200 + address)

    def take(self, payload: int) -> list[int] | None:
        if not self.words[0] & 1:
            return None
        self.steps.append(payload)
        return [2 * payload & 0x1FF | (payload >> 12 & 3) << 9]


def ends(content: bytes) -> bytes:
    """Bytes such that each step is its sequence's last: a replay that ends in the middle leaves results behind."""
    return bytes(byte | 0x20 for byte in content)


class Requests:
    """Frames of a host that keeps to the numbers mostly; ``window`` is the device's."""

    def __init__(self, rng: np.random.Generator, window: int):
        self.rng, self.window, self.number, self.session, self.sent = rng, window, 0, SESSION, []

    def hello(self) -> bytes:
        self.session, self.number = int(self.rng.integers(2**16)), int(self.rng.choice([0, 0, 0xFFFE]))
        self.sent = []
        return self._next(HELLO, 1 + (self.rng.random() < 0.1), b"")

    def fill(self) -> bytes:
        """All of the buffer."""
        return self._next(FILL, 0, ends(self.rng.bytes(64)))

    def replayed(self) -> bytes:
        """Asks a replay for its state: the twin is then as far as the gateware."""
        return self._next(REPLAYED, 0, b"")

    def some(self) -> bytes:
        """A request, an old one again, or one that is none of the device's."""
        chance = self.rng.random()
        if chance < 0.04:
            return self.hello()
        if chance < 0.2 and self.sent:
            return self.sent[-int(self.rng.integers(1, min(len(self.sent), self.window + 2) + 1))]
        op, argument, payload = self.request()
        if chance < 0.24:
            return frame(
                self.session,
                self.number + int(self.rng.choice([1, 2, 255, 256, 0x8000])) & 0xFFFF,
                op,
                argument,
                payload,
            )
        if chance < 0.28:
            return frame(self.session ^ 1 << int(self.rng.integers(16)), self.number, op, argument, payload)
        return self._next(op, argument, payload)

    def request(self) -> tuple[int, int, bytes]:
        """Op, argument and payload, mostly such as suit each other."""
        rng = self.rng
        op = int(
            rng.choice(
                [
                    READ,
                    READ_NEXT,
                    WRITE,
                    WRITE_NEXT,
                    LEVELS,
                    STREAM,
                    STREAM,
                    STREAM,
                    FLUSH,
                    FILL,
                    REPLAY,
                    REPLAYED,
                    DIGEST,
                ]
            )
        )
        address = 4 * int(rng.choice([0, 0, 1, 7, 8, 9, 0xFD, 0x3FFF]))
        size = int(rng.choice([1, 2, 3, 4, 8, 12, 30, 240], p=[0.2, 0.1, 0.1, 0.2, 0.2, 0.1, 0.05, 0.05]))
        content = rng.bytes(size)
        argument, payload = {
            READ: (address, bytes([min(size, 60)])),
            READ_NEXT: (address, bytes([min(size, 60)])),
            WRITE: (address, content[: max(size // 4 * 4, 0)]),
            WRITE_NEXT: (address, content[: max(size // 4 * 4, 0)]),
            LEVELS: (int(rng.choice([1, 2, 4, 8])), content[:12]),
            STREAM: (int(rng.choice([0, 2, 3, 240])), content[:12]),
            FILL: (int(rng.choice([0, 1, 30, 60, 63, 64])), ends(content[:12])),
            REPLAY: (0, struct.pack("<HI", int(rng.choice([2, 4, 6, 64, 65])), int(rng.choice([1, 2, 3])))),
        }.get(op, (0, b""))
        if rng.random() < 0.1:
            argument ^= 1 << int(rng.integers(16))
        if rng.random() < 0.1:
            payload = payload[:-1] if rng.random() < 0.5 else payload[:239] + b"\0"
        if rng.random() < 0.03:
            op = int(rng.integers(256))
            op += op == HELLO
        return op, argument, payload

    def _next(self, op: int, argument: int, payload: bytes) -> bytes:
        one = frame(self.session, self.number, op, argument, payload)
        self.number = self.number + 1 & 0xFFFF
        self.sent.append(one)
        return one
