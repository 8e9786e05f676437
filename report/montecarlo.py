"""The report of a Monte Carlo study: one HTML page with its pictures inside, that opens without a network."""

from pathlib import Path

import numpy as np

from ..analog.array import Array
from ..analog.circuit.tiles import tiled_ir_drop
from ..analog.inference import build_arrays
from ..analog.studies import montecarlo
from ..analog.studies.budget import noise_budget
from ..model.files import write_json, write_text
from ..model.formats import full_scale
from . import analog_plots as plots
from .page import render

PAGE, DATA = "montecarlo.html", "montecarlo.json"
ACCURACY = "share of the sequences that are classified rightly, 0 to 1"
UNITS = {
    "ideal": ACCURACY,
    "mean": ACCURACY,
    "interval": ACCURACY,
    "deviation": ACCURACY,
    "sensitivity": ACCURACY,
    "quantiles": f"{ACCURACY}; of 0, 5, 50, 95 and 100 % of the chips",
    "code_errors": "share of each layer's ADC codes that differ from the ideal array's, 0 to 1",
    "share": "sequences of a chip that see one course of slow noise",
    "budgets": "enob: bits; lsb: ADC steps, rms",
}  #: of the numbers for programs, by key


def write_report(
    folder: str | Path,
    study: montecarlo.Study,
    draws: list[montecarlo.Draw],
    sensitivity: list[montecarlo.Sensitivity] = (),
    preset: str = "",
) -> Path:
    """Write pictures, numbers and page of a study into ``folder``; returns the page's path.

    ``sensitivity`` may be empty, and its section is then left out; ``preset`` names the configuration.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ideal = montecarlo.ideal_accuracy(study)
    summary = montecarlo.summary(draws)
    pictures = {"accuracy": folder / "accuracy.png"}
    plots.accuracy_histogram(pictures["accuracy"], np.array([d.accuracy for d in draws]), summary.interval, ideal)
    if sensitivity:
        pictures["tornado"] = folder / "sensitivity.png"
        names = [entry.source for entry in sensitivity]
        alone, without = ([getattr(e, side).mean for e in sensitivity] for side in ("alone", "without"))
        plots.tornado(pictures["tornado"], names, alone, without, ideal, summary.mean)
    arrays = build_arrays(study.network, study.config, montecarlo.chip_seed(study, 0))
    layers = [_layer(folder, index, study, array) for index, array in enumerate(arrays)]
    for layer in layers:
        pictures |= layer["pictures"]
    write_json(folder / DATA, _data(study, summary, ideal, sensitivity, layers, preset))
    page = render(
        "montecarlo",
        pictures,
        design=study.network.design,
        study=study,
        summary=summary,
        ideal=ideal,
        sensitivity=sensitivity,
        layers=layers,
        preset=preset,
        percent=lambda value: f"{100 * value:.2f} %",
    )
    write_text(folder / PAGE, page)
    return folder / PAGE


def _layer(folder: Path, index: int, study: montecarlo.Study, array: Array) -> dict:
    """Budget of a layer with its own weights and gains, and pictures of its cells on the first chip."""
    data = study.network.layers[index]
    gains = np.stack([data.mult, data.shift], axis=1).astype(np.int64)
    budget = noise_budget(array.layer, study.config, gains, array.levels, seed=study.seed)
    pictures = {f"budget {index}": folder / f"budget-{index}.png"}
    plots.noise_budget(pictures[f"budget {index}"], budget)
    if array.has_cells:
        pictures[f"cells {index}"] = folder / f"conductances-{index}.png"
        plots.conductance_histogram(pictures[f"cells {index}"], array)
        if array.cell_array.cells.wires:
            pictures[f"drop {index}"] = folder / f"ir-drop-{index}.png"
            volts = array.cell_array.mapping.volts(np.full(array.layer.rows, full_scale(array.layer.dac_bits)))
            cells = array.cell_array.cells
            drop = tiled_ir_drop(array.conductances[0], cells.wires, volts, cells.tile)
            plots.ir_drop_map(pictures[f"drop {index}"], drop, volts)
    return {"layer": array.layer, "budget": budget, "pictures": pictures, "index": index}


def _data(study, summary, ideal, sensitivity, layers, preset) -> dict:
    """The same numbers for programs."""
    return {
        "design": study.network.design.name,
        "study": study.fingerprint(),
        "preset": preset,
        "share": study.share,
        "ideal": ideal,
        "draws": summary.draws,
        "mean": summary.mean,
        "interval": summary.interval,
        "deviation": summary.deviation,
        "quantiles": summary.quantiles,
        "code_errors": summary.code_errors,
        "sensitivity": [
            {"source": e.source, "alone": e.alone.mean, "without": e.without.mean, "draws": e.alone.draws}
            for e in sensitivity
        ],
        "budgets": [
            {"enob": layer["budget"].enob, "lsb": {s.source: s.lsb for s in layer["budget"].shares}}
            for layer in layers
        ],
        "units": UNITS,
    }
