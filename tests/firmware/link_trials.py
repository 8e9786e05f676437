"""Trials of the link on a bad line: random traffic, loads that are cut, and how much of the line's rate is used."""

import struct
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_load import load_over
from ohmgate.firmware.link_requests import Request
from ohmgate.firmware.transactions import BusError
from ohmgate.hdl.board.board_twin import BoardTwin, loaded_network
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.board.link_twin import LinkTwin
from ohmgate.model.design import Design
from ohmgate.model.layers import LstmLayer
from ohmgate.model.link import Op
from ohmgate.model.network import Network
from tests.firmware.fake_device import FakeDevice
from tests.firmware.link_device import LinkDevice
from tests.firmware.virtual_line import NO_FAULTS, Faults, VirtualLine

NONE = 0x100  #: the first address that a :class:`Memory` does not have
LEVEL = 0x60
BAD = Faults(drop=0.01, flip=0.01, repeat=0.01)
TINY = Design("tiny", (LstmLayer(inputs=1, hidden=1, adcs=4),))


class Memory:
    """A bus of 64 words, and all accesses in order."""

    def __init__(self):
        self.words, self.log = {}, []

    def read(self, address: int) -> int:
        return self._access(address, None)

    def write(self, address: int, value: int) -> None:
        self._access(address, value)

    def access(self, address: int, value: int | None) -> int | None:
        """As :class:`~ohmgate.hdl.board.link_twin.LinkTwin` has it."""
        try:
            return self._access(address, value)
        except BusError:
            return None

    def _access(self, address: int, value: int | None) -> int:
        self.log.append((address, value))
        if address >= NONE:
            raise BusError("refused")
        if value is not None:
            self.words[address] = value
        return self.words.get(address, 0)


def oracle(memory: Memory):
    """``receive`` of a device that was written from docs/link.md for the tests."""
    return LinkDevice(memory).receive


def twin(memory: Memory):
    """``receive`` of the gateware's twin."""
    return LinkTwin(TINY, BoardConfig("desk", 25_000_000, (1,)), memory.access, lambda step: []).receive


@dataclass(frozen=True)
class Traffic:
    """What came of random requests."""

    frames: int  #: requests that were executed
    lost: int  #: frames that the host had to ask about
    accesses: int  #: of the bus
    wrong: int  #: accesses that are missing, out of place or not asked for, and answers that differ
    damaged: tuple[int, int]  #: bytes to the board, and from it
    seconds: float  #: on the line


def traffic(board, frames: int, faults: Faults = BAD, seed: int = 0) -> Traffic:
    """Random reads and writes until ``frames`` were executed; what must happen is worked out on a plain memory."""
    rng, memory, plain = np.random.default_rng(seed), Memory(), Memory()
    line = VirtualLine(board(memory), faults, seed=seed)
    link, wrong = Link(line, seed), 0

    def requests():
        while link.frames < frames:
            yield _request(rng)

    for asked in link.ask_all(requests()):
        wrong += (asked.status, asked.words) != _expected(asked.request, plain)
    link.verify()
    wrong += abs(len(memory.log) - len(plain.log)) + sum(a != b for a, b in zip(memory.log, plain.log))
    return Traffic(link.frames, link.lost, len(memory.log), wrong, (line.out.done, line.back.done), line.now)


