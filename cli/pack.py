"""``ohmgate pack``."""

from pathlib import Path
from typing import Annotated

import typer

from ..firmware import image
from ..model.design import Design
from ..model.formats import DesignError
from ..model.network import Network
from . import runs
from .console import say

EXAMPLES = """Examples: `ohmgate pack runs/vowels` writes `runs/vowels/vowels.image` from seed 0;

`ohmgate pack runs/five/checkpoints/quantised_3.safetensors --out seed3.image` packs one checkpoint.

Then: `ohmgate inspect`, `ohmgate simulate`."""


def command(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run folder, or a .safetensors file of one.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Image to write.", show_default="the design's name in the run folder")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder, as for train.", envvar="OHMGATE_DATA")] = None,
    seed: Annotated[int, typer.Option(help="Which seed's network of a run folder.")] = 0,
) -> None:
    """Pack a trained network into a programming image."""
    if source.is_dir():
        out = out or runs.image_path(source)
        source = source / runs.CHECKPOINTS / f"quantised_{seed}.safetensors"
    network = trained_network(source, data)
    out = out or source.with_name(f"{network.design.name}.image")
    image.write(out, network)
    say(f"{out}: {out.stat().st_size} bytes, design {network.design.name}, fingerprint {network.design.fingerprint}")


def trained_network(checkpoint: Path, data: Path | None = None) -> Network:
    """The network of a finished training run. Raises :class:`DesignError` if the run is not at its end."""
    from ..train.checkpoint import read_run
    from ..train.data.datasets import load_dataset
    from ..train.training import TrainConfig, train

    run, epoch = read_run(checkpoint)
    config = TrainConfig.from_dict(run["config"])
    if config.floating:
        raise DesignError(f"checkpoint {checkpoint.name!r} must be of a quantised run, not of a float one")
    if epoch < config.epochs:
        raise DesignError(
            f"checkpoint {checkpoint.name!r} must be of a finished run, but it stopped after epoch {epoch} "
            f"of {config.epochs}; go on with the same train command"
        )
    dataset = load_dataset(run["dataset"], data)
    return train(Design.from_dict(run["design"]), dataset, config, checkpoint=checkpoint).network
