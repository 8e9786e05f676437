"""Time of a training step (forward and backward), quantised against ``torch.nn.LSTM`` or ``nn.RNN`` in float32.

The candidates take turns, so that a machine's moods hit all alike, in an order that is drawn for every turn: who
follows torch's layer finds its own code out of the caches. Medians and their ratio to torch's layer.
Run: ``python benchmarks/training_step.py [--layer rnn] [--rounds 9] [--threads 1 2] [--eager] [--tiles 128] [--peers]
[--device cuda] [--clock cpu] [--shapes har ptb] [--json FILE]``.
``--eager`` adds the layers without the kernel, ``--tiles`` those cut into row tiles of so many rows, ``--peers`` what
is installed of Brevitas and aihwkit, at 4 bits; both compute step by step in Python. On a GPU torch's are cuDNN.
``--clock cpu`` counts the time that this process had a processor, all threads together: for a busy machine.
"""

import argparse
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ohmgate.model.files import write_json
from ohmgate.model.formats import DesignError
from ohmgate.train.experiments.trial import check_device
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.noise import PAPER_ADC, Noise
from ohmgate.train.layers.rnn import RnnArray

SHAPES = {
    "har": (32, 32, 128, 64),
    "ptb": (300, 300, 35, 20),
    "names": (100, 256, 16, 32),
    "64": (64, 64, 64, 32),
    "256": (256, 256, 32, 32),
    "1024": (1024, 1024, 16, 32),
}  #: m, n, T, B
LAYERS = {"lstm": (torch.nn.LSTM, LstmArray), "rnn": (torch.nn.RNN, RnnArray)}  #: torch's, and the array
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PAPER = Noise(adc=PAPER_ADC, weight=0.1, redraw="per_batch")


def brevitas(m: int, n: int) -> torch.nn.Module:
    """Weights, inputs, hidden state and gate sums of 4 bits, activations and cell state of 8; no noise."""
    from brevitas.nn import QuantLSTM  # pyright: ignore[reportMissingImports]

    return QuantLSTM(m, n, weight_bit_width=4, io_bit_width=4, gate_acc_bit_width=4)


def aihwkit(m: int, n: int) -> torch.nn.Module:
    """DACs and ADCs of 4 bits with output noise, real weights with noise redrawn every batch, in its PyTorch tile."""
    from aihwkit.nn import AnalogLSTMCell, AnalogRNN  # pyright: ignore[reportMissingImports]
    from aihwkit.simulator.configs import (  # pyright: ignore[reportMissingImports]
        TorchInferenceRPUConfig,
        WeightModifierType,
    )

    config = TorchInferenceRPUConfig()
    config.forward.inp_res = config.forward.out_res = 1 / (2**4 - 2)
    config.forward.out_noise = PAPER_ADC * 2 * config.forward.out_bound / 2**4
    config.modifier.type = WeightModifierType.ADD_NORMAL
    config.modifier.std_dev = 2 * PAPER.weight  # of the largest weight, half of the range
    return AnalogRNN(AnalogLSTMCell, m, n, rpu_config=config)


PEERS: dict[str, Callable[[int, int], torch.nn.Module]] = {"brevitas": brevitas, "aihwkit": aihwkit}


def installed(names: list[str]) -> list[str]:
    """Those that can be imported; says of the others that they are skipped."""
    found = []
    for name in names:
        try:
            PEERS[name](2, 2)
            found.append(name)
        except ImportError as error:
            print(f"{name}: skipped, it cannot be imported ({error}); pip install {name}")
    return found


def candidates(layer: str, m: int, n: int, eager: bool, tiles: list[int], peers: list[str]) -> dict:
    """Modules that take (T, B, m), by name; the first is the yardstick."""
    theirs, ours = LAYERS[layer]
    modules = {f"nn.{theirs.__name__}": theirs(m, n)}
    for rows in (0, *(rows for rows in tiles if rows <= m + n)):
        cut = f", tiles of {rows}" if rows else ""
        for name, noise, fast in (
            ("quantised", Noise(), True),
            ("quantised, noise", PAPER, True),
            ("eager", Noise(), False),
            ("eager, noise", PAPER, False),
        )[: 4 if eager else 2]:
            modules[name + cut] = ours(m, n, QuantConfig(tile_rows=rows), fast)
            modules[name + cut].train_noise = noise
    return modules | {name: PEERS[name](m, n) for name in peers}


