"""The report of a Monte Carlo study: one HTML page with its pictures inside, that opens without a network."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..analog.inference import build_arrays
from ..analog.studies import montecarlo, summaries
from ..analog.studies.datasheet import Datasheet, datasheets
from ..analog.studies.effects import Effect, SourceEffect, ranked, source_effects, verdict
from ..model.files import write_json, write_text
from ..model.metrics import ACCURACY
from . import analog_plots as plots
from .page import render
from .style import save

PAGE, DATA = "montecarlo.html", "montecarlo.json"
UNITS = {
    "ideal": "{score}",
    "mean": "{score}",
    "interval": "{score}; 95 % of the mean over chips",
    "interval_others": "{score}; the same over other test sequences, too",
    "deviation": "{score}",
    "sensitivity": "{score}; changes: mean and interval, from no noise and from all sources; codes: share",
    "quantiles": "{score}; of 0, 5, 50, 95 and 100 % of the chips",
    "on_threshold": "share of each layer's readings that lie exactly on a threshold without noise, 0 to 1",
    "code_errors": "share of each layer's ADC codes that differ from the ideal array's, 0 to 1",
    "share": "sequences of a chip that see one course of slow noise",
    "budgets": "of each row tile of each layer, from 0; enob: bits; lsb: ADC steps, rms",
}  #: of the numbers for programs, by key; the score is the study's metric


def write_report(
    folder: str | Path,
    study: montecarlo.Study,
    draws: list[montecarlo.Draw],
    sensitivity: Sequence[montecarlo.Sensitivity] = (),
    preset: str = "",
) -> Path:
    """Write pictures, numbers and page of a study into ``folder``; returns the page's path.

    ``sensitivity`` may be empty, and its section is then left out; ``preset`` names the configuration.
    """
    folder = Path(folder)
    ideal, summary, metric = montecarlo.ideal_score(study), summaries.summary(draws, study.sequences), study.metric
    arrays = build_arrays(study.network, study.config, montecarlo.chip_seed(study, 0))
    sheets = {
        f"{index}-{tile}" if array.layer.row_tiles > 1 else f"{index}": (index, tile, sheet)
        for index, (array, data) in enumerate(zip(arrays, study.network.layers))
        for tile, sheet in enumerate(datasheets(array, data, study.seed))
    }  # by the number of the layer, and of the row tile where there are several
    scores = np.array([draw.score for draw in draws])
    effects = source_effects(sensitivity, summary, ideal, len(study.labels), metric)
    order, thresholds = ranked(effects, metric), montecarlo.on_threshold(study)
    votes = summaries.vote_summaries(draws, study.sequences)
    by_rank = sorted(zip(sensitivity, effects), key=lambda pair: order.index(pair[1]))
    figures = {metric.key: plots.score_histogram(scores, summary.interval, ideal, metric)}
    if sensitivity:
        figures["sensitivity"] = plots.tornado(effects, ideal, summary.mean, metric)
    for number, (_, _, sheet) in sheets.items():
        figures |= {f"{name}-{number}": figure for name, figure in _array_figures(sheet).items()}
    pictures = {name: save(figure, folder / f"{name}.png") for name, figure in figures.items()}
    write_json(
        folder / DATA,
        _data(study, summary, ideal, sensitivity, effects, list(sheets.values()), preset)
        | {"on_threshold": thresholds}
        | ({"votes": _votes(study, votes)} if votes else {}),
    )
    page = render(
        "montecarlo",
        pictures,
        design=study.network.design,
        study=study,
        summary=summary,
        votes=votes,
        ideal=ideal,
        sensitivity=by_rank,
        on_threshold=thresholds,
        verdict=verdict(effects, metric),
        metric=metric,
        said=(lambda value: f"{100 * value:.2f} %") if metric is ACCURACY else metric.text,
        sheets=sheets,
        preset=preset,
        percent=lambda value: f"{100 * value:.2f} %",
    )
    write_text(folder / PAGE, page)
    return folder / PAGE


def _array_figures(sheet: Datasheet) -> dict[str, Figure]:
    """Budget of a layer with its own weights and gains, and pictures of its cells on the first chip."""
    figures = {"budget": plots.noise_budget(sheet.budget)}
    if sheet.array.has_cells:
        figures["conductances"] = plots.conductance_histogram(sheet.array)
        if sheet.array.cell_array.cells.wires:
            figures["ir-drop"] = plots.ir_drop_map(sheet.lost_volts)
    return figures


def _data(
    study: montecarlo.Study,
    summary: summaries.Summary,
    ideal: float,
    sensitivity: Sequence[montecarlo.Sensitivity],
    effects: list[SourceEffect],
    sheets: list[tuple[int, int, Datasheet]],
    preset: str,
) -> dict[str, object]:
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
        "interval_others": summary.others,
        "deviation": summary.deviation,
        "quantiles": summary.quantiles,
        "code_errors": summary.code_errors,
        "sensitivity": [
            {
                "source": e.source,
                "alone": e.alone.mean,
                "without": e.without.mean,
                "draws": e.alone.draws,
                "change_alone": _numbers(effect.alone),
                "change_without": _numbers(effect.without),
                "codes_alone": _numbers(effect.code_alone),
                "codes_without": _numbers(effect.code_without),
            }
            for e, effect in zip(sensitivity, effects)
        ],
        "budgets": [
            {
                "layer": layer,
                "row_tile": tile,
                "enob": sheet.budget.enob,
                "lsb": {s.source: s.lsb for s in sheet.budget.shares},
            }
            for layer, tile, sheet in sheets
        ],
        "metric": study.metric.key,
        "units": {key: unit.format(score=study.metric.meaning) for key, unit in UNITS.items()},
    }


def _votes(study: montecarlo.Study, found: dict[str, summaries.Summary]) -> dict[str, object]:
    """What votes are right, by the rule of the vote."""
    numbers = {
        how: {
            "mean": summary.mean,
            "interval": summary.interval,
            "interval_others": summary.others,
            "deviation": summary.deviation,
            "quantiles": summary.quantiles,
        }
        for how, summary in found.items()
    }
    return {"number": study.votes, "over": study.vote_over, **numbers}


def _numbers(effect: Effect) -> list[float | None]:
    """Mean, low, high; None for the ends of an interval that a single chip does not have."""
    return [number if math.isfinite(number) else None for number in (effect.mean, effect.low, effect.high)]
