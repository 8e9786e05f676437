"""One chip of the cocotb bench, with everything that is connected to it, and the record of what it did."""

import itertools
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import cocotb
import numpy as np
from cocotb.task import Task
from cocotb.triggers import ClockCycles, FallingEdge

from ..analog.config import paced
from ..analog.tiled_array import make_array
from ..firmware.loader import load
from ..model.formats import to_wire
from ..model.registers import BY_NAME, main_registers
from ..model.seeds import child
from .agents import ArrayAgent, RegisterBusDriver, StreamSink, StreamSource, TraceMonitor
from .interleaving import by_sequence, contexts_of, dealt, gathered
from .job import STALLS, DeviceJob, DeviceRecord, LayerRecord, MacroPaths
from .rules import Rules

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
        for sequence, context, t in dealt(sequences, job.lengths, contexts, rng, job.network.design.votes):
            if t == 0:
                self.facts["sequences"].append(sequence)
                self.facts["contexts"].append(context)
            last = t == job.lengths[sequence] - 1
            await self.source.send(to_wire(job.codes[sequence, t], bits), t == 0, bool(last), context)

    @property
    def few(self) -> list[int]:
        """A sequence for each context, or all votes of a result, or as many as there are."""
        design = self.job.network.design
        return [*range(len(self.job.lengths))][: design.contexts * design.votes]

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
        """Send as many sequences as :attr:`few`, reset the chip after ``cycles``, forget what was seen of them.

        With votes sequences are sent without an end: the time of all votes differs much from chip to chip.
        """
        marks, count = [len(recording) for recording in self.recordings()], len(self.job.lengths)
        several = self.few if self.job.network.design.votes == 1 else itertools.count()
        sending = cocotb.start_soon(self.send((sequence + k) % count for k in several))
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
        sent = gathered(list(zip(self.facts["sequences"], self.facts["contexts"])), self.job.network.design.votes)
        self.facts |= {"sequences": [sequence for sequence, _ in sent], "contexts": [whose for _, whose in sent]}
        of = [agent.layer for agent in self.agents]
        seen = [*(agent.contexts for agent in self.agents), [*contexts_of(of[-1], self.sink.results)]]
        found, at, wrong = by_sequence(of, layers, seen, sent, self.job.lengths)
        for what in wrong:
            self.rules.broke(what)
        return found, [self.sink.results[k] for k in at], [self.sink.cycles[k] for k in at]
