"""What a synthesis found, as data, JSON and Markdown."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from .netlist import Block


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path between registers, ports and macros."""

    picoseconds: float
    start: str
    end: str
    method: str  #: how it was estimated, and what that leaves out

    @property
    def megahertz(self) -> float | None:
        """The highest clock rate that the path allows; None for a path of 0 ps, wires alone."""
        return 1e6 / self.picoseconds if self.picoseconds else None


@dataclass(frozen=True)
class SynthesisReport:
    """Cells after mapping; ``memories`` and ``memory_bits`` as described in the RTL, before mapping."""

    design: str
    fingerprint: str
    target: str
    cells: dict[str, int]
    cell_unit: str  #: what a cell is
    flip_flops: int
    memories: int
    memory_bits: int
    area: float | None  #: in :attr:`area_unit`; without the arrays
    sequential_area: float | None
    area_unit: str | None
    critical_path: CriticalPath | None
    latches: int
    net_problems: tuple[str, ...]  #: undriven and multiply driven nets, combinational loops
    black_boxes: tuple[str, ...]
    expected_black_boxes: tuple[str, ...]
    blocks: dict[str, Block] | None = None  #: parts of the area, of standard cells
    contexts: int = 1  #: of the design

    def faults(self) -> list[str]:
        """A sentence for each thing that must not be there; empty for a sound design."""
        found = [f"{self.latches} latches"] if self.latches else []
        found += self.net_problems
        if self.black_boxes != self.expected_black_boxes:
            found.append(f"black boxes are {self.black_boxes}, not {self.expected_black_boxes}")
        return found

    def json(self) -> str:
        """The report as JSON text."""
        content: dict[str, Any] = asdict(self) | {"faults": self.faults()}
        if self.critical_path is not None:
            content["critical_path"]["megahertz"] = self.critical_path.megahertz
        if self.contexts == 1:
            del content["contexts"]
        return json.dumps(content, indent=1) + "\n"

    def markdown(self) -> str:
        """The report as a Markdown table."""
        rows = [
            ("fingerprint", self.fingerprint),
            ("cells", f"{sum(self.cells.values())} {self.cell_unit}"),
            ("flip-flops", self.flip_flops),
            ("memories in the RTL", f"{self.memories} ({self.memory_bits} bits)"),
        ]
        if self.area is not None:
            rows += [("area", f"{self.area:.0f}, {self.area_unit}")]
            rows += [("of which sequential", f"{self.sequential_area:.0f} of the same")]
        if self.critical_path is not None:
            path = self.critical_path
            time = f"{path.picoseconds:.0f} ps"
            if path.megahertz is not None:
                time += f", so {path.megahertz:.0f} MHz"
            rows.append(("critical path", f"{time}, {path.start} to {path.end} ({path.method})"))
        rows.append(("faults", "; ".join(self.faults()) or "none"))
        lines = [f"## {self.design} on {self.target}", "", "| what | value |", "| --- | --- |"]
        lines += [f"| {name} | {value} |" for name, value in rows]
        if self.blocks:
            lines += ["", "| block | area | of which sequential |", "| --- | --- | --- |"]
            lines += [f"| {name} | {at.area:.0f} | {at.sequential:.0f} |" for name, at in self.blocks.items()]
        lines += ["", "| cell | count |", "| --- | --- |"]
        lines += [f"| {kind} | {count} |" for kind, count in sorted(self.cells.items())]
        return "\n".join(lines) + "\n"
