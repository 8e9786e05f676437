"""The folder that a chip or FPGA flow starts from: every file by its name, and the comparison of its macro views."""

from collections.abc import Mapping
from pathlib import Path

from ...model.design import Design
from ...model.files import write_together
from ...model.formats import DesignError
from ...model.prerequisites import require
from ...model.programs import work_folder
from ..flow.generate import generated
from ..macro_views import behavioural, black_box, unique_layers, view_file
from .axi import axi, axi_name
from .chip import clock_of
from .compare import compare_views, physical_file
from .fusesoc import fusesoc, synth_file, synth_script
from .gds import gds
from .lef import lef
from .liberty import liberty
from .librelane import librelane
from .litex import litex
from .netlist import file_list
from .orfs import orfs
from .outline import Outline, outline_of
from .sdc import sdc
from .technology import PLACEHOLDER, read_technology
from .vivado import BUS, constraints, package_ip

NEEDS = ("klayout", "liberty", "pyosys")


def handoff_files(
    design: Design,
    technology_lef: Path | None = None,
    cell_pitch: float | None = None,
    period: float | None = None,
    bench: Mapping[str, str] | None = None,
) -> dict[str, str | bytes]:
    """Every file of a design's hand-off by its name; those of :func:`~ohmgate.hdl.flow.generate.generated` are in it.

    ``cell_pitch`` is in um, the clock's ``period`` in ns, ``bench`` a test bench by its files' names, as of
    ``ohmgate.sim.testbench``. The macros' views are read back and compared. Raises
    :class:`DesignError` for a design that the RTL does not take, a technology that lacks something, or where a tool
    is missing.
    """
    require("handoff", NEEDS)
    design.check_hardware()
    if design.contexts > 1:
        raise DesignError(
            f"the hand-off's wrappers have one sequence at a time: contexts must be 1, not {design.contexts}"
        )
    clock = clock_of(period)
    technology = PLACEHOLDER if technology_lef is None else read_technology(technology_lef)
    outlines = [outline_of(layer, technology, cell_pitch) for layer in unique_layers(design)]
    name, wrapper = design.name, axi_name(design)
    return {
        **generated(design),
        **macro_files(design, outlines),
        **(bench or {}),
        f"{name}.sdc": sdc(design, clock),
        "config.yaml": librelane(design, clock),
        "config.mk": orfs(design),
        f"{name}.core": fusesoc(design, bench or ()),
        synth_file(design): synth_script(design),
        f"{name}_litex.py": litex(design),
        f"{name}.f": file_list(design, f"{name}.f", f"{name} in Verilog", [f"{name}.v"]),
        f"axi/{wrapper}.v": axi(design),
        f"axi/{wrapper}_ooc.xdc": constraints(clock),
        "axi/package_ip.tcl": package_ip(design, wrapper),
        "axi/ohmgate_axi.h": BUS,
    }


def macro_files(design: Design, outlines: list[Outline]) -> dict[str, str | bytes]:
    """Five views of each macro by their files' names, read back and compared."""
    files: dict[str, str | bytes] = {}
    for layer, outline in zip(unique_layers(design), outlines):
        files |= {
            view_file("blackbox", layer): black_box(layer),
            view_file("behavioural", layer): behavioural(layer),
            physical_file("lef", layer): lef(outline),
            physical_file("liberty", layer): liberty(outline),
            physical_file("gds", layer): gds(outline),
        }
    with work_folder("ohmgate_handoff_") as folder:
        write_together(folder, files)
        compare_views(design, folder)
    return files
