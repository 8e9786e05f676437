"""A macro's GDS: its outline and pins with their names, in place of the layout."""

from importlib import import_module
from typing import Any

from .outline import Outline

OUTLINE_LAYER = (235, 4)  #: sky130A's boundary
PIN_PURPOSE, LABEL_PURPOSE = 16, 5  #: sky130A's data types of pins and of their names
FIRST_METAL = 68  #: sky130A's met1; each layer above has the next number
PLACEHOLDER = "Layer numbers are those of sky130A: a LEF does not have them."


def gds(outline: Outline) -> bytes:
    """GDS of a macro, without a time in it: the same bytes on every run."""
    db: Any = import_module("klayout.db")
    layout = db.Layout()
    layout.dbu = 0.001
    cell = layout.create_cell(outline.name)
    boundary = layout.layer(*OUTLINE_LAYER)
    cell.shapes(boundary).insert(db.Box(0, 0, outline.width, outline.height))
    for index, text in enumerate((PLACEHOLDER, *outline.placeholders)):
        cell.shapes(boundary).insert(db.Text(f"PLACEHOLDER: {text}", 0, outline.height - 1000 * index))
    names = [layer.name for layer in outline.technology.layers]
    for pin in outline.pins:
        metal = FIRST_METAL + names.index(pin.layer.name)
        for left, bottom, right, top in pin.shapes:
            cell.shapes(layout.layer(metal, PIN_PURPOSE)).insert(db.Box(left, bottom, right, top))
            label = db.Text(pin.name, (left + right) // 2, (bottom + top) // 2)
            cell.shapes(layout.layer(metal, LABEL_PURPOSE)).insert(label)
    options = db.SaveLayoutOptions()
    options.format = "GDS2"
    options.gds2_write_timestamps = False
    options.gds2_libname = outline.name
    return layout.write_bytes(options)
