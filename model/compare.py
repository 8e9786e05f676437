"""The project's promise, checked: where do two ways of computing a network part, and which integer is the first?

PyTorch, the array model and the Verilog all bring their integers here, stage by stage, and get the same verdict in
the same words. First is what came first in time; at one time, what comes first on the way of the data: a layer before
the next one, and within a layer the stages of :data:`STAGES` in their order.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .directions import step_times
from .layers import GATES, Layer
from .reference import LayerTrace, steps_read

#: Stages of a layer on the way of the data, by the fields of :class:`.reference.LayerTrace`, and what they hold.
STAGES = {
    "drive": "row",
    "adc": "ADC code",
    "gates": "gate activation",
    "cell": "cell state",
    "hidden": "hidden code",
    "out": "output",
}
OUTPUT_STREAM = "output stream"  #: of a chip: what its last layer hands on, with the marks of the sequence's ends
_ORDER = (*STAGES.values(), OUTPUT_STREAM)
_FIELDS = ("layer", "sequence", "step", "unit", "stage", "expected", "got", "cycle")


@dataclass(frozen=True)
class Mismatch:
    """An integer that differs: where, what was expected and what was got."""

    layer: int
    sequence: int  #: -1: of a step that no sequence has
    step: int
    unit: int  #: index within the stage; of ADC codes and gates, gate * n + hidden unit
    stage: str
    expected: int
    got: int | float  #: a float where PyTorch gave no integer
    cycle: int | None = None  #: clock cycle in which a simulated chip showed it
    what: str = ""  #: the unit in words

    def __str__(self) -> str:
        unit = f"unit {self.unit}{f' ({self.what})' if self.what else ''}"
        when = "" if self.cycle is None else f", in clock cycle {self.cycle}"
        return (
            f"layer {self.layer}, sequence {self.sequence}, step {self.step}, {unit}, {self.stage}: "
            f"expected {self.expected}, got {self.got}{when}"
        )


@dataclass(frozen=True)
class Check:
    """One stage of one layer: what was expected and what was got, a line for each time step in the order of time."""

    index: int  #: of the layer
    layer: Layer
    stage: str  #: as :data:`STAGES` names it
    places: np.ndarray  #: (steps, 2): sequence and step of each line
    expected: np.ndarray  #: (steps, units)
    got: np.ndarray  #: (steps, units); fewer or more steps than expected count as differing
    cycles: np.ndarray | None = None  #: as ``got``: the clock cycle of each; None: sequences run one after the other
    times: np.ndarray | None = None  #: (steps,) in which order the lines are computed; None: that of their places


@dataclass(frozen=True)
class Comparison:
    """The verdict: how many integers were compared, how many differ, and which one did so first."""

    integers: int
    mismatches: int
    first: Mismatch | None
    stages: Mapping[tuple[int, str], tuple[int, int]]  #: (layer, stage) -> integers, mismatches
    differences: tuple[Mismatch, ...] = ()  #: all of them in their order, where they were asked for
    violations: tuple[str, ...] = ()  #: rules of its ports that a simulated chip broke

    @property
    def agrees(self) -> bool:
        """Were there integers to compare, did all of them agree, and did the chip keep its rules?"""
        return self.integers > 0 and not self.mismatches and not self.violations

    def __str__(self) -> str:
        text = f"{self.integers} integers compared, {self.mismatches} differ"
        if self.first is not None:
            text += f"; first: {self.first}"
        return text + "".join(f"; rule broken: {sentence}" for sentence in self.violations)

    def by_stage(self) -> list[str]:
        """A line for each stage with differences, on the way of the data."""
        return [
            f"layer {layer}, {stage}: {wrong} of {integers} differ"
            for (layer, stage), (integers, wrong) in self.stages.items()
            if wrong
        ]

    def csv(self) -> str:
        """All ``differences`` as comma-separated values, one a line, the first one first."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(_FIELDS)
        table.writerows([getattr(found, name) for name in _FIELDS] for found in self.differences)
        return text.getvalue()


