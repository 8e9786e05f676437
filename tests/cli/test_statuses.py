"""Every command under every disturbance: its exit status and sentence in one table, and nothing half-written.

``-``: the disturbance does not come to the command: it runs no program that could be killed or missing, writes
nothing, or is over before a key is pressed. ``0``: a second run does no harm, as each writes single files whole.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import typer
from safetensors import safe_open

from ohmgate.cli.main import app
from ohmgate.firmware import image, keys
from ohmgate.hdl.flow import synthesis
from ohmgate.hdl.flow.synthesis import Source
from ohmgate.model.locks import NAME, sole_use, sole_use_of
from tests.commands import Command, Ended, quick_sweep, sweep_without_data

TABLE = """
command     killed  full  read-only  missing  interrupted  second
demo        2       2     2          2        130          2
train       -       2     2          -        130          2
pack        -       2     2          -        -            0
inspect     -       -     -          -        -            -
diff        -       -     -          -        -            -
generate    -       2     2          -        130          2
simulate    2       2     2          2        130          2
verify      2       2     2          2        130          2
regress     2       2     2          2        130          2
array       -       2     2          -        130          0
montecarlo  2       2     2          -        130          2
lint        2       2     -          2        130          0
synth       2       2     2          -        130          0
cost        -       2     2          -        -            0
timing      2       2     2          2        130          0
power       2       2     2          2        130          0
handoff     2       2     2          -        130          2
explore     -       2     2          -        130          2
sweep       2       2     2          -        130          2
keygen      -       2     2          -        -            -
sign        -       2     2          -        -            0
chip        -       2     2          -        130          0
"""
HEADER, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CASES = {(row[0], name): int(status) for row in ROWS for name, status in zip(HEADER[1:], row[1:]) if status != "-"}

#: what each command is given; P is the folder that is disturbed
ARGUMENTS = {
    "demo": ("--out", "P/demo", "--seeds", 1, "--epochs", 1, "--utterances", 1, "--draws", 1),
    "train": ("TOML", "--epochs", 1, "--out", "P/run"),
    "pack": ("RUN", "--out", "P/packed.image"),
    "generate": ("TOML", "--out", "P/verilog"),
    "simulate": ("RUN", "--simulator", "icarus", "--sequences", 1, "--out", "P/simulation"),
    "verify": ("RUN", "--simulator", "icarus", "--trials", 1, "--sequences", 1, "--out", "P/verification"),
    "regress": ("RUN", "--sequences", 3, "--workers", 1, "--out", "P/regression"),
    "array": ("RUN", "--spice", "P/array.cir", "--report", "P/array.html"),
    "montecarlo": ("RUN", "--draws", 2, "--workers", 1, "--out", "P/chips"),
    "lint": ("SMALL",),
    "synth": ("SMALL", "--json", "P/report.json"),
    "cost": ("SMALL", "--json", "P/cost.json", "--report", "P/cost.html"),
    "timing": ("SMALL", "--liberty", Path(__file__).parent.parent / "hdl/flow/small.lib", "--json", "P/report.json"),
    "power": ("RUN", "--liberty", Path(__file__).parent.parent / "hdl/flow/small.lib", "--json", "P/report.json"),
    "handoff": ("SMALL", "--out", "P/handoff"),
    "explore": ("TOML", "--vary", "adc_bits=3,4", "--out", "P/explore"),
    "sweep": ("table1", "--data", "P", "--out", "P/results"),
    "keygen": ("P/maker.pem",),
    "sign": ("RUN", "--key", "KEY", "--out", "P/signed.image"),
    "chip": ("repair", "RUN", "--sequences", 0, "--record", "P/chip.json"),
}
#: 12,800 variants
CLOCKS = ",".join(map(str, range(100, 300)))
GRID = (
    "--vary=adc_bits=1,2,3,4,5,6,7,8",
    "--vary=dac_bits=1,2,3,4,5,6,7,8",
    "--vary=adcs=4",
    f"--vary=clock_mhz={CLOCKS}",
)
INSTEAD = {
    ("montecarlo", "killed"): ("RUN", "--draws", 100, "--workers", 2, "--out", "P/chips"),
    ("montecarlo", "interrupted"): ("RUN", "--draws", 10_000, "--workers", 1, "--out", "P/chips"),
    ("explore", "interrupted"): ("TOML", *GRID, "--out", "P/explore"),
    ("train", "interrupted"): ("TOML", "--epochs", 10_000, "--out", "P/run"),
    ("chip", "interrupted"): ("calibrate", "RUN", "--patterns", 100_000, "--sequences", 0, "--record", "P/chip.json"),
}
#: free bytes of the full disk: the command begins to write, and does not come to the end
FREE = {
    "lint": 8192,
    "train": 8192,
    "generate": 24576,
    "simulate": 16384,
    "verify": 16384,
    "montecarlo": 8192,
    "regress": 8192,
    "synth": 65536,
    "timing": 65536,
    "power": 65536,
    "handoff": 24576,
    "sweep": 4096,
    "demo": 32768,
}
IN_USE = "is in use by another ohmgate \\(process PID\\); wait for it or choose another --out"
KILLED = "ended by the signal SIGKILL, as the system does where memory runs out"
WORKER = "a worker process ended before its work, as where memory runs out"
FULL, READ_ONLY = "No space left on device", "Read-only file system"
SENTENCES = {
    ("demo", "killed"): f"verilator could not build the simulation: it was {KILLED} \\(log: \\S+/build.log\\)",
    ("simulate", "killed"): f"the simulation failed: it was {KILLED} \\(log: \\S+/simulation.log\\)",
    ("verify", "killed"): f"the simulation failed: it was {KILLED} \\(log: \\S+/simulation.log\\)",
    ("regress", "killed"): f"verilator was {KILLED}",
    ("montecarlo", "killed"): WORKER,
    ("lint", "killed"): f"verilator was {KILLED}",
    ("synth", "killed"): f"yosys was {KILLED}",
    ("timing", "killed"): f"yosys was {KILLED}",
    ("power", "killed"): f"yosys was {KILLED}",
    ("handoff", "killed"): f"yosys was {KILLED}",
    ("sweep", "killed"): WORKER,
    ("demo", "full"): f"cannot use 'P/demo/checkpoints/\\w+.safetensors': .*{FULL}.*",
    ("train", "full"): f"cannot use 'P/run/checkpoints/quantised_0.safetensors': .*{FULL}.*",
    ("pack", "full"): f"cannot write image 'P/packed.image': {FULL}",
    ("generate", "full"): f"cannot write the folder 'P/verilog': {FULL}",
    ("simulate", "full"): f"cannot use 'P/simulation/tiny.v': {FULL}",
    ("verify", "full"): f"cannot use 'P/verification/tiny.v': {FULL}",
    ("array", "full"): f"cannot use 'P/array.cir': {FULL}",
    ("regress", "full"): f"cannot use 'P/regression/running/\\w+/chip/job.txt': {FULL}",
    ("montecarlo", "full"): f"cannot use 'P/chips/accuracy.png': {FULL}",
    ("lint", "full"): f"cannot write the folder 'P/ohmgate_lint_\\w+': {FULL}",
    ("synth", "full"): f"cannot write the folder 'P/\\w+': {FULL}|yosys: .*; the disk of 'P/\\w+' is full",
    ("cost", "full"): f"cannot use 'P/cost.json': {FULL}",
    ("timing", "full"): f"cannot write the folder 'P/\\w+': {FULL}|yosys: .*; the disk of 'P/\\w+' is full",
    ("power", "full"): f"cannot write the folder 'P/\\w+': {FULL}|yosys: .*; the disk of 'P/\\w+' is full",
    ("handoff", "full"): f"cannot write the folder 'P/handoff': {FULL}",
    ("explore", "full"): f"cannot use 'P/explore/explore.json': {FULL}",
    ("sweep", "full"): f"cannot use 'P/results/trials/names.jsonl': {FULL}",
    ("keygen", "full"): f"cannot write key 'P/maker.pem': {FULL}",
    ("sign", "full"): f"cannot write image 'P/signed.image': {FULL}",
    ("chip", "full"): f"cannot use 'P/chip.json': {FULL}",
    ("demo", "read-only"): f"cannot use 'P/demo': {READ_ONLY}",
    ("train", "read-only"): f"cannot use 'P/run': {READ_ONLY}",
    ("pack", "read-only"): f"cannot use 'P/packed.image': {READ_ONLY}",
    ("generate", "read-only"): f"cannot write the folder 'P/verilog': {READ_ONLY}",
    ("simulate", "read-only"): f"cannot use 'P/simulation': {READ_ONLY}",
    ("verify", "read-only"): f"cannot use 'P/verification': {READ_ONLY}",
    ("array", "read-only"): f"cannot use 'P/array.cir': {READ_ONLY}",
    ("regress", "read-only"): f"cannot use 'P/regression/results.json': {READ_ONLY}",
    ("montecarlo", "read-only"): f"cannot use 'P/chips/draws.jsonl': {READ_ONLY}",
    ("synth", "read-only"): f"cannot use 'P/report.json': {READ_ONLY}",
    ("cost", "read-only"): f"cannot use 'P/cost.json': {READ_ONLY}",
    ("timing", "read-only"): f"cannot use 'P/report.json': {READ_ONLY}",
    ("power", "read-only"): f"cannot use 'P/report.json': {READ_ONLY}",
    ("handoff", "read-only"): f"cannot write the folder 'P/handoff': {READ_ONLY}",
    ("explore", "read-only"): f"cannot use 'P/explore': {READ_ONLY}",
    ("sweep", "read-only"): f"cannot use 'P/results/table1.md': {READ_ONLY}",
    ("keygen", "read-only"): f"cannot write key 'P/maker.pem': {READ_ONLY}",
    ("sign", "read-only"): f"cannot use 'P/signed.image': {READ_ONLY}",
    ("chip", "read-only"): f"cannot use 'P/chip.json': {READ_ONLY}",
    ("demo", "missing"): ".*verilator needs .*perl.*",
    ("simulate", "missing"): ".*icarus needs iverilog.*",
    ("verify", "missing"): ".*icarus needs iverilog.*",
    ("regress", "missing"): "a native simulation needs .*perl.*",
    ("timing", "missing"): "static timing needs sta, .*opensta",
    ("power", "missing"): "a power estimate needs .*iverilog.*",
    ("lint", "missing"): ".*needs .*perl.*",
    ("demo", "second"): f"folder 'P/demo' {IN_USE}",
    ("train", "second"): f"folder 'P/run' {IN_USE}",
    ("generate", "second"): f"folder 'P/verilog' {IN_USE}",
    ("handoff", "second"): f"folder 'P/handoff' {IN_USE}",
    ("simulate", "second"): f"folder 'P/simulation' {IN_USE}",
    ("verify", "second"): f"folder 'P/verification' {IN_USE}",
    ("regress", "second"): f"folder 'P/regression' {IN_USE}",
    ("montecarlo", "second"): f"folder 'P/chips' {IN_USE}",
    ("explore", "second"): f"folder 'P/explore' {IN_USE}",
    ("sweep", "second"): f"trial 'names_w4_a4_seed0' {IN_USE}",
}  #: of status 2, as patterns
WORK = (
    *(
        ".",
        "ohmgate_lint",
        "ohmgate_synthesis",
        "ohmgate_timing",
        "ohmgate_library",
        "ohmgate_gates",
        "ohmgate_handoff",
        "ohmgate_native",
    ),
    "ohmgate_workers",
)  #: how names of what is left of unfinished work begin
KEPT = {
    "demo": "finished epochs of a training run are kept", "train": "finished epochs of a training run are kept",
    "montecarlo": "finished draws are kept", "regress": "finished parts are kept", "sweep": "finished trials are kept",
}  # fmt: skip


@pytest.fixture
def begin(tiny, tmp_path):
    """Begins a command of the table; called again it does not wait for the one before."""

    def call(command: str, disturbance: str, place: Path, path: str = os.environ["PATH"]) -> Command:
        if command == "timing" and disturbance != "missing" and not shutil.which("sta"):
            pytest.skip("static timing needs the Debian package opensta")
        if command == "power":
            pytest.importorskip("liberty", reason="a power estimate needs the PyPI package liberty-parser")
        if command == "handoff":
            pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
        given = INSTEAD.get((command, disturbance), ARGUMENTS[command])
        names = {
            "TOML": tiny / "tiny.toml",
            "SMALL": tiny / "one.toml",
            "RUN": tiny / "run",
            "KEY": tmp_path / "key.pem",
        }
        if "KEY" in given:
            keys.make(names["KEY"], tmp_path / "key.pub.pem")
        arguments = [names.get(a, str(a).replace("P/", f"{place}/")) for a in given]
        before = None
        if command == "sweep":
            before = quick_sweep if disturbance in ("full", "read-only", "second") else sweep_without_data
        temporary = place if command in ("lint", "synth", "timing", "power") or disturbance != "full" else tmp_path
        return Command((command, *arguments), tmp_path, {"TMPDIR": str(temporary), "PATH": path}, before)

    return call


@contextmanager
def disk(folder: Path, free: int, read_only: bool = False):
    """A small disk of its own, with ``free`` bytes left."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(free, 4096)}", "tmpfs", folder]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a disk that is full or cannot be written needs the right to mount one")
    try:
        if not free:
            (folder / "filler").write_bytes(bytes(4096))
        if read_only:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def whole(path: Path) -> bool:
    """Is the file there to its end, by what its kind has there?"""
    content = path.read_bytes()
    match path.suffix:
        case ".json":
            return bool(json.loads(content))
        case ".jsonl":
            return content.endswith(b"\n") and all(json.loads(line) for line in content.splitlines())
        case ".safetensors":
            with safe_open(path, "np") as file:
                return len(file.keys()) > 0
        case ".npz":
            with np.load(path) as arrays:
                return len([arrays[name] for name in arrays]) > 0
        case ".image":
            return image.read(path) is not None
        case ".cir":
            return content.endswith(b".end\n")
        case ".v":
            return content.endswith(b"endmodule\n")
        case ".png":
            return content.endswith(b"IEND\xaeB`\x82")
        case ".html":
            return content.rstrip().endswith(b"</html>")
    return path.suffix == ".log" or path.name == "filler"


