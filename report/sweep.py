"""A sweep's table and plots, from the files of its results alone."""

from collections.abc import Sequence
from pathlib import Path

from ..model.files import write_text
from ..train.experiments.trial import Trial
from .style import save
from .sweep_results import Sweep, gather


def write_report(sweep: Sweep, trials: Sequence[Trial], out: Path) -> str:
    """Write ``out``/<sweep>.md and its plots, and return the table's text.

    Trials without a result are said to be missing; where none has run there are no plots.
    """
    results = gather(sweep, trials, out)
    have = sum(map(len, results.values()))
    lines = [f"# {sweep.title}", "", f"{have} of {len(trials)} trials have run, at full protocol.", ""]
    lines += sweep.table(results, len(trials) // len(results))
    minutes = [r["cpu_minutes"] for records in results.values() for r in records]
    if minutes:
        records = [r for found in results.values() for r in found]
        sums = sorted({r["data_sha256"] for r in records})
        lines += ["", f"Processor time: {sum(minutes):.1f} minutes. Data: SHA-256 {', '.join(sums)}."]
        for name, figure in sweep.plots(results).items():
            save(figure, out / f"{name}.png")
    text = "\n".join(lines) + "\n"
    write_text(out / f"{sweep.name}.md", text)
    return text.rstrip("\n")
