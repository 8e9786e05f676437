"""``ohmgate timing``."""

from pathlib import Path
from typing import Annotated

import typer

from ..model.files import write_text
from ..model.formats import DesignError
from ..model.prerequisites import require_place
from . import runs
from .console import Steps, say
from .options import ClockGating, Source

EXAMPLES = """Examples: `ohmgate timing vowels --liberty nangate45_typ.lib.gz` prints the shortest clock period;

`ohmgate timing vowels --liberty nangate45_typ.lib.gz --clock-ns 1.5 --json t.json` fails if 1.5 ns are missed."""


def command(
    source: Source,
    liberty: Annotated[Path, typer.Option(help="Standard cells: .lib or .lib.gz.")],
    clock_ns: Annotated[float | None, typer.Option(help="Clock period that must be met.")] = None,
    clock_gating: ClockGating = True,
    json: Annotated[Path | None, typer.Option(help="Also write the report as JSON.")] = None,
) -> None:
    """Time a design's periphery in standard cells with OpenSTA: setup, hold, ports. A missed clock is an error."""
    from ..hdl.flow import synthesis, timing

    design = runs.read_design(source)
    timing.check(clock_ns)
    synthesis.check("liberty", liberty)
    if json is not None:
        require_place(json)
    with Steps() as steps, steps.step(f"Mapping and timing {design.name}"):
        report = timing.timing(design, liberty, clock_ns, clock_gating)
    if json is not None:
        write_text(json, report.json())
    say(report.markdown().rstrip("\n"))
    if report.faults():
        raise DesignError(f"the timing of {design.name} is missed: {'; '.join(report.faults())}")
