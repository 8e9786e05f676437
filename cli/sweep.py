"""``ohmgate sweep``."""

from pathlib import Path
from typing import Annotated

import typer

from ..model import executors
from ..model.executors import LOCAL
from ..model.prerequisites import require_place
from .console import Steps, say
from .options import ExecutorName

EXAMPLES = """Examples: `ohmgate sweep table1 --data DIR` trains what the paper's Table I has no result of yet;

`ohmgate sweep fig4 --seeds 3 --workers 2 --data DIR` runs two trials at a time;

`ohmgate sweep fig6 --executor dask:tcp://host:8786 --data DIR` runs them on many machines;

`ohmgate sweep table1 --report` builds table and plot again from all the results that are there.

The same command again goes on where it was stopped: a finished trial is not repeated. A report is of every seed that
OUT has a result of, whatever `--seeds` says."""


NETWORKS = "networks"  #: folder of the networks within the output folder


def command(
    experiment: Annotated[
        str,
        typer.Argument(
            help="fig4, fig5, fig6, table1, fig7, fig8 (Ma et al.), mnist-snr, mnist-attack, cifar, "
            "strokes-snr, deep-noise, aimc, aimc-sensitivity, asr-ctc, asr-hybrid or asr-rnnt."
        ),
    ],
    seeds: Annotated[
        int | None, typer.Option(help="Number of seeds to run, counted from 0.", show_default="1")
    ] = None,
    workers: Annotated[int, typer.Option(help="Trials that run at a time on this machine.")] = 1,
    executor: ExecutorName = LOCAL,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with the data sets, as the workers see it; else fetched.", envvar="OHMGATE_DATA"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of results, made if it is not there.")] = Path("results"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the trained language models, too, in OUT/networks (safetensors).")
    ] = False,
    device: Annotated[
        str, typer.Option(help="Where language models train: cpu, cuda or cuda:N. All others train on the CPU.")
    ] = "cpu",
    report: Annotated[bool, typer.Option("--report", help="Run nothing: table and plot from the results.")] = False,
) -> None:
    """Run an experiment of a paper at full protocol: a table beside the paper's numbers, and a plot."""
    from functools import partial
    from tempfile import TemporaryDirectory

    from ..report.sweep import write_report
    from ..report.sweep_results import gather
    from ..report.sweeps import sweep_of
    from ..train.experiments import results, sweep
    from ..train.experiments import trial as trial_runs
    from .trials import RunningTrials

    chosen = sweep_of(experiment)
    trials = trial_runs.of_seeds(chosen.trials, 1 if seeds is None else seeds)
    asked = seeds or (0 if report else 1)
    reported = results.trials_of_report(chosen.trials, out, asked)
    gather(chosen, reported, out)  # what no report takes is refused before hours of work
    require_place(out / f"{experiment}.md")
    if not report:
        if executor == LOCAL:  # else the workers see devices and data of their own
            trial_runs.check_device(device)
            trial_runs.check_data(results.missing_trials(trials, out), data)
        with (
            TemporaryDirectory(prefix="ohmgate_reports_") as reports,
            executors.executor_for(executor, workers) as pool,
            Steps() as steps,
            steps.step(f"Running {experiment}", len(trials)) as step,
        ):
            networks = out.absolute() / NETWORKS if keep else None
            work = partial(trial_runs.run_trial, networks=networks, device=device, reports=reports)
            watch = RunningTrials(steps, Path(reports)).look
            sweep.run_sweep(trials, out, pool, data=data, progress=step.update, watch=watch, work=work)
    reported = results.trials_of_report(chosen.trials, out, asked)
    say(write_report(chosen, reported, out))
    there = sorted({trial.seed for trial in reported})
    if seeds is not None and len(there) > seeds:
        say(f"--seeds {seeds} says what to run; the report is of all seeds in {out}: {', '.join(map(str, there))}")
    kept = {path.stem for path in (out / NETWORKS).glob("*.safetensors")}
    lacking = [trial.name for trial in trials if keep and trial.is_language and trial.name not in kept]
    if lacking:
        say(f"results without a network, from a sweep without --keep or on another machine: {', '.join(lacking)}")
