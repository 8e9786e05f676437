"""Arguments and options that the commands of ``ohmgate board`` share."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...model.design import Design
from ...model.formats import DesignError
from ...model.integer_noise import IntegerNoise
from ...model.refit import with_adcs

if TYPE_CHECKING:
    from ...boards.catalogue import Board
    from ...hdl.board.config import BoardConfig

Network = Annotated[Path, typer.Argument(metavar="IMAGE|RUN", help="A programming image, or a run folder.")]
BoardName = Annotated[str, typer.Option("--board", help="One of `ohmgate board list`.")]
Port = Annotated[
    str | None,
    typer.Option(help="Serial port of the board, as /dev/ttyUSB0.", show_default="the only one with a board on it"),
]
SignedBy = Annotated[
    Path | None,
    typer.Option(metavar="KEY.pub.pem", help="Take only an image that this key has signed (`ohmgate sign`)."),
]
Adcs = Annotated[
    str | None,
    typer.Option(
        help="ADCs of each layer, as 4,3.", show_default="the design's, or as many as the board has room for"
    ),
]
Rows = Annotated[
    str | None, typer.Option(help="Rows that each layer's twin adds in a cycle, as 4,4.", show_default="the board's")
]
Clock = Annotated[float | None, typer.Option(help="Clock in MHz.", show_default="the board's")]
NoiseGateware = Annotated[
    bool, typer.Option("--noise", help="With gateware for noise, which `ohmgate board load --noise` sets.")
]
Baud = Annotated[int | None, typer.Option(help="Of the serial line.", show_default="1,000,000")]


def fitted(
    design: Design,
    board: "Board",
    adcs: str | None,
    rows: str | None,
    clock: float | None,
    baud: int | None,
    noise: bool,
) -> "tuple[Design, BoardConfig]":
    """``design`` for ``board`` with what the user gave, and the gateware's settings."""
    from ...boards.fit import fit

    chosen, config = fit(design, board, None if clock is None else round(clock * 1e6), baud, noise)
    if adcs is not None:
        chosen = with_adcs(design, integers("ADCs", adcs))
    if rows is not None:
        config = replace(config, rows=tuple(integers("rows a cycle", rows)))
    config.check(chosen)
    return chosen, config


def noise_from(text: str) -> IntegerNoise:
    """Seed and both amplitudes, with commas between. Raises :class:`DesignError` for other text."""
    try:
        seed, programming, adc = (int(part) for part in text.split(","))
    except ValueError:
        sentence = f"the noise must be a seed and the amplitudes of cells and ADCs, as 7,20,91, not {text!r}"
        raise DesignError(sentence) from None
    return IntegerNoise(seed, programming, adc)


def integers(name: str, text: str) -> list[int]:
    """Numbers with commas between. Raises :class:`DesignError` for other text."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise DesignError(f"{name} must be integers with commas between, as 4,3, not {text!r}") from None
