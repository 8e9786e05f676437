"""The demo's report: one HTML page with its pictures inside, that opens without a network."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..analog.inference import predictions
from ..model.files import write_json, write_text
from . import figures
from .page import render
from .results import RESULTS, UNITS, clipped, versions
from .style import BLUE, GREY, ORANGE, save

Story = dict[str, Any]  #: what ``cli/demo.py`` has to tell, by name


def write_report(folder: Path, story: Story) -> Path:
    """Write ``plots/``, ``results.json`` and ``report.html``. Returns the page's path."""
    network, data, result, levels = (story[name] for name in ("network", "data", "result", "levels"))
    classes = predictions(network, result, data.lengths)
    comparisons = [level.comparison for level in levels if level.comparison is not None]
    length = int(data.lengths[0])
    pictures = {
        "accuracy": figures.accuracy_by_level(_rows(story)),
        "confusion": figures.confusion(classes, data.labels, network.labels),
        "utterance": figures.utterance(network, result, 0, length),
        "codes": figures.code_histograms(story["usage"]),
    }
    paths = {name: save(figure, folder / "plots" / f"{name}.png") for name, figure in pictures.items()}
    write_json(folder / RESULTS, _results(story))
    registers = story["registers"]
    page = render(
        "demo",
        paths,
        network=network,
        design=network.design,
        levels=levels,
        draws=story["draws"],
        percent=_percent,
        floating=story["floating"],
        quantised=story["quantised"],
        mean=np.mean,
        agrees=all(level.agrees for level in levels),
        wrong=sum(one.mismatches for one in comparisons),
        integers=sum(one.integers for one in comparisons),
        utterances=story["utterances"],
        synthesis=story["synthesis"],
        train_noise=story["train_noise"],
        total=len(data.labels),
        registers=registers,
        cycles=registers["CYCLES"] / max(registers["STEPS"], 1),
        seconds=story["seconds"],
        length=length,
        truth=network.labels[data.labels[0]],
        named=network.labels[classes[0]],
        right=int((classes == data.labels).sum()),
        files=[path.name for path in story["files"]],
        image=story["image"].name,
        image_bytes=story["image"].stat().st_size,
        versions=versions(),
    )
    path = folder / "report.html"
    write_text(path, page)
    return path


def _percent(value: float) -> str:
    return f"{100 * float(value):.2f} %"


def _rows(story: Story) -> list[tuple[str, np.ndarray, str]]:
    """Rows of the accuracy picture: seeds, levels of the first seed's network, noisy draws."""
    rows = [
        (f"float training, {len(story['floating'])} seeds", np.array(story["floating"]), GREY),
        (f"4-bit training, {len(story['quantised'])} seeds", np.array(story["quantised"]), GREY),
    ]
    for level in story["levels"]:
        colour = ORANGE if "noisy" in level.name else BLUE
        rows.append((level.name, np.array([level.score]), colour))
    return rows + [(name.replace(", ", ",\n"), values, ORANGE) for name, values in story["draws"].items()]


def _results(story: Story) -> dict[str, object]:
    """Every figure of the report as plain data."""
    return {
        "accuracy": {
            f"{kind}_{seed}": value for kind in ("floating", "quantised") for seed, value in enumerate(story[kind])
        },
        "levels": [level.to_dict() for level in story["levels"]],
        "draws": {name: values.tolist() for name, values in story["draws"].items()},
        "registers": story["registers"],
        "synthesis": [asdict(report) for report in story["synthesis"]],
        "clipped": clipped(story["usage"]),
        "utterances": story["utterances"],
        "seconds": round(story["seconds"], 1),
        "units": UNITS | {"levels": "accuracy as above; integers compared", "draws": "accuracy of each chip"},
        "versions": versions(),
    }
