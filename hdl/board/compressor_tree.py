"""A sum of many bits without carry chains."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ..component import Component

DEPTH = 3  #: full adders in a row between two registers


class CompressorTree(Component):
    """Counts bits: ``heights[c]`` of them weigh ``2^c``.

    Full adders make two bits of three, level by level, until no column has more than two; then one adder sums them.
    A tree of adders has as many LUTs, but a carry chain for each of them, and in an ECP5 a chain, however short,
    begins a tile of eight LUTs.

    Dadda, "Some schemes for parallel multipliers" (1965), has the heights between the levels. Here full adders take
    what they can in each of them, as in Wallace's trees: registers are then fewer.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `columns` | in | ``heights[c]`` bits each | bits of one weight |
    | `sum` | out | as many bits as the largest sum has | of the bits ``latency`` cycles before |
    """

    def __init__(self, heights: Sequence[int]):
        self.heights = tuple(heights)
        columns = data.StructLayout({f"c{weight}": height for weight, height in enumerate(self.heights)})
        super().__init__({"columns": In(columns), "sum": Out(self.model(self.heights).bit_length())})

    @property
    def latency(self) -> int:
        """Cycles from bits to their sum."""
        return stages(self.heights)

    def model(self, ones: Sequence[int]) -> int:
        """The sum where ``ones[c]`` bits of column c are 1."""
        return sum(count << weight for weight, count in enumerate(ones))

    def elaborate(self, platform):
        m = Module()
        columns = [list(Value.cast(self.columns[f"c{weight}"])) for weight in range(len(self.heights))]
        for level, target in enumerate(_targets(self.heights), start=1):
            columns = self._compress(m, columns, target, f"{level}")
            if level % DEPTH == 0:
                columns = self._registered(m, columns, f"{level}")
        rows = [Cat(column[k] if k < len(column) else Const(0, 1) for column in columns) for k in range(2)]
        m.d.sync += self.sum.eq(rows[0] + rows[1])
        return m

    def _compress(self, m: Module, columns: list[list[Value]], target: int, name: str) -> list[list[Value]]:
        """Columns of at most ``target`` bits. All adders of a level are one vector of each operand."""
        after: list[list[Value]] = [[] for _ in columns]
        adders: list[tuple[Value, Value, Value, int]] = []
        size = sum(len(column) for column in columns)
        total, carry = Signal(size, name=f"total_{name}"), Signal(size, name=f"carry_{name}")

        def add(weight: int, *bits: Value) -> None:
            after[weight].append(total[len(adders)])
            if weight + 1 == len(after):
                after.append([])
            after[weight + 1].append(carry[len(adders)])
            adders.append((*bits, *[Const(0, 1)] * (3 - len(bits)), weight))  # pyright: ignore

        for weight, column in enumerate(columns):
            whole = len(column) // 3 * 3
            for k in range(0, whole, 3):
                add(weight, *column[k : k + 3])
            left = column[whole:]
            if len(left) == 2 and len(after[weight]) + 2 > target:
                add(weight, *left)
            else:
                after[weight] += left
        a, b, c = (Cat(adder[k] for adder in adders) for k in range(3))
        m.d.comb += [total.eq(a ^ b ^ c), carry.eq((a & b) | (c & (a ^ b)))]
        return after

    def _registered(self, m: Module, columns: list[list[Value]], name: str) -> list[list[Value]]:
        held = Signal(sum(map(len, columns)), name=f"held_{name}", reset_less=True)
        m.d.sync += held.eq(Cat(*columns))
        bits = iter(held)
        return [[next(bits) for _ in column] for column in columns]


def stages(heights: Sequence[int]) -> int:
    """Registers from bits to their sum in a tree of ``heights``."""
    return len(_targets(heights)) // DEPTH + 1


def _targets(heights: Sequence[int]) -> list[int]:
    """The largest height behind each level: 2, 3, 4, 6, 9, 13, ... from the last one."""
    targets = [2]
    while targets[-1] < max(heights):
        targets.append(targets[-1] * 3 // 2)
    return targets[-2::-1]
