"""Synthesis with Yosys: cells, area, timing, and the checks that a netlist must pass."""

import json
import re
from dataclasses import dataclass, replace
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
from . import mapping, standard_cells
from .emit import emit
from .latches import share_first_latches
from .liberty import Library, read_library
from .netlist import Netlist
from .place import nextpnr, place_and_route
from .synthesis_report import CriticalPath, SynthesisReport
from .yosys import run_yosys

TARGETS = ("generic", "ecp5", "liberty")
CELL_UNITS = {"generic": "of Yosys's own gates", "ecp5": "primitives of the ECP5", "liberty": "standard cells"}
#: A Liberty file does not name the unit of its areas.
AREA_UNIT = "in the library's unit (um2 in those of Nangate, SkyWater and IHP)"
ABC_METHOD = (
    "a lower bound by ABC: the mapped logic alone, without wires, the flip-flops' clock-to-output and setup, and the "
    "arrays; `ohmgate timing` has the static timing"
)
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
    contexts: int = 1


@dataclass(frozen=True)
class MappedChip:
    """A chip in standard cells: plain Verilog, one cell of the library an instance.

    A flip-flop is named after the net that it drives, with ``_reg`` behind; a clock gate after one of its flip-flops,
    with ``_gate``. Latches are as :func:`~.latches.share_first_latches` puts them. ``periphery`` is the same without
    the arrays: their pins are ports, named ``INSTANCE.PIN``.
    """

    report: SynthesisReport
    library: Library
    verilog: str
    periphery: str
    largest_fan_out: int  #: clocks and constants aside


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
    design: Design,
    target: str = "generic",
    liberty: Path | None = None,
    place: bool = False,
    clock_gating: bool = True,
) -> SynthesisReport:
    """Synthesise ``design``.

    ``generic``: Yosys's own gates. ``liberty``: the standard cells of a Liberty file (.lib or .lib.gz), with area
    and delay, and with clock gates where it has some. ``ecp5``: a Lattice ECP5; the arrays are off the FPGA, so
    their ports are ports of the top level; ``place`` also places and routes it for timing (nextpnr). Raises
    :class:`~ohmgate.hdl.flow.yosys.SynthesisError` if a tool fails, :class:`DesignError` for a target without its
    file or a design that the RTL does not take.
    """
    check(target, liberty, place)
    design.check_hardware()
    if target == "ecp5":
        source = Source(design.name, emit(Accelerator(design), design.name), "", (), *_identity(design))
        return synthesise_verilog(source, target, liberty, place)
    return synthesise_verilog(_chip(design), target, liberty, place, clock_gating)


def map_chip(design: Design, liberty: Path, clock_gating: bool = True) -> MappedChip:
    """The chip in the standard cells of a Liberty file. Raises as :func:`synthesise`."""
    check("liberty", liberty)
    design.check_hardware()
    return map_verilog(_chip(design), liberty, clock_gating)


def _chip(design: Design) -> Source:
    layers = unique_layers(design)
    boxes = tuple(sorted(layer.macro_name for layer in layers))
    declarations = "\n".join(black_box(layer) for layer in layers)
    return Source(design.name, emit(Chip(design), design.name), declarations, boxes, *_identity(design))


def _identity(design: Design) -> tuple[str, int]:
    return design.fingerprint, design.contexts


def synthesise_verilog(
    source: Source,
    target: str = "generic",
    liberty: Path | None = None,
    place: bool = False,
    clock_gating: bool = True,
) -> SynthesisReport:
    """Synthesise any Verilog; see :func:`synthesise`."""
    check(target, liberty, place)
    if target == "liberty" and liberty is not None:
        return map_verilog(source, liberty, clock_gating).report
    with work_folder("ohmgate_synthesis_") as folder:
        write_together(folder, {"top.v": source.verilog, "boxes.v": source.declarations})
        run_yosys(_commands(source.top, target), folder)
        path = place_and_route(folder / "netlist.json") if place else None
        return _report(source, folder, target, target, path)


