"""A board's flash over its link: its slots, and how a network gets into one (docs/link.md, Flash).

The slot that the board starts with is never touched, and a record is written last. So whoever is cut off, host or
board, leaves the old network, and may begin anew.
"""

import struct
from dataclasses import dataclass

from ..model.board_registers import FLASH_COMMAND, FLASH_DATA, FLASH_SELECT, FLASH_STATUS
from ..model.flash import (
    BUSY,
    FRAMES_AT,
    PAGE_BYTES,
    RECORD_BYTES,
    SECTOR_BYTES,
    SLOTS,
    Command,
    FlashLayout,
    Record,
    parse_record,
    starting_slot,
    valid_record,
)
from ..model.link import Op, Status
from ..model.network import Network
from .flash_slot import slot_frames, slot_record
from .link import Link
from .link_requests import Request
from .transactions import BusError, LoadError, Progress

POLLS = 10_000  #: of the flash's status, each a millisecond or more on the line; an erase takes 3 s at most
SLOT_NAMES = "AB"
LAST_GENERATION = 2**32 - 1


@dataclass(frozen=True)
class Stored:
    """A slot that was written."""

    slot: int  #: 0: A, 1: B
    record: Record

    def __str__(self) -> str:
        return f"slot {SLOT_NAMES[self.slot]}, generation {self.record.generation}"


def find_flash(link: Link) -> "LinkFlash | None":
    """The flash of the board at the other end; None where its gateware keeps no network in one."""
    try:
        status = FLASH_STATUS.unpack(link.read(FLASH_STATUS.address))
    except BusError:
        return None
    return LinkFlash(link, FlashLayout(status["FIRST"] * SECTOR_BYTES, status["SLOT"] * SECTOR_BYTES))


class LinkFlash:
    """The flash of the board at the other end of ``link``; addresses and sizes are in bytes.

    Raises :class:`LoadError` where the flash does not get ready, or a board refuses it.
    """

    def __init__(self, link: Link, layout: FlashLayout):
        self.link, self.layout = link, layout
        link.write(FLASH_SELECT.address, 0)  # an interrupted host may have left a 1
        self._wait()

    def read(self, address: int, count: int) -> bytes:
        """``count`` bytes."""
        data = Request(Op.READ, FLASH_DATA.address, words=-(-count // 4))
        return self._do(self._select(Command.READ, address), data, self._release())[1][:count]

    def program(self, address: int, content: bytes) -> None:
        """Write bytes of one page. Ones become zeros; behind ``content``, up to a whole word, nothing changes."""
        content += b"\xff" * (-len(content) % 4)
        self._write(Command.PROGRAM, address, Request(Op.WRITE, FLASH_DATA.address, content))

    def erase(self, address: int) -> None:
        """Make ones of a sector."""
        self._write(Command.ERASE, address)

    def records(self) -> tuple[Record | None, Record | None]:
        """The records of both slots, None where a slot is not valid. Reads all that a board reads at its start."""
        a, b = (self._record(slot) for slot in range(SLOTS))
        return a, b

    def _record(self, slot: int) -> Record | None:
        address = self.layout.address(slot)
        page = self.read(address, FRAMES_AT)
        record = parse_record(page, self.layout)
        if record is None:
            return None
        return valid_record(page + self.read(address + FRAMES_AT, record.length), self.layout)

    def _write(self, command: Command, address: int, *data: Request) -> None:
        enable = struct.pack("<II", Command.WRITE_ENABLE, 1) + _word(command, address)
        self._do(Request(Op.WRITE_NEXT, FLASH_COMMAND.address, enable), *data, self._release())
        self._wait()

    def _wait(self) -> None:
        """Until the flash is ready."""
        data = Request(Op.READ, FLASH_DATA.address, words=1)
        for _ in range(POLLS):
            if not self._do(self._select(Command.STATUS, 0), data, self._release())[1][-1] & BUSY:
                return
        raise LoadError(f"the board's flash is still busy after {POLLS} reads of its status")

    def _do(self, *requests: Request) -> list[bytes]:
        """What each request gives."""
        payloads = []
        for asked in self.link.ask_all(requests):
            asked.check()
            if asked.status != Status.OK:
                raise LoadError(f"the board refused its flash's register 0x{asked.request.argument:03X}")
            payloads.append(asked.payload)
        return payloads

    def _select(self, command: Command, address: int) -> Request:
        return Request(Op.WRITE_NEXT, FLASH_SELECT.address, struct.pack("<I", 1) + _word(command, address))

    def _release(self) -> Request:
        return Request(Op.WRITE, FLASH_SELECT.address, bytes(4))


def store(flash: LinkFlash, network: Network, progress: Progress | None = None) -> Stored:
    """Write ``network`` into the slot that is not valid, or the older one: the board starts with it the next time.

    ``network`` has the board's ADCs. ``progress`` is told bytes written and read back, of how many. Raises
    :class:`LoadError` for a network that has no room, before anything is written, and where the flash does not hold
    what was written: then the board starts as before.
    """
    layout, progress = flash.layout, progress or (lambda done, total: None)
    frames = slot_frames(network)
    slot_record(network, frames, 0, layout)
    records = flash.records()
    starts = starting_slot(records)
    slot = 0 if starts is None else 1 - starts
    generation = max((record.generation for record in records if record), default=0) + 1
    if generation > LAST_GENERATION:
        raise LoadError(
            f"the flash's generations must end at {LAST_GENERATION}, and slot {SLOT_NAMES[1 - slot]} has it"
        )
    record, address = slot_record(network, frames, generation, layout), layout.address(slot)
    flash.program(address, bytes(RECORD_BYTES))
    for sector in range(address, address + FRAMES_AT + len(frames), SECTOR_BYTES):
        flash.erase(sector)
    for start in range(0, len(frames), PAGE_BYTES):
        flash.program(address + FRAMES_AT + start, frames[start : start + PAGE_BYTES])
        progress(start, 2 * len(frames))
    for start in range(0, len(frames), SECTOR_BYTES):
        part = frames[start : start + SECTOR_BYTES]
        _compare(flash.read(address + FRAMES_AT + start, len(part)), part, slot, FRAMES_AT + start)
        progress(len(frames) + start, 2 * len(frames))
    flash.program(address, record.pack())
    _compare(flash.read(address, RECORD_BYTES), record.pack(), slot, 0)
    return Stored(slot, record)


def described(records: tuple[Record | None, Record | None]) -> str:
    """What both slots hold, in words."""
    starts = starting_slot(records)
    parts = []
    for slot, record in enumerate(records):
        what = f"has generation {record.generation} of {record.fingerprint:016x}" if record else "has no network"
        parts.append(f"slot {SLOT_NAMES[slot]} {what}{', with which the board starts' if slot == starts else ''}")
    return "; ".join(parts)


def _compare(found: bytes, written: bytes, slot: int, offset: int) -> None:
    if found == written:
        return
    at = next(k for k in range(len(written)) if found[k] != written[k])
    raise LoadError(
        f"byte {offset + at} of slot {SLOT_NAMES[slot]} must be 0x{written[at]:02x} in the board's flash, and is "
        f"0x{found[at]:02x}: the board starts as before; store again"
    )


def _word(command: Command, address: int) -> bytes:
    """A command and its address, as FLASH_DATA sends them."""
    return bytes([command]) + address.to_bytes(3, "big")
