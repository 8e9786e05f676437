"""What drives a simulated chip's ports: array, register bus and streams.

All of them act at falling edges of the clock, where every output has settled, so both simulators see the same.
"""

from collections import Counter

import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, ValueChange

from ..analog.array import Array
from ..analog.step_reader import StepReader
from ..firmware.transactions import Burst, Read, Steps, T, Write
from ..model.bit_fields import pack, signed, unpack
from ..model.compare import STAGES
from ..model.diagnostic_registers import ADJUST_SPARE
from ..model.formats import from_wire, full_scale
from ..model.layers import Layer, LstmLayer
from ..model.registers import BY_NAME
from .agent_view import RULES
from .rules import Rules, clock_cycle

CONTROL, LEVEL, DIAG_CONTROL = (BY_NAME[name] for name in ("CONTROL", "LEVEL", "DIAG_CONTROL"))


def driven_codes(layer: Layer, patterns: int) -> np.ndarray:
    """DAC codes of inputs and hidden units, of what ``row_codes`` shows."""
    inputs = unpack(patterns % 2 ** (layer.inputs * layer.input_bits), layer.input_bits, layer.inputs)
    hidden = unpack(patterns >> layer.inputs * layer.input_bits, layer.dac_bits, layer.hidden)
    return np.concatenate([from_wire(inputs, layer.input_bits), from_wire(hidden, layer.dac_bits)])


class BusRefusal(Exception):
    """The device answered with a bus error."""


