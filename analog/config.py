"""What an array is made of: the paper's noise, cells and converters, with presets by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..model.formats import DesignError, check_choice, check_number, full_scale
from ..model.layers import Layer
from ..model.records import later
from .circuit.wires import WireConfig
from .column_errors import ColumnErrors
from .converters import AdcErrors, DacErrors
from .memory import devices
from .memory.cells import Cells

REDRAW = ("per_programming", "per_sequence", "per_step")
GAINS = ("as_trained", "array", "gate")
ADC_NOISE = ("none", "paper", "physical")
QUANTISATION_SIGMA = 12**-0.5  #: LSB, standard deviation of an ideal converter's rounding error


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """One array. All defaults together are the ideal array, which gives the reference's integers.

    ``weight_noise`` is beta of Ma et al., equation 10: every weight gets N(0, (beta*(wmax - wmin))^2), with
    wmax - wmin = 2L in weight codes. ``redraw`` says how long one draw lasts: until the cell is programmed
    again, until the next sequence begins, or for one time step only.

    ``adc_noise`` "paper" adds N(0, 1/12) LSB^2 before every conversion (equations 7 and 8), on top of the real
    quantisation, so the paper counts quantisation twice. "physical" leaves that out and adds only the
    converter's own noise, ``adc_sigma`` in LSB.

    ``cells`` puts devices in place of ideal weights, ``adc`` and ``dac`` real converters, ``columns`` real readouts
    before the ADCs; None is ideal. The paper's terms add to what they do.

    ``gains`` of a network's arrays are "as_trained", or set anew once the cells are as old and warm as they are read:
    by one factor for each "array" or each "gate" (:mod:`.gain_calibration`).
    """

    weight_noise: float = 0.0
    redraw: str = "per_programming"
    adc_noise: str = "none"
    adc_sigma: float = 0.0
    cells: Cells | None = None
    adc: AdcErrors | None = None
    dac: DacErrors | None = None
    gains: str = later("as_trained")
    columns: ColumnErrors | None = later(None)

    def __post_init__(self) -> None:
        check_number("weight noise", self.weight_noise, 0.0, 1.0)
        check_choice("redraw", self.redraw, REDRAW)
        check_choice("gains", self.gains, GAINS)
        check_choice("ADC noise", self.adc_noise, ADC_NOISE)
        check_number("ADC sigma in LSB", self.adc_sigma, 0.0, 1024.0)
        if self.adc_sigma and self.adc_noise != "physical":
            raise DesignError(f"ADC sigma needs ADC noise 'physical', not {self.adc_noise!r}")

    def weight_sigma(self, layer: Layer, redraw: str) -> float:
        """Standard deviation in codes of weight noise that is drawn ``redraw``; 0 if it is drawn otherwise."""
        return self.weight_noise * 2 * full_scale(layer.weight_bits) if self.redraw == redraw else 0.0

    @property
    def conversion_sigma(self) -> float:
        """Standard deviation of the Gaussian noise before each conversion, in LSB."""
        return QUANTISATION_SIGMA if self.adc_noise == "paper" else self.adc_sigma


#: A 4-bit flash ADC of good but not perfect making, calibrated; 0.25 LSB is a usual goal for its INL.
ADC = AdcErrors(kind="flash", offset_sigma=0.5, gain_sigma=0.03, mismatch=0.1, comparator_sigma=0.1, calibrate=True)
DAC = DacErrors(offset_sigma=0.02, gain_sigma=0.01, bow_sigma=0.02)

AIMC_READ, AIMC_OUTPUT = 0.0175, 0.04  #: noise of a weight over the largest, and of a sum over a full input times it
AIMC_STEPS, AIMC_BOUND = 254, 10  #: of the 8-bit converter, and the sum at its end in the same unit


def _chip(device: devices.Device, scheme: str = "pair", seconds: float = 0.0) -> ArrayConfig:
    cells = Cells(device=device, scheme=scheme, seconds=seconds, thermal=True, shot=True)
    return ArrayConfig(adc_noise="physical", cells=cells, adc=ADC, dac=DAC)


#: p0, p1, p2 of its programming error: p0 + p1 g + p2 g^2 of g_max, at g of g_max
AIMC_PROGRAMMING = (0.26348 / 25, 1.965 / 25, -1.1731 / 25)


def _aimc() -> ArrayConfig:
    """Analog in-memory computing after the public presets of hardware-aware training (docs/array.md)."""
    device = replace(devices.pcm(), levels=2**16, program_sigma=AIMC_PROGRAMMING, temperature_coefficient=0.0)
    return ArrayConfig(
        weight_noise=AIMC_READ / 2,  # there a share of the largest weight, here of the range from -L to L
        redraw="per_step",
        adc_noise="physical",
        adc_sigma=AIMC_OUTPUT * AIMC_STEPS / (2 * AIMC_BOUND),
        cells=Cells(device=device, column_scaling=True, seconds=3600.0),
        gains="array",
    )


#: "paper" is its noise model, "paper_cells" the device that its sections V and VI describe, "paper_wires" the same
#: with 1 ohm between neighbouring cells. The paper does not say how long a draw of the weight noise lasts; its noise
#: is a term of the training graph, added to the weights once for a sequence, which "paper" follows. The technologies
#: come with the converters above. "aimc" is PCM an hour after programming behind converters that only add noise.
PRESETS = {
    "ideal": ArrayConfig(),
    "paper": ArrayConfig(weight_noise=0.1, redraw="per_sequence", adc_noise="paper"),
    "paper_adc": ArrayConfig(adc_noise="paper"),
    "paper_cells": ArrayConfig(adc_noise="paper", cells=Cells(device=devices.paper(), thermal=True, shot=True)),
    "paper_wires": ArrayConfig(
        adc_noise="paper",
        cells=Cells(device=devices.paper(), wires=WireConfig(row_segment=1.0, column_segment=1.0)),
    ),
    "reram": _chip(devices.reram()),
    "pcm": _chip(devices.pcm(), seconds=60.0),
    "aimc": _aimc(),
    "mram": _chip(devices.mram()),
    "nor_flash": _chip(devices.nor_flash(), scheme="offset"),
}


def paced(config: ArrayConfig, layers: Sequence[Layer]) -> ArrayConfig:
    """The same with the time step of these layers, all of which wait for the one that converts longest."""
    if config.cells is None:
        return config
    seconds = config.cells.step_time(*layers)
    return replace(config, cells=replace(config.cells, step_seconds=seconds))


def preset(name: str) -> ArrayConfig:
    """The configuration of this name; raises :class:`DesignError` for a name that is not in ``PRESETS``."""
    check_choice("array preset", name, tuple(PRESETS))
    return PRESETS[name]
