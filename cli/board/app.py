"""The commands of ``ohmgate board``."""

import typer

from . import bench, build, doctor, listing, load, program, run, simulate, store

COMMANDS = {
    "list": listing,
    "build": build,
    "program": program,
    "load": load,
    "store": store,
    "run": run,
    "bench": bench,
    "doctor": doctor,
    "simulate": simulate,
}

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="An image on an FPGA board: build its gateware, load the image over the serial line, run sequences.",
    epilog="Without a board: `ohmgate board simulate`. Then all other commands work with `--port`. "
    "Pages: docs/boards.md.",
)
for name, module in COMMANDS.items():
    app.command(name, short_help=module.command.__doc__.partition("\n")[0], epilog=module.EXAMPLES)(module.command)
