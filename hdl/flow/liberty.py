"""A library of standard cells (Liberty): what synthesis and timing need of it beyond what Yosys reads itself."""

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

from ...model.formats import DesignError
from ...model.programs import work_folder, written
from .yosys import run_yosys

#: Cells that need a power domain of their own. SkyWater's Liberty file does not say so.
DONT_USE = ("*lpflow*",)


@dataclass(frozen=True)
class Latch:
    """A latch without reset, and its pins."""

    cell: str
    data: str
    gate: str
    out: str
    open_at: int  #: the gate's level


@dataclass(frozen=True)
class Library:
    """Cells by what they are for; a pin follows its cell."""

    name: str  #: of the file
    text: str  #: of the file, unpacked
    buffer: tuple[str, str, str]  #: the smallest one, as strong as a flip-flop's output: cell, input, output
    high: tuple[str, str]  #: drives a constant 1
    low: tuple[str, str]
    areas: dict[str, float]
    clock_pins: dict[str, str]  #: of each flip-flop and each latch without reset
    inverter: tuple[str, str, str]  #: the smallest one: cell, input, output
    latch: Latch | None  #: the smallest one that is open while its gate is high
    latch_of_low: Latch | None  #: the smallest one that is open while its gate is low

    @cached_property
    def clock_gates(self) -> tuple[str, ...]:
        """Cells that gate a clock, in the order of the file."""
        return tuple(_name(cell) for cell in _cells(self.text) if "clock_gating_integrated_cell" in cell)

    @property
    def with_clock_gates(self) -> str:
        """The text, but with the clock gates that a library keeps from logic (``dont_use``), as IHP's does."""
        cells = _cells(self.text)
        for number, cell in enumerate(cells):
            if "clock_gating_integrated_cell" in cell:
                cells[number] = re.sub(r"dont_use\s*:\s*\"?true\"?\s*;", "", cell)
        return "".join(cells)

    def only(self, kinds: set[str]) -> str:
        """The text, but with these cells alone."""
        head, *cells = _cells(self.text[: self.text.rindex("}")])
        return "".join([head, *(cell for cell in cells if _name(cell) in kinds)]) + "}\n"


def read_library(path: Path) -> Library:
    """Read a .lib or .lib.gz. Raises :class:`DesignError` for one that is broken, or lacks a buffer or constants."""
    data = Path(path).read_bytes()
    try:
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error):
        raise DesignError(f"{str(path)!r} must be a whole gzip file") from None
    with work_folder("ohmgate_library_") as folder:
        (folder / "cells.lib").write_text(text)
        run_yosys(["read_liberty -ignore_miss_func cells.lib", "write_json cells.json"], folder)
        modules = json.loads(written(folder / "cells.json", "yosys"))["modules"]
    areas = {name: float(module["attributes"].get("area", 0)) for name, module in modules.items()}
    buffers, inverters, high, low = [], [], [], []
    for name, module in modules.items():
        bits = {pin: tuple(port["bits"]) for pin, port in module["ports"].items()}
        outputs = [pin for pin, port in module["ports"].items() if port["direction"] == "output"]
        if len(bits) == 2 and len(outputs) == 1:
            [into] = set(bits) - set(outputs)
            if bits[into] == bits[outputs[0]]:
                buffers.append((areas[name], name, into, outputs[0]))
            elif [cell["type"] for cell in module["cells"].values()] == ["$_NOT_"]:
                inverters.append((areas[name], name, into, outputs[0]))
        if len(bits) == len(outputs):
            high += [(name, pin) for pin in outputs if bits[pin] == ("1",)]
            low += [(name, pin) for pin in outputs if bits[pin] == ("0",)]
    needed = {"a buffer": buffers, "an inverter": inverters}
    needed |= {"a cell of a constant 1": high, "a cell of a constant 0": low}
    for what, found in needed.items():
        if not found:
            raise DesignError(f"a library for synthesis must have {what}, but {Path(path).name} has none")
    latches = [
        latch for name in sorted(modules, key=lambda name: areas[name]) if (latch := _latch(name, modules[name]))
    ]
    latches = [latch for latch in latches if not any(fnmatch(latch.cell, pattern) for pattern in DONT_USE)]
    clock_pins = {name: pin for name, module in modules.items() if (pin := _clock_pin(module))}
    return Library(
        name=Path(path).name,
        text=text,
        buffer=min(buffers)[1:],
        high=min(high),
        low=min(low),
        areas=areas,
        clock_pins=clock_pins | {latch.cell: latch.gate for latch in latches},
        inverter=min(inverters)[1:],
        latch=next((latch for latch in latches if latch.open_at), None),
        latch_of_low=next((latch for latch in latches if not latch.open_at), None),
    )


def _clock_pin(module: dict[str, Any]) -> str | None:
    """Of a cell that is a flip-flop for a rising edge."""
    clocks = [
        cell["connections"]["C"] for cell in module["cells"].values() if re.match(r"\$_\w*DFF\w*_P", cell["type"])
    ]
    return next((pin for pin, port in module["ports"].items() if port["bits"] in clocks), None)


def _latch(name: str, module: dict[str, Any]) -> Latch | None:
    """Of a cell that is a latch and nothing more."""
    pins = {port["bits"][0]: pin for pin, port in module["ports"].items()}
    cells = module["cells"].values()
    inverted = {
        cell["connections"]["Y"][0]: cell["connections"]["A"][0] for cell in cells if cell["type"] == "$_NOT_"
    }
    for cell in cells:
        if cell["type"] == "$_DLATCH_P_":
            (enable,), (data,), (out,) = (cell["connections"][pin] for pin in "EDQ")
            gate = inverted.get(enable, enable)
            if pins.keys() == {gate, data, out}:
                return Latch(name, pins[data], pins[gate], pins[out], int(gate == enable))
    return None


def _cells(text: str) -> list[str]:
    """The text in pieces: what stands before the first cell, then one cell each."""
    return re.split(r"^(?=\s*cell\s*\()", text, flags=re.MULTILINE)


def _name(cell: str) -> str:
    found = re.match(r"\s*cell\s*\(\s*\"?(\w+)", cell)
    return found[1] if found else ""
