"""Accuracy of vowels and HAR with each effect of the array alone, and after its cure.

    python benchmarks/effect_table.py --folder build/table --data FOLDER --json results/effect_table.json
    python benchmarks/effect_table.py --rows results/effect_table.json     # the table of docs/array.md

Each preset's network is trained by its protocol (seed 0) and put on chips that have one effect and nothing else, at
the size of ``effects()``; then on chips with a cure. Networks and draws are kept in ``--folder``, so a run that was
stopped goes on where it was. ``--windows`` takes so many of HAR's 2,947 test windows, spread evenly. Where nothing
differs from chip to chip two are drawn and compared.
"""

import argparse
import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from ohmgate.analog.circuit.processes import with_process
from ohmgate.analog.config import ADC, DAC, ArrayConfig, preset
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.memory.repair import Repair
from ohmgate.analog.studies import montecarlo, summaries
from ohmgate.analog.studies.sources import isolated
from ohmgate.firmware import image
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.network import Network
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.data.sequences import Sequences
from ohmgate.train.layers.noise import PAPER_ADC, Noise
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.training import train

DATASETS = ("vowels", "har")
SHARE = 64  #: sequences that see one course of slow noise
YEAR = 3.15e7  #: s
WARM = 358.0  #: K: 85 C
#: Trained with weight noise: 10 %, as vowels is, or half of that.
HARDENED, MILDER = ({"train_noise": Noise(adc=PAPER_ADC, weight=w, redraw="per_batch")} for w in (0.1, 0.05))


@dataclass(frozen=True)
class Chips:
    """Arrays, what their network was trained for, and whether chips differ."""

    config: ArrayConfig
    trained: dict[str, Any] = field(default_factory=dict)  #: fields of the training other than the protocol's
    alike: bool = False


@dataclass(frozen=True)
class Effect:
    """An effect, what its size is and where that comes from, and its cures by what the table calls them."""

    name: str
    size: str
    alone: Chips
    cures: dict[str, Chips]


def cells(config: ArrayConfig, **fields) -> ArrayConfig:
    """The same with other fields of the cells."""
    assert config.cells is not None
    return replace(config, cells=replace(config.cells, **fields))


def bent(name: str, volts: float) -> ArrayConfig:
    """A preset's cells without any noise, with a V0."""
    config = isolated(preset(name), None)
    assert config.cells is not None
    return cells(config, device=replace(config.cells.device, sinh_voltage=volts))


def nonlinear(name: str, size: str, curve: float) -> Effect:
    alone = bent(name, 0.25)
    return Effect(
        "nonlinear cells",
        size,
        Chips(alone, alike=True),
        {
            "pulse-width DACs": Chips(cells(alone, dacs="pulse_width"), alike=True),
            "trained for the curve": Chips(alone, {"curve": curve}, alike=True),
        },
    )


def aged(name: str, source: str, size: str, seconds: float, kelvin: float, **device) -> Effect:
    """An age and a temperature, of which one source is left; gains set anew are the cure."""
    config = preset(name)
    assert config.cells is not None
    made = cells(config, seconds=seconds, kelvin=kelvin, device=replace(config.cells.device, **device))
    alone = isolated(made, source)
    return Effect(source, size, Chips(alone), {"gains anew, for each gate": Chips(replace(alone, gains="gate"))})


