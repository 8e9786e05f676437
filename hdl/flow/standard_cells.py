"""Mapping to the standard cells of a library: clock gates, flip-flops, logic, and the fan-out repair of a placer."""

from pathlib import Path

from ...model.files import write_together
from .liberty import DONT_USE, Library

#: The fewest flip-flops that share a clock gate.
GATED = 8
#: The most inputs that one output drives before ABC puts a tree of buffers.
FAN_OUT = 16
#: Map for delay, buffer, size: ABC's usual script for a library, with its own timing report at the end. ``-p`` puts
#: buffers behind flip-flops, too.
ABC = (
    "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;dch,-f;map,-B,0.9;topo;"
    f"buffer,-p,-N,{FAN_OUT};upsize;dnsize;stime,-p"
)
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


def write_inputs(folder: Path, library: Library) -> None:
    """Write what :func:`commands` reads into ``folder``."""
    write_together(
        folder,
        {
            "cells.lib": library.text,
            "gates.lib": library.with_clock_gates,
            "enabled.v": ENABLED,
            "drivers.txt": f"set_driving_cell {library.buffer[0]}\n",
        },
    )


def commands(library: Library, clock_gating: bool) -> list[str]:
    """Yosys commands from its own gates to the library's cells.

    A flip-flop is named after the net that it drives, with ``_reg`` behind. ABC takes a flip-flop for as strong as
    the smallest buffer, and puts buffers behind it where it drives much.
    """
    dont_use = "".join(f" -dont_use {name}" for name in DONT_USE)
    gating = [
        # where few flip-flops share an enable, it stays a multiplexer
        f"dfflegalize -cell $_SDFFCE_PP?P_ x -cell $_SDFF_PP?_ x -cell $_DFFE_PP_ x -cell $_DFF_P_ x -mince {GATED}",
        "opt_merge",  # each flip-flop has an enable of its own now
        "techmap -map enabled.v",
        "opt_clean",
        f"clockgate -liberty gates.lib{dont_use} -min_net_size {GATED}",
    ]
    high, low = " ".join(library.high), " ".join(library.low)
    return [
        "setattr -unset init w:*",  # cells have no initial value: all control state has a reset
        "rename -wire -suffix _reg t:$_*DFF*",
        *(gating if clock_gating and library.clock_gates else []),
        f"dfflibmap{dont_use} -liberty cells.lib",
        f"abc{dont_use} -liberty cells.lib -constr drivers.txt -script {ABC}",
        "opt_clean -purge",
        "setundef -zero",
        "splitnets",
        f"hilomap -singleton -hicell {high} -locell {low}",
        "opt_clean -purge",
        "read_liberty -lib -ignore_miss_func cells.lib",
    ]


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
