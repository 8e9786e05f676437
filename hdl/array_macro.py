"""The one leaf that instantiates an array macro; its ports are listed here and nowhere else."""

from dataclasses import dataclass

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow, In

from ..model.design import Layer
from .array_port import ArraySignature


@dataclass(frozen=True)
class MacroPort:
    """A port of the macro: ``direction`` is ``input`` or ``output`` of the macro, ``width`` in bits."""

    name: str
    direction: str
    width: int


def macro_ports(layer: Layer) -> list[MacroPort]:
    """All ports of a layer's macro in order; every view is generated from this list."""
    ports = [MacroPort("clk", "input", 1), MacroPort("rst", "input", 1)]
    for path, member, value in ArraySignature(layer).create().signature.flatten(ArraySignature(layer).create()):
        direction = "input" if member.flow == Flow.Out else "output"
        ports.append(MacroPort(path[-1], direction, len(Value.cast(value))))
    return ports


class ArrayMacro(wiring.Component):
    """Black box: the periphery's array port on one side, an ``Instance`` of the macro on the other."""

    def __init__(self, layer: Layer):
        self.layer = layer
        super().__init__({"array": In(ArraySignature(layer))})

    def elaborate(self, platform):
        m = Module()
        connections = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.array.signature.flatten(self.array):
            prefix = "i" if member.flow == Flow.In else "o"
            connections[f"{prefix}_{path[-1]}"] = value
        m.submodules.macro = Instance(self.layer.macro_name, **connections)
        return m
