"""Area, static timing and energy of presets in standard cells: results/asic.json.

    python benchmarks/asic.py --pdk FOLDER --image vowels.image

FOLDER has the libraries; the energy is that of the image's design, over its first test sequences.
"""

import argparse
import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

from ohmgate.cli.inputs import inputs_of
from ohmgate.firmware import image
from ohmgate.hdl.flow import timing
from ohmgate.hdl.flow.synthesis import map_chip
from ohmgate.hdl.flow.timing import REGISTERS, time_chip
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.sim import power
from ohmgate.sim.power import power_of

LIBRARIES = ("nangate45_typ", "sky130hd_tt", "sg13g2_typ_1p20V_25C")
NANGATE = LIBRARIES[0]
#: Design, its tables, library, clock gates.
CHIPS = (
    *(("vowels", "loaded", library, True) for library in LIBRARIES),
    ("vowels", "loaded", NANGATE, False),
    ("har", "loaded", NANGATE, True),
    *(("names", "loaded", library, True) for library in LIBRARIES),
    ("names", "constant", NANGATE, True),
    ("ptb", "loaded", NANGATE, True),
)
SEQUENCES = 4


def with_tables(design: Design, tables: str) -> Design:
    """``design`` with the activation tables of all layers loaded or constant."""
    return replace(design, layers=tuple(replace(layer, tables=tables) for layer in design.layers))


def measured(name: str, tables: str, library: str, gating: bool, pdk: Path, path: Path) -> dict[str, Any]:
    """The figures of a chip; with energy where the image at ``path`` is of this design."""
    design = with_tables(Design.load(name), tables)
    chip = map_chip(design, pdk / f"{library}.lib.gz", gating)
    timed = time_chip(chip, clock_gating=gating)
    slowest = timed.setup[REGISTERS]
    row = {
        "design": name,
        "fingerprint": chip.report.fingerprint,
        "tables": tables,
        "library": library,
        "clock_gating": gating,
        "area_um2": round(chip.report.area or 0.0, 1),
        "blocks_um2": {of: round(block.area, 1) for of, block in (chip.report.blocks or {}).items()},
        "flip_flops": chip.report.flip_flops,
        "clock_ns": timed.shortest_clock_ns,
        "hold_slack_ns": timed.hold.slack_ns,
        "slowest_path": [slowest.start, slowest.end],
        "array_to_register_ns": timed.setup["array to register"].needs_ns,
        "tool": timed.tool,
    }
    network = image.read(path)
    if chip.report.fingerprint == network.design.fingerprint:
        codes, lengths = inputs_of(network, network.design.name, SEQUENCES, 0, path)
        found = power_of(chip, network, codes, lengths, gating)
        row |= {
            "energy_pj_per_cycle": round(found.total_pj_per_cycle, 2),
            "energy_by_kind_pj": {kind: round(pj, 2) for kind, pj in found.energy_pj_per_cycle.items()},
            "leakage_uw": round(found.leakage_uw, 2),
            "simulation": found.verdict,
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdk", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("results/asic.json"))
    args = parser.parse_args()
    rows = []
    for chip in CHIPS:
        rows.append(measured(*chip, args.pdk, args.image))
        print(rows[-1], flush=True)
    write_json(args.out, content(rows, args.image))


def content(rows: list[dict[str, Any]], path: Path) -> dict[str, Any]:
    """The rows, with their origin."""
    versions = {
        name: importlib.metadata.version(name) for name in ("ohmgate", "amaranth", "pyosys", "liberty-parser")
    }
    command = f"python benchmarks/asic.py --pdk FOLDER --image {path.name}"
    assumptions = [*timing.ASSUMPTIONS, *power.ASSUMPTIONS]
    return {"command": command, "versions": versions, "assumptions": assumptions, "chips": rows}


if __name__ == "__main__":
    main()
