"""A board's SPI flash as the keeper of a network: what its gateware (``hdl/board``) and its host agree on.

``docs/link.md`` has the rules in words. Numbers are little-endian, the flash's own addresses are not.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from .formats import DesignError, check_integer

PAGE_BYTES = 256  #: that a program command writes at most, and cannot leave
SECTOR_BYTES = 65536  #: that an erase command makes ones
SLOTS = 2
FRAMES_AT = PAGE_BYTES  #: offset of the frames in a slot; the record is at 0, in a page of its own
MAGIC = b"OHMF"
RECORD = struct.Struct("<4sIIIQ")  #: :data:`MAGIC` and the fields of :class:`Record`
RECORD_BYTES = RECORD.size + 4  #: with its CRC-32
CRC_AT = 12  #: offset of :attr:`Record.crc`


class Command(IntEnum):
    """First byte of what a flash is asked; those of every serial NOR flash with addresses of 24 bits."""

    PROGRAM = 0x02  #: address, at most :data:`PAGE_BYTES`: ones become zeros, none becomes a one
    READ = 0x03  #: address, then as many bytes as are fetched
    STATUS = 0x05  #: bit 0: busy; bit 1: may be written
    WRITE_ENABLE = 0x06  #: before each PROGRAM and ERASE
    WAKE = 0xAB  #: an FPGA may leave its flash asleep
    ERASE = 0xD8  #: address: a sector of :data:`SECTOR_BYTES` becomes ones


BUSY, WRITABLE = 1, 2  #: bits of the status


@dataclass(frozen=True)
class FlashLayout:
    """Where the two slots are, in bytes, behind the bitstream."""

    first: int  #: address of slot A; slot B follows it
    slot_bytes: int  #: of each

    def __post_init__(self) -> None:
        for name, value in (("the first slot's address", self.first), ("bytes of a slot", self.slot_bytes)):
            check_integer(name, value, SECTOR_BYTES, 255 * SECTOR_BYTES)
            if value % SECTOR_BYTES:
                raise DesignError(f"{name} must be a multiple of {SECTOR_BYTES}, not {value}")
        if self.end > 1 << 24:
            raise DesignError(f"both slots must end by {1 << 24}, the last address of 24 bits, not at {self.end}")

    @property
    def end(self) -> int:
        """Behind slot B."""
        return self.first + SLOTS * self.slot_bytes

    @property
    def room(self) -> int:
        """Bytes of frames that a slot holds."""
        return self.slot_bytes - FRAMES_AT

    def address(self, slot: int) -> int:
        """Of slot 0 (A) or 1 (B)."""
        return self.first + slot * self.slot_bytes


class Record(NamedTuple):
    """What commits a slot. It is written last."""

    generation: int  #: of two valid slots, the higher one starts
    length: int  #: bytes of frames
    crc: int  #: CRC-32 of the frames
    fingerprint: int  #: of their design

    def pack(self) -> bytes:
        """With its own CRC-32."""
        content = RECORD.pack(MAGIC, *self)
        return content + struct.pack("<I", zlib.crc32(content))


def parse_record(content: bytes, layout: FlashLayout) -> Record | None:
    """The record at the begin of a slot; None where there is none, or one that the slot has no room for."""
    content, crc = content[: RECORD.size], content[RECORD.size : RECORD_BYTES]
    if not content.startswith(MAGIC) or crc != struct.pack("<I", zlib.crc32(content)):
        return None
    record = Record(*RECORD.unpack(content)[1:])
    return record if 1 <= record.length <= layout.room else None


def valid_record(slot: bytes, layout: FlashLayout) -> Record | None:
    """The record of a whole slot; None where it, or what it says of the frames, is wrong."""
    record = parse_record(slot, layout)
    if record is None or zlib.crc32(slot[FRAMES_AT : FRAMES_AT + record.length]) != record.crc:
        return None
    return record


def starting_slot(records: tuple[Record | None, Record | None]) -> int | None:
    """Which of two slots a board starts with, by their valid records: of equals it is A."""
    a, b = records
    if a is None or b is None:
        return 0 if a else 1 if b else None
    return int(b.generation > a.generation)
