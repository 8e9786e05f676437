"""Frames of the serial link, written down a second time from docs/link.md, and a host of a few lines."""

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

from ohmgate.firmware.transactions import BusError


def frame(session: int, number: int, op: int, argument: int = 0, payload: bytes = b"") -> bytes:
    content = struct.pack("<HHBH", session, number, op, argument) + payload
    return b"\0" + cobs.encode(content + struct.pack("<I", zlib.crc32(content))) + b"\0"


@dataclass(frozen=True)
class Answer:
    session: int
    number: int
    op: int
    status: int
    payload: bytes


def answers(line: bytes) -> list[Answer]:
    """Every answer on the line; all of it must be whole frames."""
    assert not line or (line[0], line[-1]) == (0, 0)
    found = []
    for piece in line.split(b"\0"):
        if piece:
            body = cobs.decode(piece)
            assert len(body) <= 251
            assert struct.unpack("<I", body[-4:]) == (zlib.crc32(body[:-4]),)
            found.append(Answer(*struct.unpack("<HHBH", body[:7]), body[7:-4]))
    return found


class Client:
    """Sends requests over ``receive`` one after the other; also a bus for the loader."""

    def __init__(self, receive, session: int = 0x1234):
        self.receive, self.session, self.number = receive, session, 0

    def ask(self, op: int, argument: int = 0, payload: bytes = b"") -> tuple[int, bytes]:
        """Status and payload of the answer."""
        (answer,) = answers(self.receive(frame(self.session, self.number, op, argument, payload)))
        assert (answer.session, answer.number, answer.op) == (self.session, self.number, op | 0x80)
        self.number = self.number + 1 & 0xFFFF
        return answer.status, answer.payload

    def do(self, op: int, argument: int = 0, payload: bytes = b"") -> bytes:
        """The payload of an answer that must be OK."""
        status, answer = self.ask(op, argument, payload)
        assert status == 0
        return answer

    def read(self, address: int) -> int:
        status, words = self.ask(2, address, b"\1")
        if status:
            raise BusError
        return struct.unpack("<I", words)[0]

    def write(self, address: int, value: int) -> None:
        if self.ask(4, address, struct.pack("<I", value))[0]:
            raise BusError
