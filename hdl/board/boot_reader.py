"""What a board does with its flash at start: it looks for the newest valid slot and feeds its frames to the link."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...model.flash import CRC_AT, FRAMES_AT, MAGIC, RECORD_BYTES, SECTOR_BYTES, Command, FlashLayout
from ..component import Component
from .crc32 import Crc32
from .flash_twin import FlashTwin
from .spi_flash import SpiFlash
from .spi_master import SpiMaster, SpiSignature

CRC_BYTES = 4
KEPT_BYTES = 12  #: of a record that go through the fields: magic, generation, length
GAP = 8  #: cycles between two commands


class BootSignature(wiring.Signature):
    """Frames for the link, from the flash's side.

    While `booting`, the link hears `bytes` in place of the line, and says nothing. It tells when it is `quiet`, that
    is done with all it got, and that a request has `failed`, that is ended with another status than OK.
    """

    def __init__(self):
        super().__init__({"bytes": Out(stream.Signature(8)), "booting": Out(1), "quiet": In(1), "failed": In(1)})


class Part(enum.Enum, shape=2):
    """What is being read of a slot."""

    RECORD = 0
    FRAMES = 1
    CRC = 2  #: of the frames, in the record once more: behind the frames it leaves the CRC's residue


class BootReader(Component):
    """Wakes the flash, checks both slots as docs/link.md says, and feeds the frames of one, until a request fails.

    Both slots are read to check them, the newer valid one once more to feed it: each a byte in 42 cycles.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `spi` | out | :class:`~.spi_master.SpiSignature` | to the flash |
    | `boot` | out | :class:`BootSignature` | to the link; `booting` from reset until all is done |
    | `started` | out | 2 bits | which slot was fed, counted from 1; 0 before and for none |
    """

    def __init__(self, layout: FlashLayout, wake_cycles: int):
        self.layout, self.wake_cycles = layout, wake_cycles
        super().__init__({"spi": Out(SpiSignature()), "boot": Out(BootSignature()), "started": Out(2)})

    @property
    def latency(self) -> int:
        """Cycles from reset to the first command that reads."""
        return 2 + SpiMaster.latency + self.wake_cycles

    def model(self, flash: SpiFlash) -> FlashTwin:
        """What is fed, and ``started``."""
        return FlashTwin(self.layout, flash)

    def elaborate(self, platform):
        m = Module()
        state = _State(self)
        m.submodules.crc = state.crc
        with m.If(self.boot.failed):
            m.d.sync += state.stopped.eq(1)
        with m.FSM() as machine:
            self._wake(m, state)
            self._read(m, state)
            self._decide(m, state)
        m.d.comb += self.boot.booting.eq(~machine.ongoing("over"))
        return m

    def _wake(self, m: Module, state: "_State") -> None:
        """Sends the one byte that wakes the flash, and gives it time."""
        spi = self.spi
        with m.State("wake"):
            m.d.comb += [spi.data.eq(Command.WAKE), spi.start.eq(spi.select)]
            m.d.sync += spi.select.eq(1)
            with m.If(spi.select):
                m.next = "waking"
        with m.State("waking"), m.If(~spi.busy):
            m.d.sync += [spi.select.eq(0), state.timer.eq(self.wake_cycles - 1)]
            m.next = "gap"

    def _read(self, m: Module, state: "_State") -> None:
        """A command, then bytes: each into the CRC and the fields, or to the link."""
        spi, boot, crc, at, part, timer = self.spi, self.boot, state.crc, state.at, state.part, state.timer
        fed = state.feeding & (part == Part.FRAMES)
        m.d.comb += [crc.data.eq(spi.received.bit_select(timer[:3], 1)), boot.bytes.payload.eq(spi.received)]
        with m.State("gap"):
            m.d.sync += [timer.eq(timer - 1), at.eq(0)]
            with m.If(timer == 0):
                m.d.sync += [spi.select.eq(1), timer.eq(0)]
                m.next = "command"
        with m.State("command"):
            m.d.comb += [spi.data.eq(state.command[at[:2]]), spi.start.eq(1)]
            m.next = "commanding"
        with m.State("commanding"), m.If(~spi.busy):
            m.d.sync += at.eq(at + 1)
            m.next = "command"
            with m.If(at == 3):
                m.d.sync += [at.eq(0), state.good.eq(1)]
                m.d.comb += crc.start.eq(part != Part.CRC)
                m.next = "fetch"
        with m.State("fetch"):
            m.d.comb += spi.start.eq(1)
            m.next = "byte"
        with m.State("byte"), m.If(~spi.busy):
            m.d.comb += boot.bytes.valid.eq(fed)
            with m.If(~fed):
                m.next = "bits"
            with m.Elif(boot.bytes.ready):
                m.next = "next"
        with m.State("bits"):
            m.d.comb += crc.advance.eq(1)
            m.d.sync += timer.eq(timer + 1)
            with m.If(timer[:3] == 7):
                m.d.sync += timer.eq(0)
                m.next = "next"
        with m.State("next"):
            m.d.sync += at.eq(at + 1)
            with m.If(part == Part.FRAMES):
                m.d.sync += state.left.eq(state.left - 1)
            with m.If(part == Part.RECORD):
                with m.If(at < KEPT_BYTES):
                    m.d.sync += state.fields.eq(Cat(state.fields[8:], spi.received))
                with m.If((at < len(MAGIC)) & (spi.received != Array(MAGIC)[at[:2]])):
                    m.d.sync += state.good.eq(0)
            m.next = "fetch"
            with m.If(state.last | state.stopped):
                m.d.sync += [spi.select.eq(0), timer.eq(GAP - 1)]
                m.next = "decide"

    def _decide(self, m: Module, state: "_State") -> None:
        """Goes on behind what was read, to the other slot, to the one that is fed, or to the end."""
        part, slot = state.part, state.slot
        with m.State("decide"):
            m.next = "turn"
            with m.If((part == Part.RECORD) & state.good & state.crc.match & state.has_room):
                m.d.sync += part.eq(Part.FRAMES)
                m.next = "gap"
            with m.If((part == Part.FRAMES) & ~state.feeding):
                m.d.sync += part.eq(Part.CRC)
                m.next = "gap"
            newer = ~state.found | (state.generation > state.newest)
            with m.If((part == Part.CRC) & state.crc.match & newer):
                m.d.sync += [state.found.eq(1), state.best.eq(slot), state.newest.eq(state.generation)]
        with m.State("turn"):
            m.d.sync += [part.eq(Part.RECORD), slot.eq(1)]
            m.next = "gap"
            with m.If(state.feeding | (slot & ~state.found)):
                m.next = "drain"
            with m.Elif(slot):
                m.d.sync += [slot.eq(state.best), state.feeding.eq(1), self.started.eq(state.best + 1)]
        with m.State("drain"), m.If(self.boot.quiet):
            m.next = "over"
        with m.State("over"):
            pass


class _State:
    """Registers of the reader, and what follows from them."""

    def __init__(self, reader: BootReader):
        layout = reader.layout
        self.crc = Crc32(1)
        self.slot, self.part = Signal(), Signal(Part)
        self.feeding, self.stopped = Signal(), Signal()
        self.found, self.best, self.newest = Signal(), Signal(), Signal(32)  #: a valid slot, which, its generation
        self.fields = Signal(64)  #: of a record
        self.generation, self.length = self.fields[:32], self.fields[32:]
        self.has_room = (self.length != 0) & (self.length <= layout.room)
        self.left = self.length[: bits_for(layout.room)]  #: bytes of frames to come
        self.at, self.good = Signal(range(RECORD_BYTES)), Signal()
        self.timer = Signal(range(max(reader.wake_cycles, GAP)))
        ends = Mux(self.part == Part.CRC, CRC_BYTES - 1, RECORD_BYTES - 1)
        self.last = Mux(self.part == Part.FRAMES, self.left == 1, self.at == ends)
        a, b = (Const(layout.address(k) // SECTOR_BYTES, 8) for k in (0, 1))
        self.command = Array(
            [
                Const(Command.READ, 8),
                Mux(self.slot, b, a),
                Mux(self.part == Part.FRAMES, Const(FRAMES_AT >> 8, 8), 0),
                Mux(self.part == Part.CRC, Const(CRC_AT, 8), 0),
            ]
        )
