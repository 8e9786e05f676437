"""The one description of a macro: size and pins. LEF, Liberty, GDS and the black box are printed from it.

|  VDD  VSS       VDD  VSS  |      stripes of the supply, on the technology's second vertical layer
|   |    |         |    |   |
|          cells            |
|___________________________|
  | | | | | | | | | | | |          signal pins on the south edge, one on every second track
"""

from dataclasses import dataclass

from ...model.formats import DesignError
from ...model.layers import Layer
from ..array_macro import macro_ports
from ..macro_views import GROUND, POWER
from ..ports import Port
from .technology import RoutingLayer, Technology

DEFAULT_PITCH = 0.5  #: um: a placeholder, as a cell's pitch is the memory's own
STRIPE, STRIPE_PITCH = 1600, 40_000  #: nm: width of a supply stripe; distance of two of the same net

Rectangle = tuple[int, int, int, int]  #: left, bottom, right, top in nm


@dataclass(frozen=True)
class Pin:
    """One bit of a port, or a supply."""

    name: str  #: as LEF and GDS have it: ``codes[3]``, or ``done`` where the port has one bit
    direction: str  #: ``input``, ``output`` or ``inout``
    use: str  #: ``signal``, ``clock``, ``power`` or ``ground``
    layer: RoutingLayer
    shapes: tuple[Rectangle, ...]


@dataclass(frozen=True)
class Outline:
    """A macro's geometry; lengths in nm."""

    name: str
    ports: tuple[Port, ...]
    width: int
    height: int
    pins: tuple[Pin, ...]
    technology: Technology
    cell_pitch: float  #: um
    placeholders: tuple[str, ...]  #: what in it is not real, a sentence each

    @property
    def area(self) -> float:
        """In um2."""
        return self.width * self.height / 1e6


def outline_of(layer: Layer, technology: Technology, cell_pitch: float | None = None) -> Outline:
    """The outline of a layer's macro: rows by pairs of cells at ``cell_pitch`` um, wider where its pins need it.

    Raises :class:`DesignError` for a pitch that no cell has.
    """
    pitch = DEFAULT_PITCH if cell_pitch is None else cell_pitch
    if not 0.01 <= pitch <= 100:
        raise DesignError(f"the cells' pitch must be from 0.01 to 100 um, not {pitch!r}")
    ports = tuple(macro_ports(layer))
    signal, tracks = technology.signal, technology.signal.pitch
    bits = [(port, name) for port in ports for name in bit_names(port)]
    array = round(2 * layer.columns * pitch * 1000), round(layer.rows * pitch * 1000)
    narrowest = max(2 * tracks * (len(bits) + 1), 2 * STRIPE_PITCH)
    width = _up(max(array[0], narrowest), tracks)
    height = _up(max(array[1], 10 * tracks), technology.layers[0].pitch)
    half = signal.width // 2
    first = signal.offset + tracks
    pins = [
        Pin(
            name,
            port.direction,
            "clock" if port.name == "clk" else "signal",
            signal,
            ((at - half, 0, at - half + signal.width, 5 * signal.width),),
        )
        for (port, name), at in zip(bits, range(first, first + 2 * tracks * len(bits), 2 * tracks))
    ]
    pins += _supply(technology, width, height)
    return Outline(
        layer.macro_name, ports, width, height, tuple(pins), technology, pitch, _placeholders(technology, cell_pitch)
    )


def bit_names(port: Port) -> list[str]:
    """Names of a port's bits, as LEF and GDS have them."""
    return [f"{port.name}[{bit}]" for bit in range(port.width)] if port.width > 1 else [port.name]


def _supply(technology: Technology, width: int, height: int) -> list[Pin]:
    grid, layer = technology.grid, technology.power
    wide = _up(max(STRIPE, 2 * layer.width), 2 * grid)

    def stripes(begin: int) -> tuple[Rectangle, ...]:
        lefts = range(_up(begin, grid), width - wide, _up(STRIPE_PITCH, grid))
        return tuple((left, 0, left + wide, height) for left in lefts)

    return [
        Pin(POWER, "inout", "power", layer, stripes(STRIPE_PITCH // 4)),
        Pin(GROUND, "inout", "ground", layer, stripes(3 * STRIPE_PITCH // 4)),
    ]


def _placeholders(technology: Technology, cell_pitch: float | None) -> tuple[str, ...]:
    found = ["The outline counts cells and pins; DACs, ADCs and drivers have no area in it."]
    if technology.placeholder:
        found.append("Layers, tracks and grid are those of sky130A, as no technology LEF was given.")
    if cell_pitch is None:
        found.append(f"The cells' pitch of {DEFAULT_PITCH} um is a guess, as none was given.")
    return tuple(found)


def _up(length: int, step: int) -> int:
    return -(-length // step) * step
