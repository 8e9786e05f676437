"""What a board does with a request, from its check to its answer."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream
from amaranth.lib.memory import ReadPort, WritePort
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ...model.design import Design
from ...model.link import CRC_BYTES, HEADER, INFO, Op, Status
from ..component import Component
from ..wishbone import WishboneSignature
from . import request_answer, request_payload
from .config import BoardConfig
from .frame_receiver import BANK_BITS, BODY_AT
from .link_twin import Access, LinkTwin, Take
from .request_rules import NO_PAYLOAD, known, serves, suits
from .request_state import OP_AT, PAYLOAD_AT, Pass, RequestState

BYTE_CYCLES = 11  #: that a byte takes in each pass
INFO_BITS = bits_for(PAYLOAD_AT + INFO.size - 1)  #: of an address of the memory with ``Info``, from PAYLOAD_AT on


class RequestExecutor(Component):
    """Takes request after request from its bank, checks, executes and answers it.

    A request is gone through byte by byte, up to three times, and its answer once (:class:`~.request_state.Pass`).
    The bits of a byte go through a CRC one by one. What is done with a payload is in ``request_payload.py``, how an
    answer is put into COBS code in ``request_answer.py``. The line takes longer for a byte than all of this together.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `requests` | out | read port of bytes | banks of requests (:class:`~.frame_receiver.FrameReceiver`) |
    | `waiting` | in | 0..window | how many of them wait |
    | `release` | out | 1 bit | the oldest is done with |
    | `answers` | out | write port of bytes | banks of answers: a frame from address 1 to its zero |
    | `send` | out | 1 bit | the answer in `bank` is to be sent |
    | `bank` | out | 0..window-1 | which |
    | `failed` | out | 1 bit | with `send`: the request ended with another status than OK |
    | `busy`, `sending` | in | 1 bit, 0..window-1 | a bank is being sent, and which |
    | `info` | out | read port of bytes | the memory with ``model.link.Info`` |
    | `bus` | out | :class:`~.wishbone.WishboneSignature` | registers |
    | `steps` | out | stream of 8 bits | bytes of time steps |
    | `results` | in | stream of 8 bits | bytes of results |
    | `flush` | out | 1 bit | drops both |
    | `fill` | out | write port of bytes | the sequence buffer |
    | `size`, `repetitions` | out | 16 bits, 32 bits | a replay's |
    | `start`, `stop` | out | 1 bit | begins, ends a replay |
    | `running` | in | 1 bit | a replay is under way |
    | `place`, `turn` | out | 4 bits, 1 bit | ask a replay for its state (:class:`~.sequence_replay.SequenceReplay`) |
    | `state` | in | 8 bits | a byte of it |
    """

    latency = 4 + BYTE_CYCLES * (HEADER.size + CRC_BYTES)  #: to the decision on a request without payload

    def __init__(self, design: Design, config: BoardConfig):
        self.design, self.config = design, config
        self.bank_bits = exact_log2(config.window)
        bank_address = BANK_BITS + self.bank_bits
        super().__init__(
            {
                "requests": Out(ReadPort.Signature(addr_width=bank_address, shape=unsigned(8)).flip()),
                "waiting": In(range(config.window + 1)),
                "release": Out(1),
                "answers": Out(WritePort.Signature(addr_width=bank_address, shape=unsigned(8)).flip()),
                "send": Out(1),
                "bank": Out(self.bank_bits),
                "failed": Out(1),
                "busy": In(1),
                "sending": In(self.bank_bits),
                "info": Out(ReadPort.Signature(addr_width=INFO_BITS, shape=unsigned(8)).flip()),
                "bus": Out(WishboneSignature(14)),
                "steps": Out(stream.Signature(8)),
                "results": In(stream.Signature(8)),
                "flush": Out(1),
                "fill": Out(
                    WritePort.Signature(addr_width=bits_for(config.buffer_bytes - 1), shape=unsigned(8)).flip()
                ),
                "size": Out(16),
                "repetitions": Out(32),
                "start": Out(1),
                "stop": Out(1),
                "running": In(1),
                "place": Out(4),
                "turn": Out(1),
                "state": In(8),
            }
        )

    def model(self, access: Access, take: Take) -> LinkTwin:
        """The same requests and answers, as frames on a line."""
        return LinkTwin(self.design, self.config, access, take)

    def elaborate(self, platform):
        m = Module()
        state = RequestState(self.config)
        m.submodules.crc, m.submodules.digest = state.crc, state.digest
        self._connect(m, state)
        request_payload.connect(m, self, state)
        request_answer.connect(m, self, state)
        self._crcs(m, state)
        request_answer.look_ahead(m, self, state)
        with m.FSM():
            self._begin(m, state)
            self._bytes(m, state)
            self._decide(m, state)
            request_payload.act(m, self, state)
            request_answer.answer(m, self, state)
        return m

    def _connect(self, m: Module, state: RequestState) -> None:
        m.d.comb += [
            self.requests.addr.eq(Cat(state.at, state.serving)),
            self.requests.en.eq(1),
            self.info.addr.eq(state.at),
            self.info.en.eq(1),
            self.bank.eq(state.bank),
            self.failed.eq(self.send & (state.status != Status.OK)),
        ]

    def _crcs(self, m: Module, state: RequestState) -> None:
        """Bits go in, and in an answer bytes come out."""
        m.d.comb += [
            state.crc.rotate.eq(state.ending),
            state.crc.data.eq(state.byte[0]),
            state.digest.rotate.eq(state.answering),
            state.digest.data.eq(state.byte[0]),
        ]

    def _begin(self, m: Module, state: RequestState) -> None:
        """Waits for a request, then for the byte at 0 of its bank: where it ends."""
        with m.State("idle"):
            m.d.comb += state.crc.start.eq(1)
            m.d.sync += [state.at.eq(0), state.ending.eq(0)]
            with m.If(self.waiting != 0):
                m.next = "length"
        with m.State("length"):
            m.next = "first"
        with m.State("first"):
            m.d.sync += [state.end.eq(self.requests.data), state.at.eq(BODY_AT), state.phase.eq(Pass.CHECK)]
            m.next = "fetch"

    def _bytes(self, m: Module, state: RequestState) -> None:
        """A byte from the request's bank or of the answer, its bits, and on to the next."""
        with m.State("fetch"):
            m.next = "load"
        with m.State("load"):
            m.d.sync += [state.byte.eq(self.requests.data), state.timer.eq(0)]
            with m.If(state.phase == Pass.EXECUTE):
                m.next = "act"
            with m.Else():
                m.next = "bits"
            with m.If(state.phase == Pass.CHECK):
                self._header(m, state)
            with m.If(state.answering):
                request_answer.load(m, self, state)
        with m.State("bits"):
            state.next_bit(m)
            m.d.comb += [
                state.crc.advance.eq(state.phase != Pass.DIGEST),
                state.digest.advance.eq(state.phase == Pass.DIGEST),
            ]
            with m.If(state.answering):
                request_answer.write(m, self, state)
            with m.If(state.bit == 7):
                m.next = "next"
        with m.State("next"):
            following = Signal(BANK_BITS)
            m.d.comb += following.eq(state.at + 1)
            m.d.sync += state.at.eq(following)
            m.next = "fetch"
            with m.If(state.answering):
                m.next = "answer"
            with m.Elif((state.phase == Pass.CHECK) & (following == state.end)):
                m.next = "decide"
            with m.Elif((state.phase != Pass.CHECK) & (following == (state.end - CRC_BYTES)[:BANK_BITS])):
                m.next = "begin answer"
                with m.If(state.phase == Pass.EXECUTE):
                    request_payload.finish(m, self, state)

    def _header(self, m: Module, state: RequestState) -> None:
        """Whose request it is, and how far behind the expected one."""
        data = self.requests.data
        with m.Switch(state.at):
            with m.Case(BODY_AT):
                m.d.sync += state.foreign.eq(data != state.session[:8])
            with m.Case(BODY_AT + 1):
                m.d.sync += state.foreign.eq(state.foreign | (data != state.session[8:]))
            with m.Case(BODY_AT + 2):
                m.d.sync += [
                    state.bank.eq(data),
                    state.behind.eq(state.expected[:8] - data),
                    state.borrow.eq(state.expected[:8] < data),
                ]
            with m.Case(BODY_AT + 3):
                m.d.sync += state.far.eq((data + state.borrow)[:8] != state.expected[8:])
            with m.Case(OP_AT):
                m.d.sync += state.op.eq(data)
            with m.Case(OP_AT + 1):
                m.d.sync += state.argument[:8].eq(data)
            with m.Case(OP_AT + 2):
                m.d.sync += state.argument[8:].eq(data)

    def _decide(self, m: Module, state: RequestState) -> None:
        """Executes, sends the kept answer, or drops in silence."""
        hello = state.op == Op.HELLO
        with m.State("decide"):
            m.d.sync += [state.at.eq(PAYLOAD_AT), state.phase.eq(Pass.EXECUTE), state.repeats.eq(0)]
            m.d.sync += [state.index.eq(0), state.lane.eq(0), state.more.eq(0)]
            near = ~state.foreign & ~state.far & (state.kept != 0)
            with m.If(state.crc.match & (hello | (near & (state.behind == 0)))):
                m.next = "execute"
            with m.Elif(state.crc.match & near & (state.behind <= state.kept)):
                m.d.sync += state.repeats.eq(1)
                m.next = "send"
            with m.Else():
                m.d.comb += self.release.eq(1)
                m.d.sync += state.serving.eq(state.serving + 1)
                m.next = "idle"
        with m.State("execute"), m.If(~self.busy | (self.sending != state.bank)):
            m.next = "begin answer"
            with m.If(~known(state.op)):
                m.d.sync += state.status.eq(Status.UNKNOWN)
            with m.Elif(self.running & ~serves(state.op)):
                m.d.sync += state.status.eq(Status.BUSY)
            with m.Elif(~suits(state.op, state.argument, state.end)):
                m.d.sync += state.status.eq(Status.MALFORMED)
            with m.Else():
                m.d.sync += state.status.eq(Status.OK)
                m.d.comb += self.flush.eq(state.op == Op.FLUSH)
                with m.If(state.end != NO_PAYLOAD):
                    m.next = "fetch"
            with m.If(hello):
                m.d.comb += [self.flush.eq(1), self.stop.eq(1), state.digest.start.eq(1)]
                m.d.sync += state.kept.eq(0)
