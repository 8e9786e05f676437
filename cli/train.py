"""``ohmgate train``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..model.design import Design, presets
from ..model.files import write_json
from ..model.formats import check_integer
from ..model.locks import sole_use
from ..report.results import RESULTS, UNITS, clipped
from . import runs
from .console import Steps, say

HISTOGRAM = 512  #: test sequences that histograms of codes are of, at most

EXAMPLES = """Examples: `ohmgate train vowels --out runs/vowels` trains the preset *vowels*;

`ohmgate train vowels --seeds 5 --float --out runs/five` trains five seeds and their float baselines;

`ohmgate train my.toml --weight-noise 0.1 --adc-noise 0.29 --out runs/hardened` trains with the paper's noise.

The same command again goes on where it was stopped. Then: `ohmgate pack runs/vowels`."""


def command(
    design: Annotated[str, typer.Argument(help=f"A preset ({', '.join(presets())}) or a .toml file.")],
    out: Annotated[Path, typer.Option(help="Run folder, made if it is not there.")],
    dataset: Annotated[str, typer.Option(help="Data set to learn: vowels comes with the package.")] = "vowels",
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with data sets that do not; without one they are fetched.", envvar="OHMGATE_DATA"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds, counted from 0; each trains its own network.")] = 1,
    float_too: Annotated[bool, typer.Option("--float", help="Also train each seed's float baseline.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set.")] = None,
    batch: Annotated[int | None, typer.Option(help="Sequences in a batch.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    quantiser: Annotated[str | None, typer.Option(help="Of weights: absmax, percentile, sawb, pact, lsq.")] = None,
    weight_noise: Annotated[
        float | None, typer.Option(help="Beta: deviation as a share of the weights' range.")
    ] = None,
    adc_noise: Annotated[float | None, typer.Option(help="Deviation in ADC steps; the paper's is 0.29.")] = None,
    dac_noise: Annotated[float | None, typer.Option(help="Deviation of every driven row, in DAC steps.")] = None,
    drop_connect: Annotated[float | None, typer.Option(help="Probability that a cell is not connected.")] = None,
    redraw: Annotated[
        str | None,
        typer.Option(help="When weights are drawn again: per_step, per_sequence, per_batch, per_programming."),
    ] = None,
) -> None:
    """Train a design on a data set, quantised as in the hardware, with checkpoints that resume.

    What is not given follows the data set's protocol (docs/training.md).
    """
    from ..report.figures import code_histograms, save
    from ..train.data.datasets import load_dataset
    from ..train.training import PROTOCOLS, TrainConfig, check_fit, train
    from ..train.usage import usage_of_sequences

    loaded, learned = Design.load(design), load_dataset(dataset, data)
    check_integer("seeds", seeds, 1, 1000)
    check_fit(loaded, learned)
    protocol = PROTOCOLS.get(learned.name, TrainConfig())
    options = given(adc=adc_noise, weight=weight_noise, dac=dac_noise, drop=drop_connect, redraw=redraw)
    noise = replace(protocol.train_noise, **options)
    chosen = given(epochs=epochs, batch=batch, learning_rate=learning_rate, quantiser=quantiser)
    if quantiser == "sawb":
        chosen["range_noise"] = noise.weight
    configs = [
        replace(protocol, seed=seed, floating=floating, train_noise=noise, **chosen)
        for seed in range(seeds)
        for floating in ([False, True] if float_too else [False])
    ]
    common = {k: v for k, v in configs[0].to_dict().items() if k not in ("seed", "floating")}
    started = {"design": loaded.to_dict(), "dataset": learned.name, "train": common}
    results = {"accuracy": {}, "clipped": {}, "units": UNITS}
    looked_at = learned.test.take(
        np.linspace(0, len(learned.test) - 1, min(HISTOGRAM, len(learned.test))).astype(int)
    )
    with sole_use(out), Steps() as steps:
        runs.start(out, started)
        for config in configs:
            name = f"{'float' if config.floating else 'quantised'}_{config.seed}"
            with steps.step(f"Training {name}", config.epochs) as step:
                result = train(
                    loaded,
                    learned,
                    config,
                    checkpoint=out / runs.CHECKPOINTS / f"{name}.safetensors",
                    progress=lambda done, total, loss, step=step: step.update(done, total, f"loss {loss:.4f} nats"),
                )
                step.note = f"test accuracy {100 * result.accuracy:.2f} %"
            results["accuracy"][name] = result.accuracy
            if result.network is not None:
                usage = usage_of_sequences(
                    result.model, looked_at, result.network.input_scale, result.network.input_offset
                )
                results["clipped"][name] = clipped(usage)
                save(code_histograms(usage), out / "plots" / f"codes_{name}.png")
            write_json(out / RESULTS, results)
    for name, value in results["accuracy"].items():
        say(f"{name:<14} test accuracy {100 * value:.2f} %")
    say(f"histograms of codes and what clips: {out / 'plots'}; next: ohmgate pack {out}")


def given(**options) -> dict:
    """The options that the user gave."""
    return {name: value for name, value in options.items() if value is not None}
