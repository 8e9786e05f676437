"""What the parts of the request executor share: where a frame's bytes are in its bank, and the registers."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import enum
from amaranth.utils import exact_log2

from ...model.link import HEADER, Op, Status
from .config import BoardConfig
from .crc32 import Crc32
from .frame_receiver import BANK_BITS, BODY_AT

STALL_BITS = 16  #: 2 to the power of this is how many cycles a time step may wait
OP_AT = BODY_AT + 4  #: address of the op
PAYLOAD_AT = BODY_AT + HEADER.size  #: address of a payload's first byte in its bank
WRITES = (Op.WRITE, Op.WRITE_NEXT, Op.LEVELS)  #: which the digest covers


class Pass(enum.Enum, shape=2):
    """What the bytes of a frame are gone through for, one after the other."""

    CHECK = 0  #: CRC of the request, its header
    EXECUTE = 1  #: its payload
    DIGEST = 2  #: what it wrote, once more
    ANSWER = 3


class RequestState:
    """Registers of the executor."""

    def __init__(self, config: BoardConfig):
        self.config = config
        self.crc, self.digest = Crc32(1), Crc32(1)  #: of a frame; of what was written
        self.serving = Signal(exact_log2(config.window))  #: bank of the request
        self.phase = Signal(Pass)
        self.answering = self.phase == Pass.ANSWER
        self.at = Signal(BANK_BITS)  #: of a byte in its bank
        self.end = Signal(BANK_BITS)  #: behind the request's CRC; of a read its words
        self.byte, self.bit = Signal(8), Signal(3)
        self.word, self.lane = Signal(32), Signal(2)
        self.index = Signal(11)  #: of a word, level or byte
        self.session, self.expected = Signal(16), Signal(16)
        self.kept = Signal(range(config.window + 1))  #: answers that are kept; none before HELLO
        #: The request is of another session; how far its number is behind the expected one, byte by byte.
        self.foreign, self.behind, self.borrow, self.far = Signal(), Signal(8), Signal(), Signal()
        self.bank = Signal(exact_log2(config.window))  #: of the answer
        self.repeats = Signal()  #: the answer was sent before
        self.op, self.argument, self.size = Signal(8), Signal(16), Signal(16)
        self.status = Signal(Status)
        self.timer = Signal(STALL_BITS)
        self.more = Signal()  #: a byte was not 0
        self.zero = Signal(BANK_BITS)  #: address of the zero before, in COBS code
        self.comes, self.comes_word = Signal(), Signal()  #: a byte of the answer before its CRC; the first of a word
        self.ending = Signal()  #: the answer's CRC is being written

    def next_bit(self, m: Module) -> None:
        """Turns the byte; after eight times it is as before."""
        m.d.sync += [self.byte.eq(self.byte.rotate_right(1)), self.bit.eq(self.bit + 1)]

    def push(self, m: Module, byte: Value) -> None:
        """A byte for the word, whose lowest goes; with four it is a new one."""
        m.d.sync += [self.word.eq(Cat(self.word[8:], byte)), self.lane.eq(self.lane + 1)]
