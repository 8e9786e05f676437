"""The simulation of a board: its line and its faults, its commands, and what can go wrong with it.

The gateware here is an echo, which is enough for the line. ``test_simulated_link.py`` has whole boards.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import serial
from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from ohmgate.boards import simulation
from ohmgate.boards.simulation import SimulatedBoard, compiled
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.component import Component
from ohmgate.model.formats import DesignError

CONFIG = BoardConfig("echo", clock_hz=25_000_000, rows=(1,), baud=2_750_000)  # 9 1/11 cycles a bit
BYTES = bytes(range(256)) * 8


class Echo(Component):
    """Sends what it receives, one cycle later."""

    def __init__(self):
        super().__init__({"rx": In(1), "tx": Out(1, init=1), "led": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.tx.eq(self.rx)
        return m


@pytest.fixture(scope="module")
def program():
    return compiled(Echo())


@pytest.fixture
def board(program):
    with SimulatedBoard(program, CONFIG) as board:
        yield board


def port(board, **options) -> serial.Serial:
    return serial.Serial(board.port, CONFIG.baud, timeout=10, **options)


def quiet_port(board) -> serial.Serial:
    """One that gives up early, for bytes that never come."""
    return serial.Serial(board.port, CONFIG.baud, timeout=0.3)


def there_and_back(board, content: bytes) -> bytes:
    with quiet_port(board) as line:
        line.write(content)
        return line.read(3 * len(content))


def asleep(board) -> int:
    """Cycles at which its clock stands still."""
    before, now = -1, board.cycles()
    while before != now:
        time.sleep(0.05)
        before, now = now, board.cycles()
    return now


def test_every_byte_comes_back_at_the_rate_of_the_line(board):
    before = asleep(board)
    with port(board) as line:
        line.write(BYTES)
        assert line.read(len(BYTES)) == BYTES
    cycles = asleep(board) - before - simulation_quiet()
    assert cycles == pytest.approx(len(BYTES) * 10 * 25 / 2.75, rel=0.02)


def simulation_quiet() -> int:
    """Cycles without a change after which the clock stands still, as the harness has them."""
    text = Path(simulation.__file__).with_name(simulation.HARNESS).read_text()
    return int(text.split("QUIET = ")[1].split(";")[0].replace("'", ""))


def test_an_idle_board_takes_no_time(board):
    process = psutil.Process(board.process)
    asleep(board)
    before = process.cpu_times()
    time.sleep(0.5)
    assert process.cpu_times()[:2] == before[:2]


def test_a_host_may_come_and_go(board):
    for _ in range(3):
        assert there_and_back(board, b"hello") == b"hello"


@pytest.mark.parametrize("direction", ["in", "out"])
def test_certain_faults(board, direction):
    board.faults(direction, drop=1)
    assert there_and_back(board, BYTES) == b""
    board.faults(direction, flip=1)
    assert [(a ^ b).bit_count() for a, b in zip(BYTES, there_and_back(board, BYTES), strict=True)] == [1] * len(BYTES)
    board.faults(direction, repeat=1)
    assert there_and_back(board, BYTES) == bytes(byte for byte in BYTES for _ in range(2))
    board.faults(direction)
    assert there_and_back(board, BYTES) == BYTES


def test_faults_have_their_rates(board):
    """Of 2048 bytes, each kind of fault within 4 standard deviations of its mean."""
    board.faults("in", drop=0.1)
    assert len(there_and_back(board, BYTES)) == pytest.approx(2048 * 0.9, abs=4 * 13.6)
    board.faults("in", repeat=0.2)
    assert len(there_and_back(board, BYTES)) == pytest.approx(2048 * 1.2, abs=4 * 18.1)
    board.faults("in", flip=0.3)
    differ = sum(a != b for a, b in zip(BYTES, there_and_back(board, BYTES), strict=True))
    assert differ == pytest.approx(2048 * 0.3, abs=4 * 20.7)


def test_faults_are_those_of_their_seed_and_their_direction(program):
    def damaged(seed: int, direction) -> bytes:
        with SimulatedBoard(program, CONFIG, seed=seed) as board:
            board.faults(direction, drop=0.1, flip=0.1, repeat=0.1)
            return there_and_back(board, BYTES)

    first, again, other = damaged(1, "in"), damaged(1, "in"), damaged(2, "in")
    assert first == again != other
    assert damaged(1, "out") not in (first, BYTES)


def test_a_board_that_is_unplugged_and_comes_back_under_its_name(program, tmp_path):
    link = tmp_path / "board"
    with SimulatedBoard(program, CONFIG, link) as board, serial.Serial(str(link), CONFIG.baud, timeout=10) as line:
        line.write(b"1")
        assert line.read(1) == b"1"
        assert os.readlink(link) == board.port
        board.unplug()
        assert not link.is_symlink()
        with pytest.raises(serial.SerialException):
            line.read(1)
        with pytest.raises(serial.SerialException):
            line.write(b"1")
        board.plug()
        with serial.Serial(str(link), CONFIG.baud, timeout=10) as again:
            again.write(b"2")
            assert again.read(1) == b"2"
    assert not link.is_symlink()


def test_a_link_of_a_killed_board_is_replaced(program, tmp_path):
    link = tmp_path / "board"
    link.symlink_to(tmp_path / "gone")
    with SimulatedBoard(program, CONFIG, link) as board:
        assert os.readlink(link) == board.port


def test_a_board_that_is_killed_is_a_sentence(program, tmp_path):
    with SimulatedBoard(program, CONFIG, tmp_path / "board") as board:
        os.kill(board.process, signal.SIGTERM)
        with pytest.raises(DesignError) as error:
            board.cycles()
        assert str(error.value) == "the simulated board was ended by the signal SIGTERM"
    assert list(tmp_path.iterdir()) == []


def test_a_board_ends_with_its_parent(program):
    code = (
        "import sys, time; from pathlib import Path; from ohmgate.boards.simulation import SimulatedBoard; "
        "from ohmgate.hdl.board.config import BoardConfig; "
        "board = SimulatedBoard(Path(sys.argv[1]), BoardConfig('echo', 25_000_000, (1,))); "
        "print(board.process, flush=True); time.sleep(100)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(program)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.communicate()
    child.wait(10)


def test_the_name_of_a_file_is_refused(program, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DesignError) as error:
        SimulatedBoard(program, CONFIG, tmp_path / "file")
    assert str(error.value) == (
        f"a simulated board must not take the name of a file, and {str(tmp_path / 'file')!r} is there"
    )
    with pytest.raises(DesignError) as error:
        SimulatedBoard(program, CONFIG, tmp_path / "none" / "board")
    assert str(error.value) == f"cannot make the link {str(tmp_path / 'none' / 'board')!r}: No such file or directory"


def test_without_a_pseudo_terminal(program, tmp_path):
    """As where all are taken; the program's place is taken by one that says so."""
    full = tmp_path / "full"
    full.write_text("#!/bin/sh\necho error there is no pseudo-terminal: No space left on device\nexit 1\n")
    full.chmod(0o755)
    with pytest.raises(DesignError) as error:
        SimulatedBoard(full, CONFIG)
    assert str(error.value) == "the simulated board: there is no pseudo-terminal: No space left on device"
    with pytest.raises(DesignError) as error:
        SimulatedBoard(tmp_path / "none", CONFIG)
    assert str(error.value) == "the simulated board cannot be started: No such file or directory"


