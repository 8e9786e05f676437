"""The loader against the RTL's register bus: the array and table ports see exactly the network."""

from functools import partial

import numpy as np
import pytest
from amaranth.sim import Simulator

from ohmgate.firmware.image import pack
from ohmgate.firmware.loader import BusError, LoadError, Read, load
from ohmgate.hdl.activation_tables import has_loaded_tables
from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.model.registers import BY_NAME
from tests.designs import random_design, random_network
from tests.firmware.fake_device import FakeDevice

PROGRAMMING = 3  # cycles that a cell takes


def on_rtl(design, transactions, seen: FakeDevice) -> int:
    """Do ``transactions`` on the RTL; what leaves its ports is noted in ``seen``. Returns CONTROL."""
    dut = RegisterBus(design)
    result = {}

    busy = set()  # layers with a cell that is being programmed

    async def program(ctx, index):
        setup = getattr(dut, f"setup_{index}")
        ports = (setup.program_strobe, setup.program_row, setup.program_column, setup.program_level)
        while True:
            _, _, strobe, row, column, level = await ctx.tick().sample(*ports)
            if not strobe:
                continue
            assert not busy, "a cell is programmed while another one is"
            busy.add(index)
            seen.levels[index][row, column] = level
            for _ in range(PROGRAMMING):
                await ctx.tick()
            ctx.set(setup.program_done, 1)
            await ctx.tick()
            ctx.set(setup.program_done, 0)
            busy.remove(index)

    async def write_tables(ctx, index):
        table = getattr(dut, f"table_{index}")
        while True:
            _, _, enable, gate, entry, value = await ctx.tick().sample(table.en, table.gate, table.entry, table.data)
            if enable:
                seen.tables[index][gate, entry] = value

    async def access(ctx, register, value=None):
        bus = dut.bus
        ctx.set(bus.adr, register.address // 4)
        ctx.set(bus.we, value is not None)
        ctx.set(bus.dat_w, value or 0)
        for signal, level in ((bus.sel, 15), (bus.cyc, 1), (bus.stb, 1)):
            ctx.set(signal, level)
        read, refused = await ctx.tick().sample(bus.dat_r, bus.err).until(bus.ack | bus.err)
        ctx.set(bus.cyc, 0)
        ctx.set(bus.stb, 0)
        if refused:
            raise BusError(register.name)
        return read

    async def drive(ctx):
        value = None
        try:
            while True:
                transaction = transactions.send(value)
                is_read = isinstance(transaction, Read)
                value = await access(ctx, transaction.register, None if is_read else transaction.value)
                value = value if is_read else None
        except (StopIteration, LoadError, BusError) as stop:
            result["stop"] = stop
        for index, layer in enumerate(design.layers):
            setup = getattr(dut, f"setup_{index}")
            gains = [(ctx.get(setup.mult[gate]), ctx.get(setup.shift[gate])) for gate in range(layer.gates)]
            seen.gains[index] = np.array(gains)
        result["control"] = await access(ctx, BY_NAME["CONTROL"])

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for index, layer in enumerate(design.layers):
        simulator.add_testbench(partial(program, index=index), background=True)
        if has_loaded_tables(layer):
            simulator.add_testbench(partial(write_tables, index=index), background=True)
    simulator.add_testbench(drive)
    simulator.run()
    if not isinstance(result["stop"], StopIteration):
        raise result["stop"]
    return result["control"]


@pytest.mark.parametrize("seed", range(6))
def test_the_rtl_hands_on_exactly_the_network(seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_design(rng, layers=1 + seed % 3, max_outputs=4, max_inputs=3), rng)
    seen = FakeDevice(network.design)
    assert on_rtl(network.design, load(pack(network)), seen) == 1
    assert tuple(seen.layer_data(k) for k in range(len(network.layers))) == network.layers


def test_the_rtl_refuses_a_wrong_fingerprint():
    rng = np.random.default_rng(1)
    network, other = (random_network(random_design(rng, layers=1, max_outputs=2), rng) for _ in range(2))
    with pytest.raises(LoadError, match=r"^the device was built for the design"):
        on_rtl(other.design, load(network), FakeDevice(other.design))
    with pytest.raises(LoadError, match=f"^the device refused the fingerprint {network.design.fingerprint}$"):
        on_rtl(other.design, load(network, force=True), FakeDevice(other.design))
