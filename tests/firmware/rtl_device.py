"""The RTL's register bus in the Amaranth simulator, as a synchronous bus: both drivers can load it."""

from functools import partial

import numpy as np
from amaranth.hdl import Cat, ResetInserter, Signal
from amaranth.sim import Simulator

from ohmgate.firmware.transactions import BusError
from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.model.design import Design
from tests.firmware.fake_device import FakeDevice

EVENTS = 10_000  #: of the simulation, more than any access takes


class SynchronousBus:
    """Reads and writes of ``dut.bus``, each of which advances the simulation until the bus answers."""

    def __init__(self, dut, *background, simulated=None):
        self.dut = dut  #: ``simulated``, if that is more than the device
        self._request, self._answer = None, None
        self._simulator = Simulator(simulated or dut)
        self._simulator.add_clock(1e-6)
        for one in (*background, self._serve):
            self._simulator.add_testbench(one, background=True)

    def read(self, address: int) -> int:
        return self._do(partial(self._access, address=address))

    def write(self, address: int, value: int) -> None:
        self._do(partial(self._access, address=address, value=value))

    def _do(self, request):
        self._request, self._answer = request, None
        for _ in range(EVENTS):
            if self._answer is not None:
                break
            self._simulator.advance()
        else:
            raise AssertionError(f"the bus has not answered after {EVENTS} events of the simulation")
        [value] = self._answer
        if value == "refused":
            raise BusError(value)
        return value

    async def _serve(self, ctx):
        while True:
            if self._request is not None:
                request, self._request = self._request, None
                self._answer = [await request(ctx)]
            await ctx.tick()

    async def _access(self, ctx, address, value=None):
        bus = self.dut.bus
        ctx.set(bus.adr, address // 4)
        ctx.set(bus.we, value is not None)
        ctx.set(bus.dat_w, value or 0)
        for signal, level in ((bus.sel, 15), (bus.cyc, 1), (bus.stb, 1)):
            ctx.set(signal, level)
        read, refused = await ctx.tick().sample(bus.dat_r, bus.err).until(bus.ack | bus.err)
        ctx.set(bus.cyc, 0)
        ctx.set(bus.stb, 0)
        return "refused" if refused else read


class RtlDevice(SynchronousBus):
    """A register bus alone; what leaves its ports is noted.

    A cell or a seal takes ``programming`` cycles. ``seen`` holds levels, seals, tables and gains as :class:`FakeDevice`
    does, ``cells`` and ``entries`` say how many arrived, ``resets`` how many cycles ``restart`` was high. It is an error
    to program two cells at once, to program one that is sealed, or to enable the device before a cell is done or with a
    seal missing. ``rst`` resets the registers.
    """

    def __init__(self, design: Design, programming: int = 3):
        self.design, self.programming = design, programming
        self.seen = FakeDevice(design)
        self.enabled = False
        self.cells = self.entries = self.resets = 0
        self._busy: set[int] = set()  # layers with a cell that is being programmed
        indices = range(len(design.layers))
        tables = [k for k in indices if design.layers[k].loaded_table_bits]
        notes = [partial(self._program, index=k) for k in indices] + [
            partial(self._note_tables, index=k) for k in tables
        ]
        self._rst = Signal()
        dut = RegisterBus(design)
        super().__init__(dut, *notes, self._watch, simulated=ResetInserter(self._rst)(dut))

    def layer_data(self, index: int):
        """What was loaded, in logical order."""
        self._do(partial(self._note_gains, index=index))
        return self.seen.layer_data(index)

    def count(self, **inputs: int) -> None:
        """Hold inputs of the register bus, such as ``cell_saturations``, for three cycles."""
        self._do(partial(self._hold, inputs=inputs))

    def reset(self) -> None:
        """Hold the reset for two cycles; whatever is being programmed ends first."""
        self._do(self._reset)

    async def _reset(self, ctx):
        while self._busy:
            await ctx.tick()
        ctx.set(self._rst, 1)
        await ctx.tick().repeat(2)
        ctx.set(self._rst, 0)

    async def _hold(self, ctx, inputs):
        for name, level in inputs.items():
            ctx.set(getattr(self.dut, name), level)
        await ctx.tick().repeat(3)
        for name in inputs:
            ctx.set(getattr(self.dut, name), 0)

    async def _note_gains(self, ctx, index):
        setup, gates = getattr(self.dut, f"setup_{index}"), range(self.design.layers[index].gates)
        self.seen.gains[index] = np.array([(ctx.get(setup.mult[gate]), ctx.get(setup.shift[gate])) for gate in gates])

    async def _program(self, ctx, index):
        setup = getattr(self.dut, f"setup_{index}")
        strobes = Cat(setup.program_strobe, setup.seal, setup.unseal)
        ports = (strobes, setup.program_row, setup.program_column, setup.program_level)
        while True:
            _, _, strobe, row, column, level = await ctx.tick().sample(*ports)
            if not strobe:
                continue
            assert not self._busy, "a cell is programmed while another one is"
            assert strobe in (1, 2, 4), "a cell or a seal"
            self._busy.add(index)
            if strobe == 1:
                assert not self.seen.seals[index], "a cell is programmed that is sealed"
                self.seen.levels[index][row, column] = level
                self.cells += 1
            for _ in range(self.programming):
                _, _, again, *held = await ctx.tick().sample(*ports)
                assert (again, held) == (0, [row, column, level]), "the cell changed while it was programmed"
            if strobe > 1:
                self.seen.seals[index] = strobe == 2
                ctx.set(setup.sealed, strobe == 2)
            ctx.set(setup.program_done, 1)
            await ctx.tick()
            ctx.set(setup.program_done, 0)
            self._busy.remove(index)

    async def _note_tables(self, ctx, index):
        table = getattr(self.dut, f"table_{index}")
        while True:
            _, _, enable, gate, entry, value = await ctx.tick().sample(table.en, table.gate, table.entry, table.data)
            if enable:
                self.seen.tables[index][gate, entry] = value
                self.entries += 1

    async def _watch(self, ctx):
        cancels = [getattr(self.dut, f"setup_{index}").cancel for index in range(len(self.design.layers))]
        while True:
            _, _, enable, restart, *cancel = await ctx.tick().sample(self.dut.enable, self.dut.restart, *cancels)
            assert not (enable and self._busy), "the device runs while a cell is being programmed"
            assert not enable or all(self.seen.seals), "the device runs without its seals"
            assert cancel == [restart] * len(cancel), "a reset cancels conversions in every array"
            self.enabled = bool(enable)
            self.resets += restart
