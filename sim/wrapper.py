"""A test bench's top level: several chips side by side, so that one build serves many designs."""

from amaranth.hdl import Value
from amaranth.lib.wiring import Flow, Signature

from ..hdl.accelerator import accelerator_members
from ..model.design import Design

TOP = "ohmgate_bench"
PUBLIC = " /*verilator public_flat_rw*/"  #: what a test bench may touch in Verilator


def chip_ports(design: Design, trace: bool) -> list[tuple[str, str, int]]:
    """(name, direction, width) of a generated chip's ports, clock and reset first."""
    chip = Signature(accelerator_members(design, trace)).create()
    ports = [("clk", "input", 1), ("rst", "input", 1)]
    for path, member, value in chip.signature.flatten(chip):
        direction = "output" if member.flow == Flow.Out else "input"
        ports.append(("__".join(str(p) for p in path), direction, len(Value.cast(value))))
    return ports


def wrapper(designs: list[Design], trace: bool) -> str:
    """Verilog of a top level with one common clock; chip k's other ports are prefixed ``dk__``."""
    ports, instances = [f"    input wire clk{PUBLIC}"], []
    for number, design in enumerate(designs):
        connections = []
        for name, direction, width in chip_ports(design, trace):
            outer = "clk" if name == "clk" else f"d{number}__{name}"
            connections.append(f"        .{name}({outer})")
            if name != "clk":
                ports.append(f"    {direction} wire {f'[{width - 1}:0] ' if width > 1 else ''}{outer}{PUBLIC}")
        instances.append(f"    {design.name} d{number} (\n" + ",\n".join(connections) + "\n    );\n")
    return f"module {TOP} (\n" + ",\n".join(ports) + "\n);\n" + "".join(instances) + "endmodule\n"
