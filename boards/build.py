"""A design becomes a bitstream for a board, with a report beside it."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..hdl.board.board_chip import BoardChip
from ..hdl.board.config import BoardConfig
from ..model.design import Design
from ..model.files import whole, write_json
from ..model.formats import DesignError
from ..model.locks import sole_use
from ..model.programs import work_folder
from .catalogue import Board, chip_clock
from .fit import step_cycles
from .flow import Usage, build_chip, check_tools
from .packing import PACKINGS


@dataclass(frozen=True)
class BuildReport:
    """What a build made, and for what: the content of ``build.json``."""

    board: str
    design: dict[str, Any]
    fingerprint: str
    config: BoardConfig
    seed: int
    step_cycles: int  #: clock cycles of a time step
    reached_hz: int  #: that nextpnr found the placed chip able to run at
    usage: Usage
    critical_path: tuple[str, ...]  #: cells, from a register to a register
    seconds: dict[str, float]  #: of each phase
    versions: dict[str, str]
    bitstream: str  #: its file, beside the report
    sha256: str  #: of the bitstream

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, as JSON has it."""
        return asdict(self)


def build(
    design: Design,
    board: Board,
    config: BoardConfig,
    folder: Path,
    seed: int = 1,
    progress: Callable[[str], None] = lambda phase: None,
) -> BuildReport:
    """Build ``design`` with ``config`` for ``board``; write the bitstream and ``build.json`` into ``folder``.

    The same seed gives the same bitstream. ``progress`` is told each of :data:`~.flow.PHASES` as it begins. Raises
    :class:`~.flow.ClockError` where the clock is not met, :class:`DesignError` for a design that does not fit, a
    tool that is missing or a folder that cannot be written, :class:`~ohmgate.model.programs.ProgramError` where a
    tool fails.
    """
    config.check(design)
    clock_hz, pll = chip_clock(board, config.clock_hz)
    if clock_hz != config.clock_hz:
        raise DesignError(f"the clock of {board.key} must be {clock_hz} Hz, not {config.clock_hz}")
    check_tools(board)
    try:
        with sole_use(folder), work_folder("ohmgate_board_") as work:
            made = build_chip(BoardChip(design, config), board, pll, work, seed, progress)
            name = f"{design.name}_{board.key}{PACKINGS[board.family].suffix}"
            report = BuildReport(
                board=board.key,
                design=design.to_dict(),
                fingerprint=design.fingerprint,
                config=config,
                seed=seed,
                step_cycles=step_cycles(design, config),
                reached_hz=made.reached_hz,
                usage=made.usage,
                critical_path=made.critical_path,
                seconds=made.seconds,
                versions=_versions(board),
                bitstream=name,
                sha256=hashlib.sha256(made.bitstream).hexdigest(),
            )
            with whole(folder / name) as part:
                part.write_bytes(made.bitstream)
            write_json(folder / "build.json", report.to_dict())
    except OSError as error:
        raise DesignError(f"cannot write the folder {str(folder)!r}: {error.strerror}") from None
    return report


def _versions(board: Board) -> dict[str, str]:
    """Of the packages that decide a bitstream."""
    packages = ("ohmgate", "amaranth", "amaranth-boards", "pyosys", *PACKINGS[board.family].packages)
    return {name: version(name) for name in packages}
