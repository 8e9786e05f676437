"""The host's end of the link: sessions, requests of any length, what is lost, and each sentence."""

import struct
import zlib

import pytest
from cobs import cobs

from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_requests import Request
from ohmgate.firmware.transactions import BusError
from ohmgate.model.link import Op
from tests.firmware.link_device import FILL, HELLO, LEVELS, READ, READ_NEXT, WRITE, WRITE_NEXT, LinkDevice
from tests.firmware.link_trials import NONE, Memory
from tests.firmware.virtual_line import NO_FAULTS, Faults, VirtualLine


class Desk:
    def __init__(self, faults=NO_FAULTS, *, seed=1, memory=None, **device):
        line = {name: device.pop(name) for name in ("latency", "slow", "cut") if name in device}
        self.memory = memory or Memory()
        self.device = LinkDevice(self.memory, **device)
        self.line = VirtualLine(self.device.receive, faults, seed=seed, **line)

    def link(self, seed=1) -> Link:
        return Link(self.line, seed)


def test_a_link_reads_and_writes_words_and_says_what_the_board_is():
    desk = Desk(window=4, step_bytes=7, queue=512)
    link = desk.link()
    assert (link.board, link.info.window, link.info.step_bytes, link.info.queue_bytes) == ("desk", 4, 7, 512)
    link.write(0x2C, 0xDEADBEEF)
    assert (link.read(0x2C), link.read(0x30)) == (0xDEADBEEF, 0)
    assert desk.memory.log == [(0x2C, 0xDEADBEEF), (0x2C, None), (0x30, None)]


def test_the_session_is_random_unless_it_has_a_seed():
    sessions = []
    for seed in (None, None, 5, 5):
        desk = Desk()
        desk.link(seed)
        sessions.append(desk.device.session)
    assert sessions[0] != sessions[1]
    assert sessions[2] == sessions[3] != sessions[0]


def test_an_answer_of_another_session_is_none():
    desk = Desk()
    link = desk.link()
    link.write(0x2C, 7)
    late = struct.pack("<HHBHI", desk.device.session ^ 1, 2, READ | 0x80, 0, 99)  # number 2 is the next request's
    late = b"\0" + cobs.encode(late + struct.pack("<I", zlib.crc32(late))) + b"\0"
    desk.line.receive = lambda data: late + desk.device.receive(data)
    assert link.read(0x2C) == 7


def test_a_request_of_any_length_is_cut_into_frames_and_answered_as_one():
    desk = Desk(buffer=1000)
    link, words = desk.link(), list(range(1, 65))
    link.ask(Request(Op.WRITE_NEXT, 0, struct.pack("<64I", *words)))
    assert list(link.ask(Request(Op.READ_NEXT, 0, words=64)).words) == words
    assert link.ask(Request(Op.READ, 8, words=64)).words == (3,) * 64
    link.ask(Request(Op.FILL, 3, bytes(range(250)) * 3))
    assert desk.device.buffer == bytes(3) + bytes(range(250)) * 3 + bytes(1000 - 753)
    link.ask(Request(Op.LEVELS, 2, b"\xe4" * 300))
    assert desk.memory.log[-1200:] == [(0x60, value) for value in (0, 1, 2, 3)] * 300
    sizes = {
        op: [len(payload) for kind, _, payload in desk.device.executed if kind == op]
        for op in (WRITE_NEXT, FILL, LEVELS)
    }
    assert sizes[WRITE_NEXT][:3] == [32, 32, 64]  # first frames are short, and grow where they arrive
    assert sum(sizes[FILL]) == 750
    assert sizes[LEVELS] == [240, 60]


def test_requests_are_pipelined_as_far_as_the_window_goes():
    for window, frames in ((2, 2), (8, 8)):
        desk = Desk(window=window, latency=0.01)
        link = desk.link()
        before = desk.line.now
        for _ in link.ask_all(Request(Op.WRITE, 4, bytes(4)) for _ in range(80)):
            pass
        turns = (desk.line.now - before) / 0.02
        assert turns == pytest.approx(80 / frames, rel=0.1)


def test_a_refused_access_is_a_bus_error_that_names_it_and_what_comes_before_it_is_done():
    desk = Desk()
    link = desk.link()
    sentence = "^WRITE_NEXT at 0xE0: the board refused access 8$"
    with pytest.raises(BusError, match=sentence):
        link.ask(Request(Op.WRITE_NEXT, NONE - 32, struct.pack("<20I", *range(20))))
    assert [desk.memory.words.get(NONE - 32 + 4 * k) for k in range(8)] == list(range(8))
    with pytest.raises(BusError, match="^READ at 0x100: the board refused access 0$"):
        link.read(NONE)
    with pytest.raises(BusError, match="^WRITE at 0x100: the board refused access 0$"):
        link.write(NONE, 1)


