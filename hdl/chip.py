"""The top level: the periphery and one macro for each array."""

from amaranth.hdl import Module
from amaranth.lib import wiring

from ..model.design import Design
from .accelerator import Accelerator, accelerator_members
from .array_macro import ArrayMacro
from .component import Component
from .ports import Port, clock_and_reset, ports_of


def chip_ports(design: Design, trace: bool) -> list[Port]:
    """All ports of the generated module, clock and reset first."""
    signature = wiring.Signature(accelerator_members(design, trace))
    return clock_and_reset() + ports_of(signature, lambda path: "__".join(str(part) for part in path))


class Chip(Component):
    """Periphery and arrays. ``trace`` adds ports with intermediate results for a test bench.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x Dx bits, marks, context | time steps |
    | `y` | out | stream of results, marks, context | :func:`~.streams.output_layout` |
    | `bus` | in | :class:`~.wishbone.WishboneSignature` | register bus |
    | `trace_K` | out | :func:`~.lstm_layer.trace_signature` | only with ``trace``, of LSTM layers, or all |
    """

    def __init__(self, design: Design, trace: bool = False):
        self.design, self.traced = design, trace
        super().__init__(accelerator_members(design, trace))

    def elaborate(self, platform):
        m = Module()
        m.submodules.accelerator = accelerator = Accelerator(self.design, self.traced)
        for name in self.signature.members:
            outer, inner = getattr(self, name), getattr(accelerator, name)
            if name in ("x", "bus"):
                wiring.connect(m, wiring.flipped(outer), inner)
            else:
                wiring.connect(m, inner, wiring.flipped(outer))
        for index, layer in enumerate(self.design.layers):
            m.submodules[f"array_{index}"] = macro = ArrayMacro(layer)
            wiring.connect(m, getattr(accelerator, f"array_{index}"), macro.array)
        return m
