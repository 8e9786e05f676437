"""The link's twin against the sentences of docs/link.md, one by one, with frames that share none of its code."""

import struct
import zlib

import pytest

from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.board.link_twin import LinkTwin
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.hdl.board.frames import Client, answers, frame

DESIGN = Design("link", (
    LstmLayer(inputs=3, hidden=4, adcs=4, weight_bits=2),  # 3 * 4 + 2 bits: steps of 2 bytes
    DenseLayer(inputs=4, outputs=3, adcs=3, output_bits=3),  # 3 * 3 + 2 bits: results of 2 bytes
))  # fmt: skip
HELLO, READ, READ_NEXT, WRITE, WRITE_NEXT, LEVELS, STREAM, FLUSH, FILL, REPLAY, REPLAYED, DIGEST = range(1, 13)
OK, REFUSED, UNKNOWN, MALFORMED, STALLED, BUSY = range(6)
LEVEL, SCRATCH = 0x60, 0x2C


def config(**changes) -> BoardConfig:
    return BoardConfig(
        **{"name": "desk", "clock_hz": 8_000_000, "rows": (1, 1), "queue_bytes": 16, "buffer_bytes": 64} | changes
    )


class Desk:
    """A twin on a memory in place of registers, and on a network that answers each step with its double."""

    def __init__(self, **changes):
        self.words: dict[int, int] = {}
        self.log: list[tuple[int, int | None]] = []
        self.steps: list[int] = []
        self.enabled = True
        self.twin = LinkTwin(DESIGN, config(**changes), self.access, self.take, replay_rate=2)
        self.client = Client(self.twin.receive)
        self.info = self.client.do(HELLO, 1)

    def access(self, address: int, value: int | None) -> int | None:
        self.log.append((address, value))
        if address >= 0x400:
            return None
        if value is not None:
            self.words[address] = value
        return self.words.get(address, 0)

    def take(self, payload: int) -> list[int] | None:
        if not self.enabled:
            return None
        self.steps.append(payload)
        return [2 * payload & 0x7FF]


def test_hello_tells_what_the_board_is():
    fields = struct.unpack("<4sBBHHHHII16s", Desk(window=4).info)
    assert fields == (b"OHML", 1, 4, 2, 2, 16, 64, 8_000_000, 1_000_000, b"desk" + bytes(12))


def test_a_hello_of_another_version_is_answered_with_what_the_board_speaks():
    desk = Desk()
    for argument, payload in ((2, b""), (1, b"x")):
        client = Client(desk.twin.receive, session=7)
        assert client.ask(HELLO, argument, payload) == (MALFORMED, desk.info)
        assert client.ask(READ, 0, b"\1") == (OK, bytes(4))


def test_words_are_read_and_written_at_one_address_or_ascending():
    client, log = (desk := Desk()).client, desk.log
    assert client.do(WRITE_NEXT, 8, struct.pack("<3I", 1, 2, 0xFFFFFFFF)) == b""
    assert client.do(WRITE, 4, struct.pack("<2I", 5, 6)) == b""
    assert log == [(8, 1), (12, 2), (16, 0xFFFFFFFF), (4, 5), (4, 6)]
    assert client.do(READ_NEXT, 4, b"\4") == struct.pack("<4I", 6, 1, 2, 0xFFFFFFFF)
    assert client.do(READ, 8, b"\3") == struct.pack("<3I", 1, 1, 1)


@pytest.mark.parametrize(
    "bits, payload, levels",
    [
        (1, b"\x05", [1, 0, 1, 0, 0, 0, 0, 0]),
        (2, b"\xe4\x03", [0, 1, 2, 3, 3, 0, 0, 0]),
        (4, b"\x21\x43", [1, 2, 3, 4]),
        (8, b"\x80\x7f", [0x80, 0x7F]),
    ],
)
def test_levels_are_packed_with_the_first_in_the_lowest_bits(bits, payload, levels):
    desk = Desk()
    assert desk.client.do(LEVELS, bits, payload) == b""
    assert desk.log == [(LEVEL, level) for level in levels]


