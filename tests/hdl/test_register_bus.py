"""Register bus: every register's access rule, status, control and counters. (Loading: test_register_loading.py.)"""

import itertools

import pytest
from amaranth.hdl import Module, Signal

from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.model.registers import BY_NAME, REGISTERS
from tests.hdl.bus_bench import DESIGN, DIAGNOSED, FINGERPRINT, Cells, with_bus
from tests.hdl.simulate import simulate

CHANGING = {"CONTROL", "UNLOCK_LOW", "UNLOCK_HIGH", "LAYER"}  # have tests of their own
WRITABLE = ("CONTROL", "SCRATCH", "UNLOCK_LOW", "UNLOCK_HIGH", "LAYER", "GAIN", "TABLE_ADDRESS", "TABLE_DATA", "ROW",
            "COLUMN", "LEVEL", "SEAL")  # fmt: skip
READ_ONLY = ("ID", "VERSION", "FINGERPRINT_LOW", "FINGERPRINT_HIGH", "LAYERS", "STATUS", "CYCLES", "STEPS",
             "CELL_SATURATIONS", "ADC_SATURATIONS", "GEOMETRY", "FORMAT")  # fmt: skip
LOADING = ("GAIN", "TABLE_ADDRESS", "TABLE_DATA", "ROW", "COLUMN", "LEVEL", "SEAL")
NOTHING = {"UNLOCKED": 0, "REFUSED": 0, "BUSY": 0, "PROGRAMMING": 0, "ERROR": 0, "SEALED": 0}  # in STATUS
COUNTERS = ("CYCLES", "STEPS", "CELL_SATURATIONS", "ADC_SATURATIONS")
AFTER_RESET = {"ID": 0x4F484D47, "VERSION": 0x02000000, "FINGERPRINT_LOW": FINGERPRINT & 0xFFFFFFFF,
               "FINGERPRINT_HIGH": FINGERPRINT >> 32, "LAYERS": 3, "GEOMETRY": 8 << 16 | 5,
               "FORMAT": 4 << 17 | 5 << 12 | 3 << 8 | 4 << 4 | 4}  # fmt: skip


def test_every_register_is_in_one_of_the_tables():
    assert sorted(WRITABLE + READ_ONLY) == sorted(register.name for register in REGISTERS)


def test_what_reads_after_a_reset():
    async def body(bus):
        for name in WRITABLE + READ_ONLY:
            assert await bus.access(name) == AFTER_RESET.get(name, 0), name

    with_bus(body)


@pytest.mark.parametrize("register", REGISTERS, ids=lambda r: r.name)
def test_access_rule(register):
    name = register.name

    async def body(bus):
        await bus.unlock()
        before = await bus.access(name)
        assert before is not None, "every register can be read"
        if name in READ_ONLY:
            assert await bus.access(name, 0xFFFFFFFF) is None
            if name != "STATUS":  # which notes the refusal
                assert await bus.access(name) == before
        elif register.access == "wo":
            assert before == 0
            await bus.access("SCRATCH", 0xFFFFFFFF)
            assert await bus.access("SCRATCH") == 0xFFFFFFFF
            assert await bus.access(name, 1) is not None
            assert await bus.access(name) == 0, "also after another word on the bus"
        elif name not in CHANGING:
            legal = register.pack(**{f.name: (1 << f.width) - 1 for f in register.fields}) or 0xA5
            assert await bus.access(name, legal) is not None
            assert await bus.access(name) == legal

    with_bus(body)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_write_of_part_of_a_word_is_refused_and_does_nothing(name):
    """All 15 partial byte selects; a read takes no notice of them."""

    async def body(bus):
        await bus.unlock()
        before = [await bus.access(one) for one in WRITABLE + READ_ONLY if one != "STATUS"]
        for sel in range(15):
            assert await bus.access(name, 1, sel=sel) is None, f"select {sel:04b}"
            assert (await bus.read("STATUS"))["ERROR"] == 1
            await bus.write(CONTROL=BY_NAME["CONTROL"].pack(CLEAR=1))
        assert await bus.read("STATUS") == NOTHING | {"UNLOCKED": 1}
        assert [await bus.access(one) for one in WRITABLE + READ_ONLY if one != "STATUS"] == before
        for sel in range(16):
            assert await bus.access("ID", sel=sel) == 0x4F484D47

    with_bus(body)


