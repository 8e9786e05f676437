"""Diagnostics: rows, conversions and trims over the register bus, for a host that measures and repairs arrays."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out, Signature
from amaranth.utils import bits_for

from ..model.design import Design
from ..model.diagnostic_registers import (
    ADJUST_SPARE,
    DIAG_ADDRESS_BITS,
    DIAG_BASE,
    DIAG_ID_VALUE,
    DIAG_REGISTERS,
    code_words,
)
from .array_port import ReadSignature, take_over
from .component import Component
from .diagnostics_twin import Adjuster, Converter, DiagnosticsTwin
from .register_twin import RegisterTwin
from .wishbone import WishboneSignature


class AdjustSignature(Signature):
    """What is set in which macro, named from the side that sets it: see :class:`~.array_port.SetupSignature`."""

    def __init__(self, design: Design):
        self.design, layers = design, design.layers
        super().__init__(
            {
                "strobe": Out(1),
                "layer": Out(range(max(len(layers), 2))),
                "adc": Out(range(max(2, *(layer.adcs for layer in layers)))),
                "what": Out(range(ADJUST_SPARE + max(layer.spares for layer in layers))),
                "value": Out(16),
            }
        )

    def __eq__(self, other):
        return isinstance(other, AdjustSignature) and self.design == other.design


class Diagnostics(Component):
    """Serves ``model.diagnostic_registers`` on Wishbone, and stands between layers and arrays while ACTIVE.

    An access takes two cycles: request, then ``ack`` or ``err``. A read of DIAG_RESULT waits while its conversion is
    under way, and the one that begins the next step's conversion waits while a cell is being programmed. What is
    refused has no effect. Row codes, BIAS and ADVANCE keep through CONTROL.RESET.

    Outputs to an array change hands only with ACTIVE. So rows do not move between a step's last column and a next
    access, and ``convert`` comes from one side: of a layer while the device is enabled, else of here.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~.wishbone.WishboneSignature` | accesses; the word address counts from ``DIAG_BASE`` |
    | `layer` | in | 0..layers-1 | the selected layer |
    | `idle` | in | 1 bit | unlocked, not enabled and not busy: ACTIVE may be set |
    | `programming` | in | 1 bit | a cell or a seal is being programmed |
    | `restart` | in | 1 bit | clears ACTIVE, drops codes and the conversion under way |
    | `active` | out | 1 bit | arrays are read from here |
    | `converting` | out | 1 bit | from ``convert`` to the cycle in which the codes come |
    | `adjust` | out | :class:`AdjustSignature` | a trim or a spare's step |
    | `core_K` | in | :class:`~.array_port.ReadSignature` | layer K's side |
    | `array_K` | out | :class:`~.array_port.ReadSignature` | its array's side |
    """

    latency = 1

    def __init__(self, design: Design):
        self.design = design
        members = {
            "bus": In(WishboneSignature(DIAG_ADDRESS_BITS - 2)),
            "layer": In(range(max(len(design.layers), 2))),
            "idle": In(1),
            "programming": In(1),
            "restart": In(1),
            "active": Out(1),
            "converting": Out(1),
            "adjust": Out(AdjustSignature(design)),
        }
        for index, layer in enumerate(design.layers):
            members |= {f"core_{index}": In(ReadSignature(layer)), f"array_{index}": Out(ReadSignature(layer))}
        super().__init__(members)

    def model(self, registers: RegisterTwin, convert: Converter, adjust: Adjuster) -> DiagnosticsTwin:
        """Registers that answer each access as this bus does, after a reset, beside the other ``registers``."""
        return DiagnosticsTwin(registers, convert, adjust)

    def cycles(self, conversion: int) -> int:
        """Cycles from one step's ``convert`` to the next one's, at most, when a host reads bursts and never waits."""
        return conversion + 2 * max(code_words(layer) for layer in self.design.layers) - 1

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        state = _State(self.design)
        self._selected(m, state)
        done = self._accesses(m, state)

        with m.If(done["DIAG_CONTROL"]):
            m.d.sync += Cat(self.active, state.bias, state.advance).eq(bus.dat_w)
        with m.If(done["DIAG_ROW"]):
            m.d.sync += state.row.eq(bus.dat_w)
        with m.If(done["DIAG_CODE"]):
            m.d.sync += [
                Array(state.rows)[state.row[: bits_for(len(state.rows) - 1)]].eq(bus.dat_w),
                state.row.eq(state.row + 1),
            ]
        with m.If(done["DIAG_CONTROL"] & bus.dat_w[3]):
            m.d.sync += [code.eq(0) for code in state.rows]
        self._adjust(m, state, done)
        self._convert(m, state, done)
        with m.If(self.restart):
            m.d.sync += [self.active.eq(0), self.converting.eq(0), state.convert.eq(0), state.valid.eq(0)]
        for index in range(len(self.design.layers)):
            self._pass_through(m, state, index)
        return m

    def _selected(self, m: Module, state: "_State") -> None:
        """What the selected layer is."""
        beyond = Signal(3)  # row, ADC, what
        with m.Switch(self.layer):
            for index, layer in enumerate(self.design.layers):
                with m.Case(index):
                    m.d.comb += [
                        state.size.eq(code_words(layer) << 16 | layer.conversions),
                        state.adcs.eq(layer.spares << 16 | layer.adcs),
                        beyond.eq(
                            Cat(
                                state.row >= layer.inputs + layer.hidden,
                                state.adc >= layer.adcs,
                                state.what >= ADJUST_SPARE + layer.spares,
                            )
                        ),
                    ]
        # A cycle behind the registers that they compare, and in time: no access begins in the cycle of an answer.
        m.d.sync += [state.no_row.eq(beyond[0]), state.no_adjust.eq(beyond[1:].any())]

    def _accesses(self, m: Module, state: "_State") -> dict[str, Value]:
        """Decides an access in its cycle, answers in the next. Returns what is done to each register in this cycle:
        the write of one that can be written, else the read."""
        bus, data = self.bus, self.bus.dat_w
        access, refuse, wait = Signal(), Signal(init=1), Signal()
        m.d.comb += access.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err)
        m.d.sync += [bus.ack.eq(access & ~refuse & ~wait), bus.err.eq(access & refuse)]
        read = {
            "DIAG_ID": DIAG_ID_VALUE,
            "DIAG_SIZE": state.size,
            "DIAG_ADCS": state.adcs,
            "DIAG_CONTROL": Cat(self.active, state.bias, state.advance),
            "DIAG_STATUS": Cat(self.converting, state.valid),
            "DIAG_ROW": state.row,
            "DIAG_RESULT": state.codes.word_select(state.shown, 32),
            "DIAG_ADJUST_AT": Cat(state.adc, state.what),
        }
        held = ~self.active | self.converting
        refused = {
            "DIAG_CONTROL": self.converting | (data[0] & ~self.idle),
            "DIAG_ROW": ~self.active,
            "DIAG_CODE": held | state.no_row,
            "DIAG_CONVERT": held | self.programming | (data[:16] >= state.size[:16]),
            "DIAG_RESULT": ~(state.valid | self.converting),
            "DIAG_ADJUST_AT": ~self.active,
            "DIAG_ADJUST": held | state.no_adjust,
        }
        if self.design.pulsed:
            refused["DIAG_ADJUST"] |= self.programming
        done = {}
        with m.Switch(bus.adr):
            for register in DIAG_REGISTERS:
                number, name = (register.address - DIAG_BASE) // 4, register.name
                with m.Case(number):
                    m.d.sync += bus.dat_r.eq(read.get(name, 0))
                    if register.access == "ro":
                        m.d.comb += refuse.eq(bus.we | refused.get(name, 0))
                    else:
                        m.d.comb += refuse.eq(bus.we & (~bus.sel.all() | refused[name]))
                    if name == "DIAG_RESULT":
                        m.d.comb += wait.eq(~bus.we & (self.converting | (state.goes_on & self.programming)))
                done[name] = access & ~refuse & ~wait & (bus.adr == number) & (bus.we == (register.access != "ro"))
        return done

    def _adjust(self, m: Module, state: "_State", done: dict[str, Value]) -> None:
        """What DIAG_ADJUST sets goes out a cycle later: macros may be far away."""
        adjust, data = self.adjust, self.bus.dat_w
        with m.If(done["DIAG_ADJUST_AT"]):
            m.d.sync += Cat(state.adc, state.what).eq(data)
        m.d.sync += adjust.strobe.eq(done["DIAG_ADJUST"])
        with m.If(done["DIAG_ADJUST"]):
            m.d.sync += [
                adjust.layer.eq(self.layer),
                adjust.adc.eq(state.adc),
                adjust.what.eq(state.what),
                adjust.value.eq(data),
                state.adc.eq(state.adc + 1),
            ]

    def _convert(self, m: Module, state: "_State", done: dict[str, Value]) -> None:
        """One conversion: its begin, its end, its codes; and the words of these that have been read."""
        more, last_word, ended, codes = Signal(), Signal(), Signal(), Signal.like(state.codes)
        elapsed = Signal(range(max(2, *(layer.conversion_cycles for layer in self.design.layers))))
        with m.Switch(state.at_layer):
            for index, layer in enumerate(self.design.layers):
                array = getattr(self, f"array_{index}")
                with m.Case(index):
                    m.d.comb += [
                        more.eq(state.step != layer.conversions - 1),
                        last_word.eq(state.shown == code_words(layer) - 1),
                        ended.eq(elapsed == layer.conversion_cycles - 1 if layer.conversion_cycles else array.done),
                        codes.eq(array.codes),
                    ]
        m.d.comb += state.goes_on.eq(last_word & more & state.advance & self.active)
        m.d.sync += [state.convert.eq(0), elapsed.eq(elapsed + 1)]
        with m.If(self.converting & ~state.convert & ended):
            m.d.sync += [state.codes.eq(codes), state.valid.eq(1), self.converting.eq(0)]
        with m.If(done["DIAG_RESULT"]):
            m.d.sync += [
                state.shown.eq(Mux(last_word, 0, state.shown + 1)),
                state.step.eq(state.step + state.goes_on),
            ]
        with m.If(done["DIAG_CONVERT"]):
            m.d.sync += [state.shown.eq(0), state.step.eq(self.bus.dat_w), state.at_layer.eq(self.layer)]
        with m.If(done["DIAG_CONVERT"] | (done["DIAG_RESULT"] & state.goes_on)):
            m.d.sync += [self.converting.eq(1), state.convert.eq(1), state.valid.eq(0), elapsed.eq(0)]

    def _pass_through(self, m: Module, state: "_State", index: int) -> None:
        """A layer's array, read by the layer or from here."""
        layer = self.design.layers[index]
        core, array = getattr(self, f"core_{index}"), getattr(self, f"array_{index}")
        rows = [code[: layer.input_bits] for code in state.rows[: layer.inputs]]
        rows += [code[: layer.dac_bits] for code in state.rows[layer.inputs : layer.inputs + layer.hidden]]
        convert = state.convert & (state.at_layer == index)
        take_over(m, core, array, self.active, rows, state.step, convert, state.bias)


class _State:
    """Registers, and what is known of the selected layer, that the parts of the diagnostics share."""

    def __init__(self, design: Design):
        layers = design.layers
        self.bias, self.advance, self.convert, self.valid = Signal(), Signal(), Signal(), Signal()
        self.row, self.adc, self.what = Signal(16), Signal(16, name="adc"), Signal(8, name="what")
        bits = max(max(layer.input_bits, layer.dac_bits) for layer in layers)
        rows = max(layer.inputs + layer.hidden for layer in layers)
        self.rows = [Signal(bits, name=f"row_{k}") for k in range(rows)]
        self.no_row, self.no_adjust, self.goes_on = Signal(), Signal(), Signal()
        self.size, self.adcs = Signal(32, name="size"), Signal(32, name="adcs")
        self.at_layer = Signal(range(max(len(layers), 2)))  # of the conversion
        self.step = Signal(range(max(2, *(layer.conversions for layer in layers))))
        words = max(code_words(layer) for layer in layers)
        self.codes = Signal(32 * words, name="words", reset_less=True)
        self.shown = Signal(range(max(words, 2)))
