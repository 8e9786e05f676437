"""The digital part in the literature: arithmetic, tables and memories, without control and clock."""

from typing import NamedTuple

from ..model.layers import DenseLayer, Layer, LstmLayer
from .figures import Row, ranged

#: pJ of a bit x bit of a product, of a bit of a sum, of a bit read or written: 0.2 pJ for 8 x 8 bits, 0.1 pJ for 32,
#: 5 pJ for 32 bits of a memory of 8 KB, at 45 nm and 0.9 V (Horowitz, ISSCC 2014).
MULTIPLY_PJ, ADD_PJ, MEMORY_PJ = 0.2 / 64, 0.1 / 32, 5 / 32
#: 12.7 pJ and 6,350 um2 for 32 x 32 bits, 0.21 pJ and 278 um2 for 32, 5.98 um2 for a bit kept, at 40 nm
#: (Shao and others, ISCA 2014).
HIGH_MULTIPLY_PJ, HIGH_ADD_PJ = 12.7 / 1024, 0.21 / 32
MULTIPLY_UM2, ADD_UM2, REGISTER_UM2 = 6350 / 1024, 278 / 32, 5.98
CLOCKED = 3.0  #: times the operations, with clock tree, control and wires: our estimate
BANKS, WAITING_BANKS = 2, 3  #: of a store of sequences that turns them, and of one where outputs wait
SHARED_BANKS, SHARED_WAITING_BANKS = 3, 4  #: of each context: of two joined layers' outputs
SPREAD = 2.0  #: times the cells, where they fill half of the floor


class Operations(NamedTuple):
    """Digital work of a time step, and what is there to do it."""

    products: int  #: bits of one factor times bits of the other, of all multiplications
    sums: int  #: bits of all additions and comparisons
    moved: int  #: bits read from and written to memories
    lane_products: int  #: as ``products``, of the multipliers that there are
    lane_sums: int
    kept: int  #: bits of memories and tables


def stored(layer: Layer, contexts: int = 1, forward: Layer | None = None) -> int:
    """Bits of a time step that the stores of whole sequences hold for a layer in reverse, all banks counted.

    ``forward`` is the layer that it is joined to, whose outputs wait in a store, too (docs/rtl.md).
    """
    if not layer.reverse:
        return 0
    shared = contexts > 1 and forward is not None
    own = BANKS * layer.inputs * layer.input_bits + (SHARED_BANKS if shared else BANKS) * layer.result_bits
    waiting = SHARED_WAITING_BANKS if shared else WAITING_BANKS
    return contexts * (own + (waiting * forward.result_bits if forward is not None else 0))


def operations(layer: Layer, contexts: int = 1, forward: Layer | None = None) -> Operations:
    """f*c, i*g, o*tanh(c) and their sum for each hidden unit; another layer's table or comparison for each output.

    And the sums of row tiles' codes, for each column, and those of a head's votes. Inputs, cell states, results and
    sums of votes are kept for each context.
    ``forward`` is that of :func:`stored`.
    """
    tiled = (layer.row_tiles - 1) * layer.sum_bits
    kept = contexts * layer.inputs * layer.input_bits
    kept += layer.gates * layer.loaded_entries * layer.loaded_table_bits
    if isinstance(layer, LstmLayer):
        wide, narrow, units, lanes = layer.cell_bits, layer.activation_bits, layer.hidden, layer.lanes
        products = wide * narrow + 2 * narrow**2
        moved = 2 * wide + 5 * narrow + layer.dac_bits  # c read and written, five table entries, h
        kept += units * (contexts * (wide + layer.dac_bits) + layer.dac_bits) + 2**layer.tanh_bits * narrow
        kept += layer.max_steps * stored(layer, contexts, forward)
        moved = units * moved + _through_stores(layer, forward)
        sums, lane_sums = units * wide + layer.columns * tiled, lanes * wide + layer.adcs * tiled
        return Operations(units * products, sums, moved, lanes * products, lane_sums, kept)
    compared = added = 0
    if isinstance(layer, DenseLayer) and layer.output == "argmax":
        compared = layer.vote_bits
        added = compared if layer.votes > 1 else 0
    moved, each = 0 if compared else layer.result_bits, compared + added + tiled
    moved += layer.hidden * layer.dac_bits + _through_stores(layer, forward)  # the table's entries of an RNN, and h
    kept += contexts * (layer.result_bits + layer.outputs * added)
    kept += layer.max_steps * stored(layer, contexts, forward)
    return Operations(0, layer.outputs * each, moved, 0, layer.adcs * each, kept)


def _through_stores(layer: Layer, forward: Layer | None) -> int:
    """Bits moved because a layer is in reverse: what a step adds to the stores is written and read once."""
    if not layer.reverse:
        return 0
    return 2 * (layer.inputs * layer.input_bits + layer.result_bits + (forward.result_bits if forward else 0))


def digital_row(index: int, layer: Layer, contexts: int = 1, forward: Layer | None = None) -> Row:
    """Of one layer; the high ends allow for what is left out. ``forward`` is that of :func:`stored`."""
    work = operations(layer, contexts, forward)
    arithmetic, memory = work.products * MULTIPLY_PJ + work.sums * ADD_PJ, work.moved * MEMORY_PJ
    high = work.products * HIGH_MULTIPLY_PJ + work.sums * HIGH_ADD_PJ + memory
    area = work.lane_products * MULTIPLY_UM2 + work.lane_sums * ADD_UM2 + work.kept * REGISTER_UM2
    energies = (
        (work.products, "bit products x 3.13 fJ"),
        (work.sums, "bit sums x 3.13 fJ"),
        (work.moved, "bits x 156 fJ"),
    )
    areas = (
        (work.lane_products, "bit products x 6.2 um2"),
        (work.lane_sums, "bit sums x 8.69 um2"),
        (work.kept, "bits x 5.98 um2"),
    )
    return Row(
        index,
        "digital",
        ranged(
            (arithmetic + memory, arithmetic, CLOCKED * high),
            _sum(energies),
            "literature",
            "Horowitz; low: arithmetic; high: 3 x Shao",
        ),
        ranged((area, area, SPREAD * area), _sum(areas), "literature", "Shao; high: half of the floor filled"),
        "without control and clock",
    )


def _sum(terms: tuple[tuple[int, str], ...]) -> str:
    """The terms of a formula that are not 0."""
    return " + ".join(f"{count} {what}" for count, what in terms if count) or "nothing"
