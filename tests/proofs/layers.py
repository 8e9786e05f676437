"""Layers between their streams and their array: nothing is dropped, repeated or changed, and no half of h(t) is shown."""

from typing import Any

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib.wiring import In

from ohmgate.hdl.accelerator import layer_core
from ohmgate.hdl.result_bank import ResultBank
from ohmgate.model.layers import DenseLayer, Layer, LstmLayer

from .bench import Bench


def held_payload(bench: Bench, name: str, stream) -> None:
    """A payload of an output stream stays until it is taken."""
    waited = bench.settled() & bench.past(stream.valid & ~stream.ready)
    bench.claim(f"a waiting {name} stays valid", ~waited | stream.valid)
    bench.claim(f"a waiting {name} stays as it is", ~waited | bench.unchanged(stream.payload))


def result_bank(words: int, word_bits: int) -> Bench:
    """Words in any order, the last index last: ``whole`` is always what the last whole time step had."""
    bench = Bench()
    dut = ResultBank(words, word_bits)
    bench.surround(dut)
    m = bench.m
    gathered = [Signal(word_bits, name=f"gathered_{k}", reset_less=True) for k in range(words)]
    written, whole = Signal(words), Signal(words * word_bits)
    complete = dut.write & (dut.index == words - 1)
    bench.assume(dut.index < words)
    with m.If(dut.write):
        m.d.sync += written.eq(Mux(complete, 0, written | 1 << dut.index))
        for k in range(words - 1):
            with m.If(dut.index == k):
                m.d.sync += gathered[k].eq(dut.word)
    with m.If(complete):
        m.d.sync += whole.eq(Cat(*gathered[:-1], dut.word))
    bench.assume(~complete | written[: words - 1].all())
    bench.claim("whole has the words of the last whole time step", dut.whole == whole)
    changed = dut.whole != bench.past(dut.whole)
    bench.claim("whole changes with a last word only", ~(bench.settled() & changed) | bench.past(complete))
    bench.reach("a second whole time step", complete & (whole != 0))
    return bench


def layer(layer: Layer) -> Bench:
    """A layer with any input, any stalls, and a macro that says done whenever it likes (or the fixed time).

    The reference knows the array port and the streams. What the lanes compute it takes from the trace port.
    """
    bench = Bench()
    core = layer_core(layer, trace=True)
    bench.surround(core)
    m, x, y, array = bench.m, core.x, core.y, core.array
    step_in = x.valid & x.ready & (x.payload.last if layer.at_end else 1)
    step_out = y.valid & y.ready

    # The array: one conversion at a time, columns in order.
    flying, column = Signal(), Signal(range(max(layer.conversions, 2)))
    time = Signal(range(max(layer.conversion_cycles, 2)))
    done = time == layer.conversion_cycles - 1 if layer.conversion_cycles else array.done
    take, last = flying & done, column == layer.conversions - 1
    with m.If(array.convert):
        m.d.sync += [flying.eq(1), time.eq(1)]
    with m.If(flying):
        m.d.sync += time.eq(time + 1)
    with m.If(take):
        m.d.sync += [flying.eq(0), column.eq(Mux(last, 0, column + 1))]

    # The step on the rows, from its input to its last codes, and the one behind it, from there until it is taken.
    held, holding = Signal(x.payload.shape(), reset_less=True), Signal()
    marks, behind = Signal(2, reset_less=True), Signal()
    with m.If(step_in):
        m.d.sync += [held.eq(x.payload), holding.eq(1)]
    with m.Elif(take & last):
        m.d.sync += holding.eq(0)
    with m.If(take & last):
        m.d.sync += [marks.eq(Cat(held.first, held.last)), behind.eq(1)]
    with m.Elif(step_out):
        m.d.sync += behind.eq(0)

    bench.claim("an input is taken when the rows are free", ~(step_in & holding))
    bench.claim("a conversion is of an input, and of the next column", ~array.convert | (holding & ~flying))
    bench.claim("select is the column", ~(array.convert | flying) | (array.select == column))
    waits = last & y.valid & ~y.ready
    bench.claim("the last column is not converted while the last result waits", ~(array.convert & waits))
    bench.claim("there is no result that the next one could hide", ~(take & last & behind))
    expected, complete = _lstm(bench, core, held) if layer.kind == "lstm" else _dense(bench, core, take, last, column)
    result = Signal()
    with m.If(complete):
        m.d.sync += result.eq(1)
    with m.Elif(step_out):
        m.d.sync += result.eq(0)
    rows = Cat(held.values, expected) if layer.kind == "lstm" else held.values
    on_rows = array.row_codes.as_value() == Cat(rows)
    bench.claim("the rows have this input and the whole result before it", ~(array.convert | flying) | on_rows)
    if layer.kind == "lstm":
        bench.claim(
            "hidden rows rest on a first step", ~(array.convert | flying) | (array.hidden_drive == ~held.first)
        )
    bench.claim("each step has one result, which waits until it is taken", y.valid == result)
    bench.claim("a result is of a step", ~y.valid | behind)
    bench.claim("a result has its step's marks", ~y.valid | (Cat(y.payload.first, y.payload.last) == marks))
    if layer.output != "value" and layer.output != "table":
        bench.claim("a result has its step's values", ~y.valid | (_values(y) == _answer(layer, expected)))
    held_payload(bench, "result", y)
    if layer.conversion_cycles:
        longest = layer.conversions * layer.conversion_cycles + core.latency
        idle = Signal(range(longest + 2))
        m.d.sync += idle.eq(Mux((holding | behind) & ~y.valid, idle + 1, 0))
        bench.claim("a step has its result in time, whether or not somebody waits for it", idle <= longest)
    second = Signal()
    with m.If(step_out):
        m.d.sync += second.eq(1)
    bench.reach("a second result is taken", second & step_out)
    bench.reach("a result waits", bench.settled() & bench.past(y.valid & ~y.ready) & y.valid)
    return bench


