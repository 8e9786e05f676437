"""The serial link on lines with and without faults: ``python -m benchmarks.link --json results/link.json``.

A line with a clock of its own (``tests/firmware/virtual_line.py``) between the host's end and two devices: one that
was written for the tests from docs/link.md, and the gateware's twin. Random reads and writes while bytes are dropped,
flipped and repeated; loads that are cut at random moments, and loaded again; the share of the line's rate that
payloads have; and a whole load of names.
"""

import argparse
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ohmgate.firmware.link import Link
from ohmgate.firmware.link_load import load_over
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.sim.random_designs import random_network
from tests.firmware.fake_device import FakeDevice
from tests.firmware.link_device import LinkDevice
from tests.firmware.link_trials import BAD, cuts, oracle, rates, traffic, twin
from tests.firmware.virtual_line import NO_FAULTS, VirtualLine


def network(name: str, seed: int):
    return random_network(Design.load(name), np.random.default_rng(seed))


def load(name: str, window: int, latency: float) -> dict[str, Any]:
    """A load of a design with random weights on a line without faults."""
    image = network(name, 0)
    device = LinkDevice(FakeDevice(image.design), window=window)
    line = VirtualLine(device.receive, latency=latency)
    link = Link(line, 0)
    load_over(link, image)
    link.verify()
    return {
        "cells": sum(layer.rows * layer.columns for layer in image.design.layers),
        "frames": link.frames,
        "bytes to the board": line.sent,
        "bytes from it": line.came,
        "seconds on the line": max(line.sent, line.came) * 10 / line.baud,
        "seconds": line.now,
    }


def show(name: str, found: Any) -> None:
    print(f"{name}: {found}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000, help="of random reads and writes")
    parser.add_argument("--cuts", type=int, default=200, help="of loads of vowels")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {"faults": asdict(BAD), "traffic": {}, "cuts": {}, "rates": {}, "names": {}}
    for name, board in (("device of the tests", oracle), ("twin", twin)):
        results["traffic"][name] = asdict(traffic(board, arguments.frames))
        show(f"traffic, {name}", results["traffic"][name])
    for window in (2, 4, 8):
        results["rates"][f"window {window}"] = rates(window)
        show(f"share of the rate, window {window}", results["rates"][f"window {window}"])
        for latency in (0.001, 0.004):
            case = f"window {window}, latency {latency * 1000:g} ms each way"
            results["names"][case] = load("names", window, latency)
            show(f"names, {case}", results["names"][case])
    for faults, name in ((NO_FAULTS, "no faults"), (BAD, "faults")):
        for numbers in (False, True):
            case = f"{name}, {'twin' if numbers else 'device of the tests'}"
            found = cuts(network("vowels", 1), network("vowels", 2), arguments.cuts, numbers, faults)
            results["cuts"][case] = dict(sorted(found.items()))
            show(f"cuts, {case}", results["cuts"][case])
    if arguments.json:
        versions = {"Python": platform.python_version()} | {name: version(name) for name in ("numpy", "cobs")}
        command = {"frames": arguments.frames, "cuts": arguments.cuts}
        write_json(arguments.json, {"command": command, "results": results, "versions": versions})


if __name__ == "__main__":
    main()
