"""Run by cocotb: registers load a network over AXI4-Lite, sequences go through the streams under stalls."""

import os
import random
from importlib import import_module
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout

from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import Write
from ohmgate.hdl.handoff.axi import stream_bits
from ohmgate.model.design import Design
from ohmgate.model.reference import run, steps_read
from ohmgate.model.registers import BY_NAME
from ohmgate.sim.random_designs import random_inputs, random_network

axi: Any = import_module("cocotbext.axi")  # which a type checker may not find
DESIGN = Design.load(os.environ["AXI_DESIGN"])
RNG = np.random.default_rng(7)
NETWORK = random_network(DESIGN, RNG)
CODES, LENGTHS = random_inputs(DESIGN, RNG, 6, 9)


def beats(values: np.ndarray, bits: int, data: int) -> list[int]:
    """TDATA of rows of codes: code k at bit k * bits, two's complement."""
    rows = np.atleast_2d(values)
    return [sum((int(v) & (1 << bits) - 1) << k * bits for k, v in enumerate(row)) % (1 << data) for row in rows]


def as_bytes(words: list[int], data: int) -> bytes:
    return b"".join(word.to_bytes(data // 8, "little") for word in words)


def stalls(seed: int, share: float):
    """Random cycles of pause."""
    chance = random.Random(seed)
    while True:
        yield chance.random() < share


class Bench:
    def __init__(self, dut):
        self.dut = dut
        reset = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False}
        self.lite = axi.AxiLiteMaster(axi.AxiLiteBus.from_prefix(dut, "s_axi"), **reset)
        self.source = axi.AxiStreamSource(axi.AxiStreamBus.from_prefix(dut, "s_axis"), **reset)
        self.sink = axi.AxiStreamSink(axi.AxiStreamBus.from_prefix(dut, "m_axis"), **reset)
        self.bits = stream_bits(DESIGN)

    async def start(self):
        cocotb.start_soon(Clock(self.dut.aclk, 10, "ns").start())
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 3)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def write(self, name: str, word: int) -> axi.AxiResp:
        return (await self.lite.write(BY_NAME[name].address, word.to_bytes(4, "little"))).resp

    async def read(self, name: str) -> int:
        answer = await self.lite.read(BY_NAME[name].address, 4)
        assert answer.resp == axi.AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def load(self):
        """What the loader of the firmware does, over AXI4-Lite."""
        transactions, answer = load(NETWORK), None
        while True:
            try:
                transaction = transactions.send(answer)
            except StopIteration:
                return
            answer = None
            if isinstance(transaction, Write):
                assert await self.write(transaction.register.name, transaction.value) == axi.AxiResp.OKAY
            else:
                answer = await self.read(transaction.register.name)

    async def send(self, codes: np.ndarray):
        layer = DESIGN.layers[0]
        data = self.bits["x"][1]
        await self.source.send(axi.AxiStreamFrame(as_bytes(beats(codes, layer.input_bits, data), data)))

    async def receive(self) -> bytes:
        return bytes((await with_timeout(self.sink.recv(), 1, "ms")).tdata)

    def expected(self, codes: np.ndarray) -> bytes:
        """TDATA of a sequence's results by the integer reference."""
        lengths, last = np.array([len(codes)]), DESIGN.layers[-1]
        out = run(NETWORK, codes[None], lengths).layers[-1].out[0]
        values, data = self.bits["y"]
        bits = values if getattr(last, "output", "") == "argmax" else values // last.outputs
        steps = np.argwhere(steps_read(last, lengths, len(codes))[0]).reshape(-1)
        return as_bytes([word for step in steps for word in beats(out[step], bits, values)], data)


