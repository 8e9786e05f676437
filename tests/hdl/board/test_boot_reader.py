"""The boot reader before a flash in numbers: which slot it feeds, byte by byte, and when it stops."""

import zlib

import pytest

from ohmgate.hdl.board.boot_reader import BootReader
from ohmgate.hdl.board.spi_master import SpiMaster
from ohmgate.model.flash import Record
from tests.hdl.board.flash_bench import LAYOUT, bytes_of, flash_of
from tests.hdl.simulate import simulate

A, B = b"\0\1\2\3\4\5", b"\xff\xfe\xfd\xfc\xfb"


def started(flash, stalls: int = 0, fails_at: int | None = None) -> tuple[bytes, int, list[bytes]]:
    """What is fed, ``started`` and the commands. The link is busy for ``stalls`` cycles before it takes a byte."""
    dut, fed, commands = BootReader(LAYOUT, 20), bytearray(), []
    boot, number = dut.boot, []

    async def link(ctx):
        waited, booting = 0, 1
        ctx.set(boot.bytes.ready, not stalls)
        while booting:
            _, _, booting, valid, payload = await ctx.tick().sample(
                boot.booting, boot.bytes.valid, boot.bytes.payload
            )
            if valid and waited == stalls:
                fed.append(payload)
                ctx.set(boot.failed, fails_at == len(fed))
            waited = 0 if waited == stalls else waited + valid
            ctx.set(boot.bytes.ready, waited == stalls)
            ctx.set(boot.quiet, not valid)
        for _ in range(20):
            busy = boot.booting | boot.bytes.valid | dut.spi.start | dut.spi.select
            assert not (await ctx.tick().sample(busy))[-1]
        number.append(ctx.get(dut.started))

    simulate(dut, link, background=[bytes_of(dut.spi, flash, commands)])
    return bytes(fed), number[0], commands


def slot(generation: int, frames: bytes, **changes) -> tuple[Record, bytes]:
    return Record(generation, len(frames), zlib.crc32(frames), 5)._replace(**changes), frames


CASES = {
    "nothing": ((None, None), b"", 0),
    "A": ((slot(1, A), None), A, 1),
    "B": ((None, slot(1, B)), B, 2),
    "B is newer": ((slot(0x00FFFFFF, A), slot(0x01000000, B)), B, 2),
    "A is newer": ((slot(0x80000000, A), slot(0x7FFFFFFF, B)), A, 1),
    "equal": ((slot(7, A), slot(7, B)), A, 1),
    "a byte of frames": ((slot(3, b"\0"), None), b"\0", 1),
    "no frames": ((slot(3, b""), slot(1, B)), B, 2),
    "too many frames": ((slot(3, A, length=0xFF01), slot(1, B)), B, 2),
    "far too many frames": ((slot(3, A, length=len(A) | 1 << 31), slot(1, B)), B, 2),
    "other frames": ((slot(3, A, crc=zlib.crc32(A) ^ 1 << 30), slot(1, B)), B, 2),
    "a longer one's record": ((slot(3, A, length=len(A) - 1), slot(1, B)), B, 2),
    "both damaged": ((slot(3, A, crc=1), slot(1, B, crc=2)), b"", 0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_newest_valid_slot_is_fed(case):
    slots, frames, number = CASES[case]
    fed, found, commands = started(flash_of(*slots))
    assert (fed, found) == (frames, number)
    twin = BootReader(LAYOUT, 1).model(flash_of(*slots))
    assert (twin.frames, twin.started) == (frames, number)
    assert commands[0] == b"\xab"
    assert {command[:1] for command in commands[1:]} == {b"\x03"}  # nothing else is asked, never a write


@pytest.mark.parametrize("bit", [0, 70, 191, 192, 223])
def test_a_record_with_a_wrong_bit_is_none(bit):
    flash = flash_of(slot(9, A), slot(1, B))
    flash.content[LAYOUT.address(0) + bit // 8] ^= 1 << bit % 8
    assert started(flash)[:2] == (B, 2)


def test_another_magic_with_its_own_crc_is_none():
    flash = flash_of(slot(9, A), slot(1, B))
    at = LAYOUT.address(0)
    flash.content[at + 3] ^= 1
    flash.content[at + 24 : at + 28] = zlib.crc32(flash.content[at : at + 24]).to_bytes(4, "little")
    assert started(flash)[:2] == (B, 2)


def test_a_link_that_is_busy_gets_every_byte_once():
    assert started(flash_of(slot(1, A)), stalls=77)[:2] == (A, 1)


def test_it_stops_when_a_request_fails():
    fed, number, _ = started(flash_of(slot(1, A)), fails_at=3)
    assert A.startswith(fed)
    assert 3 <= len(fed) <= 4
    assert number == 1


def test_it_waits_for_the_flash_to_wake():
    dut = BootReader(LAYOUT, 123)

    async def testbench(ctx):
        starts, cycles = [], 0
        while len(starts) < 2:
            _, _, start = await ctx.tick().sample(dut.spi.start)
            starts += [cycles] if start else []
            ctx.set(dut.spi.busy, len(starts) == 1 and cycles < starts[0] + SpiMaster.latency - 1)
            cycles += 1
        assert starts[1] == dut.latency

    simulate(dut, testbench)


def test_it_says_nothing_until_the_link_is_done():
    dut, commands = BootReader(LAYOUT, 20), []

    async def testbench(ctx):
        await ctx.tick().repeat(1500)
        assert len(commands) == 3
        assert ctx.get(dut.boot.booting)
        ctx.set(dut.boot.quiet, 1)
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.boot.booting)

    simulate(dut, testbench, background=[bytes_of(dut.spi, flash_of(), commands)])


def test_a_busy_flash_starts_nothing():
    """As behind a reset in an erase."""
    flash, other = flash_of(slot(1, A)), flash_of(slot(1, A))
    for device in (flash, other):
        device.asleep, device.busy = False, 1
    twin = BootReader(LAYOUT, 1).model(other)
    assert started(flash)[:2] == (twin.frames, twin.started) == (b"", 0)
