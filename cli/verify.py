"""``ohmgate verify``."""

import shlex
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..model.design import presets
from ..model.files import write_json, write_text
from ..model.formats import DesignError, check_choice, check_integer
from ..model.locks import sole_use
from ..model.network import Network
from ..model.prerequisites import require_place
from . import runs
from .console import Steps, say
from .inputs import RANDOM, dataset_codes, dataset_of
from .options import Data
from .waves import written

if TYPE_CHECKING:
    from ..sim.trials import Inputs, Trial

EXAMPLES = """Examples: `ohmgate verify runs/demo --trials 10` runs ten trials of the run's chip, of test utterances;

`ohmgate verify random --trials 50 --coverage coverage.json` takes a new random design for each, and writes what they
covered;

`ohmgate verify random --trials 1 --seed 7 --waves` replays the trial of seed 7, and records its waves;

`ohmgate verify vowels --verilog netlist.v --verilog cells.v --simulator icarus` verifies a netlist in place of our
Verilog.

A trial's seed decides its stalls, conversion times, scenario and inputs, and the weights of a design alone. Of five
seeds in a row, three run sequences, one of them after diagnostics where the design has them, one adds resets, and one
a wrong image that must be refused."""

ALL = "all"
POOL = 1000  #: test sequences that trials choose from, at most
SHOWN = 5  #: failing trials that are told in full


def command(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="DESIGN|IMAGE|RUN|random",
            help=f"A design ({', '.join(presets())}, or a .toml file), a programming image, a run folder, or "
            f"{RANDOM} for a new random design in each trial.",
        ),
    ],
    trials: Annotated[int, typer.Option(help="How many trials.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the first trial; the next ones have the next numbers.")] = 0,
    scenario: Annotated[
        str,
        typer.Option(
            help="inference, reset_sweep, refusal, diagnostics, or all: the seed decides (docs/simulation.md)."
        ),
    ] = ALL,
    sequences: Annotated[int, typer.Option(help="Of a trial, chosen by its seed.")] = 4,
    simulator: Annotated[str, typer.Option(help="verilator or icarus.")] = "verilator",
    verilog: Annotated[
        list[Path] | None,
        typer.Option(
            help="Your Verilog or netlist in place of ours, without the macros; once for each file. Its top is a "
            "module of the design's name with the ports of the generated chip."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help=f"Data set whose test sequences are run, or {RANDOM} for random codes.",
            show_default="of a run or image as in simulate, else random",
        ),
    ] = None,
    data: Data = None,
    coverage: Annotated[
        Path | None, typer.Option(help="File for what was covered, as JSON; a table goes beside it, as .md.")
    ] = None,
    waves: Annotated[bool, typer.Option("--waves", help="Record waves (FST), of one trial.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the build.", show_default="verification, in the run folder or here"),
    ] = None,
) -> None:
    """Verify a chip in many trials: random stalls, times and data, resets, refused images; what was covered."""
    from ..sim.job import SCENARIOS
    from ..sim.simulators import WAVE_FILES, require, version
    from ..sim.trials import job_of, random_job, run_design, run_random
    from ..sim.user_verilog import read_verilog

    check_integer("trials", trials, 1, 100_000)
    check_integer("seed", seed, 0, 2**31 - 1 - trials)
    check_integer("sequences", sequences, 1, 1000)
    check_choice("scenario", scenario, (ALL, *SCENARIOS))
    if waves and trials > 1:
        raise DesignError(f"waves are of one trial: give --trials 1 and its --seed, not {trials} trials")
    folder = out or (Path(source) if Path(source).is_dir() else Path()) / "verification"
    require(simulator, folder, waves)
    if coverage is not None:
        if coverage.suffix == ".md":
            raise DesignError(f"the coverage's file must not end in .md, as its table does, but is {str(coverage)!r}")
        for file in (coverage, coverage.with_suffix(".md")):
            require_place(file)
    seeds, kind = range(seed, seed + trials), None if scenario == ALL else scenario
    if source == RANDOM:
        refuse_options(verilog=verilog, dataset=dataset)
        runner = run_random(lambda s: random_job(s, kind, sequences), seeds, folder, simulator, waves)
    else:
        design, network = runs.read_source(source)
        own = read_verilog(verilog, design) if verilog else None
        inputs = _inputs(network, dataset, Path(source), data)
        runner = run_design(
            design,
            lambda s: job_of(design, network, inputs, sequences, s, kind),
            seeds,
            folder,
            simulator,
            waves,
            own,
        )
    verdict = Verdict(context)
    with sole_use(folder), Steps() as steps, steps.step(f"{trials} trials with {simulator}", trials) as step:
        for trial in runner:
            verdict.add(trial)
            step.update(verdict.trials, trials, f"seed {trial.seed}, {trial.job.scenario}")
            if waves:
                say(written(trial.job.network.design, True, folder / WAVE_FILES[simulator]))
    say(verdict.text())
    if coverage is not None:
        made = {
            "command": " ".join([*command_of(context), f"--trials {trials} --seed {seed}"]),
            "date": str(date.today()),
            "ohmgate": metadata.version("ohmgate"),
            "simulator": version(simulator),
        }
        write_json(coverage, made | verdict.content())
        facts = "".join(f"- {name}: {value}\n" for name, value in made.items())
        write_text(coverage.with_suffix(".md"), f"# Coverage\n\n{facts}\n{verdict.text()}\n")
        say(f"coverage: {coverage} and {coverage.with_suffix('.md')}")
    if verdict.failed:
        raise typer.Exit(1)