def _request(rng: np.random.Generator) -> Request:
    op = Op(int(rng.choice([Op.READ, Op.READ_NEXT, Op.WRITE, Op.WRITE_NEXT, Op.LEVELS])))
    count = int(rng.choice([1, rng.integers(1, 6), rng.integers(1, 31)]))
    if op is Op.LEVELS:
        return Request(op, int(rng.choice([1, 2, 4, 8])), rng.bytes(count))
    address = 4 * int(rng.integers(0, NONE // 4 - count + 1))
    if op in (Op.READ, Op.WRITE) and rng.random() < 0.05:
        count, address = 1, NONE
    if op in (Op.READ, Op.READ_NEXT):
        return Request(op, address, words=count)
    return Request(op, address, rng.bytes(4 * count))


def _expected(request: Request, plain: Memory) -> tuple[int, tuple[int, ...]]:
    """Status and words of an answer; does the request on ``plain``, word by word."""
    op, words, address = request.op, [], request.argument
    if op is Op.LEVELS:
        number, bits = int.from_bytes(request.payload, "little"), request.argument
        for k in range(8 * len(request.payload) // bits):
            plain.write(LEVEL, number >> bits * k & 2**bits - 1)
        return 0, ()
    payload = struct.unpack(f"<{len(request.payload) // 4}I", request.payload)
    try:
        for k in range(request.words or len(payload)):
            here = address + 4 * k * (op in (Op.READ_NEXT, Op.WRITE_NEXT))
            words += [plain.read(here)] if request.words else [plain.write(here, payload[k])][:0]
    except BusError:
        return 1, ()
    return 0, tuple(words)


class Chip:
    """A device of a design behind a link, of either kind; ``state`` is what a host must never find otherwise."""

    def __init__(self, design: Design, numbers: bool):
        """``numbers`` takes the gateware's twin, else the device that was written for the tests."""
        self.numbers = numbers
        if numbers:
            self.board = BoardTwin(design, BoardConfig("desk", 25_000_000, (1,) * len(design.layers)))
            self.receive = self.board.receive
        else:
            self.fake = FakeDevice(design)
            self.receive = LinkDevice(self.fake).receive

    def state(self, networks: dict[str, Network]) -> str:
        """The name of the network that the device runs; "none" where it is not enabled, "mixed" for a mixture."""
        if not (self.board.registers.enable if self.numbers else self.fake.enabled):
            return "none"
        for name, network in networks.items():
            if all(_equal(self._data(k), network.layers[k]) for k in range(len(network.layers))):
                return name
        return "mixed"

    def _data(self, index: int):
        if self.numbers:
            return loaded_network(self.board.design, self.board.registers).layers[index]
        return self.fake.layer_data(index)


def _equal(a, b) -> bool:
    pairs = ((a.weights, b.weights), (a.mult, b.mult), (a.shift, b.shift), (a.tables, b.tables))
    return all((x is None and y is None) or np.array_equal(x, y) for x, y in pairs)


def cuts(
    old: Network, new: Network, count: int, numbers: bool, faults: Faults = NO_FAULTS, seed: int = 0
) -> Counter[str]:
    """What a device ran after its load was cut at ``count`` random moments, and after another load.

    Every second one ran ``old`` before; loads and their repetition are of ``new``.
    """
    rng, found = np.random.default_rng(seed), Counter()
    networks = {"old": old, "new": new}
    length = _length(new, faults, numbers)
    for trial in range(count):
        chip = Chip(new.design, numbers)
        if trial % 2:
            load_over(Link(VirtualLine(chip.receive), 0), old)
        line = VirtualLine(chip.receive, faults, seed=seed + trial, cut=int(rng.integers(1, length)))
        try:
            load_over(Link(line, 2 * trial), new)
            found["ended before the cut"] += 1
        except LinkError:
            found[f"cut: {chip.state(networks)}"] += 1
        link = Link(VirtualLine(chip.receive, faults, seed=seed + count + trial), 2 * trial + 1)
        load_over(link, new)
        link.verify()
        found[f"loaded again: {chip.state(networks)}"] += 1
    return found


def _length(network: Network, faults: Faults, numbers: bool) -> int:
    """Bytes on the line of a load, both ways."""
    line = VirtualLine(Chip(network.design, numbers).receive, faults)
    load_over(Link(line, 0), network)
    return line.sent + line.came


def rates(window: int = 2, latency: float = 0.001, size: int = 24_000) -> dict[str, float]:
    """Share of the line's rate that payloads have, by op, in frames of 240 bytes without faults."""
    found = {}
    for op in (Op.WRITE, Op.LEVELS, Op.FILL, Op.READ):
        board = LinkDevice(Memory(), window=window, buffer=size)
        line = VirtualLine(board.receive, latency=latency)
        link = Link(line, 0)
        link.ask(Request(Op.WRITE, 0, bytes(4000)))  # frames have grown
        before = line.now
        if op is Op.READ:
            link.ask(Request(op, 0, words=size // 4))
        else:
            link.ask(Request(op, 8 if op is Op.LEVELS else 0, bytes(size)))
        found[op.name] = size * 10 / line.baud / (line.now - before)
    return found
