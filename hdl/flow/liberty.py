"""A library of standard cells (Liberty): what synthesis and timing need of it beyond what Yosys reads itself."""

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...model.formats import DesignError
from ...model.programs import work_folder, written
from .yosys import run_yosys

#: Cells that need a power domain of their own. SkyWater's Liberty file does not say so.
DONT_USE = ("*lpflow*",)


@dataclass(frozen=True)
class Library:
    """Cells by what they are for; a pin follows its cell."""

    name: str  #: of the file
    text: str  #: of the file, unpacked
    buffer: tuple[str, str, str]  #: the smallest one, as strong as a flip-flop's output: cell, input, output
    high: tuple[str, str]  #: drives a constant 1
    low: tuple[str, str]
    areas: dict[str, float]
    clock_pins: dict[str, str]  #: of each flip-flop

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
    buffers, high, low = [], [], []
    for name, module in modules.items():
        bits = {pin: tuple(port["bits"]) for pin, port in module["ports"].items()}
        outputs = [pin for pin, port in module["ports"].items() if port["direction"] == "output"]
        if len(bits) == 2 and len(outputs) == 1 and len(set(bits.values())) == 1:
            [into] = set(bits) - set(outputs)
            buffers.append((float(module["attributes"]["area"]), name, into, outputs[0]))
        if len(bits) == len(outputs):
            high += [(name, pin) for pin in outputs if bits[pin] == ("1",)]
            low += [(name, pin) for pin in outputs if bits[pin] == ("0",)]
    for what, found in (("buffer", buffers), ("cell of a constant 1", high), ("cell of a constant 0", low)):
        if not found:
            raise DesignError(f"a library for synthesis must have a {what}, but {Path(path).name} has none")
    areas = {name: float(module["attributes"].get("area", 0)) for name, module in modules.items()}
    clock_pins = {name: pin for name, module in modules.items() if (pin := _clock_pin(module))}
    return Library(Path(path).name, text, min(buffers)[1:], min(high), min(low), areas, clock_pins)


def _clock_pin(module: dict[str, Any]) -> str | None:
    """Of a cell that is a flip-flop for a rising edge."""
    clocks = [
        cell["connections"]["C"] for cell in module["cells"].values() if re.match(r"\$_\w*DFF\w*_P", cell["type"])
    ]
    return next((pin for pin, port in module["ports"].items() if port["bits"] in clocks), None)


def _cells(text: str) -> list[str]:
    """The text in pieces: what stands before the first cell, then one cell each."""
    return re.split(r"^(?=\s*cell\s*\()", text, flags=re.MULTILINE)


def _name(cell: str) -> str:
    found = re.match(r"\s*cell\s*\(\s*\"?(\w+)", cell)
    return found[1] if found else ""
