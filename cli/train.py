"""``ohmgate train``."""

from pathlib import Path
from typing import Annotated

import typer

from ..analog.config import AIMC_PROGRAMMING
from ..model.design import Design, presets
from ..model.formats import DesignError, check_number
from .explain import explain
from .options import given
from .training import train_run

EXAMPLES = """Examples: `ohmgate train vowels --out runs/vowels` trains the preset *vowels*;

`ohmgate train vowels --seeds 5 --float --out runs/five` trains five seeds and their float baselines;

`ohmgate train har --out runs/har` trains the preset *har* on the data set of its name; so do *names* and *ptb*;

`ohmgate train my.toml --dataset my.npz --out runs/my` learns data of your own;

`ohmgate train my.toml --dataset my.npz --explain` says how that would be trained, and why;

`ohmgate train my.toml --weight-noise 0.1 --adc-noise 0.29 --out runs/hardened` trains with the paper's noise;

`ohmgate train my.toml --start runs/my --snr 0 --noiseless 0.25 --out runs/loud` goes on in loud noise;

`ohmgate train my.toml --dataset my.npz --validation 0.2 --patience 10 --out runs/early` stops when it gets no better;

`ohmgate train vowels --start runs/vowels --epochs 40 --out runs/longer` goes on from a finished run.

The same command again goes on where it was stopped. Then: `ohmgate pack runs/vowels`."""


def command(
    design: Annotated[str, typer.Argument(help=f"A preset ({', '.join(presets())}) or a .toml file.")],
    out: Annotated[Path | None, typer.Option(help="Run folder, made if it is not there.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data set to learn: vowels, which comes with the package, har, names, ptb, or a .npz file of your "
            "own, of classes or of values to forecast (docs/training.md).",
            show_default="the one named like the design, else vowels",
        ),
    ] = None,
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
    validation: Annotated[
        float | None, typer.Option(help="Share of the training set that is held back to judge every epoch by.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Epochs without a better one after which a training stops; the best one counts."),
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Which epoch counts: last or best.")] = None,
    class_weights: Annotated[
        str | None, typer.Option(help="In the loss: none, or balanced, where all classes weigh the same.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Run folder or checkpoint, float or quantised, with whose weights the training begins."),
    ] = None,
    float_epochs: Annotated[
        float | None, typer.Option(help="Share of the epochs that are trained in float first.")
    ] = None,
    noise_ramp: Annotated[
        float | None, typer.Option(help="Share of the epochs, then, in which the noise of training grows.")
    ] = None,
    weight_noise: Annotated[
        float | None, typer.Option(help="Beta: deviation as a share of the weights' range.")
    ] = None,
    adc_noise: Annotated[float | None, typer.Option(help="Deviation in ADC steps; the paper's is 0.29.")] = None,
    dac_noise: Annotated[float | None, typer.Option(help="Deviation of every driven row, in DAC steps.")] = None,
    drop_connect: Annotated[float | None, typer.Option(help="Probability that a cell is not connected.")] = None,
    level_noise: Annotated[
        float | None,
        typer.Option(help="Weight noise by the level: the programming error of the preset aimc's cells, times this."),
    ] = None,
    redraw: Annotated[
        str | None,
        typer.Option(help="When weights are drawn again: per_step, per_sequence, per_batch, per_programming."),
    ] = None,
    snr: Annotated[
        float | None,
        typer.Option(help="In dB: noise so far below each array's own signals, in place of other noise."),
    ] = None,
    snr_site: Annotated[
        str | None, typer.Option(help="Where that noise is added: sums (before the ADCs) or rows (behind the DACs).")
    ] = None,
    snr_power: Annotated[
        str | None, typer.Option(help="Of the signals of --start for good (fixed), or of every epoch's (relative).")
    ] = None,
    noiseless: Annotated[
        float | None, typer.Option(help="Share of the batches that are trained without noise.")
    ] = None,
    weight_clip: Annotated[
        float | None,
        typer.Option(help="Clip weights after every step to so many root mean squares of their array."),
    ] = None,
    learn_input: Annotated[
        bool | None, typer.Option("--learn-input", help="Train the range of the first layer's DACs, too.")
    ] = None,
    distil: Annotated[
        float | None,
        typer.Option(help="Share of the loss that is the distance to what --start, in float, says of each sequence."),
    ] = None,
    curve: Annotated[
        float | None,
        typer.Option(help="Train for nonlinear cells: their read voltage over V0, the device's sinh_voltage."),
    ] = None,
    explained: Annotated[
        bool, typer.Option("--explain", help="Say which rule chose what and what clips, and train nothing.")
    ] = False,
) -> None:
    """Train a design on a data set, quantised as in the hardware, with checkpoints that resume.

    What is not given follows a preset's protocol, else rules (docs/own-data.md).
    """
    loaded = Design.load(design)
    protocol = given(
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        quantiser=quantiser,
        validation=validation,
        patience=patience,
        keep=keep,
        class_weights=class_weights,
        float_epochs=float_epochs,
        noise_ramp=noise_ramp,
        snr=snr,
        snr_site=snr_site,
        snr_power=snr_power,
        noiseless=noiseless,
        curve=curve,
        weight_clip=weight_clip,
        learn_input=learn_input,
        distil=distil,
    )
    if keep == "last" and patience:
        raise DesignError(f"keep must be best where a run stops early (--patience {patience}), not 'last'")
    if snr is None and (snr_site or snr_power):
        raise DesignError("--snr-site and --snr-power must come with --snr, but it is not given")
    noise = given(adc=adc_noise, weight=weight_noise, dac=dac_noise, drop=drop_connect, redraw=redraw)
    if level_noise is not None:
        check_number("level noise", level_noise, 0.0, 1000.0)
        noise["level"] = tuple(level_noise * each for each in AIMC_PROGRAMMING)
    if explained:
        explain(loaded, dataset, data, protocol, noise)
        return
    if out is None:
        raise DesignError("--out must name a run folder, but is not given")
    train_run(
        loaded, out, dataset, data, seeds=seeds, float_too=float_too, start=start, protocol=protocol, noise=noise
    )
