"""``ohmgate chip report``."""

from pathlib import Path
from typing import Annotated

import typer

from ...model.formats import check_number
from ...model.prerequisites import require_place
from .session import Age, ArrayName, ChipSeed, Known, Session, Source, Spares, told
from .verify import described

EXAMPLES = """Example, after `ohmgate chip repair`:
`ohmgate chip report runs/demo --array worn.toml --seed 7 --record chip7.json --page chip7.html`."""
Page = Annotated[Path, typer.Option(help="Page to write (HTML, everything inside).")]


def command(
    source: Source,
    page: Page,
    array: ArrayName = "reram",
    seed: ChipSeed = 0,
    spares: Spares = None,
    record: Known = None,
    age: Age = 0.0,
) -> None:
    """Load and read a chip; write a page with maps of its levels, errors and stuck cells, and its converters."""
    from ...firmware.chip.service import find_trims, read_back
    from ...report.chip import write_page

    check_number("age in seconds", age, 0.0, 1e12)
    require_place(page)
    session = Session(source, array, seed, spares, record, known=True)
    session.load(age)
    with told() as tell:
        checks = session.do(read_back(session.network, session.record, tell=tell))
        _, reports = session.do(find_trims(session.network, session.record, weights=False, tell=tell))
    for index, check in enumerate(checks):
        session.tell(f"layer {index}: {described(check)}")
    write_page(page, session.record, checks, reports)
    session.tell(f"page: {page}")
