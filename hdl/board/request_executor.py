"""What a board does with a request, from its check to its answer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import enum, stream
from amaranth.lib.memory import ReadPort, WritePort
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ...model.design import Design
from ...model.link import ANSWER, CRC_BYTES, HEADER, INFO, PAYLOAD_BYTES, REFUSAL, REPLAY_STATE, Op, Status
from ...model.registers import BY_NAME
from ..component import Component
from ..wishbone import WishboneSignature
from .config import BoardConfig
from .crc32 import Crc32
from .frame_receiver import BANK_BITS, BODY_AT
from .link_twin import Access, LinkTwin, Take
from .request_rules import suits

STALL_BITS = 16  #: 2 to the power of this is how many cycles a time step may wait
BYTE_CYCLES = 11  #: that a byte takes in each pass
PAYLOAD_AT = BODY_AT + HEADER.size  #: address of a payload's first byte in its bank
OP_AT = BODY_AT + 4  #: address of the op
INFO_BITS = bits_for(
    PAYLOAD_AT + INFO.size - 1
)  #: of an address of the memory with ``Info``, which begins at PAYLOAD_AT
MULTIPLES = (Op.WRITE, Op.WRITE_NEXT, Op.LEVELS)
NEXT = (Op.READ_NEXT, Op.WRITE_NEXT)


class Pass(enum.Enum, shape=2):
    """What the bytes of a frame are gone through for, one after the other."""

    CHECK = 0  #: CRC of the request, its header
    EXECUTE = 1  #: its payload
    DIGEST = 2  #: what it wrote, once more
    ANSWER = 3


class RequestExecutor(Component):
    """Takes request after request from its bank, checks, executes and answers it.

    A frame is gone through byte by byte, up to three times (:class:`Pass`); a byte's bits go through a CRC one by
    one. An answer is put into COBS code while it is written: a zero is not written, but how far it is from the zero
    before it, in that one's place. The line takes longer for a byte than all of this together.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `requests` | out | read port of bytes | banks of requests (:class:`~.frame_receiver.FrameReceiver`) |
    | `waiting` | in | 0..window | how many of them wait |
    | `release` | out | 1 bit | the oldest is done with |
    | `answers` | out | write port of bytes | banks of answers: a frame from address 1 to its zero |
    | `send` | out | 1 bit | the answer in `bank` is to be sent |
    | `bank` | out | 0..window-1 | which |
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
        s = _State(self.config.window)
        m.submodules.crc, m.submodules.digest = s.crc, s.digest
        self._wires(m, s)
        self._what_comes(m, s)
        with m.FSM():
            self._begin(m, s)
            self._bytes(m, s)
            self._decide(m, s)
            self._act(m, s)
            self._answer(m, s)
        return m

    def _wires(self, m: Module, s: "_State") -> None:
        answering = s.phase == Pass.ANSWER
        m.d.comb += [
            self.requests.addr.eq(Cat(s.at, s.serving)),
            self.requests.en.eq(1),
            self.info.addr.eq(s.at),
            self.info.en.eq(1),
            self.bank.eq(s.bank),
            self.bus.adr.eq(Mux(s.op == Op.LEVELS, BY_NAME["LEVEL"].address // 4, s.argument[2:])),
            self.bus.dat_w.eq(s.word),
            self.bus.sel.eq(0xF),
            self.bus.we.eq(~answering),
            self.bus.stb.eq(self.bus.cyc),
            self.steps.payload.eq(s.byte),
            self.fill.addr.eq(s.argument),
            self.fill.data.eq(s.byte),
            self.repetitions.eq(s.word),
            self.size.eq(s.size),
            self.place.eq(s.at - PAYLOAD_AT),
            self.answers.addr.eq(Cat(s.at, s.bank)),
            self.answers.data.eq(s.byte),
            s.crc.rotate.eq(s.ending),
            s.crc.data.eq(s.byte[0]),
            s.digest.rotate.eq(answering),
            s.digest.data.eq(s.byte[0]),
        ]

    def _what_comes(self, m: Module, s: "_State") -> None:
        """Does a byte of the answer's header or payload come next, and is it a new word's first?"""
        refused = (s.status == Status.REFUSED) | (s.status == Status.STALLED)
        with m.If(s.at < PAYLOAD_AT):
            m.d.comb += s.comes.eq(1)
        with m.Elif(s.op == Op.HELLO):
            m.d.comb += s.comes.eq(s.at != PAYLOAD_AT + INFO.size)
        with m.Elif(refused):
            m.d.comb += s.comes.eq(s.at != PAYLOAD_AT + REFUSAL.size)
        with m.Elif(s.status == Status.OK), m.Switch(s.op):
            with m.Case(Op.READ, Op.READ_NEXT):
                m.d.comb += s.comes_word.eq(s.at[:2] == PAYLOAD_AT % 4)
                m.d.comb += s.comes.eq(~s.comes_word | (s.index != s.end))
            with m.Case(Op.STREAM):
                m.d.comb += s.comes.eq(self.results.valid & (s.index != s.argument[:8]))
            with m.Case(Op.REPLAYED):
                m.d.comb += s.comes.eq(s.at != PAYLOAD_AT + REPLAY_STATE.size)
            with m.Case(Op.DIGEST):
                m.d.comb += s.comes.eq(s.at != PAYLOAD_AT + CRC_BYTES)
        with m.If(s.ending):
            m.d.comb += s.comes.eq(0)

    def _begin(self, m: Module, s: "_State") -> None:
        """Waits for a request; ``at`` is 0."""
        with m.State("idle"):
            m.d.comb += s.crc.start.eq(1)
            m.d.sync += [s.at.eq(0), s.ending.eq(0)]
            with m.If(self.waiting != 0):
                m.next = "length"
        with m.State("length"):
            m.next = "first"
        with m.State("first"):
            m.d.sync += [s.end.eq(self.requests.data), s.at.eq(BODY_AT), s.phase.eq(Pass.CHECK)]
            m.next = "fetch"

    def _bytes(self, m: Module, s: "_State") -> None:
        """A byte from the request's bank, its bits, and on to the next."""
        with m.State("fetch"):
            m.next = "load"
        with m.State("load"):
            m.d.sync += [s.byte.eq(self.requests.data), s.timer.eq(0)]
            with m.If(s.phase == Pass.EXECUTE):
                m.next = "act"
            with m.Else():
                m.next = "bits"
            with m.If(s.phase == Pass.CHECK):
                self._header(m, s)
            with m.If(s.phase == Pass.ANSWER):
                self._load_answer(m, s)
        with m.State("bits"):
            m.d.sync += [s.byte.eq(Cat(s.byte[1:], s.byte[0])), s.bit.eq(s.bit + 1)]
            m.d.comb += [s.crc.advance.eq(s.phase != Pass.DIGEST), s.digest.advance.eq(s.phase == Pass.DIGEST)]
            with m.If(s.phase == Pass.ANSWER):
                self._write_answer(m, s)
            with m.If(s.bit == 7):
                m.next = "next"
        with m.State("next"):
            following = Signal(BANK_BITS)
            m.d.comb += following.eq(s.at + 1)
            m.d.sync += s.at.eq(following)
            m.next = "fetch"
            with m.If(s.phase == Pass.ANSWER):
                m.next = "answer"
            with m.Elif((s.phase == Pass.CHECK) & (following == s.end)):
                m.next = "decide"
            with m.Elif((s.phase != Pass.CHECK) & (following == (s.end - CRC_BYTES)[:BANK_BITS])):
                m.next = "begin answer"
                with m.If(s.phase == Pass.EXECUTE):
                    self._executed(m, s)

    def _header(self, m: Module, s: "_State") -> None:
        """Whose request it is, and how far behind the expected one."""
        data = self.requests.data
        with m.Switch(s.at):
            with m.Case(BODY_AT):
                m.d.sync += s.foreign.eq(data != s.session[:8])
            with m.Case(BODY_AT + 1):
                m.d.sync += s.foreign.eq(s.foreign | (data != s.session[8:]))
            with m.Case(BODY_AT + 2):
                m.d.sync += [s.bank.eq(data), s.behind.eq(s.expected[:8] - data), s.borrow.eq(s.expected[:8] < data)]
            with m.Case(BODY_AT + 3):
                m.d.sync += s.far.eq((data + s.borrow)[:8] != s.expected[8:])
            with m.Case(OP_AT):
                m.d.sync += s.op.eq(data)
            with m.Case(OP_AT + 1):
                m.d.sync += s.argument[:8].eq(data)
            with m.Case(OP_AT + 2):
                m.d.sync += s.argument[8:].eq(data)

    def _decide(self, m: Module, s: "_State") -> None:
        """Executes, sends the kept answer, or drops in silence."""
        hello = s.op == Op.HELLO
        with m.State("decide"):
            m.d.sync += [s.at.eq(PAYLOAD_AT), s.phase.eq(Pass.EXECUTE), s.repeats.eq(0)]
            m.d.sync += [s.index.eq(0), s.lane.eq(0), s.more.eq(0)]
            near = ~s.foreign & ~s.far & (s.kept != 0)
            with m.If(s.crc.match & (hello | (near & (s.behind == 0)))):
                m.next = "execute"
            with m.Elif(s.crc.match & near & (s.behind <= s.kept)):
                m.d.sync += s.repeats.eq(1)
                m.next = "send"
            with m.Else():
                m.d.comb += self.release.eq(1)
                m.d.sync += s.serving.eq(s.serving + 1)
                m.next = "idle"
        with m.State("execute"), m.If(~self.busy | (self.sending != s.bank)):
            known = (s.op != 0) & (s.op <= max(Op))
            served = [Op.HELLO, Op.READ, Op.READ_NEXT, Op.REPLAYED, Op.DIGEST]
            m.next = "begin answer"
            with m.If(~known):
                m.d.sync += s.status.eq(Status.UNKNOWN)
            with m.Elif(self.running & ~s.op.matches(*served)):
                m.d.sync += s.status.eq(Status.BUSY)
            with m.Elif(~suits(s.op, s.argument, s.end)):
                m.d.sync += s.status.eq(Status.MALFORMED)
            with m.Else():
                m.d.sync += s.status.eq(Status.OK)
                m.d.comb += self.flush.eq(s.op == Op.FLUSH)
                with m.If(s.end != PAYLOAD_AT + CRC_BYTES):
                    m.next = "fetch"
            with m.If(hello):
                m.d.comb += [self.flush.eq(1), self.stop.eq(1), s.digest.start.eq(1)]
                m.d.sync += s.kept.eq(0)

    def _act(self, m: Module, s: "_State") -> None:
        """What is done with a byte of a payload."""
        bits = s.argument[:4]
        level = Cat(Const(1, 1), bits[1:].any(), bits[2:].any(), bits[2:].any(), *[bits[3]] * 4)
        mask = Mux(s.op == Op.LEVELS, Mux(s.lane == 0, level, 0), 0xFF)
        with m.State("act"):
            m.next = "next"
            with m.Switch(s.op):
                with m.Case(*MULTIPLES):
                    self._push(m, s, s.byte & mask)
                    with m.If(s.lane == 3):
                        m.next = "bus"
                    with m.Elif(s.op == Op.LEVELS):
                        m.next = "act"
                with m.Case(Op.READ, Op.READ_NEXT):
                    m.d.sync += s.end.eq(s.byte)
                    m.next = "begin answer"
                    with m.If((s.byte == 0) | (s.byte > PAYLOAD_BYTES // 4)):
                        m.d.sync += s.status.eq(Status.MALFORMED)
                with m.Case(Op.STREAM):
                    m.d.comb += self.steps.valid.eq(1)
                    m.d.sync += s.timer.eq(s.timer + 1)
                    with m.If(self.steps.ready):
                        m.d.sync += s.index.eq(s.index + 1)
                    with m.Elif(s.timer.all()):
                        m.d.sync += s.status.eq(Status.STALLED)
                        m.next = "begin answer"
                    with m.Else():
                        m.next = "act"
                with m.Case(Op.FILL):
                    m.d.sync += [s.argument.eq(s.argument + 1), s.index.eq(s.index + 1)]
                    m.d.comb += self.fill.en.eq(1)
                    with m.If(s.argument >= self.config.buffer_bytes):
                        m.d.comb += self.fill.en.eq(0)
                        m.d.sync += [s.status.eq(Status.REFUSED), s.index.eq(s.index)]
                        m.next = "begin answer"
                with m.Case(Op.REPLAY):
                    self._push(m, s, s.byte)
                    m.d.sync += s.more.eq(s.more | (s.byte != 0))
                    with m.If(s.at == PAYLOAD_AT + 1):
                        m.d.sync += [s.size.eq(Cat(s.word[24:], s.byte)), s.more.eq(0)]
                        with m.If(~s.more & (s.byte == 0)):
                            m.d.sync += s.status.eq(Status.MALFORMED)
        with m.State("bus"):
            m.d.comb += self.bus.cyc.eq(1)
            with m.If(self.bus.ack | self.bus.err):
                m.d.sync += s.index.eq(s.index + 1)
                with m.If(s.op.matches(*NEXT)):
                    m.d.sync += s.argument.eq(s.argument + 4)
                with m.If(s.phase == Pass.ANSWER):
                    m.d.sync += s.word.eq(self.bus.dat_r)
                    m.next = "load"
                with m.Elif(s.op == Op.LEVELS):
                    m.next = "level"
                with m.Else():
                    m.next = "next"
            with m.If(self.bus.err):
                m.d.sync += [s.status.eq(Status.REFUSED), s.index.eq(s.index)]
                m.next = "begin answer"
        with m.State("level"):  # to the next level of the byte
            m.d.sync += [s.byte.eq(Cat(s.byte[1:], s.byte[0])), s.bit.eq(s.bit + 1)]
            with m.If(s.bit == 7):
                m.next = "next"
            with m.Elif(((s.bit + 1) & (bits - 1))[:3] == 0):
                m.next = "act"

    def _executed(self, m: Module, s: "_State") -> None:
        """All of the payload is done."""
        with m.If(s.op.matches(*MULTIPLES)):
            m.d.sync += [s.at.eq(OP_AT), s.phase.eq(Pass.DIGEST)]
            m.next = "fetch"
        with m.Elif(s.op == Op.REPLAY):
            with m.If((s.status == Status.OK) & s.more & (s.size <= self.config.buffer_bytes)):
                m.d.comb += [self.start.eq(1), self.flush.eq(1)]
            with m.Else():
                m.d.sync += s.status.eq(Status.MALFORMED)

    def _push(self, m: Module, s: "_State", byte: Value) -> None:
        m.d.sync += [s.word.eq(Cat(s.word[8:], byte)), s.lane.eq(s.lane + 1)]

    def _answer(self, m: Module, s: "_State") -> None:
        """Which byte of the answer comes next, and its end."""
        with m.State("begin answer"):
            m.d.comb += s.crc.start.eq(1)
            m.d.sync += [s.at.eq(BODY_AT), s.zero.eq(BODY_AT - 1), s.phase.eq(Pass.ANSWER), s.lane.eq(0)]
            with m.If(s.status == Status.OK):
                m.d.sync += s.index.eq(0)
            m.next = "answer"
        with m.State("answer"):
            m.next = "load"
            with m.If(~s.comes):
                m.d.sync += [s.ending.eq(1), s.lane.eq(s.lane + 1)]
                with m.If(s.ending & (s.lane == 0)):
                    m.next = "code"
            with m.Elif(s.comes_word):
                m.next = "bus"
        with m.State("code"):
            m.d.comb += [
                self.answers.addr.eq(Cat(s.zero, s.bank)),
                self.answers.data.eq(s.at - s.zero),
                self.answers.en.eq(1),
            ]
            m.next = "zero"
        with m.State("zero"):
            m.d.comb += [self.answers.data.eq(0), self.answers.en.eq(1)]
            m.next = "send"
        with m.State("send"), m.If(~self.busy):
            m.d.comb += [self.send.eq(1), self.release.eq(1)]
            m.d.sync += s.serving.eq(s.serving + 1)
            with m.If(~s.repeats):
                m.d.sync += s.expected.eq(s.expected + 1)
                with m.If(s.kept != self.config.window):
                    m.d.sync += s.kept.eq(s.kept + 1)
            m.next = "idle"

    def _load_answer(self, m: Module, s: "_State") -> None:
        """The next byte of the answer."""
        data, byte = self.requests.data, s.byte
        with m.If(s.ending):
            m.d.sync += byte.eq(s.crc.byte)
        with m.Elif(s.at < PAYLOAD_AT), m.Switch(s.at):
            with m.Case(BODY_AT):
                m.d.sync += s.session[:8].eq(data)
            with m.Case(BODY_AT + 1):
                m.d.sync += s.session[8:].eq(data)
            with m.Case(BODY_AT + 2):
                m.d.sync += s.expected[:8].eq(data)
            with m.Case(BODY_AT + 3):
                m.d.sync += s.expected[8:].eq(data)
            with m.Case(OP_AT):
                m.d.sync += byte.eq(data | ANSWER)
            with m.Case(OP_AT + 1):
                m.d.sync += byte.eq(s.status)
            with m.Case(OP_AT + 2):
                m.d.sync += byte.eq(0)
        with m.Elif((s.status == Status.REFUSED) | (s.status == Status.STALLED)):
            m.d.sync += byte.eq(Mux(s.at == PAYLOAD_AT, s.index[:8], s.index[8:]))
        with m.Else(), m.Switch(s.op):
            with m.Case(Op.HELLO):
                m.d.sync += byte.eq(self.info.data)
            with m.Case(Op.READ, Op.READ_NEXT):
                m.d.sync += byte.eq(s.word)
                self._push(m, s, s.byte)
                m.d.sync += s.lane.eq(0)
            with m.Case(Op.STREAM):
                m.d.sync += [byte.eq(self.results.payload), s.index.eq(s.index + 1)]
                m.d.comb += self.results.ready.eq(1)
            with m.Case(Op.REPLAYED):
                m.d.sync += byte.eq(self.state)
            with m.Case(Op.DIGEST):
                m.d.sync += byte.eq(s.digest.byte)

    def _write_answer(self, m: Module, s: "_State") -> None:
        """Writes the byte, or the code of a zero, in its first cycle; what is read byte by byte goes on."""
        payload = ~s.ending & (s.at >= PAYLOAD_AT)
        m.d.comb += [
            s.digest.advance.eq(payload & (s.op == Op.DIGEST) & (s.status == Status.OK)),
            self.turn.eq(payload & (s.op == Op.REPLAYED) & (s.status == Status.OK) & (s.bit < 2)),
        ]
        with m.If(s.bit == 0):
            m.d.comb += self.answers.en.eq(1)
            with m.If(s.byte == 0):
                m.d.comb += [self.answers.addr.eq(Cat(s.zero, s.bank)), self.answers.data.eq(s.at - s.zero)]
                m.d.sync += s.zero.eq(s.at)


class _State:
    """Registers of the executor."""

    def __init__(self, window: int):
        self.crc, self.digest = Crc32(1), Crc32(1)
        self.serving = Signal(exact_log2(window))  #: bank of the request
        self.phase = Signal(Pass)
        self.at = Signal(BANK_BITS)  #: of a byte in its bank
        self.end = Signal(BANK_BITS)  #: behind the request's CRC; of a read its words
        self.byte, self.bit = Signal(8), Signal(3)
        self.word, self.lane = Signal(32), Signal(2)
        self.index = Signal(11)  #: of a word, level or byte
        self.session, self.expected = Signal(16), Signal(16)
        self.kept = Signal(range(window + 1))  #: answers that are kept; none before HELLO
        self.foreign, self.behind, self.borrow, self.far = Signal(), Signal(8), Signal(), Signal()
        self.bank = Signal(exact_log2(window))  #: of the answer
        self.repeats = Signal()  #: the answer was sent before
        self.op, self.argument, self.size = Signal(8), Signal(16), Signal(16)
        self.status = Signal(Status)
        self.timer = Signal(STALL_BITS)
        self.more = Signal()  #: a byte was not 0
        self.zero = Signal(BANK_BITS)  #: address of the zero before, in COBS code
        self.comes, self.comes_word = Signal(), Signal()
        self.ending = Signal()  #: the answer's CRC is being written