def test_the_index_of_a_refused_level_counts_levels():
    class Narrow(Memory):
        def write(self, address, value):
            if len(self.log) == 101:
                raise BusError("refused")
            super().write(address, value)

    link = Desk(memory=Narrow()).link()
    (asked,) = link.ask_all([Request(Op.LEVELS, 1, bytes(64))])
    assert (asked.status, asked.refused) == (1, 101)


def test_verify_compares_the_digest_of_what_was_written_in_the_frames_that_were_sent():
    desk = Desk()
    link = desk.link()
    link.ask(Request(Op.WRITE_NEXT, 0, bytes(range(200))))
    link.write(4, 5)
    with pytest.raises(BusError):
        link.write(NONE, 7)
    link.verify()
    desk.device.digest ^= 1
    good = zlib.crc32(struct.pack("<BHI", WRITE, 4, 5), _digest(desk.device.executed[:-3]))
    with pytest.raises(
        LinkError, match=f"^the digest of what the board got must be 0x{good:08X}, not 0x{good ^ 1:08X}$"
    ):
        link.verify()


def _digest(executed) -> int:
    digest = 0
    for op, argument, payload in executed:
        if op in (WRITE, WRITE_NEXT, LEVELS) and (op, argument) != (WRITE, 4):
            digest = zlib.crc32(struct.pack("<BH", op, argument) + payload, digest)
    return digest


def test_answers_that_nobody_waited_for_do_not_disturb_what_comes_next():
    desk = Desk(window=4)
    link = desk.link()
    answers = link.ask_all(Request(Op.WRITE, 4 * k, struct.pack("<I", k)) for k in range(8))
    next(answers)
    answers.close()
    assert link.read(12) == 3
    link.verify()


def test_numbers_go_around():
    desk = Desk()
    link = desk.link()
    desk.device.next = link._window._next = 65_530
    for k in range(20):
        link.write(4 * k, k)
    assert desk.memory.log == [(4 * k, k) for k in range(20)]
    assert desk.device.next == 65_530 + 20 - 65_536


class Lossy:
    """Loses whole frames of a way by their count from 0."""

    def __init__(self, desk: Desk, out=(), back=()):
        self.desk, self.lost, self.count = desk, {"out": set(out), "back": set(back)}, {"out": 0, "back": 0}
        inner = desk.device.receive
        desk.line.receive = lambda data: self.pass_on("back", inner(self.pass_on("out", data)))

    def pass_on(self, way: str, data: bytes) -> bytes:
        if data:
            self.count[way] += 1
            if self.count[way] - 1 in self.lost[way]:
                return b""
        return data


@pytest.mark.parametrize(
    "out, back", [([1], []), ([], [1]), ([1, 2], []), ([], [1, 2]), ([2], []), ([], [2]), ([1], [1]), ([2], [1])]
)
def test_whatever_is_lost_each_word_is_written_once_and_in_order(out, back):
    desk = Desk(window=4)
    Lossy(desk, out, back)
    link = desk.link()
    for asked in link.ask_all(Request(Op.WRITE, 4 * k, struct.pack("<I", k)) for k in range(10)):
        asked.check()
    assert desk.memory.log == [(4 * k, k) for k in range(10)]
    link.verify()
    assert desk.line.now < 0.2


def test_a_frame_that_is_too_long_for_the_line_is_cut_anew():
    desk = Desk()
    link = desk.link()
    link.ask(Request(Op.WRITE, 4, bytes(2000)))
    assert link.limit == 240
    inner = desk.device.receive
    desk.line.receive = lambda data: inner(data) if len(data) < 50 else b""
    link.ask(Request(Op.WRITE, 8, b"".join(struct.pack("<I", k) for k in range(100))))
    assert desk.memory.log[-100:] == [(8, k) for k in range(100)]
    assert link.limit < 40
    desk.line.receive = inner
    link.ask(Request(Op.WRITE, 4, bytes(8000)))
    assert link.limit == 240


def test_a_slow_board_is_waited_for_and_nothing_is_sent_twice_for_long():
    desk = Desk(slow=80.0)
    link = desk.link()
    for _ in link.ask_all(Request(Op.WRITE, 4, bytes(240)) for _ in range(50)):
        pass
    assert link.limit == 240
    before = desk.line.sent
    link.ask(Request(Op.WRITE, 4, bytes(2400)))
    assert desk.line.sent - before == 10 * 254
    link.verify()


