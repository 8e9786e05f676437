"""The executor's rules for every op, and its time; what it does is compared in test_link.py."""

from amaranth.hdl import Module, Signal

from ohmgate.hdl.board.link_twin import LinkTwin
from ohmgate.hdl.board.request_executor import RequestExecutor
from ohmgate.hdl.board.request_rules import suits
from ohmgate.hdl.board.request_state import STALL_BITS
from ohmgate.model.link import Op
from tests.hdl.board.frames import frame
from tests.hdl.board.link_bench import LinkBench
from tests.hdl.board.test_link_twin import DESIGN, config
from tests.hdl.simulate import simulate


def test_what_suits_an_op_is_what_the_twin_says():
    twin = LinkTwin(DESIGN, config(), lambda address, value: None, lambda payload: None)
    m, op, argument, end, result = Module(), Signal(8), Signal(16), Signal(8), Signal()
    m.d.comb += result.eq(suits(op, argument, end))
    m.d.sync += Signal(name="clocked").eq(1)
    arguments = [*range(20), 0x80, 239, 240, 241, *(1 << k for k in range(16)), 0x101, 0xF0F0, 0xFFFF]

    async def testbench(ctx):
        counts = dict.fromkeys(Op, 0)
        for code in Op:
            ctx.set(op, code)
            for value in arguments:
                ctx.set(argument, value)
                for size in [*range(20), 239, 240]:
                    ctx.set(end, 13 + size)
                    payload = bytes([1]) * size if code != Op.REPLAY else b"\1\0\1\0\0\0"[:size].ljust(size)
                    expected = twin._suits(code, value, payload)
                    assert ctx.get(result) == expected, (code, value, size)
                    counts[code] += expected
        assert min(counts.values()) > 0

    simulate(m, testbench)


def test_its_time_and_its_patience():
    assert STALL_BITS == 16  # docs/link.md says 65,536 cycles


def test_a_request_is_decided_after_its_latency(monkeypatch):
    bench = LinkBench(DESIGN, config(), lambda address, value: 0, lambda payload: None)
    seen = {}

    async def watch(ctx):
        receiver, cycle = bench.parts["FrameReceiver"], 0
        while True:
            await ctx.tick()
            cycle += 1
            if ctx.get(receiver.waiting) and "waits" not in seen:
                seen["waits"] = cycle
            elif "waits" in seen and "done" not in seen and not ctx.get(receiver.waiting):
                seen["done"] = cycle

    assert bench.run([frame(1, 1, 2, 0)], monkeypatch, [watch]) == [b""]  # of no session: dropped
    assert seen["done"] - seen["waits"] == RequestExecutor.latency
