"""What the presets take and reach on every board: ``python benchmarks/boards.py OUT [--board KEY ...]``.

Builds one bitstream after the other, some minutes each (names on a ULX3S 85F tens of them), and writes
``OUT/boards.json`` after each; what is there of an earlier run is kept. Steps a second are clock by cycles of a time
step. Operations count a multiplication and an addition for each weight.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

from ohmgate.boards.build import build
from ohmgate.boards.catalogue import BOARDS
from ohmgate.boards.fit import fit
from ohmgate.model.design import Design
from ohmgate.model.files import write_json, write_text
from ohmgate.model.formats import DesignError

#: Design, board and clock in MHz; None is the board's usual one.
BUILDS = (
    ("vowels", "icebreaker", None),
    ("vowels", "hx8k-b-evn", None),
    ("vowels", "tangnano9k", None),
    ("vowels", "ulx3s-25f", 25.0),
    ("vowels", "ulx3s-25f", None),
    ("names", "ulx3s-85f", None),
)


def one(name: str, key: str, megahertz: float | None, folder: Path, seed: int) -> dict[str, Any]:
    """A row of the table."""
    board = BOARDS[key]
    design, config = fit(Design.load(name), board, None if megahertz is None else round(megahertz * 1e6))
    row: dict[str, Any] = {"design": name, "board": key, "clock_mhz": config.clock_hz / 1e6, "seed": seed}
    row |= {"adcs": [layer.adcs for layer in design.layers], "rows": list(config.rows)}
    try:
        report = build(design, board, config, folder / f"{name}_{key}_{row['clock_mhz']:g}", seed)
    except DesignError as error:
        return row | {"error": str(error)}
    weights = sum(layer.rows * layer.columns for layer in design.layers)
    steps = config.clock_hz / report.step_cycles
    return row | {
        "reached_mhz": report.reached_hz / 1e6,
        "luts": report.usage.luts,
        "luts_there": board.luts,
        "flip_flops": report.usage.flip_flops,
        "flip_flops_there": board.flip_flops,
        "memories": report.usage.memories,
        "memories_there": board.memories,
        "multipliers": report.usage.multipliers,
        "multipliers_there": board.multipliers,
        "step_cycles": report.step_cycles,
        "steps_per_second": round(steps),
        "operations_per_second": round(2 * weights * steps),
        "minutes": round(sum(report.seconds.values()) / 60, 1),
        "versions": report.versions,
        "fingerprint": report.fingerprint,
        "sha256": report.sha256,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown of the rows."""
    heads = ("board", "design", "ADCs", "rows a cycle", "LUTs", "flip-flops", "memories", "multipliers", "clock, MHz")
    heads += ("nextpnr's, MHz", "steps/s", "minutes")
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for row in rows:
        head = f"| {BOARDS[str(row['board'])].title} | {row['design']} | {row['adcs']} | {row['rows']} |"
        if "error" in row:
            lines.append(f"{head} {row['error']} | | | | {row['clock_mhz']:g} | | | |")
            continue
        counts = " | ".join(
            f"{row[name]:,} of {row[f'{name}_there']:,}" for name in ("luts", "flip_flops", "memories", "multipliers")
        )
        lines.append(
            f"{head} {counts} | {row['clock_mhz']:g} | {row['reached_mhz']:.1f} | {row['steps_per_second']:,} | "
            f"{row['minutes']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Build what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--board", action="append", choices=list(BOARDS), help="only this; more may be given")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    file = options.out / "boards.json"
    rows = json.loads(file.read_text())["results"] if file.is_file() else []
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    for name, key, megahertz in BUILDS:
        if options.board and key not in options.board:
            continue
        row = one(name, key, megahertz, options.out, options.seed)
        same = ("design", "board", "clock_mhz")
        rows = [other for other in rows if [other[x] for x in same] != [row[x] for x in same]] + [row]
        provenance = {"python": platform.python_version(), "machine": machine}
        write_json(file, {"provenance": provenance, "results": rows})
        write_text(options.out / "boards.md", table(rows))
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