class Verdict:
    """What all trials together say."""

    def __init__(self, context: typer.Context):
        from ..sim.coverage import Coverage

        self.context, self.covered = context, Coverage()
        self.trials = self.integers = 0
        self.failed: list[dict[str, Any]] = []

    def add(self, trial: "Trial") -> None:
        self.trials += 1
        self.integers += trial.result.comparison.integers
        if trial.result.comparison.agrees:
            self.covered.add(trial.job, trial.result.record)
        else:
            says = str(trial.result.comparison)
            self.failed.append({"seed": trial.seed, "scenario": trial.job.scenario, "says": says})

    def text(self) -> str:
        """The failing trials with their replays, the sums, and what was covered."""
        lines = []
        for trial in self.failed[:SHOWN]:
            lines.append(f"seed {trial['seed']}, {trial['scenario']}: {trial['says']}")
            replay = " ".join([*command_of(self.context), f"--trials 1 --seed {trial['seed']}"])
            lines.append(f"replay: {replay}")
        lines.append(f"{self.trials} trials, {self.integers} integers compared, {len(self.failed)} trials differ")
        if self.covered.items:
            lines += ["", "What the trials that agree have covered:", "", self.covered.markdown().rstrip("\n")]
        return "\n".join(lines)

    def content(self) -> dict[str, Any]:
        """For a file."""
        counts = {"trials": self.trials, "designs": self.covered.designs, "integers": self.integers}
        return {**counts, "failed": self.failed, "coverage": self.covered.lines()}


def refuse_options(**given: object) -> None:
    """Options that random designs do not take."""
    for name, value in given.items():
        if value:
            raise DesignError(f"--{name} is for a design, an image or a run, not for {RANDOM}")


def command_of(context: typer.Context) -> list[str]:
    """The words of this command as it was given, but for the trials, their seed and the report."""
    words = ["ohmgate", "verify"]
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE" or name in ("trials", "seed", "coverage", "waves"):
            continue
        value = context.params[name]
        for each in value if isinstance(value, list) else [value]:
            option = [parameter.opts[0]] if parameter.param_type_name == "option" else []
            words += [*option, shlex.quote(str(each))]
    return words


def _inputs(network: Network | None, dataset: str | None, source: Path, data: Path | None) -> "Inputs | None":
    """The test sequences that trials choose from, or None: random ones."""
    from ..sim.trials import Inputs

    if network is None:
        if dataset not in (None, RANDOM):
            raise DesignError("--dataset is for an image or a run, whose network says how features become codes")
        return None
    dataset = dataset_of(network, dataset, source)
    return None if dataset == RANDOM else Inputs(*dataset_codes(network, dataset, POOL, source, data))
