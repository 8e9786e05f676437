"""What is done with a request's payload: words and levels to the bus, time steps, the sequence buffer, replays."""

from amaranth.hdl import Cat, Const, Module, Mux

from ...model.link import PAYLOAD_BYTES, Op, Status
from ...model.registers import BY_NAME
from ..component import Component
from .request_state import OP_AT, PAYLOAD_AT, WRITES, Pass, RequestState

ASCENDING = (Op.READ_NEXT, Op.WRITE_NEXT)


def connect(m: Module, ports: Component, state: RequestState) -> None:
    """What the ports carry, whether it is asked for or not."""
    m.d.comb += [
        ports.bus.adr.eq(Mux(state.op == Op.LEVELS, BY_NAME["LEVEL"].address // 4, state.argument[2:])),
        ports.bus.dat_w.eq(state.word),
        ports.bus.sel.eq(0xF),
        ports.bus.we.eq(~state.answering),
        ports.bus.stb.eq(ports.bus.cyc),
        ports.steps.payload.eq(state.byte),
        ports.fill.addr.eq(state.argument),
        ports.fill.data.eq(state.byte),
        ports.repetitions.eq(state.word),
        ports.size.eq(state.size),
    ]


def act(m: Module, ports: Component, state: RequestState) -> None:
    """What the op does with a byte."""
    with m.State("act"):
        m.next = "next"
        with m.Switch(state.op):
            with m.Case(*WRITES):
                _gather(m, state)
            with m.Case(Op.READ, Op.READ_NEXT):
                m.d.sync += state.end.eq(state.byte)
                m.next = "begin answer"
                with m.If((state.byte == 0) | (state.byte > PAYLOAD_BYTES // 4)):
                    m.d.sync += state.status.eq(Status.MALFORMED)
            with m.Case(Op.STREAM):
                _stream(m, ports, state)
            with m.Case(Op.FILL):
                _fill(m, ports, state)
            with m.Case(Op.REPLAY):
                _replay(m, state)
    _access(m, ports, state)
    with m.State("level"):  # to the next level of the byte
        state.next_bit(m)
        with m.If(state.bit == 7):
            m.next = "next"
        with m.Elif(((state.bit + 1) & (state.argument[:4] - 1))[:3] == 0):
            m.next = "act"


def _gather(m: Module, state: RequestState) -> None:
    """Four bytes for a word; of levels the one that is lowest in the byte, and three zeros."""
    bits = state.argument[:4]
    level = Cat(Const(1, 1), bits[1:].any(), *[bits[2:].any()] * 2, *[bits[3]] * 4)  # as many ones as it has bits
    mask = Mux(state.op == Op.LEVELS, Mux(state.lane == 0, level, 0), 0xFF)
    state.push(m, state.byte & mask)
    with m.If(state.lane == 3):
        m.next = "bus"
    with m.Elif(state.op == Op.LEVELS):
        m.next = "act"


def _stream(m: Module, ports: Component, state: RequestState) -> None:
    """Offers the byte until it is taken, or for too long."""
    m.d.comb += ports.steps.valid.eq(1)
    m.d.sync += state.timer.eq(state.timer + 1)
    with m.If(ports.steps.ready):
        m.d.sync += state.index.eq(state.index + 1)
    with m.Elif(state.timer.all()):
        m.d.sync += state.status.eq(Status.STALLED)
        m.next = "begin answer"
    with m.Else():
        m.next = "act"


def _fill(m: Module, ports: Component, state: RequestState) -> None:
    """Writes the byte, unless it is beyond the buffer."""
    m.d.comb += ports.fill.en.eq(1)
    m.d.sync += [state.argument.eq(state.argument + 1), state.index.eq(state.index + 1)]
    with m.If(state.argument >= state.config.buffer_bytes):
        m.d.comb += ports.fill.en.eq(0)
        m.d.sync += [state.status.eq(Status.REFUSED), state.index.eq(state.index)]
        m.next = "begin answer"


def _replay(m: Module, state: RequestState) -> None:
    """Bytes of the buffer, then repetitions, which stay in the word; neither may be 0."""
    state.push(m, state.byte)
    m.d.sync += state.more.eq(state.more | (state.byte != 0))
    with m.If(state.at == PAYLOAD_AT + 1):
        m.d.sync += [state.size.eq(Cat(state.word[24:], state.byte)), state.more.eq(0)]
        with m.If(~state.more & (state.byte == 0)):
            m.d.sync += state.status.eq(Status.MALFORMED)


def _access(m: Module, ports: Component, state: RequestState) -> None:
    """A word to the bus, or one from it for the answer."""
    with m.State("bus"):
        m.d.comb += ports.bus.cyc.eq(1)
        with m.If(ports.bus.ack | ports.bus.err):
            m.d.sync += state.index.eq(state.index + 1)
            with m.If(state.op.matches(*ASCENDING)):
                m.d.sync += state.argument.eq(state.argument + 4)
            with m.If(state.answering):
                m.d.sync += state.word.eq(ports.bus.dat_r)
                m.next = "load"
            with m.Elif(state.op == Op.LEVELS):
                m.next = "level"
            with m.Else():
                m.next = "next"
        with m.If(ports.bus.err):
            m.d.sync += [state.status.eq(Status.REFUSED), state.index.eq(state.index)]
            m.next = "begin answer"


def finish(m: Module, ports: Component, state: RequestState) -> None:
    """Behind the last byte: what was written goes through the digest, a replay begins."""
    with m.If(state.op.matches(*WRITES)):
        m.d.sync += [state.at.eq(OP_AT), state.phase.eq(Pass.DIGEST)]
        m.next = "fetch"
    with m.Elif(state.op == Op.REPLAY):
        with m.If((state.status == Status.OK) & state.more & (state.size <= state.config.buffer_bytes)):
            m.d.comb += [ports.start.eq(1), ports.flush.eq(1)]
        with m.Else():
            m.d.sync += state.status.eq(Status.MALFORMED)
