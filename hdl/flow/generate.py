"""Everything that a hardware engineer gets for a design, as files: the same bytes on every run and machine."""

from pathlib import Path

from ...model.design import Design
from ...model.files import write_together
from ...model.registers import markdown
from ..chip import Chip
from ..macro_views import behavioural, black_box, unique_layers, view_file
from .emit import emit
from .side_car import side_car
from .waivers import waivers


def generate(design: Design, folder: Path, trace: bool = False) -> list[Path]:
    """Write the files of ``design`` into ``folder``, made if it is not there; returns their paths.

    ``NAME.v`` (the chip), ``blackbox/MACRO.v`` and ``behavioural/MACRO.v`` (views of each macro), ``NAME.vlt`` (lint
    waivers), ``NAME.json`` (side-car) and ``NAME_registers.md``. A macro's file is the same for every chip, and a
    tool finds it by its name (``-y behavioural``). ``trace`` adds ports with intermediate results for a test bench.
    Files get their names when all of them are written.
    Raises :class:`~ohmgate.model.formats.DesignError` for a design that the RTL does not take, or a folder that
    cannot be written.
    """
    return write_together(folder, generated(design, trace))


def generated(design: Design, trace: bool = False) -> dict[str, str]:
    """The text of every generated file by its name."""
    design.check_hardware()
    name, layers = design.name, unique_layers(design)
    return {
        f"{name}.v": emit(Chip(design, trace), name),
        **{view_file("blackbox", layer): black_box(layer) for layer in layers},
        **{view_file("behavioural", layer): behavioural(layer) for layer in layers},
        f"{name}.vlt": waivers(design),
        f"{name}.json": side_car(design, trace),
        f"{name}_registers.md": f"# Registers of {name}\n\nFingerprint {design.fingerprint}.\n\n{markdown(design)}",
    }