class ArrayAgent:
    """Answers one macro's array port from the Python array model, and keeps every reading.

    ``drives`` has the rows of each time step's first conversion, ``codes`` the ADC codes of every conversion,
    ``starts`` the clock cycle in which each conversion began and ``ends`` that in which its codes were valid.
    ``firsts`` (of :class:`StreamSource`) tells dense
    layers where sequences begin, which their ports do not. ``bus`` knows whether a conversion is a diagnostic one,
    which is none of these: it reads any column afresh, for whatever the rows hold. ``diagnosed`` counts them.
    ``context`` is a port that says whose step is converted; ``contexts`` has it for each, and ``busy`` how many
    cycles the array had converted by its first conversion.
    """

    def __init__(
        self,
        view,
        index: int,
        layer: Layer,
        array: Array,
        firsts: list[bool],
        rng: np.random.Generator,
        rules: Rules,
        bus: "RegisterBusDriver",
        cycles,
        program_cycles,
        context=None,
    ):
        self.bus, self.context = bus, context
        self.view, self.where, self.layer, self.array = view, f"layer {index}", layer, array
        self.firsts, self.rng, self.rules = firsts, rng, rules
        self.cycles, self.program_cycles = cycles, program_cycles
        self.reader = StepReader(array)
        self.bias = np.full(layer.bias_rows, full_scale(layer.dac_bits), dtype=np.int64)
        self.drives, self.codes, self.starts, self.ends = [], [], [], []
        self.contexts: list[int] = []
        self.busy: list[int] = []
        self.written = self.diagnosed = 0  #: cells; diagnostic conversions
        self.gains = -1, -1  #: mult and shift of all gates, as the array model has them
        self.drive = np.zeros(0, np.int64)

    async def serve_reads(self):
        """Forever: wait for a conversion, write its codes (and how long it takes)."""
        view, layer = self.view, self.layer
        while True:
            await ValueChange(view.agent_request)
            diagnostic = self.bus.diagnosing or self.bus.pulsing
            codes = self.diagnose() if diagnostic else self.compute()
            view.agent_codes.value = pack(codes, layer.adc_bits)
            duration = layer.conversion_cycles
            if not duration:
                duration = int(self.rng.integers(self.cycles[0], self.cycles[1] + 1))
                view.agent_cycles.value = duration
            if not diagnostic:
                self.starts.append(clock_cycle())
                self.ends.append(clock_cycle() + duration - 1)

    def compute(self) -> np.ndarray:
        """Codes of a time step's next conversion."""
        layer = self.layer
        turn, step = len(self.codes) % layer.conversions, self.seen("select")
        if step != turn:
            self.rules.broke(f"{self.where}: conversion {turn} of a time step selects column {step}")
        drive, fresh = self.driven()
        if layer.diagnostics and layer.bias_rows and not self.seen("bias_drive"):
            self.rules.broke(f"{self.where}: bias rows are not driven in conversion {turn} of a time step")
        if turn == 0:
            if self.context is None and (fresh or (not layer.hidden and self.begins())):
                self.array.new_sequence()
            self.reader.begin()
            self.drive = drive
            self.drives.append(drive)
            self.contexts.append(0 if self.context is None else int(self.context.value))
            self.busy.append(int(self.view.agent_busy.value))
        elif not np.array_equal(drive, self.drive):
            self.rules.broke(f"{self.where}: rows changed within a time step, at conversion {turn}")
        codes = self.reader.convert(drive, step % layer.conversions)
        self.codes.append(codes)
        return codes

    def diagnose(self) -> np.ndarray:
        """Codes of a diagnostic conversion, with the gains that the registers hold now."""
        self.take_gains()
        drive, fresh = self.driven()
        if fresh:
            self.rules.broke(f"{self.where}: hidden rows are not driven in a diagnostic conversion")
        self.diagnosed += 1
        return self.array.convert_step(drive, self.seen("select") % self.layer.conversions)

    def driven(self) -> tuple[np.ndarray, bool]:
        """DAC codes of all rows, 0 on those that are not driven, and whether the hidden rows are not."""
        layer = self.layer
        drive = driven_codes(layer, self.seen("row_codes"))
        fresh = bool(layer.hidden) and self.seen("hidden_drive") == 0
        if fresh:
            drive[layer.inputs :] = 0
        at_ground = layer.diagnostics and layer.bias_rows and self.seen("bias_drive") == 0
        return np.concatenate([drive, self.bias * (not at_ground)]), fresh

    def seen(self, port: str) -> int:
        """What an input of the macro holds."""
        return self.rules.number(getattr(self.view, port).value, f"{self.where}: {port} is")

    def begins(self) -> bool:
        """Does a sequence of a dense layer begin with the next reading? One on last steps has one a sequence."""
        return self.layer.at_end or self.firsts[len(self.drives) :][:1] == [True]

    async def serve_programming(self):
        """Forever: wait for a cell to be written, put its level or its pulse into the array model."""
        view, layer = self.view, self.layer
        while True:
            await ValueChange(view.agent_program)
            row, column = int(view.program_row.value), int(view.program_column.value)
            if layer.programming == "pulse":
                cell, up, strong = (int(getattr(view, f"program_{name}").value) for name in ("cell", "up", "strong"))
                self.array.pulse(row, column, cell, bool(up), bool(strong))
            else:
                level = from_wire(int(view.program_level.value), layer.weight_bits)
                self.array.program_cell(row, column, int(level))
            self.written += 1
            low, high = self.program_cycles
            if low != high:
                view.agent_program_cycles.value = int(self.rng.integers(low, high + 1))

    async def serve_adjustments(self):
        """Forever: wait for a trim or a spare to be set, put it into the array model. Of macros with diagnostics."""
        kinds = 2 ** (ADJUST_SPARE + self.layer.spares - 1).bit_length()
        while True:
            await ValueChange(self.view.agent_adjust)
            place, value = divmod(int(self.view.adjusted.value), 2**16)
            self.array.adjust(place // kinds, place % kinds, value)

    async def serve_resets(self):
        """Forever: wait for a reset, and forget all trims and spares. Of macros with diagnostics."""
        while True:
            await ValueChange(self.view.agent_reset)
            self.array.reset_adjustments()

    async def watch_rules(self):
        """Forever: note the rules that the macro's view finds broken."""
        while True:
            await ValueChange(self.view.agent_broken)
            broken = int(self.view.agent_broken.value)
            for bit, rule in enumerate(RULES):
                if broken >> bit & 1:
                    self.rules.broke(f"{self.where}: {rule}")

    def take_gains(self) -> None:
        """Read the gains that the registers hold, once they are loaded."""
        before, self.gains = self.gains, (int(self.view.mult.value), int(self.view.shift.value))
        if self.gains == before:
            return
        mult = unpack(self.gains[0], 8, self.layer.gates)
        shift = unpack(self.gains[1], 6, self.layer.gates)
        for gate in range(self.layer.gates):
            self.array.set_gain(gate, int(mult[gate]), int(shift[gate]))


class RegisterBusDriver:
    """Wishbone initiator for a chip's register bus."""

    def __init__(self, ports, clk, rules: Rules, pulsed: bool = False):
        self.ports, self.clk, self.rules, self.pulsed = ports, clk, rules, pulsed
        self.writes = 0  #: that the device has answered
        self.diagnosing = False  #: does the device have its rows from DIAG_CODE?
        self.pulsing = False  #: are conversions those of weights that are programmed by pulses? No time steps are run
        self.waits_at: int | None = None  #: address of an access without an answer
        for name in ("adr", "dat_w", "cyc", "stb", "we"):
            ports[f"bus__{name}"].value = 0
        ports["bus__sel"].value = 0xF

    async def access(self, address: int, value: int | None = None, select: int = 0xF) -> int:
        """Read, or write ``value``. Raises :class:`BusRefusal` on ``err``."""
        ports = self.ports
        await FallingEdge(self.clk)
        ports["bus__adr"].value = address >> 2
        ports["bus__we"].value = int(value is not None)
        ports["bus__dat_w"].value = value or 0
        ports["bus__sel"].value = select
        ports["bus__cyc"].value = ports["bus__stb"].value = 1
        self.waits_at = address
        while True:
            await FallingEdge(self.clk)
            refused = int(ports["bus__err"].value)
            if refused or int(ports["bus__ack"].value):
                break
        ports["bus__cyc"].value = ports["bus__stb"].value = 0
        self.waits_at, self.writes = None, self.writes + (value is not None)
        if refused:
            raise BusRefusal(f"{'read' if value is None else 'write'} at 0x{address:02X}")
        if value is not None:
            if address == DIAG_CONTROL.address:
                self.diagnosing = bool(DIAG_CONTROL.unpack(value)["ACTIVE"])
            elif address == LEVEL.address:
                self.pulsing = self.pulsed
            elif address == CONTROL.address:
                self.diagnosing &= not CONTROL.unpack(value)["RESET"]
                self.pulsing &= not CONTROL.unpack(value)["ENABLE"]
            return 0
        return self.rules.number(ports["bus__dat_r"].value, f"register bus: what is read at 0x{address:02X} is")

    async def run(self, steps: Steps[T]) -> T:
        """Do ``steps``, as the loader's are; their result."""
        result: int | list[int] | None = None
        while True:
            try:
                transaction = steps.send(result)
            except StopIteration as end:
                return end.value
            result, address = None, transaction.register.address
            match transaction:
                case Read():
                    result = await self.access(address)
                case Burst():
                    result = [await self.access(address) for _ in range(transaction.words)]
                case Write():
                    await self.access(address, transaction.value)


class StreamSource:
    """Sends time steps, with up to ``gaps`` idle cycles before each; ``firsts`` has the first-mark of each.

    Where sequences are ``interleaved``, a chip looks at a payload before it says whether it takes it.
    """

    def __init__(self, ports, clk, layer: Layer, rng: np.random.Generator, gaps: int, interleaved: bool = False):
        self.ports, self.clk, self.layer, self.rng, self.gaps = ports, clk, layer, rng, gaps
        self.interleaved = interleaved
        self.firsts: list[bool] = []
        self.taken = 0  #: time steps that the chip took
        self.stalls: Counter[str] = Counter()  #: by the names of ``STALLS``
        ports["x__valid"].value = 0
        ports["x__payload"].value = 0

    async def send(self, patterns: np.ndarray, first: bool, last: bool, context: int = 0) -> None:
        ports, layer = self.ports, self.layer
        self.firsts.append(first)
        await FallingEdge(self.clk)
        gap = int(self.rng.integers(0, self.gaps + 1)) if self.gaps else 0
        self.stalls["input after a gap" if gap else "input without a gap"] += 1
        for _ in range(gap):
            await FallingEdge(self.clk)
        width = layer.input_bits * layer.inputs
        marks = int(first) | int(last) << 1 | context << 2
        ports["x__payload"].value = pack(patterns, layer.input_bits) | marks << width
        ports["x__valid"].value = 1
        if self.interleaved:
            await ReadOnly()
        self.stalls["input taken at once" if int(ports["x__ready"].value) else "input held back"] += 1
        while not int(ports["x__ready"].value):
            await RisingEdge(ports["x__ready"])
            await FallingEdge(self.clk)
        await RisingEdge(self.clk)  # the transfer
        self.taken += 1
        await FallingEdge(self.clk)
        ports["x__valid"].value = 0


class StreamSink:
    """Takes results, refusing for up to ``gaps`` cycles before each; checks that what waits stays."""

    def __init__(self, ports, clk, rng: np.random.Generator, gaps: int, rules: Rules):
        self.ports, self.clk, self.rng, self.gaps, self.rules = ports, clk, rng, gaps, rules
        self.results: list[int] = []
        self.cycles: list[int] = []  #: in which they were taken
        self.stalls: Counter[str] = Counter()
        ports["y__ready"].value = int(not gaps)

    async def run(self):
        ports = self.ports
        while True:
            if not int(ports["y__valid"].value):
                await RisingEdge(ports["y__valid"])
                await FallingEdge(self.clk)
            payload = ports["y__payload"].value
            wait = int(self.rng.integers(0, self.gaps + 1)) if self.gaps else 0
            self.stalls["result refused first" if wait else "result taken at once"] += 1
            if self.gaps:
                for _ in range(wait):
                    await FallingEdge(self.clk)
                    if not int(ports["y__valid"].value):
                        self.rules.broke("output stream: a result was withdrawn while it waited to be taken")
                    elif ports["y__payload"].value != payload:
                        self.rules.broke("output stream: a result changed while it waited to be taken")
                ports["y__ready"].value = 1
            self.results.append(self.rules.number(payload, "output stream: a result is"))
            self.cycles.append(clock_cycle())
            await FallingEdge(self.clk)
            if self.gaps:
                ports["y__ready"].value = 0


class TraceMonitor:
    """Collects the intermediate results of an LSTM layer's trace port."""

    def __init__(self, ports, clk, index: int, layer: LstmLayer, rules: Rules):
        self.ports, self.clk, self.index, self.layer, self.rules = ports, clk, index, layer, rules
        self.values: dict[str, list[int]] = {"gates": [], "cell": [], "hidden": []}
        self.cycles: dict[str, list[int]] = {name: [] for name in self.values}

    async def watch(self, name: str):
        """Forever: take ``name`` in each cycle in which it is valid (never two in a row)."""
        valid = self.ports[f"trace_{self.index}__{name}_valid"]
        value = self.ports[f"trace_{self.index}__{name}"]
        while True:
            await RisingEdge(valid)
            await FallingEdge(self.clk)
            self.values[name].append(self.rules.number(value.value, f"layer {self.index}: {STAGES[name]} is"))
            self.cycles[name].append(clock_cycle())

    def numbers(self, name: str) -> np.ndarray:
        """All that was taken of ``name``, as numbers: (conversions, fields) int64."""
        layer = self.layer
        bits, count = {
            "gates": (layer.activation_bits, layer.adcs),
            "cell": (layer.cell_bits, layer.lanes),
            "hidden": (layer.dac_bits, layer.lanes),
        }[name]
        patterns = np.array([unpack(v, bits, count) for v in self.values[name]], np.int64).reshape(-1, count)
        if name == "hidden":
            return from_wire(patterns, bits)
        if name == "cell":
            return signed(patterns, bits)
        tanh = 3 * layer.lanes  # the last group, g, is signed
        return np.concatenate([patterns[:, :tanh], signed(patterns[:, tanh:], bits)], axis=1)
