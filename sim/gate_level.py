"""A chip in standard cells on Icarus, with the bench that the RTL passes: how often each net goes up and down."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..hdl.flow.cell_models import Cells
from ..hdl.macro_views import behavioural, unique_layers
from ..model.files import write_together
from ..model.formats import DesignError
from ..model.network import Network
from ..model.programs import ProgramError, ended, run_program, work_folder
from .testbench import bench_files, own_macros

NEEDS = ("iverilog", "vvp")
#: Dumps the nets of the chip, its cells' aside, from the first time step that counts.
PROBE = """`timescale 1ns/1ns
module probe;
    initial begin
        wait (NAME_tb.counts);
        $dumpfile("nets.vcd");
        $dumpvars(1, NAME_tb.dut);
    end
endmodule
"""
Edges = dict[str, tuple[int, int]]  #: up and down, by a net's name, as in ``bus__dat_r[3]``


@dataclass(frozen=True)
class Activity:
    """What a run of the bench has said, and what the nets have done from the first time step to the last result."""

    verdict: str
    cycles: int
    edges: Edges


def run_bench(verilog: str, network: Network, codes: np.ndarray, lengths: np.ndarray, models: str = "") -> str:
    """The bench's last line for the chip ``verilog``, without a dump; see :func:`run_gates`."""
    with work_folder("ohmgate_gates_") as folder:
        return _run(folder, verilog, network, codes, lengths, models, ())


def run_gates(verilog: str, cells: Cells, network: Network, codes: np.ndarray, lengths: np.ndarray) -> Activity:
    """Run the netlist ``verilog`` of a chip with ``network`` loaded, for DAC codes (B, T, m) of ``lengths`` (B,).

    The time steps come without a gap, and each result is taken at once. Cells have no delay, so a net goes up or down
    at most once after a clock edge: there are no glitches. Raises
    :class:`DesignError` where a result is not the integer reference's, :class:`ProgramError` where Icarus fails.
    """
    with work_folder("ohmgate_gates_") as folder:
        verdict = _run(folder, verilog, network, codes, lengths, cells.models, ("-s", "probe"))
        if not verdict.startswith("PASS"):
            raise DesignError(
                f"the netlist of {network.design.name} must give the reference's results, but: {verdict}"
            )
        with open(folder / "nets.vcd", encoding="utf-8") as file:
            edges = count_edges(file)
    return Activity(verdict, edges["clk"][0], edges)


def _run(
    folder: Path,
    verilog: str,
    network: Network,
    codes: np.ndarray,
    lengths: np.ndarray,
    models: str,
    tops: Iterable[str],
) -> str:
    design = network.design
    name, macros = design.name, own_macros(design)
    files = bench_files(network, codes, lengths)
    files |= {f"{name}.v": verilog, "models.v": models, "probe.v": PROBE.replace("NAME", name)}
    files |= {f"{layer.macro_name}.v": behavioural(layer) for layer in unique_layers(design)}
    write_together(folder, files)
    sources = ["models.v", f"{name}_tb.v", f"{name}.v", *(["probe.v"] if tops else []), "-y", "."]
    done = run_program(["iverilog", "-g2005", "-o", "tb", "-s", f"{name}_tb", *tops, *sources], folder)
    if done.returncode:
        raise ProgramError(f"iverilog: {(done.stdout.strip().splitlines() or [ended(done.returncode, folder)])[0]}")
    preset = ["+preset", *(f"+{macro}={macro}.hex" for macro in macros)] if len(macros) == len(design.layers) else []
    done = run_program(["vvp", "-n", "tb", "+steady", *preset], folder)
    said = [line for line in done.stdout.splitlines() if line.startswith(("PASS", "FAIL"))]
    if not said or (done.returncode and said[-1].startswith("PASS")):
        raise ProgramError(f"vvp {ended(done.returncode, folder)}")
    return said[-1]


def count_edges(lines: Iterable[str]) -> Edges:
    """Edges of every net of a VCD file, between 0 and 1: what goes to or comes from X or Z is none."""
    names: dict[str, list[tuple[str, int]]] = defaultdict(list)
    values: dict[str, str] = {}
    edges: dict[str, list[list[int]]] = {}
    for line in lines:
        if line[0] in "01xz":
            code, value = line[1:].strip(), line[0]
        elif line[0] == "b":
            value, code = line[1:].split()
        else:
            found = re.match(r"\$var \w+ (\d+) (\S+) (\S+)", line)
            if found:
                names[found[2]].append((found[3].removeprefix("\\"), int(found[1])))
            continue
        width = names[code][0][1]
        if len(value) < width:  # leading digits are left out
            value = value.rjust(width, value[0] if value[0] in "xz" else "0")
        before = values.get(code)
        if before is None:
            edges[code] = [[0, 0] for _ in range(width)]
        else:
            for bit, (old, new) in enumerate(zip(reversed(before), reversed(value))):
                if old != new and old in "01" and new in "01":
                    edges[code][bit][old == "1"] += 1
        values[code] = value
    counted: Edges = {}
    for code, known in names.items():
        for name, width in known:
            for bit, (up, down) in enumerate(edges.get(code, [[0, 0]] * width)):
                counted[name if width == 1 else f"{name}[{bit}]"] = (up, down)
    return counted