@pytest.mark.parametrize("missing", ["cyc", "stb"])
def test_nothing_is_answered_without_cycle_and_strobe(missing):
    async def body(bus):
        bus.request("SCRATCH", 7)
        bus.ctx.set(getattr(bus.dut.bus, missing), 0)
        for _ in range(5):
            await bus.ctx.tick()
            assert not bus.ctx.get(bus.dut.bus.ack | bus.dut.bus.err)
        bus.release()
        await bus.ctx.tick()
        assert await bus.access("SCRATCH") == 0

    with_bus(body)


def test_a_request_that_stays_is_answered_in_every_second_cycle():
    async def body(bus):
        bus.request("SCRATCH", 7)
        answers = []
        for _ in range(6):
            await bus.ctx.tick()
            answers.append(bus.ctx.get(bus.dut.bus.ack))
        assert answers == [1, 0, 1, 0, 1, 0]

    with_bus(body)


def test_identification_and_geometry():
    # D, W, N, table bits, gates, Dx, row tiles but one, input tile shift
    formats = [(4, 4, 3, 5, 4, 0, 0, 0), (4, 2, 2, 3, 1, 0, 0, 0), (3, 2, 4, 0, 1, 0, 0, 0)]
    sizes = [(5, 8), (3, 4), (5, 3)]

    async def body(bus):
        for index, (size, bits) in enumerate(zip(sizes, formats)):
            await bus.write(LAYER=index)
            assert await bus.access("LAYER") == index
            assert tuple((await bus.read("GEOMETRY")).values()) == size
            assert tuple((await bus.read("FORMAT")).values()) == bits
        for layer in (3, 4, 1 << 16, 0xFFFFFFFF):
            assert await bus.access("LAYER", layer) is None
        assert await bus.access("LAYER") == 2

    with_bus(body)


def test_addresses_without_a_register_are_refused():
    async def body(bus):
        known = {*range(0, 0x38, 4), *range(0x40, 0x68, 4)}
        for address in range(0, 128, 4):
            assert (await bus.access(address) is not None) == (address in known), hex(address)
            assert (await bus.read("STATUS"))["ERROR"] == (address not in known)
            await bus.write(CONTROL=BY_NAME["CONTROL"].pack(CLEAR=1))

    with_bus(body)


def test_loading_is_refused_while_locked_and_while_enabled():
    async def body(bus):
        for name in LOADING:
            assert await bus.access(name, 1) is None
        assert await bus.access("CONTROL", 1) is None
        assert await bus.access("CONTROL") == 0
        await bus.unlock()
        bus.seal()
        await bus.write(CONTROL=1)
        assert await bus.access("CONTROL") == bus.ctx.get(bus.dut.enable) == 1
        for name in LOADING:
            assert await bus.access(name, 1) is None
        await bus.write(CONTROL=0)
        assert bus.ctx.get(bus.dut.enable) == 0
        for name in LOADING:
            assert await bus.access(name, 1) is not None

    with_bus(body, *Cells().benches())


def test_loading_is_refused_while_busy():
    """After ENABLE is cleared, until what is inside is taken, or until a reset: then in the very next access."""

    async def body(bus):
        await bus.unlock()
        for name in LOADING:
            bus.hold(busy=1)
            assert await bus.access("ID") == AFTER_RESET["ID"]
            assert await bus.access(name, 1) is None
            bus.hold(busy=0)
            assert await bus.access("ID") == AFTER_RESET["ID"]
            assert await bus.access(name, 1) is not None

        bus.hold(busy=1)
        bus.request("CONTROL", BY_NAME["CONTROL"].pack(RESET=1))
        await bus.ctx.tick()
        assert bus.ctx.get(bus.dut.restart) == bus.ctx.get(bus.dut.bus.ack) == 1
        bus.request("GAIN", 7)
        await bus.ctx.tick()  # the layers are idle from here on
        bus.hold(busy=0)
        await bus.ctx.tick()
        assert bus.ctx.get(bus.dut.bus.ack) == 1
        assert bus.ctx.get(bus.dut.setup_0.mult[0]) == 7

    with_bus(body, *Cells().benches())


