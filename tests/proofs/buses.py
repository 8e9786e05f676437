"""The register buses: every access is answered, once; what is locked takes nothing; loading and running exclude each other."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Mux, Signal, Value
from amaranth.lib.wiring import connect

from ohmgate.hdl.accelerator import Accelerator, join
from ohmgate.hdl.board.board_bus import BoardBus
from ohmgate.hdl.data_registers import DataRegisters
from ohmgate.hdl.diagnostics import Diagnostics
from ohmgate.hdl.pulse_programmer import PulseProgrammer
from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.hdl.wishbone import WishboneSignature, decode
from ohmgate.model.design import Design
from ohmgate.model.registers import BY_NAME, LOAD_REGISTERS, bus_address_bits

from .bench import Bench
from .layers import dense, lstm

PATIENCE = 2  #: cycles in which a macro answers a strobe, and a register bus behind another one an access


def small(data_registers: bool = False, **fields) -> Design:
    """An LSTM layer with loaded tables and a head."""
    return Design("small", (lstm(2, **fields), dense(2, 1, inputs=2, output="codes", **fields)), data_registers)


def access(bench: Bench, bus, longest: int) -> None:
    """An initiator that keeps to Wishbone classic gets one answer to each access, within ``longest`` cycles."""
    m = bench.m
    request, answer = bus.cyc & bus.stb, bus.ack | bus.err
    asked = bench.settled() & bench.past(request & ~answer)
    kept = Cat(bus.adr, bus.dat_w, bus.sel, bus.we)
    bench.assume(~asked | (request & bench.unchanged(kept)))
    waited = Signal(range(longest + 2))
    m.d.sync += waited.eq(Mux(request & ~answer, waited + 1, 0))
    bench.claim("an answer is ack or err", ~(bus.ack & bus.err))
    bench.claim("an answer is to a request", ~answer | asked)
    bench.claim("one answer to a request", ~(answer & bench.settled() & bench.past(answer)))
    bench.claim(f"a request waits {longest} cycles at most", waited <= longest)
    bench.reach("ack", bus.ack)
    bench.reach("err", bus.err)


def macros(bench: Bench, setups: list) -> Value:
    """Macros that answer a strobe within ``PATIENCE`` cycles, with seals that keep through resets.

    Returns whether anything is being programmed.
    """
    m, all_busy = bench.m, []
    for k, setup in enumerate(setups):
        started = setup.program_strobe | setup.seal | setup.unseal
        busy, since = Signal(name=f"macro_{k}_busy"), Signal(range(PATIENCE + 2), name=f"macro_{k}_since")
        sealing, unsealing = Signal(name=f"macro_{k}_sealing"), Signal(name=f"macro_{k}_unsealing")
        seal = Signal(name=f"macro_{k}_seal", reset_less=True)
        with m.If(started):
            m.d.sync += [busy.eq(1), since.eq(0), sealing.eq(setup.seal), unsealing.eq(setup.unseal)]
        with m.Elif(setup.program_done):
            m.d.sync += busy.eq(0)
        m.d.sync += since.eq(Mux(started, 0, since + 1))
        with m.If(setup.program_done):
            m.d.sync += seal.eq((seal | sealing) & ~unsealing)
        bench.assume(~setup.program_done | busy)
        bench.assume(~busy | (since < PATIENCE))
        m.d.comb += setup.sealed.eq(seal)
        bench.show(f"macro_{k}_seal", seal)
        bench.claim(f"layer {k}: a strobe waits for the one before", ~(started & busy & ~setup.program_done))
        bench.claim(f"layer {k}: one strobe at a time", setup.program_strobe + setup.seal + setup.unseal <= 1)
        bench.claim(f"layer {k}: no cell is programmed under a seal", ~(setup.program_strobe & seal))
        bench.reach(f"layer {k}: a cell is programmed", setup.program_strobe)
        all_busy.append(busy | started)
    return reduce(or_, all_busy)


class _Registers:
    """A register bus with its macros and an initiator: what the properties of it share."""

    def __init__(self, design: Design):
        self.bench = bench = Bench()
        self.dut = dut = RegisterBus(design)
        bench.surround(dut, driven=tuple(f"setup_{k}_sealed" for k in range(len(design.layers))))
        setups = [getattr(dut, f"setup_{k}") for k in range(len(design.layers))]
        tables = [getattr(dut, f"table_{k}") for k, layer in enumerate(design.layers) if layer.loaded_table_bits]
        access(bench, dut.bus, 2 * PATIENCE + 4)
        self.programming = macros(bench, setups)
        self.strobes = reduce(or_, (s.program_strobe | s.seal | s.unseal for s in setups))
        self.enters = reduce(or_, (table.en for table in tables))
        self.moved = bench.settled() & ~bench.unchanged(Cat(*(Cat(s.mult, s.shift) for s in setups)))
        self.sealed = Cat(setup.sealed for setup in setups).all()

    def written(self, *names: str) -> Value:
        """Is a write to one of these registers acknowledged in this cycle?"""
        bus, past = self.dut.bus, self.bench.past
        return bus.ack & past(bus.we) & reduce(or_, (past(bus.adr) == BY_NAME[n].address // 4 for n in names))


def register_bus(design: Design) -> Bench:
    """Every access is answered once; only writes that program wait. No cell is programmed under a seal."""
    registers = _Registers(design)
    bench, bus = registers.bench, registers.dut.bus
    programs = reduce(or_, (bus.adr == BY_NAME[name].address // 4 for name in ("LEVEL", "SEAL"))) & bus.we
    asked = bench.settled() & bench.past(bus.cyc & bus.stb & ~bus.ack & ~bus.err)
    bench.claim("what programs nothing is answered in the next cycle", ~asked | bus.ack | bus.err | programs)
    bench.claim("what programs and is acknowledged programs", ~registers.written("LEVEL", "SEAL") | registers.strobes)
    return bench


def lock(design: Design) -> Bench:
    """Until the right fingerprint is written a device takes nothing, and a wrong one locks it."""
    registers = _Registers(design)
    bench, dut, m = registers.bench, registers.dut, registers.bench.m
    fingerprint = int(design.fingerprint, 16)
    low, was, unlocked = Signal(32), Signal(), Signal()
    word = bench.past(dut.bus.dat_w)
    with m.If(registers.written("UNLOCK_LOW")):
        m.d.sync += low.eq(word)
    m.d.comb += unlocked.eq(Mux(registers.written("UNLOCK_HIGH"), Cat(low, word) == fingerprint, was))
    m.d.sync += was.eq(unlocked)
    bench.show("unlocked", unlocked)
    before = bench.past(registers.programming) & bench.settled()
    loads = registers.written("LEVEL", "SEAL")
    bench.claim("a locked device acknowledges no load", ~registers.written(*LOAD_REGISTERS) | unlocked)
    bench.claim("a locked device is not enabled", ~dut.enable | unlocked)
    bench.claim("nothing is programmed unless the bus has it so", ~registers.strobes | before | loads)
    bench.claim("no gain moves unless the bus has it so", ~registers.moved | registers.written("GAIN"))
    bench.claim("no table is written unless the bus has it so", ~registers.enters | registers.written("TABLE_DATA"))
    bench.reach("the device is locked again", ~unlocked & bench.past(unlocked) & bench.settled())
    return bench


def exclusion(design: Design) -> Bench:
    """Loading and running exclude each other."""
    registers = _Registers(design)
    bench, enable = registers.bench, registers.dut.enable
    rises = enable & bench.settled() & ~bench.past(enable)
    before = bench.past(registers.programming) & bench.settled()
    bench.claim("a device is enabled when all layers have their seals", ~rises | registers.sealed)
    bench.claim("a device is not enabled while something is being programmed", ~(rises & before))
    bench.claim("nothing is programmed while the device is enabled", ~(enable & registers.programming))
    bench.claim("no table is written while the device is enabled", ~(enable & registers.enters))
    bench.claim("gains stand still while the device is enabled", ~(enable & registers.moved))
    computed = bench.past(registers.dut.busy & ~registers.dut.restart, 2) & bench.settled(2)
    bench.claim("no load is acknowledged while a step is computed", ~(registers.written(*LOAD_REGISTERS) & computed))
    bench.reach("the device is enabled", enable)
    bench.reach("a reset opens a busy device", registers.written("GAIN") & bench.past(registers.dut.busy, 3))
    return bench


def data_registers(design: Design) -> Bench:
    """Answers in the next cycle; the step that it hands on waits unchanged until it is taken or dropped."""
    bench = Bench()
    dut = DataRegisters(design)
    bench.surround(dut)
    access(bench, dut.bus, 1)
    control = (BY_NAME["DATA_CONTROL"].address - BY_NAME["DATA_ID"].address) // 4
    dropped = bench.past(dut.restart) | (dut.bus.ack & bench.past(dut.bus.we & (dut.bus.adr == control)))
    waited = bench.settled() & bench.past(dut.x.valid & ~dut.x.ready) & ~dropped
    bench.claim("a waiting step stays valid", ~waited | dut.x.valid)
    bench.claim("a waiting step stays as it is", ~waited | bench.unchanged(dut.x.payload))
    taken = bench.settled() & bench.past(dut.x.valid & dut.x.ready)
    bench.claim("a step that is taken is not there again", ~(taken & dut.x.valid))
    bench.claim(
        "a result is taken once, and when it is there", ~dut.y.ready | (dut.y.valid & ~bench.past(dut.y.ready))
    )
    bench.reach("a step waits", waited & dut.x.valid)
    bench.reach("a result is taken", dut.y.ready & dut.y.valid)
    return bench


def board_bus(design: Design, *others: str) -> Bench:
    """In front of buses that keep to the rules: as one of them, a cycle later. ``others`` are beside the registers."""
    bench = Bench()
    dut = BoardBus(design, **dict.fromkeys(others, True))
    bench.surround(dut)
    m, parts = bench.m, [getattr(dut, name) for name in ("registers", *others)]
    for number, part in enumerate(parts):
        request, answer = part.cyc & part.stb, part.ack | part.err
        waited = Signal(range(PATIENCE + 2), name=f"part_{number}_waited")
        m.d.sync += waited.eq(Mux(request & ~answer, waited + 1, 0))
        bench.assume(~(part.ack & part.err) & (~answer | (waited != 0)) & (waited <= PATIENCE))
        asked = bench.settled() & bench.past(request & ~answer)
        kept = Cat(part.adr, part.dat_w, part.sel, part.we)
        bench.claim(f"part {number} sees a request that stands", ~asked | (request & bench.unchanged(kept)))
    access(bench, dut.bus, PATIENCE + 1)
    bench.claim("one part gets an access", sum(part.cyc & part.stb for part in parts) <= 1)
    return bench


def chip_bus(design: Design) -> Bench:
    """The whole periphery's bus: registers, and data registers where there are."""
    bench = Bench()
    dut = Accelerator(design)
    count = len(design.layers)
    bench.surround(dut, driven=tuple(f"array_{k}_setup_sealed" for k in range(count)))
    access(bench, dut.bus, 2 * PATIENCE + 4)
    macros(bench, [getattr(dut, f"array_{k}").setup for k in range(count)])
    return bench


