"""Pairs of latches in place of flip-flops, where the first latch of the pair can be common.

A flip-flop is two latches: the first is open while the clock is low, the second while it is high. The words of a
memory have the same data on their inputs and a clock gate each. So one first latch for each bit serves all words, and
a word is a row of second latches. What is written, and when it is seen, is as before.
"""

from collections import defaultdict
from typing import Any

from .liberty import Latch, Library

#: The fewest flip-flops that share a first latch. The clock of a first latch has no gate: with fewer, energy goes up.
SHARING = 8


def share_first_latches(module: dict[str, Any], library: Library) -> None:
    """Put latches in place of flip-flops behind clock gates that have the same data, where the library has latches.

    ``module`` is a module of Yosys's JSON, with clock gates and with flip-flops of Yosys's own. A second latch has
    the name of its flip-flop, and the first one the name of one of them, with ``_first`` behind. A library whose
    latches are all open while their gate is high gets an inverter between the clock and the first latches.
    """
    cells, clock = module["cells"], module["ports"].get("clk", {"bits": []})["bits"]
    gated = {
        cell["connections"][pin][0]
        for cell in cells.values()
        if cell["type"] in library.clock_gates and clock in cell["connections"].values()
        for pin, direction in cell["port_directions"].items()
        if direction == "output"
    }
    sharing = defaultdict(list)
    for name, cell in cells.items():
        if cell["type"] == "$_DFF_P_" and cell["connections"]["C"][0] in gated:
            sharing[cell["connections"]["D"][0]].append(name)
    sharing = {data: names for data, names in sharing.items() if len(names) >= SHARING}
    if library.latch is None or not sharing:
        return
    free = 1 + max(bit for net in module["netnames"].values() for bit in net["bits"] if isinstance(bit, int))
    first, low = library.latch_of_low, clock[0]
    if first is None:
        kind, into, out = library.inverter
        first, low = library.latch, free
        cells["clk_low"] = instance(kind, {into: clock[0]}, {out: low})
        free += 1
    for common, (data, names) in enumerate(sharing.items(), free):
        cells[f"{min(names).removesuffix('_reg')}_first"] = _latch(first, data, low, common)
        for name in names:
            pins = cells[name]["connections"]
            cells[name] = _latch(library.latch, common, pins["C"][0], pins["Q"][0])


def _latch(latch: Latch, data: int, gate: int, out: int) -> dict[str, Any]:
    return instance(latch.cell, {latch.data: data, latch.gate: gate}, {latch.out: out})


def instance(kind: str, inputs: dict[str, int], outputs: dict[str, int]) -> dict[str, Any]:
    """A cell of a library in Yosys's JSON: nets at its pins."""
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {
        "hide_name": 0,
        "type": kind,
        "parameters": {},
        "attributes": {},
        "port_directions": directions,
        "connections": {pin: [net] for pin, net in (inputs | outputs).items()},
    }
