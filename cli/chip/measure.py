"""``ohmgate chip measure``."""

from collections import Counter

import numpy as np

from .session import ArrayName, ChipSeed, Record, Session, Source, Spares, told

EXAMPLES = """Example: `ohmgate chip measure runs/demo --array worn.toml --seed 7 --record chip7.json` programs every
cell three times and reads it each time. Then: `ohmgate chip calibrate`."""


def command(
    source: Source, record: Record, array: ArrayName = "reram", seed: ChipSeed = 0, spares: Spares = None
) -> None:
    """Find the stuck cells of every array. The chip loses its network."""
    session = Session(source, array, seed, spares, record)
    find(session)
    session.tell(f"{session.chip.conversions} conversions, {session.chip.accesses} accesses; record: {record}")


def find(session: Session, missing: bool = False) -> None:
    """Find the stuck cells of a session's chip, or those that its record does not have yet, and count them."""
    from ...firmware.chip.faults import HEALTHY, NAMES
    from ...firmware.chip.service import find_stuck

    with told() as tell:
        session.do(find_stuck(session.network, session.record, tell, session.keep, missing))
    session.note("measured", conversions=session.chip.conversions)
    for index, layer in enumerate(session.record.layers):
        kinds = np.zeros(0) if layer.kinds is None else layer.kinds
        counts = Counter(NAMES[kind] for kind in kinds[kinds != HEALTHY].tolist())
        listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
        session.tell(f"layer {index}: weights with stuck cells: {listed} of {kinds.size}")