@pytest.mark.parametrize("seals", list(itertools.product((0, 1), repeat=3)))
def test_enable_is_refused_without_all_seals(seals):
    """And does nothing then; without ENABLE a write to CONTROL is taken."""

    async def body(bus):
        bus.seal(*seals)
        assert await bus.read("STATUS") == NOTHING | {"SEALED": int(all(seals))}
        assert await bus.access("CONTROL", 0b001) is None, "locked"
        await bus.unlock()
        await bus.write(CONTROL=0b110)
        for word in (0b001, 0b111):
            taken = await bus.access("CONTROL", word) is not None
            assert taken == bool(await bus.access("CONTROL")) == bus.ctx.get(bus.dut.enable) == all(seals)
            assert (await bus.read("STATUS"))["ERROR"] == (not taken)

    with_bus(body)


def test_enable_is_refused_while_a_host_has_the_arrays():
    """And the rest of the word does nothing then."""

    async def body(bus):
        await bus.unlock()
        bus.seal()
        bus.hold(diagnosing=1, adc_saturations=1)
        for word in (0b001, 0b011, 0b111):
            assert await bus.access("CONTROL", word) is None
            assert bus.ctx.get(bus.dut.enable) == bus.ctx.get(bus.dut.restart) == 0
        assert await bus.access("ADC_SATURATIONS") > 0
        await bus.write(CONTROL=0b110)
        bus.hold(diagnosing=0)
        await bus.write(CONTROL=1)
        assert bus.ctx.get(bus.dut.enable) == 1

    with_bus(body, design=DIAGNOSED)


def test_what_diagnostics_know_of_the_device():
    async def body(bus):
        idle = bus.dut.idle
        assert bus.ctx.get(idle) == 0, "locked"
        await bus.unlock()
        bus.seal()
        for number in (2, 0):
            await bus.write(LAYER=number)
            assert bus.ctx.get(bus.dut.layer) == number
        assert bus.ctx.get(idle) == 1
        await bus.write(CONTROL=1)
        assert bus.ctx.get(idle) == 0
        bus.hold(busy=1)
        await bus.write(CONTROL=0)
        assert bus.ctx.get(idle) == 0
        bus.hold(busy=0)
        await bus.ctx.tick()
        assert bus.ctx.get(idle) == 1
        assert bus.ctx.get(bus.dut.programming) == 0
        await bus.write(LEVEL=1)
        assert bus.ctx.get(bus.dut.programming) == 1

    with_bus(body, design=DIAGNOSED)


@pytest.mark.parametrize("design, restarts", [(DESIGN, 0), (DIAGNOSED, 1)])
def test_a_wrong_fingerprint_ends_what_a_host_measures(design, restarts):
    async def watch(dut, ctx):
        while True:
            await ctx.tick()
            seen.append(ctx.get(dut.restart))

    async def body(bus):
        await bus.unlock()
        await bus.write(UNLOCK_HIGH=0, SCRATCH=0)

    seen: list[int] = []
    with_bus(body, watch, design=design)
    assert sum(seen) == restarts


def test_adjustments_reach_their_layer():
    async def body(bus):
        for number in range(3):
            for name, level in (("strobe", 1), ("layer", number), ("adc", 2), ("what", 1), ("value", 0xABCD)):
                bus.ctx.set(getattr(bus.dut.adjust, name), level)
            await bus.ctx.tick()
            for index, layer in enumerate(DIAGNOSED.layers):
                setup = getattr(bus.dut, f"setup_{index}")
                assert bus.ctx.get(setup.adjust_strobe) == (index == number)
                assert bus.ctx.get(setup.adjust_adc) == (2 if layer.adcs > 2 else 0)
                assert (bus.ctx.get(setup.adjust_what), bus.ctx.get(setup.adjust_value)) == (1, 0xABCD)
            bus.ctx.set(bus.dut.adjust.strobe, 0)
            await bus.ctx.tick()
            strobes = [bus.ctx.get(getattr(bus.dut, f"setup_{index}").adjust_strobe) for index in range(3)]
            assert strobes == [0, 0, 0]

    with_bus(body, design=DIAGNOSED)


