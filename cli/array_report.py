"""The page of ``ohmgate array --report``: one array for a stranger, with its pictures inside."""

import base64
import tempfile
from pathlib import Path

import jinja2
import numpy as np

from ..analog import plots
from ..analog.array_study import ArrayStudy
from ..analog.tiles import tiled_ir_drop
from ..analog.wires import WireConfig
from . import runs


def write_report(path: Path, looked: ArrayStudy, title: str, preset: str, facts: dict[str, str]) -> None:
    """Write the page; it opens without a network. ``facts`` are lines by name, as the command prints them."""
    device, volts = looked.array.chip.cells.device, looked.volts(looked.drive("full"))
    drop = tiled_ir_drop(looked.conductances[0], looked.wires, volts, looked.array.chip.cells.tile)
    missing = float((volts[:, None] - (drop.row - drop.column)).max())
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ohmgate.cli", "."), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("array_report.html.j2").render(
        title=title, preset=preset, facts=facts, layer=looked.layer, mapping=looked.array.chip.mapping,
        device=device, budget=looked.budget, noise=_noise(looked), loss=float(looked.losses.max()),
        cures=_cures(looked), planes=looked.plane_names(), missing=missing, pictures=_pictures(looked, drop, volts),
        has_wires=looked.wires != WireConfig(),
    )  # fmt: skip
    runs.write_text(path, page)


def _noise(looked: ArrayStudy) -> float:
    """All errors but the converter's own rounding, in LSB rms."""
    return float(np.sqrt(sum(s.lsb**2 for s in looked.budget.shares if s.source != "quantisation")))


def _cures(looked: ArrayStudy) -> list[dict]:
    largest = max(cure.error for cure in looked.cures) or 1.0
    return [
        vars(cure) | {"reading": looked.reading_error(cure), "bar": 100 * cure.error / largest}
        for cure in looked.cures
    ]


def _pictures(looked: ArrayStudy, drop, volts: np.ndarray) -> dict[str, str]:
    """PNG pictures by name, in base64."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, f"{name}.png") for name in ("budget", "drop", "cells")}
        looked.budget.plot(paths["budget"])
        plots.ir_drop_map(paths["drop"], drop, volts)
        plots.conductance_histogram(paths["cells"], looked.array)
        return {name: base64.b64encode(path.read_bytes()).decode() for name, path in paths.items()}