def check(case: tuple[str, str], ended: Ended, place: Path) -> None:
    """Status, sentence, and what is left."""
    assert ended.status == CASES[case], ended.err
    assert "Traceback" not in ended.err
    if ended.status == 2:
        pattern = SENTENCES[case].replace("P/", f"{place}/").replace("PID", str(os.getpid()))
        assert re.fullmatch(f"ohmgate: error: (?:{pattern})", ended.last), ended.last
    if ended.status == 130:
        assert ended.last == f"ohmgate: interrupted{'; ' * (case[0] in KEPT)}{KEPT.get(case[0], '')}"
    for path in place.rglob("*"):
        assert not path.name.startswith(WORK), path
        assert path.is_dir() or (path.parent / "ohmgate_complete").exists() or whole(path), path


def cases(disturbance: str):
    return pytest.mark.parametrize("command", [name for name, found in CASES if found == disturbance])


@cases("full")
def test_a_full_disk(begin, tmp_path, command):
    with disk(tmp_path / "disk", FREE.get(command, 0)) as place:
        check((command, "full"), begin(command, "full", place).end(), place)


@cases("read-only")
def test_a_disk_that_cannot_be_written(begin, tmp_path, command):
    with disk(tmp_path / "disk", 4096, read_only=True) as place:
        check((command, "read-only"), begin(command, "read-only", place).end(), place)


