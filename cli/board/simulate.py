"""``ohmgate board simulate``."""

from pathlib import Path
from typing import Annotated

import typer

from .. import runs
from ..console import Steps, say
from ..options import Source
from .options import Adcs, Baud, BoardName, Clock, NoiseGateware, Rows, fitted

EXAMPLES = """Examples: `ohmgate board simulate vowels --link /tmp/board`, and in another terminal
`ohmgate board load runs/demo --port /tmp/board`;

`ohmgate board simulate vowels --board hx8k-b-evn --flash flash.bin` starts with what was stored in this flash;

`ohmgate board simulate vowels --drop 0.01 --flip 0.01` has a line that loses and damages bytes."""


def command(
    source: Source,
    board: BoardName = "ulx3s-25f",
    link: Annotated[Path | None, typer.Option(help="Name for the port, a symbolic link.")] = None,
    adcs: Adcs = None,
    rows: Rows = None,
    clock: Clock = None,
    baud: Baud = None,
    noise: NoiseGateware = False,
    drop: Annotated[float, typer.Option(help="Share of the bytes, either way, that are lost.")] = 0.0,
    flip: Annotated[float, typer.Option(help="Share with a bit flipped.")] = 0.0,
    repeat: Annotated[float, typer.Option(help="Share that come twice.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of these faults.")] = 0,
    flash: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps the bytes of the board's flash, where it has one.",
            show_default="they are lost at the end",
        ),
    ] = None,
) -> None:
    """Run a board's Verilog in Verilator behind a terminal, as if the board were there. Ctrl-C ends it."""
    from ...boards.catalogue import find_board
    from ...boards.simulation import SimulatedBoard, check_flash, compiled
    from ...hdl.board.board_chip import BoardChip
    from ...model.formats import check_integer, check_number

    for name, share in (("drop", drop), ("flip", flip), ("repeat", repeat)):
        check_number(name, share, 0, 1)
    check_integer("seed", seed, 0, 2**31 - 1)
    design, config = fitted(runs.read_design(source), find_board(board), adcs, rows, clock, baud, noise)
    check_flash(config, flash)
    with Steps() as steps, steps.step(f"Compiling {design.name} on {board}"):
        program = compiled(BoardChip(design, config))
    with SimulatedBoard(program, config, link, seed, flash) as simulated:
        for direction in ("in", "out"):
            simulated.faults(direction, drop, flip, repeat)
        say(f"{design.name} on {board} is at {link or simulated.port}")
        simulated.wait()
