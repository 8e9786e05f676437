"""Frames on a line: ``00 COBS(body) 00``, as docs/link.md has them."""

from collections import deque

from cobs import cobs

from ..model.link import BODY_BYTES, CRC_BYTES, HEADER, body, parse
from .line import Line

LONGEST = 4 * BODY_BYTES  #: bytes without a zero that are kept: what is longer is no frame
AROUND = 3  #: bytes of a frame beside its body: two zeros and what COBS adds

Parsed = tuple[int, int, int, int, bytes]  #: session, number, op, argument and payload


class Frames:
    """Sends and receives frames on ``line``. Damaged ones are dropped; ``heard`` counts all bytes that came."""

    def __init__(self, line: Line):
        self.line, self.heard = line, 0
        self._begun = b""  #: bytes of a frame whose end has not come
        self._whole: deque[Parsed] = deque()

    def send(self, session: int, number: int, op: int, argument: int, payload: bytes = b"") -> None:
        self.line.write(b"\0" + cobs.encode(body(session, number, op, argument, payload)) + b"\0")

    def receive(self, until: float) -> Parsed | None:
        """The next frame; None where none has come by the time ``until``."""
        while not self._whole:
            left = until - self.line.time()
            data = self.line.read(max(left, 0.0))
            if not data and left <= 0:
                return None
            self._take(data)
        return self._whole.popleft()

    def seconds(self, payload_bytes: int) -> float:
        """How long a frame with such a payload is on the line."""
        return (HEADER.size + payload_bytes + CRC_BYTES + AROUND) * 10 / self.line.baud

    def _take(self, data: bytes) -> None:
        self.heard += len(data)
        *ended, begun = (self._begun + data).split(b"\0")
        self._begun = begun[-LONGEST:]
        for code in ended:
            try:
                frame = parse(cobs.decode(code))
            except cobs.DecodeError:
                continue
            if frame is not None:
                self._whole.append(frame)