def test_only_the_whole_fingerprint_unlocks():
    low, high = FINGERPRINT & 0xFFFFFFFF, FINGERPRINT >> 32
    wrong = [(low ^ 1 << bit, high) for bit in range(32)] + [(low, high ^ 1 << bit) for bit in range(32)]

    async def body(bus):
        bus.seal()
        status = NOTHING | {"SEALED": 1}
        await bus.write(UNLOCK_LOW=low)
        assert await bus.read("STATUS") == status, "nothing is compared before UNLOCK_HIGH"
        for a, b in wrong:
            await bus.unlock()
            await bus.write(CONTROL=1, UNLOCK_LOW=a)
            assert await bus.read("STATUS") == status | {"UNLOCKED": 1}, "nor is anything locked"
            await bus.write(UNLOCK_HIGH=b)
            assert await bus.read("STATUS") == status | {"REFUSED": 1}
            assert [await bus.access(name) for name in ("CONTROL", "UNLOCK_LOW", "UNLOCK_HIGH")] == [0, a, b]
        await bus.unlock()
        assert await bus.read("STATUS") == status | {"UNLOCKED": 1}, "REFUSED is of the last comparison"

    with_bus(body)


@pytest.mark.parametrize("enable, reset, clear", list(itertools.product((0, 1), repeat=3)))
def test_control(enable, reset, clear):
    """ENABLE stays, RESET is high for a cycle at the layers and the arrays, CLEAR clears counters and ERROR alone."""
    pulses = []

    async def watch(dut, ctx):
        cancels = [getattr(dut, f"setup_{index}").cancel for index in range(len(DESIGN.layers))]
        while True:
            pulses.append((await ctx.tick().sample(dut.restart, *cancels))[2:])

    async def body(bus):
        await bus.unlock()
        bus.seal()
        bus.hold(busy=1, step_taken=1, cell_saturations=2, adc_saturations=3)
        await bus.access("ID", 0)
        bus.hold(busy=0, step_taken=0, cell_saturations=0, adc_saturations=0)
        counts = [await bus.access(name) for name in COUNTERS]
        assert counts == [3, 3, 6, 9], "three cycles"
        pulses.clear()
        await bus.write(SCRATCH=9, CONTROL=BY_NAME["CONTROL"].pack(ENABLE=enable, RESET=reset, CLEAR=clear))
        assert await bus.access("CONTROL") == bus.ctx.get(bus.dut.enable) == enable
        assert [await bus.access(name) for name in COUNTERS] == ([0] * 4 if clear else counts)
        assert await bus.read("STATUS") == NOTHING | {"UNLOCKED": 1, "ERROR": not clear, "SEALED": 1}
        assert await bus.access("SCRATCH") == 9
        assert set(pulses) <= {(0,) * 4, (1,) * 4}
        assert sum(restart for restart, *_ in pulses) == reset

    with_bus(body, watch)


def test_a_refused_write_to_control_does_nothing_else():
    async def body(bus):
        bus.hold(adc_saturations=1)
        assert await bus.access("CONTROL", 0b111) is None, "locked"
        bus.hold(adc_saturations=0)
        assert bus.ctx.get(bus.dut.enable) == bus.ctx.get(bus.dut.restart) == 0
        assert await bus.access("ADC_SATURATIONS") > 0
        await bus.write(CONTROL=0b110)  # without ENABLE it is not refused

    with_bus(body)


def test_status_follows_busy():
    async def body(bus):
        for busy in (0, 1, 0):
            bus.hold(busy=busy)
            assert (await bus.read("STATUS"))["BUSY"] == busy

    with_bus(body)


def test_counters_stop_at_their_end():
    """With counters that begin near it: 0xFFFFFFFF is reached, exceeded and kept."""
    dut = RegisterBus(DESIGN)
    starts = dict(zip(COUNTERS, (0xFFFFFFFD, 0xFFFFFFFE, 0xFFFE0002, 0xFFFFFFF0)))
    words = {name: Signal(32, init=start) for name, start in starts.items()}
    twin = dut.model()
    twin.words.update(starts)
    amounts = {"busy": 1, "step_taken": 1, "cell_saturations": 65535, "adc_saturations": 7}
    m = Module()
    dut._counters(m, words)

    async def testbench(ctx):
        expected = list(starts.values())
        for cycle in range(8):
            active = cycle != 1  # a cycle without anything to count
            for name, amount in amounts.items():
                ctx.set(getattr(dut, name), amount * active)
            await ctx.tick()
            twin.count(*(amount * active for amount in amounts.values()))
            expected = [min(v + a * active, 0xFFFFFFFF) for v, a in zip(expected, amounts.values())]
            assert [ctx.get(word) for word in words.values()] == expected
            assert [twin.words[name] for name in COUNTERS] == expected
        assert expected == [0xFFFFFFFF] * 4

    simulate(m, testbench)
