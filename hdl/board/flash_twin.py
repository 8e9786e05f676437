"""A board's flash registers in numbers, with a flash behind them, and what it starts the board with."""

from ...model.board_registers import FLASH_COMMAND, FLASH_DATA, FLASH_REGISTERS, FLASH_SELECT, FLASH_STATUS
from ...model.flash import FRAMES_AT, SECTOR_BYTES, Command, FlashLayout, starting_slot, valid_record
from .spi_flash import SpiFlash

ADDRESSES = tuple(register.address for register in FLASH_REGISTERS)


class FlashTwin:
    """``started`` is the field of FLASH_STATUS; ``frames`` are those that the board starts with."""

    def __init__(self, layout: FlashLayout, flash: SpiFlash):
        self.layout, self.flash = layout, flash
        self.chosen = False  #: what FLASH_SELECT holds
        self._exchange([Command.WAKE])
        slots = [bytes(flash.content[layout.address(k) : layout.address(k + 1)]) for k in (0, 1)]
        a, b = (valid_record(slot, layout) for slot in slots)
        slot = None if flash.busy else starting_slot((a, b))
        self.started, self.frames = 0, b""
        if slot is not None:
            record = (a, b)[slot]
            assert record is not None
            self.started, self.frames = slot + 1, slots[slot][FRAMES_AT : FRAMES_AT + record.length]

    def access(self, address: int, value: int | None = None) -> int | None:
        """Read one of :data:`ADDRESSES`, or write ``value``: the word read, 0 for a write; None is refused."""
        if address == FLASH_STATUS.address:
            if value is not None:
                return None
            first, slot = (size // SECTOR_BYTES for size in (self.layout.first, self.layout.slot_bytes))
            return FLASH_STATUS.pack(FIRST=first, SLOT=slot, STARTED=self.started)
        if address == FLASH_COMMAND.address and value is not None:
            self._exchange([value & 0xFF])
        elif address == FLASH_SELECT.address:
            if value is None:
                return int(self.chosen)
            self.chosen = bool(value & 1)
            self.flash.select(self.chosen)
        elif address == FLASH_DATA.address:
            sent = (value or 0).to_bytes(4, "little")
            received = bytes(self.flash.exchange(byte) for byte in sent)
            return int.from_bytes(received, "little") if value is None else 0
        return 0

    def _exchange(self, command: list[int]) -> None:
        self.flash.select(True)
        for byte in command:
            self.flash.exchange(byte)
        self.flash.select(self.chosen)
