"""The serial link in numbers: a device that takes and gives bytes as the gateware does, without its time."""

import zlib
from collections.abc import Callable

from cobs import cobs

from ...model.design import Design
from ...model.link import (
    ANSWER,
    BODY_BYTES,
    PROTOCOL,
    REFUSAL,
    REPLAY_JOB,
    REPLAY_STATE,
    Op,
    Status,
    body,
    parse,
    result_bytes,
    step_bytes,
)
from ...model.registers import BY_NAME
from .config import BoardConfig

WORDS = 60  #: of a request at most
STREAM_BYTES = 240  #: of results in an answer at most
WHILE_REPLAYING = (Op.HELLO, Op.READ, Op.READ_NEXT, Op.REPLAYED, Op.DIGEST)

Access = Callable[[int, int | None], int | None]  #: (byte address, word, or None to read): word read; None is err
Take = Callable[[int], list[int] | None]  #: payload of ``x``: payloads of ``y`` for it; None is not taken


class LinkTwin:
    """A board's side of the link, a piece of the line at a time.

    ``access`` answers the register bus, ``take`` is the network. ``replay_rate`` is how often a replay goes through
    the buffer before each frame that arrives; it counts a cycle a byte.
    """

    def __init__(self, design: Design, config: BoardConfig, access: Access, take: Take, replay_rate: int = 1000):
        config.check(design)
        self.config, self.access, self.take, self.replay_rate = config, access, take, replay_rate
        self.step_bytes, self.result_bytes = step_bytes(design), result_bytes(design)
        self.step_bits = design.layers[0].inputs * design.layers[0].input_bits + 2
        self.info = config.info(design)
        self.line = b""  #: of the frame that arrives
        self.session, self.expected = 0, 0
        self.kept: dict[int, bytes] = {}  #: answers by number
        self.digest = 0
        self.buffer = bytearray(config.buffer_bytes)
        self.job = b""  #: bytes of a replay
        self.left = 0  #: of them, repetitions included, to come
        self.running = False
        self.replayed = [0, 0, 0]  #: results, CRC-32 of their bytes, cycles
        self._drop_streams()

    def receive(self, line: bytes) -> bytes:
        """What the device sends for ``line``."""
        *frames, self.line = (self.line + line).split(b"\0")
        return b"".join(self._frame(frame) for frame in frames)

    def boot(self, frames: bytes) -> None:
        """Takes ``frames`` up to the first request that does not end with OK, and says nothing."""
        for frame in frames.split(b"\0")[:-1]:
            answer = parse(cobs.decode(self._frame(frame)[1:-1]))
            if answer is not None and answer[3] != Status.OK:
                return

    def _frame(self, frame: bytes) -> bytes:
        try:
            request = parse(cobs.decode(frame)) if len(frame) <= BODY_BYTES + 1 else None
        except cobs.DecodeError:
            return b""
        if request is None:
            return b""
        self._replay()
        session, number, op, argument, payload = request
        if op == Op.HELLO:
            self.session, self.expected, self.kept, self.digest = session, number, {}, 0
            self.left, self.running = 0, False
            self._drop_streams()
        elif session != self.session or not self.kept:
            return b""
        if number == self.expected:
            status, answer = self._execute(op, argument, payload)
            self._settle()
            sent = body(session, number, op | ANSWER, status, answer)
            self.kept[number] = b"\0" + cobs.encode(sent) + b"\0"
            self.kept.pop((number - self.config.window) & 0xFFFF, None)
            self.expected = (number + 1) & 0xFFFF
        return self.kept.get(number, b"")

    def _execute(self, op: int, argument: int, payload: bytes) -> tuple[Status, bytes]:
        if op not in set(Op):
            return Status.UNKNOWN, b""
        if self.running and op not in WHILE_REPLAYING:
            return Status.BUSY, b""
        if not self._suits(op, argument, payload):
            return Status.MALFORMED, self.info if op == Op.HELLO else b""
        match op:
            case Op.HELLO:
                return Status.OK, self.info
            case Op.READ | Op.READ_NEXT:
                return self._read(argument, payload[0], 4 * (op == Op.READ_NEXT))
            case Op.WRITE | Op.WRITE_NEXT | Op.LEVELS:
                return self._write(op, argument, payload)
            case Op.STREAM:
                return self._stream(argument, payload)
            case Op.FLUSH:
                self._drop_streams()
            case Op.FILL:
                return self._fill(argument, payload)
            case Op.REPLAY:
                size, repetitions = REPLAY_JOB.unpack(payload)
                self._drop_streams()
                self.job, self.left, self.running = bytes(self.buffer[:size]), size * repetitions, True
                self.replayed = [0, 0, 0]
            case Op.REPLAYED:
                return Status.OK, REPLAY_STATE.pack(self.running, *self.replayed)
            case Op.DIGEST:
                return Status.OK, self.digest.to_bytes(4, "little")
        return Status.OK, b""

    def _suits(self, op: int, argument: int, payload: bytes) -> bool:
        size = len(payload)
        match op:
            case Op.HELLO:
                return argument == PROTOCOL and size == 0
            case Op.READ | Op.READ_NEXT:
                return argument % 4 == 0 and size == 1 and 1 <= payload[0] <= WORDS
            case Op.WRITE | Op.WRITE_NEXT:
                return argument % 4 == 0 and size > 0 and size % 4 == 0
            case Op.LEVELS:
                return argument in (1, 2, 4, 8) and size > 0
            case Op.STREAM:
                return argument <= STREAM_BYTES
            case Op.FILL:
                return size > 0
            case Op.REPLAY:
                if argument or size != REPLAY_JOB.size:
                    return False
                used, repetitions = REPLAY_JOB.unpack(payload)
                return 1 <= used <= self.config.buffer_bytes and repetitions > 0
        return argument == 0 and size == 0

    def _read(self, address: int, count: int, ascend: int) -> tuple[Status, bytes]:
        words = b""
        for index in range(count):
            word = self.access(address + ascend * index & 0xFFFF, None)
            if word is None:
                return Status.REFUSED, REFUSAL.pack(index)
            words += word.to_bytes(4, "little")
        return Status.OK, words

    def _write(self, op: int, argument: int, payload: bytes) -> tuple[Status, bytes]:
        address, ascend, bits = argument, 4 * (op == Op.WRITE_NEXT), 32
        if op == Op.LEVELS:
            address, bits = BY_NAME["LEVEL"].address, argument
        content = int.from_bytes(payload, "little")
        for index in range(8 * len(payload) // bits):
            value = content >> bits * index & (1 << bits) - 1
            if self.access(address + ascend * index & 0xFFFF, value) is None:
                return Status.REFUSED, REFUSAL.pack(index)
        request = bytes([op]) + argument.to_bytes(2, "little") + payload
        self.digest = zlib.crc32(request, self.digest)
        return Status.OK, b""

    def _stream(self, wanted: int, payload: bytes) -> tuple[Status, bytes]:
        for index, byte in enumerate(payload):
            if not self._feed(byte):
                return Status.STALLED, REFUSAL.pack(index)
        results = b""
        while self.queue and len(results) < wanted:
            results, self.queue = results + self.queue[:1], self.queue[1:]
            self._settle()
        return Status.OK, results

    def _fill(self, offset: int, payload: bytes) -> tuple[Status, bytes]:
        room = max(self.config.buffer_bytes - offset, 0)
        self.buffer[offset : offset + room] = payload[:room] + self.buffer[offset + len(payload[:room]) :]
        return (Status.REFUSED, REFUSAL.pack(room)) if room < len(payload) else (Status.OK, b"")

    def _drop_streams(self) -> None:
        """What FLUSH does."""
        self.step = b""  #: bytes of a step, whole or in part
        self.queue = b""  #: of results
        self.waiting = b""  #: of results that have no place in the queue

    def _feed(self, byte: int) -> bool:
        """Takes a byte of a step, unless a whole step waits in vain."""
        self._settle()
        if len(self.step) == self.step_bytes:
            return False
        self.step += bytes([byte])
        self._settle()
        return True

    def _settle(self) -> None:
        """Results go into the queue; the network takes a whole step, unless a result of its waits."""
        self._queue_results()
        if len(self.step) < self.step_bytes or self.waiting:
            return
        results = self.take(int.from_bytes(self.step, "little") & (1 << self.step_bits) - 1)
        if results is None:
            return
        self.step = b""
        self.waiting = b"".join(result.to_bytes(self.result_bytes, "little") for result in results)
        if self.running:
            self.replayed[0] += len(results)
            self.replayed[1] = zlib.crc32(self.waiting, self.replayed[1])
            self.waiting = b""
        self._queue_results()

    def _queue_results(self) -> None:
        room = self.config.queue_bytes - len(self.queue)
        self.queue, self.waiting = self.queue + self.waiting[:room], self.waiting[room:]

    def _replay(self) -> None:
        """Goes on with a replay that is under way."""
        for _ in range(min(self.left, self.replay_rate * len(self.job))):
            if not self._feed(self.job[-self.left % len(self.job)]):
                return
            self.left -= 1
            self.replayed[2] += 1
        self._settle()
        self.running = self.running and (self.left > 0 or len(self.step) == self.step_bytes)