def test_commands_that_it_does_not_know_are_answered(program):
    lines = ["nonsense", "faults", "faults both 0 0 0", "faults in 0.1 0.1", "cycles", "quit", "cycles"]
    done = subprocess.run(
        [str(program), "25000000", "1000000", "0"], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    answers = done.stdout.splitlines()
    assert answers[0].startswith("ok /dev/pts/")
    assert answers[1:5] == [f"error no such command: {line}" for line in lines[:4]]
    assert answers[5].startswith("ok ")
    assert answers[6:] == ["ok"]


def test_the_same_gateware_is_compiled_once(program, monkeypatch):
    monkeypatch.setattr(simulation, "_compile", lambda *given: pytest.fail("compiled again"))
    assert compiled(Echo()) == program


@pytest.mark.parametrize(
    "compiler, reason",
    [
        ("kill -9 $$", r"make(\[\d+\])?: \*\*\* \[.*\] Killed"),  # its level, where make runs the tests
        ("echo 'board.cpp:1: error: no such type'; exit 1", "board.cpp:1: error: no such type"),
    ],
)
def test_a_compile_that_fails_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, compiler, reason):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "c++").write_text(f"#!/bin/sh\n{compiler}\n")
    (tools / "c++").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DesignError) as error:
        compiled(Echo())
    assert re.fullmatch(f"verilator could not build the simulated board: {reason}", str(error.value))
    assert [file.suffix for file in (tmp_path / "cache" / "ohmgate").iterdir()] == [".lock"]


def test_missing_tools_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DesignError) as error:
        compiled(Echo())
    assert str(error.value) == (
        "a simulated board needs c++, make and Perl's Pod::Usage, which this machine lacks: "
        "install the Debian packages g++ make perl"
    )
