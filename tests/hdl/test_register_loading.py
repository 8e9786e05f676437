"""Register bus: what writes to the loading registers put on the ports, how addresses advance, what is refused."""

import pytest

from ohmgate.model.registers import BY_NAME
from tests.hdl.bus_bench import DESIGN, Cells, with_bus

LSTM, TABLE, HEAD = range(3)  # layers of DESIGN: 4 tables of 8 entries, one of 4, none
COMMAND = {name: BY_NAME[name].pack for name in ("GAIN", "TABLE_ADDRESS", "CONTROL")}


def table_writes(seen: list):
    """A background test bench that notes (layer, gate, entry, data) of every cycle with ``en``."""

    async def watch(dut, ctx):
        ports = [getattr(dut, f"table_{k}") for k in (LSTM, TABLE)]
        while True:
            _, _, *values = await ctx.tick().sample(*(v for p in ports for v in (p.en, p.gate, p.entry, p.data)))
            for layer in (LSTM, TABLE):
                enable, *write = values[4 * layer : 4 * layer + 4]
                if enable:
                    seen.append((layer, *write))

    return watch


@pytest.mark.parametrize("layer, gates, entries", [(LSTM, 4, 8), (TABLE, 1, 4)])
def test_table_addresses_advance_through_entries_and_gates(layer, gates, entries):
    """From any entry: to the next one, after the last to the next gate, and never past the last gate."""
    seen = []
    last = gates * entries
    top = 2 ** DESIGN.layers[layer].output_bits - 1 if layer == TABLE else 31

    async def body(bus):
        await bus.unlock()
        await bus.write(LAYER=layer)
        for start in (0, 1, entries - 1, last - 2, last - 1):
            seen.clear()
            await bus.write(TABLE_ADDRESS=COMMAND["TABLE_ADDRESS"](ENTRY=start % entries, GATE=start // entries))
            for number in range(start, last):
                address = await bus.read("TABLE_ADDRESS")
                assert address == {"ENTRY": number % entries, "GATE": number // entries}
                await bus.write(TABLE_DATA=0xFFFF00 + number % (top + 1))
            assert seen == [(layer, n // entries, n % entries, n % (top + 1)) for n in range(start, last)]
            assert await bus.read("TABLE_ADDRESS") == {"ENTRY": 0, "GATE": gates % 4}

    with_bus(body, table_writes(seen))


@pytest.mark.parametrize("layer, gate, entry", [
    (LSTM, 0, 8), (LSTM, 3, 8), (LSTM, 0, 16), (LSTM, 1, 0xFFFF),
    (TABLE, 1, 0), (TABLE, 2, 1), (TABLE, 3, 3), (TABLE, 0, 4), (TABLE, 0, 0x8000),
    (HEAD, 0, 0), (HEAD, 3, 0), (HEAD, 0, 0xFFFF),
])  # fmt: skip
def test_a_table_entry_that_the_layer_does_not_have_is_refused(layer, gate, entry):
    seen = []

    async def body(bus):
        await bus.unlock()
        await bus.write(LAYER=layer, TABLE_ADDRESS=COMMAND["TABLE_ADDRESS"](ENTRY=entry, GATE=gate))
        assert await bus.access("TABLE_DATA", 1) is None
        assert await bus.read("TABLE_ADDRESS") == {"ENTRY": entry, "GATE": gate}, "nothing advanced"
        assert (await bus.read("STATUS"))["ERROR"] == 1

    with_bus(body, table_writes(seen))
    assert seen == []


def test_gains_go_to_one_gate_of_one_layer():
    async def body(bus):
        await bus.unlock()
        expected = {(layer, gate): (0, 0) for layer, x in enumerate(DESIGN.layers) for gate in range(x.gates)}
        for number, (layer, gate) in enumerate([*expected, *reversed(expected)]):
            mult, shift = 255 - number, 63 - number
            await bus.write(LAYER=layer, GAIN=COMMAND["GAIN"](MULT=mult, SHIFT=shift, GATE=gate) | 0xFFFC0000)
            expected[layer, gate] = mult, shift
            for (at, g), gain in expected.items():
                setup = getattr(bus.dut, f"setup_{at}")
                assert (bus.ctx.get(setup.mult[g]), bus.ctx.get(setup.shift[g])) == gain
        for layer in (TABLE, HEAD):
            await bus.write(LAYER=layer)
            for gate in (1, 2, 3):
                assert await bus.access("GAIN", COMMAND["GAIN"](MULT=1, GATE=gate)) is None

    with_bus(body)


@pytest.mark.parametrize("layer", [LSTM, TABLE, HEAD])
def test_cell_addresses_advance_through_columns_and_rows(layer):
    """From any cell: to the next column, after the last to the next row, and never past the last row."""
    rows, columns, bits = ((5, 8, 4), (3, 4, 2), (5, 3, 2))[layer]
    cells = Cells()

    async def body(bus):
        await bus.unlock()
        await bus.write(LAYER=layer)
        for start in (0, columns - 1, columns, rows * columns - 2, rows * columns - 1):
            cells.seen.clear()
            await bus.write(ROW=start // columns, COLUMN=start % columns)
            for number in range(start, rows * columns):
                assert [await bus.access(name) for name in ("ROW", "COLUMN")] == list(divmod(number, columns))
                await bus.write(LEVEL=number % 2**bits)
            assert cells.seen == [(layer, *divmod(n, columns), n % 2**bits) for n in range(start, rows * columns)]
            assert [await bus.access(name) for name in ("ROW", "COLUMN")] == [rows, 0]
            assert await bus.access("LEVEL", 1) is None, "past the last row"

    with_bus(body, *cells.benches())


@pytest.mark.parametrize("layer, row, column", [
    (LSTM, 5, 0), (LSTM, 0, 8), (LSTM, 4, 16), (LSTM, 0x8000, 0), (TABLE, 3, 0), (TABLE, 2, 4), (HEAD, 5, 2),
    (HEAD, 0, 3), (HEAD, 0, 0xFFFF), (HEAD, 0xFFFF, 0),
])  # fmt: skip
def test_a_cell_that_the_layer_does_not_have_is_refused(layer, row, column):
    cells = Cells()

    async def body(bus):
        await bus.unlock()
        await bus.write(LAYER=layer, ROW=row, COLUMN=column)
        assert await bus.access("LEVEL", 1) is None
        assert [await bus.access(name) for name in ("ROW", "COLUMN")] == [row, column], "nothing advanced"
        assert await bus.read("STATUS") == {"UNLOCKED": 1, "REFUSED": 0, "BUSY": 0, "PROGRAMMING": 0, "ERROR": 1,
                                            "SEALED": 0}  # fmt: skip

    with_bus(body, *cells.benches())
    assert cells.seen == []


@pytest.mark.parametrize("layer", [LSTM, TABLE, HEAD])
def test_while_a_cell_is_programmed(layer):
    """STATUS says so; the next LEVEL waits; all else is answered, an illegal LEVEL too; other layers' done is nothing."""

    async def body(bus):
        ctx, setups = bus.ctx, [getattr(bus.dut, f"setup_{k}") for k in range(3)]

        async def done(index):
            ctx.set(setups[index].program_done, 1)
            await ctx.tick()
            ctx.set(setups[index].program_done, 0)

        await bus.unlock()
        await bus.write(LAYER=layer, ROW=1, COLUMN=2, LEVEL=3)
        for _ in range(3):
            assert (await bus.read("STATUS"))["PROGRAMMING"] == 1
            await bus.write(SCRATCH=5, LAYER=(layer + 1) % 3, ROW=0, COLUMN=0, TABLE_ADDRESS=1, CONTROL=0b110)
            shown = (setups[layer].program_row, setups[layer].program_column, setups[layer].program_level)
            assert [ctx.get(port) for port in shown] == [1, 2, 3], "held"
        for other in {0, 1, 2} - {layer}:
            await done(other)
        assert (await bus.read("STATUS"))["PROGRAMMING"] == 1
        await bus.write(LAYER=layer, ROW=99)
        assert await bus.access("LEVEL", 1) is None, "refused at once"
        await bus.write(ROW=2, COLUMN=0)
        bus.request("LEVEL", 2)
        for _ in range(7):
            await ctx.tick()
            assert not ctx.get(bus.dut.bus.ack | bus.dut.bus.err | setups[layer].program_strobe), "waits"
        await done(layer)
        assert not ctx.get(setups[layer].program_strobe)
        await ctx.tick()
        assert (ctx.get(bus.dut.bus.ack), ctx.get(setups[layer].program_strobe)) == (1, 1)
        assert [ctx.get(port) for port in shown] == [2, 0, 2]
        bus.release()
        await ctx.tick()
        assert not ctx.get(setups[layer].program_strobe), "for one cycle"
        assert [await bus.access(name) for name in ("ROW", "COLUMN")] == [2, 1]
        await done(layer)
        assert (await bus.read("STATUS"))["PROGRAMMING"] == 0
        await done(layer)
        assert (await bus.read("STATUS"))["PROGRAMMING"] == 0

    with_bus(body)


@pytest.mark.parametrize("cycles", [1, 2, 9])
def test_a_cell_takes_as_long_as_its_macro_says(cycles):
    cells = Cells(cycles)

    async def body(bus):
        await bus.unlock()
        await bus.write(LAYER=HEAD, ROW=0, COLUMN=0)
        for level in (1, 3, 0, 1):
            await bus.write(LEVEL=level)
        for _ in range(cycles + 2):
            await bus.ctx.tick()
        assert (await bus.read("STATUS"))["PROGRAMMING"] == 0

    with_bus(body, *cells.benches())
    assert cells.seen == [(HEAD, 0, 0, 1), (HEAD, 0, 1, 3), (HEAD, 0, 2, 0), (HEAD, 1, 0, 1)]


@pytest.mark.parametrize("layer", [LSTM, TABLE, HEAD])
def test_the_first_level_takes_the_layers_seal_before_the_cell_is_programmed(layer):
    """One cycle at a time; until the seal is gone and the cell done the device is programming, and cannot be enabled."""
    other = (layer + 1) % 3

    async def body(bus):
        ctx, setups = bus.ctx, [getattr(bus.dut, f"setup_{k}") for k in range(3)]
        shown = (setups[layer].program_row, setups[layer].program_column, setups[layer].program_level)

        def strobes() -> list[tuple[int, int, int]]:
            return [(ctx.get(s.program_strobe), ctx.get(s.seal), ctx.get(s.unseal)) for s in setups]

        def only(*strobe: int) -> list[tuple[int, int, int]]:
            return [strobe if index == layer else (0, 0, 0) for index in range(3)]

        async def done(index):
            ctx.set(setups[index].program_done, 1)
            await ctx.tick()
            ctx.set(setups[index].program_done, 0)

        bus.seal()
        await bus.unlock()
        await bus.write(LAYER=layer, ROW=1, COLUMN=2)
        bus.request("LEVEL", 3)
        await ctx.tick()
        assert (ctx.get(bus.dut.bus.ack), strobes()) == (1, only(0, 0, 1))
        bus.release()
        for _ in range(4):
            await ctx.tick()
            assert strobes() == only(0, 0, 0), "for one cycle"
        assert await bus.read("STATUS") == {
            "UNLOCKED": 1, "REFUSED": 0, "BUSY": 0, "PROGRAMMING": 1, "ERROR": 0, "SEALED": 1,
        }  # fmt: skip
        assert await bus.access("CONTROL", 1) is None, "the seal is on its way"
        await bus.write(LAYER=other, ROW=0, COLUMN=0)
        await done(other)
        assert strobes() == only(0, 0, 0), "another layer's is nothing"
        ctx.set(setups[layer].sealed, 0)
        await done(layer)
        assert strobes() == only(1, 0, 0)
        assert [ctx.get(port) for port in shown] == [1, 2, 3], "held"
        await ctx.tick()
        assert strobes() == only(0, 0, 0)
        status = await bus.read("STATUS")
        assert (status["PROGRAMMING"], status["SEALED"]) == (1, 0)
        ctx.set(setups[layer].sealed, 1)
        assert await bus.access("CONTROL", 1) is None, "a cell is on its way"
        ctx.set(setups[layer].sealed, 0)
        await done(layer)
        assert (await bus.read("STATUS"))["PROGRAMMING"] == 0
        await bus.write(LAYER=layer, ROW=2)
        bus.request("LEVEL", 1)
        await ctx.tick()
        assert strobes() == only(1, 0, 0), "there is no seal any more"
        bus.release()

    with_bus(body)


@pytest.mark.parametrize("cycles", [1, 2, 9])
def test_each_layer_has_a_seal_of_its_own(cycles):
    """The first LEVEL takes that of its layer and only that; SEAL waits for the last cell; then ENABLE is taken."""
    cells = Cells(cycles)

    async def body(bus):
        async def sealed() -> int:
            while (status := await bus.read("STATUS"))["PROGRAMMING"]:
                pass
            return status["SEALED"]

        await bus.unlock()
        for layer in (HEAD, LSTM):
            await bus.write(LAYER=layer, SEAL=0)
        assert not await sealed()
        await bus.write(LAYER=TABLE, SEAL=0xFFFFFFFF)
        assert await sealed()
        await bus.write(CONTROL=1)
        assert await bus.access("LEVEL", 1) is None, "enabled: no cell, and no seal taken"
        await bus.write(CONTROL=0)
        assert await sealed()
        for layer in (LSTM, TABLE, HEAD):
            await bus.write(LAYER=layer, ROW=99)
            assert await bus.access("LEVEL", 1) is None, "no such cell, and no seal taken"
            assert await sealed()
            await bus.write(ROW=0, COLUMN=1, LEVEL=1)
            await bus.write(LEVEL=2)
            assert not await sealed()
            await bus.write(LEVEL=3)
            await bus.write(SEAL=1)
            await bus.write(LAYER=(layer + 1) % 3)
            assert await sealed(), "that of the layer that was selected"
        await bus.write(CONTROL=1)

    with_bus(body, *cells.benches())
    third = {LSTM: (0, 3), TABLE: (0, 3), HEAD: (1, 0)}  # which has three columns
    assert cells.seen == [cell for k in third for cell in ((k, 0, 1, 1), (k, 0, 2, 2), (k, *third[k], 3))]
    given = [(HEAD, 1, 0), (LSTM, 1, 0), (TABLE, 1, 0)]
    assert cells.seals == given + [change for k in range(3) for change in ((k, 0, 3 * k), (k, 1, 3 * k + 3))]
