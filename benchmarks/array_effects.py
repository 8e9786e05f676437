"""Monte Carlo of vowels with each effect of the array off and on, and against another checkout, in turns.

    python benchmarks/array_effects.py
    python benchmarks/array_effects.py --against ../before --json results/array_effects.json

A round runs a process for every contestant, in turns, so that what else the machine does falls on all alike. Told is
the median over rounds of the time of its draws over that of this checkout with all effects off, and for read noise of
PCM over PCM's with read noise that is new in every step. ``--against`` is a checkout of another commit, whose arrays
have the same configuration.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
OFF = "paper_cells"
PCM: dict[str, object] = {"preset": "pcm"}
EFFECTS: dict[str, dict[str, object]] = {
    "nonlinear cells": {"device": {"sinh_voltage": 0.5}},
    "pulse-width DACs": {"dacs": "pulse_width"},
    "sense amplifiers": {"amplifiers": {"offset_sigma": 5e-3}},
    "a lognormal retention": {"seconds": 1e8, "device": {"retention": 2e8, "retention_sigma": 1.0}},
    "conduction by level": {"kelvin": 358.0, "device": {"conduction_energy": [0.06, 0.0]}},
    "gains set anew": {"gains": "gate"},
    "read noise of PCM that lasts": PCM,
}
#: What an effect is told against, where that is not the preset above with nothing on.
WITHOUT = {"read noise of PCM that lasts": PCM | {"device": {"read_seconds": 0.0, "read_sigma": 0.038}}}
DRAWS = """
import json, sys, time
from dataclasses import replace
import numpy as np
from ohmgate.analog.config import preset
from ohmgate.analog.studies import montecarlo
from ohmgate.model.design import Design
from ohmgate.sim.random_designs import random_network
effect, draws = json.loads(sys.argv[1]), int(sys.argv[2])
config = preset(effect.pop("preset", "paper_cells"))
if "gains" in effect:
    config = replace(config, gains=effect.pop("gains"))
device = {key: tuple(v) if isinstance(v, list) else v for key, v in effect.pop("device", {}).items()}
device = replace(config.cells.device, **device)
if "amplifiers" in effect:
    from ohmgate.analog.memory.amplifiers import Amplifiers
    effect["amplifiers"] = Amplifiers(**effect["amplifiers"])
config = replace(config, cells=replace(config.cells, device=device, **effect))
rng = np.random.default_rng(1)
network = random_network(Design.load("vowels"), rng)
codes, lengths = rng.integers(-7, 8, (370, 29, 12)), np.full(370, 15)
study = montecarlo.Study(network, codes, lengths, rng.integers(0, 9, 370), config)
sampler = montecarlo.Sampler(study)
sampler.draw(0)
begin = time.process_time()
for number in range(1, draws + 1):
    sampler.draw(number)
print(time.process_time() - begin)
"""


def seconds(folder: Path, effect: dict[str, object], draws: int) -> float:
    """Processor time of ``draws`` chips in a process of its own, by the product in ``folder``."""
    made = [sys.executable, "-c", DRAWS, json.dumps(effect), str(draws)]
    return float(subprocess.run(made, cwd=folder, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="folder of another checkout")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    contestants = {name: (HERE, effect) for name, effect in EFFECTS.items()}
    if options.against:
        contestants["the other checkout"] = (options.against, {})
    ratios: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        off = seconds(HERE, {}, options.draws)
        for name, (folder, effect) in contestants.items():
            without = seconds(HERE, WITHOUT[name], options.draws) if name in WITHOUT else off
            ratios[name].append(seconds(folder, effect, options.draws) / without)
    told = {name: round(statistics.median(ratio), 3) for name, ratio in ratios.items()}
    for name, ratio in told.items():
        print(f"{name}: {ratio} of the time with all effects off, {min(ratios[name]):.3f} to {max(ratios[name]):.3f}")
    if options.json:
        about = {"design": "vowels", "preset": OFF, "draws": options.draws, "rounds": options.rounds}
        content = about | {"numpy": np.__version__, "ratios": told}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