@cases("missing")
def test_a_missing_tool(begin, tmp_path, command):
    place, empty = tmp_path / "place", tmp_path / "empty"
    place.mkdir()
    empty.mkdir()
    check((command, "missing"), begin(command, "missing", place, path=str(empty)).end(), place)


BUSY = {
    "demo": lambda c: c.child("spawn_main"),
    "train": lambda c: c.says("Training quantised_0"),
    "generate": lambda c: c.says("Generating"),
    "simulate": lambda c: c.child("vvp -m"),
    "verify": lambda c: c.child("vvp -m"),
    "array": lambda c: c.says("Solving"),
    "regress": lambda c: c.says("Building"),
    "montecarlo": lambda c: c.says("Drawing"),
    "lint": lambda c: c.child("verilator"),
    "synth": lambda c: c.child("libyosys"),
    "timing": lambda c: c.child("libyosys"),
    "power": lambda c: c.child("libyosys"),
    "handoff": lambda c: c.says("Generating"),
    "explore": lambda c: c.says("Working out"),
    "sweep": lambda c: c.child("spawn_main"),
    "chip": lambda c: c.says("layer 0: trims"),
}


@cases("interrupted")
def test_an_interrupt(begin, tmp_path, command):
    place = tmp_path / "place"
    place.mkdir()
    busy = begin(command, "interrupted", place)
    busy.wait_for(BUSY[command])
    check((command, "interrupted"), busy.end(signal.SIGINT), place)