def compare(checks: Iterable[Check], keep: bool = False, violations: Sequence[str] = ()) -> Comparison:
    """Hold what was got against what was expected; ``keep`` collects every difference, not the first one alone."""
    counts: dict[tuple[int, str], tuple[int, int]] = {}
    found: list[tuple[tuple[float, int, int], Mismatch]] = []
    for check in checks:
        common = min(len(check.expected), len(check.got))
        wrong = np.argwhere(check.expected[:common] != check.got[:common])
        absent = abs(len(check.expected) - len(check.got))
        key, rank = (check.index, check.stage), (check.index, _ORDER.index(check.stage))
        integers, differing = counts.get(key, (0, 0))
        counts[key] = integers + check.expected.size, differing + len(wrong) + absent * check.expected.shape[1]
        if len(wrong):
            time = _time(check)[tuple(wrong.T)]
            chosen = np.argsort(time, kind="stable") if keep else [np.argmin(time)]
            found += [((time[k], *rank), _mismatch(check, *wrong[k])) for k in chosen]
        elif absent:
            found.append(((np.inf, *rank), _miscount(check)))
    found.sort(key=lambda entry: entry[0])  # stable: at one time, by line and unit
    counts = dict(sorted(counts.items(), key=lambda entry: (entry[0][0], _ORDER.index(entry[0][1]))))
    return Comparison(
        integers=sum(integers for integers, _ in counts.values()),
        mismatches=sum(differing for _, differing in counts.values()),
        first=found[0][1] if found else None,
        stages=counts,
        differences=tuple(mismatch for _, mismatch in found) if keep else (),
        violations=tuple(violations),
    )


def check_layers(
    layers: Sequence[Layer],
    expected: Sequence[LayerTrace],
    got: Sequence[Mapping[str, np.ndarray]],
    lengths: np.ndarray,
    first_sequence: int = 0,
    first_layer: int = 0,
) -> Iterator[Check]:
    """Checks of every stage in ``got``: for each layer, arrays (B, T, ...) by field name of :class:`LayerTrace`.

    Only time steps are compared in which a layer's array is read. ``first_sequence`` and ``first_layer`` are the
    numbers of the first ones, where these are part of more.
    """
    for index, (layer, trace, stages) in enumerate(zip(layers, expected, got)):
        read = steps_read(layer, lengths, trace.adc.shape[1])
        times = None
        if any(each.reverse for each in layers):
            times = step_times(layers, lengths, trace.adc.shape[1], first_sequence)[index][read]
        places = np.argwhere(read) + np.array([first_sequence, 0])
        for name, have in stages.items():
            want = getattr(trace, name)[read]
            yield Check(
                first_layer + index,
                layer,
                STAGES[name],
                places,
                want.reshape(len(want), -1),
                have[read].reshape(len(want), -1),
                times=times,
            )


def _time(check: Check) -> np.ndarray:
    """When each number of ``got`` was there, for those that have a place: (lines, units)."""
    if check.cycles is not None:
        return np.broadcast_to(check.cycles, check.got.shape)
    if check.times is not None:
        moment = check.times
    else:
        longest = check.places[:, 1].max(initial=0) + 1
        moment = check.places[:, 0] * longest + check.places[:, 1]
    return np.broadcast_to(moment[:, None], check.expected.shape)


def _mismatch(check: Check, line: int, unit: int) -> Mismatch:
    sequence, step = (int(v) for v in check.places[line])
    got = check.got[line, unit].item()
    return Mismatch(
        check.index,
        sequence,
        step,
        int(unit),
        check.stage,
        int(check.expected[line, unit]),
        int(got) if float(got).is_integer() else got,
        None if check.cycles is None else int(_time(check)[line, unit]),
        _words(check, int(unit)),
    )


def _miscount(check: Check) -> Mismatch:
    """The mismatch of a layer that showed fewer or more time steps than there are."""
    lines = len(check.got), len(check.expected)
    return Mismatch(check.index, -1, min(lines), 0, f"number of steps seen ({check.stage})", lines[1], lines[0])


def _words(check: Check, unit: int) -> str:
    """What unit of a stage this is, where its number does not say it."""
    layer, stage = check.layer, check.stage
    if stage == STAGES["drive"] and layer.hidden:
        if unit >= layer.inputs + layer.hidden:
            return f"bias row {unit - layer.inputs - layer.hidden}"
        return f"input {unit}" if unit < layer.inputs else f"hidden unit {unit - layer.inputs}"
    if stage == STAGES["adc"] and layer.row_tiles > 1:
        column, name = unit % layer.columns, f"output {unit % layer.columns}"
        if layer.kind == "lstm":
            name = f"gate {GATES[column // layer.hidden]} of hidden unit {column % layer.hidden}"
        return f"row tile {unit // layer.columns}, {name}"
    if stage in (STAGES["adc"], STAGES["gates"]) and layer.kind == "lstm":
        return f"gate {GATES[unit // layer.hidden]} of hidden unit {unit % layer.hidden}"
    if stage == OUTPUT_STREAM:
        values = check.expected.shape[1] - 2
        return "" if unit < values else ("mark of the first step", "mark of the last step")[unit - values]
    return ""
