"""Arguments and options that commands share."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..analog.config import ArrayConfig
from ..analog.config_file import load_config
from ..analog.gain_calibration import PARTS
from ..model.design import presets
from ..model.formats import check_choice
from ..model.layout import UNSELECTED

Source = Annotated[
    str,
    typer.Argument(
        metavar="DESIGN|IMAGE|RUN",
        help=f"A design ({', '.join(presets())}, or a .toml file), a programming image, or a run folder.",
    ),
]  #: of a command; :mod:`.runs` reads it

ClockGating = Annotated[
    bool,
    typer.Option(help="Gate the clocks of flip-flops that keep their values, where the library has cells for it."),
]

Dataset = Annotated[
    str | None,
    typer.Option(
        help="Data set or .npz file whose test sequences are run, or random for random codes.",
        show_default="the run's, else the one named like the design, else random",
    ),
]  #: of a command; :func:`.inputs.dataset_of` reads it
Data = Annotated[Path | None, typer.Option(help="Data folder, as for train.", envvar="OHMGATE_DATA")]

ExecutorName = Annotated[
    str, typer.Option("--executor", help="local, or dask:ADDRESS of a scheduler, whose workers do the work.")
]  #: of a command; :func:`~ohmgate.model.executors.executor_for` knows it

Unselected = Annotated[
    str, typer.Option(help=f"What columns do that wait for their conversion: {', '.join(UNSELECTED)}.")
]  #: of a command; it decides the power of an array


def noise_of(name: str, option: str = "noise") -> ArrayConfig:
    """The array of an option: a preset's name, a configuration file, or beta of the weight noise."""
    try:
        beta = float(name)
    except ValueError:
        return load_config(name, f"{option}, unless a number,")
    return ArrayConfig(weight_noise=beta)


Calibrate = Annotated[
    str | None,
    typer.Option(
        help="Set the gains anew, with the cells as old and warm as they are read: one factor for each array or gate "
        "(docs/array.md).",
        show_default="as the array's file says, else the gains of the training",
    ),
]


def calibrated(config: ArrayConfig, part: str | None) -> ArrayConfig:
    """The array with gains that are set anew for each ``part`` of :data:`Calibrate`; None leaves it as it is."""
    if part is None:
        return config
    check_choice("calibrate", part, PARTS)
    return replace(config, gains=part)


def given(**options) -> dict[str, Any]:
    """The options that the user gave."""
    return {name: value for name, value in options.items() if value is not None}
