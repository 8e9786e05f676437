"""The register bus: identification, run control, counters, and the loading of tables, gains and weights."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..model.design import Design
from ..model.registers import ADDRESS_BITS, BY_NAME, ID_VALUE, LOAD_REGISTERS, REGISTERS, VERSION_VALUE
from .activation_tables import TableWriteSignature
from .array_port import SetupSignature
from .register_twin import COUNTERS, RegisterTwin
from .wishbone import WishboneSignature


class RegisterBus(wiring.Component):
    """Serves ``model.registers`` on Wishbone, and drives every array's setup side.

    An access takes two cycles: request, then ``ack`` or ``err``; a legal write to LEVEL waits while the cell before
    is being programmed. Refused with ``err``, without effect: writes to read-only registers, addresses without a
    register, writes of part of a word, loading while locked or enabled, and whatever a register's own description
    refuses.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~.wishbone.WishboneSignature` | accesses |
    | `enable` | out | 1 bit | inputs are accepted |
    | `restart` | out | 1 bit | abandons sequences in flight for as long as it is high |
    | `busy` | in | 1 bit | counted in CYCLES |
    | `step_taken` | in | 1 bit | counted in STEPS |
    | `cell_saturations` | in | 16 bits | added to CELL_SATURATIONS |
    | `adc_saturations` | in | 16 bits | added to ADC_SATURATIONS |
    | `setup_K` | out | :class:`~.array_port.SetupSignature` | gains and programming of layer K's array |
    | `table_K` | out | :class:`~.activation_tables.TableWriteSignature` | layer K's tables; only of loaded ones |
    """

    latency = 1

    def __init__(self, design: Design):
        self.design = design
        members = {
            "bus": In(WishboneSignature(ADDRESS_BITS - 2)),
            "enable": Out(1),
            "restart": Out(1),
            "busy": In(1),
            "step_taken": In(1),
            "cell_saturations": In(16),
            "adc_saturations": In(16),
        }
        for index, layer in enumerate(design.layers):
            members[f"setup_{index}"] = Out(SetupSignature(layer))
            if layer.loaded_table_bits:
                members[f"table_{index}"] = Out(TableWriteSignature(layer))
        super().__init__(members)

    def model(self) -> RegisterTwin:
        """Registers that answer each access as this bus does, after a reset."""
        return RegisterTwin(self.design)

    def elaborate(self, platform):
        m = Module()
        bus, layers = self.bus, self.design.layers
        fingerprint = int(self.design.fingerprint, 16)

        plain = (*COUNTERS, "SCRATCH", "UNLOCK_LOW", "UNLOCK_HIGH")
        word = {name: Signal(32, name=name.lower()) for name in plain}
        layer_select = Signal(range(max(len(layers), 2)))
        entry, gate = Signal(16), Signal(2)
        row, column = Signal(16), Signal(16)
        unlocked, refused, error, programming = Signal(), Signal(), Signal(), Signal()

        # What the selected layer is.
        geometry, formats = Signal(32), Signal(32)
        selected = {name: Signal(16, name=f"selected_{name}") for name in ("rows", "columns", "entries", "gates")}
        with m.Switch(layer_select):
            for index, layer in enumerate(layers):
                with m.Case(index):
                    m.d.comb += [
                        geometry.eq(BY_NAME["GEOMETRY"].pack(ROWS=layer.rows, COLUMNS=layer.columns)),
                        formats.eq(
                            BY_NAME["FORMAT"].pack(
                                DAC_BITS=layer.dac_bits,
                                WEIGHT_BITS=layer.weight_bits,
                                ADC_BITS=layer.adc_bits,
                                TABLE_BITS=layer.loaded_table_bits,
                                GATES=layer.gates,
                            )
                        ),
                        selected["rows"].eq(layer.rows),
                        selected["columns"].eq(layer.columns),
                        selected["entries"].eq(2**layer.adc_bits if layer.loaded_table_bits else 0),
                        selected["gates"].eq(layer.gates),
                    ]

        # One access: decide in the request's cycle, answer in the next.
        access, respond, refuse, accepted = Signal(), Signal(init=1), Signal(), Signal()
        address = Signal(ADDRESS_BITS)
        m.d.comb += [
            access.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err),
            accepted.eq(access & bus.we & respond & ~refuse),
            address.eq(Cat(Const(0, 2), bus.adr)),
        ]
        m.d.sync += [bus.ack.eq(access & respond & ~refuse), bus.err.eq(access & respond & refuse)]

        read = {
            "ID": ID_VALUE,
            "VERSION": VERSION_VALUE,
            "FINGERPRINT_LOW": fingerprint & 0xFFFFFFFF,
            "FINGERPRINT_HIGH": fingerprint >> 32,
            "LAYERS": len(layers),
            "CONTROL": self.enable,
            "STATUS": Cat(unlocked, refused, self.busy, programming, error),
            "LAYER": layer_select,
            "GEOMETRY": geometry,
            "FORMAT": formats,
            "TABLE_ADDRESS": Cat(entry, gate),
            "ROW": row,
            "COLUMN": column,
            **word,
        }
        writes = {
            name: accepted & (address == BY_NAME[name].address)
            for name in (r.name for r in REGISTERS)
            if BY_NAME[name].access != "ro"
        }
        with m.Switch(address):
            for register in REGISTERS:
                with m.Case(register.address):
                    if register.access != "wo":
                        m.d.sync += bus.dat_r.eq(read[register.name])
                    else:
                        m.d.sync += bus.dat_r.eq(0)
                    if register.access == "ro":
                        m.d.comb += refuse.eq(bus.we)
                    elif register.name in LOAD_REGISTERS:
                        m.d.comb += refuse.eq(
                            bus.we
                            & (
                                ~unlocked
                                | self.enable
                                | ~bus.sel.all()
                                | self._illegal(register.name, selected, gate, entry, row, column)
                            )
                        )
                    elif register.name == "CONTROL":
                        m.d.comb += refuse.eq(bus.we & (~bus.sel.all() | (bus.dat_w[0] & ~unlocked)))
                    elif register.name == "LAYER":
                        m.d.comb += refuse.eq(bus.we & (~bus.sel.all() | (bus.dat_w >= len(layers))))
                    else:
                        m.d.comb += refuse.eq(bus.we & ~bus.sel.all())
            with m.Default():
                m.d.comb += refuse.eq(1)
        m.d.comb += respond.eq(~(programming & bus.we & (address == BY_NAME["LEVEL"].address) & ~refuse))

        # Plain registers.
        with m.If(writes["SCRATCH"]):
            m.d.sync += word["SCRATCH"].eq(bus.dat_w)
        with m.If(writes["LAYER"]):
            m.d.sync += layer_select.eq(bus.dat_w)
        self._counters(m, word)
        with m.If(access & respond & refuse):
            m.d.sync += error.eq(1)

        # Control and the fingerprint.
        m.d.sync += self.restart.eq(0)
        with m.If(writes["CONTROL"]):
            m.d.sync += [self.enable.eq(bus.dat_w[0]), self.restart.eq(bus.dat_w[1])]
            with m.If(bus.dat_w[2]):
                m.d.sync += [error.eq(0), *(word[name].eq(0) for name in COUNTERS)]
        with m.If(writes["UNLOCK_LOW"]):
            m.d.sync += word["UNLOCK_LOW"].eq(bus.dat_w)
        with m.If(writes["UNLOCK_HIGH"]):
            right = Cat(word["UNLOCK_LOW"], bus.dat_w) == fingerprint
            m.d.sync += [word["UNLOCK_HIGH"].eq(bus.dat_w), unlocked.eq(right), refused.eq(~right)]
            with m.If(~right):
                m.d.sync += self.enable.eq(0)

        self._tables(m, writes, layer_select, selected, entry, gate)
        self._gains(m, writes, layer_select)
        self._programming(m, writes, layer_select, selected, row, column, programming)
        return m

    def _illegal(self, name, selected, gate, entry, row, column):
        """Is the access outside the selected layer?"""
        if name == "GAIN":
            return self.bus.dat_w[16:18] >= selected["gates"]
        if name == "TABLE_DATA":
            return (entry >= selected["entries"]) | (gate >= selected["gates"])
        if name == "LEVEL":
            return (row >= selected["rows"]) | (column >= selected["columns"])
        return 0

    def _counters(self, m, word):
        for name, amount in zip(COUNTERS, (self.busy, self.step_taken, self.cell_saturations, self.adc_saturations)):
            total = Signal(33, name=f"{name.lower()}_total")
            m.d.comb += total.eq(word[name] + amount)
            m.d.sync += word[name].eq(Mux(total[32], 0xFFFFFFFF, total))

    def _tables(self, m, writes, layer_select, selected, entry, gate):
        data = self.bus.dat_w
        with m.If(writes["TABLE_ADDRESS"]):
            m.d.sync += [entry.eq(data[0:16]), gate.eq(data[16:18])]
        with m.If(writes["TABLE_DATA"]):
            with m.If(entry == selected["entries"] - 1):
                m.d.sync += [entry.eq(0), gate.eq(gate + 1)]
            with m.Else():
                m.d.sync += entry.eq(entry + 1)
        for index, layer in enumerate(self.design.layers):
            if layer.loaded_table_bits:
                table = getattr(self, f"table_{index}")
                m.d.comb += [
                    table.en.eq(writes["TABLE_DATA"] & (layer_select == index)),
                    table.gate.eq(gate),
                    table.entry.eq(entry),
                    table.data.eq(data),
                ]

    def _gains(self, m, writes, layer_select):
        data = self.bus.dat_w
        for index, layer in enumerate(self.design.layers):
            setup = getattr(self, f"setup_{index}")
            for number in range(layer.gates):
                with m.If(writes["GAIN"] & (layer_select == index) & (data[16:18] == number)):
                    m.d.sync += [setup.mult[number].eq(data[0:8]), setup.shift[number].eq(data[8:14])]

    def _programming(self, m, writes, layer_select, selected, row, column, programming):
        data = self.bus.dat_w
        at_row, at_column, level, strobe = Signal(16), Signal(16), Signal(8), Signal()
        at_layer = Signal.like(layer_select)
        m.d.sync += strobe.eq(writes["LEVEL"])
        with m.If(writes["ROW"]):
            m.d.sync += row.eq(data)
        with m.If(writes["COLUMN"]):
            m.d.sync += column.eq(data)
        with m.If(writes["LEVEL"]):
            m.d.sync += [
                at_row.eq(row),
                at_column.eq(column),
                level.eq(data),
                at_layer.eq(layer_select),
                programming.eq(1),
            ]
            with m.If(column == selected["columns"] - 1):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
            with m.Else():
                m.d.sync += column.eq(column + 1)
        for index in range(len(self.design.layers)):
            setup = getattr(self, f"setup_{index}")
            m.d.comb += [
                setup.program_row.eq(at_row),
                setup.program_column.eq(at_column),
                setup.program_level.eq(level),
                setup.program_strobe.eq(strobe & (at_layer == index)),
                setup.cancel.eq(self.restart),
            ]
            with m.If(setup.program_done & programming & (at_layer == index)):
                m.d.sync += programming.eq(0)
