"""The periphery as a whole: what goes in comes out once, in order; a reset takes all of it away."""

from amaranth.hdl import Cat, Mux, Signal, Value

from ohmgate.hdl.accelerator import Accelerator
from ohmgate.model.design import Design
from ohmgate.model.registers import BY_NAME

from .bench import Bench
from .buses import access, macros

CAPACITY = 2  #: steps in a layer: one on its rows, one behind them


def chip(design: Design) -> Bench:
    """Streams, register bus and arrays of a design without data registers, any stalls and any accesses.

    A watched step (any one) is followed by the number of steps before it; marks tell that it is it.
    """
    bench = Bench()
    dut = Accelerator(design)
    count = len(design.layers)
    bench.surround(dut, driven=tuple(f"array_{k}_setup_sealed" for k in range(count)))
    m, x, y, bus = bench.m, dut.x, dut.y, dut.bus
    access(bench, bus, 16)
    arrays = [getattr(dut, f"array_{k}") for k in range(count)]
    programming = macros(bench, [array.setup for array in arrays])
    control = BY_NAME["CONTROL"].address // 4
    restart = bus.ack & bench.past(bus.we & (bus.adr == control) & bus.dat_w[1]) & bench.settled()
    step_in, step_out = x.valid & x.ready, y.valid & y.ready
    inside = Signal(range(CAPACITY * count + 2))
    m.d.sync += inside.eq(Mux(restart, 0, inside + step_in - step_out))
    bench.show("inside", inside)

    bench.claim("an input is taken while enabled", ~step_in | dut.enabled)
    bench.claim("no input is taken while something is being programmed", ~(step_in & programming))
    bench.claim("nothing goes in or out in the cycle of a reset", ~(restart & (step_in | y.valid)))
    bench.claim("there are no more results than inputs", ~y.valid | (inside != 0))
    bench.claim("no more steps are inside than have room", inside <= CAPACITY * count)
    waited = bench.settled() & bench.past(y.valid & ~y.ready) & ~restart
    bench.claim("a waiting result stays valid", ~waited | y.valid)
    bench.claim("a waiting result stays as it is", ~waited | bench.unchanged(y.payload))

    watching, before, marks = Signal(), Signal.like(inside), Signal(2)
    with m.If(restart):
        m.d.sync += watching.eq(0)
    with m.Elif(step_in & bench.free("watch") & ~watching):
        m.d.sync += [watching.eq(1), marks.eq(_marks(x)), before.eq(inside - step_out)]
    with m.Elif(step_out & watching):
        m.d.sync += [watching.eq(before != 0), before.eq(before - 1)]
    bench.show("watching", watching)
    bench.show("before", before)
    its = watching & (before == 0) & y.valid
    bench.claim("results come in the order of their inputs, with their marks", ~its | (_marks(y) == marks))
    if all(layer.conversion_cycles for layer in design.layers):
        longest = sum(layer.conversions * layer.conversion_cycles for layer in design.layers) + dut.latency + 1
        idle = Signal(range(longest + 2))
        m.d.sync += idle.eq(Mux((inside != 0) & ~y.valid & ~restart, idle + 1, 0))
        bench.claim("whatever is inside comes out", idle <= longest)
    bench.claim("nothing is programmed while a step is inside", ~(programming & (inside != 0)))
    for k, array in enumerate(arrays):
        gains = Cat(array.setup.mult, array.setup.shift)
        still = ~bench.settled() | bench.unchanged(gains) | (inside == 0)
        bench.claim(f"layer {k}'s gains stand still while a step is inside", still)
        bench.claim(f"a reset cancels layer {k}'s conversion", ~restart | array.setup.cancel)
    bench.reach("a second step comes out", step_out & watching & (inside == 2))
    bench.reach("a reset with a result waiting", restart & bench.past(y.valid & ~y.ready))
    return bench


def _marks(stream) -> Value:
    return Cat(stream.payload.first, stream.payload.last)
