"""Chips with stuck cells and raw converters, as loaded, calibrated and repaired over their own bus; and after a year.

    python -m benchmarks.chip_repair --folder build/chips --data FOLDER --cosim 10 --json results/chip_repair.json

The networks are those of benchmarks/effect_table.py, trained by each preset's protocol (seed 0); a ``--folder`` that
has its checkpoints needs no training. Chips are of the ReRAM preset with 1 % stuck cells and converters that nobody
has trimmed: offsets of 1 LSB and gains of 2.5 % (one sigma, so mostly within 2 LSB and 5 %), flash ADCs whose
thresholds err by 0.25 LSB (integral nonlinearity 0.5 LSB at two sigma), two spare columns an ADC. Each is compared
with the chip of its seed without stuck cells and with ideal converters. With ``--cosim`` as many chips of vowels go
through the generated Verilog, too, all the measuring included, and are compared with the same chips without Verilog.
Finished chips are kept in ``--folder``, so a run that was stopped goes on.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.effect_table import YEAR, Networks
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.converters import AdcErrors
from ohmgate.firmware.chip import faults
from ohmgate.firmware.chip.record import ChipRecord
from ohmgate.firmware.chip.service import find_stuck, find_trims, read_back, refresh, serviced
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import run
from ohmgate.model.files import write_json
from ohmgate.model.network import Network
from ohmgate.model.refit import with_spares
from ohmgate.sim.cosim import Build, build, simulate
from ohmgate.sim.job import SERVICES, DeviceJob
from ohmgate.sim.simulated_chip import SimulatedChip
from ohmgate.train.data.sequences import Sequences

SHARE = 64  #: sequences that see one course of slow noise
SPARES = 2
RAW = AdcErrors(kind="flash", offset_sigma=1.0, gain_sigma=0.025, mismatch=0.25, comparator_sigma=0.1)
BEYOND = 0.5  #: weight codes, of a refresh
STUCK = (0.005, 0.01, 0.05)  #: shares of stuck cells, for the maps


def worn(stuck: float) -> ArrayConfig:
    """ReRAM with a share of stuck cells, half of them on, and raw converters."""
    config = preset("reram")
    assert config.cells is not None
    return replace(config, cells=replace(config.cells, stuck_on=stuck / 2, stuck_off=stuck / 2), adc=RAW)


def sound() -> ArrayConfig:
    """The same without stuck cells, and with ideal converters."""
    return replace(worn(0.0), adc=None)


class Chips:
    """Chips of one data set's network, with its test set."""

    def __init__(self, networks: Networks) -> None:
        plain = networks.get({})
        self.network: Network = replace(plain, design=with_spares(plain.design, SPARES))
        self.test: Sequences = networks.test
        self.codes = self.network.encode(self.test.features)

    def made(self, config: ArrayConfig, seed: int) -> SimulatedChip:
        """A chip that is loaded, with nothing known of it."""
        chip = SimulatedChip(self.network.design, config, seed, SHARE)
        run(load(self.network), chip)
        return chip

    def score(self, chip: SimulatedChip) -> float:
        """Accuracy as the chip is now, in percent."""
        _, classes = chip.run(self.codes, self.test.lengths)
        return round(100 * float((classes == self.test.labels).mean()), 3)

    def repair(self, seed: int) -> dict[str, Any]:
        """A worn chip as loaded, calibrated, and repaired; and the sound one of its seed."""
        chip, record = self.made(worn(0.01), seed), ChipRecord.new("chip", self.network.design)
        found = {"sound": self.score(self.made(sound(), seed)), "loaded": self.score(chip)}
        run(find_trims(self.network, record), chip)
        found["calibrated"] = self.score(chip)
        before = chip.conversions, chip.accesses, chip.programmed
        record = run(find_stuck(self.network, record), chip)
        record, _ = run(find_trims(self.network, record), chip)
        found["repaired"] = self.score(chip)
        counts = (now - then for now, then in zip((chip.conversions, chip.accesses, chip.programmed), before))
        found |= dict(zip(("conversions", "accesses", "programmed"), counts))
        return found | mapped(chip, record)

    def map(self, stuck: float, seed: int) -> dict[str, Any]:
        """The fault map of a worn chip against the array model's own."""
        chip = self.made(worn(stuck), seed)
        return mapped(chip, run(find_stuck(self.network, ChipRecord.new("chip", self.network.design)), chip))

    def age(self, seed: int) -> dict[str, Any]:
        """A PCM chip as loaded, a year later, with trims anew, and with its cells refreshed in place of that."""
        chip, record = self.made(preset("pcm"), seed), ChipRecord.new("chip", self.network.design)
        found: dict[str, Any] = {"loaded": self.score(chip)}
        chip.pass_time(YEAR)
        found["a year later"] = self.score(chip)
        run(find_trims(self.network, record, weights=False), chip)
        found["calibrated"] = self.score(chip)
        chip.power_cycle()
        run(load(self.network, weights=False), chip)
        checks, written = run(refresh(self.network, record, BEYOND), chip)
        found |= {"refreshed": self.score(chip), "written": written}
        found["cells"] = int(sum(check.used.sum() for check in checks))
        for name, part in (("rms before", checks), ("rms after", run(read_back(self.network, record), chip))):
            found[name] = round(float(np.sqrt(np.mean(np.concatenate([c.error[c.used] for c in part]) ** 2))), 3)
        return found


