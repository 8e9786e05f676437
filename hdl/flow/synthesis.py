"""Synthesis with Yosys: cells, area, timing, and the checks that a netlist must pass."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...model.design import Design
from ...model.files import write_together
from ...model.formats import DesignError, check_choice
from ...model.prerequisites import require
from ...model.programs import not_whole, work_folder, written
from ..accelerator import Accelerator
from ..chip import Chip
from ..macro_views import black_box, unique_layers
from . import mapping
from .emit import emit
from .place import nextpnr, place_and_route
from .synthesis_report import CriticalPath, SynthesisReport
from .yosys import run_yosys

TARGETS = ("generic", "ecp5", "liberty")
CELL_UNITS = {"generic": "of Yosys's own gates", "ecp5": "primitives of the ECP5", "liberty": "standard cells"}
#: A Liberty file does not name the unit of its areas.
AREA_UNIT = "in the library's unit (um2 in those of Nangate, SkyWater and IHP)"
ABC_METHOD = (
    "ABC's static timing of the mapped logic: without wires, flip-flop clock-to-output and setup, clock skew, "
    "input and output delays, and the arrays"
)
#: Map for delay, buffer, size: ABC's usual script for a library, with its own timing report at the end.
ABC_SCRIPT = "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;dch,-f;map,-B,0.9;topo;buffer,-c;upsize;dnsize;stime,-p"
LATCH = re.compile(r"latch|^\$_?SR|^\$sr$", re.IGNORECASE)
FLIP_FLOP = re.compile(r"^\$_(S|A|AL|SR)?DFF|^TRELLIS_FF$")


@dataclass(frozen=True)
class Source:
    """Verilog to synthesise; ``black_boxes`` are modules that other Verilog declares without content."""

    top: str
    verilog: str
    declarations: str = ""
    black_boxes: tuple[str, ...] = ()
    fingerprint: str = ""


def check(target: str = "generic", liberty: Path | None = None, place: bool = False) -> None:
    """Raise :class:`DesignError` for a target without its file, or where a tool is missing."""
    check_choice("target", target, TARGETS)
    if target == "liberty" and liberty is None:
        raise DesignError("target liberty must have a Liberty file, but none is given")
    if liberty is not None and target == "liberty" and not Path(liberty).is_file():
        raise DesignError(f"target liberty must have a Liberty file, and {str(liberty)!r} is none")
    if target != "liberty" and liberty is not None:
        raise DesignError(f"a Liberty file is for the target liberty, not for {target}")
    if target != "ecp5" and place:
        raise DesignError(f"place and route is for the target ecp5, not for {target}")
    require("synthesis", ("pyosys",))
    if place:
        nextpnr()


def synthesise(
    design: Design, target: str = "generic", liberty: Path | None = None, place: bool = False
) -> SynthesisReport:
    """Synthesise ``design``.

    ``generic``: Yosys's own gates. ``liberty``: the standard cells of a Liberty file (.lib or .lib.gz), with area
    and delay. ``ecp5``: a Lattice ECP5; the arrays are off the FPGA, so their ports are ports of the top level;
    ``place`` also places and routes it for timing (nextpnr). Raises
    :class:`~ohmgate.hdl.flow.yosys.SynthesisError` if a tool fails, :class:`DesignError` for a target without its
    file or a design that the RTL does not take.
    """
    check(target, liberty, place)
    design.check_hardware()
    if target == "ecp5":
        source = Source(design.name, emit(Accelerator(design), design.name), fingerprint=design.fingerprint)
        return synthesise_verilog(source, target, liberty, place)
    layers = unique_layers(design)
    boxes = tuple(sorted(layer.macro_name for layer in layers))
    declarations = "\n".join(black_box(layer) for layer in layers)
    source = Source(design.name, emit(Chip(design), design.name), declarations, boxes, design.fingerprint)
    return synthesise_verilog(source, target, liberty, place)


def synthesise_verilog(
    source: Source, target: str = "generic", liberty: Path | None = None, place: bool = False
) -> SynthesisReport:
    """Synthesise any Verilog; see :func:`synthesise`."""
    check(target, liberty, place)
    with work_folder("ohmgate_synthesis_") as folder:
        write_together(folder, {"top.v": source.verilog, "boxes.v": source.declarations})
        log = run_yosys(_commands(source.top, target, liberty), folder)
        rtl, gates, mapped = (_statistics(folder / f"{stage}.json") for stage in ("rtl", "gates", "mapped"))
        problems = tuple(found for stage in ("rtl", "mapped") for found in _problems(folder / f"{stage}_check.txt"))
        path = _abc_path(log) if target == "liberty" else None
        if place:
            path = place_and_route(folder / "netlist.json")
    cells = {kind: count for kind, count in mapped["num_cells_by_type"].items() if kind != "$scopeinfo"}
    kinds = gates["num_cells_by_type"]
    return SynthesisReport(
        design=source.top,
        fingerprint=source.fingerprint,
        target=target if liberty is None else f"{target} {Path(liberty).name}",
        cells=dict(sorted(cells.items())),
        cell_unit=CELL_UNITS[target],
        flip_flops=sum(count for kind, count in kinds.items() if FLIP_FLOP.search(kind)),
        memories=rtl["num_memories"],
        memory_bits=rtl["num_memory_bits"],
        area=mapped.get("area"),
        sequential_area=mapped.get("sequential_area"),
        area_unit=AREA_UNIT if "area" in mapped else None,
        critical_path=path,
        latches=sum(count for kind, count in kinds.items() if LATCH.search(kind)),
        net_problems=problems,
        black_boxes=tuple(sorted(set(cells) & set(_modules(source.declarations)))),
        expected_black_boxes=source.black_boxes,
    )


def _commands(top: str, target: str, liberty: Path | None) -> list[str]:
    """Yosys commands; they leave statistics and checks of the RTL, of the gates and of the mapped netlist."""
    commands = [
        "read_verilog top.v",
        "read_verilog -lib boxes.v",
        f"hierarchy -check -top {top}",
        "proc",
        "flatten",
        "tee -q -o rtl.json stat -json",
        "tee -q -o rtl_check.txt check",  # before any optimisation that could hide an undriven net
    ]
    if target == "ecp5":
        commands += [
            *mapping.gates("ecp5", top, block_ram=False),
            "tee -q -o gates.json stat -json",
            *mapping.luts("ecp5", top),
            "write_json netlist.json",
        ]
    else:
        commands += [f"synth -top {top} -noabc", "tee -q -o gates.json stat -json"]
    file = f'"{Path(liberty).resolve()}"' if liberty else ""
    if target == "generic":
        commands += ["abc", "opt_clean"]
    if target == "liberty":
        commands += [
            "setattr -unset init w:*",  # cells have no initial value: all control state has a reset
            f"dfflibmap -liberty {file}",
            f"abc -liberty {file} -script {ABC_SCRIPT}",
            "opt_clean -purge",
            f"read_liberty -lib -ignore_miss_func {file}",
        ]
    area = f" -liberty {file}" if target == "liberty" else ""
    return [*commands, f"tee -q -o mapped.json stat -json{area}", "tee -q -o mapped_check.txt check"]


def _statistics(path: Path) -> dict[str, Any]:
    """Of the only module that is left after flattening."""
    text = written(path, "yosys")
    try:
        return json.loads(text[text.index("{") : text.rindex("}") + 1])["design"]
    except (ValueError, KeyError):
        raise not_whole(path, "yosys") from None


def _problems(path: Path) -> list[str]:
    """What Yosys's check warns of."""
    text = written(path, "yosys")
    if "Found and reported" not in text:  # its last line
        raise not_whole(path, "yosys")
    return [line.removeprefix("Warning: ") for line in text.splitlines() if line.startswith("Warning: ")]


def _modules(verilog: str) -> list[str]:
    return re.findall(r"^module (\w+)", verilog, flags=re.MULTILINE)


def _abc_path(log: str) -> CriticalPath | None:
    delay = re.findall(r"Delay = *([0-9.]+) ps", log)
    ends = re.findall(r"Start-point = \w+ \((.*?)\)\.  End-point = \w+ \((.*)\)\.", log)
    if not delay:
        return None
    start, end = (_readable(name) for name in ends[-1]) if ends else ("?", "?")
    return CriticalPath(float(delay[-1]), start, end, ABC_METHOD)


def _readable(name: str) -> str:
    """A net's name, or what a net is that only Yosys has named."""
    return "an unnamed net before a flip-flop" if name.startswith("$") else name.removeprefix("\\")
