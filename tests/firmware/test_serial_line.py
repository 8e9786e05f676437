"""Real pyserial on a pseudo-terminal: a load, and a sentence for all that goes wrong with a port."""

import errno
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import serial

from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_load import load_over
from ohmgate.firmware.link_requests import Request
from ohmgate.firmware.serial_line import SerialLine
from ohmgate.firmware.transactions import LoadError
from ohmgate.model.design import Design
from ohmgate.model.link import Op
from tests.designs import random_network
from tests.firmware.fake_device import FakeDevice
from tests.firmware.link_device import LinkDevice
from tests.firmware.link_trials import Memory
from tests.firmware.pty_board import PtyBoard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix's")


def test_a_network_is_loaded_through_a_port():
    network = random_network(Design.load("vowels"), np.random.default_rng(0))
    device = FakeDevice(network.design)
    with PtyBoard(LinkDevice(device, window=4).receive) as board, Link(SerialLine(board.port)) as link:
        assert link.board == "desk"
        load_over(link, network)
        link.verify()
    assert device.enabled
    assert all(np.array_equal(device.layer_data(k).weights, x.weights) for k, x in enumerate(network.layers))


def test_a_second_host_finds_the_port_as_the_first_left_it():
    memory = Memory()
    with PtyBoard(LinkDevice(memory).receive) as board:
        for value in (1, 2):
            with Link(SerialLine(board.port)) as link:
                link.write(4, value)
        assert memory.log == [(4, 1), (4, 2)]


def test_dtr_and_rts_are_low_before_the_port_is_opened(monkeypatch):
    seen = []

    class Port(serial.Serial):
        def open(self):
            seen.append((self.dtr, self.rts, self.exclusive, self.write_timeout, self.baudrate))
            super().open()

        def set_low_latency_mode(self, mode):
            seen.append(mode)
            raise ValueError("as a pseudo-terminal does")

    monkeypatch.setattr(serial, "Serial", Port)
    with PtyBoard(LinkDevice(Memory()).receive) as board:
        SerialLine(board.port, 115_200).close()
    assert seen == [(False, False, True, 5.0, 115_200), True]


def test_a_port_of_another_process_is_not_taken():
    program = "import sys, serial; p = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); sys.stdin.read()"
    with PtyBoard(LinkDevice(Memory()).receive) as board:
        command = [sys.executable, "-c", program, board.port]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"open\n"
            with pytest.raises(LinkError, match=f"^another process has '{board.port}' open$"):
                SerialLine(board.port)
            other.stdin.close()
        SerialLine(board.port).close()


@pytest.mark.parametrize("when", ["it waits", "it loads"])
def test_a_board_that_is_unplugged_is_named_at_once(when):
    network = random_network(Design.load("vowels"), np.random.default_rng(0))
    device = LinkDevice(FakeDevice(network.design))
    with PtyBoard(device.receive) as board, Link(SerialLine(board.port)) as link:
        begun = time.monotonic()
        if when == "it waits":
            board.unplug()
            with pytest.raises(LinkError, match=f"^the board on '{board.port}' was unplugged$"):
                link.read(0)
        else:
            inner = board.receive

            def pulled(data):
                if board.took > 2000:
                    board.stopped.set()
                    os.close(board.master)
                    os.close(board.slave)
                    board.master = os.open(os.devnull, os.O_RDWR)
                    board.slave = os.dup(board.master)
                    return b""
                return inner(data)

            board.receive = pulled
            with pytest.raises(LoadError, match=f"^the board on '{board.port}' was unplugged$"):
                load_over(link, network)
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "says, sentence",
    [
        (b"", "no board answers on '{port}'"),
        (b"U-Boot 2024.01\r\n", "what answers on '{port}' at 1000000 baud is no board of Ohmgate's"),
        (bytes(range(256)), "what answers on '{port}' at 1000000 baud is no board of Ohmgate's"),
    ],
)
def test_a_port_without_a_board_is_named(says, sentence, monkeypatch):
    monkeypatch.setattr("ohmgate.firmware.link.HELLOS", 8)
    with PtyBoard(lambda data: says) as board, pytest.raises(LinkError) as found:
        Link(SerialLine(board.port))
    assert str(found.value) == sentence.format(port=board.port)


def test_a_port_that_is_not_there_or_is_none_is_named(tmp_path):
    with pytest.raises(LinkError, match="^there is no port '/dev/ttyNONE'$"):
        SerialLine("/dev/ttyNONE")
    file = tmp_path / "file"
    file.write_text("no port")
    for path in (file, tmp_path):
        with pytest.raises(LinkError, match=f"^'{path}' is no serial port$"):
            SerialLine(str(path))


def test_a_port_without_permission_names_the_group(monkeypatch):
    def refused(*_):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(serial.serialposix.os, "open", refused)
    sentence = "no permission for '/dev/ttyUSB0': your user must be in its group, which often is dialout"
    with pytest.raises(LinkError, match=f"^{sentence}$"):
        SerialLine("/dev/ttyUSB0")


def test_a_baud_that_the_port_does_not_know_is_named(monkeypatch):
    def refused(self):
        raise ValueError(f"Invalid custom baud rate: {self.baudrate}")

    monkeypatch.setattr(serial.Serial, "open", refused)
    with pytest.raises(LinkError, match="^the port '/dev/ttyS0' does not know 3000000 baud$"):
        SerialLine("/dev/ttyS0", 3_000_000)


def test_a_port_that_takes_no_data_is_named(monkeypatch):
    monkeypatch.setattr("ohmgate.firmware.serial_line.WRITE_TIMEOUT", 0.1)
    master, slave = os.openpty()  # from which nobody reads
    line = SerialLine(os.ttyname(slave))
    with pytest.raises(LinkError, match=f"^the port '{line.name}' takes no data$"):
        line.write(bytes(400_000))
    line.close()
    os.close(master)
    os.close(slave)


def test_a_read_waits_as_long_as_it_may_and_gives_what_is_there():
    with PtyBoard(lambda data: data) as board:
        line = SerialLine(board.port)
        begun = line.time()
        assert line.read(0.05) == b""
        assert 0.05 <= line.time() - begun < 0.5
        line.write(b"abc")
        time.sleep(0.1)
        assert line.read(0.0) == b"abc"
        line.close()


def test_long_requests_use_most_of_what_a_pseudo_terminal_carries():
    with PtyBoard(LinkDevice(Memory(), window=4).receive) as board, Link(SerialLine(board.port)) as link:
        link.ask(Request(Op.WRITE, 4, bytes(60_000)))
        assert link.limit == 240
        assert link.lost < link.frames / 10
