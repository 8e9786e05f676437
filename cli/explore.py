"""``ohmgate explore``."""

from pathlib import Path
from typing import Annotated

import typer

from ..cost.estimate import STEPS, check_steps
from ..cost.explore import FIELDS, USUAL, explore, front, grid, one_change
from ..model.design import Design
from ..model.files import write_json
from ..model.formats import DesignError
from ..model.locks import sole_use
from . import runs
from .console import Steps, say
from .options import Source
from .tables import text_of

SHOWN = 20  #: lines of the front that are printed
EXAMPLES = """Examples: `ohmgate explore vowels --out runs/explore` works out what 810 variants cost;

`ohmgate explore names --vary adc_bits=3,4 --vary clock_mhz=320,640 --out runs/explore` has its own grid."""


def command(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for page, figures and designs, made if it is not there.")],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help=f"FIELD=VALUE,VALUE of the LSTM layers: {', '.join(FIELDS)}.",
            show_default="bits of ADC, DAC, cell state and activations; always all numbers of ADCs",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Time steps of a sequence, an inference.")] = STEPS,
) -> None:
    """Work out what every variant of a design costs, and which no other beats in energy, time and area."""
    from ..hdl.accelerator import layer_latency
    from ..report.explore import change_table, front_table, write_page

    check_steps(steps)
    design = runs.read_design(source)
    choices = grid(design, values_of(vary) if vary else USUAL)
    with sole_use(out):
        with Steps() as bars, bars.step(f"Working out {len(choices)} variants of {design.name}"):
            points = explore(design, choices, layer_latency, steps)
            found = front(points)
            changes = explore(design, one_change(design, choices), layer_latency, steps)
        tables = [front_table(found, steps), change_table(changes)]
        write_json(
            out / "explore.json",
            {
                "design": design.name,
                "fingerprint": design.fingerprint,
                "sequence_steps": steps,
                "front": [point.design.name for point in found],
                "points": [
                    {
                        "name": point.design.name,
                        **point.choice,
                        "sequence_pj": point.energy,
                        "sequence_ns": point.time,
                        "area_um2": point.area,
                    }
                    for point in points
                ],
            },
        )
        save_designs(out / "designs", [point.design for point in found])
        write_page(out / "explore.html", points, found, tables, design.name)
    say(f"{len(points)} variants of {design.name}, {len(found)} that no other beats")
    say()
    say(text_of(front_table(found, steps, SHOWN)))
    say(text_of(tables[1]))
    say(f"page: {out / 'explore.html'}, designs: {out / 'designs'}")


def save_designs(folder: Path, designs: list[Design]) -> None:
    """The designs, one file each, and no others: those of an exploration before are removed."""
    folder.mkdir(exist_ok=True)
    for design in designs:
        design.save(folder / f"{design.name}.toml")
    for file in set(folder.glob("*.toml")) - {folder / f"{design.name}.toml" for design in designs}:
        file.unlink()


def values_of(vary: list[str]) -> dict[str, list[int | float]]:
    """The values of each option ``--vary``."""
    found: dict[str, list[int | float]] = {}
    for text in vary:
        field, equals, values = text.partition("=")
        try:
            numbers = [float(value) if field == "clock_mhz" else int(value) for value in values.split(",")]
        except ValueError:
            numbers = []
        if not equals or not numbers:
            raise DesignError(f"--vary must be FIELD=VALUE,VALUE with whole numbers, as in adcs=16,32, not {text!r}")
        if field in found:
            raise DesignError(f"--vary must name {field} once, not twice")
        found[field] = numbers
    return found
