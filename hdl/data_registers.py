"""Time steps and results over the register bus, for a CPU without streams."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from ..model.design import Design
from ..model.registers import DATA_ADDRESS_BITS, DATA_BASE, DATA_ID_VALUE, DATA_REGISTERS, data_words
from .component import Component
from .data_twin import DataTwin
from .streams import input_stream, output_stream
from .wishbone import WishboneSignature


class DataRegisters(Component):
    """Serves ``model.registers.DATA_REGISTERS`` on Wishbone: words of a time step in, words of a result out.

    An access takes two cycles: request, then ``ack`` or ``err``. Nothing waits on the bus: a step that cannot be
    pushed, or a result that is not there, is refused with ``err``, without effect.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~.wishbone.WishboneSignature` | accesses; the word address counts from ``DATA_BASE`` |
    | `by_bus` | out | 1 bit | time steps and results go through the registers |
    | `restart` | in | 1 bit | drops words and the step that waits |
    | `x` | out | stream of m x Dx bits, marks | the step that waits to be taken |
    | `y` | in | stream of results, marks | taken by RESULT_TAKE |
    """

    latency = 1

    def __init__(self, design: Design):
        self.design = design
        super().__init__(
            {
                "bus": In(WishboneSignature(DATA_ADDRESS_BITS - 2)),
                "by_bus": Out(1),
                "restart": In(1),
                "x": Out(input_stream(design.layers[0])),
                "y": In(output_stream(design.layers[-1])),
            }
        )

    def model(self) -> DataTwin:
        """Registers that answer each access as this bus does, after a reset."""
        return DataTwin(self.design)

    def elaborate(self, platform):
        m = Module()
        bus, (input_words, result_words) = self.bus, data_words(self.design)
        written, shown = Signal(range(input_words + 1)), Signal(range(max(result_words, 2)))
        valid, full = self.by_bus & self.y.valid, written == input_words
        marks = Cat(self.y.payload.first & valid, self.y.payload.last & valid)
        read = {
            "DATA_ID": DATA_ID_VALUE,
            "DATA_SIZE": result_words << 16 | input_words,
            "DATA_CONTROL": self.by_bus,
            "DATA_STATUS": Cat(self.by_bus & ~self.x.valid, valid, marks),
            "RESULT": Cat(self.y.payload.values).word_select(shown, 32),
        }
        refused = {
            "INPUT": ~self.by_bus | self.x.valid | full,
            "INPUT_PUSH": ~self.by_bus | self.x.valid | ~full,
            "RESULT": ~valid,
            "RESULT_TAKE": ~valid,
        }
        done = self._accesses(m, read, refused)

        values = Signal(32 * input_words, reset_less=True)
        m.d.comb += [Cat(self.x.payload.values).eq(values), self.y.ready.eq(done["RESULT_TAKE"])]
        with m.If(done["INPUT"]):
            m.d.sync += [values.eq(Cat(values[32:], bus.dat_w)), written.eq(written + 1)]
        with m.If(done["INPUT_PUSH"]):
            m.d.sync += [Cat(self.x.payload.first, self.x.payload.last).eq(bus.dat_w), self.x.valid.eq(1)]
        with m.If(done["RESULT"]):
            m.d.sync += shown.eq(shown + 1)
            with m.If(shown == result_words - 1):
                m.d.sync += shown.eq(0)
        with m.If(done["RESULT_TAKE"]):
            m.d.sync += shown.eq(0)
        with m.If(done["DATA_CONTROL"]):
            m.d.sync += self.by_bus.eq(bus.dat_w[0])
        with m.If(done["DATA_CONTROL"] | self.restart | (self.x.valid & self.x.ready)):
            m.d.sync += [self.x.valid.eq(0), written.eq(0)]
        with m.If(done["DATA_CONTROL"] | self.restart):
            m.d.sync += shown.eq(0)
        return m

    def _accesses(self, m: Module, read: dict[str, Value | int], refused: dict[str, Value]) -> dict[str, Value]:
        """Decides an access in its cycle, answers in the next. Returns what is done to each register in this cycle:
        the write of one that can be written, else the read."""
        bus = self.bus
        access, refuse = Signal(), Signal()
        m.d.comb += access.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err)
        m.d.sync += [bus.ack.eq(access & ~refuse), bus.err.eq(access & refuse)]
        done = {}
        with m.Switch(bus.adr):
            for register in DATA_REGISTERS:
                with m.Case((register.address - DATA_BASE) // 4):
                    m.d.sync += bus.dat_r.eq(read.get(register.name, 0))
                    rule = refused.get(register.name, 0)
                    if register.access == "ro":
                        m.d.comb += refuse.eq(bus.we | rule)
                    else:
                        m.d.comb += refuse.eq(bus.we & (~bus.sel.all() | rule))
                    here = bus.adr == (register.address - DATA_BASE) // 4
                    done[register.name] = access & ~refuse & here & (bus.we == (register.access != "ro"))
        return done
