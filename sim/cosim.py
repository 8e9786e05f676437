"""Co-simulation: generated Verilog against the Python array model, and the comparison with the reference."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from ..hdl.chip import Chip
from ..hdl.flow.emit import emit
from ..hdl.flow.verilator import tool_path
from ..hdl.macro_views import unique_layers
from ..model.design import Design
from ..model.files import whole
from ..model.formats import DesignError
from ..model.locks import sole_use
from .agent_view import agent_view
from .compare import Comparison, compare
from .failures import FAILURES, failed, whole_build
from .interleaving import check_traced
from .job import DeviceJob, DeviceRecord, MacroPaths, Task, read_record, write_task
from .progress import PROGRESS, Progress, watched
from .simulators import BUILD_ARGS, WAVE_ARGS, icarus_waves, require
from .user_verilog import UserVerilog
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
    own: UserVerilog | None = None  #: in place of the generated chip

    @property
    def macros(self) -> list[MacroPaths]:
        """Where each chip's macros are."""
        if self.own is not None:
            return [self.own.macros]
        return [[(f"array_{k}", "macro") for k in range(len(design.layers))] for design in self.designs]


@dataclass
class DeviceResult:
    """What one chip did, and how it compares with the reference."""

    record: DeviceRecord
    comparison: Comparison


def build(
    designs: list[Design],
    folder: Path,
    simulator: str = "verilator",
    trace: bool = True,
    waves: bool = False,
    own: UserVerilog | None = None,
) -> Build:
    """Compile the Verilog of ``designs`` with the co-simulation's view of their arrays into ``folder``.

    ``trace`` adds the trace ports (gates, cell and hidden state are then compared too), ``waves`` records an FST
    file. ``own`` is somebody's Verilog in place of that of the only design. Raises :class:`DesignError` for a design
    that the RTL does not take or a folder that another run has, or if the simulator is missing or the build fails.
    """
    for design in designs:  # before Amaranth makes modules, which warn if an error leaves them unused
        design.check_hardware()
    require(simulator, folder, waves)
    folder = Path(folder).resolve()  # the simulator runs in another folder
    named = [replace(d, name=f"chip{k}_{d.name}") for k, d in enumerate(designs)] if len(designs) > 1 else designs
    made = Build(folder, simulator, tuple(named), trace if own is None else own.trace, waves, own)
    for design in designs:
        check_traced(design, made.trace)
    with sole_use(folder):
        _compile(made, _sources(made))
    return made


def _sources(build: Build) -> list[Path]:
    """Writes the Verilog of a build."""
    folder, named, trace, sources = build.folder, build.designs, build.trace, []
    for design in named:
        if build.own is None:
            sources.append(_write(folder / f"{design.name}.v", emit(Chip(design, trace), design.name)))
        else:
            sources += build.own.files
    views = {layer.macro_name: layer for design in named for layer in unique_layers(design)}
    for name, layer in sorted(views.items()):
        sources.append(_write(folder / f"{name}_agent.v", agent_view(layer)))
    sources.append(_write(folder / f"{TOP}.v", wrapper(named, trace)))
    if build.waves and build.simulator == "icarus":  # cocotb's own dump module is SystemVerilog, which -g2005 refuses
        sources.append(_write(folder / "ohmgate_waves.v", icarus_waves(TOP)))
    return sources


def _compile(build: Build, sources: list[Path]) -> None:
    folder, simulator, waves = build.folder, build.simulator, build.waves
    args = [*BUILD_ARGS[simulator], *(WAVE_ARGS[simulator] if waves else ())]
    with tool_path(), whole_build(folder / "build") as made:
        try:
            get_runner(simulator).build(
                sources=sources,
                hdl_toplevel=TOP,
                build_dir=made,
                build_args=args,
                always=True,
                timescale=TIMESCALE,
                waves=waves and simulator == "verilator",
                log_file=folder / "build.log",
            )
        except FAILURES as error:
            raise failed(f"{simulator} could not build the simulation", folder / "build.log", error, 0) from error


def simulate(build: Build, jobs: list[DeviceJob], progress: Progress | None = None) -> list[DeviceResult]:
    """Run one job on each chip of ``build``, all at the same time, and compare each with the reference.

    ``progress`` is called twice a second, in another thread. A chip that breaks a rule of its ports, or stands still,
    is a verdict, too (:attr:`Comparison.violations`). Raises
    :class:`DesignError` if the simulation itself fails, its simulator is killed, or another run is using the build.
    """
    with sole_use(build.folder):
        return _simulate(build, jobs, progress)


def _simulate(build: Build, jobs: list[DeviceJob], progress: Progress | None) -> list[DeviceResult]:
    if len(jobs) != len(build.designs):
        raise DesignError(f"a build of {len(build.designs)} chips must get as many jobs, not {len(jobs)}")
    for number, (design, job) in enumerate(zip(build.designs, jobs)):
        if design.fingerprint != job.network.design.fingerprint:
            raise DesignError(
                f"job {number} has a network of fingerprint {job.network.design.fingerprint}, "
                f"but the chip has {design.fingerprint}"
            )
        if design.contexts != job.network.design.contexts:
            raise DesignError(
                f"job {number} must have a network of {design.contexts} contexts, as the chip has, "
                f"not of {job.network.design.contexts}"
            )
    _forget_records(build.folder)
    write_task(build.folder, Task(jobs, build.trace, build.macros))
    results = build.folder / "results.xml"
    with tool_path(), watched(build.folder, progress):
        try:
            get_runner(build.simulator).test(
                hdl_toplevel=TOP,
                hdl_toplevel_lang="verilog",
                test_module="ohmgate.sim.bench",
                build_dir=build.folder / "build",
                test_dir=build.folder,
                results_xml=str(results),
                timescale=TIMESCALE,
                waves=build.waves,
                extra_env={
                    "OHMGATE_JOB": str(build.folder.resolve()),
                    "OHMGATE_PARENT": str(os.getpid()),
                    "COCOTB_LOG_LEVEL": "WARNING",
                },
                log_file=build.folder / "simulation.log",
            )
        except FAILURES as error:
            _forget_records(build.folder)
            raise _failure(build, error) from error
    if not _passed(results):
        _forget_records(build.folder)
        raise _failure(build)
    records = [read_record(build.folder, k, len(d.layers)) for k, d in enumerate(build.designs)]
    return [DeviceResult(record, compare(job, record)) for job, record in zip(jobs, records)]


def _forget_records(folder: Path) -> None:
    """Remove what an earlier simulation left, or one that failed."""
    for pattern in ("record_*", ".*.record_*", "results.xml", PROGRESS, f".*.{PROGRESS}"):
        for stale in folder.glob(pattern):
            stale.unlink()


def _passed(results: Path) -> bool:
    """Did tests run, and none fail? ``results`` may be missing, or cut off by a full disk."""
    try:
        tests, failures = get_results(results)
    except (RuntimeError, ElementTree.ParseError):
        return False
    return tests > 0 and not failures


def _failure(build: Build, error: BaseException | None = None) -> DesignError:
    return failed("the simulation failed", build.folder / "simulation.log", error, -1)


def _write(path: Path, text: str) -> Path:
    with whole(path) as part:
        part.write_text(text)
    return path
