"""What the cocotb bench does with a chip: its scenarios, each a coroutine that notes broken rules and facts."""

import numpy as np
from cocotb.triggers import FallingEdge

from ..firmware.chip.service import serviced
from ..firmware.loader import check_sequences, load
from ..firmware.transactions import LoadError, run
from ..model.formats import to_wire
from ..model.registers import BY_NAME
from .agents import BusRefusal
from .device import Device
from .diagnosis import Host, compared
from .simulated_chip import SimulatedChip

#: Writes that are refused while locked.
LOCKED = {"CONTROL": 1, "GAIN": 1, "TABLE_ADDRESS": 0, "TABLE_DATA": 0, "ROW": 0, "LEVEL": 1, "SEAL": 1}
ACTIONS = 200  #: of a host that measures, each of one or some accesses


async def inference(device: Device) -> None:
    """Load the image and run all sequences. With a service, measure the chip first and load it with its record."""
    await device.load()
    if device.job.service != "none":
        steps = serviced(device.job.network, device.job.service)
        device.facts["record"] = (await device.bus.run(steps)).to_dict()
        device.take_gains()
    await device.send(range(len(device.job.lengths)))
    await device.drain()
    try:
        await device.bus.run(check_sequences(device.job.network.design))
    except LoadError as error:
        device.rules.broke(f"register bus: {error}, though all are short enough")


async def reset_sweep(device: Device) -> None:
    """Reset in every cycle of one time step, or in some, by register and by pin; after each reset run sequence 0.

    By register everything stays loaded. By pin the registers are lost, so tables and gains are loaded again;
    cells keep their levels. Only the runs after a reset are kept in the record.
    """
    await device.load()
    conversion = device.job.timing.conversion[1]
    cycles = sum(
        agent.layer.conversions * (agent.layer.conversion_cycles or conversion) + 8 for agent in device.agents
    )
    design = device.job.network.design
    if design.max_steps or design.votes > 1:  # whole sequences are kept, or their sums: what becomes of them, too
        cycles *= int(device.job.lengths.max()) * design.votes
    delays = list(range(1, cycles + 1))
    if device.job.resets:
        delays = np.random.default_rng([device.job.seed, 2]).integers(1, cycles + 1, device.job.resets).tolist()
    for by_pin in (False, True):
        for delay in delays:
            await device.interrupted(delay % len(device.job.lengths), delay, by_pin)
            await device.send(device.few)
            await device.drain()
    device.facts |= {"cycles": cycles, "resets": len(delays)}


async def cut(device: Device) -> None:
    """Give all layers their seals, program one cell as a load that is cut does, and try to run without the others."""
    facts, broke, fingerprint = device.facts, device.rules.broke, int(device.job.network.design.fingerprint, 16)

    async def write(**values: int) -> None:
        for name, value in values.items():
            await device.bus.access(BY_NAME[name].address, value)

    async def sealed() -> int:
        while (status := BY_NAME["STATUS"].unpack(await device.read("STATUS")))["PROGRAMMING"]:
            pass
        return status["SEALED"]

    await write(UNLOCK_LOW=fingerprint & 0xFFFFFFFF, UNLOCK_HIGH=fingerprint >> 32)
    for layer in range(len(device.agents)):
        await write(LAYER=layer, SEAL=1)
    facts["sealed"] = [await sealed()]
    await write(LAYER=0, ROW=0, COLUMN=0, LEVEL=0)
    facts["sealed"].append(await sealed())
    if facts["sealed"] != [1, 0]:
        broke("register bus: STATUS.SEALED is not set by SEAL and cleared by LEVEL")
    try:
        await write(CONTROL=1)
        broke("register bus: the chip is enabled without a seal")
        await write(CONTROL=0)
    except BusRefusal:
        facts["refused"].append("CONTROL without a seal")
    try:
        await device.load(weights=False)
        broke("register bus: cells that were not loaded to the end are taken for whole")
    except LoadError as error:
        facts["kept_cells"] = str(error)


