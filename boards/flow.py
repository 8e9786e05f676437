"""From any chip to a bitstream for a board: gateware, synthesis, place and route, packing."""

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..hdl.flow import mapping
from ..hdl.flow.place import nextpnr, run_nextpnr
from ..hdl.flow.yosys import run_yosys
from ..model.caches import cache_home
from ..model.files import write_text
from ..model.formats import DesignError
from ..model.prerequisites import require
from ..model.programs import not_whole, written
from .catalogue import Board
from .packing import PACKINGS, TOP
from .pll import MHZ, Pll
from .top import BoardTop

PHASES = ("gateware", "synthesis", "place and route", "bitstream")


class ClockError(DesignError):
    """The clock that was asked for is not met."""


@dataclass(frozen=True)
class Usage:
    """How much of a part a design takes."""

    luts: int
    flip_flops: int
    memories: int
    multipliers: int


@dataclass(frozen=True)
class Made:
    """What the tools made of a chip."""

    bitstream: bytes
    reached_hz: int
    usage: Usage
    critical_path: tuple[str, ...]
    seconds: dict[str, float]


def check_tools(board: Board) -> None:
    """Raise :class:`DesignError` with one sentence where something that a build needs is missing."""
    require("board build", ("amaranth_boards", "pyosys"))
    nextpnr(board.family)
    _ = PACKINGS[board.family].program


def build_chip(
    chip: Any, board: Board, pll: Pll | None, work: Path, seed: int, progress: Callable[[str], None]
) -> Made:
    """Build any component with ports ``rx``, ``tx`` and ``led``; the tools' files are left in ``work``."""
    packing = PACKINGS[board.family]
    seconds: dict[str, float] = {}

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        progress(name)
        begin = time.monotonic()
        yield
        seconds[name] = round(time.monotonic() - begin, 1)

    with phase(PHASES[0]):
        platform = board.make_platform()
        platform.prepare(BoardTop(board, chip, pll), TOP, emit_src=False).extract(work)
    with phase(PHASES[1]):
        used = _synthesise(board, work)
        _check_room(board, used)
    with phase(PHASES[2]):
        hertz = board.oscillator_hz if pll is None else float(pll.hertz)
        options = (*board.part, *packing.place, "--seed", str(seed), "--freq", f"{hertz / MHZ:.3f}")
        report, log = run_nextpnr(board.family, work / "netlist.json", options)
        write_text(work / "nextpnr.log", log)
        try:
            reached = min(clock["achieved"] for clock in report["fmax"].values()) * MHZ
            part = {name: count["used"] for name, count in report["utilization"].items()}
            path = _critical_path(report)
        except (KeyError, TypeError, ValueError):
            raise not_whole(work / "timing.json", "nextpnr") from None
        if reached < hertz:
            raise ClockError(
                f"{board.key} must run at {hertz / MHZ:.2f} MHz, but this chip reaches {reached / MHZ:.2f} MHz: "
                f"take a slower clock or another seed; the slowest path is from {path[0]} to {path[-1]}"
            )
    with phase(PHASES[3]):
        bitstream = packing.run(work)
    usage = Usage(
        luts=sum(part.get(name, 0) * count for name, count in packing.luts.items()),
        flip_flops=used.flip_flops,
        memories=sum(part.get(name, 0) for name in packing.memories),
        multipliers=used.multipliers,
    )
    return Made(bitstream, int(reached), usage, path, seconds)


def _synthesise(board: Board, work: Path) -> Usage:
    """The netlist in ``work``, and what of the part it takes. LUTs are not known yet."""
    cache_home()
    commands = [
        f"read_rtlil {TOP}.il",
        *mapping.gates(board.family, TOP, multipliers=board.multipliers > 0),
        *mapping.luts(board.family, TOP),
        "tee -q -o cells.json stat -json",
        "write_json netlist.json",
    ]
    write_text(work / "yosys.log", run_yosys(commands, work))
    text = written(work / "cells.json", "yosys")
    try:
        cells = json.loads(text[text.index("{") : text.rindex("}") + 1])["design"]["num_cells_by_type"]
    except (ValueError, KeyError):
        raise not_whole(work / "cells.json", "yosys") from None
    packing = PACKINGS[board.family]
    flip_flops, memories = (
        sum(count for name, count in cells.items() if re.fullmatch(pattern, name))
        for pattern in (packing.flip_flop_cells, packing.memory_cells)
    )
    multipliers = math.ceil(sum(cells.get(name, 0) * share for name, share in packing.multipliers.items()))
    return Usage(0, flip_flops, memories, multipliers)


def _check_room(board: Board, used: Usage) -> None:
    """Raise :class:`DesignError` for more than a part has: Yosys does not count it, and nextpnr searches for long."""
    for what, need, there in (
        ("flip-flops", used.flip_flops, board.flip_flops),
        ("blocks of memory", used.memories, board.memories),
        ("multipliers", used.multipliers, board.multipliers),
    ):
        if need > there:
            raise DesignError(
                f"{board.key} has {there} {what}, but this chip takes {need}: take fewer ADCs or rows a cycle"
            )


def _critical_path(report: dict[str, Any]) -> tuple[str, ...]:
    """Cells along the slowest path from a clock to itself."""
    paths = [path for path in report["critical_paths"] if path["from"] == path["to"]]
    path = max(paths, key=lambda path: sum(stage["delay"] for stage in path["path"]))["path"]
    cells = [stage[end]["cell"] for stage in path for end in ("from", "to")]
    return tuple(dict.fromkeys(cells))