def diagnostics(design: Design) -> Bench:
    """A host has the arrays, or time steps do, and never both; rows stand still while they are read."""
    bench = Bench()
    m, count = bench.m, len(design.layers)
    registers, dut = RegisterBus(design), Diagnostics(design)
    sealed, busy = tuple(f"setup_{k}_sealed" for k in range(count)), bench.free("step_inside")
    bench.surround(registers, "registers", driven=(*sealed, "bus", "busy", "diagnosing", "adjust"))
    bench.surround(dut, "host", driven=("bus", "layer", "idle", "programming", "restart"))
    join(m, registers, dut)
    bus = WishboneSignature(bus_address_bits(design) - 2).create()
    for name in ("adr", "dat_w", "sel", "cyc", "stb", "we"):
        m.d.comb += getattr(bus, name).eq(bench.free(f"bus_{name}", getattr(bus, name).shape()))
    bench.show("bus_ack", bus.ack)
    bench.show("bus_err", bus.err)
    lower = WishboneSignature(len(bus.adr) - 1).create()
    decode(m, bus, lower, dut.bus)
    decode(m, lower, registers.bus, None)
    m.d.comb += registers.busy.eq(busy | dut.converting)
    setups = [getattr(registers, f"setup_{k}") for k in range(count)]
    programming = macros(bench, setups)
    access(bench, bus, 4 * PATIENCE + 4)

    enable, active, restart, settled = registers.enable, dut.active, registers.restart, bench.settled()
    past = bench.past
    bench.assume(
        ~busy | (settled & past((busy | enable) & ~restart))
    )  # a step comes in while enabled; a reset takes it
    since = Signal(range(PATIENCE + 2))
    arrays = [getattr(dut, f"array_{k}") for k in range(count)]
    cores = [getattr(dut, f"core_{k}") for k in range(count)]
    converts = Cat(array.convert for array in arrays)
    from_layers = Cat(core.convert for core in cores)
    m.d.sync += since.eq(Mux(active & converts.any(), 0, Mux(since > PATIENCE, since, since + 1)))
    bench.assume(~dut.converting | (since < PATIENCE) | Cat(array.done for array in arrays).all())

    bench.claim("no device is enabled while a host has the arrays", ~(enable & active))
    bench.claim("no step is inside while a host has the arrays", ~(busy & active))
    bench.claim("while enabled only layers begin conversions", ~enable | (converts == from_layers))
    bench.claim("a host's conversion is not while enabled", ~(enable & dut.converting))
    bench.claim("a host's conversion is with ACTIVE", ~dut.converting | active)
    bench.claim("a host reads one array", ~active | (sum(converts[k] for k in range(count)) <= 1))
    bench.claim("one conversion at a time", ~(active & converts.any() & settled & past(dut.converting)))
    bench.claim("nothing is programmed while a host converts", ~(dut.converting & programming))
    strobes = Cat(setup.adjust_strobe for setup in setups).any()
    bench.claim("nothing is adjusted during a conversion", ~(strobes & (dut.converting | enable)))
    gains = Cat(*(Cat(setup.mult, setup.shift) for setup in setups))
    rows = Cat(*(Cat(Value.cast(a.row_codes), a.select, getattr(a, "hidden_drive", 0), a.bias_drive) for a in arrays))
    during = dut.converting & settled & past(dut.converting)
    bench.claim("rows stand still during a conversion", ~during | bench.unchanged(rows))
    bench.claim("gains stand still during a conversion", ~during | bench.unchanged(gains))
    still = active & settled & past(active) & bench.unchanged(active)
    bench.claim("a host's rows do not look at the layers", ~still | bench.unchanged(rows) | bus.ack)
    reset = settled & past(restart)
    bench.claim("a reset gives the arrays back", ~(reset & (active | dut.converting)))
    bench.reach("a host's conversion ends", active & settled & past(dut.converting) & ~dut.converting)
    bench.reach("the device is enabled after a host had the arrays", enable & settled & past(active, 8))
    bench.reach("a reset ends a conversion", reset & past(dut.converting))
    bench.reach("something is adjusted", strobes)
    return bench


