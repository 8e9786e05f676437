"""Sequences that interleave on a chip: the order in which steps are sent, and the record one sequence at a time.

A chip that shares its arrays shows the steps of its contexts in the order of time. All that judges a record reads
sequence by sequence. So the record is put in that order, by the context that each step was of.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from ..model.design import Design
from ..model.formats import DesignError
from ..model.layers import Layer
from ..model.payloads import context_of
from ..model.reference import results_given, steps_read
from .job import LayerRecord

Sent = Sequence[tuple[int, int]]  #: sequence and context of each sequence that was sent, in the order of their begins


def dealt(
    sequences: Iterable[int], lengths: np.ndarray, contexts: int, rng: np.random.Generator | None, votes: int = 1
):
    """(sequence, context, step) of each time step in the order in which they are sent.

    A context gets the next ``votes`` sequences when it has sent its last ones. Contexts take turns; with ``rng`` at
    random.
    """
    coming, running, turn = iter(sequences), {}, -1
    while True:
        for context in range(contexts):
            if context not in running and (several := [*islice(coming, votes)]):
                running[context] = [(sequence, step) for sequence in several for step in range(lengths[sequence])]
        if not running:
            return
        turn = int(rng.choice([*running])) if rng else min(running, key=lambda context: (context <= turn, context))
        sequence, step = running[turn].pop(0)
        yield sequence, turn, step
        if not running[turn]:
            del running[turn]


def in_turns(lengths: np.ndarray, contexts: int, votes: int = 1) -> np.ndarray:
    """All that :func:`dealt` gives of sequences of ``lengths`` (B,) whose contexts take turns: (steps, 3).

    Sequences begin in their order.
    """
    if contexts == 1:
        sequence, step = np.argwhere(np.arange(lengths.max(initial=0)) < lengths[:, None]).T
        return np.stack([sequence, np.zeros_like(sequence), step], axis=1)
    return np.array([*dealt(range(len(lengths)), lengths, contexts, None, votes)], dtype=np.int64).reshape(-1, 3)


def gathered(sent: Sent, votes: int) -> list[tuple[int, int]]:
    """``sent`` with each ``votes`` sequences of a context side by side, in the order of their first ones' begins."""
    groups: list[list[tuple[int, int]]] = []
    latest: dict[int, list[tuple[int, int]]] = {}
    for sequence, context in sent:
        if len(latest.get(context, ())) % votes == 0:
            latest[context] = []
            groups.append(latest[context])
        latest[context].append((sequence, context))
    return [entry for group in groups for entry in group]


def order(
    layer: Layer, seen: Sequence[int] | np.ndarray, sent: Sent, lengths: np.ndarray, of=steps_read
) -> tuple[np.ndarray, list[str]]:
    """The order, by sequence and step, of what a layer showed of contexts ``seen``, and what is wrong with the count.

    ``lengths`` (sequences,) are those of the job; ``of`` says which steps a layer shows. What no sequence has comes
    last.
    """
    which, whose = np.array(sent, dtype=np.int64).reshape(-1, 2).T
    steps = of(layer, lengths[which], lengths.max(initial=0)).sum(axis=1)
    expected, got = np.repeat(whose, steps), np.array(seen, dtype=np.int64)  # contexts, the one by sequence and step
    places = len(expected) + np.arange(len(got))
    wrong = []
    for context in np.union1d(expected, got):
        at, free = np.flatnonzero(got == context), np.flatnonzero(expected == context)
        known = min(len(at), len(free))
        places[at[:known]] = free[:known]
        if len(at) != len(free):
            wrong.append(f"context {context} has {len(at)} steps, not {len(free)}")
    return places.argsort(), wrong


def by_sequence(
    layers: Sequence[Layer],
    records: Sequence[LayerRecord],
    seen: Sequence[Sequence[int] | np.ndarray],
    sent: Sent,
    lengths: np.ndarray,
) -> tuple[list[LayerRecord], np.ndarray, list[str]]:
    """What was seen of interleaved sequences with one behind the other: records, order of the results, what is wrong.

    ``seen`` are the contexts of each layer's steps, and then those of the results, in the order of time; ``sent``
    has the votes of a result side by side (:func:`gathered`).
    """
    found, wrong = [], []
    for index, (layer, record, contexts) in enumerate(zip(layers, records, seen)):
        at, sentences = order(layer, contexts, sent, lengths)
        found.append(sorted_layer(record, at, layer.conversions))
        wrong += [f"layer {index}: {sentence}" for sentence in sentences]
    at, sentences = order(layers[-1], seen[-1], sent, lengths, results_given)
    return found, at, wrong + [f"output stream: {sentence}" for sentence in sentences]


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


def check_traced(design: Design, trace: bool) -> None:
    """Raise :class:`DesignError` for interleaved sequences of Verilog that does not say whose step is converted."""
    if design.contexts > 1 and not trace:
        raise DesignError(
            f"the Verilog of {design.name} must have trace ports, which say whose step is converted: "
            f"its contexts are {design.contexts}, not 1"
        )


def contexts_of(layer: Layer, payloads: Iterable[int]) -> Iterator[int]:
    """Of the results that a chip whose last layer is ``layer`` gave."""
    return (context_of(layer, payload) for payload in payloads)
