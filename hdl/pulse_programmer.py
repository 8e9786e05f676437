"""Programming in a closed loop: pulses of single cells, read back through the converters until a weight is there."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from ..model.design import Design
from ..model.diagnostic_registers import DIAG_ADDRESS_BITS, DIAG_BASE
from ..model.formats import full_scale
from ..model.layers import Layer
from ..model.network import MULT_BITS, SHIFT_BITS
from ..model.pulses import (
    FAILED_KEPT,
    PULSE_REGISTERS,
    codes_a_level,
    verify_gain,
)
from .array_port import ReadSignature, SetupSignature, by_level, take_over
from .component import Component
from .pulse_state import At, State
from .pulse_twin import Pulser, PulseTwin, Verifier
from .register_twin import RegisterTwin
from .wishbone import WishboneSignature


class PulseProgrammer(Component):
    """Serves ``model.pulses`` on Wishbone, and programs weights by pulses: between the register bus and the macros.

    A ``program_strobe`` of ``level_K`` begins a weight, and its ``program_done`` ends it.

    1. PLACE: find the ADC and the step of its column, one ADC in a cycle.
    2. ERASE: strong RESET pulses to both cells of the pair.
    3. READ, CONVERT: its row alone at full scale, all others at 0 V; one conversion.
    4. JUDGE: is the level crossed? A weight is done when two readings in succession say so, and its last pulse was a
       weak one that made it larger; one at full scale after any pulse; a level of 0 also where it is near after the
       erase, and after the last pulse. Otherwise, and unless ``MOST`` pulses have been given, a PULSE: to the
       negative cell of a level below 0, else to the positive one; a SET while the level is not crossed, else a weak
       RESET. Then go to 3.
    5. END: answer. A weight that ends otherwise counts as failed.

    While a weight is programmed all rows are driven from here, and all else is passed through when none is.
    A ``cancel`` drops the conversion under way, which begins again: CONTROL.RESET leaves programming alone. ``rst``
    ends it in any cycle, and the weight then holds what it holds.

    An access takes two cycles: request, then ``ack`` or ``err``.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~.wishbone.WishboneSignature` | accesses; the word address counts from ``DIAG_BASE`` |
    | `pulsing` | out | 1 bit | a weight is being programmed |
    | `level_K` | in | :class:`~.array_port.SetupSignature` | layer K's array, as one that is programmed by levels |
    | `setup_K` | out | :class:`~.array_port.SetupSignature` | the same of its macro |
    | `core_K` | in | :class:`~.array_port.ReadSignature` | layer K's readings |
    | `array_K` | out | :class:`~.array_port.ReadSignature` | those of its macro |
    """

    latency = 1

    def __init__(self, design: Design):
        self.design = design
        members = {"bus": In(WishboneSignature(DIAG_ADDRESS_BITS - 2)), "pulsing": Out(1)}
        for index, layer in enumerate(design.layers):
            members |= {
                f"level_{index}": In(SetupSignature(by_level(layer))),
                f"setup_{index}": Out(SetupSignature(layer)),
                f"core_{index}": In(ReadSignature(layer)),
                f"array_{index}": Out(ReadSignature(layer)),
            }
        super().__init__(members)

    def model(self, registers: RegisterTwin, verify: Verifier, pulse: Pulser) -> PulseTwin:
        """Registers and programming as those of this component, after a reset, beside the other ``registers``."""
        return PulseTwin(registers, verify, pulse)

    def cycles(self, conversion: int, pulse: int = 0) -> int:
        """Cycles from one reading's ``convert`` to the next one's; ``pulse`` counts those of one between, 0: none."""
        return conversion + pulse + 2

    def elaborate(self, platform):
        m = Module()
        state = State(self.design)
        m.submodules.failed = state.failed
        m.d.comb += self.pulsing.eq(state.at != At.IDLE)
        self._layer(m, state)
        self._registers(m, state)
        self._sequence(m, state)
        for index in range(len(self.design.layers)):
            self._read_side(m, state, index)
            self._setup_side(m, state, index)
        return m

    def _layer(self, m: Module, state: "State") -> None:
        """What the weight's layer is, and what it answers."""
        elapsed = Signal(range(max(2, *(layer.conversion_cycles for layer in self.design.layers))))
        m.d.sync += elapsed.eq(Mux(state.convert, 1, elapsed + 1))
        with m.Switch(state.layer):
            for index, layer in enumerate(self.design.layers):
                array, setup = getattr(self, f"array_{index}"), getattr(self, f"setup_{index}")
                code = Signal(signed(layer.adc_bits), name=f"code_{index}")
                wide = codes_a_level(layer)
                top, half = full_scale(layer.weight_bits), max(wide // 2, 1)
                with m.Case(index):
                    m.d.comb += [
                        code.eq(Value.cast(array.codes).word_select(state.adc[: _index_bits(layer)], layer.adc_bits)),
                        state.seen.eq(code),
                        state.ended.eq(
                            elapsed == layer.conversion_cycles - 1 if layer.conversion_cycles else array.done
                        ),
                        state.answered.eq(setup.program_done),
                        state.columns.eq(layer.columns),
                        state.share.eq(Mux(state.spare, layer.spares, layer.conversions)),
                        state.target.eq(state.level * wide),
                        state.full.eq((state.level == top) | (state.level == -top)),
                        state.near.eq((state.code >= -half) & (state.code < half)),
                        state.far.eq((state.missing >> wide.bit_length() - 1) >= state.strong_from),
                        state.cancel.eq(setup.cancel),
                    ]

    def _registers(self, m: Module, state: "State") -> None:
        """Decides an access in its cycle, answers in the next."""
        bus = self.bus
        access, refuse = Signal(), Signal(init=1)
        m.d.comb += access.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err)
        m.d.sync += [bus.ack.eq(access & ~refuse), bus.err.eq(access & refuse)]
        port = state.failed_read
        m.d.comb += port.addr.eq(state.shown)
        read = {
            "PULSE_LIMITS": Cat(state.most, state.erase, state.strong_from),
            "PULSES": state.pulses,
            "FAILURES": state.failures,
            "FAILED_AT": state.shown,
            "FAILED": port.data,
        }
        refused = {"PULSE_LIMITS": self.pulsing, "PULSES": self.pulsing, "FAILED_AT": 0}
        written = {}
        with m.Switch(bus.adr):
            for register in PULSE_REGISTERS:
                number, name = (register.address - DIAG_BASE) // 4, register.name
                with m.Case(number):
                    m.d.sync += bus.dat_r.eq(read[name])
                    if name == "FAILED":
                        m.d.comb += refuse.eq(bus.we | (state.failures <= state.shown))
                    elif register.access == "ro":
                        m.d.comb += refuse.eq(bus.we)
                    else:
                        m.d.comb += refuse.eq(bus.we & (~bus.sel.all() | refused[name]))
                written[name] = access & ~refuse & bus.we & (bus.adr == number)
        with m.If(written["PULSE_LIMITS"]):
            m.d.sync += Cat(state.most, state.erase, state.strong_from).eq(bus.dat_w)
        with m.If(written["FAILED_AT"]):
            m.d.sync += state.shown.eq(bus.dat_w)
        # A device that pulses refuses to be cleared, so what counts comes in other cycles.
        with m.If(written["PULSES"]):
            m.d.sync += [state.pulses.eq(0), state.failures.eq(0)]
        with m.If(state.strobe & ~state.pulses.all()):
            m.d.sync += state.pulses.eq(state.pulses + 1)
        write = state.failed_write
        m.d.comb += [
            write.en.eq(state.fails & (state.failures < FAILED_KEPT)),
            write.addr.eq(state.failures),
            write.data.eq(Cat(state.row, state.column)),
        ]
        with m.If(state.fails & ~state.failures.all()):
            m.d.sync += state.failures.eq(state.failures + 1)

    def _sequence(self, m: Module, state: "State") -> None:
        """From a weight's strobe to its answer."""
        m.d.sync += [state.convert.eq(0), state.strobe.eq(0)]
        with m.Switch(state.at):
            with m.Case(At.IDLE):
                self._begin(m, state)
            with m.Case(At.PLACE):
                self._place(m, state)
            with m.Case(At.ERASE):
                with m.If(state.left != 0):
                    m.d.sync += [state.left.eq(state.left - 1), state.at.eq(At.ERASING)]
                    m.d.sync += [state.strobe.eq(1), state.up.eq(0), state.strong.eq(1)]
                with m.Elif(~state.cell):
                    m.d.sync += [state.cell.eq(1), state.left.eq(state.erase)]
                with m.Else():
                    m.d.sync += [state.cell.eq(state.level[-1]), state.at.eq(At.READ)]
            with m.Case(At.ERASING), m.If(state.answered):
                m.d.sync += state.at.eq(At.ERASE)
            with m.Case(At.READ):
                m.d.sync += [state.convert.eq(1), state.at.eq(At.CONVERT)]
            with m.Case(At.CONVERT):
                m.d.sync += state.code.eq(state.seen)
                with m.If(state.cancel):
                    m.d.sync += state.at.eq(At.READ)
                with m.Elif(~state.convert & state.ended):
                    m.d.sync += state.at.eq(At.JUDGE)
            with m.Case(At.JUDGE):
                self._judge(m, state)
            with m.Case(At.PULSE), m.If(state.answered):
                m.d.sync += state.at.eq(At.READ)
            with m.Case(At.END):
                m.d.sync += state.at.eq(At.IDLE)

    def _begin(self, m: Module, state: "State") -> None:
        for index in range(len(self.design.layers)):
            level = getattr(self, f"level_{index}")
            with m.If(level.program_strobe):
                m.d.sync += [
                    state.at.eq(At.PLACE),
                    state.layer.eq(index),
                    state.row.eq(level.program_row),
                    state.column.eq(level.program_column),
                    state.rest.eq(level.program_column),
                    state.level.eq(level.program_level.as_signed()),
                    Cat(state.adc, state.spare, state.cell, state.sure, state.count).eq(0),
                    Cat(state.up, state.strong).eq(0),
                    state.left.eq(state.erase),
                ]

    def _place(self, m: Module, state: "State") -> None:
        """Count the ADCs before the column's, and what is left of its number is its step; of a spare it is 0."""
        with m.If(~state.spare & (state.rest >= state.columns)):
            m.d.sync += [state.rest.eq(state.rest - state.columns), state.spare.eq(1)]
        with m.Elif(state.rest >= state.share):
            m.d.sync += [state.rest.eq(state.rest - state.share), state.adc.eq(state.adc + 1)]
        with m.Else():
            m.d.sync += [state.step.eq(Mux(state.spare, 0, state.rest)), state.at.eq(At.ERASE)]

    def _judge(self, m: Module, state: "State") -> None:
        below, crossed, good, up = state.level[-1], Signal(), Signal(), ~state.crossed
        erased = (state.level == 0) & state.near & ((state.count == 0) | (state.count == state.most))
        m.d.comb += [
            crossed.eq(state.crossed),
            good.eq((crossed & (state.full | (state.up & ~state.strong))) | erased),
            state.fails.eq(~good & (state.count == state.most)),
        ]
        m.d.sync += state.sure.eq(good)
        with m.If((good & state.sure) | state.fails):
            m.d.sync += state.at.eq(At.END)
        with m.Elif(good):
            m.d.sync += state.at.eq(At.READ)
        with m.Else():
            m.d.sync += [
                state.at.eq(At.PULSE),
                state.strobe.eq(1),
                state.cell.eq(below),
                state.up.eq(up),
                state.strong.eq(up & (state.full | state.far)),
                state.count.eq(state.count + 1),
            ]

    def _read_side(self, m: Module, state: "State", index: int) -> None:
        """A layer's array, read from here while a weight is programmed."""
        layer = self.design.layers[index]
        core, array = getattr(self, f"core_{index}"), getattr(self, f"array_{index}")
        bits = [layer.input_bits] * layer.inputs + [layer.dac_bits] * layer.hidden
        rows = [Mux(state.row == row, Const(full_scale(width), width), 0) for row, width in enumerate(bits)]
        convert, bias = state.convert & (state.layer == index), state.row == layer.inputs + layer.hidden
        take_over(m, core, array, self.pulsing, rows, state.step, convert, bias)

    def _setup_side(self, m: Module, state: "State", index: int) -> None:
        """What a layer's macro is set to: its gains, and the pulse; all else as the register bus has it."""
        layer, mine = self.design.layers[index], self.pulsing
        level, setup = getattr(self, f"level_{index}"), getattr(self, f"setup_{index}")
        kept = {"program_level", "program_cell", "program_up", "program_strong", "program_strobe", "program_done"}
        kept |= {"mult", "shift", "sealed"}
        m.d.comb += [
            getattr(setup, name).eq(getattr(level, name)) for name in setup.signature.members if name not in kept
        ]
        own = {"mult": Signal(MULT_BITS, name=f"mult_{index}"), "shift": Signal(SHIFT_BITS, name=f"shift_{index}")}
        for full in (0, 1):
            gains = [verify_gain(layer, row, bool(full)) for row in (0, layer.rows - 1)]
            for name, (inputs, others) in zip(own, zip(*gains)):
                with m.If(state.full == full):
                    m.d.comb += own[name].eq(Mux(state.row < layer.inputs, inputs, others))
        for name, gain in own.items():
            m.d.comb += [
                getattr(setup, name)[gate].eq(Mux(mine, gain, getattr(level, name)[gate]))
                for gate in range(layer.gates)
            ]
        here = state.layer == index
        m.d.comb += [
            setup.program_cell.eq(state.cell),
            setup.program_up.eq(state.up),
            setup.program_strong.eq(state.strong),
            setup.program_strobe.eq(state.strobe & here),
            level.program_done.eq(Mux(mine, (state.at == At.END) & here, setup.program_done)),
            level.sealed.eq(setup.sealed),
        ]


def _index_bits(layer: Layer) -> int:
    return max((layer.adcs - 1).bit_length(), 1)
