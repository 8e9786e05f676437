"""``ohmgate chip verify``."""

from typing import Annotated

import typer

from ...model.formats import check_number
from .session import Age, ArrayName, ChipSeed, Known, Session, Source, Spares, told

EXAMPLES = """Examples: `ohmgate chip verify runs/demo --array worn.toml --seed 7 --record chip7.json`;

`ohmgate chip verify runs/demo --array pcm --age 31536000` does so a year later. Then: `ohmgate chip refresh`."""
Tolerance = Annotated[float, typer.Option(help="Weight codes that a cell may be away from what it should hold.")]


def command(
    source: Source,
    array: ArrayName = "reram",
    seed: ChipSeed = 0,
    spares: Spares = None,
    record: Known = None,
    age: Age = 0.0,
    tolerance: Tolerance = 2.5,
) -> None:
    """Read every cell back and compare it with the image. Status 1 where one is further away than the tolerance."""
    from ...firmware.chip.service import read_back

    check_number("tolerance in weight codes", tolerance, 0.0, 1000.0)
    check_number("age in seconds", age, 0.0, 1e12)
    session = Session(source, array, seed, spares, record, known=True)
    session.load(age)
    with told() as tell:
        checks = session.do(read_back(session.network, session.record, tell=tell))
    far = 0
    for index, check in enumerate(checks):
        beyond = check.beyond(tolerance)
        far += len(beyond)
        session.tell(f"layer {index}: {described(check)}")
        for row, column in beyond[:5].tolist():
            session.tell(
                f"layer {index}: row {row}, column {column} should hold {check.expected[row, column]}, "
                f"but was read as {check.read[row, column]:.2f}"
            )
    if far:
        session.tell(f"{far} cells are further than {tolerance:g} codes from what they should hold")
        raise typer.Exit(1)


def described(check) -> str:
    """A layer's cells in a line."""
    away = [f"{len(check.beyond(codes))} by more than {codes:g}" for codes in (0.5, 1.0, 2.0)]
    return f"{int(check.used.sum())} cells read, off by {check.rms:.2f} codes rms; {', '.join(away)}"
