"""The paper's own constants (Ma et al., section VI), and its figures for one array, computed and as printed."""

from dataclasses import dataclass

from ..model.design import Design
from ..model.layers import Layer
from .figures import Figure, Row, exact
from .times import PAPER_CONVERSION_NS, Times, paper_times

SAMPLES_PER_SECOND = 1e9 / PAPER_CONVERSION_NS  #: of an ADC
READ_VOLTS, CELL_OHMS = 1.0, 1e6  #: section VI.B
CELL_PITCH_UM = 0.4  #: section VI.C
ADC_PJ, ADC_FLAT_BITS = 1.0, 9  #: section VI.B, after Jonsson; at most 9 bits cost alike, each more four times
ADC_UM2, ADC_FLAT_AREA_BITS = 10_000.0, 6  #: section VI.C, after Jonsson
ADC_AREA_GROWTH = 100 ** (1 / 6)  #: a bit, from 6 bits on: 2.15, as 12 bits are given 1 mm2; the text says 2 to 2.2
TOTAL_WATTS, TOTAL_MM2 = 1.136, 1.031  #: of the paper's array with all around it
ROWS, COLUMNS, ADCS = 356, 1024, 64  #: of the paper's array

CELL_WATTS = READ_VOLTS**2 / CELL_OHMS
#: What is left of the totals when array and ADCs are taken off: the paper says "relevant numbers from [19]", no more.
REST_WATTS = TOTAL_WATTS - ROWS * COLUMNS * CELL_WATTS - ADCS * ADC_PJ * 1e-12 * SAMPLES_PER_SECOND
REST_UM2 = TOTAL_MM2 * 1e6 - ROWS * COLUMNS * CELL_PITCH_UM**2 - ADCS * ADC_UM2


def adc_energy(bits: int) -> float:
    """pJ a conversion (section VI.B): E = 4^(N - 9) pJ from 9 bits on, 1 pJ below."""
    return ADC_PJ * 4.0 ** max(0, bits - ADC_FLAT_BITS)


def adc_area(bits: int) -> float:
    """um2 of an ADC (section VI.C)."""
    return ADC_UM2 * ADC_AREA_GROWTH ** max(0, bits - ADC_FLAT_AREA_BITS)


@dataclass(frozen=True)
class ArrayCost:
    """One layer's array by the paper's constants: one cell a weight and no bias row, as the paper counts."""

    layer: Layer
    step_ns: float
    array_ns: float

    @property
    def rows(self) -> int:
        """Inputs and hidden units."""
        return self.layer.inputs + self.layer.hidden

    @property
    def cells(self) -> int:
        return self.rows * self.layer.columns

    @property
    def product_gops(self) -> float:
        """GOP/s of the matrix product alone, a multiply-accumulate being one operation."""
        return self.cells / self.array_ns

    @property
    def gops(self) -> float:
        """GOP/s with activations and element-wise operations."""
        return self.cells / self.step_ns

    @property
    def array_watts(self) -> float:
        return self.cells * CELL_WATTS

    @property
    def adc_watts(self) -> float:
        return self.layer.codes_at_once * adc_energy(self.layer.adc_bits) * 1e-12 * SAMPLES_PER_SECOND

    @property
    def share(self) -> float:
        """Of the rest: rows and columns against the paper's. How it grows is our assumption."""
        return (self.rows + self.layer.columns) / (ROWS + COLUMNS)

    @property
    def rest_watts(self) -> float:
        return REST_WATTS * self.share

    @property
    def watts(self) -> float:
        return self.array_watts + self.adc_watts + self.rest_watts

    @property
    def array_um2(self) -> float:
        return self.cells * CELL_PITCH_UM**2

    @property
    def adc_um2(self) -> float:
        return self.layer.codes_at_once * adc_area(self.layer.adc_bits)

    @property
    def rest_um2(self) -> float:
        return REST_UM2 * self.share

    @property
    def mm2(self) -> float:
        return (self.array_um2 + self.adc_um2 + self.rest_um2) / 1e6


def array_cost(layer: Layer, times: Times, index: int) -> ArrayCost:
    return ArrayCost(layer, times.layers[index].step, times.layers[index].array)


def rows(design: Design) -> list[Row]:
    """Of every layer."""
    times, found = paper_times(design), []
    for index, layer in enumerate(design.layers):
        cost, ns = array_cost(layer, times, index), times.charged(index)

        def energy(watts: float, formula: str, source: str, ns: float = ns) -> Figure:
            return exact(watts * ns * 1000, f"{formula} for {ns:g} ns", "paper", source)

        adc = f"{layer.codes_at_once} x {adc_energy(layer.adc_bits):g} pJ x 160 MS/s"
        share = f"({cost.rows} + {layer.columns}) / ({ROWS} + {COLUMNS})"
        found += [
            Row(
                index,
                "array",
                energy(cost.array_watts, f"{cost.rows} x {layer.columns} cells x (1 V)^2 / 1 Mohm", "paper VI.B"),
                exact(cost.array_um2, f"{cost.rows} x {layer.columns} cells x (400 nm)^2", "paper", "paper VI.C"),
                "without the bias row and the second cell of a pair",
            ),
            Row(
                index,
                "ADC",
                energy(cost.adc_watts, adc, "paper VI.B, Jonsson"),
                exact(
                    cost.adc_um2,
                    f"{layer.codes_at_once} x {adc_area(layer.adc_bits):,.0f} um2",
                    "paper",
                    "paper VI.C, Jonsson",
                ),
            ),
            Row(
                index,
                "all else",
                energy(cost.rest_watts, f"(1.136 - 0.3645 - 0.0102) W x {share}", "paper VI.B, from [19]"),
                exact(
                    cost.rest_um2,
                    f"(1.031 - 0.0583 - 0.64) mm2 x {share}",
                    "paper",
                    "paper VI.C, from [19]",
                ),
                "" if cost.share == 1 else "that it grows with rows and columns is our assumption",
            ),
        ]
    return found
