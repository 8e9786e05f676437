"""The flash's registers in the simulator, beside their twin: words, and what the flash gets."""

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmgate.hdl.board.flash_registers import FlashRegisters
from ohmgate.hdl.board.spi_flash import SpiFlash
from ohmgate.hdl.board.spi_master import SpiMaster
from ohmgate.hdl.component import Component
from tests.hdl.board.flash_bench import LAYOUT, pins
from tests.hdl.simulate import simulate

STATUS, COMMAND, SELECT, DATA = range(4)
REFUSED = None


class Desk(Component):
    """The registers and their master."""

    def __init__(self):
        self.registers, self.master = FlashRegisters(LAYOUT), SpiMaster()
        super().__init__({"select": Out(1), "clock": Out(1), "copi": Out(1), "cipo": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.registers, m.submodules.master = self.registers, self.master
        wiring.connect(m, self.registers.spi, self.master.spi)
        for name in ("select", "clock", "copi"):
            m.d.comb += getattr(self, name).eq(getattr(self.master, name))
        m.d.comb += self.master.cipo.eq(self.cipo)
        return m


async def access(ctx, bus, adr: int, word: int | None = None) -> tuple[int | None, int]:
    """A read, or a write, and how many cycles its answer takes."""
    for port, value in ((bus.adr, adr), (bus.we, word is not None), (bus.dat_w, word or 0), (bus.sel, 0xF)):
        ctx.set(port, value)
    ctx.set(bus.cyc, 1)
    ctx.set(bus.stb, 1)
    cycles = 0
    while not ctx.get(bus.ack | bus.err):
        await ctx.tick()
        cycles += 1
    answer = REFUSED if ctx.get(bus.err) else ctx.get(bus.dat_r)
    ctx.set(bus.cyc, 0)
    ctx.set(bus.stb, 0)
    await ctx.tick()
    assert not ctx.get(bus.ack | bus.err)
    return answer, cycles


def test_accesses_by_hand():
    dut, flash, commands = Desk(), SpiFlash(0x40000), []
    registers = dut.registers
    flash.content[0x21234:0x21238] = b"\1\2\3\4"

    async def testbench(ctx):
        async def do(adr, word=None):
            return (await access(ctx, registers.bus, adr, word))[0]

        ctx.set(registers.started, 2)
        assert await do(STATUS) == 0x2_01_01  # started with B; slot A is at sector 1, each has one
        assert await do(STATUS, 0) is REFUSED
        await do(COMMAND, 0xFFFFFFAB)
        assert await do(COMMAND) == 0
        assert await do(SELECT) == 0
        await do(SELECT, 1)
        await do(DATA, 0x34120203)
        assert await do(DATA) == 0x04030201
        assert await do(SELECT) == 1
        await do(SELECT, 0)
        await do(COMMAND, 6)
        await do(SELECT, 1)
        await do(DATA, 0x00000102)
        await do(DATA, 0xDDCCBBAA)
        await do(SELECT, 0)
        await ctx.tick()

    simulate(dut, testbench, background=[pins(dut, flash, commands)])
    assert commands == [b"\xab", b"\x03\x02\x12\x34" + bytes(4), b"\x06", b"\x02\x01\0\0\xaa\xbb\xcc\xdd"]
    assert flash.content[0x10000:0x10005] == b"\xaa\xbb\xcc\xdd\xff"


def test_any_accesses_are_the_twin_s():
    dut, rng = Desk(), np.random.default_rng(3)
    registers = dut.registers
    flash, other = SpiFlash(0x40000), SpiFlash(0x40000)
    for device in (flash, other):
        device.content[:] = bytes(k * 37 + k // 256 & 0xFF for k in range(0x40000))
    twin = registers.model(other)
    flash.asleep = False  # the twin has booted
    base = 0x420

    async def testbench(ctx):
        for _ in range(150):
            adr = int(rng.choice([STATUS, COMMAND, SELECT, DATA, DATA, DATA]))
            word = int(rng.integers(2**32)) if rng.integers(2) else None
            if word is not None and rng.integers(2):
                word = int(rng.choice([2, 3, 5, 6, 0xD8])) | word & 0xFFFFFF00
            got, cycles = await access(ctx, registers.bus, adr, word)
            want = twin.access(base + 4 * adr, word)
            assert (got is REFUSED) == (want is None)
            if word is None:
                assert got == want, (adr, word)
            sent = {COMMAND: int(word is not None), DATA: 4}.get(adr, 0)
            assert cycles == registers.latency + sent * registers.byte_cycles

    simulate(dut, testbench, background=[pins(dut, flash)])
    assert flash.content == other.content
