"""``ohmgate chip refresh``."""

from typing import Annotated

import typer

from ...model.formats import check_number
from ..options import Data, Dataset
from .calibrate import Sequences
from .session import Age, ArrayName, ChipSeed, Known, Session, Source, Spares, check_sequences, told
from .verify import described

EXAMPLES = """Example: `ohmgate chip refresh runs/demo --array pcm --age 31536000` loads a chip, lets a year pass, and
writes again what has drifted by more than a code."""
Beyond = Annotated[float, typer.Option(help="Weight codes beyond which a cell is written again.")]


def command(
    source: Source,
    array: ArrayName = "reram",
    seed: ChipSeed = 0,
    spares: Spares = None,
    record: Known = None,
    age: Age = 0.0,
    beyond: Beyond = 1.0,
    sequences: Sequences = 100,
    dataset: Dataset = None,
    data: Data = None,
) -> None:
    """Read every cell back, and write again those that have drifted."""
    from ...firmware.chip.service import check_beyond, read_back, refresh

    check_number("age in seconds", age, 0.0, 1e12)
    check_beyond(beyond)
    check_sequences(sequences)
    session = Session(source, array, seed, spares, record, known=True)
    session.load()
    session.tell(f"loaded{session.accuracy(sequences, dataset, data)}")
    session.chip.pass_time(age)
    session.tell(f"{age:g} s later{session.accuracy(sequences, dataset, data)}")
    with told() as tell:
        checks, written = session.do(refresh(session.network, session.record, beyond, tell=tell))
    for index, check in enumerate(checks):
        session.tell(f"layer {index}, before: {described(check)}")
    with told() as tell:
        checks = session.do(read_back(session.network, session.record, tell=tell))
    for index, check in enumerate(checks):
        session.tell(f"layer {index}, after: {described(check)}")
    session.tell(f"{written} cells were written again{session.accuracy(sequences, dataset, data)}")
