"""Register bus: every register's access rule. (What loading puts on the ports: tests/firmware.)"""

import pytest

from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME, ID_VALUE, LOAD_REGISTERS, REGISTERS, VERSION_VALUE
from tests.hdl.simulate import simulate

DESIGN = Design("bus", (
    LstmLayer(inputs=2, hidden=2, adcs=4, adc_bits=3, activation_bits=5),
    DenseLayer(inputs=2, outputs=3, adcs=3, weight_bits=2, output="argmax"),
))  # fmt: skip
FINGERPRINT = int(DESIGN.fingerprint, 16)
CHANGING = {"CONTROL", "UNLOCK_LOW", "UNLOCK_HIGH", "LAYER"}  # have tests of their own


def with_bus(body):
    """Run ``body(access)``; ``await access(name or address, value)`` gives the word read, or None for an error."""
    dut = RegisterBus(DESIGN)

    async def testbench(ctx):
        async def access(where, value=None, sel=0xF, **inputs):
            address = BY_NAME[where].address if isinstance(where, str) else where
            for name, level in inputs.items():
                ctx.set(getattr(dut, name), level)
            for name, level in (("adr", address // 4), ("we", value is not None), ("dat_w", value or 0),
                                ("sel", sel), ("cyc", 1), ("stb", 1)):  # fmt: skip
                ctx.set(getattr(dut.bus, name), level)
            read, ack, err = (
                await ctx.tick().sample(dut.bus.dat_r, dut.bus.ack, dut.bus.err).until(dut.bus.ack | dut.bus.err)
            )
            assert ack + err == 1
            ctx.set(dut.bus.cyc, 0)
            ctx.set(dut.bus.stb, 0)
            await ctx.tick()
            return read if ack else None

        await body(access)

    simulate(dut, testbench)


async def unlock(access):
    await access("UNLOCK_LOW", FINGERPRINT & 0xFFFFFFFF)
    await access("UNLOCK_HIGH", FINGERPRINT >> 32)


@pytest.mark.parametrize("register", REGISTERS, ids=lambda r: r.name)
def test_access_rule(register):
    name = register.name

    async def body(access):
        await unlock(access)
        before = await access(name)
        assert before is not None, "every register can be read"
        if register.access == "ro":
            assert await access(name, 0xFFFFFFFF) is None
            if name != "STATUS":  # which notes the refusal
                assert await access(name) == before
        elif register.access == "wo":
            assert before == 0
            assert await access(name, 1) is not None
            assert await access(name) == 0
        elif name not in CHANGING:
            legal = register.pack(**{f.name: (1 << f.width) - 1 for f in register.fields}) or 0xA5
            assert await access(name, legal) is not None
            assert await access(name) == legal
        if register.access != "ro":
            assert await access(name, 0, sel=0b0111) is None, "part of a word"

    with_bus(body)


def test_identification_and_geometry():
    async def body(access):
        assert await access("ID") == ID_VALUE
        assert await access("VERSION") == VERSION_VALUE
        assert await access("FINGERPRINT_HIGH") << 32 | await access("FINGERPRINT_LOW") == FINGERPRINT
        assert await access("LAYERS") == 2
        for index, (layer, table_bits) in enumerate(zip(DESIGN.layers, (5, 0))):
            assert await access("LAYER", index) is not None
            assert await access("LAYER") == index
            assert BY_NAME["GEOMETRY"].unpack(await access("GEOMETRY")) == {
                "ROWS": layer.rows, "COLUMNS": layer.columns,
            }  # fmt: skip
            assert BY_NAME["FORMAT"].unpack(await access("FORMAT")) == {
                "DAC_BITS": 4, "WEIGHT_BITS": layer.weight_bits, "ADC_BITS": layer.adc_bits,
                "TABLE_BITS": table_bits, "GATES": layer.gates,
            }  # fmt: skip
        assert await access("LAYER", 2) is None

    with_bus(body)


def test_addresses_without_a_register_are_refused():
    async def body(access):
        known = {register.address for register in REGISTERS}
        for address in range(0, 128, 4):
            assert (await access(address) is not None) == (address in known)

    with_bus(body)


def test_loading_is_refused_while_locked_and_while_enabled():
    async def body(access):
        for name in LOAD_REGISTERS:
            assert await access(name, 1) is None
        assert await access("CONTROL", 1) is None
        await unlock(access)
        assert await access("CONTROL", 1) is not None
        assert await access("CONTROL") == 1
        for name in LOAD_REGISTERS:
            assert await access(name, 1) is None
        await access("CONTROL", 0)
        for name in LOAD_REGISTERS:
            assert await access(name, 1) is not None

    with_bus(body)


def test_a_wrong_fingerprint_locks_and_disables():
    async def body(access):
        await unlock(access)
        await access("CONTROL", 1)
        await access("UNLOCK_HIGH", (FINGERPRINT >> 32) ^ 1)
        status = BY_NAME["STATUS"].unpack(await access("STATUS"))
        assert (status["UNLOCKED"], status["REFUSED"]) == (0, 1)
        assert await access("CONTROL") == 0
        assert await access("UNLOCK_HIGH") == (FINGERPRINT >> 32) ^ 1

    with_bus(body)


def test_accesses_outside_the_layer_are_refused():
    async def body(access):
        await unlock(access)
        await access("LAYER", 1)
        assert await access("GAIN", BY_NAME["GAIN"].pack(MULT=1, GATE=1)) is None
        assert await access("TABLE_DATA", 1) is None  # argmax has no table
        await access("COLUMN", 3)
        assert await access("LEVEL", 1) is None
        await access("COLUMN", 2)
        await access("ROW", 3)
        assert await access("LEVEL", 1) is None
        assert BY_NAME["STATUS"].unpack(await access("STATUS"))["ERROR"] == 1
        await access("CONTROL", BY_NAME["CONTROL"].pack(CLEAR=1))
        assert BY_NAME["STATUS"].unpack(await access("STATUS"))["ERROR"] == 0

    with_bus(body)


def test_counters_count_and_clear():
    async def body(access):
        await access("ID", cell_saturations=65535, adc_saturations=3, busy=1, step_taken=1)
        counts = [await access(name) for name in RegisterBus.COUNTERS]
        assert counts[0] > 0
        assert counts[1] > counts[0]  # read later
        assert counts[2] % 65535 == 0
        assert counts[3] % 3 == 0
        await access("ID", cell_saturations=0, adc_saturations=0, busy=0, step_taken=0)
        await access("CONTROL", BY_NAME["CONTROL"].pack(CLEAR=1))
        assert [await access(name) for name in RegisterBus.COUNTERS] == [0, 0, 0, 0]

    with_bus(body)
