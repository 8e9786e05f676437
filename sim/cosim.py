"""Co-simulation: generated Verilog against the Python array model, and the comparison with the reference."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from ..hdl.accelerator import check_rtl
from ..hdl.chip import Chip
from ..hdl.emit import emit
from ..hdl.macro_views import unique_layers
from ..hdl.verilator import tool_path
from ..model.design import Design
from ..model.files import whole
from ..model.formats import DesignError
from .agent_view import agent_view
from .compare import Comparison, compare
from .job import DeviceJob, DeviceRecord, read_record, write_jobs
from .simulators import BUILD_ARGS, WAVE_ARGS, icarus_waves, require
from .wrapper import TOP, wrapper

TIMESCALE = ("1ns", "1ns")


@dataclass(frozen=True)
class Build:
    """A compiled simulation of one or more chips."""

    folder: Path
    simulator: str
    designs: tuple[Design, ...]  #: with the names of their modules
    trace: bool
    waves: bool


@dataclass
class DeviceResult:
    """What one chip did, and how it compares with the reference."""

    record: DeviceRecord
    comparison: Comparison


def build(
    designs: list[Design], folder: Path, simulator: str = "verilator", trace: bool = True, waves: bool = False
) -> Build:
    """Compile the Verilog of ``designs`` with the co-simulation's view of their arrays into ``folder``.

    ``trace`` adds the trace ports (gates, cell and hidden state are then compared too), ``waves`` records an FST
    file. Raises :class:`DesignError` for a design that the RTL does not take, or if the simulator is missing or the
    build fails.
    """
    for design in designs:  # before Amaranth makes modules, which warn if an error leaves them unused
        check_rtl(design)
    require(simulator, waves)
    folder = Path(folder).resolve()  # the simulator runs in another folder
    folder.mkdir(parents=True, exist_ok=True)
    named = [replace(d, name=f"chip{k}_{d.name}") for k, d in enumerate(designs)] if len(designs) > 1 else designs
    sources = []
    for design in named:
        sources.append(_write(folder / f"{design.name}.v", emit(Chip(design, trace), design.name)))
    views = {layer.macro_name: layer for design in named for layer in unique_layers(design)}
    for name, layer in sorted(views.items()):
        sources.append(_write(folder / f"{name}_agent.v", agent_view(layer)))
    sources.append(_write(folder / f"{TOP}.v", wrapper(named, trace)))
    args = list(BUILD_ARGS[simulator])
    if waves:
        args += WAVE_ARGS[simulator]
        if simulator == "icarus":  # cocotb's own dump module is SystemVerilog, which -g2005 refuses
            sources.append(_write(folder / "ohmgate_waves.v", icarus_waves(TOP)))
    with tool_path():
        try:
            get_runner(simulator).build(
                sources=sources, hdl_toplevel=TOP, build_dir=folder / "build", build_args=args, always=True,
                timescale=TIMESCALE, waves=waves and simulator == "verilator", log_file=folder / "build.log",
            )  # fmt: skip
        except (RuntimeError, SystemExit) as error:
            reason = _reason(folder / "build.log", "it does not say why", 0)
            raise DesignError(f"{simulator} could not build the simulation: {reason}") from error
    return Build(folder, simulator, tuple(named), trace, waves)


def simulate(build: Build, jobs: list[DeviceJob]) -> list[DeviceResult]:
    """Run one job on each chip of ``build``, all at the same time, and compare each with the reference.

    A chip that breaks a rule of its ports, or stands still, is a verdict, too (:attr:`Comparison.violations`). Raises
    :class:`DesignError` if the simulation itself fails.
    """
    if len(jobs) != len(build.designs):
        raise DesignError(f"a build of {len(build.designs)} chips must get as many jobs, not {len(jobs)}")
    for number, (design, job) in enumerate(zip(build.designs, jobs)):
        if design.fingerprint != job.network.design.fingerprint:
            raise DesignError(
                f"job {number} has a network of fingerprint {job.network.design.fingerprint}, "
                f"but the chip has {design.fingerprint}"
            )
    for stale in (*build.folder.glob("record_*"), *build.folder.glob("results.xml")):
        stale.unlink()
    write_jobs(build.folder, jobs, build.trace)
    results = build.folder / "results.xml"
    with tool_path():
        try:
            get_runner(build.simulator).test(
                hdl_toplevel=TOP, hdl_toplevel_lang="verilog", test_module="ohmgate.sim.bench",
                build_dir=build.folder / "build", test_dir=build.folder,
                results_xml=str(results), timescale=TIMESCALE,
                waves=build.waves,
                extra_env={"OHMGATE_JOB": str(build.folder.resolve()), "COCOTB_LOG_LEVEL": "WARNING"},
                log_file=build.folder / "simulation.log",
            )  # fmt: skip
        except SystemExit as error:
            raise _failure(build) from error
    if not results.exists() or (counts := get_results(results))[1] or not counts[0]:
        raise _failure(build)
    records = [read_record(build.folder, k, len(d.layers)) for k, d in enumerate(build.designs)]
    return [DeviceResult(record, compare(job, record)) for job, record in zip(jobs, records)]


def _failure(build: Build) -> DesignError:
    reason = _reason(build.folder / "simulation.log", "it ended without a result", -1)
    return DesignError(f"the simulation failed: {reason}")


def _reason(log: Path, otherwise: str, which: int) -> str:
    """The line of ``log`` that says what went wrong, and where the log is."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    errors = [line.strip() for line in lines if "error" in line.lower()]
    return f"{errors[which] if errors else otherwise} (log: {os.path.relpath(log)})"


def _write(path: Path, text: str) -> Path:
    with whole(path) as part:
        part.write_text(text)
    return path
