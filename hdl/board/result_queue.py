"""Bytes of results that wait to be fetched."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..component import Component
from .block_ram import BLOCK_RAM


class ResultQueue(Component):
    """A queue in one block RAM that can be emptied at once.

    ``amaranth.lib.fifo.SyncFIFOBuffered`` takes a byte out in each cycle and 104 cells of an iCE40, this one a byte
    every second cycle and half as many.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bytes` | in | stream of 8 bits | results |
    | `results` | out | stream of 8 bits | the oldest |
    | `flush` | in | 1 bit | drops all |
    """

    latency = 2

    def __init__(self, depth: int):
        self.depth = depth
        super().__init__({"bytes": In(stream.Signature(8)), "results": Out(stream.Signature(8)), "flush": In(1)})

    def model(self, content: bytes) -> tuple[bytes, bytes]:
        """What a queue that nobody reads takes of bytes, and what it leaves."""
        return content[: self.depth], content[self.depth :]

    def elaborate(self, platform):
        m = Module()
        bits = exact_log2(self.depth)
        written, read, shown = Signal(bits + 1), Signal(bits + 1), Signal()
        m.submodules.memory = bytes_ = memory.Memory(shape=8, depth=self.depth, init=[], attrs=BLOCK_RAM)
        put, get = bytes_.write_port(), bytes_.read_port()
        full = (written[:bits] == read[:bits]) & (written[bits] != read[bits])
        m.d.comb += [
            self.bytes.ready.eq(~full),
            put.addr.eq(written),
            put.data.eq(self.bytes.payload),
            put.en.eq(self.bytes.valid & self.bytes.ready),
            get.addr.eq(read),
            get.en.eq(~shown),
            self.results.payload.eq(get.data),
            self.results.valid.eq(shown),
        ]
        with m.If(put.en):
            m.d.sync += written.eq(written + 1)
        with m.If(shown & self.results.ready):
            m.d.sync += [read.eq(read + 1), shown.eq(0)]
        with m.Elif(written != read):
            m.d.sync += shown.eq(1)
        with m.If(self.flush):
            m.d.sync += [written.eq(0), read.eq(0), shown.eq(0)]
        return m
