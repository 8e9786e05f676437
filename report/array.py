"""The page of ``ohmgate array --report``: one array for a stranger, with its pictures inside."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..analog.circuit.wires import WireConfig
from ..analog.studies.advice import LIMIT, Advice
from ..analog.studies.datasheet import Datasheet
from ..analog.studies.small_effects import WORTH_MODELLING, small_effects
from ..model.files import write_text
from . import analog_plots as plots
from .page import render
from .style import save


def write_report(
    path: Path, sheet: Datasheet, title: str, preset: str, facts: dict[str, str], changes: Sequence[Advice]
) -> None:
    """Write the page; it opens without a network. ``facts`` are lines by name, as the command prints them."""
    cells = sheet.array.cell_array
    figures = {
        "budget": plots.noise_budget(sheet.budget),
        "drop": plots.ir_drop_map(sheet.lost_volts),
        "cells": plots.conductance_histogram(sheet.array),
    }
    with tempfile.TemporaryDirectory() as folder:
        page = render(
            "array",
            {name: save(figure, Path(folder) / f"{name}.png") for name, figure in figures.items()},
            title=title,
            preset=preset,
            facts=facts,
            changes=changes,
            limit=LIMIT,
            layer=sheet.layer,
            mapping=cells.mapping,
            device=cells.cells.device,
            budget=sheet.budget,
            noise=_noise(sheet),
            small=small_effects(sheet),
            worth=WORTH_MODELLING,
            loss=float(sheet.losses.max()),
            cures=_cures(sheet),
            planes=sheet.plane_names(),
            missing=float(sheet.lost_volts.max()),
            has_wires=sheet.wires != WireConfig(),
        )
    write_text(path, page)


def _noise(sheet: Datasheet) -> float:
    """All errors but the converter's own rounding, in LSB rms."""
    return float(np.sqrt(sum(s.lsb**2 for s in sheet.budget.shares if s.source != "quantisation")))


def _cures(sheet: Datasheet) -> list[dict[str, Any]]:
    largest = max(cure.error for cure in sheet.cures) or 1.0
    return [
        vars(cure) | {"reading": sheet.reading_error(cure), "bar": 100 * cure.error / largest} for cure in sheet.cures
    ]