def map_verilog(source: Source, liberty: Path, clock_gating: bool = True) -> MappedChip:
    """Any Verilog in the standard cells of a Liberty file; see :func:`map_chip`."""
    library = read_library(liberty)
    with work_folder("ohmgate_synthesis_") as folder:
        write_together(folder, {"top.v": source.verilog, "boxes.v": source.declarations})
        standard_cells.write_inputs(folder, library)
        run_yosys(_commands(source.top, "liberty", library, clock_gating), folder)
        content = json.loads(written(folder / "gated.json", "yosys"))
        share_first_latches(content["modules"][source.top], library)
        latches = (library.latch.cell,) if library.latch else ()
        netlist = Netlist(content["modules"][source.top], library)
        behind = netlist.mark_logic_behind((*source.black_boxes, *latches))
        write_together(folder, {"gated.json": json.dumps(content)})
        log = run_yosys(standard_cells.cells(library, behind), folder)
        content = json.loads(written(folder / "netlist.json", "yosys"))
        netlist = Netlist(content["modules"][source.top], library)
        netlist.name_clock_gates()
        netlist.repair_fan_out()
        boxes = _modules(source.declarations)
        content["modules"] = {name: content["modules"][name] for name in (source.top, *boxes)}
        write_together(folder, {"netlist.json": json.dumps(content)})
        run_yosys(standard_cells.views(boxes), folder)
        target = f"liberty {library.name}"
        report = replace(_report(source, folder, "liberty", target, _abc_path(log)), blocks=netlist.blocks())
        chip, periphery = (written(folder / f"{view}.v", "yosys") for view in ("chip", "periphery"))
    return MappedChip(report, library, chip, periphery, netlist.largest_fan_out())


def _report(source: Source, folder: Path, kind: str, target: str, path: CriticalPath | None) -> SynthesisReport:
    """What Yosys has left in ``folder``."""
    rtl, gates, mapped = (_statistics(folder / f"{stage}.json") for stage in ("rtl", "gates", "mapped"))
    problems = tuple(found for stage in ("rtl", "mapped") for found in _problems(folder / f"{stage}_check.txt"))
    cells = {kind: count for kind, count in mapped["num_cells_by_type"].items() if kind != "$scopeinfo"}
    kinds = gates["num_cells_by_type"]
    return SynthesisReport(
        design=source.top,
        fingerprint=source.fingerprint,
        contexts=source.contexts,
        target=target,
        cells=dict(sorted(cells.items())),
        cell_unit=CELL_UNITS[kind],
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


def _commands(top: str, target: str, library: Library | None = None, clock_gating: bool = True) -> list[str]:
    """Yosys commands; they leave statistics and checks of the RTL, of the gates and of the mapped netlist.

    Of standard cells they leave the netlist with clock gates alone: :mod:`.standard_cells` has the rest.
    """
    commands = [
        "read_verilog top.v",
        "read_verilog -lib boxes.v",
        f"hierarchy -check -top {top}",
        "proc",
        "flatten",
        "tee -q -o rtl.json stat -json",
        "tee -q -o rtl_check.txt check",  # before any optimisation that could hide an undriven net
    ]
    mapped = ["tee -q -o mapped.json stat -json", "tee -q -o mapped_check.txt check"]
    if target == "ecp5":
        commands += [
            *mapping.gates("ecp5", top, block_ram=False),
            "tee -q -o gates.json stat -json",
            *mapping.luts("ecp5", top),
            "write_json netlist.json",
        ]
        return [*commands, *mapped]
    commands += [f"synth -top {top} -noabc", "tee -q -o gates.json stat -json"]
    if library is None:
        return [*commands, "abc", "opt_clean", *mapped]
    return [*commands, *standard_cells.clock_gates(library, clock_gating)]


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
    """The slowest path of all runs of ABC; each prints its delay, and its ends where there is a path."""
    paths = []
    for part in log.split("Delay = ")[1:]:
        delay = re.match(r" *([0-9.]+) ps", part)
        ends = re.search(r"Start-point = \w+ \((.*?)\)\.  End-point = \w+ \((.*)\)\.", part)
        if delay:
            start, end = (_readable(name) for name in ends.groups()) if ends else ("?", "?")
            paths.append(CriticalPath(float(delay[1]), start, end, ABC_METHOD))
    return max(paths, key=lambda path: path.picoseconds, default=None)


def _readable(name: str) -> str:
    """A net's name, or what a net is that only Yosys has named."""
    return "an unnamed net before a flip-flop" if name.startswith("$") else name.removeprefix("\\")
