"""``ohmgate board load``."""

from typing import Annotated

import typer

from ...model.formats import DesignError
from ...model.integer_noise import IntegerNoise
from .. import runs
from ..console import Steps, say
from .connect import connect
from .options import Baud, Network, Port, SignedBy, noise_from

EXAMPLES = """Examples: `ohmgate board load runs/demo --verify`;

`ohmgate board load my.image --port /dev/ttyUSB1 --dry-run` only compares the board with the image;

`ohmgate board load my.image --signed-by maker.pub.pem` takes no image but one that this key has signed;

`ohmgate board load my.image --noise 7,20,91` gives the arrays noise, where the board was built with it;

`ohmgate board load my.image --keep-weights` writes gains and tables, as after a reset. Then: `ohmgate board run`."""


def command(
    source: Network,
    port: Port = None,
    baud: Baud = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also compare the board's digest of all that it got with ours.")
    ] = False,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Leave the cells as they are: write gains and tables.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare the board with the image; write nothing of it.")
    ] = False,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="SEED,CELLS,ADC",
            help="Noise of the arrays: its seed, and amplitudes from 0 to 255 (docs/array.md, integer noise).",
            show_default="none",
        ),
    ] = None,
    signed_by: SignedBy = None,
) -> None:
    """Load an image into the board's chip. Its number of ADCs may differ from the image's."""
    from ...boards.noise import set_noise
    from ...boards.session import fitted
    from ...firmware.link_flash import described, find_flash
    from ...firmware.link_load import load_over
    from ...firmware.loader import compare_device
    from ...firmware.transactions import run

    wanted = IntegerNoise() if noise is None else noise_from(noise)
    if noise is not None and keep_weights:
        raise DesignError("cells get their noise as they are programmed, so --noise cannot go with --keep-weights")
    network = runs.read_network(source, signed_by)
    with connect(port, baud) as link:
        network = fitted(link, network)
        adcs = " and ".join(str(layer.adcs) for layer in network.design.layers)
        run(compare_device(network), link)
        chip = f"{link.board}: {network.design.name}, {adcs} ADCs, fingerprint {network.design.fingerprint}"
        if dry_run:
            say(f"{chip}\nthe image fits; nothing of it was written")
            return
        if not keep_weights:
            set_noise(link, wanted)
        with Steps() as steps, steps.step(f"Loading {network.design.name}") as step:
            load_over(link, network, weights=not keep_weights, progress=step.update)
        if verify:
            link.verify()
        say(chip)
        cells = sum(layer.rows * layer.columns for layer in network.design.layers)
        what = "gains and tables" if keep_weights else f"{cells} cells, gains and tables"
        say(f"{what} are loaded{', and the digest of what the board got is right' if verify else ''}")
        if not wanted.silent:
            say(f"noise: {wanted}")
        if flash := find_flash(link):
            say(f"the flash stays as it is: {described(flash.records())}")