def mapped(chip: SimulatedChip, record: ChipRecord) -> dict[str, int]:
    """Stuck cells of a chip, and what its record misses, has too many and takes for another kind."""
    counts: dict[str, int] = dict.fromkeys(("stuck", "missed", "false alarms", "unclear"), 0)
    for array, layer in zip(chip.arrays, record.layers):
        assert layer.kinds is not None
        cells = [array.cell_array.stuck]
        if array.spares is not None:
            cells.append(array.spares.cell_array.stuck)
        there = np.concatenate(cells, axis=2)
        found = np.zeros_like(there)
        for kind, pair in faults.STUCK.items():
            found[:, layer.kinds == kind] = np.array(pair)[:, None]
        counts["stuck"] += int((there != 0).sum())
        counts["missed"] += int(((there != 0) & (found == 0)).sum())
        counts["false alarms"] += int(((there == 0) & (found != 0)).sum())
        counts["unclear"] += int((layer.kinds == faults.UNCLEAR).sum())
    return counts


def kept(file: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``file`` holds, measured if it is not there."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, measure())
        print(file.stem, json.dumps(json.loads(file.read_text())), flush=True)
    return json.loads(file.read_text())


def cosimulated(chips: Chips, made: Build, seed: int) -> dict[str, Any]:
    """A chip through the Verilog: accuracy as loaded, trimmed, and repaired; and what differs without Verilog."""
    network, test = chips.network, chips.test
    found: dict[str, Any] = {}
    for service, name in zip(SERVICES, ("loaded", "calibrated", "repaired")):
        job = DeviceJob(network, chips.codes, test.lengths, worn(0.01), seed=seed, service=service)
        record = simulate(made, [job])[0].record
        assert not record.violations, record.violations
        classes = np.array(record.out) % 2 ** network.design.layers[-1].result_bits
        found[name] = round(100 * float((classes == test.labels).mean()), 3)
        chip = SimulatedChip(network.design, worn(0.01), seed)
        run(load(network), chip)
        if service != "none":
            same = run(serviced(network, service), chip).to_dict() == record.facts["record"]
            found[f"records that differ, {name}"] = int(not same)
        own = [int(chip.run_sequence(x[:length])[0]) for x, length in zip(chips.codes, test.lengths)]
        found[f"classes that differ, {name}"] = int((classes != own).sum())
    return found


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of the numbers, and all of them."""
    numbers = [name for name, value in results[0].items() if not isinstance(value, bool)]
    means = {name: round(float(np.mean([result[name] for result in results])), 3) for name in numbers}
    return {"chips": len(results), "mean": means, "each": results}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="networks and finished chips")
    parser.add_argument("--data", type=Path, help="data folder; default: $OHMGATE_DATA")
    parser.add_argument("--chips", type=int, default=100)
    parser.add_argument("--maps", type=int, default=10, help="chips for each share of stuck cells")
    parser.add_argument("--aged", type=int, default=10)
    parser.add_argument("--cosim", type=int, default=0, help="chips of vowels that go through the Verilog")
    parser.add_argument("--windows", type=int, default=184, help="of HAR's test set")
    parser.add_argument("--datasets", nargs="+", choices=("vowels", "har"), default=("vowels", "har"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    for name in options.datasets:
        chips = Chips(Networks(name, options.data, options.folder, options.windows))
        place = options.folder / name
        rows = found.setdefault(name, {}) | {"test sequences": len(chips.test)}
        seeds = range(options.chips)
        rows["repair"] = summary([kept(place / f"repair_{k}.json", partial(chips.repair, k)) for k in seeds])
        for stuck in STUCK if options.maps else ():
            files = [place / f"map_{stuck}_{k}.json" for k in range(options.maps)]
            maps = [kept(file, partial(chips.map, stuck, k)) for k, file in enumerate(files)]
            rows[f"map at {100 * stuck:g} %"] = summary(maps)
        if options.aged:
            aged = [kept(place / f"age_{k}.json", partial(chips.age, k)) for k in range(options.aged)]
            rows["year"] = summary(aged)
        if options.cosim and name == "vowels":
            made = build([chips.network.design], options.folder / "cosim", trace=False)
            files = [place / f"cosim_{k}.json" for k in range(options.cosim)]
            seen = [kept(file, partial(cosimulated, chips, made, k)) for k, file in enumerate(files)]
            rows["co-simulation"] = summary(seen)
        found[name] = rows
        if options.json:
            versions = {"Python": platform.python_version(), "numpy": np.__version__}
            write_json(options.json, {**found, "windows": options.windows, "share": SHARE, "versions": versions})


if __name__ == "__main__":
    main()
