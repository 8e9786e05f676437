"""Tables beside the paper's numbers and plots in its layout, from the JSON files of a sweep alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..train.config import FLOAT
from ..train.grid import HAR_BITS, Cell
from ..train.sweep import read_result
from .figures import BLUE, GREY, ORANGE, save
from .runs import write_text

Results = dict[Cell, list[dict]]  #: by the cell of seed 0: the records of its seeds, none where it is missing

PAPER_NAMES = {(32, 32): (85.09, 1.52), (4, 4): (85.0, 1.55), (2, 2): (83.6, 1.58), (1, 1): (72.82, 2.27)}
PAPER_PTB = {(4, 2): 172, (2, 4): 182, (2, 1): 282, (1, 2): 327}  #: the numbers that the paper's text states
MISSING = "missing"


def write_report(experiment: str, cells: Sequence[Cell], out: Path) -> str:
    """Write ``out``/<experiment>.md and .png and return the table's text; cells without a result are said missing."""
    results = gather(cells, out)
    have = sum(map(len, results.values()))
    lines = [f"# {experiment} of Ma et al.", "", f"{have} of {len(cells)} cells have run, at full protocol.", ""]
    lines += (_names_table if experiment == "table1" else _table)(results)
    minutes = [r["cpu_minutes"] for records in results.values() for r in records]
    if minutes:
        records = [r for found in results.values() for r in found]
        sums = sorted({r["data_sha256"] for r in records})
        lines += ["", f"Processor time: {sum(minutes):.1f} minutes. Data: SHA-256 {', '.join(sums)}."]
        save(PLOTS[experiment](results), out / f"{experiment}.png")
    text = "\n".join(lines) + "\n"
    write_text(out / f"{experiment}.md", text)
    return text.rstrip("\n")


def gather(cells: Sequence[Cell], out: Path) -> Results:
    """Records of all seeds by the cell of the first seed."""
    results: Results = {}
    first: dict[str, Cell] = {}
    for cell in cells:
        key = first.setdefault(cell.name.rpartition("_seed")[0], cell)
        found = read_result(out, cell)
        results.setdefault(key, []).extend([] if found is None else [found])
    return results


def _spread(values: Sequence[float], digits: int = 2) -> str:
    if not values:
        return MISSING
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.{digits}f} ({len(values)} seeds)"


def _finals(records: list[dict], metric: str, scale: float = 1.0) -> list[float]:
    return [scale * record["final"][metric] for record in records]


