"""Proves a bench: Yosys makes an and-inverter graph of it, ABC decides, Yosys's simulator shows a counterexample.

Both come with pyosys. ``pdr`` (property-directed reachability, IC3) proves for all time, ``bmc3`` up to a cycle.
"""

import re
import resource
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ohmgate.hdl.flow.yosys import run_yosys
from ohmgate.model.programs import ProgramError, run_program, work_folder

from .bench import TOP, Bench
from .trace import Trace, read_trace

PROVED, HOLDS, FAILS, OPEN = "proved", "holds", "fails", "undecided"
#: To gates. ``init`` values go, but for those of the bench itself: silicon has none. From there on no pass may touch
#: a flip-flop: ``opt_dff`` and ``opt_merge`` would choose for each what it begins with.
GATES = (
    "read_verilog proof.v",
    f"hierarchy -check -top {TOP}",
    "proc",
    "flatten",
    "memory_map",
    "opt_clean",
    "setattr -unset init w:* w:proof_begun w:proof_held %u w:settled_* %u %d",
    "write_rtlil proof.il",
    "simplemap",
    "techmap",
    "opt_expr",
    "opt_clean",
    "setundef -anyseq",
    "dffunmap",
    "aigmap",
)


@dataclass(frozen=True)
class Verdict:
    """What became of a bench."""

    status: str  #: proved: for all time, from ``cycles`` cycles where these are enough; holds: in the cycles up to ``cycles``; fails: with ``trace``; undecided
    cycles: int
    seconds: float  #: of CPU
    trace: Trace | None = None
    unreached: tuple[str, ...] = ()  #: what no input reaches: the property says too little

    @property
    def good(self) -> bool:
        return self.status in (PROVED, HOLDS) and not self.unreached


def prove(bench: Bench, cycles: int = 0, reach: int = 100, limit: int = 300) -> Verdict:
    """Prove the claims of ``bench``: for all time, or in the first ``cycles`` cycles where that is not 0.

    A bench that begins anywhere is proved in as many cycles as its claims look at, which is for all time.

    What must be reached has to be within ``reach`` cycles. ``limit`` bounds each run of ABC in seconds of CPU.
    """
    began, cycles = _cpu(), bench.window + 1 if bench.anywhere else cycles
    with work_folder("ohmgate_proof_") as folder:
        (folder / "proof.v").write_text(bench.verilog(), encoding="utf-8")
        run_yosys([*GATES, *_graph("bad"), *_graph("reach")], folder)
        log = _abc(_decide(f"bmc3 -F {cycles}" if cycles else "scorr; pdr"), folder, limit)
        if "All outputs solved or timed out in frame 1" in log:  # scorr has left nothing, of which pdr says nothing
            log = _abc(_decide("pdr"), folder, limit)
        found = re.search(r"Status = +(-?\d+) +Frames = +(-?\d+)", log)
        assert found or not log, f"ABC said nothing of its result:\n{log}"
        status, frames = (int(found[1]), int(found[2])) if found else (-1, 0)
        if status == 0:
            if not cycles:  # pdr's counterexample has detours: the shortest one is easier to read
                _abc(_decide("bmc3 -F 200"), folder, limit)
            return Verdict(FAILS, 0, _cpu() - began, _counterexample(bench, folder))
        unreached = _unreached(bench, folder, reach, limit)
        if status == 1:
            return Verdict(PROVED, 0, _cpu() - began, None, unreached)
        if not cycles or frames < cycles - 1:
            return Verdict(OPEN, frames, _cpu() - began, None, unreached)
        return Verdict(PROVED if bench.anywhere else HOLDS, cycles, _cpu() - began, None, unreached)


def _graph(output: str) -> list[str]:
    """Commands that write the graph with one port as its outputs."""
    return [
        "design -push-copy",
        f"delete -output o:* o:{output} %d",
        "opt_clean -purge",
        f"write_aiger -zinit -map {output}.aim {output}.aig",
        "design -pop",
    ]


def _decide(engine: str) -> str:
    return f"read_aiger bad.aig; strash; {engine}; print_status; write_cex -a cex.txt"


def _abc(commands: str, folder: Path, limit: int) -> str:
    """Run ABC in ``folder``; returns what it says, "" where its CPU seconds are up."""
    spec = find_spec("pyosys")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "yosys-abc"
    bounded = ["bash", "-c", f'ulimit -t {limit}; exec "$0" -q "$1"', str(program), commands]
    try:
        return run_program(bounded, folder, name="yosys-abc").stdout
    except ProgramError as error:
        if "SIGXCPU" in str(error) or "SIGKILL" in str(error):
            return ""
        raise


def _unreached(bench: Bench, folder: Path, cycles: int, limit: int) -> tuple[str, ...]:
    if not bench.reached:
        return ()
    log = _abc(f"read_aiger reach.aig; strash; bmc3 -a -F {cycles}", folder, limit)
    reached = {int(number) for number in re.findall(r"Output +(\d+) .*was asserted in frame", log)}
    return tuple(what for number, what in enumerate(bench.reached) if number not in reached)


def _counterexample(bench: Bench, folder: Path) -> Trace:
    """Inputs of ABC's counterexample through Yosys's simulator, which must see the failure, too."""
    frames = (folder / "cex.txt").read_text(encoding="utf-8").split("#")[0].split()[1:]  # the first is the state
    latches = re.findall(r"^(?:inv)?latch (\d+)", (folder / "bad.aim").read_text(encoding="utf-8"), re.MULTILINE)
    count = max(map(int, latches), default=-1) + 2  # and the latch that -zinit adds
    witness = ["1", "b0", "0" * count, *frames, "."]
    (folder / "cex.aiw").write_text("\n".join(witness) + "\n", encoding="utf-8")
    run_yosys(["read_rtlil proof.il", "sim -clock clk -r cex.aiw -map bad.aim -vcd cex.vcd -q"], folder)
    trace = read_trace(folder / "cex.vcd", len(frames), [*bench.inputs, *bench.shown], list(bench.claims))
    assert trace.failed, "the simulator does not see the counterexample fail"
    return trace


def _cpu() -> float:
    """CPU seconds of this process and those it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
