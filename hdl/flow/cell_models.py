"""What a simulation and a power estimate need of a library's cells: Verilog models, capacitances, energies."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...model.files import write_together
from ...model.programs import work_folder, written
from .liberty import Library
from .yosys import run_yosys

NEEDS = ("pyosys", "liberty")
UNITS = {"ff": 1e-15, "pf": 1e-12, "1nw": 1e-9, "1pw": 1e-12, "1uw": 1e-6, "1mw": 1e-3}


@dataclass(frozen=True)
class Table:
    """Energy (J) of an edge by the load (F)."""

    loads: np.ndarray
    values: np.ndarray

    def at(self, load: float) -> float:
        """The energy at a load, the nearest one beyond the table's ends."""
        return float(np.interp(load, self.loads, self.values))


@dataclass(frozen=True)
class Pin:
    """A pin: what it is to its driver, and what its edges cost inside the cell."""

    direction: str
    capacitance: float  #: F
    rise: Table
    fall: Table


@dataclass(frozen=True)
class Cells:
    """The cells of a library."""

    pins: dict[str, dict[str, Pin]]  #: by cell and pin
    leakage: dict[str, float]  #: W
    voltage: float  #: V
    models: str  #: Verilog


def read_cells(library: Library, kinds: set[str]) -> Cells:
    """Read these cells of a library.

    An edge's energy is the mean over the states and arcs that the library tells apart, at a slope in the middle of
    each table: the geometric mean of its ends.
    """
    from liberty.parser import parse_liberty

    text = library.only(kinds)
    file = parse_liberty(text)
    unit = UNITS[str(file["capacitive_load_unit"][1]).strip('"').lower()] * float(file["capacitive_load_unit"][0])
    watts = UNITS[str(file["leakage_power_unit"]).strip('"').lower()]
    templates = {_text(group.args[0]): group for group in file.get_groups("power_lut_template")}
    pins, leakage, gates = {}, {}, []
    for cell in file.get_groups("cell"):
        name = _text(cell.args[0])
        found = {_text(pin.args[0]): pin for pin in cell.get_groups("pin")}
        pins[name] = {pin: _pin(group, unit, templates) for pin, group in found.items() if "direction" in group}
        leakage[name] = float(cell["cell_leakage_power"]) * watts if "cell_leakage_power" in cell else 0.0
        if name in library.clock_gates:
            gates.append(_clock_gate(name, found))
    return Cells(pins, leakage, float(file["nom_voltage"]), "\n".join([_models(text), *gates]))


def _text(value: Any) -> str:
    return str(value).strip('"')


def _numbers(values: Any) -> np.ndarray:
    rows = [np.array(re.split(r"[\s,\\]+", _text(row).strip()), dtype=float) for row in values]
    return rows[0] if len(rows) == 1 else np.array(rows)


def _pin(group: Any, unit: float, templates: dict[str, Any]) -> Pin:
    """Internal energies have the unit of a capacitance times a voltage squared."""
    tables: dict[str, list[Table]] = {"rise_power": [], "fall_power": []}
    for power in group.get_groups("internal_power"):
        for edge, found in tables.items():
            for table in power.get_groups(edge) + power.get_groups("power"):
                found.append(_table(table, unit, templates))
    capacitance = float(group["capacitance"]) * unit if "capacitance" in group else 0.0
    return Pin(_text(group["direction"]), capacitance, _mean(tables["rise_power"]), _mean(tables["fall_power"]))


def _table(group: Any, unit: float, templates: dict[str, Any]) -> Table:
    values = _numbers(group["values"])
    template = templates.get(_text(group.args[0]))
    if template is None:  # a scalar
        return Table(np.zeros(1), values.reshape(-1)[:1] * unit)
    axes = {}
    for number in (1, 2):
        if f"variable_{number}" in template:
            index = group if f"index_{number}" in group else template
            axes[_text(template[f"variable_{number}"])] = _numbers(index[f"index_{number}"])
    if len(axes) == 2 and next(iter(axes)) == "total_output_net_capacitance":
        values = values.T
    loads = axes.get("total_output_net_capacitance", np.zeros(1)) * unit
    slopes = next((axis for name, axis in axes.items() if name != "total_output_net_capacitance"), np.zeros(1))
    rows = values.reshape(len(slopes), len(loads))
    middle = np.sqrt(slopes[0] * slopes[-1])
    return Table(loads, np.array([np.interp(middle, slopes, column) for column in rows.T]) * unit)


def _mean(tables: list[Table]) -> Table:
    if not tables:
        return Table(np.zeros(1), np.zeros(1))
    loads = max((table.loads for table in tables), key=len)
    return Table(loads, np.mean([np.interp(loads, table.loads, table.values) for table in tables], axis=0))


def _models(text: str) -> str:
    """Verilog of the cells of a library that have a logic function, by Yosys.

    Flip-flops begin with 0, as gates let an X through where logic comes together again: some would never leave it.
    What a latch lets through comes after all that the clock's edge does in no time, as from a flip-flop: a latch that
    opens is not seen through one that closes at the same edge.
    """
    with work_folder("ohmgate_library_") as folder:
        write_together(folder, {"cells.lib": text})
        run_yosys(["read_liberty -ignore_miss_func cells.lib", "write_verilog -noattr models.v"], folder)
        models = written(folder / "models.v", "yosys")
    models = re.sub(r"^  reg (\w+);", r"  reg \1 = 1'b0;", models, flags=re.MULTILINE)
    return re.sub(r"^(    if \(!?\w+\) \w+) = ", r"\1 <= ", models, flags=re.MULTILINE)


def _clock_gate(name: str, pins: dict[str, Any]) -> str:
    """A clock gate for rising edges: a latch that is open while the clock is low, and an AND."""
    role = {}
    for pin, group in pins.items():
        for mark in ("clock", "enable", "test", "out"):
            if f"clock_gate_{mark}_pin" in group:
                role[mark] = pin
    ports = ", ".join(f"{'output' if mark == 'out' else 'input'} {pin}" for mark, pin in role.items())
    enable = " | ".join(role[mark] for mark in ("enable", "test") if mark in role)
    return (
        f"module {name}({ports});\n  reg open;\n  always @* if (!{role['clock']}) open = {enable};\n"
        f"  assign {role['out']} = {role['clock']} & open;\nendmodule\n"
    )
