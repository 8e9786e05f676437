"""Reads views of macros back, each with a reader that shares nothing with what wrote it.

Every reader gives the pins of a macro: direction by bit, with the supply among them. GDS has no directions.
"""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pyslang

from ...model.formats import DesignError
from ...model.programs import written
from ..flow.yosys import run_yosys


class View(NamedTuple):
    """What a file says of a macro."""

    pins: dict[str, str]  #: direction by bit's name; "" where the format has none
    size: tuple[float, float] = (0.0, 0.0)  #: um, where the format has one
    area: float = 0.0  #: um2, where the format has a size or an area


def read_lef(path: Path, macro: str) -> View:
    """Pins that klayout finds in a LEF, and their directions, which klayout leaves out."""
    db: Any = import_module("klayout.db")
    options = db.LoadLayoutOptions()
    options.lefdef_config.dbu = 0.001
    cell, layout = _cell(db, path, macro, options)
    names = {text for info, text in _labels(db, layout, cell) if info.name.endswith(".LABEL")}
    text = path.read_text(encoding="utf-8")
    stated = re.findall(r"^\s*PIN\s+(\S+)\s*$(.*?)^\s*END\s+\1\s*$", text, flags=re.MULTILINE | re.DOTALL)
    directions = {name: re.findall(r"\bDIRECTION\s+(\w+)\s*;", body) for name, body in stated}
    pins = {name: found[0].lower() if (found := directions.get(name)) else "" for name in sorted(names)}
    return View(pins, *_size(cell, layout))


def read_gds(path: Path, macro: str) -> View:
    """Names of the pins in a GDS, and the size of all that is drawn."""
    db: Any = import_module("klayout.db")
    cell, layout = _cell(db, path, macro, db.LoadLayoutOptions())
    names = {text for info, text in _labels(db, layout, cell) if not text.startswith("PLACEHOLDER")}
    return View(dict.fromkeys(sorted(names), ""), *_size(cell, layout))


def _cell(db: Any, path: Path, macro: str, options: Any) -> tuple[Any, Any]:
    layout = db.Layout()
    try:
        layout.read(str(path), options)
    except RuntimeError as error:
        raise DesignError(f"klayout cannot read {path.name}: {str(error).splitlines()[0]}") from None
    cell = layout.cell(macro)
    if cell is None:
        raise DesignError(f"{path.name} must have the macro {macro}, and has none of that name")
    return cell, layout


def _size(cell: Any, layout: Any) -> tuple[tuple[float, float], float]:
    box = cell.bbox()
    width, height = box.width() * layout.dbu, box.height() * layout.dbu
    return (width, height), width * height


def _labels(db: Any, layout: Any, cell: Any) -> list[tuple[Any, str]]:
    return [
        (layout.get_info(index), shape.text.string)
        for index in layout.layer_indexes()
        for shape in cell.shapes(index).each(db.Shapes.STexts)
    ]


def read_liberty(path: Path, macro: str) -> View:
    """Pins and area of a macro in a Liberty file, by liberty-parser."""
    parse = import_module("liberty.parser").parse_liberty
    try:
        library = parse(path.read_text(encoding="utf-8"))
    except Exception as error:  # the parser's own kinds
        raise DesignError(f"liberty-parser cannot read {path.name}: {str(error).splitlines()[0]}") from None
    widths = {str(group.args[0]): int(group["bit_width"]) for group in library.get_groups("type")}
    cells = {str(group.args[0]): group for group in library.get_groups("cell")}
    if macro not in cells:
        raise DesignError(f"{path.name} must have the macro {macro}, and has none of that name")
    cell = cells[macro]
    pins = {str(group.args[0]): "inout" for group in cell.get_groups("pg_pin")}
    pins |= {str(group.args[0]): str(group["direction"]) for group in cell.get_groups("pin")}
    for group in cell.get_groups("bus"):
        name, width = str(group.args[0]), widths[str(group["bus_type"])]
        pins |= {f"{name}[{bit}]": str(group["direction"]) for bit in range(width)}
    return View(pins, area=float(cell["area"]))


def read_black_boxes(paths: dict[str, Path], folder: Path) -> dict[str, View]:
    """Ports of each macro's black box, by Yosys, which works in ``folder``; with the supply."""
    files = [str(path.resolve()) for path in paths.values()]
    commands = [f'read_verilog -DUSE_POWER_PINS "{file}"' for file in files]
    run_yosys([*commands, "write_json ports.json"], folder)
    modules = json.loads(written(folder / "ports.json", "yosys"))["modules"]
    for macro, path in paths.items():
        if macro not in modules:
            raise DesignError(f"{path.name} must have the module {macro}, and has none of that name")
    return {
        macro: View(
            {
                name if len(port["bits"]) == 1 else f"{name}[{bit}]": port["direction"]
                for name, port in modules[macro]["ports"].items()
                for bit in range(len(port["bits"]))
            }
        )
        for macro in paths
    }


def read_behavioural(path: Path, macro: str) -> View:
    """Ports of a macro's behavioural view, by slang; with the supply."""
    options = pyslang.parsing.PreprocessorOptions()
    options.predefines = ["USE_POWER_PINS"]
    tree = pyslang.syntax.SyntaxTree.fromFiles([str(path)], pyslang.SourceManager(), pyslang.Bag([options]))
    compilation = pyslang.ast.Compilation()
    compilation.addSyntaxTree(tree)
    found = [top for top in compilation.getRoot().topInstances if top.name == macro]
    if not found:
        raise DesignError(f"{path.name} must have the module {macro}, and has none of that name")
    kinds = {pyslang.ast.ArgumentDirection.In: "input", pyslang.ast.ArgumentDirection.Out: "output"}
    pins: dict[str, str] = {}
    for port in found[0].body.portList:
        direction, width = kinds.get(port.direction, "inout"), port.type.bitWidth
        pins |= {port.name if width == 1 else f"{port.name}[{bit}]": direction for bit in range(width)}
    return View(pins)
