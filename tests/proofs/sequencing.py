"""The sequencer: each column once, in order, and never while the last result waits."""

from amaranth.hdl import Signal

from ohmgate.hdl.sequencer import AdcSequencer
from ohmgate.model.layers import LstmLayer

from .bench import Bench


def sequencer(conversions: int, conversion_cycles: int = 0, tail: int = 5) -> Bench:
    """Of a layer with ``conversions`` columns behind each ADC, with a fixed time of conversion or a macro's done.

    The macro may say done in any cycle, as may all else.
    """
    bench = Bench()
    layer = LstmLayer(inputs=1, hidden=conversions, adcs=4, conversion_cycles=conversion_cycles)
    dut = AdcSequencer(layer, tail)
    bench.surround(dut)
    m = bench.m
    column, rest = Signal(range(max(conversions, 2))), Signal(range(tail + 1))
    flying, last = Signal(), Signal()
    time = Signal(range(max(conversion_cycles, 2)))
    m.d.comb += last.eq(column == conversions - 1)
    with m.If(rest != 0):
        m.d.sync += rest.eq(rest - 1)
    with m.If(dut.convert):
        m.d.sync += [flying.eq(1), time.eq(1)]
    with m.If(flying):
        m.d.sync += time.eq(time + 1)
    with m.If(dut.take):
        m.d.sync += [flying.eq(0), column.eq(column + 1)]
        with m.If(last):
            m.d.sync += [column.eq(0), rest.eq(tail)]
    done = (time == conversion_cycles - 1) if conversion_cycles else dut.done
    bench.show("column", column)
    bench.claim("a conversion is of the next column", ~dut.convert | (dut.select == column))
    bench.claim("a conversion waits for the one before", ~(dut.convert & flying))
    bench.claim("select is still while a conversion runs", ~flying | (dut.select == column))
    bench.claim("codes are taken when the conversion is done, and then only", dut.take == (flying & done))
    bench.claim("what is taken is of the column converted", ~dut.take | (dut.step == column))
    bench.claim("take_last is with the last column's take", dut.take_last == (dut.take & last))
    waits = (last & ~dut.result_free) | (rest != 0) | ((column == 0) & ~dut.ready_rows)
    bench.claim("the last column waits for the result before, the first for its rows", ~(dut.convert & waits))
    bench.claim("a conversion begins as soon as nothing waits", dut.convert == ~(flying | waits))
    bench.reach("a time step ends", dut.take_last)
    return bench
