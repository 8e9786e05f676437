"""What a host asks of a board: requests of any length, and the pieces of them that go into frames."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ..model.link import REFUSAL, REPLAY_STATE, Op, Status
from .line import LinkError

UNITS = {Op.READ: 4, Op.READ_NEXT: 4, Op.WRITE: 4, Op.WRITE_NEXT: 4, Op.LEVELS: 1, Op.STREAM: 1, Op.FILL: 1}
"""Bytes of which pieces are made, for each op that may be cut."""
ASCENDING = (Op.READ_NEXT, Op.WRITE_NEXT, Op.FILL)  #: ops whose argument is an address that advances
ANSWERS = {Op.REPLAYED: REPLAY_STATE.size, Op.DIGEST: 4}  #: bytes of an answer, where nothing else says it
REASONS: dict[int, str] = {
    Status.UNKNOWN: "the board does not know {}",
    Status.MALFORMED: "the board finds {} malformed",
    Status.STALLED: "the board takes no time steps: a network must be loaded and enabled",
    Status.BUSY: "the board is busy with a replay",
}
"""Sentences for statuses that no request should end with."""


@dataclass(frozen=True)
class Request:
    """What is asked. The payload may be longer than a frame's; of a read it is empty, and ``words`` are asked for.

    The argument of a STREAM, the most bytes wanted, is that of each of its pieces.
    """

    op: Op
    argument: int = 0
    payload: bytes = b""
    words: int = 0

    @property
    def span(self) -> int:
        """Bytes that are cut into pieces; 1 where there is nothing to cut."""
        return max(4 * self.words or len(self.payload), 1)


@dataclass(frozen=True)
class Piece:
    """Bytes ``start .. stop - 1`` of what is ``asked``, as a frame has them."""

    asked: "Asked"
    start: int
    stop: int
    argument: int
    payload: bytes
    answer_bytes: int  #: of the answer's payload; of a STREAM's at most

    @property
    def op(self) -> Op:
        return self.asked.request.op

    def check(self, status: int, payload: bytes) -> None:
        """Raise :class:`LinkError` for an answer that no board gives."""
        if status not in (Status.OK, Status.REFUSED):
            return
        expected, got = self.answer_bytes if status == Status.OK else REFUSAL.size, len(payload)
        if got != expected and not (self.op is Op.STREAM and got < expected):
            raise LinkError(f"the board answers {self.op.name} with {got} bytes in place of {expected}")


@dataclass
class Asked:
    """A request, how far it is, and its answer: the first status that is not OK, the payloads of all its pieces."""

    request: Request
    status: int = Status.OK
    payload: bytes = b""
    refused: int = 0  #: which word or level of the request the bus refused, from 0
    sent: int = 0  #: bytes of its span
    done: int = 0  #: bytes of its span that were answered

    @property
    def more(self) -> bool:
        """Is there a piece to send?"""
        return self.status == Status.OK and self.sent < self.request.span

    @property
    def finished(self) -> bool:
        return self.done == self.sent and not self.more

    @property
    def words(self) -> tuple[int, ...]:
        """The payload as words."""
        return struct.unpack(f"<{len(self.payload) // 4}I", self.payload)

    def check(self) -> None:
        """Raise :class:`LinkError` unless the request was done, or the bus refused an access."""
        if self.status not in (Status.OK, Status.REFUSED):
            reason = REASONS.get(Status(self.status)) if self.status in REASONS else None
            raise LinkError(
                (reason or f"the board answers {{}} with status {self.status}").format(self.request.op.name)
            )

    def cut(self, limit: int) -> Piece:
        """The next piece, with at most ``limit`` bytes of payload either way."""
        request, start, stop = self.request, self.sent, self.request.span
        op, argument, payload = request.op, request.argument, request.payload
        if op in UNITS:
            stop = min(stop, start + limit // UNITS[op] * UNITS[op])
        if op in ASCENDING:
            argument += start
        self.sent = stop
        if op in (Op.READ, Op.READ_NEXT):
            return Piece(self, start, stop, argument, bytes([(stop - start) // 4]), stop - start)
        if op is Op.STREAM:
            argument = min(argument, limit)
            return Piece(self, start, stop, argument, payload[start:stop], argument)
        return Piece(self, start, stop, argument, payload[start:stop], ANSWERS.get(op, 0))

    def take(self, piece: Piece, status: int, payload: bytes) -> None:
        """The answer of the oldest piece on its way."""
        self.done = piece.stop
        if self.status != Status.OK:
            return
        self.status = status
        if status == Status.OK:
            self.payload += payload
        elif status == Status.REFUSED:
            bits = self.request.argument if self.request.op is Op.LEVELS else 32
            self.refused = piece.start * 8 // bits + REFUSAL.unpack(payload)[0]


class Asks(Protocol):
    """What does requests: a link, or what takes its place."""

    def ask_all(self, requests: Iterable[Request]) -> Iterator[Asked]:
        """Do ``requests``, and give them back answered, in order."""
        ...
