"""The page of ``ohmgate chip report``: maps of one chip's cells, and its converters before and after their trims."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..firmware.chip.calibration import AdcReport
from ..firmware.chip.faults import HEALTHY, NAMES
from ..firmware.chip.record import ChipRecord
from ..firmware.chip.service import Check
from ..model.files import write_text
from . import chip_plots as plots
from .page import render
from .style import save


def write_page(
    path: Path, record: ChipRecord, checks: Sequence[Check], reports: Mapping[int, tuple[AdcReport, AdcReport]]
) -> None:
    """Write the page; it opens without a network. ``checks`` are what was read, ``reports`` by the layer's number."""
    figures, layers = {}, []
    for index, (known, check) in enumerate(zip(record.layers, checks)):
        figures[f"levels{index}"], figures[f"errors{index}"] = plots.levels(check), plots.errors(check)
        counts: Counter[str] | None = None
        if known.kinds is not None:
            figures[f"faults{index}"] = plots.faults(known.kinds)
            counts = Counter(NAMES[kind] for kind in known.kinds[known.kinds != HEALTHY].tolist())
        if index in reports:
            figures[f"trims{index}"] = plots.trims(*reports[index])
        layers.append({
            "macro": record.macros[index],
            "rows": check.read.shape[0],
            "columns": check.read.shape[1],
            "read": int(check.used.sum()),
            "rms": check.rms,
            "far": len(check.beyond(1.0)),
            "faults": counts,
            "trimmed": index in reports,
        })  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        pictures = {name: save(figure, Path(folder) / f"{name}.png") for name, figure in figures.items()}
        page = render("chip", pictures, serial=record.serial, layers=layers, events=record.events)
    write_text(path, page)