def test_a_refused_access_says_which_and_leaves_those_before_it():
    client, log = (desk := Desk()).client, desk.log
    assert client.ask(WRITE_NEXT, 0x3F8, struct.pack("<4I", 1, 2, 3, 4)) == (REFUSED, b"\2\0")
    assert log == [(0x3F8, 1), (0x3FC, 2), (0x400, 3)]
    assert client.ask(READ_NEXT, 0x3F8, b"\5") == (REFUSED, b"\2\0")
    assert client.ask(READ, 0x400, b"\1") == (REFUSED, b"\0\0")


@pytest.mark.parametrize(
    "op, argument, payload",
    [
        (READ, 0, b""), (READ, 0, b"\0"), (READ, 0, b"\x3d"), (READ, 0, b"\1\1"), (READ, 2, b"\1"), (READ_NEXT, 1, b"\1"),
        (WRITE, 0, b""), (WRITE, 0, bytes(3)), (WRITE, 3, bytes(4)), (WRITE_NEXT, 0, bytes(5)), (WRITE_NEXT, 1, bytes(4)),
        (LEVELS, 0, b"x"), (LEVELS, 3, b"x"), (LEVELS, 16, b"x"), (LEVELS, 258, b"x"), (LEVELS, 8, b""),
        (STREAM, 241, b""), (STREAM, 256, b""), (FLUSH, 1, b""), (FLUSH, 0, b"x"), (FILL, 0, b""),
        (REPLAY, 0, b""), (REPLAY, 0, bytes(5)), (REPLAY, 1, b"\2\0\1\0\0\0"), (REPLAY, 0, b"\0\0\1\0\0\0"),
        (REPLAY, 0, b"\x41\0\1\0\0\0"), (REPLAY, 0, b"\2\0\0\0\0\0"), (REPLAYED, 1, b""), (REPLAYED, 0, b"x"), (DIGEST, 1, b""), (DIGEST, 0, b"x"),
    ],
)  # fmt: skip
def test_what_does_not_suit_the_op_is_malformed_and_does_nothing(op, argument, payload):
    desk = Desk()
    desk.client.do(STREAM, 0, b"abc")
    assert desk.client.ask(op, argument, payload) == (MALFORMED, b"")
    assert (desk.log, bytes(desk.twin.buffer)) == ([], bytes(64))
    assert desk.client.do(STREAM, 2, b"") == struct.pack("<H", 2 * 0x6261 & 0x7FF)


@pytest.mark.parametrize("op", [0, 13, 0x21, 0x81, 0x8C, 0xFF])
def test_other_ops_are_unknown(op):
    assert Desk().client.ask(op) == (UNKNOWN, b"")


def test_steps_go_in_as_bytes_and_results_come_out():
    client, steps = (desk := Desk()).client, desk.steps
    assert client.do(STREAM, 240, b"\1") == b""
    assert client.do(STREAM, 0, b"\2\3\0\4") == b""
    assert steps == [0x201, 3]
    assert client.do(STREAM, 3, b"\0") == struct.pack("<H", 0x402) + b"\6"
    assert client.do(STREAM, 240) == b"\0\x08\0"


def test_a_network_that_takes_nothing_stalls_and_the_byte_is_named():
    client = (desk := Desk()).client
    desk.enabled = False
    assert client.do(STREAM, 0, b"\1") == b""
    assert client.ask(STREAM, 9, b"\2\3\4") == (STALLED, b"\1\0")  # the step is whole, and waits
    desk.enabled = True
    assert client.do(STREAM, 9, b"\3\0") == struct.pack("<2H", 0x402, 6)
    assert desk.steps == [0x201, 3]


