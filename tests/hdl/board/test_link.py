"""The link's gateware against its twin: requests of every kind, faults of the line, and every byte of the answers."""

import struct

import numpy as np
import pytest

from ohmgate.hdl.board import request_state
from ohmgate.hdl.board.link import Link
from ohmgate.hdl.board.uart_receiver import UartReceiver
from ohmgate.model.flash import FlashLayout
from tests.hdl.board.frames import answers, frame
from tests.hdl.board.link_bench import LinkBench
from tests.hdl.board.link_requests import FLUSH, LEVELS, READ, REPLAYED, WRITE_NEXT, Requests, Words
from tests.hdl.board.test_link_twin import DESIGN, config
from tests.hdl.board.test_uart_receiver import levels
from tests.hdl.board.test_uart_transmitter import sampled
from tests.hdl.simulate import simulate


def same(answer: bytes, expected: bytes) -> bool:
    """Are these the same answers? The cycles of a replay are the gateware's own, and its digest while it runs."""
    if answer == expected:
        return True
    (one,), (other,) = answers(answer), answers(expected)
    size = 5 if one.payload[0] else 9
    found, wanted = ((a.number, a.op, a.status, a.payload[:size]) for a in (one, other))
    return one.op == REPLAYED | 0x80 and found == wanted


def check_requests(seed: int, window: int, count: int, monkeypatch) -> tuple[set[tuple[int, int]], int]:
    """Random requests; returns (op, status) of all answers, and how many accesses reached the bus."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(request_state, "STALL_BITS", 7)
    real, numbers, setting = Words(), Words(), config(window=window)
    twin = Link(DESIGN, setting).model(numbers.access, numbers.take)
    twin.replay_rate = 10**6
    requests = Requests(rng, window)
    sent = [requests.hello(), requests.fill(), *(requests.some() for _ in range(count)), requests.replayed()]
    got, seen = LinkBench(DESIGN, setting, real.access, real.take, seed).run(sent, monkeypatch), set()
    for k, (piece, answer) in enumerate(zip(sent, got)):
        assert same(answer, twin.receive(piece)), k
        seen |= {(one.op, one.status) for one in answers(answer)}
    assert (real.log, real.steps) == (numbers.log, numbers.steps)
    return seen, len(real.log)


@pytest.mark.parametrize("seed, window", [(10, 2), (11, 4)])
def test_random_requests_get_the_twins_answers(seed, window, monkeypatch):
    assert check_requests(seed, window, 25, monkeypatch)[1] > 3


@pytest.mark.full
def test_many_random_requests_reach_every_op_and_status(monkeypatch):
    seen, accesses = set(), 0
    for seed in range(21, 33):  # of one of them the rest is refused: a replay waits for a network that is disabled
        with monkeypatch.context() as patch:
            more, count = check_requests(seed, (2, 4, 8)[seed % 3], 100, patch)
            seen, accesses = seen | more, accesses + count
    assert accesses > 1000
    assert {op for op, _ in seen} >= {0x80 | op for op in range(1, 13)}
    assert {status for _, status in seen} == set(range(6))


def damaged(line: bytes, rate: float, rng: np.random.Generator) -> bytes:
    """``line`` with bytes flipped, lost and repeated."""
    found = bytearray()
    for byte in line:
        chance = rng.random() / rate
        if chance < 1:
            byte ^= 1 << int(rng.integers(8))
        if not 1 <= chance < 2:
            found.append(byte)
        if 2 <= chance < 3:
            found.append(byte)
    return bytes(found)


def check_faults(seed: int, count: int, monkeypatch) -> None:
    """A host that sends each of ``count`` writes until the device has it, over a line with faults. No other word may
    ever be written, none twice, and the device must do what its twin does with the same line."""
    rng = np.random.default_rng(seed)
    real, numbers, setting = Words(), Words(), config()
    twin, pieces, words, lost = Link(DESIGN, setting).model(numbers.access, numbers.take), [], [], 0
    twin.receive(hello := frame(9, 0, 1, 1))
    pieces.append(hello)
    for number in range(1, count + 1):
        op, argument, content = [(WRITE_NEXT, 0x40, rng.bytes(8)), (LEVELS, 4, rng.bytes(3))][number % 2]
        words += struct.unpack("<2I", content) if op == WRITE_NEXT else [n for b in content for n in (b & 15, b >> 4)]
        while True:
            pieces.append(damaged(frame(9, number, op, argument, content), 0.03, rng) + b"\0")
            if twin.receive(pieces[-1]) and rng.random() < 0.8:  # else the answer was lost
                break
            lost += 1
    assert lost > count / 3
    got = LinkBench(DESIGN, setting, real.access, real.take, seed, idle=4).run(pieces, monkeypatch)
    assert [value for _, value in real.log] == words
    assert real.log == numbers.log
    assert [a.number for answer in got for a in answers(answer)][-1] == count


def test_a_bad_line_writes_no_wrong_word_and_none_twice(monkeypatch):
    check_faults(1, 15, monkeypatch)


@pytest.mark.full
def test_hundreds_of_frames_over_a_bad_line(monkeypatch):
    check_faults(2, 400, monkeypatch)


@pytest.mark.parametrize("window", [2, 4])
def test_a_window_of_requests_at_once_is_answered_in_order(window, monkeypatch):
    real, numbers, setting = Words(), Words(), config(window=window)
    twin = Link(DESIGN, setting).model(numbers.access, numbers.take)
    burst = [frame(9, k, LEVELS, 8, bytes([k])) for k in range(1, window + 1)]
    late = frame(9, window + 1, READ, 0x3C, b"\4")
    pieces = [frame(9, 0, 1, 1), b"".join(burst), b"".join(burst), late + late]
    got = LinkBench(DESIGN, setting, real.access, real.take).run(pieces, monkeypatch)
    assert got == [twin.receive(piece) for piece in pieces]
    assert [value for _, value in real.log] == [*range(1, window + 1), *[None] * 4]


def test_the_line_itself_and_the_links_latency():
    setting, words = config(), Words()
    dut = Link(DESIGN, setting)
    twin = dut.model(words.access, words.take)
    requests = [frame(9, 0, 1, 2), frame(9, 1, FLUSH)]
    sent, begins = [], []

    async def testbench(ctx):
        async def cycle(level):
            ctx.set(dut.rx, level)
            sent.append((await ctx.tick().sample(dut.tx))[2])

        for request in requests:
            for byte in request:
                begins.append(len(sent))
                for level in levels(8, byte)[:80]:
                    await cycle(level)
            for _ in range(1000):
                await cycle(1)
            while 0 in sent[-90:]:
                await cycle(1)

    simulate(dut, testbench)
    assert bytes(sampled(sent, 8)) == b"".join(twin.receive(request) for request in requests)
    stop = begins[-1] + UartReceiver(8).latency
    assert sent.index(0, begins[-1]) - stop == dut.latency


def test_a_link_boots_from_frames_and_then_hears_the_line(monkeypatch):
    """While it boots it says nothing, and a HELLO on the line is lost; a failed request is told."""
    real, numbers, setting = Words(), Words(), config(flash=FlashLayout(0x10000, 0x10000))
    frames = [frame(0, 0, 1, 1), frame(0, 1, 4, 0x2C, bytes(range(240))), frame(0, 2, 5, 0x21, b"four")]
    bench = LinkBench(DESIGN, setting, real.access, real.take)
    twin = bench.dut.model(numbers.access, numbers.take)
    twin.boot(b"".join(frames))
    failed, said = [], []

    async def boot(ctx):
        port = bench.dut.boot
        ctx.set(port.booting, 1)
        for byte in b"".join(frames):
            ctx.set(port.bytes.payload, byte)
            ctx.set(port.bytes.valid, 1)
            await ctx.tick().until(port.bytes.ready)
        ctx.set(port.bytes.valid, 0)
        await ctx.tick().until(port.quiet)
        ctx.set(port.booting, 0)

    async def watch(ctx):
        while True:
            _, _, fails, booting, says = await ctx.tick().sample(
                bench.dut.boot.failed, bench.dut.boot.booting, bench.parts["UartTransmitter"].bytes.valid
            )
            failed.append(fails)
            said.append(booting and says)

    pieces = [frame(9, 0, 1, 1), frame(9, 0, 1, 1), frame(9, 1, 2, 0x2C, b"\1")]
    got = bench.run(pieces, monkeypatch, [boot, watch])
    assert got == [b"", *(twin.receive(piece) for piece in pieces[1:])]
    assert answers(got[2])[0].payload == bytes(range(236, 240))
    assert real.log == numbers.log
    assert sum(failed) == 1  # of the address that is none
    assert not any(said)
