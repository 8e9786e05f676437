"""Entry point of ``ohmgate``. What a command needs is imported when it runs, so that ``--help`` answers at once."""

import errno
import signal

import typer
from typer.core import TyperGroup

from ..firmware.format import ImageError
from ..firmware.loader import LoadError
from ..model.formats import DesignError
from . import array, demo, diff, generate, inspect, lint, montecarlo, pack, simulate, sweep, synth, train

SENTENCES = (DesignError, ImageError, LoadError)  #: their messages are one sentence for the user
KEPT = {
    "train": "finished epochs of a training run",
    "demo": "finished epochs of a training run",
    "sweep": "finished cells",
    "montecarlo": "finished draws",
}  #: by command


class Terminated(KeyboardInterrupt):
    """SIGTERM came. As an interrupt it ends a simulator or workers that were started, too."""


class Commands(TyperGroup):
    """Turns errors that a user can mend into one sentence and exit status 2."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except SENTENCES as error:
            sentence = str(error)
        except OSError as error:
            if error.filename is not None:
                sentence = f"cannot use {str(error.filename)!r}: {error.strerror}"
            elif error.errno == errno.ENOSPC:  # files are named (model/files.py)
                sentence = f"cannot write the output: {error.strerror}"
            else:
                raise
        except KeyboardInterrupt as stop:
            kept = KEPT.get(ctx.invoked_subcommand)
            what, status = ("terminated", 143) if isinstance(stop, Terminated) else ("interrupted", 130)
            typer.echo(f"ohmgate: {what}{f'; {kept} are kept' if kept else ''}", err=True)
            raise typer.Exit(status) from None
        typer.echo(f"ohmgate: error: {sentence}", err=True)
        raise typer.Exit(2)


app = typer.Typer(
    cls=Commands,
    name="ohmgate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="LSTM accelerators around non-volatile memory arrays: train, generate, program, simulate. "
    "The trained model, the integer reference, the Verilog and the noiseless array give the same integers.",
    epilog="Begin with `ohmgate demo`. Every command has its own `--help` with examples. "
    "Exit status: 0 all is well, 1 integers differ, 2 an error (one sentence says which), 130 interrupted, "
    "143 terminated.",
)

for command in (demo, train, pack, inspect, diff, generate, simulate, array, montecarlo, lint, synth, sweep):
    name = command.__name__.rpartition(".")[2]
    app.command(name, short_help=command.command.__doc__.partition("\n")[0], epilog=command.EXAMPLES)(command.command)


def _terminate(number, frame):
    raise Terminated


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminate)
    app(prog_name="ohmgate")


if __name__ == "__main__":
    main()
