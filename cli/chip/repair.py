"""``ohmgate chip repair``."""

from ..options import Data, Dataset
from .calibrate import Patterns, Rounds, Sequences, check_numbers, trim
from .measure import find
from .session import ArrayName, ChipSeed, Record, Session, Source, Spares

EXAMPLES = """Example: `ohmgate chip repair runs/demo --array worn.toml --seed 7 --spares 1 --record chip7.json`. What
the record already has is not measured again."""


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
    """Measure, place the weights around stuck cells and into spares, calibrate: all that the chip still needs."""
    from ...firmware.loader import placement

    check_numbers(patterns, rounds, sequences)
    session = Session(source, array, seed, spares, record)
    if any(layer.kinds is None for layer in session.record.layers):
        find(session, missing=True)
    for index, (layer, data_of) in enumerate(zip(session.network.design.layers, session.network.layers)):
        placed = placement(layer, data_of, session.record.layers[index])
        wrong = int((placed.holds != placed.weights).sum())
        used = int((placed.spares >= 0).sum())
        session.tell(
            f"layer {index}: {wrong} of {placed.holds.size} weights cannot be as they should, "
            f"{used} of {placed.spares.size} spares are used"
        )
    if any(layer.trims is None for layer in session.record.layers):
        trim(session, patterns, rounds, sequences, dataset, data, missing=True)
        return
    session.load()
    session.tell(f"repaired{session.accuracy(sequences, dataset, data)}; the record is as it was")
