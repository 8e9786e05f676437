"""What a macro's outline needs of a technology: layers, tracks and grid, in nm; read from a LEF, or placeholders."""

import re
from dataclasses import dataclass
from pathlib import Path

from ...model.formats import DesignError


@dataclass(frozen=True)
class RoutingLayer:
    """A routing layer; tracks are at ``offset + k * pitch``. Lengths in nm."""

    name: str
    direction: str  #: of its tracks: ``horizontal`` or ``vertical``
    pitch: int
    offset: int
    width: int  #: of a wire

    @property
    def spacing(self) -> int:
        return self.pitch - self.width


@dataclass(frozen=True)
class Technology:
    """Routing layers from the lowest up, and the manufacturing grid in nm."""

    source: str  #: as files name it
    placeholder: bool
    grid: int
    layers: tuple[RoutingLayer, ...]

    @property
    def signal(self) -> RoutingLayer:
        """Layer of signal pins: the lowest vertical one that is not the lowest of all, which cells use."""
        return self._vertical()[0]

    @property
    def power(self) -> RoutingLayer:
        """Layer of the supply's stripes: the next vertical one, which a power grid's horizontal straps cross."""
        return self._vertical()[1]

    @property
    def blocked(self) -> tuple[RoutingLayer, ...]:
        """Layers that the macro fills: up to that of its supply."""
        return self.layers[: self.layers.index(self.power) + 1]

    def _vertical(self) -> list[RoutingLayer]:
        return [layer for layer in self.layers[1:] if layer.direction == "vertical"]


#: Pitches of sky130A's lower layers. Whoever builds gives the LEF of the technology.
PLACEHOLDER = Technology(
    "no technology LEF given",
    True,
    5,
    (
        RoutingLayer("met1", "horizontal", 340, 170, 140),
        RoutingLayer("met2", "vertical", 460, 230, 140),
        RoutingLayer("met3", "horizontal", 680, 340, 300),
        RoutingLayer("met4", "vertical", 920, 460, 300),
    ),
)


def read_technology(path: Path) -> Technology:
    """Routing layers and grid of a technology LEF. Raises :class:`DesignError` where it lacks something."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise DesignError(f"cannot read the technology LEF {str(path)!r}: {reason}") from None
    text = re.sub(r"#.*", "", text)
    where = f"technology LEF {str(path)!r}"
    blocks = re.findall(r"^\s*LAYER\s+(\S+)\s*$(.*?)^\s*END\s+\1\s*$", text, flags=re.MULTILINE | re.DOTALL)
    layers = tuple(_layer(where, name, block) for name, block in blocks if re.search(r"\bTYPE\s+ROUTING\s*;", block))
    if not layers:
        raise DesignError(f"{where} must have layers of TYPE ROUTING, and has none")
    grid = re.search(r"\bMANUFACTURINGGRID\s+([0-9.]+)\s*;", text)
    if grid is None:
        raise DesignError(f"{where} must have a MANUFACTURINGGRID, and has none")
    vertical = sum(layer.direction == "vertical" for layer in layers[1:])
    if vertical < 2:
        raise DesignError(f"{where} must have two vertical routing layers above the lowest layer, not {vertical}")
    return Technology(Path(path).name, False, _nm(where, "MANUFACTURINGGRID", grid[1]), layers)


def _layer(where: str, name: str, block: str) -> RoutingLayer:
    direction = re.search(r"\bDIRECTION\s+(HORIZONTAL|VERTICAL)\s*;", block)
    if direction is None:
        raise DesignError(f"{where}: layer {name} must have a DIRECTION, HORIZONTAL or VERTICAL")
    vertical = direction[1] == "VERTICAL"
    pitch = _along(where, name, block, "PITCH", vertical)
    offset = _along(where, name, block, "OFFSET", vertical, pitch // 2)
    width = re.search(r"(?<!\S)WIDTH\s+([0-9.]+)\s*;", block)
    if width is None:
        raise DesignError(f"{where}: layer {name} must have a WIDTH")
    return RoutingLayer(name, direction[1].lower(), pitch, offset, _nm(where, f"WIDTH of {name}", width[1]))


def _along(where: str, name: str, block: str, key: str, vertical: bool, default: int | None = None) -> int:
    """A PITCH or OFFSET: one number, or those in x and y, of which that across the layer's wires counts."""
    found = re.search(rf"(?<!\S){key}\s+([0-9.]+)(?:\s+([0-9.]+))?\s*;", block)
    if found is None:
        if default is None:
            raise DesignError(f"{where}: layer {name} must have a {key}")
        return default
    return _nm(where, f"{key} of {name}", found[1] if vertical or found[2] is None else found[2])


def _nm(where: str, what: str, text: str) -> int:
    length = round(float(text) * 1000)
    if length <= 0 or abs(length - float(text) * 1000) > 1e-6:
        raise DesignError(f"{where}: {what} must be a whole number of nm above 0, not {text} um")
    return length
