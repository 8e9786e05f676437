"""``ohmgate generate``."""

from pathlib import Path
from typing import Annotated

import typer

from ..model.design import Design, presets
from .console import Steps, say
from .training import write_hardware

EXAMPLES = """Examples: `ohmgate generate vowels --out build/vowels`;

`ohmgate generate my.toml --out build/my --trace` adds ports with gates, cell and hidden state for a test bench."""


def command(
    design: Annotated[str, typer.Argument(help=f"A preset ({', '.join(presets())}) or a .toml file.")],
    out: Annotated[Path, typer.Option(help="Folder for the files, made if it is not there.")],
    trace: Annotated[bool, typer.Option("--trace", help="Add trace ports for a test bench.")] = False,
) -> None:
    """Write a design's Verilog, views of its arrays, lint waivers, side-car JSON, register table and C driver."""
    loaded = Design.load(design)
    with Steps() as steps, steps.step(f"Generating {loaded.name}"):
        files = write_hardware(loaded, out, trace)
    for file in files:
        say(f"{file}: {file.stat().st_size} bytes")