def test_a_full_queue_stalls_and_what_was_taken_is_kept():
    client, steps = (desk := Desk()).client, desk.steps
    step = b"\1\0"
    assert client.do(STREAM, 0, 8 * step) == b""  # 16 bytes of results fill the queue
    assert client.ask(STREAM, 0, 3 * step) == (
        STALLED,
        b"\4\0",
    )  # one result waits in the network, one step before it
    assert len(steps) == 9
    assert client.do(STREAM, 240) == 10 * b"\2\0"  # each one that is fetched makes room
    assert client.do(STREAM, 240, step) == b"\2\0"


def test_flush_drops_parts_of_steps_and_results():
    client, steps = (desk := Desk()).client, desk.steps
    client.do(STREAM, 0, b"\1\1\1")
    assert client.do(FLUSH) == b""
    assert client.do(STREAM, 9, b"\2\2") == b"\4\4"
    assert steps == [0x101, 0x202]


def test_the_buffer_is_replayed_and_its_results_are_counted():
    client, steps = (desk := Desk()).client, desk.steps
    client.do(STREAM, 0, b"\1\1\1")  # dropped by REPLAY
    assert client.do(FILL, 1, b"\0\2\0") == b""
    assert client.do(FILL, 0, b"\1") == b""
    del steps[:]
    assert client.do(REPLAY, 0, struct.pack("<HI", 4, 5)) == b""
    assert client.ask(STREAM, 0, b"") == (BUSY, b"")  # 2 of the 5 are done before each request
    assert client.do(REPLAYED)[:5] == b"\1" + struct.pack("<I", 8)
    for op in (WRITE, WRITE_NEXT, LEVELS, FLUSH, FILL, REPLAY):
        desk.twin.replay_rate = 0
        assert client.ask(op, 0xFFFF) == (BUSY, b"")
    assert client.ask(99) == (UNKNOWN, b"")
    assert client.ask(READ, 1) == (MALFORMED, b"")
    assert (client.do(READ, 0, b"\1"), client.do(READ_NEXT, 0, b"\1"), client.do(DIGEST)) == (bytes(4),) * 3
    desk.twin.replay_rate = 2
    runs, results, crc, cycles = struct.unpack("<BIII", client.do(REPLAYED))
    assert (runs, results, crc, cycles) == (0, 10, zlib.crc32(5 * struct.pack("<2H", 2, 4)), 20)
    assert steps == 5 * [1, 2]
    assert client.do(STREAM, 240, b"\3\0") == b"\6\0"
    assert client.do(REPLAYED) == struct.pack("<BIII", 0, results, crc, cycles)


def test_the_buffer_has_an_end():
    client, buffer = (desk := Desk()).client, desk.twin.buffer
    assert client.do(FILL, 62, b"ab") == b""
    for offset, content, index in ((62, b"xyz", 2), (64, b"x", 0), (0xFFFF, b"xy", 0)):
        assert client.ask(FILL, offset, content) == (REFUSED, struct.pack("<H", index))
    assert bytes(buffer) == bytes(62) + b"xy"


def test_hello_stops_a_replay_and_clears_queues_and_digest():
    desk = Desk()
    desk.client.do(WRITE, 0, bytes(4))
    desk.client.do(FILL, 0, b"\1\0")
    desk.client.do(STREAM, 0, b"\1\0\1")
    desk.client.do(REPLAY, 0, struct.pack("<HI", 2, 10**6))
    client = Client(desk.twin.receive, session=9)
    client.do(HELLO, 1)
    assert (client.do(DIGEST), client.do(REPLAYED)[0]) == (bytes(4), 0)
    assert client.do(STREAM, 240, b"\5\0") == b"\n\0"


def test_the_digest_is_of_what_was_written():
    client, content = (desk := Desk()).client, b""
    for op, argument, payload in ((WRITE, 8, bytes(8)), (WRITE_NEXT, 0x14, b"\1\2\3\4"), (LEVELS, 4, b"\x12")):
        client.do(op, argument, payload)
        content += bytes([op]) + struct.pack("<H", argument) + payload
    client.ask(WRITE_NEXT, 0x3FC, bytes(8))  # refused
    client.ask(WRITE, 2, bytes(4))  # malformed
    client.do(FILL, 0, b"x")
    client.do(READ, 0, b"\1")
    assert client.do(DIGEST) == struct.pack("<I", zlib.crc32(content))
    assert len(desk.log) == 2 + 1 + 2 + 2 + 1


