"""What an array is made of: noise terms and when they are redrawn, with presets by name."""

from dataclasses import dataclass

from ..model.design import check_choice
from ..model.formats import DesignError

REDRAW = ("per_programming", "per_sequence", "per_step")
ADC_NOISE = ("none", "paper", "physical")
QUANTISATION_SIGMA = 12**-0.5  #: LSB, standard deviation of an ideal converter's rounding error


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """Noise of one array. All defaults together are the ideal array, which gives the reference's integers.

    ``weight_noise`` is beta of Ma et al., equation 10: every weight gets N(0, (beta*(wmax - wmin))^2), with
    wmax - wmin = 2L in weight codes. ``redraw`` says how long one draw lasts: until the cell is programmed
    again, until the next sequence begins, or for one time step only.

    ``adc_noise`` "paper" adds N(0, 1/12) LSB^2 before every conversion (equations 7 and 8), on top of the real
    quantisation, so the paper counts quantisation twice. "physical" leaves that out and adds only the
    converter's own noise, ``adc_sigma`` in LSB.
    """

    weight_noise: float = 0.0
    redraw: str = "per_programming"
    adc_noise: str = "none"
    adc_sigma: float = 0.0

    def __post_init__(self) -> None:
        check_number("weight noise", self.weight_noise, 0.0, 1.0)
        check_choice("redraw", self.redraw, REDRAW)
        check_choice("ADC noise", self.adc_noise, ADC_NOISE)
        check_number("ADC sigma", self.adc_sigma, 0.0, 1024.0)
        if self.adc_sigma and self.adc_noise != "physical":
            raise DesignError(f"ADC sigma needs ADC noise 'physical', not {self.adc_noise!r}")

    @property
    def conversion_sigma(self) -> float:
        """Standard deviation of the Gaussian noise before each conversion, in LSB."""
        return QUANTISATION_SIGMA if self.adc_noise == "paper" else self.adc_sigma


def check_number(name: str, value, low: float, high: float) -> None:
    """Raise :class:`DesignError` unless ``value`` is a number within ``low..high``."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise DesignError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")


#: The paper does not say how long a draw of the weight noise lasts. Its noise is a term of the training graph,
#: added to the weights once for a sequence, which "paper" follows.
PRESETS = {
    "ideal": ArrayConfig(),
    "paper": ArrayConfig(weight_noise=0.1, redraw="per_sequence", adc_noise="paper"),
    "paper_adc": ArrayConfig(adc_noise="paper"),
}


def preset(name: str) -> ArrayConfig:
    """The configuration of this name; raises :class:`DesignError` for a name that is not in ``PRESETS``."""
    check_choice("array preset", name, tuple(PRESETS))
    return PRESETS[name]
