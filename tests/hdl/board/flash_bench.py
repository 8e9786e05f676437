"""A flash in the simulator, before a flash in numbers: at a component's pins bit by bit, or in a master's place."""

from ohmgate.hdl.board.spi_flash import SpiFlash
from ohmgate.model.flash import FlashLayout, Record

LAYOUT = FlashLayout(0x10000, 0x10000)


def flash_of(*slots: tuple[Record, bytes] | None) -> SpiFlash:
    """A flash with a record and frames in slots A and B."""
    flash = SpiFlash(0x40000)
    for index, slot in enumerate(slots):
        if slot is not None:
            at, (record, frames) = LAYOUT.address(index), slot
            flash.content[at : at + 28] = record.pack()
            flash.content[at + 256 : at + 256 + len(frames)] = frames
    return flash


def pins(dut, flash: SpiFlash, commands: list[bytes] | None = None):
    """A background test bench: bytes cross between ``dut`` and ``flash``; ``commands`` gets what was sent in each."""

    async def run(ctx):
        selected = high = bits = value = 0
        out = 0xFF
        while True:
            _, _, select, clock, copi = await ctx.tick().sample(dut.select, dut.clock, dut.copi)
            if select != selected:
                assert not clock
                assert bits % 8 == 0, "a command has whole bytes"
                if not select and commands is not None:
                    commands.append(bytes(flash.sent))
                flash.select(bool(select))
                selected, bits, out = select, 0, 0xFF
            if clock > high:  # rising: both take a bit
                value, bits = value << 1 & 0xFF | copi, bits + 1
                if bits % 8 == 0:
                    flash.takes(value)
            if clock < high and bits % 8 == 0:
                out = flash.sends()
            high = clock
            if not clock:
                ctx.set(dut.cipo, out >> 7 - bits % 8 & 1)

    return run


def bytes_of(spi, flash: SpiFlash, commands: list[bytes]):
    """A background test bench in the place of a master that takes two cycles for a byte; ``commands`` as above."""

    async def run(ctx):
        selected = 0
        while True:
            _, _, select, start, data = await ctx.tick().sample(spi.select, spi.start, spi.data)
            if select != selected:
                if not select:
                    commands.append(bytes(flash.sent))
                flash.select(bool(select))
                selected = select
            if start:
                ctx.set(spi.received, flash.exchange(data) ^ 0x99)
                ctx.set(spi.busy, 1)
                await ctx.tick()
                ctx.set(spi.received, ctx.get(spi.received) ^ 0x99)
                ctx.set(spi.busy, 0)

    return run