PROGRAMS = {
    "simulate": "vvp -m",
    "verify": "vvp -m",
    "montecarlo": "spawn_main",
    "synth": "libyosys",
    "timing": "libyosys",
    "power": "libyosys",
    "handoff": "libyosys",
    "sweep": "spawn_main",
}


@cases("killed")
def test_a_killed_program(begin, tmp_path, command):
    place, fake = tmp_path / "place", tmp_path / "fake"
    place.mkdir()
    fake.mkdir()
    if command in PROGRAMS:
        busy = begin(command, "killed", place)
        busy.wait_for(lambda c: c.child(PROGRAMS[command])).kill()
    else:  # Verilator, which is a script in perl
        (fake / "perl").write_text("#!/bin/sh\n[ $1 = -MPod::Usage ] || kill -9 $$\n")
        (fake / "perl").chmod(0o755)
        busy = begin(command, "killed", place, path=f"{fake}:{os.environ['PATH']}")
    check((command, "killed"), busy.end(), place)


@cases("second")
def test_a_second_run(begin, tmp_path, command):
    place = tmp_path / "place"
    place.mkdir()
    given = ARGUMENTS[command]
    folder = Path(str(given[given.index("--out") + 1]).replace("P", str(place))) if "--out" in given else place
    held = sole_use(folder if CASES[command, "second"] else place)
    if command == "sweep":
        (folder / "trials").mkdir(parents=True)
        held = sole_use_of(folder / "trials" / ".names_w4_a4_seed0.lock", "the trial")
    with held:
        ended = begin(command, "second", place).end()
    check((command, "second"), ended, place)


