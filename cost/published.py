"""What the paper prints: figures of one array beside ours by the same formulas, its Tables II and III, its slips."""

from dataclasses import dataclass

from ..model.layers import Layer
from .paper import ADCS, COLUMNS, ROWS, ArrayCost, adc_area, adc_energy

BENCHMARK_BITS = 4  #: of the paper's weights, DACs and ADCs


@dataclass(frozen=True)
class PaperFigure:
    """A figure by the paper's formula. ``printed`` is what stands in the paper, "" for another design."""

    name: str
    formula: str
    value: float
    shown: str  #: with its unit, to the paper's digits
    printed: str
    where: str


@dataclass(frozen=True)
class Platform:
    """A column of Table II or III; throughput in GOP/s as its own paper counts."""

    name: str
    technology: str
    array: str
    precision: str
    gops: float
    watts: float
    mm2: float | None
    printed_computing: str  #: GOP/s/W
    printed_area: str  #: GOP/s/mm2

    @property
    def computing(self) -> float:
        """GOP/s/W of the row's own throughput and power."""
        return self.gops / self.watts

    @property
    def areal(self) -> float | None:
        """GOP/s/mm2 of the row's own throughput and area."""
        return None if self.mm2 is None else self.gops / self.mm2


PAPER = Platform("paper", "NVM", "356 x 1024", "4", 3439, 1.136, 1.031, "3,027", "3,333")
PLATFORMS = (
    Platform("Nvidia Jetson", "GPU", "", "16", 3478, 15, 8700, "231", "0.399"),
    Platform("ESE", "FPGA", "", "12", 282, 41, None, "6.88", "N/A"),
    Platform("Tianjic", "ASIC", "", "8", 1214, 0.95, 14.44, "1,278", "84"),
    Platform("IBM's RPU", "NVM", "4096 x 4096", "N/A", 84_000, 6, 8.04, "14,166", "10,477"),
    Platform("RRAM PIM", "NVM", "128 x 128", "16", 108.4, 0.932, 0.39, "116.3", "277"),
    PAPER,
)  #: Tables II (the first three and the paper) and III (the rest)


@dataclass(frozen=True)
class Slip:
    """A figure of the paper that does not follow from its own numbers, or that leaves something out."""

    where: str
    printed: str
    computed: str
    why: str


SLIPS = (
    Slip("Tables II, III", "3,333 GOP/s/mm2", "3,336", "3,439 / 1.031"),
    Slip("Table III", "14,166 GOP/s/W of the RPU", "14,000", "84,000 / 6"),
    Slip("Table III", "10,477 GOP/s/mm2 of the RPU", "10,448", "84,000 / 8.04"),
    Slip(
        "abstract, I, VII",
        "up to 4.7 times the computing efficiency",
        "4.6",
        "14,000 / 3,027; rests on the RPU's 14,166",
    ),
    Slip("abstract", "at least 2.4 times that of Tianjic", "2.37", "3,027 / 1,278, rounded up"),
    Slip("VI.B", "0.364 W of the array", "0.365", "356 x 1024 x 1 uW = 0.364544 W, cut and not rounded"),
    Slip("VI.B", "0.64 W of 64 12-bit ADCs", "0.655", "64 x 64 pJ x 160 MS/s; 0.64 is 64 times a rounded 0.01"),
    Slip("VI.B", "100 ns latency for each column", "6.25 ns", "160 MS/s; 100 ns are for all 16 columns of an ADC"),
    Slip("VI.B", "0.01024 W of ADCs at 160 MS/s", "0.00966", "they convert for 100 of the 106 ns"),
    Slip("VI.B, VI.C", "356 x 1024 cells", "731,136", "(356 + 1 bias row) x 1024 x 2 cells of a differential pair"),
    Slip("VI.B, VI.C", "all else: no figure", "0.761 W, 0.333 mm2", "what is left of 1.136 W and 1.031 mm2"),
    Slip("Tables II, III", "231, 0.399, 277", "232, 0.400, 278", "cut, where 1,278 is rounded"),
)


