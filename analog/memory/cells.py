"""What an array is made of besides its converters: cells, their mapping, wires, age, faults and repair."""

from dataclasses import dataclass

from ...model.formats import DesignError, check_boolean, check_choice, check_integer, check_number
from ...model.layers import Layer
from ...model.layout import UNSELECTED, largest_drive
from ...model.records import later
from ..circuit.wires import WireConfig
from .amplifiers import Amplifiers
from .devices import Device
from .programming import WriteVerify
from .repair import Repair

SCHEMES = ("pair", "offset")
DACS = ("amplitude", "pulse_width")


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Cells of an array: device, mapping, age, faults, and the timing of reads, which decides the noise they pass."""

    device: Device
    scheme: str = "pair"
    slices: int = 0  #: cells that share a weight; 0: as few as the device's levels allow
    column_scaling: bool = False  #: each column uses all of the range, undone by its own reference of the converter
    seconds: float = 0.0  #: since programming
    kelvin: float = 300.0
    stuck_on: float = 0.0  #: share of cells that are stuck at g_max
    stuck_off: float = 0.0  #: share of cells that are stuck at g_min
    thermal: bool = False  #: Johnson-Nyquist noise of the cells
    shot: bool = False
    conversion_seconds: float = later(100e-9)  #: the paper's time per column
    bandwidth: float = 0.0  #: Hz, of a conversion; 0: 1 / (2 ``conversion_seconds``)
    step_seconds: float = 0.0  #: from one time step to the next; 0: the conversions of the network's slowest layer
    writer: WriteVerify | None = None  #: closed-loop programming; the device's programming error comes on top
    repair: Repair | None = None  #: places weights around stuck cells
    wires: WireConfig | None = None  #: resistances of rows and columns, in every plane
    tile: int = 0  #: rows and columns, at most, of arrays with wires of their own that make up a plane; 0: one array
    dacs: str = later("amplitude")  #: a code is the row's voltage, or how long it has the read voltage
    unselected: str = later("grounded")  #: columns that wait for their conversion: at ground, floating, or cut off
    amplifiers: Amplifiers | None = later(None)  #: sense amplifiers with offsets; None: at true ground
    earlier_writes: int = later(0)  #: that all cells have seen, as many pulses each as the last one
    compensate: bool = False  #: cells are programmed so that what is sensed through the wires are the weights

    def __post_init__(self) -> None:
        check_choice("cell scheme", self.scheme, SCHEMES)
        check_choice("DACs", self.dacs, DACS)
        check_choice("unselected columns", self.unselected, UNSELECTED)
        check_integer("slices", self.slices, 0, 16)
        check_boolean("column scaling", self.column_scaling)
        check_number("seconds since programming", self.seconds, 0.0, 1e12)
        check_number("temperature in kelvin", self.kelvin, 1.0, 1000.0)
        check_number("stuck-on share", self.stuck_on, 0.0, 1.0)
        check_number("stuck-off share", self.stuck_off, 0.0, 1.0 - self.stuck_on)
        check_boolean("thermal noise", self.thermal)
        check_boolean("shot noise", self.shot)
        check_number("seconds of a conversion", self.conversion_seconds, 1e-12, 1.0)
        check_number("bandwidth in Hz", self.bandwidth, 0.0, 1e12)
        check_number("seconds of a step", self.step_seconds, 0.0, 1e6)
        check_integer("rows and columns of a tile", self.tile, 0, 65536)
        check_integer("earlier writes", self.earlier_writes, 0, 10**15)
        check_boolean("compensation of wires", self.compensate)
        if self.wires is None and (self.tile or self.compensate):
            raise DesignError("tiles and compensation of wires need cells with wires")

    def pulse_steps(self, layer: Layer) -> int:
        """Units of ``conversion_seconds`` in a conversion: the finest steps of the longest pulse, else 1."""
        return largest_drive(layer) if self.dacs == "pulse_width" else 1

    def conversion_time(self, layer: Layer) -> float:
        """Seconds of a conversion."""
        return self.pulse_steps(layer) * self.conversion_seconds

    def noise_bandwidth(self, layer: Layer) -> float:
        """Hz that white noise passes before a conversion."""
        return self.bandwidth or 1 / (2 * self.conversion_time(layer))

    def step_time(self, *layers: Layer) -> float:
        """Seconds from one time step to the next in arrays of ``layers``, which wait for the slowest."""
        return self.step_seconds or max(layer.conversions * self.conversion_time(layer) for layer in layers)
