"""``ohmgate board build``."""

from pathlib import Path
from typing import Annotated

import typer

from ...firmware import image
from ...model.refit import refit
from .. import runs
from ..console import Steps, say
from ..options import Source
from .options import Adcs, Baud, BoardName, Clock, NoiseGateware, Rows, fitted

EXAMPLES = """Examples: `ohmgate board build vowels --board icebreaker --out build/icebreaker`;

`ohmgate board build runs/demo --board ulx3s-25f --clock 25 --out build/ulx3s` also writes the image that fits.

Then: `ohmgate board program build/icebreaker`."""


def command(
    source: Source,
    board: BoardName,
    out: Annotated[Path, typer.Option(help="Folder for the bitstream and build.json, made if it is not there.")],
    adcs: Adcs = None,
    rows: Rows = None,
    clock: Clock = None,
    baud: Baud = None,
    noise: NoiseGateware = False,
    seed: Annotated[int, typer.Option(help="Of the placement.")] = 1,
) -> None:
    """Build a design's bitstream for a board: gateware, synthesis, place and route. Takes minutes."""
    from ...boards.build import build
    from ...boards.catalogue import find_board
    from ...boards.flow import PHASES

    design, network = runs.read_source(source)
    chosen = find_board(board)
    design, config = fitted(design, chosen, adcs, rows, clock, baud, noise)
    with Steps() as steps, steps.step(f"Building {design.name} for {chosen.title}", len(PHASES)) as step:
        report = build(
            design, chosen, config, out, seed, lambda phase: step.update(PHASES.index(phase), len(PHASES), phase)
        )
    usage = report.usage
    say(f"{out / report.bitstream}: {(out / report.bitstream).stat().st_size} bytes, SHA-256 {report.sha256[:16]}")
    say(
        f"{usage.luts} of {chosen.luts} LUTs, {usage.flip_flops} of {chosen.flip_flops} flip-flops, "
        f"{usage.memories} of {chosen.memories} memories, {usage.multipliers} of {chosen.multipliers} multipliers"
    )
    say(f"{config.clock_hz / 1e6:g} MHz, of {report.reached_hz / 1e6:.1f} that it could run at")
    say(f"ADCs {', '.join(str(layer.adcs) for layer in design.layers)}, fingerprint {design.fingerprint}")
    if network is not None:
        path = out / f"{design.name}.image"
        image.write(path, refit(network, design))
        say(f"{path}: the network for this board")