def _lstm(bench: Bench, core, held) -> tuple[Value, Value]:
    """The last whole h, gathered of the lanes' words; is its last word there?"""
    layer, trace, m = core.layer, core.trace, bench.m
    bits = layer.lanes * layer.dac_bits
    word, whole = Signal(range(max(layer.conversions, 2))), Signal(layer.conversions * bits)
    words = [Signal(bits, name=f"hidden_word_{k}", reset_less=True) for k in range(layer.conversions - 1)]
    complete = trace.hidden_valid & (word == layer.conversions - 1)
    with m.If(trace.hidden_valid):
        m.d.sync += word.eq(Mux(complete, 0, word + 1))
        for k, register in enumerate(words):
            with m.If(word == k):
                m.d.sync += register.eq(trace.hidden.as_value())
    with m.If(complete):
        m.d.sync += whole.eq(Cat(*words, trace.hidden.as_value()))
    return whole, complete


def _dense(bench: Bench, core, take, last, column) -> tuple[Value, Value]:
    """The codes of the last step that is converted, and whether its result appears behind this cycle."""
    layer, m = core.layer, bench.m
    codes = core.array.codes.as_value()
    words = [Signal(len(codes), name=f"codes_{k}", reset_less=True) for k in range(layer.conversions)]
    with m.If(take):
        for k, register in enumerate(words):
            with m.If(column == k):
                m.d.sync += register.eq(codes)
    complete: Value = take & last
    for cycle in range(core.latency - 1):
        later = Signal(name=f"complete_{cycle}")
        m.d.sync += later.eq(complete)
        complete = later
    whole = Signal(len(codes) * layer.conversions, reset_less=True)
    with m.If(complete):
        m.d.sync += whole.eq(Cat(words))
    return whole, complete


def _values(y) -> Value:
    return Cat(y.payload.values)


def _answer(layer: Layer, whole: Value) -> Value:
    """What a layer hands on: the words themselves, or the lowest index of the largest code."""
    if layer.output != "argmax":
        return whole
    codes = [whole.word_select(k, layer.adc_bits).as_signed() for k in range(layer.outputs)]
    best, label = codes[0], Const(0, 8)
    for index, code in enumerate(codes[1:], 1):
        best, label = Mux(code > best, code, best), Mux(code > best, index, label)
    return label


def valid_alone(layer: Layer) -> Bench:
    """Two equal layers with equal inputs, until a cycle in which only ready differs: valid does not."""
    bench = Bench()
    one, other = layer_core(layer), layer_core(layer)
    bench.surround(one)
    bench.m.submodules.other = other
    for path, member, value in other.signature.flatten(other):
        if member.flow == In and path != ("y", "ready"):
            bench.m.d.comb += Value.cast(value).eq(bench.inputs["_".join(map(str, path))])
    bench.m.d.comb += other.y.ready.eq(bench.free("other_ready"))
    bench.show("other_valid", other.y.valid)
    differed = Signal()
    with bench.m.If(one.y.ready != other.y.ready):
        bench.m.d.sync += differed.eq(1)
    bench.claim("valid does not look at ready", differed | (one.y.valid == other.y.valid))
    bench.reach("a result with either", ~differed & one.y.valid & (one.y.ready != other.y.ready))
    return bench


def lstm(conversions: int, lanes: int = 1, **fields) -> LstmLayer:
    """A small LSTM layer."""
    formats: dict[str, Any] = {"dac_bits": 2, "adc_bits": 2, "activation_bits": 2, "cell_bits": 4, "cell_fraction": 2}
    formats |= {"tanh_bits": 2, "tanh_fraction": 1}
    return LstmLayer(inputs=1, hidden=conversions * lanes, adcs=4 * lanes, **(formats | fields))


def dense(conversions: int, adcs: int, **fields) -> DenseLayer:
    """A small dense layer."""
    formats: dict[str, Any] = {"inputs": 1, "dac_bits": 2, "adc_bits": 2, "output_bits": 2}
    return DenseLayer(outputs=conversions * adcs, adcs=adcs, **(formats | fields))
