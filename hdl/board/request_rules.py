"""What suits an op of the serial link: the rules that are known before a payload is looked into."""

from amaranth.hdl import Mux, Value

from ...model.link import CRC_BYTES, HEADER, PROTOCOL, Op
from .frame_receiver import BODY_AT

NO_PAYLOAD = BODY_AT + HEADER.size + CRC_BYTES  #: ``end`` of a frame without payload


def known(op: Value) -> Value:
    """Is there such an op?"""
    return (op != 0) & (op <= max(Op))


def serves(op: Value) -> Value:
    """Is a known op served while a replay is under way?"""
    return op.matches(Op.HELLO, Op.READ, Op.READ_NEXT, Op.REPLAYED, Op.DIGEST)


def suits(op: Value, argument: Value, end: Value) -> Value:
    """Does a known op suit its argument and its payload, which ends in a bank CRC_BYTES before address ``end``?"""
    empty, low, high = end == NO_PAYLOAD, argument[:8], argument[8:]
    nothing = argument == 0
    aligned = argument[:2] == 0
    level = (high == 0) & ((low == 1) | (low == 2) | (low == 4) | (low == 8))
    rules = {
        Op.HELLO: (argument == PROTOCOL) & empty,
        Op.READ: aligned & (end == NO_PAYLOAD + 1),
        Op.READ_NEXT: aligned & (end == NO_PAYLOAD + 1),
        Op.WRITE: aligned & ~empty & (end[:2] == NO_PAYLOAD % 4),
        Op.WRITE_NEXT: aligned & ~empty & (end[:2] == NO_PAYLOAD % 4),
        Op.LEVELS: level & ~empty,
        Op.STREAM: (high == 0) & (low <= 240),
        Op.FILL: ~empty,
        Op.REPLAY: nothing & (end == NO_PAYLOAD + 6),
    }
    result = nothing & empty
    for name, rule in rules.items():
        result = Mux(op == name, rule, result)
    return result
