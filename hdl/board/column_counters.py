"""Where the work on a column of an array's twin is."""

from amaranth.hdl import Module, Mux, Signal, Value

from .twin_plan import TwinPlan


class ColumnCounters:
    """Where the work on a column is: cycle, group of rows, and cycle of the group; they move while ``moves``."""

    def __init__(self, m: Module, plan: TwinPlan, moves: Value, clear: Value):
        first, last = plan.segments[0], plan.segments[-1]
        self.slot = Signal(range(max(plan.slots, 2)))
        plane = Signal(range(max(max(s.planes for s in plan.segments) // plan.parallel, 2)), name="plane")
        self.group = Signal(range(max(plan.groups, 2)))
        self.second = self.group >= first.groups  # segment
        last_plane = Mux(self.second, last.planes // plan.parallel - 1, first.planes // plan.parallel - 1)
        self.sign = moves & (plane == 0)
        self.group_ends = moves & (plane == last_plane)
        self.column_ends = self.group_ends & (self.group == plan.groups - 1)
        with m.If(moves):
            m.d.sync += [self.slot.eq(self.slot + 1), plane.eq(plane + 1)]
        with m.If(self.group_ends):
            m.d.sync += [plane.eq(0), self.group.eq(self.group + 1)]
        with m.If(clear | self.column_ends):
            m.d.sync += [self.slot.eq(0), plane.eq(0), self.group.eq(0)]
