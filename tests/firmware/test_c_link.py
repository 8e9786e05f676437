"""The C driver over a serial line: the accesses of a plain bus, each once, however bad the line is."""

import struct
import zlib
from functools import cache

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given, settings

from ohmgate.firmware import image, loader, transactions
from ohmgate.model.design import Design
from ohmgate.model.layers import LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.designs import perhaps_tiled, random_design, random_network, seeds
from tests.firmware import c_link
from tests.firmware.c_driver import COMPILER, KEEP_WEIGHTS
from tests.firmware.c_link import CLink
from tests.firmware.fake_device import FakeDevice
from tests.firmware.faulty_line import FaultyLine, link_device

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
TRIES = 50  #: OHMGATE_LINK_TRIES
SCRATCH, LEVEL, LAYER = (BY_NAME[name].address for name in ("SCRATCH", "LEVEL", "LAYER"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    return c_link.build(tmp_path_factory.mktemp("link"))


@cache
def vowels():
    return random_network(Design.load("vowels"), np.random.default_rng(0), labels=True)


class Recorded:
    """A device, and every access of it."""

    def __init__(self, device: FakeDevice):
        self.device, self.log = device, []

    def read(self, address):
        self.log.append((address, None))
        return self.device.read(address)

    def write(self, address, value):
        self.log.append((address, value))
        self.device.write(address, value)


def session(driver, network, number: int = 0x3A00, **faults):
    """A session with a board of this network's design that is empty."""
    recorded = Recorded(FakeDevice(network.design, programming=3))
    line = FaultyLine(link_device(network.design, recorded).receive, **faults)
    link = CLink(driver, line)
    assert link.begin(number) == "OK"
    return link, line, recorded


def check_load(driver, network, **faults) -> FaultyLine:
    link, line, recorded = session(driver, network, **faults)
    data, plain = image.pack(network), Recorded(FakeDevice(network.design, programming=3))
    assert link.load(data) == driver.load(plain, data) == "OK"
    assert recorded.log == plain.log, "each access once, in order"
    pythons = FakeDevice(network.design, programming=3)
    transactions.run(loader.load(network), pythons)
    for device in (recorded.device, pythons):
        loaded = tuple(device.layer_data(k) for k in range(len(network.layers)))
        assert (loaded, device.enabled, device.error) == (network.layers, True, False)
    return line


def test_vowels_load_in_few_bytes(driver):
    line = check_load(driver, vowels())
    assert line.waits == 0
    assert line.sent + line.received < 6_000  # 179 kB, had each write a frame of its own


@pytest.mark.full
def test_names_loads_in_three_seconds_of_a_line_of_1_mbaud(driver):
    line = check_load(driver, random_network(Design.load("names"), np.random.default_rng(0), labels=True))
    assert 10 * (line.sent + line.received) < 3_000_000  # 2.43 s


@pytest.mark.parametrize("rate, frames", [(0, 0.3), (0.001, 0.02), (0.003, 0.02), (0.01, 0)])
def test_a_bad_line_changes_nothing(driver, rate, frames):
    line = check_load(driver, vowels(), rate=rate, frames=frames, seed=1)
    assert line.waits > 5


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_loads_of_random_designs_over_a_bad_line(driver, seed):
    rng = np.random.default_rng(seed)
    check_load(
        driver, random_network(perhaps_tiled(random_design(rng), rng), rng), rate=0.003, frames=0.05, seed=seed
    )


@pytest.mark.parametrize("bits", range(1, 9))
def test_levels_of_any_width_and_number(driver, bits):
    for hidden in (1, 3):
        layer = LstmLayer(inputs=2, hidden=hidden, adcs=4, weight_bits=bits)
        check_load(driver, random_network(Design("one", (layer,)), np.random.default_rng(bits)))


class LateLine(FaultyLine):
    """Has nothing for the host once in a while, though an answer is under way."""

    calls = 0

    def receive(self):
        self.calls += 1
        return None if self.calls % 40 == 7 else super().receive()


def test_answers_that_come_late_are_no_answers_to_the_next_request(driver):
    recorded, plain = Recorded(FakeDevice(vowels().design)), Recorded(FakeDevice(vowels().design))
    line = LateLine(link_device(vowels().design, recorded).receive)
    link = CLink(driver, line)
    assert link.begin(1) == link.load(image.pack(vowels())) == driver.load(plain, image.pack(vowels())) == "OK"
    assert recorded.log == plain.log
    for word in range(100):
        assert (link.write(SCRATCH, word), link.read(SCRATCH)) == ("OK", word)


def test_weights_can_be_kept(driver):
    link, _, recorded = session(driver, vowels())
    assert link.load(image.pack(vowels()), KEEP_WEIGHTS) == "SEAL", "there are none"
    assert not recorded.device.enabled
    assert link.load(image.pack(vowels())) == "OK"
    recorded.log.clear()
    assert link.load(image.pack(vowels()), KEEP_WEIGHTS) == "OK"
    assert LEVEL not in {address for address, _ in recorded.log}
    assert recorded.device.enabled


def test_a_word_is_read_and_written_at_once(driver):
    link, _, recorded = session(driver, vowels())
    for word in (0, 1, 0x00FF0000, 0xFFFFFFFF, 0x80000001):
        assert (link.write(SCRATCH, word), recorded.device.words["SCRATCH"], link.read(SCRATCH)) == ("OK", word, word)


def test_numbers_begin_again_behind_65535(driver):
    device = link_device(vowels().design, FakeDevice(vowels().design))
    link = CLink(driver, FaultyLine(device.receive))
    assert link.begin(1) == "OK"
    link.state.number = device.expected = 65_530
    for word in range(20):
        assert (link.write(SCRATCH, word), link.read(SCRATCH)) == ("OK", word)
    assert link.state.number == device.expected == 34


def test_writes_that_wait_go_before_anything_else(driver):
    link, line, recorded = session(driver, vowels())
    recorded.device.unlocked = True
    count = len(recorded.log)
    assert [link.write(LEVEL, level) for level in (1, 2, 3)] == ["OK"] * 3
    assert len(recorded.log) == count
    assert link.read(SCRATCH) == 0
    assert recorded.log[count:] == [(LEVEL, 1), (LEVEL, 2), (LEVEL, 3), (SCRATCH, None)]
    assert link.write(LEVEL, 5) == link.flush() == "OK"
    assert recorded.log[count + 4 :] == [(LEVEL, 5)]
    sent = line.sent
    assert link.flush() == "OK"
    assert line.sent == sent


def test_refused_accesses_are_errors_of_the_bus_and_no_more(driver):
    link, _, recorded = session(driver, vowels())
    assert link.write(LAYER, 9) == "BUS"
    assert link.read(0x7C) == "BUS"
    assert link.write(SCRATCH, 7) == "OK"
    assert [link.write(LEVEL, level) for level in (1, 2)] == ["OK"] * 2
    assert link.write(SCRATCH, 8) == "BUS", "it is locked; the levels waited"
    assert (recorded.device.words["SCRATCH"], link.read(SCRATCH)) == (7, 7)
    recorded.device.unlocked = True
    assert link.write(LEVEL, 256) == "OK", "no level of the link, but the device has to refuse it"
    assert link.read(SCRATCH) == "BUS"
    assert recorded.log[-1] == (LEVEL, 256)


def test_a_device_that_refuses_a_level_ends_the_load(driver):
    link, _, recorded = session(driver, vowels())
    honest = recorded.device.write

    def write(address, value):
        if address == LEVEL and recorded.device.words["ROW"] == 7:
            recorded.device._refuse()
        honest(address, value)

    recorded.device.write = write
    assert link.load(image.pack(vowels())) == "BUS"
    assert not recorded.device.enabled
    assert recorded.device.words["ROW"] == 7


@pytest.mark.parametrize("address", [0x10000, 0xFFFFFFFC])
def test_addresses_above_16_bits_are_refused_here(driver, address):
    link, line, _ = session(driver, vowels())
    sent = line.sent
    assert link.read(address) == link.write(address, 1) == "BUS"
    assert line.sent == sent
    assert link.read(SCRATCH) == 0


def test_without_an_answer_the_session_is_over_and_another_begins(driver):
    link, line, recorded = session(driver, vowels())
    line.cut = True
    sent = line.sent
    assert link.write(SCRATCH, 6) == "LINK"
    assert (line.waits, line.sent - sent) == (TRIES, TRIES * 18)
    sent = line.sent
    assert link.read(SCRATCH) == link.write(SCRATCH, 7) == link.write(LEVEL, 7) == link.flush() == "LINK"
    assert link.load(image.pack(vowels())) == "BUS"
    assert line.sent == sent, "nothing is sent after that"
    assert link.begin(2) == "LINK"
    line.cut = False
    assert link.begin(3) == link.load(image.pack(vowels())) == "OK"
    assert recorded.device.enabled


@pytest.mark.parametrize("garbage", [b"\0", b"U", bytes(range(256)), b"\1\0", b"\xff" * 60 + b"\0"])
def test_a_line_that_never_falls_silent_is_given_up(driver, garbage):
    class Babbling:
        sent = received = 0

        def send(self, data):
            self.sent += len(data)

        def receive(self):
            self.received += 1
            return garbage[self.received % len(garbage)] if self.received < 100_000 else None

    line = Babbling()
    assert CLink(driver, line).begin(1) == "LINK"
    assert (line.sent, line.received) == (TRIES * 14, TRIES * 1024)


INFO = struct.pack("<4sBBHHHHII16s", b"OHML", 1, 2, 7, 1, 512, 2048, 25_000_000, 1_000_000, b"words")


class Answering:
    """Answers the first request with ``answer(session, number, op)``, the bytes between the zeros."""

    def __init__(self, answer):
        self.answer, self.queue = answer, b""

    def send(self, data):
        session, number, op, argument = struct.unpack("<HHBH", cobs.decode(data[1:-1])[:7])
        assert (op, argument) == (1, 1)
        self.queue = b"\0" + self.answer(session, number, op) + b"\0"

    def receive(self):
        found, self.queue = self.queue[:1], self.queue[1:]
        return found[0] if found else None


def frame(session, number, op, status=0, payload=INFO, damage=0):
    content = struct.pack("<HHBH", session, number, op, status) + payload
    return cobs.encode(content + struct.pack("<I", zlib.crc32(content) ^ damage))


@pytest.mark.parametrize(
    "answer, error",
    [
        (lambda s, n, op: frame(s, n, op | 128), "OK"),
        (lambda s, n, op: b"\3ab\0" + frame(s, n, op | 128), "OK"),
        (lambda s, n, op: frame(s, n, op | 128, status=3), "PROTOCOL"),
        (lambda s, n, op: frame(s, n, op | 128, status=0x100), "PROTOCOL"),
        (lambda s, n, op: frame(s, n, op | 128, payload=INFO[:-1]), "PROTOCOL"),
        (lambda s, n, op: frame(s, n, op | 128, payload=b"X" + INFO[1:]), "PROTOCOL"),
        (lambda s, n, op: frame(s, n, op | 128, payload=b"OHMx" + INFO[4:]), "PROTOCOL"),
        (lambda s, n, op: frame(s, n, op | 128, payload=b"OHML\2" + INFO[5:]), "PROTOCOL"),
        (lambda s, n, op: frame(s, n, op | 128, payload=INFO + b"\1"), "LINK"),
        (lambda s, n, op: frame(s, n, op | 128, damage=1), "LINK"),
        (lambda s, n, op: frame(s, n, op | 128, damage=1 << 31), "LINK"),
        (lambda s, n, op: frame(s ^ 1, n, op | 128), "LINK"),
        (lambda s, n, op: frame(s ^ 0x100, n, op | 128), "LINK"),
        (lambda s, n, op: frame(s, n + 1, op | 128), "LINK"),
        (lambda s, n, op: frame(s, n, op), "LINK"),
        (lambda s, n, op: frame(s, n, 0x82), "LINK"),
        (lambda s, n, op: frame(s, n, op | 128)[:-1], "LINK"),
        (lambda s, n, op: frame(s, n, op | 128) + b"\1", "LINK"),
        (lambda s, n, op: b"\4abc", "LINK"),
        (lambda s, n, op: cobs.encode(struct.pack("<I", zlib.crc32(b""))), "LINK"),
    ],
)
def test_what_is_an_answer_and_what_is_none(driver, answer, error):
    assert CLink(driver, Answering(answer)).begin(0x1234) == error
