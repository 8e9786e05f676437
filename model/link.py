"""The serial link of a board: what its gateware (``hdl/board``) and its host (``firmware/link.py``) agree on.

``docs/link.md`` has the rules in words. Numbers are little-endian. A frame's body has at most :data:`BODY_BYTES`, so
its COBS code is exactly one byte longer.
"""

import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

from .design import Design

PROTOCOL = 1  #: argument of HELLO
HEADER = struct.Struct("<HHBH")  #: of a body: :data:`FIELDS`
FIELDS = ("session", "number", "op", "argument")
CRC_BYTES = 4
PAYLOAD_BYTES = 240  #: of a frame at most
BODY_BYTES = HEADER.size + PAYLOAD_BYTES + CRC_BYTES
ANSWER = 0x80  #: added to the op in an answer, whose argument is a :class:`Status`
INFO = struct.Struct("<4sBBHHHHII16s")  #: payload of HELLO's answer: the fields of :class:`Info`
MAGIC = b"OHML"
REPLAY_JOB = struct.Struct("<HI")  #: payload of REPLAY: bytes of the buffer, repetitions
REPLAY_STATE = struct.Struct("<BIII")  #: answer of REPLAYED: runs, results, CRC-32 of their bytes, clock cycles
REFUSAL = struct.Struct("<H")  #: payload of an answer REFUSED: which word or level, from 0


class Op(IntEnum):
    """What a request asks for."""

    HELLO = 0x01  #: begins a session
    READ = 0x02  #: words of one register
    READ_NEXT = 0x03  #: words of ascending registers
    WRITE = 0x04  #: words to one register
    WRITE_NEXT = 0x05  #: words to ascending registers
    LEVELS = 0x06  #: packed levels, each a write to LEVEL
    STREAM = 0x07  #: bytes of time steps in, bytes of results out
    FLUSH = 0x08  #: drops bytes of steps and results that wait
    FILL = 0x09  #: writes the sequence buffer
    REPLAY = 0x0A  #: feeds the buffer's steps again and again
    REPLAYED = 0x0B  #: how far that is
    DIGEST = 0x0C  #: CRC-32 of all that was written in this session


class Status(IntEnum):
    """How a request ended."""

    OK = 0
    REFUSED = 1  #: the bus answered an access with an error; what came before it is done
    UNKNOWN = 2  #: there is no such op
    MALFORMED = 3  #: the payload's length or the argument does not suit the op
    STALLED = 4  #: the network did not take the bytes of a step in time
    BUSY = 5  #: a replay is under way


class Info(NamedTuple):
    """What a board says of itself."""

    magic: bytes  #: :data:`MAGIC`
    protocol: int
    window: int  #: frames that may be on their way
    step_bytes: int  #: of a time step in STREAM and in the buffer
    result_bytes: int  #: of a result
    queue_bytes: int  #: of results that wait to be fetched
    buffer_bytes: int  #: of the sequence buffer
    clock_hz: int
    baud: int
    board: bytes  #: its name, filled with zeros


def body(session: int, number: int, op: int, argument: int, payload: bytes = b"") -> bytes:
    """A frame's body, CRC-32 included."""
    content = HEADER.pack(session, number, op, argument) + payload
    return content + struct.pack("<I", zlib.crc32(content))


def parse(frame: bytes) -> tuple[int, int, int, int, bytes] | None:
    """Session, number, op, argument and payload of a body; None for one that is damaged."""
    if not HEADER.size + CRC_BYTES <= len(frame) <= BODY_BYTES:
        return None
    content, crc = frame[:-CRC_BYTES], frame[-CRC_BYTES:]
    if struct.unpack("<I", crc)[0] != zlib.crc32(content):
        return None
    return (*HEADER.unpack_from(content), content[HEADER.size :])


def step_bytes(design: Design) -> int:
    """Bytes of a time step: the payload of the stream ``x``, its marks in the two highest bits."""
    first = design.layers[0]
    return -(-(first.inputs * first.input_bits + 2) // 8)


def result_bytes(design: Design) -> int:
    """Bytes of a result: the payload of the stream ``y``, its marks in the two highest bits."""
    return -(-(design.layers[-1].result_bits + 2) // 8)
