"""The cocotb side of a co-simulation: runs inside the simulator, started by :mod:`.cosim`."""

import os
import time
from pathlib import Path
from threading import Thread

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import First, RisingEdge, gather

from ..firmware.transactions import LoadError
from .agents import BusRefusal
from .device import Device
from .job import read_task, write_record
from .progress import PROGRESS_SECONDS, write_progress
from .rules import PERIOD
from .scenarios import RUNS


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