def is_papers(layer: Layer) -> bool:
    """Is this the paper's array: 356 x 1024 with 64 ADCs, all of 4 bits?"""
    size = (layer.inputs + layer.hidden, layer.columns, layer.adcs) == (ROWS, COLUMNS, ADCS)
    bits = {layer.dac_bits, layer.input_bits, layer.weight_bits, layer.adc_bits}
    return size and bits == {BENCHMARK_BITS} and not layer.tiled


def paper_figures(cost: ArrayCost) -> list[PaperFigure]:
    """Section VI's figures for an array, each by the paper's formula."""
    layer, own = cost.layer, is_papers(cost.layer)
    each = adc_energy(layer.adc_bits) * 0.16  # mW: pJ x 160 MS/s
    twelve = layer.codes_at_once * adc_energy(12) * 160e-6
    least = cost.array_watts / layer.conversions
    computing, areal = cost.gops / cost.watts, cost.gops / cost.mm2
    adc_mm2, array_mm2, rest_mm2 = (each / 1e6 for each in (cost.adc_um2, cost.array_um2, cost.rest_um2))
    size, share = f"{cost.rows} x {layer.columns}", "" if own else f" x {cost.share:.3g}"
    area = adc_area(layer.adc_bits) / 1e6
    rest = f"(1.136 - 0.3645 - 0.0102) W{share}" + "; 0.762 W of the printed 1.136 - 0.364 - 0.01" * own
    figures = [
        ("matrix product", f"{size} / {cost.array_ns:g} ns", cost.product_gops, ",.0f", "GOP/s", "3645", "VI.A"),
        ("throughput", f"{size} / {cost.step_ns:g} ns", cost.gops, ",.0f", "GOP/s", "3,439", "VI.A, Table II"),
        ("with two operations a MAC", "2 x throughput", 2 * cost.gops, ",.0f", "GOP/s", "", "not in the paper"),
        ("an ADC", f"{adc_energy(layer.adc_bits):g} pJ x 160 MS/s", each, ".2f", "mW", "0.16", "VI.B"),
        (
            f"{layer.codes_at_once} ADCs",
            f"{layer.codes_at_once} x {each:g} mW",
            cost.adc_watts,
            ".5f",
            "W",
            "0.01",
            "VI.B",
        ),
        (
            "12-bit ADCs instead",
            f"{layer.codes_at_once} x 4^(12 - 9) pJ x 160 MS/s",
            twelve,
            ".3f",
            "W",
            "0.64",
            "VI.B",
        ),
        ("array read", f"{size} x (1 V)^2 / 1 Mohm", cost.array_watts, ".4f", "W", "0.364", "VI.B"),
        ("waiting columns cut off", f"array read / {layer.conversions}", least, ".4f", "W", "", "not in the paper"),
        ("all else", rest, cost.rest_watts, ".3f", "W", "from [19]", "VI.B"),
        ("power", "sum", cost.watts, ".3f", "W", "1.136", "VI.B, Table II"),
        ("computing efficiency", "throughput / power", computing, ",.0f", "GOP/s/W", "3,027", "Table II"),
        (
            f"area of {layer.codes_at_once} ADCs",
            f"{layer.codes_at_once} x {area:.3g} mm2",
            adc_mm2,
            ".2f",
            "mm2",
            "0.64",
            "VI.C",
        ),
        ("area of the array", f"{size} x (400 nm)^2", array_mm2, ".4f", "mm2", "0.058", "VI.C"),
        ("area of all else", f"(1.031 - 0.0583 - 0.64) mm2{share}", rest_mm2, ".3f", "mm2", "from [19]", "VI.C"),
        ("area", "sum", cost.mm2, ".3f", "mm2", "1.031", "VI.C, Table II"),
        ("area efficiency", "throughput / area", areal, ",.0f", "GOP/s/mm2", "3,333", "Table II"),
    ]
    return [
        PaperFigure(name, formula, value, f"{value:{digits if own else '.4g'}} {unit}", printed * own, where)
        for name, formula, value, digits, unit, printed, where in figures
    ]
