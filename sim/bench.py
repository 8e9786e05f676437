"""The cocotb side of a co-simulation: runs inside the simulator, started by :mod:`.cosim`."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import Task
from cocotb.triggers import ClockCycles, FallingEdge, First, RisingEdge, gather

from ..analog.config import paced
from ..analog.tiled_array import make_array
from ..firmware.chip.service import serviced
from ..firmware.loader import check_sequences, load
from ..firmware.transactions import LoadError, run
from ..model.formats import to_wire
from ..model.registers import BY_NAME, main_registers
from ..model.seeds import child
from .agents import ArrayAgent, BusRefusal, RegisterBusDriver, StreamSink, StreamSource, TraceMonitor
from .diagnosis import Host, compared
from .interleaving import contexts_of, dealt, order, sorted_layer
from .job import STALLS, DeviceJob, DeviceRecord, LayerRecord, MacroPaths, read_task, write_record
from .progress import PROGRESS_SECONDS, write_progress
from .rules import PERIOD, Rules
from .simulated_chip import SimulatedChip

#: Writes that are refused while locked.
LOCKED = {"CONTROL": 1, "GAIN": 1, "TABLE_ADDRESS": 0, "TABLE_DATA": 0, "ROW": 0, "LEVEL": 1, "SEAL": 1}
ACTIONS = 200  #: of a host that measures, each of one or some accesses
PATIENCE = 500  #: cycles in which something must move, besides the waits that the job itself makes


def inner(scope, path: tuple[str, ...]) -> SimpleNamespace:
    """The ports and registers of an instance within ``scope``, by their names.

    Looked for one by one: a flattened netlist's instances have names with dots, which cocotb finds no other way.
    """
    for name in path:
        scope = next(handle for handle in scope if handle._name.strip("\\ ") == name)
    return SimpleNamespace(**{handle._name: handle for handle in scope})


class Device:
    """One chip of the bench with everything that is connected to it."""

    def __init__(self, dut, number: int, job: DeviceJob, trace: bool, macros: MacroPaths):
        self.job, self.clk, self.rules = job, dut.clk, Rules()
        #: of the scenario, which adds each sequence, and its context, before it is sent
        self.facts: dict[str, Any] = {"sequences": [], "contexts": []}
        prefix = f"d{number}__"
        self.ports = {h._name.removeprefix(prefix): h for h in dut if h._name.startswith(prefix)}
        chip = getattr(dut, f"d{number}")
        rng = np.random.default_rng([job.seed, 1])
        timing, layers, contexts = job.timing, job.network.design.layers, job.network.design.contexts
        config = paced(job.array, layers)
        self.agents: list[ArrayAgent] = []
        self.monitors: dict[int, TraceMonitor] = {}
        self.source = StreamSource(self.ports, self.clk, layers[0], rng, timing.input_gaps, contexts > 1)
        self.bus = RegisterBusDriver(self.ports, self.clk, self.rules, job.network.design.pulsed)
        for index, layer in enumerate(layers):
            view = inner(chip, macros[index])
            array = make_array(layer, config, child(job.seed, index))
            known = self.source.firsts, rng, self.rules, self.bus, timing.conversion, timing.programming
            context = self.ports.get(f"trace_{index}__context")
            self.agents.append(ArrayAgent(view, index, layer, array, *known, context))
            if layer.conversion_cycles == 0:
                view.agent_cycles.value = timing.conversion[0]
            view.agent_program_cycles.value = timing.programming[0]
            if trace and layer.kind == "lstm":
                self.monitors[index] = TraceMonitor(self.ports, self.clk, index, layer, self.rules)
        self.sink = StreamSink(self.ports, self.clk, rng, timing.output_gaps, self.rules)
        self.loaded = 0.0  #: share of the image
        self.tasks: dict[str, Task[None]] = {}  #: ``sink`` takes results, from :meth:`start` on
        self.ports["rst"].value = 1

    async def reset(self) -> None:
        """Hold the reset for two cycles."""
        self.ports["rst"].value = 1
        await ClockCycles(self.clk, 2)
        await FallingEdge(self.clk)
        self.ports["rst"].value = 0
        self.bus.diagnosing = self.bus.pulsing = False

    def start(self) -> None:
        """Begin to answer the arrays and to take results."""
        for agent in self.agents:
            cocotb.start_soon(agent.serve_reads())
            cocotb.start_soon(agent.serve_programming())
            cocotb.start_soon(agent.watch_rules())
            if agent.layer.diagnostics:
                cocotb.start_soon(agent.serve_adjustments())
                cocotb.start_soon(agent.serve_resets())
        for monitor in self.monitors.values():
            for name in monitor.values:
                cocotb.start_soon(monitor.watch(name))
        self.tasks["sink"] = cocotb.start_soon(self.sink.run())

    async def load(self, weights: bool = True) -> None:
        """Load the image over the register bus."""
        await self.bus.run(load(self.job.network, weights=weights, progress=self.load_progress))
        self.take_gains()

    def take_gains(self) -> None:
        """Read the gains that the registers hold, for all arrays."""
        for agent in self.agents:
            agent.take_gains()

    def load_progress(self, done: int, total: int) -> None:
        self.loaded = done / total

    async def send(self, sequences: Iterable[int]) -> None:
        """Send sequences of the job, one after the other; those of different contexts step by step in turns.

        With idle cycles before inputs contexts do not take turns but come at random.
        """
        job, contexts = self.job, self.job.network.design.contexts
        bits = job.network.design.layers[0].input_bits
        rng = np.random.default_rng([job.seed, 4]) if self.source.gaps and contexts > 1 else None
        for sequence, context, t in dealt(sequences, job.lengths, contexts, rng):
            if t == 0:
                self.facts["sequences"].append(sequence)
                self.facts["contexts"].append(context)
            last = t == job.lengths[sequence] - 1
            await self.source.send(to_wire(job.codes[sequence, t], bits), t == 0, bool(last), context)

    @property
    def few(self) -> list[int]:
        """A sequence for each context, or as many as there are."""
        return [*range(len(self.job.lengths))][: self.job.network.design.contexts]

    async def read(self, name: str) -> int:
        return await self.bus.access(BY_NAME[name].address)

    async def drain(self) -> None:
        """Wait until the chip is idle and every result has been taken."""
        while BY_NAME["STATUS"].unpack(await self.read("STATUS"))["BUSY"]:
            await ClockCycles(self.clk, 4)

    async def watch_progress(self) -> None:
        """Return, with a broken rule, when the chip has stood still for longer than anything may take."""
        timing = self.job.timing
        fixed = [layer.conversion_cycles for layer in self.job.network.design.layers]
        bound = (
            PATIENCE
            + max(*timing.conversion, *timing.programming, *fixed)
            + max(timing.input_gaps, timing.output_gaps)
        )
        before = None
        while (now := self.progress()) != before:
            before = now
            await ClockCycles(self.clk, bound)
        if self.bus.waits_at is not None:
            what = f"the register bus does not answer at 0x{self.bus.waits_at:02X}"
        elif int(self.ports["x__valid"].value):
            what = "an input is not taken"
        else:
            what = "no result comes"
        self.rules.broke(f"nothing moves for {bound} cycles: {what}")

    def progress(self) -> tuple[int, ...]:
        """What grows while the chip works."""
        arrays = [n for agent in self.agents for n in (len(agent.codes), agent.written, agent.diagnosed)]
        return self.bus.writes, self.source.taken, len(self.sink.results), *arrays

    def recordings(self) -> list[list[Any]]:
        """All lists that grow while the chip runs."""
        lists = [self.sink.results, self.sink.cycles, self.source.firsts]
        lists += [self.facts["sequences"], self.facts["contexts"]]
        for agent in self.agents:
            lists += [agent.drives, agent.codes, agent.starts, agent.ends, agent.contexts, agent.busy]
        for monitor in self.monitors.values():
            lists += [*monitor.values.values(), *monitor.cycles.values()]
        return lists

    async def interrupted(self, sequence: int, cycles: int, by_pin: bool) -> None:
        """Send a sequence to each context, reset the chip after ``cycles``, and forget what was recorded of them."""
        marks = [len(recording) for recording in self.recordings()]
        count, contexts = len(self.job.lengths), self.job.network.design.contexts
        sending = cocotb.start_soon(self.send([(sequence + k) % count for k in range(min(count, contexts))]))
        await ClockCycles(self.clk, cycles)
        await FallingEdge(self.clk)
        sending.cancel()
        self.tasks["sink"].cancel()
        self.ports["x__valid"].value = 0
        self.ports["y__ready"].value = 0
        if by_pin:
            await self.reset()
            status = BY_NAME["STATUS"]
            if status.unpack(await self.bus.access(status.address))["UNLOCKED"]:
                self.rules.broke("register bus: the chip is unlocked after a reset by its pin")
            await self.load(weights=False)
        else:
            control = BY_NAME["CONTROL"]
            await self.bus.access(control.address, control.pack(ENABLE=1, RESET=1))
            await ClockCycles(self.clk, 2)
        for recording, mark in zip(self.recordings(), marks):
            del recording[mark:]
        self.ports["y__ready"].value = int(not self.sink.gaps)
        self.tasks["sink"] = cocotb.start_soon(self.sink.run())

    async def record(self) -> DeviceRecord:
        """Everything that was recorded, as arrays."""
        layers = []
        for index, agent in enumerate(self.agents):
            layer = agent.layer
            traces = {}
            if index in self.monitors:
                monitor = self.monitors[index]
                traces = {name: monitor.numbers(name) for name in monitor.values}
                traces |= {f"{name}_cycles": np.array(cycles, np.int64) for name, cycles in monitor.cycles.items()}
            drives, codes, starts, ends = (
                np.array(values, np.int64) for values in (agent.drives, agent.codes, agent.starts, agent.ends)
            )
            drives, codes = drives.reshape(-1, layer.rows), codes.reshape(-1, layer.codes_at_once)
            layers.append(LayerRecord(drives, codes, starts, ends, busy=np.array(agent.busy, np.int64), **traces))
        out, out_cycles = self.sink.results, self.sink.cycles
        if self.job.network.design.contexts > 1:
            layers, out, out_cycles = self.by_sequence(layers)
        registers = {}
        if self.bus.waits_at is None:
            shown = [r.name for r in main_registers(self.job.network.design) if r.access != "wo"]
            registers = {name: await self.read(name) for name in shown}
        stalls = {name: (self.source.stalls + self.sink.stalls)[name] for name in STALLS}
        seen = out, layers, registers, self.facts, out_cycles, self.rules.sentences()
        return DeviceRecord(*seen, stalls)

    def by_sequence(self, layers: list[LayerRecord]) -> tuple[list[LayerRecord], list[int], list[int]]:
        """What was seen of interleaved sequences with one behind the other: layers, results and their cycles."""
        known = list(zip(self.facts["sequences"], self.facts["contexts"])), self.job.lengths
        found = []
        for agent, record in zip(self.agents, layers):
            at, wrong = order(agent.layer, agent.contexts, *known)
            found.append(sorted_layer(record, at, agent.layer.conversions))
            for what in wrong:
                self.rules.broke(f"{agent.where}: {what}")
        last = self.agents[-1].layer
        at, wrong = order(last, [*contexts_of(last, self.sink.results)], *known)
        for what in wrong:
            self.rules.broke(f"output stream: {what}")
        return found, [self.sink.results[k] for k in at], [self.sink.cycles[k] for k in at]


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
    if device.job.network.design.max_steps:  # whole sequences are kept: what becomes of them, too
        cycles *= int(device.job.lengths.max())
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


def _accompany(parent: int, devices: list[Device], folder: Path) -> None:
    """Tell the process that started the simulator how far it is, and end the simulator with it.

    Without its parent a simulator would write its record into the next run's folder.
    """
    while os.getppid() == parent:
        write_progress(folder, min(d.loaded for d in devices), sum(d.source.taken for d in devices))
        time.sleep(PROGRESS_SECONDS)
    os._exit(1)


@cocotb.test()
async def bench(dut):
    """Run every chip's scenario at the same time and leave the records."""
    folder = Path(os.environ["OHMGATE_JOB"])
    task = read_task(folder)
    devices = [Device(dut, k, job, task.trace, macros) for k, (job, macros) in enumerate(zip(task.jobs, task.macros))]
    Thread(target=_accompany, args=(int(os.environ["OHMGATE_PARENT"]), devices, folder), daemon=True).start()
    Clock(dut.clk, PERIOD, "step").start(start_high=False)

    async def run(device: Device) -> None:
        try:
            await RUNS[device.job.scenario](device)
        except (LoadError, BusRefusal) as error:
            device.rules.broke(f"register bus: the load came to an end: {error}")

    async def one(number: int, device: Device) -> None:
        await device.reset()
        device.start()
        scenario = cocotb.start_soon(run(device))
        watch = cocotb.start_soon(device.watch_progress())
        await First(scenario, watch)
        for task in (scenario, watch):
            task.cancel()
        write_record(folder, number, await device.record())

    await RisingEdge(dut.clk)
    await gather(*(one(n, d) for n, d in enumerate(devices)))
