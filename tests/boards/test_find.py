"""Ports by their USB numbers and by HELLO: lists of ports are faked, the boards behind them answer on pseudo-terminals."""

import errno
import os
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import serial

from ohmgate.boards.catalogue import BOARDS
from ohmgate.boards.find import find, look, udev_rule
from ohmgate.firmware.line import LinkError
from tests.firmware.link_device import LinkDevice
from tests.firmware.link_trials import Memory
from tests.firmware.pty_board import PtyBoard

ULX3S, ICEBREAKER = BOARDS["ulx3s-25f"], BOARDS["icebreaker"]


class Named(LinkDevice):
    def __init__(self, name: str):
        super().__init__(Memory())
        self.name = name

    def execute(self, op, argument, payload):
        status, answer = super().execute(op, argument, payload)
        return status, answer.replace(b"desk" + bytes(12), self.name.encode().ljust(16, b"\0"))


@pytest.fixture
def plug(monkeypatch):
    """Plugs in boards: ``plug(usb, serial number, name)`` gives the port; without a name none answers."""
    infos = []
    monkeypatch.setattr("ohmgate.boards.find.list_ports.comports", lambda: infos)
    monkeypatch.setattr("ohmgate.firmware.link.HELLOS", 5)
    with ExitStack() as stack:

        def plugged(usb, number, name=None, port=None):
            if port is None:
                receive = Named(name).receive if name else lambda data: b""
                port = stack.enter_context(PtyBoard(receive)).port
            infos.append(SimpleNamespace(device=port, vid=usb[0], pid=usb[1], serial_number=number))
            return port

        yield plugged


def sentence(*arguments) -> str:
    with pytest.raises(LinkError) as found:
        find(*arguments)
    return str(found.value)


def test_the_only_board_that_answers_is_found_among_other_ports(plug):
    plug((0x1234, 0x5678), "A", "icebreaker")  # another maker's adapter is not even asked
    plug((None, None), None, "icebreaker")  # nor is a port that is no USB adapter's
    plug(ICEBREAKER.usb, "B")  # the channel of an FT2232 that is no serial port
    port = plug(ICEBREAKER.usb, "B", "icebreaker")
    assert find() == find(ICEBREAKER) == find(ICEBREAKER, "B") == port


def test_no_port_names_the_numbers_that_are_looked_for(plug):
    plug((0x1234, 0x5678), "A", "icebreaker")
    assert sentence(ULX3S) == "no port is there that a ulx3s-25f could have: a USB adapter with 0403:6015"
    assert sentence() == "no port is there that a board could have: a USB adapter with 0403:6010 or 0403:6015"
    plug(ULX3S.usb, "B", "ulx3s-25f")
    end = "a USB adapter with 0403:6015 and serial number C"
    assert sentence(ULX3S, "C") == f"no port is there that a ulx3s-25f could have: {end}"


def test_several_boards_are_listed_by_serial_number_and_one_is_found_by_it(plug):
    first, second = plug(ULX3S.usb, "A1", "ulx3s-25f"), plug(ULX3S.usb, "A2", "ulx3s-25f")
    both = ", ".join(sorted([f"{first} (ulx3s-25f, serial number A1)", f"{second} (ulx3s-25f, serial number A2)"]))
    assert sentence(ULX3S) == f"several boards answer, and a port or serial number must name one: {both}"
    assert find(ULX3S, "A2") == second


def test_a_board_of_the_same_adapter_is_told_from_the_one_that_is_wanted(plug):
    small = plug(ULX3S.usb, None, "ulx3s-25f")
    assert sentence(BOARDS["ulx3s-85f"]) == f"another board answers in place of a ulx3s-85f: {small} (ulx3s-25f)"
    large = plug(ULX3S.usb, None, "ulx3s-85f")
    assert (find(BOARDS["ulx3s-85f"]), find(ULX3S)) == (large, small)


def test_ports_on_which_none_answers_are_named(plug):
    first = plug(ULX3S.usb, "A1")
    assert sentence(ULX3S) == f"no board answers on '{first}'"
    second = plug(ULX3S.usb, "A2")
    names = ", ".join(sorted([f"{first}, serial number A1", f"{second}, serial number A2"]))
    assert sentence(ULX3S) == f"no board answers on any of {names}"


def test_a_port_without_permission_comes_with_the_group_and_the_rule(plug, monkeypatch):
    plug(ULX3S.usb, "A1", port="/dev/ttyUSB7")

    def refused(*_):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(serial.serialposix.os, "open", refused)
    rule = 'SUBSYSTEM=="tty", ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6015", TAG+="uaccess"'
    assert udev_rule(ULX3S.usb) == rule
    assert sentence(ULX3S) == (
        "no permission for '/dev/ttyUSB7': your user must be in its group, which often is dialout, "
        f"or /etc/udev/rules.d must have a rule: {rule}"
    )


def test_what_is_found_is_told_for_each_port(plug):
    first, second = plug(ULX3S.usb, "A1", "ulx3s-25f"), plug(ICEBREAKER.usb, "B")
    found = {port.name: port for port in look([ULX3S.usb, ICEBREAKER.usb], 1_000_000)}
    assert (found[first].board, found[first].serial_number, found[first].usb) == ("ulx3s-25f", "A1", ULX3S.usb)
    assert (found[second].board, str(found[second].error)) == ("", f"no board answers on '{second}'")
