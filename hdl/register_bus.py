"""The register bus: identification, run control, counters, and the loading of tables, gains and weights."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, ValueLike
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..model.design import Design
from ..model.registers import (
    ADDRESS_BITS,
    BY_NAME,
    ID_VALUE,
    LOAD_REGISTERS,
    VERSION_VALUE,
    layer_fields,
    main_registers,
)
from .activation_tables import TableWriteSignature
from .array_port import SetupSignature, by_level
from .component import Component
from .diagnostics import AdjustSignature
from .register_twin import COUNTERS, RegisterTwin
from .wishbone import WishboneSignature


class RegisterBus(Component):
    """Serves ``model.registers`` on Wishbone, and drives every array's setup side.

    An access takes two cycles: request, then ``ack`` or ``err``; a legal write to LEVEL or SEAL waits while what was
    written before is being programmed. Refused with ``err``, without effect: writes to read-only registers, addresses
    without a register, writes of part of a word, loading while locked, enabled or busy, and whatever a register's own
    description refuses.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~.wishbone.WishboneSignature` | accesses |
    | `enable` | out | 1 bit | inputs are accepted |
    | `restart` | out | 1 bit | abandons sequences in flight for as long as it is high |
    | `busy` | in | 1 bit | counted in CYCLES; nothing is loaded meanwhile |
    | `step_taken` | in | 1 bit | counted in STEPS |
    | `cell_saturations` | in | 16 bits | added to CELL_SATURATIONS |
    | `adc_saturations` | in | 16 bits | added to ADC_SATURATIONS |
    | `setup_K` | out | :class:`~.array_port.SetupSignature` | gains and programming of layer K's array |
    | `table_K` | out | :class:`~.activation_tables.TableWriteSignature` | layer K's tables; only of loaded ones |
    | `too_long` | in | 1 bit | only with layers in reverse: sets SEQUENCES.TOO_LONG |
    | `diagnosing` | in | 1 bit | only with diagnostics, as all below: ENABLE is refused |
    | `adjust` | in | :class:`~.diagnostics.AdjustSignature` | what is adjusted in which array |
    | `layer` | out | 0..layers-1 | the selected layer |
    | `idle` | out | 1 bit | unlocked, not enabled and not busy |
    | `programming` | out | 1 bit | as in STATUS |
    """

    latency = 1

    def __init__(self, design: Design):
        self.design, self.registers = design, main_registers(design)
        members = {
            "bus": In(WishboneSignature(ADDRESS_BITS - 2)),
            "enable": Out(1),
            "restart": Out(1),
            "busy": In(1),
            "step_taken": In(1),
            "cell_saturations": In(16),
            "adc_saturations": In(max(16, bits_for(sum(layer.codes_at_once for layer in design.layers)))),
        }
        for index, layer in enumerate(design.layers):
            members[f"setup_{index}"] = Out(SetupSignature(by_level(layer)))
            if layer.loaded_table_bits:
                members[f"table_{index}"] = Out(TableWriteSignature(layer))
        if design.max_steps:
            members["too_long"] = In(1)
        if design.diagnostics:
            members |= {
                "diagnosing": In(1),
                "adjust": In(AdjustSignature(design)),
                "layer": Out(range(max(len(design.layers), 2))),
                "idle": Out(1),
                "programming": Out(1),
            }
        super().__init__(members)

    def model(self) -> RegisterTwin:
        """Registers that answer each access as this bus does, after a reset."""
        return RegisterTwin(self.design)

    def elaborate(self, platform):
        m = Module()
        state = _State(len(self.design.layers))
        m.d.comb += state.sealed.eq(Cat(getattr(self, f"setup_{k}").sealed for k in range(len(self.design.layers))))
        self._selected_layer(m, state)
        writes, refused = self._accesses(m, state)
        self._control(m, state, writes, refused)
        self._tables(m, state, writes)
        self._gains(m, state, writes)
        self._programming(m, state, writes)
        if self.design.diagnostics:
            self._diagnostics(m, state)
        return m

    def _selected_layer(self, m: Module, state: "_State") -> None:
        """What the selected layer is: for its registers, and for the check of what is loaded."""
        selected = state.selected
        with m.Switch(state.layer_select):
            for index, layer in enumerate(self.design.layers):
                fields = {name: BY_NAME[name].pack(**values) for name, values in layer_fields(layer).items()}
                with m.Case(index):
                    m.d.comb += [
                        state.geometry.eq(fields["GEOMETRY"]),
                        state.formats.eq(fields["FORMAT"]),
                        selected["rows"].eq(layer.rows),
                        selected["columns"].eq(layer.columns),
                        selected["entries"].eq(layer.loaded_entries),
                        selected["gates"].eq(layer.gates),
                    ]
        last_column, ends = state.column == selected["columns"] - 1, selected["columns"]
        if any(layer.spares for layer in self.design.layers):
            ends = Array(layer.all_columns for layer in self.design.layers)[state.layer_select]  # behind the spares
            last_column |= state.column == ends - 1
        # A cycle behind the registers that they compare, and in time: no access begins in the cycle of an answer.
        m.d.sync += [
            state.no_entry.eq((state.entry >= selected["entries"]) | (state.gate >= selected["gates"])),
            state.no_cell.eq((state.row >= selected["rows"]) | (state.column >= ends)),
            state.last_entry.eq(state.entry == selected["entries"] - 1),
            state.last_column.eq(last_column),
            state.has_gate.eq(Cat(selected["gates"] > gate for gate in range(4))),
        ]

    def _accesses(self, m: Module, state: "_State") -> tuple[dict[str, Value], Value]:
        """Decides an access in its cycle, answers in the next. Returns each register's accepted write; a refusal."""
        bus = self.bus
        access, respond, refuse = Signal(), Signal(init=1), Signal()
        address = Signal(ADDRESS_BITS)
        m.d.comb += [
            access.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err),
            address.eq(Cat(Const(0, 2), bus.adr)),
        ]
        m.d.sync += [bus.ack.eq(access & respond & ~refuse), bus.err.eq(access & respond & refuse)]
        read = self._readable(state)
        refused = {r.name: self._refused(r.name, state) for r in self.registers if r.access != "ro"}
        with m.Switch(address):
            for register in self.registers:
                with m.Case(register.address):
                    m.d.sync += bus.dat_r.eq(read.get(register.name, 0))
                    if register.access == "ro":
                        m.d.comb += refuse.eq(bus.we)
                    else:
                        m.d.comb += refuse.eq(bus.we & refused[register.name])
            with m.Default():
                m.d.comb += refuse.eq(1)
        programs = (address == BY_NAME["LEVEL"].address) | (address == BY_NAME["SEAL"].address)
        m.d.comb += respond.eq(~(state.programming & bus.we & programs & ~refuse))
        writes = {  # each looks at its own refusal alone
            r.name: access & bus.we & (address == r.address) & ~refused[r.name]
            for r in self.registers
            if r.access != "ro"
        }
        for name in ("LEVEL", "SEAL"):
            writes[name] &= ~state.programming
        return writes, access & respond & refuse

    def _readable(self, state: "_State") -> dict[str, ValueLike]:
        """The word of every register that does not read as 0."""
        fingerprint = int(self.design.fingerprint, 16)
        return {
            "ID": ID_VALUE,
            "VERSION": VERSION_VALUE,
            "FINGERPRINT_LOW": fingerprint & 0xFFFFFFFF,
            "FINGERPRINT_HIGH": fingerprint >> 32,
            "LAYERS": len(self.design.layers),
            "CONTROL": self.enable,
            "STATUS": Cat(
                state.unlocked, state.refused, self.busy, state.programming, state.error, state.sealed.all()
            ),
            "LAYER": state.layer_select,
            "GEOMETRY": state.geometry,
            "FORMAT": state.formats,
            "TABLE_ADDRESS": Cat(state.entry, state.gate),
            "ROW": state.row,
            "COLUMN": state.column,
            "SEQUENCES": Cat(Const(self.design.max_steps, 16), state.too_long),
            **state.word,
        }

    def _refused(self, name: str, state: "_State") -> Value:
        """Is a write to a writable register refused?"""
        data, part = self.bus.dat_w, ~self.bus.sel.all()
        if name in LOAD_REGISTERS:
            return ~state.unlocked | self.enable | state.computing | part | self._outside(name, state)
        if name == "CONTROL":
            if self.design.diagnostics:
                part |= data[0] & self.diagnosing
            return part | (data[0] & ~(state.unlocked & state.sealed.all() & ~state.programming))
        if name == "LAYER":
            bits = len(state.layer_select)
            return part | data[bits:].any() | (data[:bits] >= len(self.design.layers))
        return part

    def _outside(self, name: str, state: "_State") -> Value | int:
        """Would a write load what the selected layer does not have?"""
        if name == "GAIN":
            return ~state.has_gate.bit_select(self.bus.dat_w[16:18], 1)
        if name == "TABLE_DATA":
            return state.no_entry
        if name == "LEVEL":
            return state.no_cell
        return 0

    def _control(self, m: Module, state: "_State", writes: dict[str, Value], refused: Value) -> None:
        """Plain registers, counters, STATUS.ERROR, run control and the fingerprint."""
        data, word = self.bus.dat_w, state.word
        with m.If(writes["SCRATCH"]):
            m.d.sync += word["SCRATCH"].eq(data)
        with m.If(writes["LAYER"]):
            m.d.sync += state.layer_select.eq(data)
        self._counters(m, word)
        # A cycle late, and in time: what clears ENABLE or resets is answered before the next access begins.
        m.d.sync += state.computing.eq(self.busy & ~self.restart)
        with m.If(refused):
            m.d.sync += state.error.eq(1)
        if self.design.max_steps:
            with m.If(self.too_long):
                m.d.sync += state.too_long.eq(1)
        m.d.sync += self.restart.eq(0)
        with m.If(writes["CONTROL"]):
            m.d.sync += [self.enable.eq(data[0]), self.restart.eq(data[1])]
            with m.If(data[2]):
                m.d.sync += [state.error.eq(0), *(word[name].eq(0) for name in COUNTERS)]
                if self.design.max_steps:
                    m.d.sync += state.too_long.eq(0)
        with m.If(writes["UNLOCK_LOW"]):
            m.d.sync += word["UNLOCK_LOW"].eq(data)
        with m.If(writes["UNLOCK_HIGH"]):
            right = Cat(word["UNLOCK_LOW"], data) == int(self.design.fingerprint, 16)
            m.d.sync += [word["UNLOCK_HIGH"].eq(data), state.unlocked.eq(right), state.refused.eq(~right)]
            with m.If(~right):
                m.d.sync += self.enable.eq(0)
                if self.design.diagnostics:  # a locked device shows no codes
                    m.d.sync += self.restart.eq(1)

    def _counters(self, m: Module, word: dict[str, Signal]) -> None:
        amounts = dict(zip(COUNTERS, (self.busy, self.step_taken, self.cell_saturations, self.adc_saturations)))
        for name in ("CYCLES", "STEPS"):  # what is counted comes late: it enables, and no carry waits for it
            with m.If(amounts.pop(name) & ~word[name].all()):
                m.d.sync += word[name].eq(word[name] + 1)
        for name, amount in amounts.items():
            total = Signal(33, name=f"{name.lower()}_total")
            m.d.comb += total.eq(word[name] + amount)
            m.d.sync += word[name].eq(Mux(total[32], 0xFFFFFFFF, total))

    def _tables(self, m: Module, state: "_State", writes: dict[str, Value]) -> None:
        """Entries of tables: their address, which advances, and the ports that write them."""
        data, entry, gate = self.bus.dat_w, state.entry, state.gate
        with m.If(writes["TABLE_ADDRESS"]):
            m.d.sync += [entry.eq(data[0:16]), gate.eq(data[16:18])]
        with m.If(writes["TABLE_DATA"]):
            with m.If(state.last_entry):
                m.d.sync += [entry.eq(0), gate.eq(gate + 1)]
            with m.Else():
                m.d.sync += entry.eq(entry + 1)
        # The tables are written a cycle later: their memories may be far away.
        loaded = [(k, layer) for k, layer in enumerate(self.design.layers) if layer.loaded_table_bits]
        if not loaded:
            return
        at_gate = Signal.like(gate)
        at_entry = Signal(max(layer.sum_bits for _, layer in loaded))
        value = Signal(max(layer.loaded_table_bits for _, layer in loaded), name="table_value")
        m.d.sync += [at_gate.eq(gate), at_entry.eq(entry), value.eq(data)]
        for index, _ in loaded:
            table = getattr(self, f"table_{index}")
            m.d.sync += table.en.eq(writes["TABLE_DATA"] & (state.layer_select == index))
            m.d.comb += [table.gate.eq(at_gate), table.entry.eq(at_entry), table.data.eq(value)]

    def _gains(self, m: Module, state: "_State", writes: dict[str, Value]) -> None:
        data = self.bus.dat_w
        for index, layer in enumerate(self.design.layers):
            setup = getattr(self, f"setup_{index}")
            for number in range(layer.gates):
                with m.If(writes["GAIN"] & (state.layer_select == index) & (data[16:18] == number)):
                    m.d.sync += [setup.mult[number].eq(data[0:8]), setup.shift[number].eq(data[8:14])]

    def _programming(self, m: Module, state: "_State", writes: dict[str, Value]) -> None:
        """Cells: their address, which advances, and the ports that program them. Seals."""
        data, row, column, programming = self.bus.dat_w, state.row, state.column, state.programming
        at_row, at_column, level, strobe = Signal(16), Signal(16), Signal(8), Signal()
        at_layer = Signal.like(state.layer_select)
        sealing, unsealing = (
            Signal(),
            Signal(),
        )  # what is programmed is the seal; a cell waits for the end of `unsealing`
        starts = writes["LEVEL"] | writes["SEAL"]
        m.d.sync += strobe.eq(starts)
        with m.If(starts):
            m.d.sync += [
                at_layer.eq(state.layer_select),
                programming.eq(1),
                sealing.eq(writes["SEAL"]),
                unsealing.eq(writes["LEVEL"] & state.sealed.bit_select(state.layer_select, 1)),
            ]
        with m.If(writes["ROW"]):
            m.d.sync += row.eq(data)
        with m.If(writes["COLUMN"]):
            m.d.sync += column.eq(data)
        with m.If(writes["LEVEL"]):
            m.d.sync += [
                at_row.eq(row),
                at_column.eq(column),
                level.eq(data),
            ]
            with m.If(state.last_column):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
            with m.Else():
                m.d.sync += column.eq(column + 1)
        for index in range(len(self.design.layers)):
            setup = getattr(self, f"setup_{index}")
            here = strobe & (at_layer == index)
            m.d.comb += [
                setup.program_row.eq(at_row),
                setup.program_column.eq(at_column),
                setup.program_level.eq(level),
                setup.program_strobe.eq(here & ~sealing & ~unsealing),
                setup.seal.eq(here & sealing),
                setup.unseal.eq(here & unsealing),
                setup.cancel.eq(self.restart),
            ]
            with m.If(setup.program_done & programming & (at_layer == index)):
                m.d.sync += [programming.eq(unsealing), strobe.eq(unsealing), unsealing.eq(0)]

    def _diagnostics(self, m: Module, state: "_State") -> None:
        """What diagnostics know of the device, and what they adjust."""
        adjust = self.adjust
        m.d.comb += [
            self.layer.eq(state.layer_select),
            self.idle.eq(state.unlocked & ~self.enable & ~state.computing),
            self.programming.eq(state.programming),
        ]
        for index in range(len(self.design.layers)):
            setup = getattr(self, f"setup_{index}")
            m.d.comb += [
                setup.adjust_strobe.eq(adjust.strobe & (adjust.layer == index)),
                setup.adjust_adc.eq(adjust.adc),
                setup.adjust_what.eq(adjust.what),
                setup.adjust_value.eq(adjust.value),
            ]


class _State:
    """Registers, and what is known of the selected layer, that the parts of the register bus share."""

    def __init__(self, layers: int):
        plain = (*COUNTERS, "SCRATCH", "UNLOCK_LOW", "UNLOCK_HIGH")
        self.word = {name: Signal(32, name=name.lower()) for name in plain}
        self.layer_select = Signal(range(max(layers, 2)))
        self.entry, self.gate = Signal(16), Signal(2, name="gate")
        self.row, self.column = Signal(16), Signal(16, name="column")
        self.unlocked, self.refused, self.error, self.programming = Signal(), Signal(), Signal(), Signal()
        self.computing = Signal()
        self.too_long = Signal()  # used with layers in reverse alone
        self.sealed = Signal(layers)  # each layer's
        self.no_entry, self.no_cell, self.last_entry, self.last_column = Signal(), Signal(), Signal(), Signal()
        self.has_gate = Signal(4)
        self.geometry, self.formats = Signal(32), Signal(32, name="formats")
        names = ("rows", "columns", "entries", "gates")
        self.selected = {name: Signal(16, name=f"selected_{name}") for name in names}
