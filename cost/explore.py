"""Every variant of a design in a grid, and those that no other beats. Cost is closed form: all are worked out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from ..model.design import Design
from ..model.formats import DesignError, check_choice
from ..model.layers import Layer, LstmLayer
from .estimate import Cost, estimate
from .times import CLOCK_MHZ

Value = int | float | str
Choice = Mapping[str, Value]
#: What may be varied and changes the integers: only training tells what it is worth.
TRAINED = ("hidden", "adc_bits", "dac_bits", "weight_bits", "cell_bits", "activation_bits", "tanh_bits", "tables")
FREE = ("adcs", "clock_mhz")  #: what may be varied and changes no integer
FIELDS = (*TRAINED, *FREE)
USUAL: dict[str, tuple[Value, ...]] = {
    "adc_bits": (2, 3, 4, 6, 8),
    "dac_bits": (2, 4, 6),
    "cell_bits": (16, 24, 32),
    "activation_bits": (6, 8, 10),
}  #: values of an exploration that is given none
MOST_POINTS = 20_000
ALIKE = 1e-9  #: relative difference of figures that count as equal
CELL_INTEGER_BITS = 5  #: of a narrower cell state: sign and four


@dataclass(frozen=True)
class Point:
    """A variant, what was chosen for it, and what a sequence costs."""

    choice: dict[str, Value]  #: of :data:`FIELDS`, those of the LSTM layers
    design: Design
    cost: Cost
    energy: float  #: pJ of a sequence
    time: float  #: ns of a sequence
    area: float  #: um2
    trial: str | None = None  #: name of the training whose score it shares; None: closed form only
    score: float | None = None  #: of that training

    @property
    def figures(self) -> tuple[float, ...]:
        """Energy, time and area: the less, the better."""
        return self.energy, self.time, self.area

    @property
    def origin(self) -> str:
        """Where its figures come from."""
        return "closed form" if self.trial is None else f"trained, {self.trial}"

    @property
    def integers(self) -> tuple[Value, ...]:
        """What of its choice changes the integers: points alike in this share a training."""
        return integers(self.choice)


def integers(choice: Choice) -> tuple[Value, ...]:
    """The values of :data:`TRAINED`."""
    return tuple(choice[field] for field in TRAINED)


def standing(design: Design) -> dict[str, Value]:
    """What the first LSTM layer of a design has. Raises :class:`DesignError` for a design without one."""
    layer = next((layer for layer in design.layers if isinstance(layer, LstmLayer)), None)
    if layer is None:
        raise DesignError(f"an exploration must be of a design with an LSTM layer, but {design.name} has none")
    if any(layer.kind == "rnn" for layer in design.layers):
        raise DesignError(f"an exploration must be of a design without RNN layers, but {design.name} has some")
    if design.max_steps:
        raise DesignError(f"an exploration must be of a design without layers in reverse, but {design.name} has some")
    return {field: getattr(layer, field) for field in FIELDS if field != "clock_mhz"} | {"clock_mhz": CLOCK_MHZ}


def variant(design: Design, choice: Choice, name: str) -> Design:
    """``design`` with a choice in all its LSTM layers; the layers around them follow.

    A narrower cell state keeps five bits before the point, an index into tanh(c) of other width its range. Raises
    :class:`DesignError` for a choice that is none.
    """
    own = {field: value for field, value in choice.items() if field != "clock_mhz"}
    layers: list[Layer] = []
    for layer in design.layers:
        changes: dict[str, Any] = {}
        if isinstance(layer, LstmLayer):
            width = int(own.get("cell_bits", layer.cell_bits))
            index = layer.tanh_fraction + int(own.get("tanh_bits", layer.tanh_bits)) - layer.tanh_bits
            fraction = min(layer.cell_fraction, width - CELL_INTEGER_BITS)
            changes = own | {"cell_fraction": fraction, "tanh_fraction": index}
        if layers:
            before = layers[-1]
            if isinstance(layer, LstmLayer) and not isinstance(before, LstmLayer):
                bits = layer.input_dac_bits or int(own.get("dac_bits", layer.dac_bits))
                layers[-1] = before = replace(before, output_bits=bits)
            changes["inputs"] = before.outputs
            if not isinstance(layer, LstmLayer) and isinstance(before, LstmLayer):
                changes["dac_bits"] = before.output_bits
        layers.append(replace(layer, **changes))
    return replace(design, name=name, layers=tuple(layers))


def grid(design: Design, vary: Mapping[str, Sequence[Value]]) -> list[dict[str, Value]]:
    """Every combination. What is not varied stays as it is, but ``adcs``: all that divide the hidden units' columns.

    Combinations whose ADCs do not divide them are left out. Raises :class:`DesignError` where there are too many, or
    none.
    """
    there = standing(design)
    for field in vary:
        check_choice("what is varied", field, FIELDS)
    axes = {field: list(dict.fromkeys(vary.get(field, [there[field]]))) for field in FIELDS if field != "adcs"}
    found = []
    for values in product(*axes.values()):
        choice = dict(zip(axes, values))
        hidden = int(choice["hidden"])
        for adcs in map(int, dict.fromkeys(vary.get("adcs", [4 * lanes for lanes in range(1, hidden + 1)]))):
            if adcs % 4 == 0 and adcs >= 4 and hidden % (adcs // 4) == 0:
                found.append(choice | {"adcs": adcs})
            if len(found) > MOST_POINTS:
                raise DesignError(f"an exploration must have at most {MOST_POINTS} points; vary fewer values")
    if not found:
        raise DesignError("an exploration must have a number of ADCs that is 4 times a divisor of the hidden units")
    return found


def explore(
    design: Design,
    choices: Iterable[Choice],
    latency: Callable[[Layer, int], int],
    steps: int,
    unselected: str = "grounded",
) -> list[Point]:
    """What each choice costs, by the literature's figures; ``latency`` is of a layer and contexts, in cycles.

    ``unselected`` is that of :func:`.estimate.estimate`.
    """
    points = []
    for number, choice in enumerate(choices):
        own = variant(design, choice, f"{design.name}_{number}")
        latencies = [latency(layer, own.contexts) for layer in own.layers]
        cost = estimate(own, "literature", latencies, float(choice["clock_mhz"]), unselected=unselected)
        energy, time = cost.sequence_energy(steps).value, cost.times.sequence(steps)
        points.append(Point(dict(choice), own, cost, energy, time, cost.area.value))
    return points


def front(
    points: Sequence[Point], judged: Callable[[Point], Sequence[float]] = lambda point: point.figures
) -> list[Point]:
    """Points that no other beats, in their order: none is no worse in all figures, and better in one.

    ``judged`` gives a point's figures: none below 0, and the less, the better.
    """
    table = np.array([tuple(judged(point)) for point in points])
    kept = []
    for point, row in zip(points, table):
        no_worse = (table <= row * (1 + ALIKE)).all(axis=1)
        better = (table < row * (1 - ALIKE)).any(axis=1)
        if not (no_worse & better).any():
            kept.append(point)
    return kept


def one_change(design: Design, choices: Iterable[Choice]) -> list[dict[str, Value]]:
    """The design as it stands, then with each value of ``choices`` alone, where that is a choice of its own."""
    there, choices = standing(design), list(choices)
    found = [there]
    for field in FIELDS:
        for value in dict.fromkeys(choice[field] for choice in choices):
            alone = there | {field: value}
            if value != there[field] and int(alone["hidden"]) % (int(alone["adcs"]) // 4) == 0:
                found.append(alone)
    return found


def trained_choice(design: Design, choice: Choice) -> dict[str, Value]:
    """``choice`` with what a training and its price stand for where they are free: ADCs and clock of the design.

    One ADC a gate where the design's do not divide the hidden units.
    """
    there = standing(design)
    fits = int(choice["hidden"]) % (int(there["adcs"]) // 4) == 0
    return dict(choice) | {"adcs": there["adcs"] if fits else 4, "clock_mhz": there["clock_mhz"]}
