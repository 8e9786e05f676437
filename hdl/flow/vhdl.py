"""For VHDL hosts: the generated ports have names with two underscores, which VHDL does not allow."""

from ...model.design import Design
from ..chip import chip_ports


def vhdl_name(name: str) -> str:
    """``name`` with one underscore wherever there are more: ``x__valid`` becomes ``x_valid``."""
    return "_".join(part for part in name.split("_") if part)


def host_files(design: Design, trace: bool) -> dict[str, str]:
    """Texts of a wrapper in Verilog with names that VHDL allows, and of a VHDL package with its component."""
    host = vhdl_name(f"{design.name}_host")
    ports = chip_ports(design, trace)
    width = {port.name: f"[{port.width - 1}:0] " if port.width > 1 else "" for port in ports}
    declared = ",\n".join(f"    {p.direction} wire {width[p.name]}{vhdl_name(p.name)}" for p in ports)
    connected = ",\n".join(f"        .{p.name}({vhdl_name(p.name)})" for p in ports)
    kinds = {"input": "in ", "output": "out"}
    types = [f"std_logic_vector({p.width - 1} downto 0)" if p.width > 1 else "std_logic" for p in ports]
    component = ";\n".join(
        f"            {vhdl_name(p.name)} : {kinds[p.direction]} {kind}" for p, kind in zip(ports, types)
    )
    verilog = f"module {host} (\n{declared}\n);\n    {design.name} chip (\n{connected}\n    );\nendmodule\n"
    vhdl = (
        "library ieee;\nuse ieee.std_logic_1164.all;\n\n"
        f"package {host}_declaration is\n    component {host} is\n        port (\n{component}\n        );\n"
        f"    end component;\nend package;\n"
    )
    return {f"{host}.v": verilog, f"{host}.vhd": vhdl}
