"""``ohmgate chip calibrate``."""

from pathlib import Path
from typing import Annotated

import typer

from ..options import Data, Dataset
from .session import ArrayName, ChipSeed, Record, Session, Source, Spares, check_sequences, told

EXAMPLES = """Example: `ohmgate chip calibrate runs/demo --array worn.toml --seed 7 --record chip7.json`. Before, for
a chip with stuck cells: `ohmgate chip measure`. Then: `ohmgate chip verify`."""

Patterns = Annotated[int, typer.Option(help="Settings of the rows that each ADC reads in a round.")]
Rounds = Annotated[int, typer.Option(help="How often the trims are set.")]
Sequences = Annotated[int, typer.Option(help="Test sequences for the accuracy, at most; 0: none.")]


def command(
    source: Source,
    record: Record,
    array: ArrayName = "reram",
    seed: ChipSeed = 0,
    spares: Spares = None,
    patterns: Patterns = 64,
    rounds: Rounds = 2,
    sequences: Sequences = 100,
    dataset: Dataset = None,
    data: Data = None,
) -> None:
    """Load the network and trim offset and gain of every ADC, with the weights as the reference."""
    check_numbers(patterns, rounds, sequences)
    trim(Session(source, array, seed, spares, record), patterns, rounds, sequences, dataset, data)


def check_numbers(patterns: int, rounds: int, sequences: int) -> None:
    """Raise :class:`DesignError` for numbers that do not do, before anything is measured."""
    from ...firmware.chip.service import check_calibration

    check_calibration(patterns, rounds)
    check_sequences(sequences)


def trim(
    session: Session,
    patterns: int,
    rounds: int,
    sequences: int,
    dataset: str | None,
    data: Path | None,
    missing: bool = False,
) -> None:
    """Trim the chip of a session, or the layers whose trims its record lacks, and say what it was and is."""
    from ...firmware.chip.service import find_trims

    session.load()
    session.tell(f"loaded{session.accuracy(sequences, dataset, data)}")
    with told() as tell:
        steps = find_trims(session.network, session.record, 0, patterns, rounds, True, tell, session.keep, missing)
        _, reports = session.do(steps)
    for index, pair in reports.items():
        offset, offset_now = (abs(report.offset).max() for report in pair)
        gain, gain_now = (100 * abs(report.gain - 1).max() for report in pair)
        session.tell(
            f"layer {index}: offsets up to {offset:.2f} LSB, now {offset_now:.2f}; "
            f"gains off by up to {gain:.1f} %, now {gain_now:.1f} %"
        )
    session.note("calibrated", patterns=patterns, rounds=rounds)
    session.tell(f"calibrated{session.accuracy(sequences, dataset, data)}; record: {session.file}")
