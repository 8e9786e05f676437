"""A macro's LEF: its abstract for placers and routers."""

from .outline import Outline, Rectangle
from .technology import RoutingLayer


def lef(outline: Outline) -> str:
    """LEF of a macro. Every number lies on the technology's grid, and signal pins on its tracks."""
    lines = [
        "VERSION 5.8 ;",
        'BUSBITCHARS "[]" ;',
        'DIVIDERCHAR "/" ;',
        "",
        *(f"# PLACEHOLDER: {text}" for text in outline.placeholders),
        f"# Technology: {outline.technology.source}. Cells' pitch: {outline.cell_pitch} um.",
        f"MACRO {outline.name}",
        "  CLASS BLOCK ;",
        f"  FOREIGN {outline.name} 0 0 ;",
        "  ORIGIN 0 0 ;",
        f"  SIZE {_um(outline.width)} BY {_um(outline.height)} ;",
        "  SYMMETRY X Y ;",
    ]
    for pin in outline.pins:
        lines += [
            f"  PIN {pin.name}",
            f"    DIRECTION {pin.direction.upper()} ;",
            f"    USE {pin.use.upper()} ;",
            "    PORT",
            f"      LAYER {pin.layer.name} ;",
            *(f"        {_rectangle(shape)}" for shape in pin.shapes),
            "    END",
            f"  END {pin.name}",
        ]
    lines.append("  OBS")
    for layer in outline.technology.blocked:
        lines += [f"    LAYER {layer.name} ;", *(f"      {_rectangle(shape)}" for shape in _blocked(outline, layer))]
    return "\n".join([*lines, "  END", f"END {outline.name}", "END LIBRARY", ""])


def _blocked(outline: Outline, layer: RoutingLayer) -> list[Rectangle]:
    """What a router must keep off: all of a layer but the pins, which it must reach."""
    if layer == outline.technology.signal:
        top = max(shape[3] for pin in outline.pins if pin.layer == layer for shape in pin.shapes)
        return [(0, top + layer.spacing, outline.width, outline.height)]
    if layer != outline.technology.power:
        return [(0, 0, outline.width, outline.height)]
    stripes = sorted(shape for pin in outline.pins if pin.layer == layer for shape in pin.shapes)
    lefts = [0, *(right + layer.spacing for _, _, right, _ in stripes)]
    rights = [*(left - layer.spacing for left, *_ in stripes), outline.width]
    return [(left, 0, right, outline.height) for left, right in zip(lefts, rights) if left < right]


def _rectangle(shape: Rectangle) -> str:
    return f"RECT {' '.join(_um(length) for length in shape)} ;"


def _um(length: int) -> str:
    return f"{length / 1000:.3f}"
