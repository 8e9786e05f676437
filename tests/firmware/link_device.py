"""A board's end of the link, written from docs/link.md alone: shares no code with hosts or twins."""

import struct
import zlib

from cobs import cobs

from ohmgate.firmware.transactions import BusError

HELLO, READ, READ_NEXT, WRITE, WRITE_NEXT, LEVELS, STREAM, FLUSH, FILL, REPLAY, REPLAYED, DIGEST = range(1, 13)
OK, REFUSED, UNKNOWN, MALFORMED, STALLED, BUSY = range(6)
LEVEL = 0x60


class LinkDevice:
    """Answers the bytes of a line from ``bus`` (read and write, which raise BusError) and ``compute``.

    ``compute`` takes the bytes of a time step and gives those of its results, or None where it does not take it.
    ``executed`` has (op, argument, payload) of all that was executed, in order. A replay takes ``polls`` looks.
    """

    def __init__(
        self, bus, compute=lambda step: b"", *, window=2, step_bytes=1, result_bytes=1, queue=64, buffer=256, polls=2
    ):
        self.bus, self.compute, self.window, self.polls = bus, compute, window, polls
        self.step_bytes, self.result_bytes, self.queue, self.buffer = (
            step_bytes,
            result_bytes,
            queue,
            bytearray(buffer),
        )
        self.magic, self.version = b"OHML", 1
        self.line = bytearray()
        self.session, self.next, self.kept = None, 0, []
        self.executed = []
        self.highest = 0  # results that waited at once
        self.replay, self.left = (0, 0, 0), 0
        self.digest = 0
        self.clear()

    def clear(self):
        self.step, self.results = b"", b""

    def receive(self, data: bytes) -> bytes:
        sent = b""
        for byte in data:
            if byte:
                self.line.append(byte)
            elif self.line:
                sent += self.frame(bytes(self.line))
                self.line.clear()
        return sent

    def frame(self, code: bytes) -> bytes:
        try:
            frame = cobs.decode(code)
        except cobs.DecodeError:
            return b""
        if not 11 <= len(frame) <= 251 or zlib.crc32(frame[:-4]) != int.from_bytes(frame[-4:], "little"):
            return b""
        session, number, op, argument = struct.unpack_from("<HHBH", frame)
        if op == HELLO:
            self.session, self.next, self.kept, self.digest, self.left = session, number, [], 0, 0
            self.clear()
        if session != self.session:
            return b""
        for kept, answer in self.kept:
            if kept == number:
                return answer
        if number != self.next:
            return b""
        status, payload = self.execute(op, argument, frame[7:-4])
        answer = struct.pack("<HHBH", session, number, op | 0x80, status) + payload
        answer = b"\0" + cobs.encode(answer + struct.pack("<I", zlib.crc32(answer))) + b"\0"
        self.kept = [*self.kept, (number, answer)][-self.window :]
        self.next = (number + 1) % 65536
        return answer

    def execute(self, op: int, argument: int, payload: bytes) -> tuple[int, bytes]:
        if op == HELLO:
            status = OK if argument == self.version else MALFORMED
            return status, struct.pack(
                "<4sBBHHHHII16s", self.magic, self.version, self.window, self.step_bytes, self.result_bytes, self.queue,
                len(self.buffer), 25_000_000, 1_000_000, b"desk",
            )  # fmt: skip
        if not 1 <= op <= 12:
            return UNKNOWN, b""
        if self.left and op not in (READ, READ_NEXT, REPLAYED, DIGEST):
            return BUSY, b""
        self.executed.append((op, argument, payload))
        if op in (READ, READ_NEXT):
            return self.read(argument, payload[0], 4 if op == READ_NEXT else 0)
        if op in (WRITE, WRITE_NEXT, LEVELS):
            return self.write(op, argument, payload)
        if op == STREAM:
            return self.stream(argument, payload)
        if op == FLUSH:
            self.clear()
        if op == FILL:
            if argument + len(payload) > len(self.buffer):
                return MALFORMED, b""
            self.buffer[argument : argument + len(payload)] = payload
        if op == REPLAY:
            self.run(*struct.unpack("<HI", payload))
        if op == REPLAYED:
            self.left = max(self.left - 1, 0)
            return OK, struct.pack("<BIII", self.left > 0, *self.replay)
        return OK, struct.pack("<I", self.digest) if op == DIGEST else b""

    def read(self, address: int, count: int, ascend: int) -> tuple[int, bytes]:
        assert 1 <= count <= 60
        words = b""
        for index in range(count):
            try:
                words += struct.pack("<I", self.bus.read(address + ascend * index))
            except BusError:
                return REFUSED, struct.pack("<H", index)
        return OK, words

    def write(self, op: int, argument: int, payload: bytes) -> tuple[int, bytes]:
        if op == LEVELS:
            if argument not in (1, 2, 4, 8):
                return MALFORMED, b""
            bits = "".join(f"{byte:08b}"[::-1] for byte in payload)
            values = [int(bits[k : k + argument][::-1], 2) for k in range(0, len(bits), argument)]
            writes = [(LEVEL, value) for value in values]
        else:
            words = struct.unpack(f"<{len(payload) // 4}I", payload)
            writes = [(argument + 4 * k * (op == WRITE_NEXT), word) for k, word in enumerate(words)]
        for index, (address, value) in enumerate(writes):
            try:
                self.bus.write(address, value)
            except BusError:
                return REFUSED, struct.pack("<H", index)
        self.digest = zlib.crc32(struct.pack("<BH", op, argument) + payload, self.digest)
        return OK, b""

    def stream(self, wanted: int, payload: bytes) -> tuple[int, bytes]:
        for index in range(len(payload)):
            self.step += payload[index : index + 1]
            if len(self.step) == self.step_bytes:
                results = self.compute(self.step)
                if results is None or len(self.results) + len(results) > self.queue:
                    return STALLED, struct.pack("<H", index)
                self.step, self.results = b"", self.results + results
        self.highest = max(self.highest, len(self.results))
        given, self.results = self.results[:wanted], self.results[wanted:]
        return OK, given

    def run(self, used: int, repetitions: int) -> None:
        self.clear()
        steps = bytes(self.buffer[:used])
        given = [self.compute(steps[k : k + self.step_bytes]) for k in range(0, used, self.step_bytes)]
        results = b"".join(given)
        self.replay = (
            len(results) // self.result_bytes * repetitions,
            zlib.crc32(results * repetitions),
            7 * repetitions,
        )
        self.left = self.polls
