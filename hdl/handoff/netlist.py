"""The chip in standard cells as files, and lists of files for simulators."""

from ...model.design import Design
from ..flow.cell_models import read_cells
from ..flow.synthesis import MappedChip
from ..macro_views import unique_layers, view_file


def file_list(design: Design, file: str, what: str, sources: list[str]) -> str:
    """The list ``file``, as Icarus and Verilator take it with ``-f``: ``what`` the sources are, and models of the
    arrays behind them."""
    models = [view_file("behavioural", layer) for layer in unique_layers(design)]
    return f"""// {what}, and noiseless models of the arrays. In this folder:
//   iverilog -g2005 -o tb -s {design.name}_tb -f {file} {design.name}_tb.v && vvp -n tb
""" + "".join(f"{name}\n" for name in (*sources, *models))


def netlist_files(design: Design, chip: MappedChip) -> dict[str, str]:
    """What is written of a mapped chip, by the files' names.

    ``netlist/NAME.v`` is the netlist, in which an array's macro is the instance ``array_K.macro``.
    ``netlist/cells.v`` has models of its cells without delays, made of the library. ``NAME_netlist.f`` lists both.
    ``synthesis.json`` is a :class:`~ohmgate.hdl.flow.synthesis_report.SynthesisReport`.
    """
    netlist, cells, listed = f"netlist/{design.name}.v", "netlist/cells.v", f"{design.name}_netlist.f"
    what = f"{design.name} in cells of {chip.library.name}, models of these"
    return {
        netlist: chip.verilog,
        cells: read_cells(chip.library, set(chip.report.cells)).models,
        listed: file_list(design, listed, what, [cells, netlist]),
        "synthesis.json": chip.report.json(),
    }
