"""The one leaf that instantiates an array macro; its ports are listed here and nowhere else."""

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib.wiring import In

from ..model.layers import Layer
from .array_port import ArraySignature
from .component import Component
from .ports import Port, clock_and_reset, ports_of


def macro_ports(layer: Layer) -> list[Port]:
    """All ports of a layer's macro in order; every view is generated from this list."""
    return clock_and_reset() + ports_of(ArraySignature(layer).flip(), lambda path: str(path[-1]))


class ArrayMacro(Component):
    """Black box: the periphery's array port on one side, an ``Instance`` of the macro on the other.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `array` | in | :class:`~.array_port.ArraySignature` | all of the macro's ports but clock and reset |
    """

    def __init__(self, layer: Layer):
        self.layer = layer
        super().__init__({"array": In(ArraySignature(layer))})

    def elaborate(self, platform):
        m = Module()
        connections = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.array.signature.flatten(self.array):
            prefix = "i" if member.flow == In else "o"
            connections[f"{prefix}_{path[-1]}"] = value
        m.submodules.macro = Instance(self.layer.macro_name, **connections)
        return m
