"""Requests on their way: numbers, answers in order, what is lost, and how long a frame may be.

Where an answer does not come, the host asks with the same number for the digest, which is a short frame. The answer's
op tells whether the board had executed the request: then it is the kept answer; else the digest, and the request and
all behind it are sent anew, in shorter frames. So nothing is executed twice, and no frame is too long for a bad line.
"""

from collections import deque
from dataclasses import dataclass

from ..model.link import ANSWER, PAYLOAD_BYTES, Op
from .line import LinkError
from .link_frames import Frames
from .link_requests import Piece

SLACK = 0.03  #: seconds beside a frame's time on the line: the latency of USB adapters is up to 0.016
TRIES = 100  #: questions without an answer after which the board counts as lost
SHORTEST, FIRST = 16, 32  #: bytes of payload of the shortest frames, and of the first ones
GROWTH = 4  #: bytes by which frames grow again with each that arrives, after one was lost


@dataclass
class Sent:
    """A piece on its way."""

    piece: Piece
    number: int
    at: float  #: seconds
    nominal: float  #: seconds until its answer, on a line without latency
    before: tuple[int, bool] = (0, False)  #: limit and cleanness of the line before it was asked about
    asked: int = 0  #: how often it was asked about
    answers: int = 0  #: that came, the same again included
    answer: tuple[int, bytes] | None = None  #: status and payload
    withdrawn: bool = False  #: the board executed the digest in its place


class Window:
    """Sends pieces in ``session`` and gives their answers in order; at most ``size`` are on their way.

    ``pace`` is how many times longer answers take than the line needs, at first.
    """

    def __init__(self, frames: Frames, session: int, size: int, pace: float):
        self.limit = FIRST  #: bytes of payload of a frame, either way
        self.frames = self.lost = 0  #: pieces that were answered, and that had to be asked about
        self._frames, self._session, self._size, self._pace = frames, session, size, pace
        self._next = 1
        self._sent: deque[Sent] = deque()
        self._past: deque[Sent] = deque(maxlen=size)
        self._deadline = 0.0
        self._clean = True  #: nothing was lost so far

    @property
    def empty(self) -> bool:
        return not self._sent

    @property
    def full(self) -> bool:
        """Must nothing be sent now? Nor behind an open question: the board would execute it before what is asked."""
        return len(self._sent) == self._size or any(sent.asked and sent.answer is None for sent in self._sent)

    def send(self, piece: Piece) -> None:
        """Send a piece. The window must not be full."""
        sent = Sent(piece, self._next, self._frames.line.time(), 0.0)
        self._sent.append(sent)
        sent.nominal = self._nominal()
        if len(self._sent) == 1:
            self._wait(sent.nominal)
        self._next = self._next + 1 & 0xFFFF
        self._frames.send(self._session, sent.number, piece.op, piece.argument, piece.payload)

    def receive(self) -> tuple[list[Piece], tuple[int, bytes] | None]:
        """The oldest piece, with its status and payload; or all that were not executed, oldest first, and None.

        The window must not be empty. Raises :class:`LinkError` where no answer comes.
        """
        head, tries = self._sent[0], 0
        while head.answer is None and not head.withdrawn:
            frame = self._frames.receive(self._deadline)
            if frame is not None:
                self._take(*frame)
            elif tries == TRIES:
                raise LinkError(f"the board on {self._frames.line.name!r} has stopped answering")
            else:
                tries += 1
                self._ask_about(head)
        if head.withdrawn:
            pieces = [sent.piece for sent in self._sent]
            self._next = head.number + 1 & 0xFFFF
            self._sent.clear()
            return pieces, None
        self.frames += 1
        self._past.append(self._sent.popleft())
        return [head.piece], head.answer

    def _take(self, session: int, number: int, op: int, status: int, payload: bytes) -> None:
        sent = next((sent for sent in (*self._sent, *self._past) if sent.number == number), None)
        if sent is None or session != self._session:
            return
        if op != sent.piece.op | ANSWER:
            if op == Op.DIGEST | ANSWER and sent.asked:
                sent.withdrawn = True
            return
        sent.answers += 1
        if sent.answer is None:
            sent.piece.check(status, payload)
            sent.answer = status, payload
            self._answered(sent)
        elif sent.answers == sent.asked + 1:  # all questions and the request itself were answered: it was only late
            self._pace = max(self._pace, self._lateness(sent))
            self.limit, self._clean = max(self.limit, sent.before[0]), sent.before[1]

    def _answered(self, sent: Sent) -> None:
        if not sent.asked:
            self._pace = max(1.0, self._pace / 2, self._lateness(sent))
            self._grow(sent)
        self._wait(self._nominal())
        if sent is not self._sent[0] and not self._sent[0].asked:  # the answer before it was lost
            self._ask_about(self._sent[0])
        elif sent.asked and len(self._sent) > 1 and self._sent[1].answer is None:
            self._ask_about(self._sent[1])  # which was sent before the question, so its answer should be here

    def _ask_about(self, sent: Sent) -> None:
        """Find out whether the board executed what was ``sent``."""
        if not sent.asked:
            self.lost += 1
            sent.before = self.limit, self._clean
            self._clean, self.limit = False, max(SHORTEST, self.limit // 2)
        sent.asked += 1
        self._frames.send(self._session, sent.number, Op.DIGEST, 0)
        nominal = self._frames.seconds(0) + self._frames.seconds(sent.piece.answer_bytes)
        self._wait(nominal, min(1 + sent.asked / 8, 3))

    def _grow(self, sent: Sent) -> None:
        """Longer frames where long ones arrive."""
        assert sent.answer is not None
        if 2 * max(len(sent.piece.payload), len(sent.answer[1])) >= self.limit:
            self.limit = min(PAYLOAD_BYTES, self.limit * 2 if self._clean else self.limit + GROWTH)

    def _lateness(self, sent: Sent) -> float:
        return (self._frames.line.time() - sent.at) / sent.nominal

    def _nominal(self) -> float:
        """Seconds on the line of all that is on its way, and of its answers."""
        ways = ((len(sent.piece.payload), sent.piece.answer_bytes) for sent in self._sent if sent.answer is None)
        return sum(self._frames.seconds(out) + self._frames.seconds(back) for out, back in ways)

    def _wait(self, nominal: float, patience: float = 1.0) -> None:
        self._deadline = self._frames.line.time() + patience * (SLACK + 1.5 * self._pace * nominal)
