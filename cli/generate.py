"""``ohmgate generate``."""

from pathlib import Path
from typing import Annotated

import typer

from . import runs
from .console import Steps, say
from .options import Source
from .training import write_hardware

EXAMPLES = """Examples: `ohmgate generate vowels --out build/vowels`;

`ohmgate generate runs/demo --out build/demo` takes the design of a run folder; an image's works, too;

`ohmgate generate my.toml --out build/my --trace` adds ports with gates, cell and hidden state for a test bench."""


def command(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for the files, made if it is not there.")],
    trace: Annotated[bool, typer.Option("--trace", help="Add trace ports for a test bench.")] = False,
) -> None:
    """Write a design's Verilog, views of its arrays, lint waivers, side-car JSON, register table and C driver."""
    design = runs.read_design(source)
    with Steps() as steps, steps.step(f"Generating {design.name}"):
        files = write_hardware(design, out, trace)
    for file in files:
        say(f"{file}: {file.stat().st_size} bytes")
