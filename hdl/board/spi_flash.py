"""A serial NOR flash in numbers: the commands of :class:`~ohmgate.model.flash.Command`, byte by byte."""

from ...model.flash import BUSY, PAGE_BYTES, SECTOR_BYTES, WRITABLE, Command

ASKED = 2  #: times that STATUS says BUSY after a write
ADDRESSED = 4  #: bytes of a command and its address


class SpiFlash:
    """``content`` is what it holds, at first all ones. After power it sleeps, as behind an FPGA's configuration."""

    def __init__(self, size: int):
        assert size.bit_count() == 1, "addresses go round at a power of two"
        self.content = bytearray(b"\xff" * size)
        self.asleep, self.writable, self.busy = True, False, 0
        self.selected = False
        self.sent = bytearray()  #: to it, since it was selected

    def select(self, selected: bool) -> None:
        """Selects it, or releases it, which does what was sent."""
        if self.selected and not selected:
            self._obey(bytes(self.sent))
        if not self.selected:
            self.sent.clear()
        self.selected = selected

    def exchange(self, byte: int) -> int:
        """What it sends while it gets ``byte``."""
        out = self.sends()
        self.takes(byte)
        return out

    def sends(self) -> int:
        """Its next byte; all ones where nobody drives the line."""
        if not self.selected or self.asleep or not self.sent:
            return 0xFF
        if self.sent[0] == Command.STATUS:
            status = BUSY * (self.busy > 0) | WRITABLE * self.writable
            self.busy = max(self.busy - 1, 0)
            return status
        if self.sent[0] == Command.READ and len(self.sent) >= ADDRESSED and not self.busy:
            return self.content[(self._address + len(self.sent) - ADDRESSED) % len(self.content)]
        return 0xFF

    def takes(self, byte: int) -> None:
        """The next byte to it."""
        if self.selected:
            self.sent.append(byte)

    @property
    def _address(self) -> int:
        return int.from_bytes(self.sent[1:4], "big") % len(self.content)

    def _obey(self, sent: bytes) -> None:
        if sent == bytes([Command.WAKE]):
            self.asleep = False
        if self.asleep or self.busy or not sent:
            return
        if sent == bytes([Command.WRITE_ENABLE]):
            self.writable = True
        elif sent[0] == Command.PROGRAM and len(sent) > ADDRESSED and self.writable:
            page = self._address // PAGE_BYTES * PAGE_BYTES
            latest = {(self._address + k) % PAGE_BYTES: byte for k, byte in enumerate(sent[ADDRESSED:])}
            for place, byte in latest.items():
                self.content[page + place] &= byte
            self.writable, self.busy = False, ASKED
        elif sent[0] == Command.ERASE and len(sent) == ADDRESSED and self.writable:
            sector = self._address // SECTOR_BYTES * SECTOR_BYTES
            self.content[sector : sector + SECTOR_BYTES] = b"\xff" * SECTOR_BYTES
            self.writable, self.busy = False, ASKED