async def refusal(device: Device) -> None:
    """An image with a wrong fingerprint is refused by the chip; so are loading and inputs while locked.

    Then cells without a seal are not run: see :func:`cut`.
    """
    wrong = int(device.job.network.design.fingerprint, 16) ^ 1
    facts, broke = device.facts, device.rules.broke
    await device.bus.access(BY_NAME["UNLOCK_LOW"].address, wrong & 0xFFFFFFFF)
    await device.bus.access(BY_NAME["UNLOCK_HIGH"].address, wrong >> 32)
    status = facts["status_after_wrong"] = BY_NAME["STATUS"].unpack(await device.read("STATUS"))
    if status["UNLOCKED"] or not status["REFUSED"]:
        broke("register bus: STATUS does not say that a wrong fingerprint was refused")
    refused = facts["refused"] = []
    for name, value in LOCKED.items():
        try:
            await device.bus.access(BY_NAME[name].address, value)
            broke(f"register bus: a write to {name} is taken while the chip is locked")
        except BusRefusal:
            refused.append(name)
    device.ports["x__valid"].value = 1
    facts["input_taken"] = 0
    for _ in range(20):
        await FallingEdge(device.clk)
        facts["input_taken"] += int(device.ports["x__ready"].value)
    if facts["input_taken"]:
        broke("input stream: an input is taken while the chip is locked")
    device.ports["x__valid"].value = 0
    facts["cells_written"] = int(sum((agent.array.writes > 0).sum() for agent in device.agents))
    if facts["cells_written"]:
        broke("array port: a cell is programmed while the chip is locked")
    try:
        await cut(device)
        await device.load()
        facts["right_image"] = "loaded"
    except (LoadError, BusRefusal) as error:
        facts["right_image"] = str(error)
        broke(f"the right image is refused after a wrong one: {error}")
        return
    if device.job.network.design.max_steps:
        await too_long(device)
    await device.send(device.few)
    await device.drain()


async def too_long(device: Device) -> None:
    """A sequence that is a step too long is taken, has no results, and is told. What was recorded is forgotten."""
    job, broke = device.job, device.rules.broke
    design, marks = job.network.design, [len(recording) for recording in device.recordings()]
    results, count = len(device.sink.results), design.max_steps + 1
    patterns = to_wire(job.codes[0, :1], design.layers[0].input_bits)[0]
    for t in range(count):
        await device.source.send(patterns, t == 0, t == count - 1)
    await device.drain()
    if len(device.sink.results) > results:
        broke("output stream: a sequence that is too long has results")
    try:
        await device.bus.run(check_sequences(design))
        broke("register bus: SEQUENCES does not say that a sequence was too long")
    except LoadError as error:
        device.facts["too_long"] = str(error)
    for recording, mark in zip(device.recordings(), marks):
        del recording[mark:]
    await device.bus.access(BY_NAME["CONTROL"].address, BY_NAME["CONTROL"].pack(ENABLE=1, CLEAR=1))
    if BY_NAME["SEQUENCES"].unpack(await device.read("SEQUENCES"))["TOO_LONG"]:
        broke("register bus: SEQUENCES.TOO_LONG is not cleared by CONTROL.CLEAR")


async def diagnostics(device: Device) -> None:
    """Measure, adjust and program a loaded chip at random, reset it by its pin, and again; then run all sequences.

    Every answer of the register bus is compared with that of a chip without Verilog, which has the same arrays.
    """
    job, facts = device.job, device.facts
    chip = SimulatedChip(job.network.design, job.array, job.seed)
    host = Host(job.network.design, np.random.default_rng([job.seed, 3]))
    facts["declined"] = 0
    for actions in (ACTIONS, ACTIONS // 8):
        await device.load()
        run(load(job.network), chip)
        facts["declined"] += await compared(device.bus, chip, host, actions)
        await device.reset()
        chip.power_cycle()
    seen = sum(agent.diagnosed for agent in device.agents)
    expected = facts["conversions"] = chip.conversions + chip.verifies
    if seen != expected:
        device.rules.broke(f"array port: there are {seen} diagnostic conversions, not {expected}")
    await inference(device)


#: by name, as in sim/job.py
RUNS = {"inference": inference, "reset_sweep": reset_sweep, "refusal": refusal, "diagnostics": diagnostics}
