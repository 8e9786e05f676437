"""``ohmgate handoff``."""

from pathlib import Path
from typing import Annotated

import typer

from . import runs
from .console import Steps, say
from .options import Source
from .training import write_hardware

EXAMPLES = """Examples: `ohmgate handoff vowels --out build/vowels`;

`ohmgate handoff vowels --technology-lef sky130.tlef --cell-pitch 0.38 --out build/vowels` puts the macros' pins on
the tracks of a technology and makes them as large as their cells are."""


def command(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for the files, made if it is not there.")],
    technology_lef: Annotated[
        Path | None,
        typer.Option(
            help="LEF with the technology's layers, tracks and grid, for the macros' pins.",
            show_default="placeholders, marked in the files",
        ),
    ] = None,
    cell_pitch: Annotated[
        float | None,
        typer.Option(
            help="Pitch of the arrays' cells in um, rows and columns alike.",
            show_default="0.5, marked as a placeholder",
        ),
    ] = None,
    period: Annotated[
        float | None,
        typer.Option(help="Period of the clock in ns.", show_default="10, marked as a placeholder"),
    ] = None,
) -> None:
    """Write what a chip flow starts from: Verilog, constraints, settings of flows, five views of each array's macro.

    The views come from one description, and are read back and compared before they are written.
    """
    from ..hdl.handoff.folder import handoff_files

    design = runs.read_design(source)
    with Steps() as steps, steps.step(f"Generating {design.name}"):
        files = write_hardware(design, out, more=handoff_files(design, technology_lef, cell_pitch, period))
    for file in files:
        say(f"{file}: {file.stat().st_size} bytes")
