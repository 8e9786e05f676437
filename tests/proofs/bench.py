"""A component in front of a prover: what its inputs may do, and what must then hold in every cycle."""

from amaranth.hdl import Cat, Const, Module, ResetSignal, Shape, Signal, Value, ValueLike
from amaranth.lib.wiring import In, Out

from ohmgate.hdl.component import Component
from ohmgate.hdl.flow.emit import emit

TOP = "proof"


class Bench:
    """Collects a component, its environment and its property; :meth:`verilog` makes one module of them.

    Each input that :meth:`surround` or :meth:`free` makes may have any value in any cycle, ``rst`` too, as long as
    all conditions of :meth:`assume` hold; but the first cycle has ``rst`` high. Registers begin with any value, also
    those of the properties: what has no reset is as it is in silicon. In ``m`` a property keeps registers of its own.

    With ``anywhere`` the first cycle has no reset, and every register may hold anything in it. What then holds as soon
    as the claims have the past that they look at, holds at all times: the first cycle may be any cycle of a run.
    """

    def __init__(self, anywhere: bool = False) -> None:
        self.anywhere, self.window = anywhere, 0  #: window: cycles before it that a claim looks at
        self.m = Module()
        self.inputs: dict[str, Signal] = {}
        self.shown: dict[str, Value] = {}
        self.assumed: list[Value] = []
        self.claims: dict[str, Value] = {}
        self.reached: dict[str, Value] = {}
        self._pasts = 0

    def surround(self, dut: Component, name: str = "", driven: tuple[str, ...] = ()) -> None:
        """Add ``dut``; its inputs become free but for the ports ``driven``, and all of its ports are shown.

        ``name`` goes before the names of its ports, for a bench with more than one component.
        """
        self.m.submodules[name or "dut"] = dut
        for path, member, value in dut.signature.flatten(dut):
            port = "_".join(str(part) for part in ((name,) if name else ()) + path)
            if member.flow == In and path[0] not in driven and "_".join(map(str, path)) not in driven:
                self.m.d.comb += Value.cast(value).eq(self.free(port, Shape.cast(member.shape)))
            else:
                self.show(port, value)

    def free(self, name: str, shape=1) -> Signal:
        """An input of any value."""
        self.inputs[name] = signal = Signal(shape, name=name)
        return signal

    def show(self, name: str, value: ValueLike) -> None:
        """Have ``value`` in counterexamples."""
        self.shown[name] = Value.cast(value)

    def assume(self, condition: ValueLike) -> None:
        """Look only at cycles up to which ``condition`` has always held."""
        self.assumed.append(Value.cast(condition).bool())

    def claim(self, what: str, condition: ValueLike) -> None:
        """``condition`` must hold in every cycle; ``what`` says so in words."""
        self.claims[what] = Value.cast(condition).bool()

    def reach(self, what: str, condition: ValueLike) -> None:
        """There must be inputs with which ``condition`` holds once: the assumptions leave something to prove."""
        self.reached[what] = Value.cast(condition).bool()

    def past(self, value: ValueLike, cycles: int = 1) -> Value:
        """``value`` some cycles ago."""
        for _ in range(cycles):
            self._pasts += 1
            before = Signal(Value.cast(value).shape(), name=f"past_{self._pasts}", reset_less=True)
            self.m.d.sync += before.eq(value)
            value = before
        return Value.cast(value)

    def settled(self, cycles: int = 1) -> Value:
        """Was there no reset in the ``cycles`` cycles before?"""
        self.window = max(self.window, cycles)
        settled: Value = Const(1)
        for cycle in range(cycles):
            after = Signal(name=f"settled_{cycles}_{cycle}")
            self.m.d.sync += after.eq(settled)
            settled = after
        return settled

    def unchanged(self, value: ValueLike) -> Value:
        """Is ``value`` as it was in the cycle before?"""
        return Value.cast(value) == self.past(value)

    def verilog(self) -> str:
        """Module ``proof``: ``bad`` is high where a claim fails, ``reach`` has a bit for each that must be reached."""
        return emit(_Top(self), TOP)


class _Top(Component):
    """The bench's inputs, what it shows, and the verdict of each cycle."""

    def __init__(self, bench: Bench):
        self.bench = bench
        shown = {name: Out(value.shape()) for name, value in bench.shown.items()}
        failed = {f"failed_{k}": Out(1) for k in range(len(bench.claims))}
        super().__init__(
            {name: In(signal.shape()) for name, signal in bench.inputs.items()}
            | shown
            | failed
            | {"bad": Out(1), "reach": Out(max(len(bench.reached), 1))}
        )

    def elaborate(self, platform):
        bench, m = self.bench, self.bench.m
        for name, signal in bench.inputs.items():
            m.d.comb += signal.eq(getattr(self, name))
        for name, value in bench.shown.items():
            m.d.comb += getattr(self, name).eq(value)
        begun = Signal(name="proof_begun", reset_less=True)
        held = Signal(name="proof_held", reset_less=True, init=1)
        legal = Signal()
        started = 1 if bench.anywhere else begun
        m.d.comb += legal.eq(held & (started | ResetSignal()) & Cat(Const(1), *bench.assumed).all())
        m.d.sync += [begun.eq(1), held.eq(legal)]
        counts = legal & started
        failed = [getattr(self, f"failed_{k}") for k in range(len(bench.claims))]
        m.d.comb += [signal.eq(counts & ~condition) for signal, condition in zip(failed, bench.claims.values())]
        m.d.comb += [
            self.bad.eq(Cat(*failed).any()),
            self.reach.eq(Cat(counts & condition for condition in bench.reached.values())),
        ]
        return m
