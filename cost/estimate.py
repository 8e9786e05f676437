"""What a design costs by one tier: rows, sums, rates."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..model.design import Design
from ..model.formats import DesignError, check_choice, check_integer, check_number
from ..model.layout import UNSELECTED
from . import paper
from .components import array_row, hold_row, programming_row, switch_row
from .converters import adc_row, dac_row
from .digital import digital_row
from .figures import Row, Span, total
from .measured import Measured, digital_rows
from .times import CLOCK_MHZ, Times, clocked, operations, paper_times

TIERS = ("paper", "literature", "measured")
STEPS = 20  #: of a sequence, where none are given


@dataclass(frozen=True)
class Cost:
    """Of a design by one tier."""

    design: Design
    tier: str
    times: Times
    rows: tuple[Row, ...]
    programming: tuple[Row, ...]  #: energies of a load; the paper says nothing of it
    measured: Measured | None = None
    unselected: str = "grounded"  #: what columns do that wait for their conversion

    def _at_end(self, row: Row) -> bool:
        return row.layer is not None and self.design.layers[row.layer].at_end

    @property
    def step_energy(self) -> Span:
        """pJ of a time step; without the layers that are read at a sequence's end."""
        return total(row.energy for row in self.rows if not self._at_end(row))

    def sequence_energy(self, steps: int) -> Span:
        """pJ of a sequence."""
        return self.step_energy.times(steps) + total(row.energy for row in self.rows if self._at_end(row))

    @property
    def area(self) -> Span:
        """um2."""
        return total(row.area for row in self.rows)

    @property
    def watts(self) -> Span:
        """While one time step follows the other."""
        return self.step_energy.times(1 / (1000 * self.times.step))

    @property
    def operations(self) -> int:
        """Multiply-accumulates of a time step."""
        return operations(self.design)

    @property
    def gops(self) -> float:
        """GOP/s, a multiply-accumulate being one operation."""
        return self.operations / self.times.step

    @property
    def gops_per_watt(self) -> float | None:
        """Of the middle values; None where a time step needs no power, as no array is read in it."""
        return self.gops / self.watts.value if self.watts.value else None

    @property
    def gops_per_mm2(self) -> float:
        return self.gops / (self.area.value / 1e6)

    def row(self, layer: int | None, component: str) -> Row | None:
        """Of a component in a layer, or of the whole chip, where the tier has one."""
        return next((row for row in self.rows if (row.layer, row.component) == (layer, component)), None)

    def summary(self, steps: int) -> dict[str, Any]:
        """Figures of the whole design, units in their names; the efficiencies are of the middle values."""
        return {
            "step_ns": self.times.step,
            "step_cycles": self.times.cycles,
            "steps_per_second": 1e9 / self.times.step,
            "array_busy": [self.times.busy(index) for index in range(len(self.times.layers))],
            "step_energy_pj": _spread(self.step_energy),
            "sequence_steps": steps,
            "sequence_ns": self.times.sequence(steps),
            "sequence_energy_pj": _spread(self.sequence_energy(steps)),
            "power_w": _spread(self.watts),
            "area_mm2": _spread(self.area.times(1e-6)),
            "programming_pj": _spread(total(row.energy for row in self.programming)),
            "gops": self.gops,
            "gops_two_operations": 2 * self.gops,
            "gops_per_w": self.gops_per_watt,
            "gops_per_mm2": self.gops_per_mm2,
        }

    def to_dict(self, steps: int) -> dict[str, Any]:
        """For JSON: the summary and every row."""
        return {
            "tier": self.tier,
            "clock_mhz": self.times.clock_mhz,
            "unselected": self.unselected,
            **self.summary(steps),
            "rows": [asdict(row) for row in self.rows],
            "programming": [asdict(row) for row in self.programming],
            "measured": None if self.measured is None else asdict(self.measured),
        }


def estimate(
    design: Design,
    tier: str,
    latencies: Sequence[int],
    clock_mhz: float = CLOCK_MHZ,
    measured: Measured | None = None,
    unselected: str = "grounded",
) -> Cost:
    """What ``design`` costs. ``latencies`` are its layers', in cycles beside the conversions (docs/rtl.md).

    The paper's tier has its own times, no clock, and all columns at ground. In the others, columns that wait are
    ``unselected``, one of :data:`..model.layout.UNSELECTED`. The clock of measured figures is no faster than the
    netlist they are of. Raises :class:`DesignError` for the measured tier without figures, and for those of another
    design.
    """
    check_choice("tier", tier, TIERS)
    check_number("clock in MHz", clock_mhz, 0.001, 100_000)
    check_choice("unselected columns", unselected, UNSELECTED)
    if tier == "paper":
        return Cost(design, tier, paper_times(design), tuple(paper.rows(design)), ())
    if tier == "measured":
        if measured is None:
            raise DesignError(
                f"the measured tier must have figures of {design.name}, and there are none; make them with: ohmgate "
                f"synth {design.name} --target liberty --liberty LIB --json FILE, and give them with --measured FILE"
            )
        measured.check(design, "what was measured")
        clock_mhz = min(clock_mhz, measured.megahertz)
    times = clocked(design, latencies, clock_mhz)
    analog, digital, programming = [], [], []
    for index, layer in enumerate(design.layers):
        time = times.layers[index]
        analog += [
            array_row(index, layer, time.array, unselected),
            dac_row(index, layer),
            switch_row(index, layer),
            hold_row(index, layer),
            adc_row(index, layer, time.conversion),
        ]
        forward = design.layers[index - 1] if layer.joined else None
        digital.append(digital_row(index, layer, design.contexts, forward))
        programming.append(programming_row(index, layer))
    if tier == "measured" and measured is not None:
        digital = digital_rows(measured, times, digital)
    rows = tuple(sorted([*analog, *digital], key=_order))
    return Cost(design, tier, times, rows, tuple(programming), measured if tier == "measured" else None, unselected)


def check_steps(steps: int) -> int:
    """Time steps of a sequence."""
    return check_integer("time steps of a sequence", steps, 1, 1_000_000)


def _order(row: Row) -> float:
    return float("inf") if row.layer is None else row.layer


def _spread(span: Span) -> list[float]:
    """Value, lowest, highest."""
    return [span.value, span.low, span.high]
