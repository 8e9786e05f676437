"""Static timing of a chip in standard cells, by OpenSTA: from flip-flop to flip-flop, and at ports and arrays."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from ...model.design import Design
from ...model.files import write_together
from ...model.formats import DesignError
from ...model.prerequisites import require
from ...model.programs import ProgramError, ended, run_program, work_folder
from .synthesis import MappedChip, map_chip

NEEDS = ("sta", "pyosys")
ASSUMPTIONS = (
    "no wires: a net has the capacitance of the inputs on it, and no resistance",
    "the clock is ideal: it comes to all flip-flops and latches at once, through clock gates, too",
    "it is high for all of its period, so that a latch that is open while it is low opens as late as it can",
    "inputs, and the codes of the arrays, come with the clock's edge; outputs are taken with the next one",
    "one corner: that of the library",
)
REGISTERS = "register to register"
PERIOD = 10.0  #: ns, where none is asked for: slack is told against it, and what a path needs is the same
#: ns: for so long the clock is low. A first latch that opens at the end of the period is the latest that it can be.
CLOCK_LOW = 1e-5
#: Between what: names of lists in the script below, where a path may begin and end.
GROUPS = {
    REGISTERS: ("registers", "captures"),
    "port to register": ("inputs", "captures"),
    "register to port": ("registers", "outputs"),
    "port to port": ("inputs", "outputs"),
    "array to register": ("answers", "captures"),
    "register to array": ("registers", "requests"),
    "port to array": ("inputs", "requests"),
    "array to port": ("answers", "outputs"),
    "array to array": ("answers", "requests"),
}
SCRIPT = """
read_liberty cells.lib
read_verilog netlist.v
link_design TOP
create_clock -name clk -period PERIOD -waveform {0 FALL} [get_ports clk]
proc of_ports {ports array} {
    set found {}
    foreach port $ports {
        set name [get_full_name $port]
        if {$name ne "clk" && $array == [string match "array_*.macro.*" $name]} {lappend found $port}
    }
    return $found
}
set latched [all_registers -level_sensitive -data_pins]
set registers [concat [all_registers -clock_pins] $latched]
set gates_and_firsts [concat [get_pins -quiet *_gate/*] [get_pins -quiet *_first/*]]
set captures [concat [all_registers -edge_triggered -data_pins] $gates_and_firsts]
set inputs [of_ports [all_inputs] 0]
set answers [of_ports [all_inputs] 1]
set outputs [of_ports [all_outputs] 0]
set requests [of_ports [all_outputs] 1]
foreach ports [list $inputs $answers] {if {[llength $ports]} {set_input_delay 0 -clock clk $ports}}
foreach ports [list $outputs $requests] {if {[llength $ports]} {set_output_delay 0 -clock clk $ports}}
proc worst {group kind from to} {
    if {![llength $from] || ![llength $to]} return
    foreach end [find_timing_paths -from $from -to $to -path_delay $kind -endpoint_count 1] {
        set start [get_full_name [get_property $end startpoint]]
        set stop [get_full_name [get_property $end endpoint]]
        puts "PATH\\t$group\\t$kind\\t[get_property $end slack]\\t$start\\t$stop"
        foreach point [get_property $end points] {
            puts "POINT\\t[get_full_name [get_property $point pin]]\\t[get_property $point arrival]"
        }
    }
}
WORST
puts "END"
"""


@dataclass(frozen=True)
class TimingPath:
    """The slowest path of a group; of hold the one with the least slack."""

    start: str  #: pin of a flip-flop, or a port; an array's pin is ``INSTANCE.PIN``
    end: str
    needs_ns: float | None  #: the shortest clock period for it, setup included; None for hold
    slack_ns: float
    points: tuple[tuple[str, str, float], ...]  #: pin, kind of its cell, and when the edge is there, in ns


@dataclass(frozen=True)
class TimingReport:
    """What static timing found. Groups of paths are the keys of :data:`GROUPS`; one without a path is not there."""

    design: str
    fingerprint: str
    library: str
    tool: str
    clock_gating: bool
    area: float | None  #: of the netlist, in the library's unit
    largest_fan_out: int
    clock_ns: float | None  #: the period that was asked for
    setup: dict[str, TimingPath]
    hold: TimingPath  #: from flip-flop to flip-flop
    assumptions: tuple[str, ...] = ASSUMPTIONS

    @property
    def shortest_clock_ns(self) -> float:
        """The shortest period that the paths from flip-flop to flip-flop allow, clock gates among them."""
        return self.setup[REGISTERS].needs_ns or 0.0

    def faults(self) -> list[str]:
        """A sentence for each requirement that is missed."""
        found, need = [], self.shortest_clock_ns
        if self.clock_ns is not None and need > self.clock_ns:
            found.append(f"flip-flop to flip-flop needs {need:.3f} ns, not {self.clock_ns:g} ns")
        if self.hold.slack_ns < 0:
            found.append(f"hold is missed by {-self.hold.slack_ns:.3f} ns at {self.hold.end}")
        return found

    def json(self) -> str:
        """The report as JSON text."""
        content = asdict(self) | {"shortest_clock_ns": self.shortest_clock_ns, "faults": self.faults()}
        return json.dumps(content, indent=1) + "\n"

    def markdown(self) -> str:
        """The report as Markdown: groups, and the slowest path in full."""
        need = self.shortest_clock_ns
        lines = [f"## {self.design} on {self.library}, by {self.tool}", "", "| what | value |", "| --- | --- |"]
        lines += [f"| shortest clock period | {need:.3f} ns, so {1000 / need:.0f} MHz |"]
        lines += [f"| hold, from flip-flop to flip-flop | {self.hold.slack_ns:+.3f} ns, at {self.hold.end} |"]
        lines += [f"| area | {self.area:.0f} |", f"| most inputs on a net | {self.largest_fan_out} |"]
        lines += [f"| missed | {'; '.join(self.faults()) or 'nothing'} |"]
        lines += ["", "| path | ns | from | to |", "| --- | ---: | --- | --- |"]
        lines += [
            f"| {name} | {path.needs_ns:.3f} | {path.start} | {path.end} |" for name, path in self.setup.items()
        ]
        lines += ["", f"The slowest path, {REGISTERS}:", "", "| at ns | pin | cell |", "| ---: | --- | --- |"]
        lines += [f"| {at:.3f} | {pin} | {kind} |" for pin, kind, at in self.setup[REGISTERS].points]
        lines += ["", "Assumed:", *(f"- {sentence}" for sentence in self.assumptions)]
        return "\n".join(lines) + "\n"


def timing(design: Design, liberty: Path, clock_ns: float | None = None, clock_gating: bool = True) -> TimingReport:
    """Map ``design`` to the cells of a Liberty file and time it; ``clock_ns`` is the period that it must meet.

    Raises :class:`DesignError` where OpenSTA is missing or a period is not above 0, and as
    :func:`~.synthesis.map_chip`.
    """
    check(clock_ns)
    return time_chip(map_chip(design, liberty, clock_gating), clock_ns, clock_gating)


def check(clock_ns: float | None = None) -> None:
    """Raise :class:`DesignError` where OpenSTA is missing, or for a period that is none."""
    if clock_ns is not None and not 0 < clock_ns < 1e6:
        raise DesignError(f"the clock's period must be above 0 and below a million ns, not {clock_ns:g}")
    require("static timing", NEEDS)


def time_chip(chip: MappedChip, clock_ns: float | None = None, clock_gating: bool = True) -> TimingReport:
    """Time a chip that is mapped already; see :func:`timing`."""
    period = clock_ns or PERIOD
    worst = [f"worst {{{name}}} max ${of} ${to}" for name, (of, to) in GROUPS.items()]
    worst.append(f"worst {{{REGISTERS}}} min $registers [concat $captures $latched]")
    values = {"TOP": chip.report.design, "PERIOD": f"{period}", "FALL": f"{period - CLOCK_LOW}"}
    script = SCRIPT
    for name, value in (values | {"WORST": "\n".join(worst)}).items():
        script = script.replace(name, value)
    with work_folder("ohmgate_timing_") as folder:
        write_together(folder, {"cells.lib": chip.library.text, "netlist.v": chip.periphery, "time.tcl": script})
        version = run_program(["sta", "-version"], folder).stdout.strip()
        done = run_program(["sta", "-no_splash", "-no_init", "-exit", "time.tcl"], folder)
        if done.returncode or "Error" in done.stdout or "END" not in done.stdout.splitlines():
            errors = re.findall(r"^Error: (.*)$", done.stdout, flags=re.MULTILINE)
            raise ProgramError(f"sta: {errors[0] if errors else ended(done.returncode, folder)}")
    found = _paths(done.stdout, chip.periphery, period)
    if (REGISTERS, "max") not in found:
        raise DesignError(
            f"static timing must have a path from flip-flop to flip-flop, but {chip.report.design} has none"
        )
    return TimingReport(
        design=chip.report.design,
        fingerprint=chip.report.fingerprint,
        library=chip.library.name,
        tool=f"OpenSTA {version}",
        clock_gating=clock_gating and bool(chip.library.clock_gates),
        area=chip.report.area,
        largest_fan_out=chip.largest_fan_out,
        clock_ns=clock_ns,
        setup={group: path for (group, kind), path in found.items() if kind == "max"},
        hold=found[REGISTERS, "min"],
    )


def _paths(output: str, netlist: str, period: float) -> dict[tuple[str, str], TimingPath]:
    """The paths that the script has printed, by their group and kind."""
    kinds = {
        name.lstrip("\\"): kind for kind, name in re.findall(r"^  (\w+) (\\\S+|\w+) +\($", netlist, re.MULTILINE)
    }
    found: dict[tuple[str, str], TimingPath] = {}
    for part in output.split("PATH\t")[1:]:
        head, *rest = (line.split("\t") for line in part.splitlines())
        group, kind, slack, start, end = head
        points = tuple(
            (name, kinds.get(name.rpartition("/")[0], "port"), round(float(at), 4))
            for mark, name, at in (line for line in rest if line[0] == "POINT")
        )
        slack = float(slack)
        found[group, kind] = TimingPath(
            start=start,
            end=end,
            needs_ns=round(period - slack, 4) if kind == "max" else None,
            slack_ns=round(slack, 4),
            points=points,
        )
    return found
