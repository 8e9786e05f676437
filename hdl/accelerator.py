"""The whole periphery: layers chained by streams, and the register bus."""

from itertools import pairwise
from typing import Any

import numpy as np
from amaranth.hdl import Module, Mux, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from ..model.design import Design
from ..model.diagnostic_registers import DIAG_ADDRESS_BITS
from ..model.layers import Layer
from ..model.network import Network
from ..model.reference import Result, run
from ..model.registers import ADDRESS_BITS, bus_address_bits
from .array_port import ArraySignature
from .component import Component
from .context_pair import ContextPair
from .data_registers import DataRegisters
from .dense_layer import DenseLayerCore
from .diagnostics import Diagnostics
from .direction_pair import DirectionPair
from .layer_port import turn_signature
from .lstm_layer import LstmLayerCore, trace_signature
from .pulse_programmer import PulseProgrammer
from .register_bus import RegisterBus
from .reverse_layer import ReverseLayerCore
from .rnn_layer import RnnLayerCore
from .sequencer import time_step_cycles
from .streams import input_stream, output_stream
from .wishbone import WishboneSignature, decode

CORES: dict[str, Any] = {"lstm": LstmLayerCore, "rnn": RnnLayerCore, "dense": DenseLayerCore}  #: by kind


def layer_core(
    layer: Layer, trace: bool = False, contexts: int = 1
) -> LstmLayerCore | RnnLayerCore | ReverseLayerCore | DenseLayerCore:
    """The component of a layer that so many sequences share."""
    core: Any = ReverseLayerCore if layer.reverse else CORES[layer.kind]
    return core(layer, trace, contexts)


def layer_latency(layer: Layer, contexts: int = 1) -> int:
    """``latency_of`` a layer's component."""
    return CORES[layer.kind].latency_of(layer, contexts)


def accelerator_members(design: Design, trace: bool) -> dict[str, Member]:
    """Streams ``x`` and ``y``, the register bus, and on request a trace port for each LSTM layer.

    Where sequences interleave, other layers have one, too, which says whose step is converted.
    """
    members = {
        "x": In(input_stream(design.layers[0], design.contexts)),
        "y": Out(output_stream(design.layers[-1], design.contexts)),
        "bus": In(WishboneSignature(bus_address_bits(design) - 2)),
    }
    if trace:
        for index, layer in enumerate(design.layers):
            if layer.kind == "lstm":
                members[f"trace_{index}"] = Out(trace_signature(layer, design.contexts))
            elif design.contexts > 1:
                members[f"trace_{index}"] = Out(turn_signature(design.contexts))
    return members