@cocotb.test()
async def registers_answer_and_refuse(dut):
    bench = Bench(dut)
    await bench.start()
    assert await bench.read("ID") == 0x4F484D47
    assert await bench.write("SCRATCH", 0x12345678) == axi.AxiResp.OKAY
    assert await bench.read("SCRATCH") == 0x12345678
    assert await bench.write("ID", 1) == axi.AxiResp.SLVERR
    assert (await bench.lite.write(BY_NAME["SCRATCH"].address + 1, b"\xff")).resp == axi.AxiResp.SLVERR
    assert (await bench.lite.read(0x7C, 4)).resp == axi.AxiResp.SLVERR
    assert await bench.write("GAIN", 1) == axi.AxiResp.SLVERR  # it is locked
    assert await bench.read("SCRATCH") == 0x12345678
    # a write of no byte does nothing, and is answered
    for signal in ("awvalid", "wvalid", "bready"):
        getattr(dut, f"s_axi_{signal}").value = 1
    dut.s_axi_awaddr.value, dut.s_axi_wdata.value, dut.s_axi_wstrb.value = BY_NAME["SCRATCH"].address, 5, 0
    while True:
        await RisingEdge(dut.aclk)
        if dut.s_axi_awready.value == 1:
            break
    dut.s_axi_awvalid.value = dut.s_axi_wvalid.value = 0
    for _ in range(20):
        await RisingEdge(dut.aclk)
        if dut.s_axi_bvalid.value == 1:
            break
    assert dut.s_axi_bvalid.value == 1
    assert dut.s_axi_bresp.value == 0
    await RisingEdge(dut.aclk)
    assert await bench.read("SCRATCH") == 0x12345678


@cocotb.test()
async def reads_and_writes_at_the_same_time_are_all_answered(dut):
    bench = Bench(dut)
    await bench.start()
    for name, channel in (("b", bench.lite.write_if.b_channel), ("r", bench.lite.read_if.r_channel)):
        channel.set_pause_generator(stalls(ord(name), 0.5))
    address = BY_NAME["SCRATCH"].address
    writes = [bench.lite.init_write(address, k.to_bytes(4, "little")) for k in range(20)]
    reads = [bench.lite.init_read(address, 4) for _ in range(20)]
    for event in (*writes, *reads):
        await with_timeout(event.wait(), 100, "us")
        assert event.data.resp == axi.AxiResp.OKAY
    seen = [int.from_bytes(event.data.data, "little") for event in reads]
    assert seen == sorted(seen)
    assert len(set(seen)) > 5  # they take turns
    assert await bench.read("SCRATCH") == 19


@cocotb.test()
async def sequences_give_the_reference_s_results_and_its_ends_under_stalls(dut):
    bench = Bench(dut)
    await bench.start()
    await bench.load()
    sequences = [CODES[k, : LENGTHS[k]] for k in range(len(LENGTHS))]
    for share_in, share_out in ((0, 0), (0.7, 0), (0, 0.9), (0.5, 0.5)):
        bench.source.set_pause_generator(stalls(1, share_in))
        bench.sink.set_pause_generator(stalls(2, share_out))
        for codes in sequences:
            await bench.send(codes)
        for codes in sequences:
            assert await bench.receive() == bench.expected(codes)
    assert await bench.read("STEPS") == 4 * sum(len(codes) for codes in sequences)


@cocotb.test()
async def what_follows_a_reset_by_register_begins_a_sequence(dut):
    bench = Bench(dut)
    await bench.start()
    await bench.load()
    codes = CODES[int(np.argmax(LENGTHS)), : max(LENGTHS)]
    await bench.send(codes)
    taken = 0
    while taken < 3:
        await RisingEdge(dut.aclk)
        taken += int(dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1)
    bench.source.pause = True
    await ClockCycles(dut.aclk, 2)
    taken = await bench.read("STEPS")
    assert 3 <= taken < len(codes) - 1
    assert await bench.write("CONTROL", 0b011) == axi.AxiResp.OKAY
    bench.source.pause = False
    expected = bench.expected(codes[taken:])
    if not DESIGN.layers[-1].at_end:  # a label alone can be the same
        assert expected != bench.expected(codes)[-len(expected) :]
    assert (await bench.receive())[-len(expected) :] == expected
    await bench.send(codes)
    assert await bench.receive() == bench.expected(codes)
