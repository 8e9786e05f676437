"""``ohmgate power``."""

from pathlib import Path
from typing import Annotated

import typer

from ..model.files import write_text
from ..model.prerequisites import require, require_place
from . import runs
from .console import Steps, say
from .inputs import dataset_of, inputs_of, sent_of
from .options import ClockGating, Data, Dataset

EXAMPLES = """Examples: `ohmgate power runs/demo --liberty nangate45_typ.lib.gz` maps the run's chip, runs its
first test sequences gate by gate, and prints the energy of a clock cycle;

`ohmgate power my.image --liberty cells.lib --sequences 8 --json power.json` writes it as JSON, too."""


def command(
    source: Annotated[Path, typer.Argument(metavar="IMAGE|RUN", help="A programming image, or a run folder.")],
    liberty: Annotated[Path, typer.Option(help="Standard cells: .lib or .lib.gz.")],
    sequences: Annotated[int, typer.Option(help="How many test sequences to run, at most.")] = 4,
    dataset: Dataset = None,
    data: Data = None,
    seed: Annotated[int, typer.Option(help="Of random codes.")] = 0,
    clock_gating: ClockGating = True,
    json: Annotated[Path | None, typer.Option(help="Also write the report as JSON.")] = None,
) -> None:
    """Run a chip's standard cells with a network and real inputs, and sum up the energy of a clock cycle."""
    from ..hdl.flow import synthesis
    from ..sim.power import NEEDS, power

    synthesis.check("liberty", liberty)
    require("a power estimate", NEEDS)
    if json is not None:
        require_place(json)
    network = runs.read_network(source)
    codes, lengths = inputs_of(network, dataset_of(network, dataset, source), sequences, seed, source, data)
    codes, lengths = sent_of(network, codes, lengths)
    with Steps() as steps, steps.step(f"Mapping {network.design.name} and running its cells"):
        report = power(network, liberty, codes, lengths, clock_gating)
    if json is not None:
        write_text(json, report.json())
    say(report.markdown().rstrip("\n"))
