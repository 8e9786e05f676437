"""The board of the desk with a flash, its slots written by hand, and a store over the line as docs/link.md has it."""

import struct
from dataclasses import replace
from pathlib import Path

from ohmgate.firmware.flash_slot import slot_frames, slot_record
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_requests import Request
from ohmgate.model.flash import FlashLayout, Record
from ohmgate.model.link import Op
from ohmgate.model.network import Network
from tests.boards.desk import CONFIG

LAYOUT = FlashLayout(0x10000, 0x10000)
FLASH_CONFIG = replace(CONFIG, flash=LAYOUT)
SIZE = 0x40000
STATUS, COMMAND, SELECT, DATA = 0x420, 0x424, 0x428, 0x42C
PAGE = 256


def slot_of(network: Network, generation: int, layout: FlashLayout = LAYOUT) -> tuple[Record, bytes]:
    frames = slot_frames(network)
    return slot_record(network, frames, generation, layout), frames


def put(file: Path, *slots: tuple[Record, bytes] | None, layout: FlashLayout = LAYOUT, size: int = SIZE) -> Path:
    """``file`` becomes a flash with these slots."""
    content = bytearray(b"\xff" * size)
    for index, slot in enumerate(slots):
        if slot is not None:
            at, (record, frames) = layout.address(index), slot
            content[at : at + 28] = record.pack()
            content[at + PAGE : at + PAGE + len(frames)] = frames
    file.write_bytes(content)
    return file


def _word(op: int, address: int) -> bytes:
    return bytes([op]) + address.to_bytes(3, "big")


def read(link: Link, address: int, count: int) -> bytes:
    """``count`` bytes, a multiple of 4."""
    link.ask(Request(Op.WRITE_NEXT, SELECT, struct.pack("<I", 1) + _word(3, address)))
    found = link.ask(Request(Op.READ, DATA, words=count // 4)).payload
    link.write(SELECT, 0)
    return found


def write(link: Link, op: int, address: int, content: bytes = b"") -> None:
    """An erase or program command, and its end; ``content`` is filled with ones to whole words."""
    content += b"\xff" * (-len(content) % 4)
    link.ask(Request(Op.WRITE_NEXT, COMMAND, struct.pack("<II", 6, 1) + _word(op, address)))
    if content:
        link.ask(Request(Op.WRITE, DATA, content))
    link.write(SELECT, 0)
    busy = 1
    while busy:
        link.ask(Request(Op.WRITE_NEXT, SELECT, struct.pack("<II", 1, 5)))
        busy = link.read(DATA) & 1
        link.write(SELECT, 0)


def store(link: Link, index: int, slot: tuple[Record, bytes]) -> None:
    """Put ``slot`` into slot A or B, the record last."""
    record, frames = slot
    at = LAYOUT.address(index)
    link.write(SELECT, 0)
    write(link, 0x02, at, bytes(28))
    write(link, 0xD8, at)
    for start in range(0, len(frames), PAGE):
        write(link, 0x02, at + PAGE + start, frames[start : start + PAGE])
    assert read(link, at + PAGE, len(frames) + -len(frames) % 4)[: len(frames)] == frames
    write(link, 0x02, at, record.pack())


def writes_of(slot: tuple[Record, bytes]) -> int:
    """How many commands of :func:`store` change the flash."""
    return 3 + -(-len(slot[1]) // PAGE)