def effects() -> list[Effect]:
    """All rows of the table, those that cost least time first."""
    ideal = isolated(preset("reram"), None)
    wired = isolated(preset("paper_wires"), "wires")
    copper = isolated(cells(preset("mram"), wires=with_process("cu_22nm")), "wires")
    stuck = cells(ideal, stuck_on=0.005, stuck_off=0.005)
    offset = cells(ideal, amplifiers=Amplifiers(offset_sigma=5e-3))
    zeroed = cells(ideal, amplifiers=Amplifiers(offset_sigma=5e-3, auto_zero=True))
    rough = isolated(preset("mram"), "device to device")
    programmed = isolated(preset("reram"), "programming")
    converters = replace(ideal, adc_noise="physical", adc=replace(ADC, calibrate=False))
    return [
        nonlinear("reram", "V0 0.25 V (Guan); reram's 0.2 V: 0.8 V0", 0.8),
        nonlinear("paper_cells", "V0 0.25 V (Guan); the paper's 1 V: 4 V0", 4.0),
        Effect(
            "wires",
            "paper_wires: 1 ohm a cell",
            Chips(wired, alike=True),
            {
                "waiting columns cut off": Chips(cells(wired, unselected="cut_off"), alike=True),
                "tiles of 64": Chips(cells(wired, tile=64), alike=True),
                "weights compensated": Chips(cells(wired, compensate=True), alike=True),
            },
        ),
        Effect(
            "wires",
            "mram in copper of 22 nm",
            Chips(copper, alike=True),
            {
                "waiting columns cut off": Chips(cells(copper, unselected="cut_off"), alike=True),
                "tiles of 16": Chips(cells(copper, tile=16), alike=True),
            },
        ),
        aged("pcm", "drift", "pcm, a year at 300 K", YEAR, 300.0),
        aged("reram", "retention", "reram, 10 years at 358 K", 10 * YEAR, WARM),
        aged("reram", "retention", "the same, ln tau spread by 1", 10 * YEAR, WARM, retention_sigma=1.0),
        aged("pcm", "temperature", "pcm, at 358 K", 60.0, WARM),
        aged(
            "reram",
            "temperature",
            "reram at 358 K, 0.06 eV at g_min",
            60.0,
            WARM,
            temperature_coefficient=0.0,
            conduction_energy=(0.06, 0.0),
        ),
        Effect("stuck cells", "1 %, half of them on", Chips(stuck), {"repair": Chips(cells(stuck, repair=Repair()))}),
        Effect(
            "programming error",
            "reram: 2 uS of 40",
            Chips(programmed),
            {
                "trained with 5 % weight noise": Chips(programmed, MILDER),
                "trained with 10 % weight noise": Chips(programmed, HARDENED),
            },
        ),
        Effect(
            "device to device",
            "mram: 4 %",
            Chips(rough),
            {
                "trained with 5 % weight noise": Chips(rough, MILDER),
                "trained with 10 % weight noise": Chips(rough, HARDENED),
            },
        ),
        Effect(
            "offsets of sense amplifiers",
            "5 mV at reram's 0.2 V",
            Chips(offset),
            {"auto-zero": Chips(zeroed)},
        ),
        Effect("read noise", "pcm, a minute after programming", Chips(isolated(preset("pcm"), "read noise")), {}),
        Effect("read noise", "paper: 10 %", Chips(isolated(preset("paper_cells"), "read noise")), {}),
        Effect(
            "ADC errors",
            "presets' flash ADC",
            Chips(converters),
            {"ADCs calibrated": Chips(replace(converters, adc=ADC))},
        ),
        Effect("DAC errors", "presets' DACs", Chips(replace(ideal, dac=DAC)), {}),
        Effect(
            "telegraph noise", "reram: 5 % in a fifth of the cells", Chips(isolated(preset("reram"), "telegraph")), {}
        ),
        Effect("1/f noise", "reram: density 1e-5", Chips(isolated(preset("reram"), "1/f")), {}),
    ]


class Networks:
    """Trained networks of a data set, kept in a folder, and its test set."""

    def __init__(self, name: str, data: Path | None, folder: Path, windows: int) -> None:
        self.name, self._folder = name, folder
        self._dataset, self._kept = load_dataset(name, data), {}
        test = self._dataset.test
        few = name == "har" and windows < len(test)
        self.test: Sequences = test.take(np.linspace(0, len(test) - 1, windows).astype(int)) if few else test

    def get(self, trained: dict[str, Any]) -> Network:
        """The network of the protocol with these fields; trained if it is not there."""
        file = self.file(trained)
        if file not in self._kept:
            config = replace(PROTOCOLS[self.name], **trained)
            self._kept[file] = train(Design.load(self.name), self._dataset, config, checkpoint=file).network
        return self._kept[file]

    def file(self, trained: dict[str, Any]) -> Path:
        """The checkpoint of that network."""
        label = hashlib.sha256(repr(replace(PROTOCOLS[self.name], **trained)).encode()).hexdigest()[:12]
        return self._folder / f"{self.name}_{label}.safetensors"


def sides(effect: Effect) -> Iterator[tuple[str, Chips]]:
    yield "alone", effect.alone
    yield from effect.cures.items()


