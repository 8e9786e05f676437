"""Time steps a second of the native simulation beside cocotb's, and a whole test set through the Verilog.

    OMP_NUM_THREADS=1 python benchmarks/native_simulation.py runs/har --data DIR --json results/native_simulation.json

Both run the same Verilog and compare every integer. In each round one runs after the other. Seconds are those of
the processor, of all processes together, as other work on the machine counts little in them. cocotb runs few
sequences and then more; the difference is free of what its start and its load of the image take. Of the native
simulation all is in. The middle round counts. Then the whole test set runs in two processes, as by `ohmgate regress`.
"""

import argparse
import os
import platform
import resource
import tempfile
import time
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ohmgate.cli import runs
from ohmgate.cli.inputs import dataset_of, inputs_of
from ohmgate.model.files import write_json
from ohmgate.sim import cosim
from ohmgate.sim.compare import compare_seen
from ohmgate.sim.job import DeviceJob, Timing
from ohmgate.sim.native.build import build, runtime_library
from ohmgate.sim.native.pieces import Sequences
from ohmgate.sim.native.regression import run, summary
from ohmgate.sim.native.simulator import Simulator
from ohmgate.sim.simulators import version

FEW, MORE = 1, 9  #: sequences of cocotb
BLOCK, BLOCKS = 100, 5  #: sequences of the native simulation, and how often


def used() -> float:
    """Seconds of the processor so far, of this process and those that it has started and seen end."""
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, kinds))


def rates(network, codes, lengths, rounds: int, folder: Path) -> dict[str, Any]:
    """Time steps a second of the processor of both, by round; the builds' seconds are a clock's."""
    began = time.perf_counter()
    chips = cosim.build([network.design], folder / "cocotb")
    slow_build = time.perf_counter() - began
    runtime_library()  # which is made once on a machine
    began = time.perf_counter()
    built = build(network.design, folder / "native")
    quick_build = time.perf_counter() - began

    def slow(count: int) -> float:
        start = used()
        job = DeviceJob(network, codes[:count], lengths[:count], timing=Timing((4, 4), (2, 2)))
        [result] = cosim.simulate(chips, [job])
        assert result.comparison.agrees, str(result.comparison)
        return used() - start

    def quick() -> float:
        start = used()
        with Simulator(built, network, folder / "run") as simulator:
            for first in range(0, BLOCK * BLOCKS, BLOCK):
                part = slice(first, first + BLOCK)
                ran = simulator.run(np.arange(first, first + BLOCK), codes[part], lengths[part])
                comparison = compare_seen(network, ran.seen, ideal=True)
                assert comparison.agrees, str(comparison)
        return used() - start

    found = []
    for number in range(rounds):
        rate = int(lengths[FEW:MORE].sum()) / (-slow(FEW) + slow(MORE))
        fast = int(lengths[: BLOCK * BLOCKS].sum()) / quick()
        found.append({"cocotb": rate, "native": fast, "ratio": fast / rate})
        print(f"round {number}: cocotb {rate:.0f}, native {fast:.0f} time steps a second", flush=True)
    return {
        "build seconds": {"cocotb": slow_build, "native": quick_build},
        "rounds": found,
        "median": {name: median(each[name] for each in found) for name in found[0]},
    }


def whole(network, codes, lengths, folder: Path) -> dict[str, Any]:
    """All sequences, in two processes."""
    began = time.perf_counter()
    built = build(network.design, folder / "native")
    compiled = time.perf_counter() - began
    began = time.perf_counter()
    results = run(Sequences(network, codes, lengths, program=built.program), folder / "whole", workers=2)
    seconds, found = time.perf_counter() - began, summary(results)
    assert found.agrees, str(found)
    print(f"{found.steps} time steps of {found.sequences} sequences in {seconds:.1f} s: {found}")
    return {
        "sequences": found.sequences,
        "steps": found.steps,
        "integers": found.integers,
        "mismatches": found.mismatches,
        "cycles": found.cycles,
        "busy": found.busy,
        "build seconds": compiled,
        "seconds": seconds,
        "steps a second, two processes": found.steps / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder or image")
    parser.add_argument("--data", type=Path, help="data folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    network = runs.read_network(options.run)
    dataset = dataset_of(network, None, options.run)
    codes, lengths = inputs_of(network, dataset, 100_000, 0, options.run, options.data)
    with tempfile.TemporaryDirectory(prefix="ohmgate_native_") as folder:
        measured = rates(network, codes, lengths, options.rounds, Path(folder))
        measured["test set"] = whole(network, codes, lengths, Path(folder))
    if options.json:
        provenance = {
            "design": network.design.name,
            "dataset": dataset,
            "ohmgate": metadata.version("ohmgate"),
            "python": platform.python_version(),
            "simulator": version("verilator"),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
        }
        write_json(options.json, {"provenance": provenance, "results": measured})


if __name__ == "__main__":
    main()
