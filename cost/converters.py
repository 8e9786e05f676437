"""Converters in the literature: ADCs by three rules and a floor, DACs by one.

An ADC's rules: a SAR converter scaled from ISAAC's, the fit to Murmann's survey by Andrulis and others, and the
paper's own. In the area of 4 bits they differ by a factor of 28. A row has the SAR rule's value and the range of all.
"""

import math

from ..model.layers import Layer
from .figures import Row, ranged
from .paper import adc_area, adc_energy

NODE_NM = 32  #: of ISAAC's converters, and taken for the fit
FIT_LEAST_BITS = 4  #: the survey's plug-in takes no fewer
SAR_BITS = (4, 10)  #: that ISAAC's converter has been scaled to

#: pJ and um2 of a SAR ADC of N bits: reference buffer, memory and clock grow with N, the capacitive DAC with 2^N
#: (ISAAC, section VII). The factors reproduce the seven points of the MIT component library, 4 to 10 bits at 32 nm.
SAR_PJ = (0.194893, 0.00042002)
SAR_UM2 = (81.727, 2.133534)

#: Of the 738 converters of the survey, 1997 to 2025, none takes less a conversion (65 nm, 200 kS/s, VLSI 2019) and
#: none is smaller (5 nm, ISSCC 2023).
FLOOR_PJ, FLOOR_UM2 = 0.19, 313.0

DAC_PJ, DAC_UM2 = (
    0.390625,
    0.166,
)  #: of a bit, at 32 nm: ISAAC's Table I, 4 mW and 170 um2 for 1024 DACs, 100 ns a cycle
DAC_HIGHEST_PJ = 0.41667  #: the same with the idle time of its rows counted


def sar(bits: int) -> tuple[float, float]:
    """pJ a conversion and um2 of a SAR ADC scaled from ISAAC's 8 bits at 32 nm and 1.2 GS/s."""
    energy, area = (linear * bits + doubling * 2**bits for linear, doubling in (SAR_PJ, SAR_UM2))
    return energy, area


def survey_fit(bits: int, samples_per_second: float) -> tuple[float, float]:
    """pJ a conversion and um2 at 32 nm by the fit of accelergy's ADC plug-in to Murmann's survey.

    The best converters that the survey leads to expect. Schreier's figure of merit is bounded by rate and by
    resolution; node and resolution correct the energy; area follows from node, rate and energy. From 4 bits on.
    """
    bits = max(bits, FIT_LEAST_BITS)
    merit = min(213.7806687 - 2.87190304 * math.log(samples_per_second), 128.3068287 + 3.2205014 * bits)
    signal = 20 * math.log10(2) * bits + 10 * math.log10(1.5)  # dB of an ideal converter
    joules = 0.5 * 10 ** ((signal - merit) / 10)
    energy = joules * math.exp(
        26.04962157 + 1.88003692 * math.log(NODE_NM) - 2.82912561 * math.log(bits) - 1.4702022
    )  # to pJ
    area = math.exp(
        1.34619164
        + 0.99327947 * math.log(NODE_NM)
        + 0.18071538 * math.log(samples_per_second)
        + 0.29912426 * math.log(energy)
    )
    return energy, area


def adc_row(index: int, layer: Layer, conversion_ns: float) -> Row:
    """All ADCs of a layer, those of each row tile."""
    bits, count, adcs = layer.adc_bits, layer.all_codes, layer.codes_at_once
    rules = (sar(bits), survey_fit(bits, 1e9 / conversion_ns), (adc_energy(bits), adc_area(bits)))
    energies = [max(energy, FLOOR_PJ) for energy, _ in rules]
    areas = [max(area, FLOOR_UM2) for _, area in rules]
    low, high = SAR_BITS
    return Row(
        index,
        "ADC",
        ranged(
            [count * each for each in (energies[0], min(energies), max(energies))],
            f"{count} x (0.1949 N + 0.00042 2^N) pJ, N = {bits}: {energies[0]:.3g} pJ",
            "literature",
            "SAR rule; survey fit, paper",
        ),
        ranged(
            [adcs * each for each in (areas[0], min(areas), max(areas))],
            f"{adcs} x (81.73 N + 2.134 2^N) um2, N = {bits}: {areas[0]:.4g} um2",
            "literature",
            "SAR rule; survey fit, paper",
        ),
        "" if low <= bits <= high else f"the SAR rule is made from {low} to {high} bits",
    )


def dac_row(index: int, layer: Layer) -> Row:
    """The DACs of inputs and hidden units; bias rows have none. A DAC takes one code a time step.

    Each column tile has all of them.
    """
    parts = [(layer.inputs, layer.input_bits), (layer.hidden, layer.dac_bits)]
    parts = [(layer.column_tiles * count, bits) for count, bits in parts if count]
    doubled = sum(count * 2 ** (bits - 1) for count, bits in parts)
    linear = sum(count * bits for count, bits in parts)
    text = " + ".join(f"{count} x 2^({bits} - 1)" for count, bits in parts)
    source = "ISAAC I; low: linear in bits"
    energies, areas = (doubled * DAC_PJ, linear * DAC_PJ, doubled * DAC_HIGHEST_PJ), (doubled, linear, doubled)
    return Row(
        index,
        "DAC",
        ranged(energies, f"({text}) x 0.391 pJ", "literature", source),
        ranged([each * DAC_UM2 for each in areas], f"({text}) x 0.166 um2", "literature", source),
        "" if all(bits == 1 for _, bits in parts) else "published for 1 bit",
    )
