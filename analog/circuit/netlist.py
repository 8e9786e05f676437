"""SPICE netlist of an array: cells, wires, drivers and sense amplifiers, to take into a circuit flow.

Nodes are ``r<row>_<column>`` and ``c<row>_<column>`` at the two ends of each cell, ``in<row>`` at a row's source
and ``d<row>`` behind its driver resistance, ``s<column>`` and ``out<column>`` around a column's sense resistance. A
source at ``out<column>``, of 0 V or an amplifier's offset, takes the column's current. In an array of tiles, each
with its own wires, ``d`` and ``s`` end in ``_tile<number>``; the tiles of a row or column meet at ``in<row>`` and
``out<column>``. SPICE has no resistors of 0 ohm, so the nodes that a wire of 0 ohm joins are one node, and a cell of
0 S is left out. Numbers are printed so that they read back as the same float64; the text depends on the arguments
alone.
"""

import math
from collections.abc import Iterator

import numpy as np

from ...model.files import whole
from ...model.formats import DesignError
from .elimination import Line
from .tiles import tile_slices
from .wires import WireConfig, check_conductance


def netlist(
    conductance,
    wires: WireConfig,
    volts,
    title: str = "Cross-point array",
    tile: int = 0,
    law: tuple[float, float] | None = None,
    sensed: np.ndarray | None = None,
    offsets: np.ndarray | None = None,
) -> str:
    """Text of the netlist, for ``ngspice -b``, with the operating point and a print of every column current.

    ``conductance`` (rows, columns) in siemens, ``volts`` (rows,) of the row drivers, ``tile`` that of
    :class:`..memory.cells.Cells`. ``law`` is the read voltage and the sinh voltage of nonlinear cells
    (:mod:`.nonlinear`), which are current sources here; None: resistors. ``sensed`` (columns,) is False for
    columns that float; None: none does. ``offsets`` (columns,) are the volts at which the sense amplifiers hold the
    columns; None: 0. Raises :class:`DesignError` for a wrong shape, a number that is not finite,
    or a title of more than one line.
    """
    conductance = check_conductance(conductance)
    volts = np.asarray(volts, dtype=np.float64)
    if volts.shape != conductance.shape[:1] or not np.isfinite(volts).all():
        raise DesignError(f"volts must be {conductance.shape[0]} finite numbers, one a row, not shape {volts.shape}")
    if not title.isprintable():
        raise DesignError(f"title of a netlist must be one line of text, not {title!r}")
    return "\n".join(_lines(conductance, wires, volts, title, tile, law, sensed, offsets)) + "\n"


def write_netlist(path, *array, **options) -> None:
    """Write :func:`netlist` of the same arguments to ``path``, whole or not at all."""
    text = netlist(*array, **options)
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def _lines(
    conductance: np.ndarray,
    wires: WireConfig,
    volts: np.ndarray,
    title: str,
    tile: int,
    law: tuple[float, float] | None,
    sensed: np.ndarray | None,
    offsets: np.ndarray | None,
) -> Iterator[str]:
    rows, columns = conductance.shape
    tiles = list(tile_slices(rows, columns, tile or rows, tile or columns))
    yield f"* {title}"
    yield f"* {rows} rows, {columns} columns; volts behind the drivers, amperes into the sense amplifiers"
    yield f"* row segment {_text(wires.row_segment)} ohm, column segment {_text(wires.column_segment)} ohm"
    ends = "both ends" if wires.driver_ends == 2 else "the left end"
    yield f"* driver {_text(wires.driver)} ohm at {ends} of each row, sense {_text(wires.sense)} ohm"
    if len(tiles) > 1:
        yield f"* {len(tiles)} tiles of at most {tile} x {tile} cells, each with wires, drivers and sense of its own"
    yield ""
    names = [f"_tile{number}" if len(tiles) > 1 else "" for number in range(len(tiles))]
    row_nodes, column_nodes = (np.empty((rows, columns), dtype=object) for _ in range(2))
    yield "* rows: driver and wire"
    for i, volt in enumerate(volts):
        yield f"Vin{i} in{i} 0 DC {_text(volt)}"
        for (down, across), name in zip(tiles, names):
            if down.start <= i < down.stop:
                cells = [f"r{i}_{j}" for j in range(columns)[across]]
                row_nodes[i, across], resistors = _wire(f"in{i}", f"d{i}{name}", cells, wires.row)
                yield from resistors
    yield "* columns: sense resistance and wire, from the sense amplifier upwards"
    for j in range(columns):
        for (down, across), name in zip(tiles, names):
            if across.start <= j < across.stop:
                cells = [f"c{i}_{j}" for i in reversed(range(rows)[down])]
                nodes, resistors = _wire(f"out{j}", f"s{j}{name}", cells, wires.column)
                column_nodes[down, j] = nodes[::-1]
                yield from resistors
    yield "* sense amplifiers: i(vsense<column>) is the column current"
    read = range(columns) if sensed is None else np.flatnonzero(sensed)
    for j in read:
        yield f"Vsense{j} out{j} 0 DC {0 if offsets is None else _text(offsets[j])}"
    yield "* cells"
    for i in range(rows):
        for j in range(columns):
            if conductance[i, j] > 0:
                yield _cell(f"cell{i}_{j}", row_nodes[i, j], column_nodes[i, j], conductance[i, j], law)
    yield ""
    yield ".control"
    yield "set numdgt=15"
    if law:
        yield "option reltol=1e-10 abstol=1e-20 vntol=1e-14 itl1=500"
    yield "op"
    for j in read:
        yield f"print i(vsense{j})"
    yield "quit"
    yield ".endc"
    yield ".end"


def _cell(name: str, row: str, column: str, siemens: float, law: tuple[float, float] | None) -> str:
    if law is None:
        return f"R{name} {row} {column} {_text(1 / siemens)}"
    read, sinh = law
    amperes = _text(siemens * read / math.sinh(read / sinh))
    return f"B{name} {row} {column} I={amperes}*sinh(V({row},{column})/{_text(sinh)})"


def _wire(source: str, behind: str, cells: list[str], line: Line) -> tuple[list[str], list[str]]:
    """Node of each cell, nearest to ``source`` first, and the resistors; ``behind`` names a terminal's other side."""
    steps = [(behind, line.terminal), *((cell, line.segment) for cell in cells)]
    if line.ends == 2 and line.terminal:
        steps += [(f"{behind}far", line.segment), (source, line.terminal)]
    elif line.ends == 2:
        steps += [(source, line.segment)]
    at, nodes, resistors = source, [], []
    for node, ohm in steps:
        if ohm:
            resistors.append(f"R{at}_{node} {at} {node} {_text(ohm)}")
            at = node
        nodes.append(at)
    return nodes[1 : 1 + len(cells)], resistors


def _text(number) -> str:
    """Shortest text that reads back as the same float64."""
    return repr(float(number))
