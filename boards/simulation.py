"""A board without a board: the Verilog of its gateware in Verilator, its UART behind a pseudo-terminal.

:func:`build` compiles :class:`~ohmgate.hdl.board.board_chip.BoardChip` with ``simulated_board.cpp``, once for each
content: the programs lie in the user's cache. :class:`SimulatedBoard` runs one. Its clock runs as fast as the machine
allows while bytes are under way, and stands still otherwise, so an idle board takes no time of the processor.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Literal, NoReturn

from filelock import FileLock

from ..hdl.board.board_chip import BoardChip
from ..hdl.board.config import BoardConfig
from ..hdl.component import Component
from ..hdl.flow.emit import emit
from ..hdl.flow.verilator import tool_path, verilator_root
from ..model.caches import cache_home
from ..model.design import Design
from ..model.files import whole
from ..model.formats import DesignError
from ..model.prerequisites import POD_USAGE, require, require_no_blank
from ..model.programs import ProgramError, ended, run_program, work_folder

NEEDS = ("verilator", "c++", "make", POD_USAGE)
HARNESS, FLASH, PROGRAM = "simulated_board.cpp", "simulated_flash.h", "simulated_board"
#: The warnings are the linter's business (hdl/flow/lint.py). Nothing in the gateware depends on an X.
FLAGS = (
    *("--cc", "--exe", "--build", "--prefix", "Vboard", "--top-module", "board", "-o", PROGRAM),
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
    *("-CFLAGS", "-std=c++20", "-MAKEFLAGS", "OPT_FAST=-O1"),  # as fast as -O3, which compiles 2.5 times as long
)


def build(design: Design, config: BoardConfig) -> Path:
    """The simulator of a board: :func:`compiled`. Raises :class:`DesignError` for what the board cannot be, too."""
    return compiled(BoardChip(design, config))


def compiled(component: Component) -> Path:
    """The simulator of a component with the ports of a :class:`BoardChip`; in the cache, by its Verilog.

    Raises :class:`DesignError` where a tool is missing, fails or is killed.
    """
    require("a simulated board", NEEDS)
    if root := verilator_root():
        require_no_blank("a build with verilator", root)
    sources = {
        "board.v": emit(component, "board"),
        **{name: resources.files("ohmgate.boards").joinpath(name).read_text() for name in (HARNESS, FLASH)},
    }
    with tool_path(), work_folder("ohmgate_board_") as folder:
        version = run_program(["verilator", "--version"], folder).stdout
        content = repr((sources, FLAGS, version, platform.machine()))
        program = cache_home() / "ohmgate" / f"board_{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        with FileLock(program.with_suffix(".lock")):
            if not program.exists():
                _compile(sources, folder, program)
    return program


def _compile(sources: dict[str, str], folder: Path, program: Path) -> None:
    for name, text in sources.items():
        (folder / name).write_text(text, encoding="utf-8")
    jobs = ("--build-jobs", str(os.cpu_count() or 1))
    done = run_program(["verilator", *FLAGS, *jobs, "--Mdir", "build", "board.v", HARNESS], folder)
    if done.returncode:
        causes = (r"^.*: error: .*$", r"^make\S*: \*\*\* .*$", r"^.*error.*$")  # the compiler's, make's, anybody's
        found = (re.search(cause, done.stdout, flags=re.IGNORECASE | re.MULTILINE) for cause in causes)
        errors = next(filter(None, found), None)
        reason = errors[0].strip() if errors else f"it {ended(done.returncode, folder)}"
        raise ProgramError(f"verilator could not build the simulated board: {reason}")
    with whole(program) as part:
        shutil.copy(folder / "build" / PROGRAM, part)


class SimulatedBoard:
    """A running simulation; leaving the context ends it, and so does the end of this process.

    >>> with SimulatedBoard(program, config) as board:
    ...     serial.Serial(board.port, config.baud)

    ``link`` is a path that becomes a symbolic link to the port. ``seed`` is that of the faults on the line. A board
    with a flash keeps its bytes in the file ``flash``, or loses them at the end. Raises :class:`DesignError` for a
    ``link`` that cannot be made, a ``flash`` that is no such file, where there is no pseudo-terminal, and, from
    every method, where the program has ended.
    """

    def __init__(
        self, program: Path, config: BoardConfig, link: Path | None = None, seed: int = 0, flash: Path | None = None
    ):
        self.port = ""  #: the path that a host opens; another one after each :meth:`plug`
        self._link = link
        if link is not None and link.exists():
            raise DesignError(f"a simulated board must not take the name of a file, and {str(link)!r} is there")
        command = [str(program), str(config.clock_hz), str(config.baud), str(seed), *check_flash(config, flash)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as error:
            raise ProgramError(f"the simulated board cannot be started: {error.strerror}") from error
        try:
            self._plugged(self._answer())
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "SimulatedBoard":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def process(self) -> int:
        """The number of its process."""
        return self._process.pid

    def reset(self) -> None:
        """Hold ``rst`` for some cycles: registers begin anew, memories stay."""
        self._do("reset")

    def power(self) -> None:
        """Take the power away and give it back: memories are lost, too. A flash keeps its bytes."""
        self._do("power")

    def flash_writes(self) -> int:
        """How many erase and program commands the flash has got."""
        return int(self._do("writes"))

    def cut(self, writes: int, when: Literal["middle", "end"]) -> None:
        """Take power and terminal away when the flash has got so many erase and program commands more.

        In the middle of the last one, its page or sector holds random bits behind it. :meth:`power` and
        :meth:`plug` give both back.
        """
        self._do(f"cut {writes} {when}")

    def unplug(self) -> None:
        """Take the terminal away; the board keeps its power."""
        self._do("unplug")
        self._unlink()

    def plug(self) -> None:
        """Give the board a new terminal, whose path is in :attr:`port`."""
        self._plugged(self._do("plug"))

    def faults(
        self, direction: Literal["in", "out"], drop: float = 0.0, flip: float = 0.0, repeat: float = 0.0
    ) -> None:
        """From now on lose, damage (one bit) or double a byte with these probabilities; ``in`` is to the board."""
        self._do(f"faults {direction} {drop} {flip} {repeat}")

    def cycles(self) -> int:
        """Clock cycles since the start, power cuts included."""
        return int(self._do("cycles"))

    def wait(self) -> NoReturn:
        """Wait until the program ends, as it does where it is killed; raises :class:`ProgramError` then."""
        self._process.wait()
        raise self._end()

    def stop(self) -> None:
        """End the simulation."""
        self._process.communicate()  # closes its input, which ends it
        self._unlink()

    def _do(self, command: str) -> str:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise self._end() from None
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        verdict, _, text = self._process.stdout.readline().strip().partition(" ")
        if not verdict:
            raise self._end()
        if verdict != "ok":
            raise ProgramError(f"the simulated board: {text}")
        return text

    def _end(self) -> ProgramError:
        self._unlink()
        return ProgramError(f"the simulated board {ended(self._process.wait())}")

    def _plugged(self, port: str) -> None:
        self.port = port
        self._unlink()
        if self._link is not None:
            try:
                self._link.symlink_to(port)
            except OSError as error:
                raise DesignError(f"cannot make the link {str(self._link)!r}: {error.strerror}") from None

    def _unlink(self) -> None:
        if self._link is not None and self._link.is_symlink():
            self._link.unlink()


def check_flash(config: BoardConfig, file: Path | None) -> list[str]:
    """The size of a board's flash and its file, as the program takes them.

    Raises :class:`DesignError` for a file that cannot hold the flash's bytes, or has no flash.
    """
    if config.flash is None:
        if file is not None:
            raise DesignError(f"{config.name} has no flash whose bytes {str(file)!r} could hold")
        return []
    size = 1 << (config.flash.end - 1).bit_length()
    if file is None:
        return [str(size)]
    try:
        there = file.stat().st_size if file.exists() else 0
    except OSError as error:
        raise DesignError(f"cannot read the flash's file {str(file)!r}: {error.strerror}") from None
    if there not in (0, size):
        raise DesignError(f"the file of a flash must have its {size} bytes, and {str(file)!r} has {there}")
    return [str(size), str(file)]
