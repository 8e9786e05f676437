"""The digital part of presets for ``ohmgate cost``: ``python -m benchmarks.digital_cost --liberty LIB --out FOLDER``.

Synthesises each design for standard cells and writes ``cost/measured.toml``, which comes with Ohmgate. ``FOLDER``
keeps the reports, so an interrupted run goes on where it was. ``--figures FILE``, a JSON file of the fields of
``cost/measured.py``, takes the place of a design's synthesis: of static timing and gate-level activity, say. names
takes some minutes.
"""

import argparse
import json
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import ohmgate.cost
from ohmgate.cost.measured import KEPT, Measured, read_measured
from ohmgate.hdl.flow.synthesis import synthesise
from ohmgate.model.design import Design
from ohmgate.model.files import write_text

DESIGNS = ("har", "names", "vowels")


def synthesised(name: str, liberty: Path, folder: Path) -> Measured:
    """A design's figures by synthesis: of the report in ``folder``, or of a new one."""
    design, report = Design.load(name), folder / f"{name}.json"
    if not report.exists() or json.loads(report.read_text())["fingerprint"] != design.fingerprint:
        write_text(report, synthesise(design, "liberty", liberty).json())
    versions = f"ohmgate {version('ohmgate')}, pyosys {version('pyosys')}"
    measured = read_measured(report)
    return replace(measured, provenance=f"{measured.provenance}; {versions}; python -m benchmarks.digital_cost")


def toml(entries: list[Measured]) -> str:
    """``cost/measured.toml``."""
    lines = ["# Made by benchmarks/digital_cost.py: figures of the presets' digital parts, without wires."]
    for entry in entries:
        own = asdict(entry).items()
        fields = {key: value for key, value in own if value is not None and (key, value) != ("contexts", 1)}
        lines += ["", "[[digital]]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("designs", nargs="*", default=DESIGNS)
    parser.add_argument("--liberty", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of reports")
    parser.add_argument("--figures", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    given = {figures.design: figures for figures in map(read_measured, arguments.figures)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    entries = []
    for name in arguments.designs:
        entries.append(given.get(name) or synthesised(name, arguments.liberty, arguments.out))
        write_text(Path(ohmgate.cost.__path__[0]) / KEPT, toml(entries))
        print(f"{name}: {entries[-1].area_um2:,.0f} um2, {entries[-1].clock_ns:g} ns", flush=True)


if __name__ == "__main__":
    main()
