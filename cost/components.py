"""The array and what is around it in the literature: cells, switches, sample and hold, programming."""

from ..model.formats import full_scale
from ..model.layers import Layer
from .figures import Row, exact, ranged
from .paper import CELL_OHMS, CELL_PITCH_UM, READ_VOLTS

PAIR = 2  #: cells of a weight
WAITING = {
    "grounded": "waiting columns at ground",
    "floating": "waiting columns floating",
    "cut_off": "waiting columns cut off",
}
PAPER_CELL_PJ_NS = READ_VOLTS**2 / CELL_OHMS * 1000  #: pJ a cell and ns at full scale
ISAAC_CELL_PJ_NS = 1.8311e-5  #: Table I: 2.4 mW for 131,072 cells
ISAAC_CELL_UM2 = 1.526e-3  #: Table I: 0.0002 mm2 for them, one significant digit
MOST_CELL_BITS = 5  #: shown in one cell (Hu and others, DAC 2016)

#: Value, low, high. MUX2_X1 of Nangate 45 has two switches: 1.862 um2, and 1.92 fF at its select, 1.1 V. Ten times as
#: wide, so that it does not count against the cells of a column in parallel, 1 Mohm / 357.
SWITCH_PJ, SWITCH_UM2 = (0.0116, 0.00116, 0.0348), (9.31, 0.931, 27.9)
#: ISAAC's Table I: 10 uW and 40 um2 for 1024, 100 ns a cycle. High: 10 fF at 1 V, 2 fF/um2.
HOLD_PJ, HOLD_UM2 = (0.000977, 0.000977, 0.01), (0.0391, 0.0391, 5.0)

PULSE_PJ, PULSES = 0.4, (10, 1, 100)  #: (2 V)^2 x 1 uS x 100 ns, and how many of them program a cell


def mean_square(bits: int) -> float:
    """Of codes of a DAC, all equally likely, full scale being 1: (L + 1) / 3L; 1 for one bit."""
    top = full_scale(bits)
    return 1.0 if bits == 1 else (top + 1) / (3 * top)


def conducting(layer: Layer, unselected: str) -> tuple[float, float, float]:
    """Rows at full scale that take an array's power, mean over a time step: of random codes, lowest, highest.

    All columns are counted as conducting all the time where those that wait are grounded; cut off they conduct in one
    of M conversions. A floating column has the mean of its rows' voltages, as its cells are taken to be alike: what a
    grounded one takes less R times the mean's square. Rows of like voltages leave it nothing, rows of opposite ones
    all.
    """
    drive = layer.input_drive**2
    codes = layer.inputs * drive * mean_square(layer.input_bits) + layer.hidden * mean_square(layer.dac_bits)
    random = codes + layer.bias_rows
    full = layer.inputs * drive + layer.hidden + layer.bias_rows
    selected = 1 / layer.conversions
    if unselected == "cut_off":
        return selected * random, selected * layer.rows, selected * full
    if unselected == "floating":
        sneaking = random - (codes + layer.bias_rows**2) / layer.rows
        return selected * random + (1 - selected) * sneaking, selected * layer.rows, full
    return random, layer.rows, full


def array_row(index: int, layer: Layer, driven_ns: float, unselected: str = "grounded") -> Row:
    """Cells that conduct while the rows are driven; ``unselected`` says whether columns that wait do, too."""
    random, low, full = conducting(layer, unselected)
    width, waiting = PAIR * layer.columns, WAITING[unselected]
    each, area = width * driven_ns * PAPER_CELL_PJ_NS, width * layer.rows * CELL_PITCH_UM**2
    return Row(
        index,
        "array",
        ranged(
            (random * each, low * width * driven_ns * ISAAC_CELL_PJ_NS, full * each),
            f"{random:.4g} rows at full scale x {width} x (1 V)^2 / 1 Mohm x {driven_ns:.4g} ns, {waiting}",
            "literature",
            "paper VI.B, random codes; low: ISAAC I; high: full scale",
        ),
        ranged(
            (area, width * layer.rows * ISAAC_CELL_UM2, area),
            f"{layer.rows} x {layer.columns} x 2 cells x (400 nm)^2",
            "literature",
            "paper VI.C; low: ISAAC I",
        ),
        "" if layer.weight_bits <= MOST_CELL_BITS else f"a cell has shown {MOST_CELL_BITS} bits at most",
    )


def switch_row(index: int, layer: Layer) -> Row:
    """Column multiplexers: each conversion closes a switch of each wire of a pair and opens another."""
    moves, switches = 2 * PAIR * layer.all_codes, PAIR * layer.all_codes
    source = "10 x MUX2_X1 of Nangate 45; 1 to 30 x"
    return Row(
        index,
        "multiplexer",
        ranged([moves * each for each in SWITCH_PJ], f"{moves} x 0.0116 pJ", "estimate", source),
        ranged([switches * each for each in SWITCH_UM2], f"{switches} x 9.31 um2", "estimate", source),
    )


def hold_row(index: int, layer: Layer) -> Row:
    """Sample and hold: two before each ADC, for the wires of a pair."""
    samples, holds = PAIR * layer.all_codes, PAIR * layer.codes_at_once
    source = "ISAAC I; high: 10 fF at 1 V"
    return Row(
        index,
        "sample and hold",
        ranged([samples * each for each in HOLD_PJ], f"{samples} x 0.977 fJ", "literature", source),
        ranged([holds * each for each in HOLD_UM2], f"{holds} x 0.0391 um2", "literature", source),
    )


def programming_row(index: int, layer: Layer) -> Row:
    """Writing all cells once, by pulses that are read back; the paper and ISAAC leave it out."""
    cells = PAIR * layer.rows * layer.columns
    return Row(
        index,
        "programming",
        ranged(
            [cells * count * PULSE_PJ for count in PULSES],
            f"{cells} cells x 10 pulses of (2 V)^2 x 1 uS x 100 ns",
            "estimate",
            "1 to 100 pulses",
        ),
        exact(0.0, "in the array's and the DACs'", "estimate", ""),
    )
