"""How an answer is put together, byte by byte, and into COBS code while it is written."""

from amaranth.hdl import Cat, Module, Mux, Value

from ...model.link import ANSWER, CRC_BYTES, INFO, REFUSAL, REPLAY_STATE, Op, Status
from ..component import Component
from .frame_receiver import BODY_AT
from .request_state import OP_AT, PAYLOAD_AT, Pass, RequestState


def connect(m: Module, ports: Component, state: RequestState) -> None:
    """What the ports carry, whether it is asked for or not."""
    m.d.comb += [
        ports.place.eq(state.at - PAYLOAD_AT),
        ports.answers.addr.eq(Cat(state.at, state.bank)),
        ports.answers.data.eq(state.byte),
    ]


def look_ahead(m: Module, ports: Component, state: RequestState) -> None:
    """Does a byte of the answer's header or payload come next, and is it a new word's first?"""
    with m.If(state.at < PAYLOAD_AT):
        m.d.comb += state.comes.eq(1)
    with m.Elif(state.op == Op.HELLO):
        m.d.comb += state.comes.eq(state.at != PAYLOAD_AT + INFO.size)
    with m.Elif(_has_index(state)):
        m.d.comb += state.comes.eq(state.at != PAYLOAD_AT + REFUSAL.size)
    with m.Elif(state.status == Status.OK), m.Switch(state.op):
        with m.Case(Op.READ, Op.READ_NEXT):
            m.d.comb += state.comes_word.eq(state.at[:2] == PAYLOAD_AT % 4)
            m.d.comb += state.comes.eq(~state.comes_word | (state.index != state.end))
        with m.Case(Op.STREAM):
            m.d.comb += state.comes.eq(ports.results.valid & (state.index != state.argument[:8]))
        with m.Case(Op.REPLAYED):
            m.d.comb += state.comes.eq(state.at != PAYLOAD_AT + REPLAY_STATE.size)
        with m.Case(Op.DIGEST):
            m.d.comb += state.comes.eq(state.at != PAYLOAD_AT + CRC_BYTES)
    with m.If(state.ending):
        m.d.comb += state.comes.eq(0)


def answer(m: Module, ports: Component, state: RequestState) -> None:
    """Begins an answer, goes on with a byte of it or its CRC, ends its code and sends it."""
    with m.State("begin answer"):
        m.d.comb += state.crc.start.eq(1)
        m.d.sync += [
            state.at.eq(BODY_AT),
            state.zero.eq(BODY_AT - 1),
            state.phase.eq(Pass.ANSWER),
            state.lane.eq(0),
        ]
        with m.If(state.status == Status.OK):
            m.d.sync += state.index.eq(0)
        m.next = "answer"
    with m.State("answer"):
        m.next = "load"
        with m.If(~state.comes):
            m.d.sync += [state.ending.eq(1), state.lane.eq(state.lane + 1)]
            with m.If(state.ending & (state.lane == 0)):
                m.next = "code"
        with m.Elif(state.comes_word):
            m.next = "bus"
    with m.State("code"):
        _end_block(m, ports, state)
        m.d.comb += ports.answers.en.eq(1)
        m.next = "zero"
    with m.State("zero"):
        m.d.comb += [ports.answers.data.eq(0), ports.answers.en.eq(1)]
        m.next = "send"
    with m.State("send"), m.If(~ports.busy):
        m.d.comb += [ports.send.eq(1), ports.release.eq(1)]
        m.d.sync += state.serving.eq(state.serving + 1)
        with m.If(~state.repeats):
            m.d.sync += state.expected.eq(state.expected + 1)
            with m.If(state.kept != state.config.window):
                m.d.sync += state.kept.eq(state.kept + 1)
        m.next = "idle"


def load(m: Module, ports: Component, state: RequestState) -> None:
    """The next byte. The session and the number of the request come by, and are the board's from now on."""
    data, byte = ports.requests.data, state.byte
    with m.If(state.ending):
        m.d.sync += byte.eq(state.crc.byte)
    with m.Elif(state.at < PAYLOAD_AT), m.Switch(state.at):
        with m.Case(BODY_AT):
            m.d.sync += state.session[:8].eq(data)
        with m.Case(BODY_AT + 1):
            m.d.sync += state.session[8:].eq(data)
        with m.Case(BODY_AT + 2):
            m.d.sync += state.expected[:8].eq(data)
        with m.Case(BODY_AT + 3):
            m.d.sync += state.expected[8:].eq(data)
        with m.Case(OP_AT):
            m.d.sync += byte.eq(data | ANSWER)
        with m.Case(OP_AT + 1):
            m.d.sync += byte.eq(state.status)
        with m.Case(OP_AT + 2):
            m.d.sync += byte.eq(0)
    with m.Elif(_has_index(state)):
        m.d.sync += byte.eq(Mux(state.at == PAYLOAD_AT, state.index[:8], state.index[8:]))
    with m.Else(), m.Switch(state.op):
        with m.Case(Op.HELLO):
            m.d.sync += byte.eq(ports.info.data)
        with m.Case(Op.READ, Op.READ_NEXT):
            state.push(m, byte)  # for the word's next byte to be its lowest
            m.d.sync += [byte.eq(state.word), state.lane.eq(0)]
        with m.Case(Op.STREAM):
            m.d.sync += [byte.eq(ports.results.payload), state.index.eq(state.index + 1)]
            m.d.comb += ports.results.ready.eq(1)
        with m.Case(Op.REPLAYED):
            m.d.sync += byte.eq(ports.state)
        with m.Case(Op.DIGEST):
            m.d.sync += byte.eq(state.digest.byte)


def write(m: Module, ports: Component, state: RequestState) -> None:
    """Writes the byte, or a zero's code, with its first bit; digests go on to their next byte."""
    payload = ~state.ending & (state.at >= PAYLOAD_AT)
    m.d.comb += [
        state.digest.advance.eq(payload & (state.op == Op.DIGEST) & (state.status == Status.OK)),
        ports.turn.eq(payload & (state.op == Op.REPLAYED) & (state.status == Status.OK) & (state.bit < 2)),
    ]
    with m.If(state.bit == 0):
        m.d.comb += ports.answers.en.eq(1)
        with m.If(state.byte == 0):
            _end_block(m, ports, state)
            m.d.sync += state.zero.eq(state.at)


def _end_block(m: Module, ports: Component, state: RequestState) -> None:
    """In place of the zero before, how far it is to here."""
    m.d.comb += [ports.answers.addr.eq(Cat(state.zero, state.bank)), ports.answers.data.eq(state.at - state.zero)]


def _has_index(state: RequestState) -> Value:
    """Does the answer say which word, level or byte was the first that was not done?"""
    return (state.status == Status.REFUSED) | (state.status == Status.STALLED)
