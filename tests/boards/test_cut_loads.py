"""Reset and power cuts in every phase of a load: the board runs the old network, or the new one, or none."""

import random
import threading
import time
from contextlib import suppress

import pytest

from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_load import load_over
from ohmgate.firmware.link_load import run as run_over_link
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import BusError, LoadError, run
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.registers import BY_NAME
from tests.boards.desk import DESIGN, NEW, OLD, linked, runs

CUT = "the device's cells were not loaded to the end; load it with its weights"
CONTROL, ENABLE = BY_NAME["CONTROL"].address, BY_NAME["CONTROL"].pack(ENABLE=1)


class TwinBus:
    """A device in numbers, as a bus."""

    def __init__(self):
        self.twin = RegisterTwin(DESIGN)

    def read(self, address: int) -> int:
        word = self.twin.access(address, None)
        assert word is not None
        return word

    def write(self, address: int, value: int) -> None:
        assert self.twin.access(address, value) is not None


def first(transactions, count: int, names: list[str]):
    """The first ``count`` of ``transactions``; ``names`` gets the register of each."""
    value = None
    for _ in range(count):
        try:
            transaction = transactions.send(value)
        except StopIteration:
            return
        names.append(transaction.register.name)
        value = yield transaction


def accesses() -> list[str]:
    """The registers of a load, in order."""
    names: list[str] = []
    run(first(load(NEW), 10_000, names), TwinBus())
    return names


NAMES = accesses()
ALL = len(NAMES)
FIRST_CELL, FIRST_SEAL = NAMES.index("LEVEL"), NAMES.index("SEAL")
LAST_SEAL = ALL - 1 - NAMES[::-1].index("SEAL")
#: How many accesses are done: around those that decide.
SAMPLE = {
    "reset": (FIRST_CELL, FIRST_CELL + 1, FIRST_SEAL, LAST_SEAL, LAST_SEAL + 1),
    "power": (FIRST_CELL + 1, LAST_SEAL + 1),
}


def refused(link: Link, network) -> str | None:
    """What the board says to ``network`` with its cells kept; None where it runs it."""
    try:
        load_over(link, network, weights=False)
    except LoadError as error:
        return str(error)
    return None


def check(link: Link, whole) -> None:
    """The board was cut: no ``ENABLE`` by itself; ``whole`` with its cells kept, or, without one, nothing."""
    with pytest.raises(BusError):
        link.write(CONTROL, ENABLE)
    if whole is not None:
        load_over(link, whole, weights=False)
        assert runs(link, whole)
        return
    for network in (OLD, NEW):
        assert refused(link, network) == CUT
        with pytest.raises(BusError):  # unlocked by now
            link.write(CONTROL, ENABLE)


def cut_and_check(board, event: str, done: int) -> None:
    with linked(board) as link:
        load_over(link, OLD)
        run_over_link(first(load(NEW), done, []), link)
    getattr(board, event)()
    with linked(board) as link:
        cells = OLD if done <= FIRST_CELL else NEW if done > LAST_SEAL else None
        check(link, None if event == "power" else cells)


def test_a_load_writes_cells_then_seals():
    assert 0 < FIRST_CELL < FIRST_SEAL < LAST_SEAL < ALL - 1
    assert "LEVEL" not in NAMES[FIRST_SEAL:]
    assert NAMES.count("SEAL") == len(DESIGN.layers)
    assert NAMES.count("LEVEL") == sum(layer.rows * layer.columns for layer in DESIGN.layers)


@pytest.mark.parametrize("event", SAMPLE)
def test_a_cut_where_it_matters(board, event):
    for done in SAMPLE[event]:
        cut_and_check(board, event, done)


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("event", SAMPLE)
def test_a_cut_after_every_access(board, event):
    for done in range(ALL + 1):
        cut_and_check(board, event, done)


def cut_at(board, event: str, seconds: float) -> tuple[int, int]:
    """Cut a load of NEW after ``seconds``, wherever it is, plug included: words that the host had written, of all."""
    progress = [(0, 1)]
    with linked(board) as link:
        load_over(link, OLD)

        def host() -> None:
            with suppress(LinkError):
                load_over(link, NEW, progress=lambda *how_far: progress.append(how_far))

        thread = threading.Thread(target=host)
        thread.start()
        time.sleep(seconds)
        getattr(board, event)()
        board.unplug()
        thread.join()
    board.plug()
    return progress[-1]


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("event", SAMPLE)
def test_a_cut_at_any_moment(board, event):
    rng = random.Random(event)
    with linked(board) as link:
        began = time.monotonic()
        load_over(link, NEW)
        whole_load = time.monotonic() - began
    ended = {"old": 0, "none": 0, "new": 0}
    for _ in range(50):
        done, total = cut_at(board, event, rng.uniform(0, 1.2 * whole_load))
        name, network = ("new", NEW) if done == total else ("old", OLD)
        with linked(board) as link:
            refusal = refused(link, network)
            if refusal is None:
                assert runs(link, network)
            else:
                assert refusal == CUT
                name = "none"
                check(link, None)
            ended[name] += 1
    assert ended["none"] == 50 if event == "power" else min(ended.values()) > 0, ended
