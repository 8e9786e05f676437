"""``ohmgate cost``."""

import json as json_text
from pathlib import Path
from typing import Annotated

import typer

from ..cost.estimate import STEPS, TIERS, check_steps, estimate
from ..cost.measured import kept_for, read_measured
from ..cost.times import CLOCK_MHZ
from ..model.files import write_text
from ..model.formats import DesignError, check_choice
from ..model.layout import UNSELECTED
from ..model.prerequisites import require_place
from . import runs
from .console import say
from .options import Source, Unselected
from .tables import text_of

EXAMPLES = """Examples: `ohmgate cost names` prints the paper's figures, the literature's and measured ones beside;

`ohmgate cost vowels --tier literature` shows each figure's formula, range and source;

`ohmgate cost names --steps 7 --report cost.html` writes a page with the paper's Figure 9."""


def command(
    source: Source,
    tier: Annotated[
        str | None, typer.Option(help=f"Of which figures: {', '.join(TIERS)}.", show_default="all there are")
    ] = None,
    clock_mhz: Annotated[
        float, typer.Option(help="Clock of the digital part; the paper's tier has none.")
    ] = CLOCK_MHZ,
    steps: Annotated[int, typer.Option(help="Time steps of a sequence, an inference.")] = STEPS,
    measured: Annotated[
        Path | None,
        typer.Option(help="Figures of the digital part (JSON, docs/cost.md).", show_default="those of the preset"),
    ] = None,
    unselected: Unselected = "grounded",
    json: Annotated[Path | None, typer.Option(help="Also write all figures as JSON.")] = None,
    report: Annotated[Path | None, typer.Option(help="Page to write (HTML, everything inside).")] = None,
) -> None:
    """Estimate a design's area, power, energy and time: the paper's figures, the literature's, measured ones."""
    from ..hdl.accelerator import layer_latency
    from ..report.cost import tables, write_report

    if tier is not None:
        check_choice("tier", tier, TIERS)
    check_steps(steps)
    check_choice("unselected columns", unselected, UNSELECTED)
    if tier == "paper" and unselected != "grounded":
        raise DesignError(f"the paper's tier must have unselected columns 'grounded', not {unselected!r}")
    for file in filter(None, (json, report)):
        require_place(file)
    if json and report and json.resolve() == report.resolve():
        raise DesignError(f"--json and --report must be two files, not both {str(json)!r}")
    design = runs.read_design(source)
    figures = read_measured(measured) if measured else kept_for(design)
    if figures is not None:
        figures.check(design, f"measured figures {str(measured)!r}")
    latencies = [layer_latency(layer, design.contexts) for layer in design.layers]
    wanted = [tier] if tier else [name for name in TIERS if name != "measured" or figures is not None]
    costs = [estimate(design, name, latencies, clock_mhz, figures, unselected) for name in wanted]
    for table in tables(costs, steps):
        say(text_of(table))
    if tier is None and figures is None:
        say("Nothing has been measured of this design; docs/cost.md says how to.")
    if json:
        tiers = [cost.to_dict(steps) for cost in costs]
        content = {"design": design.name, "fingerprint": design.fingerprint, "tiers": tiers}
        write_text(json, json_text.dumps(content, indent=1) + "\n")
    if report:
        write_report(report, costs, steps)
        say(f"report: {report}")
