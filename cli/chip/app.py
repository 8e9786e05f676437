"""The commands of ``ohmgate chip``."""

import typer

from . import calibrate, measure, refresh, repair, report, verify

COMMANDS = {
    "measure": measure,
    "calibrate": calibrate,
    "repair": repair,
    "verify": verify,
    "refresh": refresh,
    "report": report,
}

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="One chip with its own faults: find its stuck cells, trim its converters, place weights around faults, "
    "read back and refresh its cells, all over its register bus. The chip is simulated: an array and a seed.",
    epilog="What is found goes into the chip's record, a JSON file. Page: docs/diagnostics.md.",
)
for name, module in COMMANDS.items():
    app.command(name, short_help=module.command.__doc__.partition("\n")[0], epilog=module.EXAMPLES)(module.command)
