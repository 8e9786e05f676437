"""Diagnostics in a co-simulation: random accesses of a host, to the chip and to one without Verilog beside it."""

from collections.abc import Callable, Iterator

import numpy as np

from ..firmware.transactions import BusError
from ..model.design import Design
from ..model.diagnostic_registers import ADJUST_SPARE, NO_STEP, code_words
from ..model.formats import symmetric_codes, to_wire
from ..model.layers import Layer
from ..model.registers import BY_NAME
from .agents import BusRefusal, RegisterBusDriver
from .simulated_chip import SimulatedChip

READ = ("DIAG_ID", "DIAG_SIZE", "DIAG_ADCS", "DIAG_CONTROL", "DIAG_STATUS", "DIAG_ROW", "DIAG_ADJUST_AT")
READ_TOO = ("STATUS", "LAYER", "ROW", "COLUMN", "CONTROL", "GEOMETRY", "FORMAT")
ACTIVE, BIAS, ADVANCE, CLEAR = 1, 2, 4, 8  #: bits of DIAG_CONTROL

Access = tuple[str, int | None]  #: register and what is written; None: it is read


class Host:
    """Does what it likes: mostly what makes sense, and some that a chip must refuse."""

    def __init__(self, design: Design, rng: np.random.Generator) -> None:
        self.layers, self.rng = design.layers, rng
        self.layer: Layer = design.layers[0]
        self.actions: list[Callable[[], Iterator[Access]]] = [
            *4 * [self.convert], *2 * [self.drive], *2 * [self.adjust], self.select, self.control, self.program,
            self.set_gain, self.look, self.stop,
        ]  # fmt: skip
        if design.pulsed:
            self.actions += 2 * [self.limit] + 2 * [self.program]

    def accesses(self, actions: int) -> Iterator[Access]:
        """Those of so many actions at random, from a chip that is loaded and may run."""
        self.layer = self.layers[0]
        yield "LAYER", 0
        yield from self.stop()
        for _ in range(actions):
            yield from self.actions[self.rng.integers(len(self.actions))]()

    def below(self, limit: int) -> int:
        return int(self.rng.integers(limit))

    def stop(self) -> Iterator[Access]:
        """CONTROL.RESET ends diagnostics, which then begin anew; without ACTIVE nothing is taken."""
        yield "CONTROL", 2
        yield ["DIAG_CONVERT", "DIAG_CODE", "DIAG_ADJUST", "DIAG_ROW", "DIAG_ADJUST_AT"][self.below(5)], 0
        yield "DIAG_RESULT", None
        yield "DIAG_CONTROL", ACTIVE | self.below(4) << 1
        yield "CONTROL", 1  # is refused

    def select(self) -> Iterator[Access]:
        """A layer takes rows of its own: codes of another may be none of its formats."""
        index = self.below(len(self.layers))
        self.layer = self.layers[index]
        yield "LAYER", index
        yield "DIAG_CONTROL", ACTIVE | CLEAR | BIAS * self.below(2)
        yield from self.drive()

    def control(self) -> Iterator[Access]:
        yield "DIAG_CONTROL", ACTIVE | self.below(4) << 1 | CLEAR * (self.below(5) == 0)

    def drive(self) -> Iterator[Access]:
        layer, driven = self.layer, self.layer.inputs + self.layer.hidden
        first = self.below(driven)
        yield "DIAG_ROW", first
        for row in range(first, min(first + 1 + self.below(6), driven + 1)):  # the last may be a row too many
            bits = layer.input_bits if row < layer.inputs else layer.dac_bits
            yield "DIAG_CODE", int(to_wire(self.rng.choice(symmetric_codes(bits)), bits))

    def convert(self) -> Iterator[Access]:
        """Mostly all words of some steps: where ADVANCE is set, of one after the other."""
        steps = self.layer.conversions
        yield "DIAG_CONVERT", self.below(steps + 1) if self.below(8) == 0 else self.below(steps)
        for _ in range(code_words(self.layer) * (1 + self.below(3)) - (self.below(4) == 0)):
            yield "DIAG_RESULT", None

    def adjust(self) -> Iterator[Access]:
        layer = self.layer
        adc, what = self.below(layer.adcs), self.below(ADJUST_SPARE + layer.spares + (self.below(8) == 0))
        yield "DIAG_ADJUST_AT", adc | what << 16
        for _ in range(1 + self.below(3)):
            step = self.below(layer.conversions) if self.below(4) else NO_STEP
            yield "DIAG_ADJUST", step if what >= ADJUST_SPARE else self.below(2**16)

    def program(self) -> Iterator[Access]:
        layer = self.layer
        own = layer.columns if self.below(2) else layer.all_columns
        yield "ROW", self.below(layer.rows)
        yield "COLUMN", self.below(own)
        for _ in range(1 + self.below(5)):
            yield "LEVEL", int(to_wire(self.rng.choice(symmetric_codes(layer.weight_bits)), layer.weight_bits))

    def limit(self) -> Iterator[Access]:
        """Few pulses, so that some weights fail; and what came of them."""
        if self.below(2):
            yield "PULSE_LIMITS", self.below(30) | self.below(12) << 16 | self.below(6) << 24
        if self.below(8) == 0:
            yield "PULSES", 0
        yield "FAILED_AT", self.below(16)
        for name in ("FAILED", "PULSES", "FAILURES", "PULSE_LIMITS", "FAILED_AT"):
            yield name, None

    def set_gain(self) -> Iterator[Access]:
        gate, shift = self.below(self.layer.gates), self.below(12)
        yield "GAIN", 1 + self.below(255) | shift << 8 | gate << 16

    def look(self) -> Iterator[Access]:
        for name in self.rng.choice([*READ, *READ_TOO], 3).tolist():
            yield name, None


async def compared(bus: RegisterBusDriver, chip: SimulatedChip, host: Host, actions: int) -> int:
    """Do a host's actions on the simulated Verilog and on ``chip``, which must answer alike; how many are refused?

    The Verilog is given the time that its conversions and cells take.
    """
    refused = 0
    for name, value in host.accesses(actions):
        register = BY_NAME[name]
        if name != "DIAG_RESULT":
            await idle(bus)
        try:
            got = await bus.access(register.address, value)
        except BusRefusal:
            got = None
        try:
            want = chip.access(register.address, value)
        except BusError:
            want = None
        if got != want:
            told = ["a bus error" if word is None else f"0x{word:08X}" for word in (got, want)]
            what = f"a read of {name}" if value is None else f"a write of 0x{value:X} to {name}"
            bus.rules.broke(f"register bus: {what} is answered by {told[0]}, not by {told[1]}")
        refused += want is None
    await idle(bus)
    return refused


async def idle(bus: RegisterBusDriver) -> None:
    """Wait until nothing is converted or programmed."""
    status = BY_NAME["STATUS"]
    while await bus.access(status.address) & status.pack(BUSY=1, PROGRAMMING=1):
        pass
