"""A netlist of standard cells as Yosys writes it in JSON: names of clock gates, trees of buffers, areas of blocks."""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from .latches import instance
from .liberty import Library
from .standard_cells import BEHIND, FAN_OUT

Pins = dict[Any, list[tuple[str, str]]]  #: by net: cells and their pins


@dataclass(frozen=True)
class Block:
    """What a part of the hierarchy takes, in the library's unit."""

    area: float
    sequential: float  #: of its flip-flops and clock gates


@dataclass(frozen=True)
class Netlist:
    """A flat module: its entry in Yosys's JSON, which the methods change, and the library of its cells."""

    module: dict[str, Any]
    library: Library

    @property
    def cells(self) -> dict[str, Any]:
        """Cells by their names."""
        return self.module["cells"]

    def pins(self, direction: str) -> Pins:
        """The pins of one direction."""
        found: Pins = defaultdict(list)
        for name, cell in self.cells.items():
            for pin, bits in cell["connections"].items():
                if cell["port_directions"][pin] == direction:
                    for bit in bits:
                        found[bit].append((name, pin))
        return found

    def of(self, kinds: Any) -> list[str]:
        """Names of the cells of these kinds."""
        return [name for name, cell in self.cells.items() if cell["type"] in kinds]

    def clocks(self) -> set[Any]:
        """The nets that flip-flops have as their clocks."""
        pins = self.library.clock_pins
        return {self.cells[name]["connections"][pins[self.cells[name]["type"]]][0] for name in self.of(pins)}

    def name_clock_gates(self) -> None:
        """Name each clock gate after a flip-flop that it clocks, with ``_gate`` behind."""
        sinks = self.pins("input")
        drives = {name: bit for bit, pins in self.pins("output").items() for name, _pin in pins}
        for gate in self.of(self.library.clock_gates):
            register = min((name for name, _pin in sinks[drives[gate]]), default=gate)
            self.cells[f"{register.removesuffix('_reg')}_gate"] = self.cells.pop(gate) | {"hide_name": 0}

    def mark_logic_behind(self, kinds: Any) -> bool:
        """Mark the logic that cells of these kinds lead to, up to registers, as ``BEHIND``; is there any?

        The netlist's logic must be of Yosys's own gates.
        """
        sinks, waiting, marked = self.pins("input"), self.of(kinds), False
        while waiting:
            cell = self.cells[waiting.pop()]
            outputs = [bit for pin, bits in cell["connections"].items() for bit in bits if _is_output(cell, pin)]
            for name in {name for bit in outputs for name, _pin in sinks[bit]}:
                found = self.cells[name]
                if re.match(r"\$_(?!\w*(DFF|LATCH))", found["type"]) and BEHIND not in found["attributes"]:
                    found["attributes"][BEHIND] = "1"
                    waiting.append(name)
                    marked = True
        return marked

    def repair_fan_out(self) -> int:
        """Put buffers where an output drives more than ``FAN_OUT`` inputs; returns how many.

        They go before flip-flops: where no logic is in a net, ABC leaves it as it is. A net may have loads in both
        parts of the logic that ABC has mapped. Where that is too many, buffers go before logic, too, the part
        ``BEHIND`` first.
        """
        clocks, flip_flops = self.clocks(), set(self.of(self.library.clock_pins))
        free = 1 + max(bit for net in self.module["netnames"].values() for bit in net["bits"] if isinstance(bit, int))
        kind, into, out = self.library.buffer
        added = 0

        def buffered(bit: Any, pins: list[tuple[str, str]]) -> tuple[str, str]:
            nonlocal added, free
            name = f"{pins[0][0].removesuffix('_reg')}_buffer_{added}"
            for cell, pin in pins:
                self.cells[cell]["connections"][pin] = [free]
            self.cells[name] = instance(kind, {into: bit}, {out: free})
            free, added = free + 1, added + 1
            return name, into

        for bit, pins in self.pins("input").items():
            registers = sorted(pin for pin in pins if pin[0] in flip_flops)
            logic = [pin for pin in pins if pin[0] not in flip_flops]
            logic.sort(key=lambda pin: BEHIND not in self.cells[pin[0]]["attributes"])
            while bit not in clocks and len(registers) > 1 and len(registers) + len(logic) > FAN_OUT:
                parts = [registers[at : at + FAN_OUT] for at in range(0, len(registers), FAN_OUT)]
                registers = [buffered(bit, part) for part in parts]
            while bit not in clocks and (over := len(registers) + len(logic) - FAN_OUT) > 0:
                count = min(over + 1, FAN_OUT)
                logic = [*logic[count:], buffered(bit, logic[:count])]
        return added

    def largest_fan_out(self) -> int:
        """Inputs on the net that has most of them, clocks and constants aside."""
        clocks = self.clocks()
        return max(
            len(pins) for bit, pins in self.pins("input").items() if isinstance(bit, int) and bit not in clocks
        )

    def blocks(self) -> dict[str, Block]:
        """Areas by block, the largest first.

        Logic counts to the blocks of the flip-flops and arrays that it leads to, with equal parts for its loads.
        Cells that lead to ports alone count to ``ports``.
        """
        sinks, parts = self.pins("input"), {}
        sequential = {*self.of(self.library.clock_pins), *self.of(self.library.clock_gates)}
        for name in self.cells:
            if name in sequential or self.cells[name]["type"] not in self.library.areas:
                parts[name] = {block(name): 1.0}
        outputs = defaultdict(list)
        for bit, pins in self.pins("output").items():
            for name, _pin in pins:
                outputs[name].append(bit)
        for start in self.cells:
            waiting, seen = [start], set()
            while waiting:
                name = waiting[-1]
                loads = [load for bit in outputs[name] for load, _pin in sinks[bit]]
                if name not in parts and name not in seen:
                    seen.add(name)  # a loop of logic comes back to it
                    waiting += [load for load in loads if load not in parts]
                    continue
                waiting.pop()
                if name not in parts:
                    share = defaultdict(float)
                    for load in loads:
                        for of, part in parts.get(load, {}).items():
                            share[of] += part / len(loads)
                    parts[name] = share or {"ports": 1.0}
        areas, of_registers = defaultdict(float), defaultdict(float)
        for name, cell in self.cells.items():
            for of, part in parts[name].items():
                area = part * self.library.areas.get(cell["type"], 0.0)
                areas[of] += area
                of_registers[of] += area if name in sequential else 0.0
        return {of: Block(areas[of], of_registers[of]) for of in sorted(areas, key=lambda of: -areas[of])}


def _is_output(cell: dict[str, Any], pin: str) -> bool:
    return cell["port_directions"][pin] == "output"


def block(name: str) -> str:
    """The block of a flip-flop by its name: its path, without the numbers of equal parts, and the memory it is in."""
    *path, last = name.removeprefix("accelerator.").split(".")
    if re.search(r"\]\[\d+\](_reg|_gate|_first)$", last):
        path.append(last.partition("[")[0])
    named = [part if at == 0 else re.sub(r"(_\d+|\$\d+)+$", "", part) for at, part in enumerate(path)]
    return ".".join(named) or "top"