def measure(networks: Networks, chips: Chips, count: int, folder: Path, kept: bool) -> dict[str, Any] | None:
    """Accuracies of chips, their mean with both intervals, and the worst; None where ``kept`` draws are too few."""
    network, test = networks.get(chips.trained), networks.test
    codes = network.encode(test.features)
    study = montecarlo.Study(network, codes, test.lengths, test.labels, chips.config, share=SHARE)
    draws = 2 if chips.alike else count
    file = folder / networks.name / study.fingerprint() / "draws.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    if kept and (not file.exists() or len(file.read_text(encoding="utf-8").splitlines()) <= draws):  # and its header
        return None
    scores = [draw.score for draw in montecarlo.run(study, draws, file)]
    if chips.alike and scores[0] != scores[1]:
        raise AssertionError(f"chips must be alike, not {scores}")
    made = summaries.summary(montecarlo.run(study, draws, file), len(test))
    return {
        "image": hashlib.sha256(image.pack(network)).hexdigest(),
        "chips": "all alike" if chips.alike else count,
        "mean": made.mean,
        "worst": min(scores),
        "over chips": None if chips.alike else made.interval,
        "and test sequences": made.others,
        "accuracy": scores[:1] if chips.alike else scores,
    }


def same_training(name: str, chips: Chips) -> bool:
    """Is the network trained as the protocol has it, anyway?"""
    return bool(chips.trained) and replace(PROTOCOLS[name], **chips.trained) == PROTOCOLS[name]


def table(results: dict[str, Any]) -> Iterator[str]:
    """Lines in Markdown. A cell: mean, half of the interval over chips, of that over test sequences, too; worst."""

    def cell(entry: dict[str, Any] | None) -> str:
        if entry is None:
            return "-"
        wide, own = entry["and test sequences"], entry["over chips"]
        if own is None:
            return f"{100 * entry['mean']:.1f}, {50 * (wide[1] - wide[0]):.1f}"
        halves = f"{50 * (own[1] - own[0]):.1f}, {50 * (wide[1] - wide[0]):.1f}"
        return f"{100 * entry['mean']:.1f}, {halves}; {100 * entry['worst']:.1f}"

    yield "| effect alone, size | cure | " + " | ".join(f"{name}, %" for name in DATASETS) + " |"
    yield "| --- | --- |" + " --- |" * len(DATASETS)
    names = {name: results[name]["rows"] for name in DATASETS if name in results}
    ideal = " | ".join(f"{100 * results[name]['ideal']:.1f}" for name in names)
    yield f"| none | | {ideal} |"
    for key in dict.fromkeys(key for rows in names.values() for key in rows):
        for side in dict.fromkeys(side for rows in names.values() for side in rows.get(key, {})):
            shown = " | ".join(cell(rows.get(key, {}).get(side)) for rows in names.values())
            yield f"| {key if side == 'alone' else ''} | {'' if side == 'alone' else side} | {shown} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="networks and draws")
    parser.add_argument("--data", type=Path, help="data folder; default: $OHMGATE_DATA")
    parser.add_argument("--chips", type=int, default=50)
    parser.add_argument("--windows", type=int, default=2947, help="of HAR's test set")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--kept", action="store_true", help="measure nothing: only what the folder holds")
    parser.add_argument("--only", nargs="+", help="names of effects")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=Path, help="print the table of these results, and measure nothing")
    options = parser.parse_args()
    if options.rows:
        print("\n".join(table(json.loads(options.rows.read_text(encoding="utf-8")))))
        return
    found: dict[str, Any] = {}
    asked = {name: Networks(name, options.data, options.folder, options.windows) for name in options.datasets}
    for name, networks in asked.items():
        network, test = networks.get({}), networks.test
        study = montecarlo.Study(network, network.encode(test.features), test.lengths, test.labels, ArrayConfig())
        found[name] = {"test sequences": len(test), "ideal": montecarlo.ideal_score(study), "rows": {}}
    for effect in effects():
        if options.only and effect.name not in options.only:
            continue
        for name, networks in asked.items():
            row = found[name]["rows"].setdefault(f"{effect.name}, {effect.size}", {})
            for side, chips in sides(effect):
                if same_training(name, chips):
                    continue
                if options.kept and not networks.file(chips.trained).exists():
                    continue
                begin = time.process_time()
                measured = measure(networks, chips, options.chips, options.folder, options.kept)
                if measured is None:
                    continue
                row[side] = measured
                told, seconds = row[side], time.process_time() - begin
                print(
                    f"{name}, {effect.name}, {effect.size}, {side}: {told['mean']:.2%}, worst {told['worst']:.2%}, "
                    f"{seconds:.0f} s",
                    flush=True,
                )
            if options.json:
                about = {"chips": options.chips, "windows": options.windows, "share": SHARE, "seed": 0}
                versions = {"Python": platform.python_version(), "numpy": np.__version__}
                write_json(options.json, {"command": about, **found, "versions": versions})


if __name__ == "__main__":
    main()
