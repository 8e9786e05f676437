"""A network in the flash: the board starts with it, and power that fails in a store leaves the old one or none."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.boards.catalogue import find_board
from ohmgate.boards.fit import fit
from ohmgate.boards.simulation import SimulatedBoard, build
from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_flash import find_flash, store
from ohmgate.firmware.link_load import load_over
from ohmgate.firmware.link_stream import run_over
from ohmgate.firmware.serial_line import SerialLine
from ohmgate.firmware.transactions import BusError
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.flash import Record
from ohmgate.model.registers import BY_NAME
from tests.boards.desk import DESIGN, NEW, OLD, linked, runs
from tests.boards.flash_desk import FLASH_CONFIG, STATUS, put, slot_of, writes_of
from tests.designs import random_inputs, random_network
from tests.hdl.board.frames import frame

CONTROL, ENABLE = BY_NAME["CONTROL"].address, BY_NAME["CONTROL"].pack(ENABLE=1)
#: What is in slots A and B before NEW is stored, into which slot, and what runs until that is done.
BEFORE = {
    "nothing": ((None, None), 0, None),
    "A": ((slot_of(OLD, 5), None), 1, OLD),
    "B is newer": ((slot_of(NEW, 4), slot_of(OLD, 5)), 0, OLD),
    "A is newer": ((slot_of(OLD, 5), slot_of(NEW, 4)), 1, OLD),
}
WRITES = writes_of(slot_of(NEW, 1))


@pytest.fixture(scope="module")
def program():
    return build(DESIGN, FLASH_CONFIG)


@pytest.fixture
def start(program, tmp_path):
    """Starts a board with these slots in its flash."""

    def run(*slots, seed: int = 1) -> SimulatedBoard:
        return SimulatedBoard(program, FLASH_CONFIG, seed=seed, flash=put(tmp_path / "flash", *slots))

    return run


def started(link: Link) -> str:
    """The slot that the board has started with; "" for none."""
    return ("", "A", "B")[link.read(STATUS) >> 16]


def put_away(link: Link, network) -> str:
    """Store ``network``: slot and generation."""
    flash = find_flash(link)
    assert flash is not None
    return str(store(flash, network))


def check(link: Link, network) -> None:
    """The board runs ``network``, without a load; None: it runs nothing, and says so."""
    enabled = link.read(CONTROL) & ENABLE
    if network is not None:
        assert enabled
        assert runs(link, network)
        return
    assert not enabled
    with pytest.raises(BusError):
        link.write(CONTROL, ENABLE)


def test_a_store_is_what_the_next_start_runs(start):
    with start() as board:
        with linked(board) as link:
            check(link, None)
            assert (started(link), link.read(STATUS) & 0xFFFF) == ("", 0x0101)
            assert put_away(link, OLD) == "slot A, generation 1"
            check(link, None)  # until the board starts
            assert board.flash_writes() == WRITES
        for _ in range(2):
            board.power()
            with linked(board) as link:
                assert started(link) == "A"
                check(link, OLD)
        with linked(board) as link:
            assert put_away(link, NEW) == "slot B, generation 2"
            check(link, OLD)
        board.reset()
        with linked(board) as link:
            assert started(link) == "B"
            check(link, NEW)
            load_over(link, OLD)
            link.verify()
            check(link, OLD)
        board.power()
        with linked(board) as link:
            check(link, NEW)


def test_the_hosts_own_store_is_what_the_next_start_runs(start):
    """Power fails in the first one, in a page of frames; the second completes."""
    with start(slot_of(OLD, 5)) as board:
        with linked(board) as link:
            board.cut(4, "middle")
            with pytest.raises(LinkError):
                store(find_flash(link), NEW)
        board.power()
        board.plug()
        with linked(board) as link:
            check(link, OLD)
            flash = find_flash(link)
            stored = store(flash, NEW)
            assert (str(stored), stored.record) == ("slot B, generation 6", slot_of(NEW, 6)[0])
            assert [record.generation for record in flash.records()] == [5, 6]
            check(link, OLD)
        board.power()
        with linked(board) as link:
            assert started(link) == "B"
            check(link, NEW)


def test_the_file_keeps_the_flash(start, program, tmp_path):
    with start() as board, linked(board) as link:
        put_away(link, NEW)
    content = (tmp_path / "flash").read_bytes()
    assert content == put(tmp_path / "expected", slot_of(NEW, 1)).read_bytes()
    with SimulatedBoard(program, FLASH_CONFIG, flash=tmp_path / "flash") as board, linked(board) as link:
        check(link, NEW)


def test_a_network_for_another_chip_starts_nothing(start):
    """Its slot is valid, and the chip refuses its cells."""
    layers = (replace(DESIGN.layers[0], adc_bits=3), DESIGN.layers[1])
    other = random_network(replace(DESIGN, layers=layers), np.random.default_rng(1))
    with start(slot_of(other, 9), slot_of(OLD, 8)) as board, linked(board) as link:
        assert started(link) == "A"
        check(link, None)
        load_over(link, NEW)
        check(link, NEW)


def test_nothing_behind_a_refused_request_is_done(start):
    """Nor behind a damaged one: its number is missing."""
    scratch = BY_NAME["SCRATCH"].address
    requests = [(1, 1, b""), (4, scratch, b"\1\0\0\0"), (4, 0x8000, bytes(4)), (4, scratch, b"\2\0\0\0")]
    refused = b"".join(frame(0, number, *one) for number, one in enumerate(requests))
    gap = b"".join(frame(0, number, *one) for number, one in enumerate(requests) if number != 2)
    for frames in (refused, gap):
        record = Record(1, len(frames), zlib.crc32(frames), 0)
        with start((record, frames)) as board, linked(board) as link:
            assert started(link) == "A"
            assert link.read(scratch) == 1


def cut_and_check(start, before: str, writes: int, when: str, seed: int = 1) -> None:
    slots, index, running = BEFORE[before]
    with start(*slots, seed=seed) as board:
        with linked(board) as link:
            check(link, running)
            board.cut(writes, when)
            with pytest.raises(LinkError):
                put_away(link, NEW)
        board.power()
        board.plug()
        done = (writes, when) == (WRITES, "end")
        with linked(board) as link:
            check(link, NEW if done else running)
            assert started(link) == ("AB"[index] if done else "" if running is None else "BA"[index])


#: Of each phase one: the old record goes, the sector, a page of frames, the last one, the new record.
SAMPLE = [
    ("A is newer", 1, "middle"),
    ("A", 2, "middle"),
    ("B is newer", 4, "middle"),
    ("A", WRITES - 1, "end"),
    ("A is newer", WRITES, "middle"),
    ("nothing", WRITES, "middle"),
    ("B is newer", WRITES, "end"),
]


@pytest.mark.parametrize("before, writes, when", SAMPLE)
def test_a_cut_where_it_matters(start, before, writes, when):
    cut_and_check(start, before, writes, when)


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("before", BEFORE)
def test_a_cut_in_and_after_every_write(start, before):
    """Four draws of the random bits in each."""
    for writes in range(1, WRITES + 1):
        for when in ("middle", "end"):
            for seed in range(1, 5):
                cut_and_check(start, before, writes, when, seed)


@pytest.mark.full
@pytest.mark.slow
def test_the_vowels_board_starts_with_its_network(tmp_path):
    """The HX8K as it is built, with random weights, which use more codes than trained ones."""
    rng, hx8k = np.random.default_rng(4), find_board("hx8k-b-evn")
    design, config = fit(Design.load("vowels"), hx8k)
    assert hx8k.flash is not None
    network = random_network(design, rng, labels=False)
    codes, lengths = random_inputs(design, rng, batch=4, steps=12)
    file = put(tmp_path / "flash", None, slot_of(network, 3, hx8k.flash), layout=hx8k.flash, size=4 * 1024 * 1024)
    with SimulatedBoard(build(design, config), config, flash=file) as board, Link(SerialLine(board.port)) as link:
        assert started(link) == "B"
        assert link.read(CONTROL) & ENABLE
        np.testing.assert_array_equal(
            run_over(link, design, codes, lengths), reference.run(network, codes, lengths).out
        )
        assert link.read(BY_NAME["STATUS"].address) & 0x10 == 0, "no access was refused"
