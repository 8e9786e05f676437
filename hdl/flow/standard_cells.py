"""Mapping to the standard cells of a library: read ports, clock gates, flip-flops, logic, and buffers."""

from pathlib import Path

from ...model.files import write_together
from .liberty import DONT_USE, Library

#: The fewest flip-flops that share a clock gate.
GATED = 8
#: The most inputs that one output drives before ABC puts a tree of buffers.
FAN_OUT = 16
_START, _END = "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;", f"topo;buffer,-p,-N,{FAN_OUT};upsize;dnsize;stime,-p"
#: For ABC: map for delay, buffer, size, with its own timing report at the end. ``-p`` puts buffers behind flip-flops.
#: ``-B`` weighs delay in the choice of gates. More of it is not faster, but larger: 0.9 took 1 % more than 0.5.
FAST = f"{_START}strash;dch,-f;map,-B,0.5;{_END}"
#: The same, smaller and slower: the mapping may take 20 % longer, and has ten rounds to find less area.
SMALL = f"{_START}&get,-n;&dch;&nf,-R,20,-F,10;&put;{_END}"
#: The attribute of logic behind the arrays and the memories of latches: their read ports.
BEHIND = "behind"
#: A flip-flop whose reset waits for its enable, as one with an enable alone: only those are gated.
ENABLED = """
module \\$_SDFFCE_PP0P_ (input D, C, R, E, output Q);
    wire d;
    \\$_ANDNOT_ with_reset (.A(D), .B(R), .Y(d));
    \\$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(d), .C(C), .E(E), .Q(Q));
endmodule
module \\$_SDFFCE_PP1P_ (input D, C, R, E, output Q);
    wire d;
    \\$_OR_ with_reset (.A(D), .B(R), .Y(d));
    \\$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(d), .C(C), .E(E), .Q(Q));
endmodule
"""
#: A multiplexer of 8 or 16 inputs, such as a memory's read port, as AND and OR. All bits share the decoded address.
ONE_HOT = "".join(
    f"""
module \\$_MUX{len(inputs)}_ (input {", ".join(inputs)}, {", ".join(address)}, output Y);
    wire [{len(inputs) - 1}:0] chosen;
    genvar k;
    for (k = 0; k < {len(inputs)}; k = k + 1) assign chosen[k] = {{{", ".join(reversed(address))}}} == k;
    assign Y = |(chosen & {{{", ".join(reversed(inputs))}}});
endmodule
"""
    for inputs, address in (("ABCDEFGH", "STU"), ("ABCDEFGHIJKLMNOP", "STUV"))
)


def write_inputs(folder: Path, library: Library) -> None:
    """Write what :func:`clock_gates` and :func:`cells` read into ``folder``."""
    write_together(
        folder,
        {
            "cells.lib": library.text,
            "gates.lib": library.with_clock_gates,
            "enabled.v": ENABLED,
            "one_hot.v": ONE_HOT,
            "drivers.txt": f"set_driving_cell {library.buffer[0]}\n",
        },
    )


def clock_gates(library: Library, clock_gating: bool) -> list[str]:
    """Yosys commands from its own gates to the same with the library's clock gates, in ``gated.json``.

    A flip-flop is named after the net that it drives, with ``_reg`` behind.
    """
    gating = [
        # where few flip-flops share an enable, it stays a multiplexer
        f"dfflegalize -cell $_SDFFCE_PP?P_ x -cell $_SDFF_PP?_ x -cell $_DFFE_PP_ x -cell $_DFF_P_ x -mince {GATED}",
        "opt_merge",  # each flip-flop has an enable of its own now
        "techmap -map enabled.v",
        "opt_clean",
        f"clockgate -liberty gates.lib{_dont_use()} -min_net_size {GATED}",
    ]
    return [
        "muxcover -mux8 -mux16 -nodecode -nopartial",
        "techmap -map one_hot.v",
        "simplemap",
        "opt_expr",
        "opt_merge",
        "opt_clean",
        "setattr -unset init w:*",  # cells have no initial value: all control state has a reset
        "rename -wire -suffix _reg t:$_*DFF*",
        *(gating if clock_gating and library.clock_gates else []),
        "read_liberty -lib -ignore_miss_func cells.lib",
        "write_json gated.json",
    ]


def cells(library: Library, behind: bool) -> list[str]:
    """Yosys commands from ``gated.json`` to the library's cells, in ``netlist.json``.

    ABC takes a flip-flop for as strong as the smallest buffer, and puts buffers behind it where it drives much. It
    makes logic small only where the slowest path leaves time. So read ports, which have time, are mapped apart.
    """
    abc = f"abc{_dont_use()} -liberty cells.lib -constr drivers.txt -script"
    high, low = " ".join(library.high), " ".join(library.low)
    return [
        "read_json gated.json",
        f"dfflibmap{_dont_use()} -liberty cells.lib",
        *([f"{abc} {SMALL} a:{BEHIND}", f"setattr -set {BEHIND} 1 t:* t:$_* %d"] if behind else []),
        f"{abc} {FAST}",
        "opt_clean -purge",
        "setundef -zero",
        "splitnets",
        f"hilomap -singleton -hicell {high} -locell {low}",
        "opt_clean -purge",
        "write_json netlist.json",
    ]


def _dont_use() -> str:
    return "".join(f" -dont_use {name}" for name in DONT_USE)


def views(black_boxes: list[str]) -> list[str]:
    """Yosys commands that check the netlist, and write it as Verilog with and without the arrays."""
    write = "write_verilog -noattr -noexpr -nohex -nodec"  # what static timing reads
    boxes = " ".join(f"t:{name}" for name in black_boxes)
    evert = [f"expose -evert {boxes}", "splitnets -ports", "opt_clean -purge"] if black_boxes else []
    return [
        "read_json netlist.json",
        "read_liberty -lib -ignore_miss_func cells.lib",
        "tee -q -o mapped.json stat -json -liberty cells.lib",
        "tee -q -o mapped_check.txt check",
        f"{write} chip.v",
        *evert,
        f"{write} periphery.v",
    ]
