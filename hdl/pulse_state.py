"""What a programmer by pulses holds of the weight that it programs, and of its layer."""

from enum import IntEnum

from amaranth.hdl import Mux, Signal, signed
from amaranth.lib import memory

from ..model.design import Design
from ..model.layers import HARDWARE_BITS
from ..model.pulses import ERASE_PULSES, FAILED_KEPT, MOST_PULSES, STRONG_LEVELS


class At(IntEnum):
    """Where the sequence is."""

    IDLE = 0
    PLACE = 1
    ERASE = 2
    ERASING = 3
    READ = 4
    CONVERT = 5
    JUDGE = 6
    PULSE = 7
    END = 8


class State:
    """Registers, and what is known of the weight's layer, that the parts of the programmer share."""

    def __init__(self, design: Design):
        layers = design.layers
        code = signed(HARDWARE_BITS)
        self.at = Signal(range(len(At)))
        self.most, self.erase = Signal(16, init=MOST_PULSES), Signal(8, init=ERASE_PULSES, name="erase")
        self.strong_from = Signal(8, init=STRONG_LEVELS)
        self.pulses, self.failures = Signal(32), Signal(32, name="failures")
        self.shown = Signal(range(FAILED_KEPT))
        self.failed = memory.Memory(shape=32, depth=FAILED_KEPT, init=[])
        self.failed_write, self.failed_read = self.failed.write_port(), self.failed.read_port()
        # Of the weight
        self.layer = Signal(range(max(len(layers), 2)))
        self.row, self.column, self.rest = Signal(16), Signal(16, name="column"), Signal(16, name="rest")
        self.level = Signal(code)
        self.adc = Signal(range(max(2, *(layer.adcs for layer in layers))))
        self.step = Signal(range(max(2, *(layer.conversions for layer in layers))))
        self.spare, self.sure = Signal(), Signal()
        self.cell, self.up, self.strong, self.strobe, self.convert = (Signal(name=n) for n in _PULSE)
        self.left, self.count = Signal(8), Signal(16, name="count")
        self.code = Signal(code)
        # Of its layer
        self.seen, self.target = Signal(code), Signal(code, name="target")
        self.ended, self.answered, self.full, self.near, self.far, self.cancel = (Signal(name=n) for n in _SEEN)
        self.columns, self.share = Signal(17), Signal(16, name="share")
        self.fails = Signal()
        below = self.level[-1]
        self.crossed = Mux(below, self.code < self.target, self.code >= self.target)
        self.missing = Mux(below, self.code - self.target, self.target - self.code)


_PULSE = ("cell", "up", "strong", "strobe", "convert")
_SEEN = ("ended", "answered", "full", "near", "far", "cancel")
