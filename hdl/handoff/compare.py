"""Holds every view of a macro against the design: names, directions, widths, supply and size."""

from pathlib import Path

from ...model.design import Design
from ...model.formats import DesignError
from ...model.layers import Layer
from ...model.programs import work_folder
from ..array_macro import macro_ports
from ..macro_views import GROUND, POWER, unique_layers, view_file
from .outline import bit_names
from .readers import View, read_behavioural, read_black_boxes, read_gds, read_lef, read_liberty

KINDS = {"lef": "lef", "liberty": "lib", "gds": "gds"}  #: folders of views and the ends of their files' names


class ViewsDiffer(DesignError):
    """A view of a macro is not what the design says."""


def physical_file(kind: str, layer: Layer) -> str:
    """Where a view of a layer's macro lies: ``kind`` is one of :data:`KINDS`."""
    return f"{kind}/{layer.macro_name}.{KINDS[kind]}"


def compare_views(design: Design, folder: Path) -> int:
    """Read all views of a design's macros in ``folder`` and compare; returns how many were read.

    Raises :class:`ViewsDiffer` for the first difference, :class:`DesignError` for a file that cannot be read.
    """
    layers = unique_layers(design)
    boxes = {layer.macro_name: folder / view_file("blackbox", layer) for layer in layers}
    with work_folder("ohmgate_handoff_") as work:
        box_views = read_black_boxes(boxes, work)
    for layer in layers:
        name = layer.macro_name
        behavioural = view_file("behavioural", layer)
        views = {
            view_file("blackbox", layer): box_views[name],
            behavioural: read_behavioural(folder / behavioural, name),
        }
        for kind, reader in (("lef", read_lef), ("liberty", read_liberty), ("gds", read_gds)):
            file = physical_file(kind, layer)
            views[file] = reader(folder / file, name)
        for file, view in views.items():
            _compare_pins(file, view, expected_pins(layer))
        _compare_sizes(layer, views)
    return 5 * len(layers)


def expected_pins(layer: Layer) -> dict[str, str]:
    """Direction of every pin of a layer's macro, from the ports that the periphery connects, and of the supply."""
    ports = {name: port.direction for port in macro_ports(layer) for name in bit_names(port)}
    return {POWER: "inout", GROUND: "inout", **ports}


def _compare_pins(file: str, view: View, expected: dict[str, str]) -> None:
    lacking = [name for name in expected if name not in view.pins]
    if lacking:
        raise ViewsDiffer(f"{file} lacks the pin {lacking[0]}{_more(lacking)}")
    extra = [name for name in view.pins if name not in expected]
    if extra:
        raise ViewsDiffer(f"{file} has a pin {extra[0]}{_more(extra)}, which the macro does not have")
    without = not any(view.pins.values())  # as in GDS
    for name, direction in expected.items():
        if view.pins[name] != direction and not without:
            found = view.pins[name] or "without a direction"
            raise ViewsDiffer(f"{file}: the pin {name} must be {direction}, but is {found}")


def _compare_sizes(layer: Layer, views: dict[str, View]) -> None:
    lef, gds, liberty = (physical_file(kind, layer) for kind in ("lef", "gds", "liberty"))
    if not _equal(views[lef].size, views[gds].size):
        raise ViewsDiffer(f"{gds} must be as large as {lef}, {_words(views[lef])}, but is {_words(views[gds])}")
    if abs(views[lef].area - views[liberty].area) > 1e-4 * views[lef].area:
        raise ViewsDiffer(
            f"{liberty} must have the area of {lef}, {views[lef].area:.10g} um2, but has {views[liberty].area:.10g}"
        )


def _equal(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) < 1e-6 for a, b in zip(one, other))


def _words(view: View) -> str:
    return f"{view.size[0]:g} by {view.size[1]:g} um"


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
