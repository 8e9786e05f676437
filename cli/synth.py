"""``ohmgate synth``."""

from pathlib import Path
from typing import Annotated

import typer

from ..model.files import write_text
from ..model.formats import DesignError
from ..model.prerequisites import require_place
from . import runs
from .console import Steps, say
from .options import ClockGating, Source

EXAMPLES = """Examples: `ohmgate synth vowels --target ecp5` counts the cells of a Lattice ECP5;

`ohmgate synth vowels --target ecp5 --place` also places and routes it for timing (some minutes);

`ohmgate synth vowels --target liberty --liberty nangate45_typ.lib.gz` gives area in standard cells,
by block; `ohmgate timing` gives their delay."""


def command(
    source: Source,
    target: Annotated[str, typer.Option(help="generic, ecp5 or liberty.")] = "generic",
    liberty: Annotated[Path | None, typer.Option(help="Standard cells: .lib or .lib.gz.")] = None,
    place: Annotated[bool, typer.Option("--place", help="Place and route (ecp5) for timing.")] = False,
    clock_gating: ClockGating = True,
    json: Annotated[Path | None, typer.Option(help="Also write the report as JSON.")] = None,
) -> None:
    """Synthesise a design's periphery with Yosys: cells, area, critical path. A netlist with faults is an error."""
    from ..hdl.flow.synthesis import check, synthesise

    design = runs.read_design(source)
    check(target, liberty, place)
    if json is not None:
        require_place(json)
    with Steps() as steps, steps.step(f"Synthesising {design.name} for {target}"):
        report = synthesise(design, target, liberty, place, clock_gating)
    if json is not None:
        write_text(json, report.json())
    say(report.markdown().rstrip("\n"))
    if report.faults():
        raise DesignError(f"the netlist of {design.name} has faults: {'; '.join(report.faults())}")
