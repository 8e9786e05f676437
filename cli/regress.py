"""``ohmgate regress``."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..analog.config import PRESETS
from ..analog.studies.fit import wires_left_out
from ..cost.times import CLOCK_MHZ, operations
from ..model.design import Design
from ..model.executors import LOCAL, check_executor
from ..model.files import write_json
from ..model.formats import DesignError, check_integer, check_number
from ..model.locks import sole_use
from ..model.metrics import is_values
from ..model.prerequisites import require_place
from . import runs
from .console import Steps, say, warn
from .inputs import RANDOM, dataset_of, inputs_of, labels_of, sent_of
from .options import Calibrate, Data, Dataset, ExecutorName, calibrated, noise_of

if TYPE_CHECKING:
    from ..sim.native.pieces import Sequences, Work
    from ..sim.native.regression import Summary

EXAMPLES = """Examples: `ohmgate regress runs/demo` runs the whole test set through the Verilog;

`ohmgate regress runs/demo --noise paper --seed 3` does so with the noise of the paper's chip number 3;

`ohmgate regress random --designs 200 --steps 1000000` runs random designs, weights and codes;

`ohmgate regress my.image --dataset random --sequences 500 --back-door` leaves the cells' programming out.

The same command again goes on where it was stopped. Build once, then as many time steps a second as some hundred
co-simulations: `ohmgate simulate` and `verify` remain the judges of protocol and stalls."""

RESULTS = "results.json"
DESIGNS, STEPS = 200, 1_000_000  #: of random designs, unless the command says how many
EVERY = 100_000  #: sequences: more than any test set has
FEW = 1000  #: sequences of random codes, unless the command says how many


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE|RUN|random", help=f"A programming image, a run folder, or {RANDOM} for random designs."
        ),
    ],
    noise: Annotated[
        str,
        typer.Option(
            help=f"Of the array: {', '.join(PRESETS)}, a .toml file (docs/array.md), or a number, beta of the weight "
            "noise. The ADC codes that the noisy arrays give are fed to the Verilog."
        ),
    ] = "ideal",
    calibrate: Calibrate = None,
    sequences: Annotated[
        int | None,
        typer.Option(help="How many sequences to run, at most.", show_default="all, or 1000 of random codes"),
    ] = None,
    dataset: Dataset = None,
    data: Data = None,
    conversion: Annotated[int, typer.Option(help="Cycles of a conversion, where the design does not fix them.")] = 4,
    back_door: Annotated[
        bool,
        typer.Option("--back-door", help="The cells are there from the start; only gains and tables are loaded."),
    ] = False,
    designs: Annotated[int | None, typer.Option(help="How many random designs.", show_default="200")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Time steps of all random designs together.", show_default="1000000")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of noise and random codes; of the first random design.")] = 0,
    clock: Annotated[float, typer.Option(help="MHz, for the throughput.")] = CLOCK_MHZ,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes; the results are the same with any number.", show_default="one for each core"),
    ] = None,
    executor: ExecutorName = LOCAL,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results.", show_default="regression, in the run folder or beside the image"),
    ] = None,
) -> None:
    """Run whole test sets, or random designs, through the Verilog at native speed; compare every integer."""
    from ..sim.native.build import build, require_tools
    from ..sim.native.pieces import RandomDesigns, Sequences, programs
    from ..sim.native.regression import kept, run, summary

    check_number("clock", clock, 1e-3, 1e6)
    count = workers if workers is not None else os.cpu_count() or 1
    check_integer("workers", count, 1, 1024)
    check_executor(executor)
    require_tools()
    if source == RANDOM:
        given = {"noise": None if noise == "ideal" else noise, "back-door": back_door or None}
        refuse(
            f"an image or a run, not for {RANDOM}",
            **given,
            calibrate=calibrate,
            sequences=sequences,
            dataset=dataset,
        )
        designs = designs if designs is not None else DESIGNS
        work: Work = RandomDesigns(designs, steps if steps is not None else STEPS, seed)
        design, folder, title = None, out or Path("regression"), f"{designs} random designs"
    else:
        refuse(f"{RANDOM}, not for an image or a run", designs=designs, steps=steps)
        path = Path(source)
        work = sequences_of(path, noise, calibrate, sequences, dataset, data, conversion, back_door, seed)
        design = work.network.design
        folder = out or (path if path.is_dir() else path.parent) / "regression"
        title = f"{len(work.lengths)} sequences through {design.name}"
    require_place(folder / RESULTS)
    with sole_use(folder), Steps() as shown:
        done = sum(result.steps for result in kept(work, folder))
        total = sum(work.sizes)
        if isinstance(work, Sequences) and executor == LOCAL and done < total:
            with shown.step(f"Building {work.network.design.name}"):
                work = work.with_program(build(work.network.design, programs()).program)
        with shown.step(f"Running {title}, {total} steps", total) as step:
            began = time.monotonic()
            results = run(work, folder, count, step.update, executor)
            seconds = time.monotonic() - began
    found = summary(results)
    for line in told(found, design, clock, work):
        say(line)
    speed: dict[str, Any] = {}
    if done < total:
        speed = {"steps": total - done, "seconds": seconds, "steps_per_second": (total - done) / seconds}
        say(f"{speed['steps_per_second']:.0f} time steps a second, {seconds:.1f} s")
    write_json(folder / RESULTS, asdict(found) | {"throughput": throughput(found, design, clock), "speed": speed})
    if not found.agrees:
        raise typer.Exit(1)


def sequences_of(
    path: Path,
    noise: str,
    calibrate: str | None,
    sequences: int | None,
    dataset: str | None,
    data: Path | None,
    conversion: int,
    back_door: bool,
    seed: int,
) -> "Sequences":
    """A network's test sequences, or random ones, as the options say."""
    from ..sim.native.pieces import Sequences
    from ..sim.native.simulator import Loading

    check_integer("conversion", conversion, 2, 60000)
    array = calibrated(noise_of(noise), calibrate)
    network = runs.read_network(path)
    if left_out := wires_left_out(network, array):
        warn(left_out)
    dataset = dataset_of(network, dataset, path)
    count = sequences if sequences is not None else FEW if dataset == RANDOM else EVERY
    codes, lengths = sent_of(network, *inputs_of(network, dataset, count, seed, path, data))
    labels = None if dataset == RANDOM else labels_of(network, dataset, count, data)
    if labels is not None and (is_values(labels) or network.design.layers[-1].output not in ("argmax", "codes")):
        labels = None
    loading = Loading((conversion, conversion), back_door)
    return Sequences(network, codes, lengths, labels, array, seed, loading)