class Accelerator(Component):
    """Everything digital: the layers as a chain of streams, and the registers.

    Layers that are joined are one link of the chain (:class:`~.direction_pair.DirectionPair`).

    Raises :class:`~ohmgate.model.formats.DesignError` for codes wider than the RTL takes.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x Dx bits, marks, context | time steps of the first layer |
    | `y` | out | stream of results, marks, context | of the last layer: :func:`~.streams.output_layout` |
    | `bus` | in | :class:`~.wishbone.WishboneSignature` | register bus |
    | `enabled` | out | 1 bit | a network is loaded, inputs are accepted |
    | `array_K` | out | :class:`~.array_port.ArraySignature` | layer K's array |
    | `trace_K` | out | :func:`~.lstm_layer.trace_signature` | only with ``trace``, of LSTM layers, or all |
    """

    def __init__(self, design: Design, trace: bool = False):
        self.design, self.traced = design, trace
        design.check_hardware()
        members = accelerator_members(design, trace) | {"enabled": Out(1)}
        for index, layer in enumerate(design.layers):
            members[f"array_{index}"] = Out(ArraySignature(layer))
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from an input to its result, the conversions of all layers aside."""
        contexts = self.design.contexts
        return sum(layer_latency(layer, contexts) + (contexts > 1) for layer in self.design.layers)

    def cycles(self, conversion: int) -> int:
        """Cycles of a time step of the slowest layer; ``conversion`` counts where the design leaves it open."""
        contexts = self.design.contexts
        return max(
            time_step_cycles(
                layer.conversions, layer.conversion_cycles or conversion, layer_latency(layer, contexts) - 1, contexts
            )
            for layer in self.design.layers
        )

    def model(self, network: Network, codes: np.ndarray, lengths: np.ndarray | None = None) -> Result:
        """Every integer of every layer with ``network`` for DAC codes (B, T, m): the reference itself."""
        return run(network, codes, lengths)

    def elaborate(self, platform):
        m = Module()
        m.submodules.registers = registers = RegisterBus(self.design)
        diagnostics, programmer, bus = None, None, self.bus
        if self.design.diagnostics:
            diagnostics, programmer, bus = self._diagnostics(m, registers)
        if not self.design.data_registers:
            if diagnostics is None:
                wiring.connect(m, wiring.flipped(bus), registers.bus)
            else:
                decode(m, bus, registers.bus, None)
        cores = []
        for index, layer in enumerate(self.design.layers):
            core = layer_core(layer, self.traced, self.design.contexts)
            m.submodules[f"layer_{index}"] = ResetInserter(registers.restart)(core)
            cores.append(core)
            port = getattr(self, f"array_{index}")
            if diagnostics is None:
                wiring.connect(m, core.array, wiring.flipped(port.read))
            else:
                wiring.connect(m, core.array, getattr(diagnostics, f"core_{index}"))
                read = getattr(diagnostics, f"array_{index}")
                if programmer is not None:
                    wiring.connect(m, read, getattr(programmer, f"core_{index}"))
                    read = getattr(programmer, f"array_{index}")
                wiring.connect(m, read, wiring.flipped(port.read))
            setup = getattr(registers, f"setup_{index}")
            if programmer is not None:
                wiring.connect(m, setup, getattr(programmer, f"level_{index}"))
                setup = getattr(programmer, f"setup_{index}")
            wiring.connect(m, setup, wiring.flipped(port.setup))
            if layer.loaded_table_bits:
                wiring.connect(m, getattr(registers, f"table_{index}"), core.table)
            if core.traced:
                wiring.connect(m, core.trace, wiring.flipped(getattr(self, f"trace_{index}")))

        pairs = [self._pair(m, registers, cores, *group) for group in self.design.groups if len(group) == 2]
        waiting = iter(pairs)
        chain = [cores[group[0]] if len(group) == 1 else next(waiting) for group in self.design.groups]
        self._streams(m, registers, bus, chain[0], chain[-1])
        for sender, receiver in pairwise(chain):
            wiring.connect(m, sender.y, receiver.x)
        if self.design.max_steps:
            m.d.comb += registers.too_long.eq(_any([core.too_long for core in cores if core.layer.reverse]))
        lstm = [core for core in cores if core.layer.kind == "lstm"]
        m.d.comb += [
            self.enabled.eq(registers.enable),
            registers.busy.eq(
                _any([core.busy for core in cores + pairs] + ([diagnostics.converting] if diagnostics else []))
            ),
            registers.cell_saturations.eq(sum(core.cell_saturations for core in lstm)),
            registers.adc_saturations.eq(sum(core.adc_saturations for core in cores)),
        ]
        return m

    def _pair(
        self, m: Module, registers: RegisterBus, cores: list[Any], forward: int, reverse: int
    ) -> DirectionPair | ContextPair:
        """What stands before and behind two layers that are joined."""
        layers = self.design.layers[forward], self.design.layers[reverse]
        contexts = self.design.contexts
        pair = DirectionPair(*layers) if contexts == 1 else ContextPair(*layers, contexts)
        m.submodules[f"pair_{forward}"] = ResetInserter(registers.restart)(pair)
        wiring.connect(m, pair.forward_x, cores[forward].x)
        wiring.connect(m, cores[forward].y, pair.forward_y)
        wiring.connect(m, pair.reverse_x, cores[reverse].x)
        wiring.connect(m, cores[reverse].y, pair.reverse_y)
        return pair

    def _diagnostics(self, m: Module, registers: RegisterBus) -> tuple[Diagnostics, PulseProgrammer | None, Any]:
        """Diagnostics, and what programs by pulses, beside the ``registers``, which know the device; and the bus to
        all that is not theirs."""
        lower = WishboneSignature(ADDRESS_BITS + 1 - 2).create()
        m.submodules.diagnostics = diagnostics = Diagnostics(self.design)
        join(m, registers, diagnostics)
        if not self.design.pulsed:
            decode(m, self.bus, lower, diagnostics.bus)
            return diagnostics, None, lower
        upper = WishboneSignature(DIAG_ADDRESS_BITS - 2).create()
        m.submodules.programmer = programmer = PulseProgrammer(self.design)
        decode(m, self.bus, lower, upper)
        decode(m, upper, diagnostics.bus, programmer.bus)
        return diagnostics, programmer, lower

    def _streams(self, m: Module, registers: RegisterBus, bus, first, last) -> None:
        """Time steps to the ``first`` layer, results of the ``last``: streams, and data registers where there are."""
        gate = registers.enable & ~registers.restart
        valid = last.y.valid & ~registers.restart  # what waited is gone with the reset's acknowledge
        if not self.design.data_registers:
            m.d.comb += [
                first.x.payload.eq(self.x.payload),
                first.x.valid.eq(self.x.valid & gate),
                self.x.ready.eq(first.x.ready & gate),
                registers.step_taken.eq(self.x.valid & self.x.ready),
                self.y.payload.eq(last.y.payload),
                self.y.valid.eq(valid),
                last.y.ready.eq(self.y.ready),
            ]
            return
        m.submodules.data = data = DataRegisters(self.design)
        decode(m, bus, registers.bus, data.bus)
        by_bus = data.by_bus
        m.d.comb += [
            data.restart.eq(registers.restart),
            first.x.payload.eq(Mux(by_bus, data.x.payload, self.x.payload)),
            first.x.valid.eq(Mux(by_bus, data.x.valid, self.x.valid) & gate),
            data.x.ready.eq(first.x.ready & gate & by_bus),
            self.x.ready.eq(first.x.ready & gate & ~by_bus),
            registers.step_taken.eq(first.x.valid & first.x.ready),
            data.y.payload.eq(last.y.payload),
            data.y.valid.eq(valid),
            self.y.payload.eq(last.y.payload),
            self.y.valid.eq(valid & ~by_bus),
            last.y.ready.eq(Mux(by_bus, data.y.ready, self.y.ready)),
        ]


def join(m: Module, registers: RegisterBus, diagnostics: Diagnostics) -> None:
    """Connect what the two blocks of registers know of each other; ``registers.busy`` is the caller's."""
    wiring.connect(m, diagnostics.adjust, registers.adjust)
    m.d.comb += [
        registers.diagnosing.eq(diagnostics.active),
        diagnostics.layer.eq(registers.layer),
        diagnostics.idle.eq(registers.idle),
        diagnostics.programming.eq(registers.programming),
        diagnostics.restart.eq(registers.restart),
    ]


def _any(signals):
    result = 0
    for signal in signals:
        result = result | signal
    return result
