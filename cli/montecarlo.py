"""``ohmgate montecarlo``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..analog.config import PRESETS
from ..analog.config_file import SUFFIX
from ..analog.studies import montecarlo, summaries
from ..analog.studies.fit import wires_left_out
from ..model.design import Design
from ..model.executors import LOCAL, check_executor
from ..model.formats import DesignError, check_choice, check_integer
from ..model.layers import MAX_VOTES
from ..model.locks import sole_use
from ..model.prerequisites import require_place
from . import runs
from .console import Steps, say, warn
from .options import Calibrate, ExecutorName, calibrated, noise_of
from .training import pack_run, train_run

EXAMPLES = """Examples: `ohmgate montecarlo runs/demo --draws 100` draws 100 chips with the paper's noise;

`ohmgate montecarlo runs/demo --preset reram --sensitivity 20` also takes one source of error at a time, on 20 chips;

`ohmgate montecarlo runs/demo --preset my.toml` draws chips of the arrays that my.toml describes;

`ohmgate montecarlo runs/demo --draws 1000 --executor dask:tcp://host:8786` draws them on many machines;

`ohmgate montecarlo runs/demo --votes 9` lets nine reads of each sequence vote, on every chip;

`ohmgate montecarlo vowels --draws 20` trains the preset *vowels* in runs/vowels first.

Draws are kept: the same command goes on where it was interrupted, and with more `--draws` or `--sensitivity` it adds
to them."""

DRAWS, SENSITIVITY = "draws.jsonl", "sensitivity"


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DESIGN|IMAGE|RUN",
            help="A programming image or a run folder; or a design (preset or .toml), trained in runs/ if it is not.",
        ),
    ],
    draws: Annotated[int, typer.Option(help="Chips to draw.")] = 100,
    preset: Annotated[
        str,
        typer.Option(
            help=f"The arrays: {', '.join(PRESETS)}, a .toml file (docs/array.md), or beta of weight noise per "
            "programming: its deviation as a share of the weights' range."
        ),
    ] = "paper",
    calibrate: Calibrate = None,
    share: Annotated[
        int,
        typer.Option(
            help="Test sequences that see one course of slow noise: telegraph, 1/f, weights per sequence. More is "
            f"faster and widens the spread over chips, not the mean; --sensitivity takes {montecarlo.SHARE} at least."
        ),
    ] = 1,
    sensitivity: Annotated[
        int, typer.Option(help="Chips for each source of error, alone and taken out; 0 leaves this out.")
    ] = 0,
    votes: Annotated[
        int,
        typer.Option(help="Reads of each sequence that vote: by the mean of the head's codes, and by majority."),
    ] = 1,
    vote_over: Annotated[
        str, typer.Option(help="Whose reads vote: reads of one chip, or chips, so many for each draw.")
    ] = "reads",
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data set or .npz file whose test sequences are classified or forecast.", show_default="the run's"
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder, as for train.", envvar="OHMGATE_DATA")] = None,
    seed: Annotated[int, typer.Option(help="Of the chips.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes; the results are the same with any number.", show_default="one for each core"),
    ] = None,
    executor: ExecutorName = LOCAL,
    out: Annotated[
        Path | None, typer.Option(help="Folder of draws and report.", show_default="in the run folder")
    ] = None,
) -> None:
    """Run the test set on many noisy chips: accuracy or RMSE, intervals, code errors, and a report."""
    from ..analog.studies.effects import ranked, source_effects, verdict
    from ..report.montecarlo import write_report
    from ..train.data.datasets import load_dataset

    for count, value, least in (("draws", draws, 1), ("sensitivity", sensitivity, 0), ("share", share, 1)):
        check_integer(count, value, least, 1_000_000)
    check_integer("votes", votes, 1, MAX_VOTES)
    check_choice("vote-over", vote_over, montecarlo.VOTE_OVER)
    if votes == 1 and vote_over == "chips":
        raise DesignError("--vote-over chips must come with --votes of 2 or more, not 1")
    check_integer("workers", workers if workers is not None else 1, 1, 1024)
    check_executor(executor)
    if out is not None:
        require_place(out / DRAWS)
    config = calibrated(noise_of(preset, "preset"), calibrate)
    workers = workers if workers is not None else os.cpu_count() or 1
    path = trained(source, dataset, data) if runs.is_design(source) else Path(source)
    network = runs.read_network(path)
    if dataset is None:
        dataset = (runs.read_dataset(path) if path.is_dir() else None) or network.design.name
    test = load_dataset(dataset, data).test
    if left_out := wires_left_out(network, config):
        warn(left_out)
    inputs = network.encode(test.features), test.lengths, test.labels
    study = montecarlo.Study(network, *inputs, config, seed, share, votes, vote_over)
    name, gains = Path(preset).name, f"-{calibrate}" if calibrate else ""
    gains += f"-votes{votes}-{vote_over}" if votes > 1 else ""
    folder = out or (path if path.is_dir() else path.parent) / "montecarlo" / (name.removesuffix(SUFFIX) + gains)
    with sole_use(folder):
        by_source = []
        with Steps() as steps:
            with steps.step(f"Drawing {draws} chips", draws) as step:
                made = montecarlo.run(study, draws, folder / DRAWS, workers, step.update, executor)
            if sensitivity:
                with steps.step(f"Taking one source at a time, on {sensitivity} chips", 1) as step:
                    by_source = montecarlo.sensitivity(
                        study, sensitivity, folder / SENSITIVITY, workers, step.update, executor
                    )
        summary = summaries.summary(made, study.sequences)
        say(summary.text(study.metric))
        for how, voted in summaries.vote_summaries(made, study.sequences).items():
            say(f"{study.voters} vote by {how_told(how)}: {voted.text(study.metric)}")
        shares = ", ".join(f"{share:.2%}" for share in montecarlo.on_threshold(study))
        say(f"readings exactly on a threshold, half of whose codes any noise flips, by layer: {shares}")
        if by_source:
            metric, ideal = study.metric, montecarlo.ideal_score(study)
            found = source_effects(by_source, summary, ideal, len(study.labels), metric)
            for effect in ranked(found, metric):
                say(effect.text(metric))
            say(verdict(found, metric))
        say(f"report: {write_report(folder, study, made, by_source, name + gains)}")


def how_told(how: str) -> str:
    """The rule of a vote, in words."""
    return {"mean": "the mean of the head's codes", "majority": "majority"}[how]


def trained(design: str, dataset: str | None, data: Path | None) -> Path:
    """Run folder of a design; trained and packed there, as the commands do, if it is not yet."""
    loaded = Design.load(design)
    folder = Path("runs") / loaded.name
    if not (folder / runs.CONFIG).exists() or not runs.image_path(folder).exists():
        train_run(loaded, folder, dataset, data)
        pack_run(folder)
    return folder
