"""The cells of an array's twin, and the sums of its columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike, signed
from amaranth.lib import data, memory
from amaranth.lib.wiring import In, Out

from ...model.formats import full_scale, to_wire
from ...model.layout import row_drive
from ..array_port import row_layout
from ..component import Component
from .block_ram import BLOCK_RAM
from .column_counters import ColumnCounters
from .compressor_tree import CompressorTree
from .twin_plan import Segment, TwinPlan


class ColumnSums(Component):
    """Column sums of all ADCs, one column of each after the other, bit by bit of the rows' codes.

    Each ADC has a memory with a word for every column and group of rows. In a cycle Q bits of each row's code, the
    sign first, let its cell through or not; a tree adds what is left, with the bits' weights and the sign's negative.
    A group's sums gather with a shift, and groups with their drive. A one-bit code, -1 or +1, is the two-bit code of
    that number.

    1. ``start`` drops what is under way. In the next cycle the work on ``column`` begins.
    2. ``slots`` cycles later the next column follows, up to the last one.
    3. ``valid`` is high in the cycle in which ``sums`` are a column's.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `row_codes` | in | :func:`~..array_port.row_layout` | stable until the last column's sums are valid |
    | `hidden_drive` | in | 1 bit | 0: hidden rows count nothing; stable likewise |
    | `bias_drive` | in | 1 bit | 0: bias rows count nothing; stable likewise; only with diagnostics and bias rows |
    | `start` | in | 1 bit | begins with ``column`` |
    | `column` | in | 0..M-1 | of each ADC |
    | `stop` | in | 1 bit | drops what is under way |
    | `sums` | out | K x signed | a column's sums |
    | `valid` | out | 1 bit | they are valid in this cycle |
    | `write` | in | 1 bit | sets a cell; which one and its level stay a cycle longer |
    | `write_adc` | in | 0..K-1 | its ADC |
    | `write_column` | in | 0..M-1 | its column of that ADC |
    | `write_word`, `write_position` | in | see :meth:`.twin_plan.TwinPlan.place` | its row |
    | `write_level` | in | W bits, of a noisy twin 4 more | its level |
    """

    def __init__(self, plan: TwinPlan):
        self.plan = plan
        layer = plan.layer
        column = range(max(layer.conversions, 2))
        bias = {"bias_drive": In(1)} if layer.diagnostics and layer.bias_rows else {}
        super().__init__(
            {
                "row_codes": In(row_layout(layer)),
                "hidden_drive": In(1),
                "start": In(1),
                "column": In(column),
                "stop": In(1),
                "sums": Out(data.ArrayLayout(signed(self.sum_bits), layer.adcs)),
                "valid": Out(1),
                "write": In(1),
                "write_adc": In(range(max(layer.adcs, 2))),
                "write_column": In(column),
                "write_word": In(range(max(plan.groups, 2))),
                "write_position": In(range(max(plan.word_rows, 2))),
                "write_level": In(plan.cell_bits),
                **bias,
            }
        )

    @property
    def sum_bits(self) -> int:
        """Bits of a sum of any patterns on the wires, those that are no symmetric codes included."""
        return _bits(sum(s.rows * self._largest(s) * s.drive for s in self.plan.segments))

    @property
    def latency(self) -> int:
        """Cycles from ``start`` to the first column's ``valid``."""
        return self.plan.slots + self.plan.tree_stages + self.plan.scaled + 3

    def model(self, weights: np.ndarray, drive: np.ndarray) -> np.ndarray:
        """Sums (columns,) of ``weights`` (rows, columns) for the codes ``drive`` (rows,), 0 where not driven."""
        return (drive * row_drive(self.plan.layer)) @ weights

    def _largest(self, segment) -> int:
        """What one cell can add: the lowest code times the lowest level."""
        return 2 ** (segment.planes + self.plan.level_bits - 2)

    def elaborate(self, platform):
        m = Module()
        plan, steps = self.plan, self.plan.layer.conversions
        clear = Signal()
        m.d.comb += clear.eq(self.start | self.stop)

        active, step = Signal(), Signal(range(max(steps, 2)))
        counters = ColumnCounters(m, plan, active, clear)
        with m.If(counters.column_ends):
            m.d.sync += [active.eq(step != steps - 1), step.eq(step + 1)]
        with m.If(clear):
            m.d.sync += [active.eq(self.start & ~self.stop), step.eq(self.column)]

        work = self._work(m, counters, step, clear)
        sums: list[Value] = []
        for block in range(plan.blocks):
            if block:
                work = self._next_block(m, work, f"{block}")
            for adc in range(block * plan.block_adcs, min((block + 1) * plan.block_adcs, plan.layer.adcs)):
                word = self._word(m, adc, work)
                total = self._tree if plan.parallel == 1 else self._compressed
                value = total(m, word, work, f"{adc}")
                for later in range(plan.blocks - 1 - block):
                    value = self._held(m, value, f"later_{adc}_{later}")
                sums.append(value)
        self._accumulate(m, counters, sums, clear)
        return m

    def _held(self, m: Module, value: Value, name: str, reset_less: bool = True) -> Signal:
        """``value`` a cycle later."""
        held = Signal(len(value), name=name, reset_less=reset_less)
        m.d.sync += held.eq(value)
        return held

    def _work(self, m: Module, counters: ColumnCounters, step: Value, clear: Value) -> "_Work":
        """Of the first block of ADCs."""
        plan, sign = self.plan, self._delayed(m, counters.sign, 1, clear)
        return _Work(
            bits=self._row_bits(m, counters),
            sign=Const(1, 1) if plan.whole else sign,
            address=Cat(step[: plan.step_bits], counters.group),
            write={name: Value.cast(getattr(self, name)) for name in self.signature.members if "write" in name},
        )

    def _next_block(self, m: Module, work: "_Work", name: str) -> "_Work":
        """A cycle later, that no register has to reach all ADCs; their sums are brought together again."""
        sign = work.sign
        return _Work(
            bits=[
                [self._held(m, bit, f"row_bit_{name}_{plane}_{lane}") for lane, bit in enumerate(of_rows)]
                for plane, of_rows in enumerate(work.bits)
            ],
            sign=sign if isinstance(sign, Const) else self._held(m, sign, f"sign_{name}"),
            address=self._held(m, work.address, f"address_{name}"),
            write={key: self._held(m, value, f"{key}_{name}", key != "write") for key, value in work.write.items()},
        )

    def _delayed(self, m: Module, flag, cycles: int, clear) -> Value:
        """A flag ``cycles`` later, low once what is under way is dropped."""
        for _ in range(cycles):
            later = Signal()
            m.d.sync += later.eq(flag)
            with m.If(clear):
                m.d.sync += later.eq(0)
            flag = later
        return flag

    def _row_bits(self, m: Module, counters: ColumnCounters) -> list[list[Signal]]:
        """Bits of the group's P / Q rows that count in a cycle, in the cycle after: Q planes, the lowest first."""
        layer, plan = self.plan.layer, self.plan
        shown: list[list[list[Value]]] = [[[] for _ in range(plan.word_rows)] for _ in range(plan.parallel)]
        hidden: list[list[int]] = [[] for _ in range(plan.word_rows)]  # groups in which a lane has a hidden row
        first_group = 0
        for segment in plan.segments:
            for group in range(segment.groups):
                for lane in range(plan.word_rows):
                    row = group * plan.word_rows + lane
                    code = self._code(segment.first + row) if row < segment.rows else Const(0, segment.planes)
                    for plane in range(plan.parallel):
                        shown[plane][lane] += reversed([code[k] for k in range(plane, segment.planes, plan.parallel)])
                    if row < segment.rows and 0 <= segment.first + row - layer.inputs < layer.hidden:
                        hidden[lane].append(first_group + group)
            first_group += segment.groups
        bits, dark = [], {}
        for plane in range(plan.parallel):
            bits.append([])
            for lane in range(plan.word_rows):
                bit = Signal(name=f"row_bit_{plane}_{lane}", reset_less=True)
                chosen = Cat(shown[plane][lane]).bit_select(counters.slot, 1)
                if hidden[lane]:
                    span = hidden[lane][0], hidden[lane][-1]
                    if span not in dark:
                        dark[span] = Signal(name=f"dark_{len(dark)}")
                        within = (counters.group >= span[0]) & (counters.group <= span[1])
                        m.d.comb += dark[span].eq(within & ~self.hidden_drive)
                    chosen = chosen & ~dark[span]
                m.d.sync += bit.eq(chosen)
                bits[-1].append(bit)
        return bits

    def _code(self, row: int) -> Value:
        """A row's code as it counts: in two's complement, two bits for one."""
        layer = self.plan.layer
        if row >= layer.inputs + layer.hidden:
            code = Const(int(to_wire(full_scale(layer.dac_bits), layer.dac_bits)), layer.dac_bits)
            if layer.diagnostics:
                code = code & self.bias_drive.replicate(layer.dac_bits)
        elif layer.own_input_bits and row >= layer.inputs:
            code = self.row_codes.hidden[row - layer.inputs]
        else:
            code = self.row_codes.inputs[row] if layer.own_input_bits else self.row_codes[row]
        return _two_bits(code)

    def _word(self, m: Module, adc: int, work: "_Work") -> list[Value]:
        """An ADC's cells of the group whose bits are worked on, as numbers."""
        plan = self.plan
        cells = memory.Memory(
            shape=data.ArrayLayout(plan.cell_bits, plan.word_rows),
            depth=max(plan.depth, 2),
            init=[],
            attrs=BLOCK_RAM if plan.in_blocks else {},
        )
        m.submodules[f"cells_{adc}"] = cells
        read = cells.read_port()
        self._cell_write(m, cells, adc, read, work)
        return [_two_bits(level).as_signed() for level in read.data]

    def _cell_write(self, m: Module, cells: "memory.Memory[Any, Any]", adc: int, read, work: "_Work") -> None:
        """Sets a cell alone, or writes its word again where block RAM of 9-bit bytes would take twice the blocks."""
        plan, new = self.plan, work.write["write_level"]
        place = Cat(work.write["write_column"][: plan.step_bits], work.write["write_word"])
        chosen = work.write["write"] & (work.write["write_adc"] == adc)
        at = Cat(work.write["write_position"] == k for k in range(plan.word_rows))
        m.d.comb += [read.addr.eq(work.address), read.en.eq(1)]
        if not plan.rewrites:
            write = cells.write_port(granularity=1)
            m.d.comb += write.en.eq(Mux(chosen, at, 0))
            m.d.comb += [level.eq(new) for level in write.data]
        else:
            write, was_read, was_at = cells.write_port(), Signal(), Signal.like(at)
            m.d.sync += [was_read.eq(chosen), was_at.eq(at)]
            m.d.comb += write.en.eq(was_read)
            with m.If(work.write["write"]):
                m.d.comb += read.addr.eq(place)
            m.d.comb += [level.eq(Mux(here, new, old)) for level, here, old in zip(write.data, was_at, read.data)]
        m.d.comb += write.addr.eq(place)

    def _products(
        self, m: Module, word: list[Value], bits: list[Signal], turned: ValueLike, name: str
    ) -> list[Signal]:
        """The cells that count, 0 in place of the others, with the bits ``turned`` turned over."""
        products = []
        for lane, (bit, level) in enumerate(zip(bits, word)):
            products.append(Signal(signed(len(level)), name=f"product_{name}_{lane}", reset_less=True))
            m.d.sync += products[-1].eq((level & bit.replicate(len(level))) ^ turned)
        return products

    def _tree(self, m: Module, word: list[Value], work: "_Work", name: str) -> Value:
        """The sum of the cells that count, with a register behind every adder.

        Of several adders in a row Yosys makes no carry chains.
        """
        terms = self._products(m, word, work.bits[0], 0, name)
        for stage in range(self.plan.tree_stages):
            total = [sum(terms[k + 1 : k + 2], terms[k]) for k in range(0, len(terms), 2)]
            terms = [
                Signal.like(value, name=f"tree_{name}_{stage}_{k}", reset_less=True) for k, value in enumerate(total)
            ]
            m.d.sync += [term.eq(value) for term, value in zip(terms, total)]
        return terms[0]

    def _compressed(self, m: Module, word: list[Value], work: "_Work", name: str) -> Value:
        """The sum of the cells that count for Q bits, and what :meth:`_excess` says.

        All bits of it count up: a number's highest bit is turned over, and so are the others of a negative one.
        """
        plan = self.plan
        m.submodules[f"tree_{name}"] = tree = CompressorTree(plan.heights)
        columns: list[list[Value]] = [[] for _ in plan.heights]
        for plane, of_rows in enumerate(work.bits):
            negative = work.sign if plane == plan.parallel - 1 else Const(0, 1)
            turned = Cat(negative.replicate(plan.level_bits - 1), ~negative)
            for product in self._products(m, word, of_rows, turned, f"{name}_{plane}"):
                for k, bit in enumerate(product):
                    columns[plane + k].append(bit)
        m.d.comb += tree.columns.eq(Cat(*columns))
        return tree.sum

    def _excess(self, segment: Segment) -> int:
        """What the cycles of a group add beyond its sum: by bits that are turned over in place of a negation."""
        plan = self.plan
        if plan.parallel == 1:
            return -1 << (segment.planes - 1)
        turned = plan.word_rows * (2**plan.parallel - 1) << (plan.level_bits - 1)  # the highest bits, in a cycle
        cycles = range(0, segment.planes, plan.parallel)
        return sum(turned << k for k in cycles) - (plan.word_rows << (segment.planes - 1))

    def _accumulate(self, m: Module, counters: ColumnCounters, sums: list[Value], clear) -> None:
        """Sums of groups from those of cycles, and of columns from those of groups."""
        plan, delay = self.plan, self.plan.tree_stages + 2
        beginning = -sum(s.groups * s.drive * self._excess(s) for s in plan.segments) % 2**self.sum_bits
        begins = self._delayed(m, counters.sign, delay, clear)
        group_ends = self._delayed(m, counters.group_ends, delay + 1 + plan.scaled, clear)
        column_ends = self._delayed(m, counters.column_ends, delay + 1 + plan.scaled, clear)
        second = self._delayed(m, counters.second, delay + 1, clear)
        group_bits = _bits(plan.word_rows << (plan.level_bits + max(s.planes for s in plan.segments)))
        m.d.comb += self.valid.eq(column_ends)
        cleared = Signal()  # a cycle late, and in time: the first sum is ready later
        m.d.sync += cleared.eq(clear)
        for adc, value in enumerate(sums):
            group = Signal(signed(group_bits), name=f"group_{adc}", reset_less=True)
            begun = ~value if plan.parallel == 1 else value
            m.d.sync += group.eq(begun if plan.whole else Mux(begins, begun, (group << plan.parallel) + value))
            scaled = group
            if plan.scaled:
                factors = [segment.drive for segment in plan.segments]
                product = Mux(second, group * factors[-1], group * factors[0])
                scaled = Signal.like(product, name=f"scaled_{adc}", reset_less=True)
                m.d.sync += scaled.eq(product)
            total = Signal(self.sum_bits, name=f"total_{adc}", init=beginning)
            m.d.comb += self.sums[adc].eq(total + scaled)
            with m.If(group_ends):
                m.d.sync += total.eq(self.sums[adc])
            with m.If(cleared | self.valid):
                m.d.sync += total.eq(beginning)


@dataclass(frozen=True)
class _Work:
    """What a block of ADCs works on in a cycle."""

    bits: list[list[Signal]]  #: of the group's rows, Q planes, the lowest first; a cycle after the address
    sign: Value  #: is the highest plane's? with the bits
    address: Value  #: of the group's cells
    write: dict[str, Value]  #: a cell that is set


def _bits(magnitude: int) -> int:
    """Bits of two's complement numbers from -``magnitude`` to ``magnitude``."""
    return magnitude.bit_length() + 1


def _two_bits(code: Value) -> Value:
    """A code of at least two bits: one that is a sign, 0 for +1 and 1 for -1, becomes that number."""
    return Cat(Const(1, 1), code) if len(code) == 1 else code