def pulses(design: Design) -> Bench:
    """Weights are programmed by pulses while the device is not enabled, one pulse or one conversion at a time."""
    bench = Bench()
    m, count = bench.m, len(design.layers)
    registers, dut = RegisterBus(design), PulseProgrammer(design)
    ports = ("program_done", "sealed")
    bench.surround(
        registers,
        "registers",
        driven=("diagnosing", "adjust", *(f"setup_{k}_{port}" for k in range(count) for port in ports)),
    )
    bench.surround(
        dut, "pulses", driven=(*(f"level_{k}" for k in range(count)), *(f"setup_{k}_sealed" for k in range(count)))
    )
    for k in range(count):
        connect(m, getattr(registers, f"setup_{k}"), getattr(dut, f"level_{k}"))
    setups = [getattr(dut, f"setup_{k}") for k in range(count)]
    macros(bench, setups)
    asked = bench.settled() & bench.past(
        registers.bus.cyc & registers.bus.stb & ~(registers.bus.ack | registers.bus.err)
    )
    kept = Cat(registers.bus.adr, registers.bus.dat_w, registers.bus.sel, registers.bus.we)
    bench.assume(~asked | (registers.bus.cyc & registers.bus.stb & bench.unchanged(kept)))
    strobe = Cat(setup.program_strobe for setup in setups).any()
    bench.claim("no cell takes a pulse while the device is enabled", ~(registers.enable & strobe))
    bench.claim("no weight is programmed while the device is enabled", ~(registers.enable & dut.pulsing))
    bench.claim("a pulse is of a weight that is programmed", ~strobe | dut.pulsing)
    converts = Cat(getattr(dut, f"array_{k}").convert for k in range(count))
    cores = Cat(getattr(dut, f"core_{k}").convert for k in range(count))
    bench.claim("while enabled only layers begin conversions", ~registers.enable | (converts == cores))
    bench.claim("no conversion while a cell is pulsed", ~(strobe & converts.any() & dut.pulsing))
    bench.reach("a weight is done", bench.settled() & bench.past(dut.pulsing & ~registers.restart) & ~dut.pulsing)
    bench.reach("the device is enabled", registers.enable)
    return bench
