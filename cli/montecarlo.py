"""``ohmgate montecarlo``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..analog.config import PRESETS, ArrayConfig, preset
from ..model.formats import DesignError, check_integer
from . import runs
from .console import Steps, say

EXAMPLES = """Examples: `ohmgate montecarlo runs/demo --draws 100` draws 100 chips with the paper's noise;

`ohmgate montecarlo runs/demo --array reram --sensitivity 20` also takes one source of error at a time, on 20 chips.

Draws are kept: the same command goes on where it was interrupted, and with more `--draws` it adds to them."""

DRAWS = "draws.jsonl"


def command(
    source: Annotated[Path, typer.Argument(metavar="IMAGE|RUN", help="A programming image, or a run folder.")],
    draws: Annotated[int, typer.Option(help="Chips to draw.")] = 100,
    array: Annotated[
        str, typer.Option(help=f"{', '.join(PRESETS)}, or a number: beta of weight noise per programming.")
    ] = "paper",
    sensitivity: Annotated[
        int, typer.Option(help="Chips for each source of error, alone and taken out; 0 leaves this out.")
    ] = 0,
    dataset: Annotated[
        str | None, typer.Option(help="Data set whose test sequences are classified.", show_default="the run's")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder, as for train.", envvar="OHMGATE_DATA")] = None,
    seed: Annotated[int, typer.Option(help="Of the chips.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; the results are the same with any number.")] = (
        os.cpu_count() or 1
    ),
    out: Annotated[
        Path | None, typer.Option(help="Folder of draws and report.", show_default="in the run folder")
    ] = None,
) -> None:
    """Classify the test set on many noisy chips: accuracy, intervals, code errors, and a report."""
    from ..analog import montecarlo
    from ..analog.report import write_report
    from ..train.datasets import load_dataset

    check_integer("sensitivity", sensitivity, 0, 1_000_000)
    config = array_of(array)
    network = runs.read_network(source)
    if dataset is None:
        dataset = runs.read_config(source)["dataset"] if source.is_dir() else network.design.name
    test = load_dataset(dataset, data).test
    study = montecarlo.Study(network, network.encode(test.features), test.lengths, test.labels, config, seed)
    folder = out or (source if source.is_dir() else source.parent) / "montecarlo" / array
    folder.mkdir(parents=True, exist_ok=True)
    with Steps() as steps:
        with steps.step(f"Drawing {draws} chips", draws) as step:
            made = montecarlo.run(study, draws, folder / DRAWS, workers, step.update)
        found = []
        if sensitivity:
            with steps.step("Taking one source at a time") as step:
                found = montecarlo.sensitivity(study, sensitivity, workers, step.update)
    say(montecarlo.summary(made).text())
    for entry in found:
        say(f"{entry.source}: {entry.alone.mean:.2%} alone, {entry.without.mean:.2%} with all but it")
    say(f"report: {write_report(folder, study, made, found, array)}")


def array_of(name: str) -> ArrayConfig:
    """The array of an ``--array`` option: a preset's name, or beta of the weight noise."""
    if name in PRESETS:
        return preset(name)
    try:
        beta = float(name)
    except ValueError:
        raise DesignError(f"array must be one of {', '.join(PRESETS)} or a number, not {name!r}") from None
    return ArrayConfig(weight_noise=beta, adc_noise="paper")
