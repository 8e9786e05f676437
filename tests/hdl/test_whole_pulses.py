"""A whole device that programs by pulses: what a host may do meanwhile, and seals."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from amaranth.hdl import Const

from ohmgate.hdl.accelerator import Accelerator
from ohmgate.hdl.pulse_twin import PulseTwin
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from ohmgate.model.registers import BY_NAME
from tests.hdl.pulsed_cells import PulsedCells, PulsedPort
from tests.hdl.simulate import simulate

LAYER = DenseLayer(inputs=2, outputs=2, adcs=1, adc_bits=4, output="codes", diagnostics=True, programming="pulse")
DESIGN = Design("pulsed", (replace(LAYER, output="table"), replace(LAYER, outputs=3)))
PROGRAMMING = 1 << 3


class Host:
    """Accesses to a whole device by name or address."""

    def __init__(self, dut, ctx):
        self.bus, self.ctx = dut.bus, ctx

    async def access(self, where, value=None):
        address = BY_NAME[where].address if isinstance(where, str) else where
        for port, level in (("adr", address // 4), ("we", value is not None), ("dat_w", value or 0), ("sel", 15),
                            ("cyc", 1), ("stb", 1)):  # fmt: skip
            self.ctx.set(getattr(self.bus, port), level)
        bus = self.bus
        ack, word = await self.ctx.tick().sample(bus.ack, bus.dat_r).until(bus.ack | bus.err)
        self.ctx.set(bus.cyc, 0)
        self.ctx.set(bus.stb, 0)
        await self.ctx.tick()
        return word if ack else None

    async def write(self, **values) -> None:
        for name, value in values.items():
            assert await self.access(name, value) is not None, name

    async def idle(self) -> int:
        while (status := await self.access("STATUS")) & PROGRAMMING:
            pass
        return status


def test_a_device_that_is_loaded_by_pulses():
    dut, rng, cells = Accelerator(DESIGN), np.random.default_rng(1), PulsedCells(DESIGN, 1)
    copy, registers = PulsedCells(DESIGN, 1), RegisterTwin(DESIGN)
    twin = PulseTwin(registers, copy.codes, copy.pulse)
    fingerprint = int(DESIGN.fingerprint, 16)

    async def body(ctx):
        host = Host(dut, ctx)
        assert await host.access("LEVEL", 1) is None  # it is locked
        await host.write(UNLOCK_LOW=fingerprint & 0xFFFFFFFF, UNLOCK_HIGH=fingerprint >> 32, LAYER=0, SEAL=1)
        await host.write(LAYER=1, SEAL=1)
        assert (await host.idle()) >> 5 & 1
        await host.write(LAYER=1, ROW=1, COLUMN=2, DIAG_CONTROL=1, PULSE_LIMITS=60 | 8 << 16 | 3 << 24, LEVEL=3)
        for name, value in (
            ("CONTROL", 1),
            ("DIAG_ADJUST", 1),
            ("DIAG_CONVERT", 0),
            ("PULSE_LIMITS", 1),
            ("PULSES", 0),
        ):
            assert await host.access(name, value) is None, name
        status = await host.access("STATUS")
        assert (status >> 5 & 1, status & PROGRAMMING) == (0, PROGRAMMING)  # its seal is gone
        await host.write(LAYER=0, GAIN=7, CONTROL=2, ROW=2, COLUMN=1)  # a reset, and another layer, change nothing
        await host.write(LEVEL=13)  # it waits
        assert len(cells.pulses) > 16
        assert not (await host.idle()) >> 5 & 1
        assert await host.access("CONTROL", 1) is None  # without seals
        for address in (0x140, 0x17C, 0x194, 0x1FC):
            assert await host.access(address) is None
        for name in ("PULSE_LIMITS", "PULSES", "FAILURES", "FAILED_AT", "FAILED"):
            assert await host.access(name) == expected[name], name
        await host.write(SEAL=1, LAYER=1, DIAG_CONTROL=1, DIAG_ADJUST_AT=0, DIAG_ADJUST=1)

    twin.limits = {"MOST": 60, "ERASE": 8, "STRONG": 3}
    twin.program(1, 1, 2, 3)
    twin.program(0, 2, 1, 13)
    names = ("PULSE_LIMITS", "PULSES", "FAILURES", "FAILED_AT", "FAILED")
    expected = {name: twin.access(BY_NAME[name].address) for name in names}

    ports = []
    for index, layer in enumerate(DESIGN.layers):
        array = getattr(dut, f"array_{index}")
        names = {f"array_{index}": array.read, f"setup_{index}": array.setup, "pulsing": Const(1)}
        ports.append(PulsedPort(SimpleNamespace(**names), index, layer, cells, rng, Const(0)))
    served = [serve for port in ports for serve in (port.reads, port.pulses)]
    simulate(dut, body, background=served)
    assert cells.pulses == copy.pulses
