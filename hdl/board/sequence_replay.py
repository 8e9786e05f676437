"""Sequences from a memory on the board: the network at its own speed, not at the line's."""

import zlib

from amaranth.hdl import Array, Const, Module, Mux, Signal, unsigned
from amaranth.lib import memory, stream
from amaranth.lib.memory import WritePort
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...model.design import Design
from ...model.link import REPLAY_STATE
from ..component import Component
from .block_ram import BLOCK_RAM
from .crc32 import Crc32

DIGEST_AT = 5  #: place of the digest's first byte in an answer to REPLAYED


class SequenceReplay(Component):
    """Feeds the bytes of its buffer to the network as often as asked, counts the results and takes their CRC-32.

    While no replay runs, both streams of bytes pass. A replay has ended when all bytes are taken and each sequence
    whose last step was taken has given its last result.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `fill` | in | write port of bytes | the buffer |
    | `size` | in | 16 bits | bytes of the buffer that a replay goes through, more than 0 |
    | `repetitions` | in | 32 bits | how often, more than 0 |
    | `start`, `stop` | in | 1 bit | begins, ends a replay |
    | `running` | out | 1 bit | one is under way |
    | `host` | in | stream of 8 bits | time steps of the host |
    | `steps` | out | stream of 8 bits | time steps for the network |
    | `step_waits` | in | 1 bit | a whole step is not taken yet |
    | `step_ended` | in | 1 bit | in this cycle a sequence's last step is taken |
    | `results` | in | stream of 8 bits | of the network |
    | `result_whole`, `result_ended` | in | 1 bit | their last byte is taken; and it is of a sequence's last step |
    | `kept` | out | stream of 8 bits | results for the host |
    | `place` | in | 4 bits | which byte of ``model.link.REPLAY_STATE`` is asked |
    | `state` | out | 8 bits | that byte; of the digest the next one |
    | `turn` | in | 1 bit | two cycles of it go from a byte of the digest to the next; not while a replay runs |
    """

    latency = 2

    def __init__(self, design: Design, buffer_bytes: int):
        self.buffer_bytes = buffer_bytes
        self.flight_bits = bits_for(4 * len(design.layers) + 2)  #: no layer holds more than 4 steps
        super().__init__(
            {
                "fill": In(WritePort.Signature(addr_width=bits_for(buffer_bytes - 1), shape=unsigned(8)).flip()),
                "size": In(16),
                "repetitions": In(32),
                "start": In(1),
                "stop": In(1),
                "running": Out(1),
                "host": In(stream.Signature(8)),
                "steps": Out(stream.Signature(8)),
                "step_waits": In(1),
                "step_ended": In(1),
                "results": In(stream.Signature(8)),
                "result_whole": In(1),
                "result_ended": In(1),
                "kept": Out(stream.Signature(8)),
                "place": In(4),
                "state": Out(8),
                "turn": In(1),
            }
        )

    def model(self, content: bytes, repetitions: int, results: bytes, result_bytes: int) -> tuple[bytes, int, int]:
        """Bytes fed; results counted and their CRC-32."""
        return content * repetitions, len(results) // result_bytes, zlib.crc32(results)

    def elaborate(self, platform):
        m = Module()
        self._feed(m)
        self._count(m)
        return m

    def _feed(self, m: Module) -> None:
        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=self.buffer_bytes, init=[], attrs=BLOCK_RAM)
        write, read = buffer.write_port(), buffer.read_port()
        at, left, shown = Signal(range(self.buffer_bytes + 1)), Signal(32), Signal()
        flight = Signal(self.flight_bits)  #: sequences whose last step is taken and whose last result is not
        following = at + 1
        m.d.comb += [
            write.en.eq(self.fill.en),
            write.addr.eq(self.fill.addr),
            write.data.eq(self.fill.data),
            read.addr.eq(at),
            read.en.eq(~shown),
            self.steps.payload.eq(Mux(self.running, read.data, self.host.payload)),
            self.steps.valid.eq(Mux(self.running, shown, self.host.valid)),
            self.host.ready.eq(self.steps.ready & ~self.running),
        ]
        with m.If(shown & self.steps.ready):
            m.d.sync += [shown.eq(0), at.eq(following)]
            with m.If(following == self.size):
                m.d.sync += [at.eq(0), left.eq(left - 1)]
        with m.Elif(self.running & (left != 0)):
            m.d.sync += shown.eq(1)
        with m.If(self.step_ended & ~self.result_ended):
            m.d.sync += flight.eq(flight + 1)
        with m.Elif(self.result_ended & ~self.step_ended & (flight != 0)):
            m.d.sync += flight.eq(flight - 1)
        with m.If((left == 0) & ~self.step_waits & (flight == 0)):
            m.d.sync += self.running.eq(0)
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), left.eq(self.repetitions), at.eq(0), shown.eq(0), flight.eq(0)]
        with m.If(self.stop):
            m.d.sync += [self.running.eq(0), shown.eq(0)]

    def _count(self, m: Module) -> None:
        m.submodules.digest = digest = Crc32(4)
        second, results, cycles = Signal(), Signal(32), Signal(32)  # a byte takes two cycles
        taken = self.results.valid & self.running
        turned = self.turn & (self.place >= DIGEST_AT) & (self.place < DIGEST_AT + 4)
        m.d.comb += [
            self.kept.payload.eq(self.results.payload),
            self.kept.valid.eq(self.results.valid & ~self.running),
            self.results.ready.eq(Mux(self.running, second, self.kept.ready)),
            digest.start.eq(self.start),
            digest.data.eq(self.results.payload.word_select(second, 4)),
            digest.rotate.eq(~self.running),
            digest.advance.eq(Mux(self.running, taken, turned)),
        ]
        m.d.sync += second.eq(taken & ~second)
        with m.If(self.start):
            m.d.sync += [results.eq(0), cycles.eq(0)]
        with m.Elif(self.running):
            m.d.sync += [results.eq(results + self.result_whole), cycles.eq(cycles + 1)]
        result_bytes = [results.word_select(k, 8) for k in range(4)]
        cycle_bytes = [cycles.word_select(k, 8) for k in range(4)]
        places = [self.running, *result_bytes, *[digest.byte] * 4, *cycle_bytes]
        assert len(places) == REPLAY_STATE.size
        unused = [Const(0, 8)] * (2 ** len(self.place) - len(places))
        m.d.comb += self.state.eq(Array([*places, *unused])[self.place])
