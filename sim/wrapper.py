"""A test bench's top level: several chips side by side, so that one build serves many designs."""

from collections.abc import Sequence

from ..hdl.chip import chip_ports
from ..model.design import Design

TOP = "ohmgate_bench"
PUBLIC = " /*verilator public_flat_rw*/"  #: what a test bench may touch in Verilator


def wrapper(designs: Sequence[Design], trace: bool) -> str:
    """Verilog of a top level with one common clock; chip k's other ports are prefixed ``dk__``."""
    ports, instances = [f"    input wire clk{PUBLIC}"], []
    for number, design in enumerate(designs):
        connections = []
        for name, direction, width, _ in chip_ports(design, trace):
            outer = "clk" if name == "clk" else f"d{number}__{name}"
            connections.append(f"        .{name}({outer})")
            if name != "clk":
                ports.append(f"    {direction} wire {f'[{width - 1}:0] ' if width > 1 else ''}{outer}{PUBLIC}")
        instances.append(f"    {design.name} d{number} (\n" + ",\n".join(connections) + "\n    );\n")
    return f"module {TOP} (\n" + ",\n".join(ports) + "\n);\n" + "".join(instances) + "endmodule\n"
