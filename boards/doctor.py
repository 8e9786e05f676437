"""What stands between a user and a board: tools, rights, the port, the line. One finding for each."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..firmware.link import Link
from ..firmware.link_flash import described, find_flash
from ..model.formats import DesignError
from ..model.prerequisites import missing
from ..model.registers import BY_NAME
from .catalogue import BOARDS
from .find import udev_rule
from .flow import check_tools
from .program import loader_command
from .simulation import NEEDS

ROUND_TRIPS = 200
RULES_FILE = "/etc/udev/rules.d/70-ohmgate.rules"
LATENCY = "/sys/bus/usb-serial/devices/{}/latency_timer"  #: of FTDI's adapters, in ms


@dataclass(frozen=True)
class Finding:
    """``trouble`` is empty where all is well, else a sentence that says what to do."""

    what: str
    note: str = ""
    trouble: str = ""


def tools() -> Iterator[Finding]:
    """What builds, programs and simulates need."""
    for family in sorted({board.family for board in BOARDS.values()}):
        board = next(board for board in BOARDS.values() if board.family == family)
        yield _tried(f"building for {family}", lambda board=board: check_tools(board))
    yield _tried("programming", loader_command)
    yield Finding("simulating", trouble=missing("a simulated board", NEEDS) or "")


def port(path: str, latency: str = LATENCY) -> Iterator[Finding]:
    """Rights to a port, and the latency of its adapter."""
    if not os.path.exists(path):
        yield Finding("port", trouble=f"there is no port {path!r}: is the board connected?")
        return
    if not os.access(path, os.R_OK | os.W_OK):
        yield Finding(
            "port",
            trouble=f"no permission for {path!r}: write these rules to {RULES_FILE} and connect the board again: "
            + "; ".join(sorted({udev_rule(board.usb) for board in BOARDS.values()})),
        )
        return
    yield Finding("port", note=path)
    timer = Path(latency.format(Path(os.path.realpath(path)).name))
    if timer.exists() and (milliseconds := int(timer.read_text())) > 1:
        yield Finding(
            "latency timer",
            note=f"{milliseconds} ms: {timer} should hold 1, else every answer waits; ohmgate asks for it when it "
            "opens the port",
        )


def board(link: Link) -> Iterator[Finding]:
    """What the board says of itself, and how well its line works."""
    info = link.info
    yield Finding("board", note=f"{link.board}, {info.clock_hz / 1e6:g} MHz, {info.baud} baud")
    scratch, wrong, began = BY_NAME["SCRATCH"].address, 0, time.monotonic()
    for trip in range(ROUND_TRIPS):
        value = (trip * 0x9E3779B1) & 0xFFFFFFFF
        link.write(scratch, value)
        wrong += link.read(scratch) != value
    milliseconds = 1000 * (time.monotonic() - began) / (2 * ROUND_TRIPS)
    note = f"{2 * ROUND_TRIPS} frames, {milliseconds:.2f} ms each, {wrong} wrong words"
    yield Finding("line", note=note, trouble=f"the line gives wrong words: {note}" if wrong else "")
    flash = find_flash(link)
    yield Finding("flash", note=described(flash.records()) if flash else "keeps no network")
    enabled = BY_NAME["CONTROL"].unpack(link.read(BY_NAME["CONTROL"].address))["ENABLE"]
    yield Finding("network", note="loaded" if enabled else "none: load one with ohmgate board load")


def _tried(what: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except DesignError as error:
        return Finding(what, trouble=str(error))
    return Finding(what)
