"""The answers of a board, onto the line."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream
from amaranth.lib.memory import ReadPort
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..component import Component
from .frame_receiver import BANK_BITS


class FrameSender(Component):
    """Sends a bank from its zero at address 0 to the next zero: a frame in COBS code has none within.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `send` | in | 1 bit | sends `bank`; only while not `busy` |
    | `bank` | in | 0..window-1 | which |
    | `busy` | out | 1 bit | a frame is being sent |
    | `sending` | out | 0..window-1 | which, while `busy` |
    | `read` | out | read port of bytes | the banks |
    | `bytes` | out | stream of 8 bits | the line |
    """

    latency = 2

    def __init__(self, window: int):
        self.bank_bits = exact_log2(window)
        super().__init__(
            {
                "send": In(1),
                "bank": In(self.bank_bits),
                "busy": Out(1),
                "sending": Out(self.bank_bits),
                "read": Out(ReadPort.Signature(addr_width=BANK_BITS + self.bank_bits, shape=unsigned(8)).flip()),
                "bytes": Out(stream.Signature(8)),
            }
        )

    def model(self, bank: bytes) -> bytes:
        """What is sent of a bank."""
        return bank[: bank.index(0, 1) + 1]

    def elaborate(self, platform):
        m = Module()
        at = Signal(BANK_BITS)
        m.d.comb += [self.read.addr.eq(Cat(at, self.sending)), self.bytes.payload.eq(self.read.data)]
        m.d.comb += [self.read.en.eq(1), self.busy.eq(1)]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                m.d.sync += at.eq(0)
                with m.If(self.send):
                    m.d.sync += self.sending.eq(self.bank)
                    m.next = "read"
            with m.State("read"):
                m.next = "byte"
            with m.State("byte"):
                m.d.comb += self.bytes.valid.eq(1)
                with m.If(self.bytes.ready):
                    m.d.sync += at.eq(at + 1)
                    m.next = "read"
                    with m.If((self.read.data == 0) & (at != 0)):
                        m.next = "idle"
        return m