def test_a_repeat_gets_the_kept_answer_and_is_not_executed_again():
    for window in (2, 4, 8):
        desk = Desk(window=window)
        receive, number = desk.twin.receive, 1
        sent = [frame(0x1234, number + k, WRITE, LEVEL, struct.pack("<I", k)) for k in range(window + 1)]
        kept = [receive(one) for one in sent]
        assert len(desk.log) == window + 1
        assert [receive(one) for one in sent] == [b"", *kept[1:]]
        assert [receive(one) for one in reversed(sent)] == [*reversed(kept[1:]), b""]
        assert receive(frame(0x1234, number + window + 2, READ, 0, b"\1")) == b""
        assert len(desk.log) == window + 1


def test_numbers_go_round():
    desk = Desk()
    desk.client.number = 0xFFFF
    assert desk.client.do(HELLO, 1) == desk.info
    assert desk.client.number == 0
    assert desk.client.do(READ, 0, b"\1") == bytes(4)
    again = frame(0x1234, 0, READ, 0, b"\1")
    assert answers(desk.twin.receive(again))[0].number == 0
    assert desk.twin.receive(frame(0x1234, 0xFFFE, READ, 0, b"\1")) == b""


def test_before_hello_and_in_another_session_nothing_is_answered():
    twin = LinkTwin(DESIGN, config(), RegisterTwin(DESIGN).access, lambda payload: None)
    assert twin.receive(frame(0, 0, READ, 0, b"\1")) == b""
    assert twin.receive(frame(5, 0, HELLO, 1)) != b""
    assert twin.receive(frame(6, 1, READ, 0, b"\1")) == b""
    assert twin.receive(frame(5, 1, READ, 0, b"\1")) != b""


def test_damaged_frames_are_dropped_and_the_next_one_is_not():
    desk = Desk()
    good = frame(0x1234, 1, WRITE, SCRATCH, b"\1\0\2\0")
    for at in range(1, len(good) - 1):
        for damage in (bytes([good[at] ^ 1 << at % 8]), b"", good[at : at + 1] * 2):
            assert desk.twin.receive(good[:at] + damage + good[at + 1 :]) == b""
    for length in (5, 10, 11):
        assert desk.twin.receive(frame(0x1234, 1, WRITE)[:length] + b"\0") == b""
    assert desk.twin.receive(frame(0x1234, 1, STREAM, 0, bytes(241))) == b""
    assert desk.log == []
    pieces = b"".join(desk.twin.receive(bytes([byte])) for byte in b"\0\0" + good)
    assert (answers(pieces)[0].status, desk.log) == (OK, [(SCRATCH, 0x20001)])


def test_a_frame_may_be_as_long_as_the_protocol_allows():
    desk = Desk()
    assert desk.client.do(WRITE, 0, bytes(240)) == b""
    assert desk.client.do(READ, 0, b"\x3c") == bytes(240)


def test_a_boot_ends_at_the_first_request_that_fails():
    desk = Desk()
    desk.log.clear()
    requests = [(1, 1, b""), (4, 0x2C, b"\1\0\0\0"), (4, 0x400, bytes(4)), (4, 0x2C, b"\2\0\0\0")]
    desk.twin.boot(b"".join(frame(0, number, *one) for number, one in enumerate(requests)))
    assert desk.log == [(0x2C, 1), (0x400, 0)]
    desk.twin.boot(frame(0, 0, 1, 1) + frame(0, 2, *requests[1]) + frame(0, 1, *requests[3]))  # one is out of turn
    assert desk.log[2:] == [(0x2C, 2)]
