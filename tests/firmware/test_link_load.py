"""Loading over a link: the loader's accesses in their order, in few frames, and each of its errors."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.firmware import loader, transactions
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_load import load_over, run
from ohmgate.firmware.transactions import Burst, BusError, LoadError, Read, Write
from ohmgate.hdl.board.board_twin import BoardTwin, loaded_network
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model.design import Design
from ohmgate.model.registers import BY_NAME
from tests.designs import random_design, random_network, seeds
from tests.firmware.fake_device import FakeDevice
from tests.firmware.link_device import LEVELS, WRITE, WRITE_NEXT, LinkDevice
from tests.firmware.virtual_line import NO_FAULTS, VirtualLine


class Recorded:
    """A bus that notes every access; ``refuse`` is the number of the access that it refuses."""

    def __init__(self, device, refuse=None):
        self.device, self.refuse, self.log = device, refuse, []

    def read(self, address: int) -> int:
        return self.access(address, None)

    def write(self, address: int, value: int) -> None:
        self.access(address, value)

    def access(self, address, value):
        self.log.append((address, value))
        if len(self.log) - 1 == self.refuse:
            raise BusError("refused")
        return self.device.read(address) if value is None else self.device.write(address, value)


def desk(device, faults=NO_FAULTS, **line):
    board = LinkDevice(device)
    return board, Link(VirtualLine(board.receive, faults, **line), 1)


def network(seed: int):
    rng = np.random.default_rng(seed)
    return random_network(random_design(rng), rng)


@given(seeds)
@settings(max_examples=25)
def test_the_accesses_are_those_of_the_loader_in_its_order(seed):
    image = network(seed)
    plain, linked, alone = (Recorded(FakeDevice(image.design, programming=2)) for _ in range(3))
    transactions.run(loader.load(image), plain)
    _, link = desk(linked)
    load_over(link, image)
    link.verify()
    assert linked.log == plain.log
    assert linked.device.enabled
    _, link = desk(alone)
    transactions.run(loader.load(image), link)
    link.verify()
    assert alone.log == plain.log


@pytest.mark.parametrize("weights", [True, False])
def test_a_board_in_numbers_has_the_network_afterwards(weights):
    image = network(3)
    board = BoardTwin(image.design, BoardConfig("desk", 25_000_000, (1,) * len(image.layers)))
    link = Link(VirtualLine(board.receive), 1)
    load_over(link, image)
    load_over(link, image, weights=weights)
    link.verify()
    assert board.registers.enable
    for got, want in zip(loaded_network(image.design, board.registers).layers, image.layers):
        assert np.array_equal(got.weights, want.weights)
        assert (got.mult.tolist(), got.shift.tolist()) == (want.mult.tolist(), want.shift.tolist())


def test_writes_to_one_register_or_to_ascending_ones_share_a_frame_and_levels_are_packed():
    def writes():
        yield Write(BY_NAME["UNLOCK_LOW"], 1)
        yield Write(BY_NAME["UNLOCK_HIGH"], 2)
        yield Write(BY_NAME["LAYER"], 0)
        for k in range(5):
            yield Write(BY_NAME["TABLE_DATA"], k)
        yield Write(BY_NAME["ROW"], 3)
        yield Write(BY_NAME["COLUMN"], 0)
        for level in (1, 0, 3, 2, 1):
            yield Write(BY_NAME["LEVEL"], level)
        yield Write(BY_NAME["ROW"], 4)
        for level in (0, 1, 1, 0, 0, 0, 0, 1):
            yield Write(BY_NAME["LEVEL"], level)
        for level in (255, 7):
            yield Write(BY_NAME["LEVEL"], level)
        word = yield Read(BY_NAME["STATUS"])
        assert word == 0x77
        yield Write(BY_NAME["LEVEL"], 9)
        words = yield Burst(BY_NAME["SCRATCH"], 70)  # of more than one frame
        return sum(words)

    class Bus:
        words = iter([0x77, *range(70)])

        def read(self, address):
            return next(self.words)

        def write(self, address, value):
            pass

    board, link = desk(Bus())
    assert run(writes(), link) == 69 * 35
    packed = [
        (op, argument, payload.hex()) for op, argument, payload in board.executed if op in (WRITE, WRITE_NEXT, LEVELS)
    ]
    assert packed == [
        (WRITE_NEXT, 0x30, struct.pack("<2I", 1, 2).hex()),
        (WRITE, 0x40, struct.pack("<I", 0).hex()),
        (WRITE, 0x54, struct.pack("<5I", *range(5)).hex()),
        (WRITE_NEXT, 0x58, struct.pack("<2I", 3, 0).hex()),
        (LEVELS, 2, "b1"),  # 1, 0, 3, 2 from the lowest bits
        (LEVELS, 8, "01"),  # the fifth
        (WRITE, 0x58, struct.pack("<I", 4).hex()),
        (LEVELS, 8, "0001010000000001ff07"),
        (LEVELS, 8, "09"),
    ]


@pytest.mark.parametrize("refuse", [0, 7, 25, 60, 130, 300])
def test_a_refused_access_is_named_as_the_loader_names_it(refuse):
    image = network(5)
    plain, linked = Recorded(FakeDevice(image.design), refuse), Recorded(FakeDevice(image.design), refuse)
    with pytest.raises(LoadError) as expected:
        transactions.run(loader.load(image), plain)
    _, link = desk(linked)
    with pytest.raises(LoadError) as got:
        load_over(link, image)
    assert str(got.value) == str(expected.value)
    assert str(got.value).startswith("the device refused the ")
    assert not linked.device.enabled


def test_a_foreign_image_is_refused_before_anything_is_written():
    image = network(6)
    device = FakeDevice(network(7).design)
    _, link = desk(device)
    with pytest.raises(LoadError, match="^the device was built for the design with fingerprint "):
        load_over(link, image)
    assert device.written == 0
    with pytest.raises(LoadError, match="^the device refused the fingerprint "):
        load_over(link, image, force=True)
    assert not device.enabled


def test_cells_that_never_end_are_named_soon():
    image = network(8)
    _, link = desk(FakeDevice(image.design, programming=10**9))
    with pytest.raises(LoadError, match="^the device is still programming cells after 1000 reads of STATUS$"):
        load_over(link, image)
    assert link.line.time() < 10


def test_progress_keeps_step_with_the_line():
    image, seen = network(9), []
    board, link = desk(FakeDevice(image.design))
    load_over(link, image, progress=lambda done, total: seen.append((done, total, len(board.executed))))
    dones, totals, frames = zip(*seen)
    assert (dones[-1], set(totals)) == (totals[0], {totals[0]})
    assert list(dones) == sorted(dones)
    assert len(set(frames)) > len(seen) / 4  # not all at the beginning


def test_a_load_of_names_takes_less_than_three_seconds_on_the_line():
    design = Design.load("names")
    image = random_network(design, np.random.default_rng(0))
    cells = sum(layer.rows * layer.columns for layer in design.layers)
    assert cells > 390_000
    device = FakeDevice(design)
    _, link = desk(device, latency=0.001)
    load_over(link, image)
    link.verify()
    assert device.enabled
    assert link.line.baud == 1_000_000
    assert max(link.line.sent, link.line.came) * 10 / link.line.baud < 3
    assert link.line.now < 4  # with a millisecond of latency each way
