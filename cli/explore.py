"""``ohmgate explore``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..cost.estimate import STEPS, check_steps
from ..cost.explore import FIELDS, USUAL, Point, Value, explore, front, grid, one_change
from ..model.design import Design
from ..model.executors import LOCAL
from ..model.files import write_json
from ..model.formats import DesignError, check_choice, check_integer
from ..model.layout import UNSELECTED
from ..model.locks import sole_use
from . import runs
from .console import Steps, say
from .options import ExecutorName, Source, Unselected, given
from .tables import text_of
from .tasks import dataset_of

if TYPE_CHECKING:  # which loads torch
    from .exploring import Training

KINDS = {"clock_mhz": float, "tables": str}  #: of values; all others are whole numbers
SHOWN = 20  #: lines of the front that are printed
EXAMPLES = """Examples: `ohmgate explore vowels --out runs/explore` works out what 810 variants cost;

`ohmgate explore names --vary adc_bits=3,4 --vary clock_mhz=320,640 --out runs/explore` has its own grid;

`ohmgate explore vowels --trials 20 --workers 2 --out runs/explore` also trains 20 of them, two at a time;

`ohmgate explore har --trials 20 --weight-noise 0.1 --executor dask:tcp://host:8786 --out runs/har` trains with noise
on many machines.

The same command again goes on where it was stopped: a finished trial is not repeated."""


def command(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for page, figures and designs, made if it is not there.")],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help=f"FIELD=VALUE,VALUE of the LSTM layers: {', '.join(FIELDS)}.",
            show_default="bits of ADC, DAC, cell state and activations; always all numbers of ADCs",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Time steps of a sequence, an inference.")] = STEPS,
    unselected: Unselected = "grounded",
    trials: Annotated[int, typer.Option(help="Variants to train; 0 leaves accuracy out.")] = 0,
    workers: Annotated[int, typer.Option(help="Trials that run at a time on this machine.")] = 1,
    executor: ExecutorName = LOCAL,
    dataset: Annotated[
        str | None, typer.Option(help="Data set to learn, as for train.", show_default="as for train")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data folder, as for train and as the workers see it.", envvar="OHMGATE_DATA")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set, in each trial.")] = None,
    weight_noise: Annotated[
        float | None,
        typer.Option(help="Beta, of training and evaluation: deviation as a share of the weights' range."),
    ] = None,
    adc_noise: Annotated[
        float | None, typer.Option(help="Of training and evaluation: deviation in ADC steps; the paper's is 0.29.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is proposed and of each training.")] = 0,
) -> None:
    """Work out what every variant of a design costs, train some, and say which no other beats."""
    from ..hdl.accelerator import layer_latency
    from ..report.explore import change_table, front_table, write_page

    check_steps(steps)
    check_choice("unselected columns", unselected, UNSELECTED)
    check_integer("trials", trials, 0, 100_000)
    design = runs.read_design(source)
    choices = grid(design, values_of(vary) if vary else USUAL)
    noise, protocol = given(weight=weight_noise, adc=adc_noise), given(epochs=epochs)
    if not trials and (dataset or noise or protocol):
        raise DesignError("dataset, epochs and noise must be left out where nothing is trained; give --trials, too")
    training = None
    with sole_use(out):
        with Steps() as bars:
            with bars.step(f"Working out {len(choices)} variants of {design.name}"):
                points = explore(design, choices, layer_latency, steps, unselected)
                changes = explore(design, one_change(design, choices), layer_latency, steps, unselected)
            if trials:
                from .exploring import Shared, train_some

                shared = Shared(design, dataset_of(design, dataset), data, seed, protocol, noise, unselected)
                training = train_some(shared, choices, out, trials, executor, workers, bars)
                points = training.scored(points)
        found, best = front(points), []
        tables = [front_table(found, points, steps), change_table(changes)]
        if training is not None:
            best = front([p for p in points if p.score is not None], training.judged)
            tables.insert(0, front_table(best, points, steps, metric=training.metric))
        write_json(out / "explore.json", content(design, steps, unselected, points, found, best, training))
        save_designs(out / "designs", [point.design for point in (*best, *found)])
        write_page(out / "explore.html", points, found, best, tables, design.name, training and training.metric)
    say(f"{len(points)} variants of {design.name}, {len(found)} that no other beats in energy, time and area")
    if training is not None:
        say(training.told(points, best))
    say()
    say(text_of(front_table(best or found, points, steps, SHOWN, training and training.metric)))
    say(text_of(tables[-1]))
    say(f"page: {out / 'explore.html'}, designs: {out / 'designs'}")


def content(
    design: Design,
    steps: int,
    unselected: str,
    points: list[Point],
    found: list[Point],
    best: list[Point],
    training: "Training | None",
) -> dict[str, Any]:
    """What explore.json holds: every variant, and every trial."""
    return {
        "design": design.name,
        "fingerprint": design.fingerprint,
        "sequence_steps": steps,
        "unselected": unselected,
        "front": [point.design.name for point in found],
        "trained": training and training.to_dict() | {"front": [point.design.name for point in best]},
        "points": [
            {
                "name": point.design.name,
                **point.choice,
                "sequence_pj": point.energy,
                "sequence_ns": point.time,
                "area_um2": point.area,
                "trial": point.trial,
                **({} if training is None or point.score is None else {training.metric: point.score}),
            }
            for point in points
        ],
    }


def save_designs(folder: Path, designs: list[Design]) -> None:
    """The designs, one file each, and no others: those of an exploration before are removed."""
    folder.mkdir(exist_ok=True)
    for design in designs:
        design.save(folder / f"{design.name}.toml")
    for file in set(folder.glob("*.toml")) - {folder / f"{design.name}.toml" for design in designs}:
        file.unlink()


def values_of(vary: list[str]) -> dict[str, list[Value]]:
    """The values of each option ``--vary``."""
    found: dict[str, list[Value]] = {}
    for text in vary:
        field, equals, values = text.partition("=")
        try:
            numbers = [KINDS.get(field, int)(value) for value in values.split(",")]
        except ValueError:
            numbers = []
        if not equals or not numbers:
            raise DesignError(f"--vary must be FIELD=VALUE,VALUE with whole numbers, as in adcs=16,32, not {text!r}")
        if field in found:
            raise DesignError(f"--vary must name {field} once, not twice")
        found[field] = numbers
    return found