def test_the_table_has_every_command_and_every_sentence():
    commands = set(typer.main.get_command(app).commands) - {"board"}  # whose commands are in test_board.py
    assert {row[0] for row in ROWS} == commands
    assert {case for case, status in CASES.items() if status == 2} == set(SENTENCES)


def test_two_simulations_in_one_folder(begin, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    first = begin("simulate", "second", place)
    first.wait_for(lambda c: (place / "simulation" / NAME).exists() and (place / "simulation" / NAME).read_text())
    second = begin("simulate", "second", place).end()
    assert (second.status, first.process.pid) == (2, int(re.search(r"\(process (\d+)\)", second.last)[1]))
    ended = first.end()
    assert ended.status == 0, ended.err
    assert re.fullmatch(r"\d+ integers compared, 0 differ", ended.out.splitlines()[0])


def test_after_a_kill_nothing_is_in_use_and_the_simulator_ends(begin, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    busy = begin("simulate", "second", place)
    simulator = busy.wait_for(lambda c: c.child("vvp -m"))
    busy.process.kill()
    simulator.wait(60)  # with what had started it, which could not end it any more
    assert (place / "simulation" / NAME).exists()
    again = begin("simulate", "second", place).end()
    assert again.status == 0, again.err


def test_a_netlist_with_faults_is_an_error_after_its_report(ohmgate, tmp_path, monkeypatch):
    latch = "module top(input e, input a, output reg q); always @* if (e) q = a; endmodule\n"
    monkeypatch.setattr(synthesis, "synthesise", lambda *_: synthesis.synthesise_verilog(Source("top", latch)))
    result = ohmgate("synth", "vowels", "--json", tmp_path / "report.json")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        "ohmgate: error: the netlist of vowels has faults: 1 latches",
    )
    assert "| faults | 1 latches |" in result.stdout
    assert json.loads((tmp_path / "report.json").read_text())["faults"] == ["1 latches"]
