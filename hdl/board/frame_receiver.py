"""The frames of a serial line, as far as their framing goes."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib.memory import WritePort
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2
from cobs import cobs

from ...model.link import BODY_BYTES, CRC_BYTES, HEADER
from ..component import Component

BODY_AT = 2  #: address of a body's first byte in its bank, of requests and of answers
BANK_BITS = 8  #: of an address within a bank


class FrameReceiver(Component):
    """Takes frames off the line: removes their COBS code and puts each into a bank of its own.

    A body begins at :data:`BODY_AT` of its bank; the address behind its end is at 0. Frames that are no COBS code,
    too short or too long leave no trace, and so do those that begin while no bank is free. Nobody looks at the CRC
    here.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `data` | in | 8 bits | the next byte of the line |
    | `valid` | in | 1 bit | there is one in this cycle |
    | `write` | out | write port of bytes | the banks |
    | `waiting` | out | 0..window | banks with a frame; they are filled in a circle |
    | `release` | in | 1 bit | the oldest frame's bank is free again |
    """

    latency = 1

    def __init__(self, window: int):
        self.window = window
        self.bank_bits = exact_log2(window)
        super().__init__(
            {
                "data": In(8),
                "valid": In(1),
                "write": Out(WritePort.Signature(addr_width=BANK_BITS + self.bank_bits, shape=unsigned(8)).flip()),
                "waiting": Out(range(window + 1)),
                "release": In(1),
            }
        )

    def model(self, line: bytes) -> list[bytes]:
        """Bodies of the whole frames on a line, when a bank is always free."""
        found = []
        for frame in line.split(b"\0")[:-1]:
            try:
                body = cobs.decode(frame)
            except cobs.DecodeError:
                continue
            if HEADER.size + CRC_BYTES <= len(body) <= BODY_BYTES:
                found.append(body)
        return found

    def elaborate(self, platform):
        m = Module()
        bank = Signal(self.bank_bits)
        at = Signal(BANK_BITS, init=BODY_AT - 1)  #: one byte, the first code, comes before the body
        left = Signal(8)  #: bytes until the next code
        dropped, coded, ends, keeps = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            coded.eq(left == 0),
            ends.eq(self.valid & (self.data == 0)),
            keeps.eq(ends & coded & ~dropped & (at >= BODY_AT + HEADER.size + CRC_BYTES)),
            self.write.en.eq(keeps | (self.valid & ~ends & ~dropped & (at != BODY_AT - 1))),
            self.write.addr.eq(Cat(Mux(ends, 0, at), bank)),
            self.write.data.eq(Mux(ends, at, Mux(coded, 0, self.data))),
        ]
        with m.If(ends):
            m.d.sync += [at.eq(BODY_AT - 1), left.eq(0), dropped.eq(0)]
        with m.Elif(self.valid):
            m.d.sync += [at.eq(at + 1), left.eq(Mux(coded, self.data, left) - 1)]
            full = (at == BODY_AT - 1) & (self.waiting == self.window)
            with m.If(full | (at == BODY_AT + BODY_BYTES)):
                m.d.sync += dropped.eq(1)
        m.d.sync += self.waiting.eq(self.waiting + keeps - self.release)
        with m.If(keeps):
            m.d.sync += bank.eq(bank + 1)
        return m
