"""Sequences that interleave on a chip: the order in which steps are sent, and the record one sequence at a time.

A chip that shares its arrays shows the steps of its contexts in the order of time. All that judges a record reads
sequence by sequence. So the record is put in that order, by the context that each step was of.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..model.layers import Layer
from ..model.payloads import context_of
from ..model.reference import steps_read
from .job import LayerRecord

Sent = Sequence[tuple[int, int]]  #: sequence and context of each sequence that was sent, in the order of their begins


def dealt(sequences: Iterable[int], lengths: np.ndarray, contexts: int, rng: np.random.Generator | None):
    """(sequence, context, step) of each time step in the order in which they are sent.

    A context gets the next sequence when it has sent its last. Contexts take turns; with ``rng`` at random.
    """
    coming, running, turn = iter(sequences), {}, -1
    while True:
        for context in range(contexts):
            if context not in running and (sequence := next(coming, None)) is not None:
                running[context] = (sequence, 0)
        if not running:
            return
        turn = int(rng.choice([*running])) if rng else min(running, key=lambda context: (context <= turn, context))
        sequence, step = running.pop(turn)
        yield sequence, turn, step
        if step + 1 < lengths[sequence]:
            running[turn] = (sequence, step + 1)


def order(layer: Layer, seen: Sequence[int], sent: Sent, lengths: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The order, by sequence and step, of what a layer showed of contexts ``seen``, and what is wrong with the count.

    ``lengths`` (sequences,) are those of the job. What no sequence has comes last.
    """
    steps = [np.flatnonzero(steps_read(layer, lengths[[which]], lengths[which])[0]) for which, _ in sent]
    places: dict[int, list[tuple[int, int]]] = {}
    for number, (_, context) in enumerate(sent):
        places.setdefault(context, []).extend((number, int(step)) for step in steps[number])
    count, keys = dict.fromkeys(places, 0), []
    for at, context in enumerate(seen):
        known = places.get(context, [])
        turn = count.get(context, 0)
        count[context] = turn + 1
        keys.append(known[turn] if turn < len(known) else (len(sent), at))
    wrong = [
        f"context {context} has {count[context]} steps, not {len(places.get(context, []))}"
        for context in sorted(count)
        if count[context] != len(places.get(context, []))
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64), wrong


def sorted_layer(record: LayerRecord, order: np.ndarray, conversions: int) -> LayerRecord:
    """A layer's record with its steps in ``order``; a step that was broken off stays behind."""
    sorted_record = {"drive": record.drive[order]}
    if record.busy is not None:
        sorted_record["busy"] = record.busy[order]
    for name, values in vars(record).items():
        if values is None or name in sorted_record:
            continue
        whole = len(values) // conversions
        kept = order[order < whole]
        steps = values[: whole * conversions].reshape(whole, conversions, *values.shape[1:])[kept]
        sorted_record[name] = np.concatenate([steps.reshape(-1, *values.shape[1:]), values[whole * conversions :]])
    return LayerRecord(**sorted_record)


def busy_share(layer: Layer, record: LayerRecord, skip: int = 0) -> tuple[int, int]:
    """Cycles in which an array converted, of all cycles from one step's first conversion to another's.

    These are the first and last in time, when ``skip`` steps at either end are left out.
    """
    busy = np.zeros(0, np.int64) if record.busy is None else record.busy
    starts = record.starts[:: layer.conversions][: len(busy)]
    first, last = np.argsort(starts)[[skip, -1 - skip]]
    return int(busy[last] - busy[first]), int(starts[last] - starts[first])


def contexts_of(layer: Layer, payloads: Iterable[int]) -> Iterator[int]:
    """Of the results that a chip whose last layer is ``layer`` gave."""
    return (context_of(layer, payload) for payload in payloads)
