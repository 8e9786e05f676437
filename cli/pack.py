"""``ohmgate pack``."""

from pathlib import Path
from typing import Annotated

import typer

from ..model.formats import DesignError
from .training import pack_run

EXAMPLES = """Examples: `ohmgate pack runs/vowels` writes `runs/vowels/vowels.image` from seed 0;

`ohmgate pack runs/five/checkpoints/quantised_3.safetensors --out seed3.image` packs one checkpoint.

Then: `ohmgate inspect`, `ohmgate simulate`."""


def command(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run folder, or a .safetensors file of one.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Image to write.",
            show_default="in the run folder, or beside the checkpoint",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which seed's network of a run folder.", show_default="0")] = None,
) -> None:
    """Pack a trained network into a programming image."""
    if seed is not None and not source.is_dir():
        raise DesignError(f"--seed chooses a checkpoint of a run folder, which {str(source)!r} is not")
    pack_run(source, out, seed or 0)
