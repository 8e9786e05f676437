"""Energy of a chip in standard cells: edges of a simulation times the energies of its library."""

import json
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..hdl.chip import Chip
from ..hdl.flow.cell_models import NEEDS as CELL_NEEDS
from ..hdl.flow.cell_models import Cells, read_cells
from ..hdl.flow.emit import emit
from ..hdl.flow.synthesis import MappedChip, map_chip
from ..model.formats import DesignError
from ..model.network import Network
from ..model.prerequisites import require
from .gate_level import NEEDS as ICARUS
from .gate_level import Activity, run_bench, run_gates

NEEDS = (*ICARUS, *CELL_NEEDS)
KINDS = ("clock pins", "registers", "logic")
ASSUMPTIONS = (
    "no wires: a net has the capacitance of the inputs on it; no clock tree",
    "no glitches: cells have no delay in the simulation",
    "an edge inside a cell takes the mean over the states and arcs that the library tells apart",
    "slopes are in the middle of the library's tables",
    "the arrays are not in it",
)


@dataclass(frozen=True)
class PowerReport:
    """Energy of a clock cycle while time steps come without a gap."""

    design: str
    fingerprint: str
    library: str
    voltage: float
    clock_gating: bool
    sequences: int
    time_steps: int
    cycles: int
    verdict: str  #: of the bench, the same for the netlist as for the RTL
    energy_pj_per_cycle: dict[str, float]  #: by :data:`KINDS`
    leakage_uw: float
    assumptions: tuple[str, ...] = ASSUMPTIONS

    @property
    def total_pj_per_cycle(self) -> float:
        """Without leakage, which takes the longer the slower the clock is."""
        return sum(self.energy_pj_per_cycle.values())

    def json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self) | {"total_pj_per_cycle": self.total_pj_per_cycle}, indent=1) + "\n"

    def markdown(self) -> str:
        """The report as Markdown."""
        total = self.total_pj_per_cycle
        lines = [f"## {self.design} on {self.library}, {self.voltage:g} V", "", "| pJ a cycle | | part |"]
        lines += ["| --- | ---: | ---: |"]
        lines += [f"| {kind} | {pj:.2f} | {pj / total:.0%} |" for kind, pj in self.energy_pj_per_cycle.items()]
        lines += [f"| all | {total:.2f} | |", "", f"Leakage: {self.leakage_uw:.1f} uW."]
        lines += [f"Over {self.cycles} cycles: {self.sequences} sequences, {self.time_steps} time steps."]
        lines += [f"The netlist says what the RTL says: {self.verdict}", "", "Assumed:"]
        lines += [f"- {sentence}" for sentence in self.assumptions]
        return "\n".join(lines) + "\n"


def power(
    network: Network, liberty: Path, codes: np.ndarray, lengths: np.ndarray, clock_gating: bool = True
) -> PowerReport:
    """Map the chip of ``network`` to a library, run it with DAC codes (B, T, m) of ``lengths`` (B,), and sum up.

    Raises :class:`DesignError` where the netlist's results or cycles are not the RTL's.
    """
    return power_of(map_chip(network.design, liberty, clock_gating), network, codes, lengths, clock_gating)


def power_of(
    chip: MappedChip, network: Network, codes: np.ndarray, lengths: np.ndarray, clock_gating: bool = True
) -> PowerReport:
    """The same for a chip that is mapped already."""
    require("a power estimate", NEEDS)
    design = network.design
    cells = read_cells(chip.library, set(chip.report.cells))
    rtl = run_bench(emit(Chip(design), design.name), network, codes, lengths)
    activity = run_gates(chip.verilog, cells, network, codes, lengths)
    if activity.verdict != rtl:
        raise DesignError(
            f"the netlist of {design.name} must do what the RTL does, but: {activity.verdict}, not: {rtl}"
        )
    return PowerReport(
        design=design.name,
        fingerprint=design.fingerprint,
        library=chip.library.name,
        voltage=cells.voltage,
        clock_gating=clock_gating and bool(chip.library.clock_gates),
        sequences=len(lengths),
        time_steps=int(lengths.sum()),
        cycles=activity.cycles,
        verdict=rtl,
        energy_pj_per_cycle=energies(chip, cells, activity),
        leakage_uw=1e6 * sum(count * cells.leakage.get(kind, 0.0) for kind, count in chip.report.cells.items()),
    )


def energies(chip: MappedChip, cells: Cells, activity: Activity) -> dict[str, float]:
    """pJ a cycle by :data:`KINDS`.

    An edge of a net takes C V^2 / 2 for the inputs on it, and what the library tells for the pins at its ends. All
    of a clock net, and of the clock gates, counts to the clock pins; a net that a flip-flop drives to the registers.
    """
    instances = netlist_instances(chip.verilog)
    loads: dict[str, float] = defaultdict(float)
    for kind, pins in instances.values():
        for pin, net in pins.items():
            known = cells.pins.get(kind, {}).get(pin)
            if known is not None and known.direction == "input":
                loads[net] += known.capacitance
    clocks, drivers = {"clk"}, {}
    for kind, pins in instances.values():
        for pin, net in pins.items():
            known = cells.pins.get(kind, {}).get(pin)
            if known is not None and known.direction == "output":
                drivers[net] = kind
        if kind in chip.library.clock_pins:
            clocks.add(pins[chip.library.clock_pins[kind]])
    joules: dict[str, float] = dict.fromkeys(KINDS, 0.0)

    def kind_of(net: str, cell: str) -> str:
        if net in clocks or cell in chip.library.clock_gates:
            return "clock pins"
        return "registers" if cell in chip.library.clock_pins else "logic"

    for net, load in loads.items():
        up, down = activity.edges.get(net, (0, 0))
        joules[kind_of(net, drivers.get(net, ""))] += (up + down) * load * cells.voltage**2 / 2
    for kind, pins in instances.values():
        for pin, net in pins.items():
            known = cells.pins.get(kind, {}).get(pin)
            if known is not None and net in activity.edges:
                up, down = activity.edges[net]
                joules[kind_of(net, kind)] += up * known.rise.at(loads[net]) + down * known.fall.at(loads[net])
    return {kind: round(1e12 * energy / activity.cycles, 6) for kind, energy in joules.items()}


def netlist_instances(verilog: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Cells of a netlist as Yosys writes it, by their names: the kind, and the net at each pin."""
    found = {}
    for kind, name, text in re.findall(r"^  (\w+) (\\\S+|\w+) +\(\n(.*?)\n  \);", verilog, re.MULTILINE | re.DOTALL):
        pins = re.findall(r"^    \.(\w+)\(\\?(.*?) ?\),?$", text, re.MULTILINE)
        found[name.removeprefix("\\")] = (kind, dict(pins))
    return found
