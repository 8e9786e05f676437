"""``ohmgate generate``."""

from pathlib import Path
from typing import Annotated

import typer

from . import runs
from .console import Steps, say
from .options import Source
from .training import bench_of, write_hardware

EXAMPLES = """Examples: `ohmgate generate vowels --out build/vowels`;

`ohmgate generate runs/demo --out build/demo` takes the design of a run folder; an image's works, too;

`ohmgate generate runs/demo --out build/demo --testbench` adds a test bench in plain Verilog with the run's network;
its first lines say how Icarus and Verilator run it;

`ohmgate generate my.toml --out build/my --trace` adds ports with gates, cell and hidden state for a test bench."""


def command(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for the files, made if it is not there.")],
    trace: Annotated[bool, typer.Option("--trace", help="Add trace ports for a test bench.")] = False,
    testbench: Annotated[
        bool,
        typer.Option(
            "--testbench",
            help="Add a self-checking test bench in plain Verilog, its vectors (random codes) and the arrays' cells. "
            "A design alone has random weights.",
        ),
    ] = False,
    vhdl: Annotated[
        bool,
        typer.Option(
            "--vhdl", help="Add a wrapper whose port names VHDL allows, and a package with its component declaration."
        ),
    ] = False,
) -> None:
    """Write a design's Verilog, views of its arrays, lint waivers, side-car JSON, register table and C driver."""
    from ..hdl.flow.vhdl import host_files

    design, network = runs.read_source(source) if testbench else (runs.read_design(source), None)
    with Steps() as steps, steps.step(f"Generating {design.name}"):
        more = bench_of(design, network) if testbench else {}
        more |= host_files(design, trace) if vhdl else {}
        files = write_hardware(design, out, trace, more)
    for file in files:
        say(f"{file}: {file.stat().st_size} bytes")
