"""The page of ``ohmgate array --report``: one array for a stranger, with its pictures inside."""

import tempfile
from pathlib import Path

import numpy as np

from ..analog.circuit.tiles import tiled_ir_drop
from ..analog.circuit.wires import WireConfig
from ..analog.studies.datasheet import Datasheet
from ..model.files import write_text
from . import analog_plots as plots
from .page import render


def write_report(path: Path, sheet: Datasheet, title: str, preset: str, facts: dict[str, str]) -> None:
    """Write the page; it opens without a network. ``facts`` are lines by name, as the command prints them."""
    device, volts = sheet.array.cell_array.cells.device, sheet.volts(sheet.drive("full"))
    drop = tiled_ir_drop(sheet.conductances[0], sheet.wires, volts, sheet.array.cell_array.cells.tile)
    missing = float((volts[:, None] - (drop.row - drop.column)).max())
    with tempfile.TemporaryDirectory() as folder:
        page = render(
            "array",
            _pictures(Path(folder), sheet, drop, volts),
            title=title,
            preset=preset,
            facts=facts,
            layer=sheet.layer,
            mapping=sheet.array.cell_array.mapping,
            device=device,
            budget=sheet.budget,
            noise=_noise(sheet),
            loss=float(sheet.losses.max()),
            cures=_cures(sheet),
            planes=sheet.plane_names(),
            missing=missing,
            has_wires=sheet.wires != WireConfig(),
        )
    write_text(path, page)


def _noise(sheet: Datasheet) -> float:
    """All errors but the converter's own rounding, in LSB rms."""
    return float(np.sqrt(sum(s.lsb**2 for s in sheet.budget.shares if s.source != "quantisation")))


def _cures(sheet: Datasheet) -> list[dict]:
    largest = max(cure.error for cure in sheet.cures) or 1.0
    return [
        vars(cure) | {"reading": sheet.reading_error(cure), "bar": 100 * cure.error / largest} for cure in sheet.cures
    ]


def _pictures(folder: Path, sheet: Datasheet, drop, volts: np.ndarray) -> dict[str, Path]:
    """PNG pictures by name, drawn into ``folder``."""
    paths = {name: folder / f"{name}.png" for name in ("budget", "drop", "cells")}
    plots.noise_budget(paths["budget"], sheet.budget)
    plots.ir_drop_map(paths["drop"], drop, volts)
    plots.conductance_histogram(paths["cells"], sheet.array)
    return paths