def refuse(whose: str, **given: object) -> None:
    """Options that this source does not take."""
    for name, value in given.items():
        if value is not None:
            raise DesignError(f"--{name} is for {whose}")


def told(found: "Summary", design: Design | None, clock: float, work: "Work") -> list[str]:
    """The verdict, and what of time and score is worth a line."""
    lines = [f"{found.steps} time steps of {found.sequences} sequences: {found}"]
    lines += [f"{where}: {count} differ" for where, count in found.differing.items()]
    text = f"{found.cycles} clock cycles, {found.step_cycles:.2f} a time step"
    if design is None:
        return [*lines, text]
    shares = ", ".join(f"{share:.1%}" for share in found.busy)
    lines.append(f"{text}; conversions under way in {shares} of them, by layer")
    lines.append(f"at {clock:g} MHz {throughput(found, design, clock)['gops']:.4g} GOP/s, counted as the paper does")
    if getattr(work, "labels", None) is not None:
        lines.append(f"accuracy of the Verilog: {found.right * design.votes / found.sequences:.2%}")
    return lines


def throughput(found: "Summary", design: Design | None, clock: float) -> dict[str, float]:
    """GOP/s, a multiply-accumulate being one operation, at a clock of so many MHz."""
    if design is None:
        return {}
    nanoseconds = found.step_cycles * 1000 / clock
    return {"clock_mhz": clock, "step_cycles": found.step_cycles, "gops": operations(design) / nanoseconds}
