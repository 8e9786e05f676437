"""``ohmgate simulate``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..analog.config import PRESETS
from ..analog.studies.fit import wires_left_out
from ..model.design import Design
from ..model.files import write_text
from ..model.formats import DesignError
from ..model.locks import sole_use
from ..model.network import Network
from ..model.prerequisites import require_place
from . import runs
from .console import Steps, loading, say, warn
from .inputs import dataset_of, inputs_of, sent_of
from .options import Calibrate, Data, Dataset, calibrated, noise_of
from .values import check_values, right_values, write_values
from .waves import written

EXAMPLES = """Examples: `ohmgate simulate runs/demo` runs ten test utterances through the Verilog;

`ohmgate simulate runs/demo --noise paper --sequences 100` puts the paper's noise into the array;

`ohmgate simulate runs/demo --noise reram` puts ReRAM cells and real converters there;

`ohmgate simulate runs/demo --sequences 1 --waves` records waves, with a save file for GTKWave;

`ohmgate simulate my.image --simulator icarus --dataset random` runs random codes on Icarus Verilog.

On a mismatch the integer that was wrong first is printed as layer, sequence, step, unit, stage, expected, got and
clock cycle, then a count for each stage; `--differences wrong.csv` writes all of them."""


def command(
    source: Annotated[Path, typer.Argument(metavar="IMAGE|RUN", help="A programming image, or a run folder.")],
    design: Annotated[
        str | None,
        typer.Option(
            help="Build the RTL of this design (preset or .toml) instead of the image's own; it must have the same "
            "fingerprint, as with another conversion time."
        ),
    ] = None,
    simulator: Annotated[str, typer.Option(help="verilator or icarus.")] = "verilator",
    noise: Annotated[
        str,
        typer.Option(
            help=f"Of the array: {', '.join(PRESETS)}, a .toml file (docs/array.md), or a number, beta of the weight "
            "noise."
        ),
    ] = "ideal",
    calibrate: Calibrate = None,
    sequences: Annotated[int, typer.Option(help="How many sequences to run, at most.")] = 10,
    dataset: Dataset = None,
    data: Data = None,
    waves: Annotated[bool, typer.Option("--waves", help="Record waves (FST) and a GTKWave save file.")] = False,
    differences: Annotated[
        Path | None, typer.Option(help="File for every integer that differs (CSV), the first one first.")
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(help="File for what the chip gives in units of the data (CSV), beside what is right."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the array's noise and of random codes.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the build and its records.", show_default="in the run folder")
    ] = None,
) -> None:
    """Run the generated Verilog against the array model and compare every integer with the reference."""
    from ..sim.compare import compare
    from ..sim.cosim import build, simulate
    from ..sim.job import DeviceJob
    from ..sim.simulators import WAVE_FILES, require

    folder = out or (source if source.is_dir() else source.parent) / "simulation"
    require(simulator, folder, waves)
    for file in (differences, values):
        if file is not None:
            require_place(file)
    array = calibrated(noise_of(noise), calibrate)
    network = runs.read_network(source)
    if left_out := wires_left_out(network, array):
        warn(left_out)
    if design is not None:
        network = on_design(network, Design.load(design))
    dataset = dataset_of(network, dataset, source)
    if values is not None:
        check_values(network)
    right = None if values is None else right_values(network, dataset, sequences, data)
    codes, lengths = sent_of(network, *inputs_of(network, dataset, sequences, seed, source, data))
    variant = f"{simulator}_waves" if waves else simulator
    folder = out or folder / f"{network.design.name}_{variant}"
    with sole_use(folder), Steps() as steps:
        with steps.step(f"Building {network.design.name} with {simulator}"):
            built = build([network.design], folder, simulator, waves=waves)
        job, total = DeviceJob(network, codes, lengths, array, seed=seed), int(lengths.sum())
        with steps.step(f"Simulating {len(lengths)} sequences, {total} steps", total) as step:
            [result] = simulate(built, [job], lambda loaded, taken: step.update(taken, total, loading(loaded)))
    say(str(result.comparison))
    for line in result.comparison.by_stage():
        say(line)
    if registers := result.record.registers:
        say(f"{registers['CYCLES']} clock cycles for {registers['STEPS']} time steps")
    if waves:
        say(written(network.design, built.trace, folder / WAVE_FILES[simulator]))
    if differences is not None:
        write_text(differences, compare(job, result.record, keep=True).csv())
        say(f"every difference: {differences}")
    if values is not None:
        write_values(values, job, result.record, right)
    if not result.comparison.agrees:
        raise typer.Exit(1)


def on_design(network: Network, design: Design) -> Network:
    """The network on another design of the same fingerprint."""
    if design.fingerprint != network.design.fingerprint:
        raise DesignError(
            f"design {design.name!r} must have the image's fingerprint {network.design.fingerprint}, "
            f"not {design.fingerprint}"
        )
    return replace(network, design=design)
