"""The page of ``ohmgate array --report``: one array for a stranger, with its pictures inside."""

import tempfile
from pathlib import Path

import numpy as np

from ..analog.circuit.tiles import tiled_ir_drop
from ..analog.circuit.wires import WireConfig
from ..analog.studies.array_study import ArrayStudy
from ..model.files import write_text
from . import analog_plots as plots
from .page import render


def write_report(path: Path, looked: ArrayStudy, title: str, preset: str, facts: dict[str, str]) -> None:
    """Write the page; it opens without a network. ``facts`` are lines by name, as the command prints them."""
    device, volts = looked.array.cell_array.cells.device, looked.volts(looked.drive("full"))
    drop = tiled_ir_drop(looked.conductances[0], looked.wires, volts, looked.array.cell_array.cells.tile)
    missing = float((volts[:, None] - (drop.row - drop.column)).max())
    with tempfile.TemporaryDirectory() as folder:
        page = render(
            "array",
            _pictures(Path(folder), looked, drop, volts),
            title=title,
            preset=preset,
            facts=facts,
            layer=looked.layer,
            mapping=looked.array.cell_array.mapping,
            device=device,
            budget=looked.budget,
            noise=_noise(looked),
            loss=float(looked.losses.max()),
            cures=_cures(looked),
            planes=looked.plane_names(),
            missing=missing,
            has_wires=looked.wires != WireConfig(),
        )
    write_text(path, page)


def _noise(looked: ArrayStudy) -> float:
    """All errors but the converter's own rounding, in LSB rms."""
    return float(np.sqrt(sum(s.lsb**2 for s in looked.budget.shares if s.source != "quantisation")))


def _cures(looked: ArrayStudy) -> list[dict]:
    largest = max(cure.error for cure in looked.cures) or 1.0
    return [
        vars(cure) | {"reading": looked.reading_error(cure), "bar": 100 * cure.error / largest}
        for cure in looked.cures
    ]


def _pictures(folder: Path, looked: ArrayStudy, drop, volts: np.ndarray) -> dict[str, Path]:
    """PNG pictures by name, drawn into ``folder``."""
    paths = {name: folder / f"{name}.png" for name in ("budget", "drop", "cells")}
    plots.noise_budget(paths["budget"], looked.budget)
    plots.ir_drop_map(paths["drop"], drop, volts)
    plots.conductance_histogram(paths["cells"], looked.array)
    return paths