def _names_table(results: Results) -> list[str]:
    lines = [
        "| LSTM | accuracy % | paper | perplexity | of float | paper | paper of float | name perplexity |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    floats = next(found for cell, found in results.items() if cell.weight_bits == FLOAT)
    for cell, records in results.items():
        accuracy, perplexity = PAPER_NAMES[cell.weight_bits, cell.converter_bits]
        ratio = _ratio(_finals(records, "perplexity"), _finals(floats, "perplexity"))
        lines.append(
            f"| {cell.label} | {_spread(_finals(records, 'accuracy', 100))} | {accuracy} "
            f"| {_spread(_finals(records, 'perplexity'), 3)} | {ratio} | {perplexity} "
            f"| {perplexity / PAPER_NAMES[32, 32][1]:.3f} | {_spread(_finals(records, 'name_perplexity'))} |"
        )
    return [
        *lines, "",
        "Accuracy and perplexity are of the training set after 8,000 iterations, over all 32 positions of a name's",
        "window, END's included; name perplexity is over a name's characters and one END alone.",
    ]  # fmt: skip


def _table(results: Results) -> list[str]:
    har = all(cell.task == "har" for cell in results)
    measure = "test accuracy %" if har else "validation perplexity per word"
    lines = [f"| LSTM | noise | {measure} | paper's text |", "| --- | --- | ---: | ---: |"]
    for cell, records in results.items():
        values = _finals(records, "accuracy", 100) if har else _finals(records, "perplexity")
        clean = not (cell.adc_noise or cell.weight_noise)
        paper = PAPER_PTB.get((cell.weight_bits, cell.converter_bits), "") if clean and not har else ""
        label = cell.label + ", quantised after training" * cell.post_training
        lines.append(f"| {label} | {_noise(cell)} | {_spread(values)} | {paper} |")
    return lines


def _noise(cell: Cell) -> str:
    parts = [f"ADC {cell.adc_noise:.3f} steps"] if cell.adc_noise else []
    return ", ".join(parts + ([f"weights {100 * cell.weight_noise:.0f} %"] if cell.weight_noise else []))


def _ratio(values: list[float], floats: list[float]) -> str:
    return f"{np.mean(values) / np.mean(floats):.3f}" if values and floats else MISSING


def _points(axes, xs: Sequence[float], groups: Sequence[list[float]], **style) -> None:
    """A line of means with error bars over seeds; where nothing has run there is a gap."""
    means = [np.mean(values) if values else np.nan for values in groups]
    errors = [np.std(values, ddof=1) if len(values) > 1 else np.nan for values in groups]
    axes.errorbar(xs, means, yerr=errors, marker="o", capsize=3, **style)


def _plot_names(results: Results) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    x = np.arange(len(results))
    labels = ["float" if c.weight_bits == FLOAT else f"{c.weight_bits}/{c.converter_bits} bits" for c in results]
    panels = (("accuracy", 100, "training accuracy in %"), ("perplexity", 1, "training perplexity per character"))
    for column, (axes, (metric, scale, title)) in enumerate(zip(figure.subplots(1, 2), panels)):
        groups = [_finals(records, metric, scale) for records in results.values()]
        heights = [np.mean(values) if values else 0 for values in groups]
        errors = [np.std(values, ddof=1) if len(values) > 1 else np.nan for values in groups]
        paper = [PAPER_NAMES[c.weight_bits, c.converter_bits][column] for c in results]
        axes.bar(x - 0.2, heights, 0.4, yerr=errors, capsize=3, color=BLUE, label="here")
        axes.bar(x + 0.2, paper, 0.4, color=GREY, label="paper")
        axes.set_xticks(x, labels)
        axes.set_ylabel(title)
        axes.set_ylim(min([h for h in heights if h] + paper) * 0.9, max(heights + paper) * 1.05)
        axes.legend()
    return figure


def _plot_har(results: Results) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    by_key = {(c.weight_bits, c.post_training): _finals(r, "accuracy", 100) for c, r in results.items()}
    for post, colour, label in ((False, BLUE, "quantisation-aware"), (True, ORANGE, "quantised after training")):
        _points(axes, HAR_BITS, [by_key[bits, post] for bits in HAR_BITS], color=colour, label=label)
    if by_key[FLOAT, False]:
        axes.axhline(np.mean(by_key[FLOAT, False]), color=GREY, linestyle="--", label="float")
    axes.set_xlabel("bits of weights, DACs and ADCs")
    axes.set_ylabel("test accuracy in %")
    axes.legend()
    return figure


def _plot_curves(results: Results) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for cell, records in results.items():
        if records:
            curves = np.array([[epoch["valid_perplexity"] for epoch in record["epochs"]] for record in records])
            deviation = curves.std(axis=0, ddof=1) if len(curves) > 1 else None
            epochs = range(1, curves.shape[1] + 1)
            axes.errorbar(epochs, curves.mean(axis=0), yerr=deviation, marker="o", capsize=3, label=cell.label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation perplexity per word")
    axes.legend()
    return figure


def _plot_grid(results: Results) -> Figure:
    """The paper's bars, and the same as a heat map; hatched where a cell is missing."""
    values = np.full((4, 4), np.nan)
    for cell, records in results.items():
        if records and cell.weight_bits != FLOAT:
            values[cell.weight_bits - 1, cell.converter_bits - 1] = np.mean(_finals(records, "perplexity"))
    figure = Figure(figsize=(10, 4), layout="constrained")
    bars, heat = figure.subplots(1, 2)
    for weight in range(4):
        bars.bar(
            np.arange(4) + 0.2 * weight - 0.3, np.nan_to_num(values[weight]), 0.2, label=f"{weight + 1}-bit weight"
        )
    bars.set_xticks(range(4), range(1, 5))
    bars.set_xlabel("ADC/DAC bits")
    bars.set_ylabel("validation perplexity per word")
    bars.legend()
    heat.imshow(np.ma.masked_invalid(values), cmap="viridis_r", origin="lower")
    for (weight, converter), value in np.ndenumerate(values):
        heat.text(converter, weight, MISSING if np.isnan(value) else f"{value:.0f}", ha="center", va="center")
    heat.set_xticks(range(4), range(1, 5))
    heat.set_yticks(range(4), range(1, 5))
    heat.set_xlabel("ADC/DAC bits")
    heat.set_ylabel("weight bits")
    return figure


def _plot_adc_noise(results: Results) -> Figure:
    return _plot_lines(
        results, "converter_bits", "ADC/DAC bits", lambda c: (c.weight_bits, bool(c.adc_noise)), _adc_label
    )


def _plot_weight_noise(results: Results) -> Figure:
    return _plot_lines(
        results, "weight_noise", "weight noise beta", lambda c: (c.weight_bits, False), lambda w, _: f"{w}-bit weight"
    )


def _adc_label(weight: int, noisy: bool) -> str:
    return f"{weight}-bit weight{', ADC noise' if noisy else ''}"


def _plot_lines(results: Results, field: str, axis: str, key, label) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for group in sorted({key(cell) for cell in results}):
        members = [(getattr(c, field), _finals(r, "perplexity")) for c, r in results.items() if key(c) == group]
        style = {"color": BLUE if group[0] == 4 else ORANGE, "linestyle": "--" if group[1] else "-"}
        _points(axes, [x for x, _ in members], [y for _, y in members], label=label(*group), **style)
    axes.set_xlabel(axis)
    axes.set_ylabel("validation perplexity per word")
    axes.legend()
    return figure


PLOTS = {
    "fig4": _plot_har, "fig5": _plot_curves, "fig6": _plot_grid, "table1": _plot_names, "fig7": _plot_adc_noise,
    "fig8": _plot_weight_noise,
}  # fmt: skip
