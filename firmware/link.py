"""The host's end of a board's serial link: sessions, requests, and the loader's bus (docs/link.md).

::

    with Link(SerialLine("/dev/ttyUSB0")) as link:
        load_over(link, image)
"""

import random
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator

from ..model.link import ANSWER, HEADER, INFO, MAGIC, PROTOCOL, Info, Op, Status
from .line import Line, LinkError
from .link_frames import Frames
from .link_requests import Asked, Request
from .link_window import SLACK, Window
from .transactions import BusError

HELLOS = 60  #: without an answer, after which there is no board
DIGESTED = (Op.WRITE, Op.WRITE_NEXT, Op.LEVELS)  #: of which the board keeps a digest


class Link:
    """A session with the board on ``line``; ``seed`` fixes the session's number, which is random without.

    It is a :class:`~ohmgate.firmware.loader.Bus`. ``info`` is what the board says of itself. ``frames`` counts the
    requests that were answered, ``lost`` those that had to be asked about, as they or their answers were lost.
    Everything raises :class:`LinkError` where the board does not answer, or answers what no board should.
    """

    def __init__(self, line: Line, seed: int | None = None):
        self.line = line
        self._written = 0  # the digest that the board should have
        self._frames = Frames(line)
        session = random.Random(seed).randrange(1 << 16)
        self.info, pace = self._hello(session)
        self._window = Window(self._frames, session, self.info.window, pace)

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.line.close()

    @property
    def board(self) -> str:
        """The board's name."""
        return self.info.board.rstrip(b"\0").decode("ascii", "replace")

    def read(self, address: int) -> int:
        return self.ask(Request(Op.READ, address, words=1)).words[0]

    def write(self, address: int, value: int) -> None:
        self.ask(Request(Op.WRITE, address, struct.pack("<I", value)))

    def flush(self) -> None:
        """Drop time steps and results that wait on the board."""
        self.ask(Request(Op.FLUSH))

    def verify(self) -> None:
        """Raise :class:`LinkError` unless the board got all that was written in this session, and nothing else."""
        found = int.from_bytes(self.ask(Request(Op.DIGEST)).payload, "little")
        if found != self._written:
            raise LinkError(f"the digest of what the board got must be 0x{self._written:08X}, not 0x{found:08X}")

    def ask(self, request: Request) -> Asked:
        """Do one request. Raises :class:`BusError` for an access that the bus refuses."""
        (asked,) = self.ask_all([request])
        asked.check()
        if asked.status == Status.REFUSED:
            raise BusError(f"{request.op.name} at 0x{request.argument:02X}: the board refused access {asked.refused}")
        return asked

    def ask_all(self, requests: Iterable[Request]) -> Iterator[Asked]:
        """Do ``requests``, which are taken as there is room for them, and give them back answered, in order.

        What the caller makes of an answer may decide which requests come next. A request that fails is not
        finished; up to ``info.window - 1`` frames behind it may have been executed when its answer comes.
        """
        while not self._window.empty:  # of an iterator that nobody read to its end
            self._receive()
        source, open_requests = iter(requests), deque[Asked]()
        while True:
            while not self._window.full:
                asked = next((asked for asked in open_requests if asked.more), None)
                if asked is None:
                    request = next(source, None)
                    if request is None:
                        break
                    asked = Asked(request)
                    open_requests.append(asked)
                self._window.send(asked.cut(self._window.limit))
            if not open_requests:
                return
            self._receive()
            while open_requests and open_requests[0].finished:
                yield open_requests.popleft()

    @property
    def frames(self) -> int:
        return self._window.frames

    @property
    def lost(self) -> int:
        return self._window.lost

    @property
    def limit(self) -> int:
        """Bytes of payload that a frame has now, at most."""
        return self._window.limit

    def _receive(self) -> None:
        """Wait for the oldest piece's answer."""
        pieces, answer = self._window.receive()
        if answer is None:
            for piece in reversed(pieces):
                piece.asked.sent = piece.start
            return
        (piece,), (status, payload) = pieces, answer
        piece.asked.take(piece, status, payload)
        if status == Status.OK and piece.op in DIGESTED:
            content = HEADER.pack(0, 0, piece.op, piece.argument)[4:] + piece.payload
            self._written = zlib.crc32(content, self._written)

    def _hello(self, session: int) -> tuple[Info, float]:
        """Begin a session: what the board says, and its pace. Raises :class:`LinkError` where no board answers."""
        name, frames, begun = self.line.name, self._frames, self.line.time()
        nominal = frames.seconds(0) + frames.seconds(INFO.size)
        for _ in range(HELLOS):
            frames.send(session, 0, Op.HELLO, PROTOCOL)
            until = self.line.time() + SLACK + nominal
            while (frame := frames.receive(until)) is not None:
                if frame[:3] == (session, 0, Op.HELLO | ANSWER):
                    return self._info(frame[4]), max(1.0, (self.line.time() - begun) / nominal)
        if frames.heard:
            raise LinkError(f"what answers on {name!r} at {self.line.baud} baud is no board of Ohmgate's")
        raise LinkError(f"no board answers on {name!r}")

    def _info(self, payload: bytes) -> Info:
        if len(payload) != INFO.size or not payload.startswith(MAGIC):
            raise LinkError(f"what answers HELLO on {self.line.name!r} is no board of Ohmgate's")
        info = Info(*INFO.unpack(payload))
        if info.protocol != PROTOCOL:
            version = f"version {PROTOCOL} of the link, not {info.protocol}"
            raise LinkError(f"the board on {self.line.name!r} must speak {version}")
        return info