def test_a_line_that_damages_every_tenth_frame_still_gets_long_frames_again():
    desk = Desk(Faults(drop=2e-4, flip=2e-4))
    link = desk.link()
    for k in range(200):
        link.ask(Request(Op.WRITE, 4, struct.pack("<I", k) * 60))
    assert desk.memory.log == [(4, k) for k in range(200) for _ in range(60)]
    sizes = [len(payload) for _, _, payload in desk.device.executed]
    assert max(sizes[-100:]) > 100


class Silent:
    """A device that says what it is told to, whatever it is sent."""

    def __init__(self, says: bytes = b""):
        self.says = says

    def receive(self, data: bytes) -> bytes:
        return self.says


@pytest.mark.parametrize(
    "says, sentence",
    [
        (b"", "no board answers on 'desk'"),
        (b"login: ", "what answers on 'desk' at 1000000 baud is no board of Ohmgate's"),
        (b"\0\0\1\0\xff\xff\0" * 200, "what answers on 'desk' at 1000000 baud is no board of Ohmgate's"),
    ],
)
def test_what_is_no_board_is_named(says, sentence):
    line = VirtualLine(Silent(says).receive)
    with pytest.raises(LinkError, match=f"^{sentence}$"):
        Link(line)
    assert line.now < 5


def test_what_echoes_is_no_board():
    with pytest.raises(LinkError, match="^what answers on 'desk' at 1000000 baud is no board of Ohmgate's$"):
        Link(VirtualLine(lambda data: data))


def test_a_board_of_another_version_is_named():
    desk = Desk()
    desk.device.version = 3
    with pytest.raises(LinkError, match="^the board on 'desk' must speak version 1 of the link, not 3$"):
        desk.link()


def test_a_board_without_the_mark_of_ours_is_named():
    desk = Desk()
    desk.device.magic = b"OHMX"
    with pytest.raises(LinkError, match="^what answers HELLO on 'desk' is no board of Ohmgate's$"):
        desk.link()


def test_a_board_that_falls_silent_is_named_after_a_while():
    desk = Desk()
    link = desk.link()
    desk.line.receive = lambda data: b""
    before = desk.line.now
    with pytest.raises(LinkError, match="^the board on 'desk' has stopped answering$"):
        link.read(0)
    assert 2 < desk.line.now - before < 15


@pytest.mark.parametrize(
    "status, sentence",
    [
        (2, "the board does not know READ"),
        (3, "the board finds READ malformed"),
        (4, "the board takes no time steps: a network must be loaded and enabled"),
        (5, "the board is busy with a replay"),
        (9, "the board answers READ with status 9"),
    ],
)
def test_other_statuses_are_sentences(status, sentence):
    desk = Desk()
    link = desk.link()
    desk.device.execute = lambda *_: (status, b"")
    with pytest.raises(LinkError, match=f"^{sentence}$"):
        link.read(0)


@pytest.mark.parametrize(
    "status, payload, sentence", [(0, b"123", "3 bytes in place of 4"), (1, b"", "0 bytes in place of 2")]
)
def test_an_answer_of_the_wrong_size_is_a_sentence(status, payload, sentence):
    desk = Desk()
    link = desk.link()
    desk.device.execute = lambda *_: (status, payload)
    with pytest.raises(LinkError, match=f"^the board answers READ with {sentence}$"):
        link.read(0)


def test_frames_of_another_session_and_damaged_ones_are_no_answers():
    desk = Desk()
    link = desk.link()
    inner = desk.device.receive

    def noisy(data: bytes) -> bytes:
        answer = inner(data)
        forged = bytearray(cobs.decode(answer.strip(b"\0")))
        forged[0] ^= 1
        foreign = forged[:-4] + struct.pack("<I", zlib.crc32(forged[:-4]))
        return b"\0" + cobs.encode(bytes(forged)) + b"\0" + cobs.encode(bytes(foreign)) + b"\0\5\1" + answer

    desk.line.receive = noisy
    link.write(4, 1)
    assert link.read(4) == 1


def test_the_context_closes_the_line():
    desk = Desk()
    with desk.link():
        assert not desk.line.closed
    assert desk.line.closed


def test_a_new_session_begins_anew_whatever_the_old_one_left():
    desk = Desk()
    desk.link(1).write(4, 1)
    link = desk.link(2)
    link.write(8, 2)
    assert (link.read(4), link.read(8)) == (1, 2)
    link.verify()
    assert HELLO not in [op for op, _, _ in desk.device.executed]
    assert [op for op, _, _ in desk.device.executed][:4] == [WRITE, WRITE, READ, READ]
    assert READ_NEXT not in [op for op, _, _ in desk.device.executed]
