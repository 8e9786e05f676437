"""Entry point of ``ohmgate``. What a command needs is imported when it runs, so that ``--help`` answers at once."""

import signal
from importlib import metadata
from itertools import pairwise
from typing import Annotated

import typer
from typer.core import TyperGroup

from ..model.formats import DesignError
from ..model.programs import end_programs
from . import (
    array,
    cost,
    demo,
    diff,
    explore,
    generate,
    handoff,
    inspect,
    keygen,
    lint,
    montecarlo,
    pack,
    power,
    regress,
    sign,
    simulate,
    sweep,
    synth,
    timing,
    train,
    verify,
)
from .board.app import app as board_app
from .chip.app import app as chip_app
from .console import say
from .statuses import EXPLAINED, Terminated, fault, statuses


class Commands(TyperGroup):
    """Gives every way in which a command can fail its exit status."""

    def make_context(self, info_name, args, *rest, **options):
        with statuses():  # of --help
            refuse_empty(args)
            return super().make_context(info_name, args, *rest, **options)

    def invoke(self, ctx):
        with statuses(ctx):
            return super().invoke(ctx)


def refuse_empty(arguments: list[str]) -> None:
    """Raise :class:`DesignError` for an empty argument: as a path it would be the current folder."""
    for before, argument in pairwise(["", *arguments]):
        option, equals, value = argument.partition("=")
        if not argument or (option.startswith("--") and equals and not value):
            named = next((name for name in (option, before) if name.startswith("-")), "an argument")
            raise DesignError(f"{named} must not be empty, as it is where a variable is not set")


app = typer.Typer(
    cls=Commands,
    name="ohmgate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="LSTM accelerators around non-volatile memory arrays: train, generate, program, simulate. "
    "The trained model, the integer reference, the Verilog and the noiseless array give the same integers.",
    epilog=f"Begin with `ohmgate demo`. Every command has its own `--help` with examples. {EXPLAINED}",
)


def _version(asked: bool) -> None:
    if asked:
        say(f"ohmgate {metadata.version('ohmgate')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What ``ohmgate`` itself takes, without a command."""


COMMANDS = (
    *(demo, train, pack, inspect, diff, generate, simulate, verify, regress, array, montecarlo, lint, synth),
    *(timing, power, handoff, cost, explore, sweep, keygen, sign),
)
for command in COMMANDS:
    name = command.__name__.rpartition(".")[2]
    app.command(name, short_help=command.command.__doc__.partition("\n")[0], epilog=command.EXAMPLES)(command.command)

app.add_typer(board_app, name="board")
app.add_typer(chip_app, name="chip")


def _stop(number, frame):
    """Of signals. What the programs that ohmgate has started have started would outlive it."""
    end_programs()
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell has it ignored
        signal.signal(signal.SIGINT, _stop)
    try:
        app(prog_name="ohmgate")
    except Exception:
        fault()


if __name__ == "__main__":
    main()