def step(module: torch.nn.Module, x: torch.Tensor, grad: torch.Tensor, clock: Callable[[], float]) -> float:
    """Milliseconds by ``clock`` of one forward and backward pass, to the end of what a GPU has been given to do."""
    module.zero_grad()
    finish = torch.cuda.synchronize if x.is_cuda else lambda: None
    finish()
    start = clock()
    module(x)[0].backward(grad)
    finish()
    return 1000 * (clock() - start)


def measure(shapes: list[str], rounds: int, device: str, clock: str, **options) -> dict:
    """Medians in milliseconds: shape -> candidate -> median."""
    medians = {}
    for shape in shapes:
        m, n, steps, batch = SHAPES[shape]
        torch.manual_seed(0)
        modules = {name: module.to(device) for name, module in candidates(m=m, n=n, **options).items()}
        x = (torch.rand(steps, batch, m) * 2 - 1).to(device)
        grad = torch.randn(steps, batch, n).to(device)
        times = {name: [] for name in modules}
        order = random.Random(0)
        for turn in range(rounds + 2):
            for name in order.sample(list(modules), len(modules)):
                milliseconds = step(modules[name], x, grad, CLOCKS[clock])
                if turn >= 2:  # the first two warm up
                    times[name].append(milliseconds)
        medians[shape] = {name: statistics.median(values) for name, values in times.items()}
    return medians


def processor() -> str:
    """Its name, family and model, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    told = dict(line.split("\t", 1) for line in lines if "\t" in line)
    return ", ".join(told[key].strip("\t: ") for key in ("model name", "cpu family", "model") if key in told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layer", choices=LAYERS, default="lstm", help="default lstm")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="default: all")
    parser.add_argument("--rounds", type=int, default=9, help="timed passes of each candidate (default 9)")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1], help="of torch, one after the other (default 1)"
    )
    parser.add_argument("--eager", action="store_true", help="measure the layers without the kernel, too")
    parser.add_argument("--tiles", type=int, nargs="+", default=[], help="rows of tiles to measure, too")
    parser.add_argument("--peers", action="store_true", help="measure Brevitas and aihwkit, too, where installed")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda where torch sees a GPU (default cpu)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="default wall")
    parser.add_argument("--json", type=Path, help="write the medians here")
    arguments = parser.parse_args()
    try:
        device = check_device(arguments.device)
    except DesignError as error:
        parser.error(str(error))
    print(f"torch {torch.__version__}, kernel {'built' if kernel() else 'missing'}, {platform.machine()}, {device}")
    if arguments.peers and arguments.layer != "lstm":
        parser.error("--peers are LSTMs: leave it out for another layer")
    options = {"layer": arguments.layer, "eager": arguments.eager, "tiles": arguments.tiles}
    options["peers"], found = installed(list(PEERS)) if arguments.peers else [], {}
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        found[threads] = measure(arguments.shapes, arguments.rounds, device, arguments.clock, **options)
        for shape, row in found[threads].items():
            yardstick = next(iter(row.values()))
            cells = ", ".join(f"{name} {value:.2f} ms ({value / yardstick:.2f})" for name, value in row.items())
            print(f"{threads} threads, {shape} {SHAPES[shape]}: {cells}")
    if arguments.json:
        provenance = {
            "versions": {"Python": platform.python_version(), "torch": torch.__version__},
            "processor": processor(),
            "layer": arguments.layer,
            "clock": arguments.clock,
            "rounds": arguments.rounds,
            "shapes": {name: SHAPES[name] for name in arguments.shapes},
            "unit": "ms, median of the rounds",
        }
        write_json(arguments.json, {"provenance": provenance, "results": found})


if __name__ == "__main__":
    main()
