"""The board of the desk with a flash, and its slots written by hand."""

from dataclasses import replace
from pathlib import Path

from ohmgate.firmware.flash_slot import slot_frames, slot_record
from ohmgate.model.flash import FlashLayout, Record
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


def writes_of(slot: tuple[Record, bytes]) -> int:
    """How many commands of a store change the flash: old record, sector, pages of frames, record."""
    return 3 + -(-len(slot[1]) // PAGE)
